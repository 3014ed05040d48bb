"""Handles transparency: reads and scales the `_Alpha` frames of a clip, and fills the colors hidden under them.

The color of a fully transparent pixel is arbitrary, often black, and would bleed into visible edges. As nagadomi's
waifu2x does, color is spread from the visible pixels into hidden ones before a network or a kernel sees it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import vapoursynth as vs

from vsanime.arrays import Array, Floats, Indices, Mask
from vsanime.coding import plane_codings
from vsanime.spec import Family, FrameSpec, PlaneFormat
from vsanime.video.clips import peak_of, video_format

ALPHA = "_Alpha"
# Luma, gray or RGB value of frames in which nothing is visible, in [0, 1].
_BACKGROUND = 0.5
# Rings of hidden samples that are filled from their neighbors: what UpConv_7 sees, at the output's size.
_NEAR = 14


def alpha_of(name: str, clip: vs.VideoNode, first: Mapping[str, Any]) -> vs.VideoNode | None:
    """Return a full-range GRAY clip of a clip's `_Alpha` frames; opaque where a later frame has none.

    Args:
        name: name of the filter, for messages about later frames.
        clip: clip whose frames may have `_Alpha`.
        first: properties of its first frame, which decide whether there is transparency, and at which depth.

    Returns:
        Clip of the alpha frames, or None if the first frame has no `_Alpha`.

    Raises:
        vs.Error: `_Alpha` is not a gray frame of the clip's size; for later frames, when they are requested.
    """
    if ALPHA not in first:
        return None
    size = (clip.width, clip.height)
    form = check_alpha(f"{name}: frame 0", first[ALPHA], size).format

    def taken(n: int, f: vs.VideoFrame) -> vs.VideoFrame:
        found = f.props.get(ALPHA)
        frame = vs.core.create_video_frame(form, clip.width, clip.height)
        plane = np.asarray(frame[0])
        if found is None:
            plane[:] = peak_of(form)
        else:
            plane[:] = np.asarray(check_alpha(f"{name}: frame {n}", found, size, form)[0])
        return frame

    blank = vs.core.std.BlankClip(clip, format=form.id, keep=True)
    return blank.std.ModifyFrame(clip, taken).std.SetFrameProps(_Range=vs.RANGE_FULL)


def check_alpha(whose: str, found: Any, size: tuple[int, int], form: vs.VideoFormat | None = None) -> vs.VideoFrame:
    """Return an `_Alpha` frame after checking its type, size and format.

    Args:
        whose: filter and frame, for messages.
        found: value of the property.
        size: width and height of the frame in pixels.
        form: required format; None for any.

    Raises:
        vs.Error: the value is not a gray frame of this size and format.
    """
    what = f"{whose}: {ALPHA}"
    if not isinstance(found, vs.VideoFrame) or found.format.color_family != vs.GRAY:
        kind = found.format.name if isinstance(found, vs.VideoFrame) else type(found).__name__
        raise vs.Error(f"{what} is {kind}; a gray frame is needed, or none: `clip.std.RemoveFrameProps('{ALPHA}')`")
    if (found.width, found.height) != size:
        raise vs.Error(f"{what} is {found.width}x{found.height}; the frame's own {size[0]}x{size[1]} are needed")
    if form is not None and found.format.id != form.id:
        raise vs.Error(f"{what} is {found.format.name} where the first frame's is {form.name}; one depth is needed")
    return found


def in_depth(alpha: vs.VideoNode | None, form: PlaneFormat) -> vs.VideoNode | None:
    """Return alpha frames converted to the depth of the output's format; None stays None."""
    wanted = video_format(replace(form, family=Family.GRAY, subsampling_w=0, subsampling_h=0))
    if alpha is None or alpha.format.id == wanted.id:
        return alpha
    return alpha.resize.Point(format=wanted.id, range_in=vs.RANGE_FULL, range=vs.RANGE_FULL)


def with_alpha(clip: vs.VideoNode, alpha: vs.VideoNode | None) -> vs.VideoNode:
    """Return the clip with these frames as its `_Alpha`, or without any, since one of another size would mislead."""
    if alpha is None:
        return clip.std.RemoveFrameProps([ALPHA])
    # Only the range has a meaning for alpha; zimg leaves more properties.
    return clip.std.ClipToProp(alpha.std.RemoveFrameProps().std.SetFrameProps(_Range=vs.RANGE_FULL), prop=ALPHA)


