"""Double luma and reconstruct chroma with ArtCNN (https://github.com/Artoriuz/ArtCNN)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import vapoursynth as vs

from vsanime.backends import BackendProtocol
from vsanime.coding import chroma_coding, luma_coding
from vsanime.errors import VsanimeError, quote
from vsanime.graphs.builders.luma_chroma import chroma_graph, luma_graph
from vsanime.graphs.passes.ensemble import ensemble
from vsanime.pipeline.arguments import (
    Planes,
    Size,
    Tiles,
    Tiling,
    check_backend,
    doublings,
    read_tiling,
    resolve_format,
    resolve_planes,
    resolve_size,
)
from vsanime.pipeline.network import Network, network_for
from vsanime.pipeline.run import Job, run
from vsanime.spec import ChromaLocation, Family, FrameSpec, GraphTraits, PlaneFormat, PlanesGraph, SampleType
from vsanime.values import Pair, read_flag, read_name_or_path
from vsanime.video.alpha import alpha_of, fill_hidden, resize_alpha, with_alpha
from vsanime.video.chroma import ChromaGrid, join_planes, plane_of, resample
from vsanime.video.clips import first_frame, video_format
from vsanime.video.errors import raises_vs_error
from vsanime.video.properties import make_properties, sample_aspect, write_properties

_RESAMPLE = "resample"
_SCALE = 2
_ADVICE = "a luma doubler such as 'C4F32_VA' or 'R8F64' is needed (see `vsanime models list`)"
_CHROMA_ADVICE = "a chroma model such as 'C4F32_Chroma_VA' is needed (see `vsanime models list`)"


@raises_vs_error
def artcnn(
    clip: vs.VideoNode,
    model: str = "C4F32_VA",
    *,
    chroma: str = _RESAMPLE,
    width: int | None = None,
    height: int | None = None,
    depth: int | str | None = None,
    planes: Planes = None,
    tta: bool = False,
    backend: BackendProtocol | None = None,
    tiles: Tiles = None,
    tilesize: Size = None,
    overlap: Size = None,
) -> vs.VideoNode:
    """Double a clip: luma through an ArtCNN network, chroma resampled or reconstructed.

    Args:
        clip: source clip, GRAY or YUV, 8 to 16 bits, half or single float, progressive, any subsampling that zimg
            resizes.
        model: a luma doubler. Ours come with the package: "C4F32_VA", "C4F16_VA", "C4F32_DS_VA" (removes artifacts),
            "C4F32_BOX_VA" and "C4F16_BOX_VA" (for pictures that a box filter halved). Others are downloaded: "C4F16",
            "C4F32", "C16F64", "R8F64", "R16F96", and their "_DS" and "_DN" variants. Or the path of an ONNX file with
            the same inputs and outputs.
        chroma: "resample" for Spline36, or a chroma model such as "C4F32_Chroma_VA", which reconstructs full-size
            chroma at the source size before that is resampled to the output's chroma grid.
        width: output width in pixels; with `height`, or alone to keep the proportions. The clip is doubled until both
            fit and then scaled down by zimg's Spline36.
        height: output height in pixels.
        depth: output depth, 8 to 16 bits, "half" or "single"; None for the input's.
        planes: planes to put through networks; the others are resampled by Spline36. None for all.
        tta: average luma over the eight rotated and mirrored variants; eight times slower, a little better.
        backend: where the network runs, such as `vsanime.Backend.OpenVINO(precision="f32")`.
        tiles: number of tiles in each direction, or (across, down); "auto" cuts frames to fit a card's memory.
        tilesize: size of the tiles in pixels, overlap included.
        overlap: pixels by which tiles overlap on each side; None for the exact number, with which tiles change nothing.

    Returns:
        A clip in the input's format (except for `depth`) with all its properties. `_Matrix`, `_Range` and
        `_ChromaLocation` are set to what was used, even where the input left them to defaults; `_ChromaLocation` is
        removed where chroma is not subsampled. `_SARNum` and `_SARDen` follow where the proportions change. `_Alpha` is
        resized by Spline36; pixels that it hides do not influence visible ones.

    Raises:
        vs.Error: an argument, a model or a format cannot be used; the message says what would be right.

    Example:
        ```python
        up = vsanime.artcnn(clip, model="R8F64", chroma="C4F32_Chroma_VA", depth=10)
        ```
    """
    spec, props = first_frame(clip)
    _check_luma(clip, spec)
    form = resolve_format(depth, spec.format)
    size = resolve_size(width, height, spec, _SCALE)
    name, chroma_name = read_name_or_path("model", model, "C4F32_VA"), read_name_or_path("chroma", chroma, _RESAMPLE)
    tta = read_flag("tta", tta)
    tiling = read_tiling(tiles, tilesize, overlap)
    check_backend(backend)
    reconstruct = chroma_name != _RESAMPLE
    if reconstruct:
        _check_reconstructable(spec, f"chroma={quote(chroma)}: ", f", or `chroma={_RESAMPLE!r}`")
    has_chroma = spec.format.family is Family.YUV
    chosen = resolve_planes(planes, spec.format, (0, 1, 2) if has_chroma else (0,))
    doubling = _doubler(name, tta=tta) if 0 in chosen else None
    aspect = sample_aspect(props, spec, size)
    alpha = alpha_of("artcnn", clip, props)
    clip = fill_hidden(clip, alpha)
    luma = _luma(_Luma(clip, spec, form, size, doubling, tiling), backend)
    if alpha is not None:
        alpha = resize_alpha(alpha, size)
    if not has_chroma:
        return with_alpha(write_properties(luma, spec, aspect), alpha)
    full_size = None
    if reconstruct and chosen & {1, 2}:
        full_size = _reconstruct(clip, spec, form, chroma_name, backend, tiling)
    chroma_planes = [
        _chroma_plane(clip, spec, form, size, plane, full_size if plane in chosen else None) for plane in (1, 2)
    ]
    return with_alpha(write_properties(join_planes(form, luma, chroma_planes), spec, aspect), alpha)


@raises_vs_error
def artcnn_chroma(
    clip: vs.VideoNode,
    model: str = "C4F32_Chroma_VA",
    *,
    planes: Planes = None,
    backend: BackendProtocol | None = None,
    tiles: Tiles = None,
    tilesize: Size = None,
    overlap: Size = None,
) -> vs.VideoNode:
    """Reconstruct full-size chroma: 4:2:0 or 4:2:2 in, 4:4:4 out at the same size and depth.

    Chroma is interpolated bilinearly onto the luma grid, from the positions that the clip's siting gives, and enters
    the network together with luma. Luma itself is returned unchanged, bit for bit.

    Args:
        clip: source clip, YUV with subsampled chroma, 8 to 16 bits, half or single float, progressive.
        model: a chroma model: "C4F32_Chroma_VA" (ours, comes with the package), "C4F32_Chroma", "C16F64_Chroma",
            "R8F64_Chroma", "R8F64_Chroma_DN", "R16F96_Chroma", or the path of an ONNX file with the same inputs and
            outputs.
        planes: which of the chroma planes (1, 2) go through the network; the others are resampled by Spline36.
        backend: see `artcnn`.
        tiles: see `artcnn`.
        tilesize: see `artcnn`.
        overlap: see `artcnn`.

    Returns:
        A 4:4:4 clip with all properties except `_ChromaLocation`, which 4:4:4 does not have; `_Matrix` and `_Range` are
        set to what was used. Pixels hidden by `_Alpha` do not influence visible ones.

    Raises:
        vs.Error: an argument, a model or a format cannot be used; the message says what would be right.
    """
    spec, props = first_frame(clip)
    _check_reconstructable(spec)
    chosen = resolve_planes(planes, spec.format, (1, 2))
    if 0 in chosen:
        raise VsanimeError(f"planes={quote(planes)}; the network makes planes 1 and 2, luma stays as it is")
    name = read_name_or_path("model", model, "C4F32_Chroma_VA")
    tiling = read_tiling(tiles, tilesize, overlap)
    check_backend(backend)
    form = replace(spec.format, subsampling_w=0, subsampling_h=0)
    size = (spec.width, spec.height)
    alpha = alpha_of("artcnn_chroma", clip, props)
    source = fill_hidden(clip, alpha)
    made = _run_chroma(source, spec, (form, form), ("model", name), backend, tiling) if chosen else None
    chroma_planes = [
        plane_of(made, plane)
        if made is not None and plane in chosen
        else _resample(source, (spec.format, _grid(spec)), (form, ChromaGrid(*size, (0, 0))), spec, plane)
        for plane in (1, 2)
    ]
    result = join_planes(form, plane_of(clip, 0), chroma_planes)
    return with_alpha(write_properties(result, replace(spec, chroma_location=None)), alpha)


def _check_luma(clip: vs.VideoNode, spec: FrameSpec) -> None:
    if spec.format.family is Family.RGB:
        raise VsanimeError(
            f"the clip is {clip.format.name}; ArtCNN works on luma: convert to YUV first, for example with "
            "`clip.resize.Spline36(format=vs.YUV444P16, matrix_s='709')`, and back afterwards"
        )


def _check_reconstructable(spec: FrameSpec, asked: str = "", otherwise: str = "") -> None:
    if spec.format.family is not Family.YUV or spec.chroma_location is None:
        names = {Family.GRAY: "gray", Family.YUV: "4:4:4", Family.RGB: video_format(spec.format).name}
        kind = names[spec.format.family]
        raise VsanimeError(
            f"{asked}the clip is {kind}, which has no subsampled chroma; 4:2:0 or 4:2:2 is needed{otherwise}"
        )
    if spec.format.subsampling_w != 1 or spec.format.subsampling_h > 1:
        raise VsanimeError(
            f"{asked}chroma is subsampled by {1 << spec.format.subsampling_w} and {1 << spec.format.subsampling_h}; "
            f"4:2:0 or 4:2:2 is needed{otherwise}"
        )


def _doubler(model: str | Path, *, tta: bool) -> Network:
    network = network_for(model, "double_luma", (1, 1), (_SCALE,), _ADVICE)
    if not tta:
        return network
    # Rotation and mirroring change none of the facts but one: eight linear paths cannot be split off.
    mean = replace(network.model, proto=ensemble(network.model.proto))
    return Network(mean, replace(network.facts, linear_path=False))


@dataclass(frozen=True)
class _Luma:
    """The source, output format and network of one luma conversion."""

    clip: vs.VideoNode
    spec: FrameSpec
    form: PlaneFormat
    size: Pair
    doubling: Network | None
    tiling: Tiling


def _luma(work: _Luma, backend: BackendProtocol | None) -> vs.VideoNode:
    """Return luma (or gray) at the output's size and depth, with the source's properties."""
    gray = replace(work.form, family=Family.GRAY, subsampling_w=0, subsampling_h=0)
    if work.doubling is None:
        return _scale(plane_of(work.clip, 0), work.spec, gray, work.size)
    clip, spec = work.clip, work.spec
    passes = doublings((spec.width, spec.height), work.size)
    exact = (spec.width << passes, spec.height << passes) == work.size
    for i in range(passes):
        # Lose nothing between passes: 16 bits, or single float where the source is float.
        final = exact and i == passes - 1
        target = gray if final else _wide(gray, spec.format)
        # Tag the frames: a second pass would guess from an untagged clip's doubled size.
        clip = _double(work, clip, spec, target, backend).std.SetFrameProps(**make_properties(spec))
        spec = replace(
            spec, format=target, width=spec.width * _SCALE, height=spec.height * _SCALE, chroma_location=None
        )
    return clip if exact else _scale(clip, spec, gray, work.size)


def _wide(gray: PlaneFormat, source: PlaneFormat) -> PlaneFormat:
    if gray.is_integer and source.is_integer:
        return replace(gray, bits=16)
    return replace(gray, sample_type=SampleType.FLOAT, bits=32)


def _double(
    work: _Luma, clip: vs.VideoNode, spec: FrameSpec, target: PlaneFormat, backend: BackendProtocol | None
) -> vs.VideoNode:
    network = work.doubling
    assert network is not None

    def graph(width: int, height: int, traits: GraphTraits) -> PlanesGraph:
        codings = luma_coding(spec.format, spec.range), luma_coding(target, spec.range)
        return luma_graph(network.model.proto, network.facts, *codings, width, height, traits)

    job = Job("artcnn", clip, spec, network, target, work.form, ([0], [0]), graph)
    return run(job, backend, work.tiling)


def _scale(plane: vs.VideoNode, spec: FrameSpec, gray: PlaneFormat, size: Pair) -> vs.VideoNode:
    said = {"range_in": int(spec.range), "range": int(spec.range)}
    scaled = plane.resize.Spline36(*size, format=video_format(gray).id, **said)
    return scaled.std.CopyFrameProps(plane)  # zimg adds its own, and guesses a sample aspect ratio


def _reconstruct(
    clip: vs.VideoNode,
    spec: FrameSpec,
    final: PlaneFormat,
    model: str | Path,
    backend: BackendProtocol | None,
    tiling: Tiling,
) -> vs.VideoNode:
    """Return full-size chroma at the source size, at a depth that loses nothing when it is resampled."""
    wide = replace(spec.format, subsampling_w=0, subsampling_h=0, bits=16 if spec.format.is_integer else 32)
    return _run_chroma(clip, spec, (wide, final), ("chroma", model), backend, tiling)


def _run_chroma(
    clip: vs.VideoNode,
    spec: FrameSpec,
    forms: tuple[PlaneFormat, PlaneFormat],
    model: tuple[str, str | Path],
    backend: BackendProtocol | None,
    tiling: Tiling,
) -> vs.VideoNode:
    """Return a 4:4:4 clip in the first format with the network's chroma planes; its luma plane is undefined.

    `model` is the name of the filter's argument that selects the network, and its value.
    """
    form, final = forms
    argument, name = model
    network = network_for(name, "chroma", (3, 2), (1,), _CHROMA_ADVICE, argument)
    subsampling = (spec.format.subsampling_w, spec.format.subsampling_h)
    siting = spec.chroma_location
    assert siting is not None

    def graph(width: int, height: int, traits: GraphTraits) -> PlanesGraph:
        codings = (
            luma_coding(spec.format, spec.range),
            chroma_coding(spec.format, spec.range),
            chroma_coding(form, spec.range),
        )
        return chroma_graph(network.model.proto, network.facts, *codings, width, height, subsampling, siting, traits)

    # A luma pixel on a tile's edge may lie between two chroma samples, one of them outside the tile.
    reach = ((1 << subsampling[0]) - 1, (1 << subsampling[1]) - 1)
    job = Job("artcnn_chroma", clip, spec, network, form, final, ([0, 1, 2], [1, 2]), graph, reach)
    return run(job, backend, tiling)


def _grid(spec: FrameSpec) -> ChromaGrid:
    subsampling = (spec.format.subsampling_w, spec.format.subsampling_h)
    return ChromaGrid(spec.width, spec.height, subsampling, spec.chroma_location or ChromaLocation.LEFT)


def _chroma_plane(
    clip: vs.VideoNode, spec: FrameSpec, form: PlaneFormat, size: Pair, plane: int, full_size: vs.VideoNode | None
) -> vs.VideoNode:
    target = (form, replace(_grid(spec), width=size[0], height=size[1]))
    if full_size is None:
        return _resample(clip, (spec.format, _grid(spec)), target, spec, plane)
    wide = replace(spec.format, subsampling_w=0, subsampling_h=0, bits=full_size.format.bits_per_sample)
    return _resample(full_size, (wide, ChromaGrid(spec.width, spec.height, (0, 0))), target, spec, plane)


def _resample(
    clip: vs.VideoNode,
    source: tuple[PlaneFormat, ChromaGrid],
    target: tuple[PlaneFormat, ChromaGrid],
    spec: FrameSpec,
    plane: int,
) -> vs.VideoNode:
    return resample(plane_of(clip, plane), source, target, spec.range)


__all__: Sequence[str] = ["artcnn", "artcnn_chroma"]
