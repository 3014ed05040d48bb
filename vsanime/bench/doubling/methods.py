"""Everybody who doubles: resampling, NNEDI3, and networks through the package's own filters."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import vapoursynth as vs

from vsanime.backends import BackendProtocol
from vsanime.bench.doubling.shrink import CATMULL_ROM, LANCZOS3
from vsanime.errors import VsanimeError
from vsanime.filters.artcnn import artcnn, artcnn_chroma
from vsanime.filters.waifu2x import waifu2x
from vsanime.graphs.inspect import inspect
from vsanime.models import store
from vsanime.models.cards import find, variants

type Run = Callable[[vs.VideoNode], vs.VideoNode]

# Public networks that most people use; ours are recognised by their names.
_KNOWN = ("C4F16", "C4F32", "R8F64", "upconv_7_art", "C4F32_Chroma")
_OUR_SUFFIX = "_VA"
_RESTORING = "_DS"
# In a list of models: those that would be taken without one.
DEFAULT = "default"
# Tasks of the cards, and what a file's channels and scale say: in, out, scale.
_TASKS = {(1, 1, 2): "double_luma", (3, 3, 2): "rgb", (3, 2, 1): "chroma"}
# Window 8x6, of the seven the best on six drawings (by 0.4 dB at most); 256 neurons, two predictions: its most.
_NNEDI3 = {"nsize": 0, "nns": 4, "qual": 2}
# NNEDI3 puts new rows above those that it keeps (field=0), so that everything lies half a new pixel too low.
_NNEDI3_SHIFT = 0.5


@dataclass(frozen=True)
class Method:
    """One row of the tables.

    Attributes:
        name: what the tables call it.
        knows: "any" of luma and RGB, or one of them, or "chroma".
        run: from an 8-bit clip to one of single float and twice the size; for chroma, from 4:2:0 to 4:4:4.
        restores: whether it also removes what compression does; such networks are no match on clean pictures.
    """

    name: str
    knows: str
    run: Run
    restores: bool = False


def resampling() -> list[Method]:
    """What every player has."""
    return [
        Method(
            "bicubic (Catmull-Rom)", "any", lambda clip: _single(clip).resize.Bicubic(**_twice(clip), **CATMULL_ROM)
        ),
        Method("Lanczos3", "any", lambda clip: _single(clip).resize.Lanczos(**_twice(clip), **LANCZOS3)),
        Method("Spline36", "any", lambda clip: _single(clip).resize.Spline36(**_twice(clip))),
    ]


def nnedi3() -> list[Method]:
    """NNEDI3 of vapoursynth-znedi3, where it is installed."""
    return [Method("NNEDI3", "any", run_nnedi3)] if hasattr(vs.core, "znedi3") else []


def run_nnedi3(clip: vs.VideoNode, shift: float = _NNEDI3_SHIFT) -> vs.VideoNode:
    """Rows doubled, then columns, and the picture put back into its place by Spline36.

    Args:
        clip: GRAY or RGB.
        shift: by which it is put back, in pixels of the output, both ways.
    """
    large = _single(clip)
    for _ in range(2):
        large = large.znedi3.nnedi3(field=0, dh=True, **_NNEDI3).std.Transpose()
    return large.resize.Spline36(src_left=shift, src_top=shift)


def chroma_resampling() -> list[Method]:
    """4:4:4 by zimg, which knows where the siting puts the samples."""
    form = vs.YUV444PS
    return [
        Method("bilinear", "chroma", lambda clip: clip.resize.Bilinear(format=form)),
        Method("bicubic (Catmull-Rom)", "chroma", lambda clip: clip.resize.Bicubic(format=form, **CATMULL_ROM)),
        Method("Spline36", "chroma", lambda clip: clip.resize.Spline36(format=form)),
    ]


def networks(models: Sequence[str], backend: BackendProtocol) -> list[Method]:
    """Networks by their names or paths; `DEFAULT` among them stands for `default_models()`.

    Raises:
        VsanimeError: a name that no card has, a file that cannot be read, or a network that doubles neither luma nor
            RGB and makes no chroma.
    """
    names = [name for model in models for name in (default_models() if model == DEFAULT else [model])]
    found = [_network(name, backend) for name in dict.fromkeys(names)]
    labels = [method.name for method in found]
    if twice := sorted({label for label in labels if labels.count(label) > 1}):
        raise VsanimeError(f"--models: two networks are called {', '.join(twice)}; give their files different names")
    return found


def default_models() -> list[str]:
    """The public networks and our own whose weights are on this machine; nothing is downloaded for a bench."""
    measured = [name for name, variant in variants().items() if variant.task in _TASKS.values()]
    names = [name for name in measured if name in _KNOWN or name.endswith(_OUR_SUFFIX) or name.endswith(_RESTORING)]
    return [name for name in names if store.available(name)]


def _network(model: str, backend: BackendProtocol) -> Method:
    task = _task(model)
    path = store.as_path(model)
    name = find(model).name if path is None else path.stem

    def double_luma(clip: vs.VideoNode) -> vs.VideoNode:
        return artcnn(clip, model, depth="single", backend=backend)

    def double_rgb(clip: vs.VideoNode) -> vs.VideoNode:
        return waifu2x(clip, model=model, depth="single", backend=backend)

    def make_chroma(clip: vs.VideoNode) -> vs.VideoNode:
        return artcnn_chroma(clip, model, backend=backend)

    runs: dict[str, tuple[str, Run]] = {
        "double_luma": ("luma", double_luma),
        "rgb": ("rgb", double_rgb),
        "chroma": ("chroma", make_chroma),
    }
    knows, run = runs[task]
    return Method(name, knows, run, restores=_RESTORING in name)


def _task(model: str) -> str:
    """What a network is for.

    Raises:
        VsanimeError: there is no such network, or it is for nothing that is measured here.
    """
    # Loaded here so that what is missing or damaged is said before anything is measured.
    found = store.load(model)
    if found.variant is not None:
        task = found.variant.task if found.variant.task == "chroma" or found.variant.scale == 2 else ""
    else:
        facts = inspect(found.proto)
        task = _TASKS.get((facts.in_channels, facts.out_channels, facts.scale), "")
    if not task:
        raise VsanimeError(f"--models {model}: it neither doubles luma or RGB nor reconstructs chroma")
    return task


def _twice(clip: vs.VideoNode) -> dict[str, int]:
    return {"width": 2 * clip.width, "height": 2 * clip.height}


def _single(clip: vs.VideoNode) -> vs.VideoNode:
    """In single float, so that nothing is rounded on the way."""
    return clip.resize.Point(format=clip.format.replace(sample_type=vs.FLOAT, bits_per_sample=32).id)