def with_sure_ends(scaled: vs.VideoNode, source: vs.VideoNode) -> vs.VideoNode:
    """Return scaled alpha that is exactly opaque or transparent wherever the source is so in the whole neighborhood.

    Networks change flat areas by a code or two, which is invisible in color, but an opaque picture must stay opaque.
    """
    # std.Minimum does not support half floats.
    wide = source.resize.Point(format=vs.GRAYS) if source.format.sample_type == vs.FLOAT else source
    least, most = (clip.resize.Point(scaled.width, scaled.height) for clip in (wide.std.Minimum(), wide.std.Maximum()))
    high, peak = peak_of(wide.format), peak_of(scaled.format)
    half = scaled.format.sample_type == vs.FLOAT and scaled.format.bits_per_sample == 16
    values = scaled.resize.Point(format=vs.GRAYS) if half else scaled
    sure = vs.core.std.Expr([values, least, most], f"y {high} >= {peak} z 0 <= 0 x ? ?")
    return sure.resize.Point(format=vs.GRAYH) if half else sure


def resize_alpha(alpha: vs.VideoNode, size: tuple[int, int]) -> vs.VideoNode:
    """Return alpha resized by Spline36, clipped to the range from transparent to opaque."""
    scaled = alpha.resize.Spline36(*size)
    if alpha.format.sample_type == vs.INTEGER:
        return scaled
    # Resampling overshoots at edges; integers are clipped to their codes. std.Expr cannot write half floats.
    clipped = scaled.resize.Point(format=vs.GRAYS).std.Expr("x 0 max 1 min")
    return clipped if alpha.format.bits_per_sample == 32 else clipped.resize.Point(format=vs.GRAYH)


def fill_hidden(clip: vs.VideoNode, alpha: vs.VideoNode | None) -> vs.VideoNode:
    """Return a clip whose fully transparent pixels continue the colors of the visible edge.

    A chroma sample is visible where any pixel of its block is. Frames without hidden pixels stay as they are.

    Args:
        clip: source clip, GRAY, YUV or RGB, 8 to 16 bits, half or single float.
        alpha: its transparency, GRAY of any depth; None returns the clip itself.
    """
    if alpha is None:
        return clip
    shift = (clip.format.subsampling_h, clip.format.subsampling_w)
    numbers = range(clip.format.num_planes)
    whole, small = (numbers[:1], numbers[1:]) if any(shift) else (numbers, numbers[:0])

    def fill(n: int, f: list[vs.VideoFrame]) -> vs.VideoFrame:  # noqa: ARG001 - VapourSynth passes it
        visible = np.asarray(f[1][0]) > 0
        if visible.all():
            return f[0]
        frame = f[0].copy()
        for group, mask in ((whole, visible), (small, _on_grid(visible, shift))):
            planes = [np.asarray(frame[p]) for p in group]
            if planes:
                filled = fill_from_edge(np.stack(planes), mask, [_neutral(clip.format, p) for p in group])
                for plane, values in zip(planes, filled, strict=True):
                    plane[:] = values
        return frame

    return clip.std.ModifyFrame([clip, alpha], fill)


def _neutral(form: vs.VideoFormat, plane: int) -> float:
    """Return the sample value of middle gray, or of no color in a chroma plane."""
    if plane and form.color_family == vs.YUV:
        return 0.0 if form.sample_type == vs.FLOAT else float(1 << (form.bits_per_sample - 1))
    return _BACKGROUND * peak_of(form)


def _on_grid(visible: Mask, shift: tuple[int, int]) -> Mask:
    """Return which samples of a subsampled plane are visible: those of blocks with a visible pixel.

    Args:
        visible: mask of the visible pixels, [height, width] of the frame.
        shift: log2 of the vertical and horizontal subsampling.
    """
    height, width = (side >> by for side, by in zip(visible.shape, shift, strict=True))
    return visible.reshape(height, 1 << shift[0], width, 1 << shift[1]).any((1, 3))


