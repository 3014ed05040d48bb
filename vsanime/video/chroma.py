"""Resamples chroma planes between grids of different siting, subsampling and depth with zimg, without touching luma."""

from __future__ import annotations

from dataclasses import dataclass

import vapoursynth as vs

from vsanime.coding import chroma_coding, chroma_offset
from vsanime.spec import ChromaLocation, PlaneFormat, Range
from vsanime.video.clips import video_format


@dataclass(frozen=True)
class ChromaGrid:
    """Position of the chroma samples in a frame.

    Attributes:
        width: luma width of the frame in pixels.
        height: luma height of the frame in pixels.
        subsampling: log2 of the subsampling, (horizontal, vertical).
        siting: position of the samples in their blocks; ignored where nothing is subsampled.
    """

    width: int
    height: int
    subsampling: tuple[int, int]
    siting: ChromaLocation = ChromaLocation.LEFT


def source_window(source: ChromaGrid, target: ChromaGrid) -> tuple[float, float, float, float]:
    """Return the part of a source chroma plane that a target chroma plane covers: left, top, width, height in samples.

    Both frames show the same picture, edge to edge. Sample i of a plane sits at luma pixel i * 2**s + offset, whose
    center is half a pixel further; zimg maps the target's edges to the window's edges.
    """
    offset_in = chroma_offset(source.siting, source.subsampling)
    offset_out = chroma_offset(target.siting, target.subsampling)

    def axis(n: int) -> tuple[float, float]:
        size_in, size_out = ((source.width, target.width), (source.height, target.height))[n]
        step_in, step_out = 1 << source.subsampling[n], 1 << target.subsampling[n]
        ratio = size_in / size_out
        start = ((offset_out[n] + 0.5 - 0.5 * step_out) * ratio - offset_in[n] - 0.5) / step_in + 0.5
        return start, (size_out // step_out) * step_out * ratio / step_in

    (left, width), (top, height) = axis(0), axis(1)
    return left, top, width, height


def resample(
    plane: vs.VideoNode,
    source: tuple[PlaneFormat, ChromaGrid],
    target: tuple[PlaneFormat, ChromaGrid],
    full: Range,
) -> vs.VideoNode:
    """Return a chroma plane (GRAY clip) resampled by Spline36 to another frame's chroma grid and depth.

    Args:
        plane: source plane as a GRAY clip.
        source: format and grid of the source frame.
        target: format and grid of the target frame.
        full: range of the integer codes.
    """
    (form_in, grid_in), (form_out, grid_out) = source, target
    left, top, width, height = source_window(grid_in, grid_out)
    # Between depths zimg would round twice and treat the plane as luma: resample in float and recode by hand.
    direct = (form_in.bits, form_in.sample_type) == (form_out.bits, form_out.sample_type)
    between = _gray(form_out) if direct else vs.GRAYS
    # Frame properties take precedence over zimg's range_in, so the range is set on the frames.
    resized = plane.std.SetFrameProps(_Range=vs.RANGE_LIMITED).resize.Spline36(
        grid_out.width >> grid_out.subsampling[0],
        grid_out.height >> grid_out.subsampling[1],
        format=between,
        range=vs.RANGE_LIMITED,
        src_left=left,
        src_top=top,
        src_width=width,
        src_height=height,
    )
    return resized if direct else _recode(resized, form_in, form_out, full)


def _recode(plane: vs.VideoNode, form_in: PlaneFormat, form_out: PlaneFormat, full: Range) -> vs.VideoNode:
    """Return chroma codes at the target's depth, from float samples that zimg decoded as limited-range luma."""
    before, after = chroma_coding(form_in, full), chroma_coding(form_out, full)
    read_scale, read_zero = 1.0, 0.0
    if form_in.is_integer:
        step = 1 << (form_in.bits - 8)
        read_scale, read_zero = 219.0 * step, 16.0 * step
    # code = x * read_scale + read_zero; value = (code - zero) / span; result = value * span' + zero'
    scale = read_scale * after.span / before.span
    offset = (read_zero - before.zero) * after.span / before.span + after.zero
    # Expr rounds to the nearest code and clips, but cannot write half floats.
    half = not form_out.is_integer and form_out.bits == 16
    coded = plane.std.Expr(f"x {scale!r} * {offset!r} +", format=vs.GRAYS if half else _gray(form_out))
    return coded.resize.Point(format=vs.GRAYH) if half else coded


def _gray(form: PlaneFormat) -> int:
    sample = vs.INTEGER if form.is_integer else vs.FLOAT
    return int(vs.core.query_video_format(vs.GRAY, sample, form.bits).id)


def plane_of(clip: vs.VideoNode, plane: int) -> vs.VideoNode:
    """Return one plane of a clip as GRAY."""
    return clip if clip.format.color_family == vs.GRAY else vs.core.std.ShufflePlanes(clip, plane, vs.GRAY)


def join_planes(form: PlaneFormat, luma: vs.VideoNode, chroma: list[vs.VideoNode]) -> vs.VideoNode:
    """Return a clip of the given format made of its planes; frame properties come from luma's."""
    if not chroma:
        return luma
    result = vs.core.std.ShufflePlanes([luma, *chroma], [0, 0, 0], vs.YUV)
    assert result.format.id == video_format(form).id
    return result
