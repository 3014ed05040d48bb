"""Lists the methods that are compared: resampling, NNEDI3, and networks through the package's own filters."""

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

# Public networks in wide use; those of this project are recognized by their suffix.
_KNOWN = ("C4F16", "C4F32", "R8F64", "upconv_7_art", "C4F32_Chroma")
_OUR_SUFFIX = "_VA"
_RESTORING = "_DS"
# In a list of models, stands for `default_models()`.
DEFAULT = "default"
# Tasks of cards by the channels in, channels out and scale of a network.
_TASKS = {(1, 1, 2): "double_luma", (3, 3, 2): "rgb", (3, 2, 1): "chroma"}
# Window 8x6, the best of the seven on six drawings (by 0.4 dB at most); 256 neurons and two predictions, its maximum.
_NNEDI3 = {"nsize": 0, "nns": 4, "qual": 2}
# NNEDI3 puts new rows above those that it keeps (field=0), so that the picture is half a new pixel too low.
_NNEDI3_SHIFT = 0.5


@dataclass(frozen=True)
class Method:
    """A method, which is a row of the tables.

    Attributes:
        name: name in the tables.
        knows: planes that it supports: "any" (luma and RGB), "luma", "rgb" or "chroma".
        run: function from an 8-bit clip to a single-float clip of twice the size; for chroma, from 4:2:0 to 4:4:4.
        restores: whether it also removes compression artifacts; such networks are not comparable on clean pictures.
    """

    name: str
    knows: str
    run: Run
    restores: bool = False


def resampling() -> list[Method]:
    """Return the resampling kernels that every player has."""
    return [
        Method(
            "bicubic (Catmull-Rom)", "any", lambda clip: _single(clip).resize.Bicubic(**_twice(clip), **CATMULL_ROM)
        ),
        Method("Lanczos3", "any", lambda clip: _single(clip).resize.Lanczos(**_twice(clip), **LANCZOS3)),
        Method("Spline36", "any", lambda clip: _single(clip).resize.Spline36(**_twice(clip))),
    ]


def nnedi3() -> list[Method]:
    """Return NNEDI3 by vapoursynth-znedi3, or an empty list if that is not installed."""
    return [Method("NNEDI3", "any", run_nnedi3)] if hasattr(vs.core, "znedi3") else []


def run_nnedi3(clip: vs.VideoNode, shift: float = _NNEDI3_SHIFT) -> vs.VideoNode:
    """Double both sides of a clip with NNEDI3 and correct its shift by Spline36.

    Args:
        clip: source clip, GRAY or RGB.
        shift: shift to correct in pixels of the output, horizontally and vertically.
    """
    large = _single(clip)
    for _ in range(2):
        large = large.znedi3.nnedi3(field=0, dh=True, **_NNEDI3).std.Transpose()
    return large.resize.Spline36(src_left=shift, src_top=shift)


def chroma_resampling() -> list[Method]:
    """Return zimg's resampling of chroma to 4:4:4, which takes the siting into account."""
    form = vs.YUV444PS
    return [
        Method("bilinear", "chroma", lambda clip: clip.resize.Bilinear(format=form)),
        Method("bicubic (Catmull-Rom)", "chroma", lambda clip: clip.resize.Bicubic(format=form, **CATMULL_ROM)),
        Method("Spline36", "chroma", lambda clip: clip.resize.Spline36(format=form)),
    ]


def networks(models: Sequence[str], backend: BackendProtocol) -> list[Method]:
    """Return networks by their names or paths; `DEFAULT` among them stands for `default_models()`.

    Raises:
        VsanimeError: a name is unknown or used twice, a file cannot be read, or a network is for none of the tasks.
    """
    names = [name for model in models for name in (default_models() if model == DEFAULT else [model])]
    found = [_network(name, backend) for name in dict.fromkeys(names)]
    labels = [method.name for method in found]
    if twice := sorted({label for label in labels if labels.count(label) > 1}):
        raise VsanimeError(f"--models: two networks are called {', '.join(twice)}; give their files different names")
    return found


def default_models() -> list[str]:
    """Return the measured networks whose weights are on this machine; nothing is downloaded for a benchmark."""
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
    """Return the task of a network.

    Raises:
        VsanimeError: there is no such network, or its task is not measured here.
    """
    # Load the network now, so that a missing or damaged file is reported before anything is measured.
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
    """Convert a clip to single float, so that no intermediate result is rounded."""
    return clip.resize.Point(format=clip.format.replace(sample_type=vs.FLOAT, bits_per_sample=32).id)