def lay_on_white(frame: vs.VideoFrame, alpha: vs.VideoFrame, spec: FrameSpec) -> vs.VideoFrame:
    """Return a frame composited on white, without `_Alpha`; used for line art and its references.

    Lines drawn on transparency are black, and so are often the hidden pixels around them; spread from the edge as in
    `fill_hidden` they would cover the paper.

    Args:
        frame: source frame, GRAY, YUV or RGB.
        alpha: its transparency.
        spec: facts about the frame.
    """
    opacity = np.clip(np.asarray(alpha[0]).astype(np.float32) / np.float32(peak_of(alpha.format)), 0, 1)
    result = frame.copy()
    for p, coding in enumerate(plane_codings(spec)):
        chroma = p > 0 and spec.format.family is Family.YUV
        white = np.float32(coding.zero if chroma else coding.zero + coding.span)
        plane = np.asarray(result[p])
        height, width = plane.shape
        share = opacity.reshape(height, opacity.shape[0] // height, width, opacity.shape[1] // width).mean((1, 3))
        mixed = white + (np.where(share > 0, plane, white).astype(np.float32) - white) * share
        if coding.peak is not None:
            mixed = np.floor(mixed + np.float32(0.5))
        plane[:] = np.where(share < 1, mixed.astype(plane.dtype), plane)
    if ALPHA in result.props:
        del result.props[ALPHA]
    return result


def clip_on_white(clip: vs.VideoNode, alpha: vs.VideoNode | None, spec: FrameSpec) -> vs.VideoNode:
    """Return a clip composited on white, without `_Alpha`; the clip itself if it has no transparency.

    Args:
        clip: source clip, GRAY, YUV or RGB.
        alpha: its transparency, or None.
        spec: facts about its frames.
    """
    if alpha is None:
        return clip

    def lay(n: int, f: list[vs.VideoFrame]) -> vs.VideoFrame:  # noqa: ARG001 - VapourSynth passes it
        return lay_on_white(f[0], f[1], spec)

    return clip.std.ModifyFrame([clip, alpha], lay)


def fill_from_edge(planes: Array, visible: Mask, backgrounds: Sequence[float], distance: int = _NEAR) -> Array:
    """Return planes whose hidden samples continue the visible ones.

    Near the edge a hidden sample becomes the mean of its neighbors in 3x3 that have a value, ring by ring, so that a
    network sees the picture continue. Farther away, where only means over the whole frame and very wide kernels look,
    it becomes the mean of the smallest surrounding block of 2, 4, 8, ... samples each way that has a value.

    Args:
        planes: sample values, [planes, height, width].
        visible: mask of the visible samples, [height, width].
        backgrounds: value of each plane if nothing is visible.
        distance: number of rings to fill from neighbors.
    """
    if not visible.any():
        blank = np.array(backgrounds, planes.dtype)[:, None, None]
        return np.broadcast_to(blank, planes.shape)
    # A border without values gives every sample eight neighbors.
    known = np.pad(visible, 1)
    # Hidden floats may be infinite or NaN, which a multiplication by 0 would keep.
    values = np.pad(np.where(visible, planes, 0).astype(np.float32), ((0, 0), (1, 1), (1, 1)))
    fillable = np.pad(~visible, 1)
    rows, columns = np.nonzero(_grow(known) & fillable)
    for _ in range(distance):
        if not len(rows):
            break
        near = _neighbors(rows, columns)
        counts = known[near].sum(axis=0)
        values[:, rows, columns] = values[:, *near].sum(axis=1) / counts
        known[rows, columns], fillable[rows, columns] = True, False
        ring = np.unique(np.ravel_multi_index(near, known.shape))
        rows, columns = np.unravel_index(ring[fillable.ravel()[ring]], known.shape)
    filled = np.stack([_fill_by_blocks(plane[1:-1, 1:-1], known[1:-1, 1:-1]) for plane in values])
    if np.issubdtype(planes.dtype, np.integer):
        filled = np.floor(filled + np.float32(0.5))
    return np.where(visible, planes, filled.astype(planes.dtype))


def _neighbors(rows: Indices, columns: Indices) -> tuple[Indices, Indices]:
    """Return the row and column indices of the given samples and of their eight neighbors, each [9, count]."""
    offsets = np.indices((3, 3)).reshape(2, 9, 1) - 1
    return rows + offsets[0], columns + offsets[1]


def _fill_by_blocks(values: Floats, known: Mask) -> Floats:
    """Return values whose unknown samples are means of ever larger blocks; at least one sample must be known.

    Args:
        values: sample values, [height, width], 0 where unknown.
        known: mask of the known samples, [height, width].
    """
    if known.all():
        return values
    height, width = values.shape
    even = ((0, height % 2), (0, width % 2))
    blocks = ((height + 1) // 2, 2, (width + 1) // 2, 2)
    counts = np.pad(known, even).reshape(blocks).sum((1, 3))
    sums = np.pad(values, even).reshape(blocks).sum((1, 3))
    means = _fill_by_blocks(sums / np.maximum(counts, 1).astype(np.float32), counts > 0)
    return np.where(known, values, means.repeat(2, 0).repeat(2, 1)[:height, :width])


def _grow(known: Mask) -> Mask:
    """Return the known samples together with all their neighbors; the border is never known, so nothing wraps."""
    tall = known | np.roll(known, 1, 0) | np.roll(known, -1, 0)
    grown: Mask = tall | np.roll(tall, 1, 1) | np.roll(tall, -1, 1)
    return grown
