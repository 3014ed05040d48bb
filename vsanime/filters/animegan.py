"""Turn photographic clips into drawn pictures with AnimeGANv2 (https://github.com/TachibanaYoshino/AnimeGANv2)."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import vapoursynth as vs

from vsanime.architectures.animegan.reading import looks_like, weights_of
from vsanime.backends import BackendProtocol
from vsanime.coding import check_matrix
from vsanime.errors import VsanimeError, quote
from vsanime.graphs.builders.style import Look, check_size, style_graph
from vsanime.models.advice import import_command
from vsanime.models.cards import find
from vsanime.models.store import as_path, load
from vsanime.pipeline.arguments import Tiles, Tiling, check_backend, resolve_format
from vsanime.pipeline.network import Network, network_for
from vsanime.pipeline.run import Job, run
from vsanime.spec import Family, FrameSpec, GraphTraits, PlaneFormat, PlanesGraph
from vsanime.values import Pair, parse_wholes, read_choice, read_name_or_path, read_number
from vsanime.video.alpha import alpha_of, fill_hidden, in_depth, with_alpha
from vsanime.video.brightness import match_brightness, scenes_of, widest
from vsanime.video.clips import first_frame
from vsanime.video.errors import raises_vs_error
from vsanime.video.properties import resolve_gray_matrix, write_gray_matrix, write_properties

_BRIGHTNESS = ("none", "scene")
_ADVICE = "a style such as 'Pepper_VA', RGB to RGB at 1x, is needed (see `vsanime models list`)"
# Side length in pixels that every network of this kind accepts.
_SMALL = 8


@raises_vs_error
def animegan(
    clip: vs.VideoNode,
    style: str = "Pepper_VA",
    *,
    strength: float = 1.0,
    brightness: str = "none",
    work_size: Pair | None = None,
    detail: float = 1.0,
    depth: int | str | None = None,
    backend: BackendProtocol | None = None,
    tiles: Tiles = None,
) -> vs.VideoNode:
    """Turn photographic video into drawn pictures of one style, with an AnimeGANv2 network.

    The network works on RGB and on whole frames, each independent of the others. YUV is converted on the way in and
    out inside the compiled graph, by the clip's own range, matrix and siting. Frames whose size is not a multiple of 4
    are extended by reflection to the right and below, and cropped again.

    Args:
        clip: source clip, RGB, YUV or GRAY, 8 to 16 bits, half or single float, progressive, 5x5 pixels or more.
        style: name of a style (`vsanime models list` shows them; `Pepper_VA` comes with the package), or path of an
            ONNX file from RGB to RGB in [0, 1], such as `vsanime import` writes.
        strength: weight of the network's result, 0 to 1: 0 returns the input's codes, 1 the network's, values between
            them a blend of both.
        brightness: "none"; or "scene" to restore the mean luma of every scene, up to what clips at white, by one gain
            for all of its frames. Scenes are read from `_SceneChangePrev` and `_SceneChangeNext`, which
            `vsanime.mark_scenes` or another detector has to have set; the whole clip is read for them when the script
            is evaluated.
        work_size: (width, height) in pixels of a smaller picture for the network to work on, which takes less time and
            memory and draws broader strokes; `detail` says how much of the lost detail is added back.
        detail: how much of the difference between the input and its downscaled version is added, 0 to 1.
        depth: output depth, 8 to 16 bits, "half" or "single"; None for the input's.
        backend: where the network runs, such as `vsanime.Backend.OpenVINO(precision="bf16")`.
        tiles: refused: the network's layer norms are means over the whole frame, so a tile would look different from
            its neighbor.

    Returns:
        A clip in the input's format (except for `depth`) with all its properties. `_Matrix`, `_Range` and
        `_ChromaLocation` are set to what was used, even where the input left them to defaults; `_ChromaLocation` is
        removed from YUV and GRAY where chroma is not subsampled. Pixels hidden by `_Alpha` do not influence visible
        ones. With brightness="scene" the gain is in `AnimeGANGain`.

    Raises:
        vs.Error: an argument, a style or a format cannot be used; the message says what would be right.

    Example:
        ```python
        drawn = vsanime.animegan(vsanime.mark_scenes(clip), brightness="scene")
        ```
    """
    original, props = first_frame(clip)
    spec = resolve_gray_matrix(original)
    check_matrix(spec.matrix)
    if tiles is not None:
        raise VsanimeError(
            f"tiles={quote(tiles)}; the network's layer norms are means over the whole frame, and tiles would each "
            f"have their own: leave tiles out, or take `work_size={_half(spec)}` where memory is short"
        )
    form = resolve_format(depth, spec.format)
    brightness = read_choice("brightness", brightness, _BRIGHTNESS)
    check_backend(backend)
    wanted = Look(
        strength=read_number("strength", strength, 0, 1),
        work_size=_read_work_size(work_size, (spec.width, spec.height)),
        detail=read_number("detail", detail, 0, 1),
    )
    network = _network(read_name_or_path("style", style, "Pepper_VA"))
    look = replace(wanted, multiple=network.facts.multiple)
    check_size(look.work_size or (spec.width, spec.height), look.multiple)
    scenes = scenes_of(clip) if brightness == "scene" else None
    made = form if scenes is None else widest(form)
    alpha = alpha_of("animegan", clip, props)
    source = fill_hidden(clip, alpha)
    result = _run(source, spec, (made, form), network, look, backend)
    if scenes is not None:
        result = match_brightness(
            source, result, (spec, replace(spec, format=made), replace(spec, format=form)), scenes
        )
    # A gray clip keeps its own matrix: the one in `spec` only weighs three equal channels.
    result = write_properties(result, replace(spec, matrix=original.matrix))
    return with_alpha(result, in_depth(alpha, form))


def is_style(model: str) -> bool:
    """Return whether a model's name, or a file's layers, identify a model for this filter.

    Raises:
        VsanimeError: the file is not a model.
    """
    if as_path(model) is not None:
        return looks_like(load(model).proto)
    try:
        return find(model).task == "style"
    except VsanimeError:
        return False  # it may be a model family of another filter


def _network(style: str | Path) -> Network:
    """Return the network of a style, for whole frames; the graph reflects their edges."""
    if as_path(style) is not None:
        proto = load(style).proto
        if looks_like(proto) and not weights_of(proto).plain:
            raise VsanimeError(
                f"style={quote(str(style))} works on [-1, 1]; {import_command(style)} makes one that filters take"
            )
    return network_for(style, "style", (3, 3), (1,), _ADVICE, "style")


def _half(spec: FrameSpec) -> Pair:
    """Return half of the frame's size, but at least the size that the network needs."""
    return max(spec.width // 2, min(spec.width, _SMALL)), max(spec.height // 2, min(spec.height, _SMALL))


def _read_work_size(size: Pair | None, frame: Pair) -> Pair | None:
    """Return the size of the picture that the network sees, or None for the frame's.

    Raises:
        VsanimeError: the size is not a width and height within the frame.
    """
    if size is None:
        return None
    sides = parse_wholes(size, 2)
    if sides is None or len(sides) != 2 or not all(1 <= side <= most for side, most in zip(sides, frame, strict=True)):
        raise VsanimeError(
            f"work_size={quote(size)}; a (width, height) no larger than the frame's {frame[0]}x{frame[1]} is needed"
        )
    return sides[0], sides[1]


def _run(
    clip: vs.VideoNode,
    spec: FrameSpec,
    forms: tuple[PlaneFormat, PlaneFormat],
    network: Network,
    look: Look,
    backend: BackendProtocol | None,
) -> vs.VideoNode:
    """Return the network's frames in the first format; the second is the filter's output format."""
    form, final = forms
    planes = [0] if form.family is Family.GRAY else [0, 1, 2]
    whole = replace(network, facts=replace(network.facts, radius=None, multiple=1))

    def graph(width: int, height: int, traits: GraphTraits) -> PlanesGraph:
        return style_graph(network.model.proto, spec, form, (width, height), traits, look)

    clip = write_gray_matrix(clip, spec)
    return run(Job("animegan", clip, spec, whole, form, final, (planes, planes), graph), backend, Tiling())
