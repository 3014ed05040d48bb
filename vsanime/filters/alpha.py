"""Transparency: the `_Alpha` frames of a clip, scaled with it, and colour that is spread underneath.

What colour a fully transparent pixel has is arbitrary, often black, and would bleed into visible edges. As
nagadomi's waifu2x does, colour is spread from the visible pixels into transparent ones before a network sees it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np
import vapoursynth as vs
from numpy.typing import NDArray

from vsanime.spec import Family, PlaneFormat
from vsanime.video.clips import peak_of, video_format

type Array = NDArray[Any]

ALPHA = "_Alpha"
# Colour where no visible pixel is near, in [0, 1].
_BACKGROUND = 0.5


def alpha_of(name: str, clip: vs.VideoNode, first: Mapping[str, Any]) -> vs.VideoNode | None:
    """The clip of a clip's `_Alpha` frames, GRAY and full range; opaque where a later frame has none.

    Args:
        name: the filter's, for messages about later frames.
        clip: the clip.
        first: its first frame's properties, which decide whether there is transparency at all, and in which depth.

    Returns:
        None where the first frame has no `_Alpha`.

    Raises:
        vs.Error: `_Alpha` is no gray frame of the clip's size; for later frames, when they are asked for.
    """
    if ALPHA not in first:
        return None
    form = _checked(name, 0, first[ALPHA], (clip.width, clip.height), None).format

    def taken(n: int, f: vs.VideoFrame) -> vs.VideoFrame:
        found = f.props.get(ALPHA)
        frame = vs.core.create_video_frame(form, clip.width, clip.height)
        plane = np.asarray(frame[0])
        if found is None:
            plane[:] = peak_of(form)
        else:
            plane[:] = np.asarray(_checked(name, n, found, (clip.width, clip.height), form)[0])
        return frame

    blank = vs.core.std.BlankClip(clip, format=form.id, keep=True)
    return blank.std.ModifyFrame(clip, taken).std.SetFrameProps(_Range=vs.RANGE_FULL)


def _checked(name: str, n: int, found: Any, size: tuple[int, int], form: vs.VideoFormat | None) -> vs.VideoFrame:
    """An `_Alpha` that can be used."""
    what = f"{name}: frame {n}: {ALPHA}"
    if not isinstance(found, vs.VideoFrame) or found.format.color_family != vs.GRAY:
        kind = found.format.name if isinstance(found, vs.VideoFrame) else type(found).__name__
        raise vs.Error(f"{what} is {kind}; a gray frame is needed, or none: std.RemoveFrameProps('{ALPHA}')")
    if (found.width, found.height) != size:
        raise vs.Error(f"{what} is {found.width}x{found.height}; the frame's own {size[0]}x{size[1]} are needed")
    if form is not None and found.format.id != form.id:
        raise vs.Error(f"{what} is {found.format.name} where the first frame's is {form.name}; one depth is needed")
    return found


def in_depth(alpha: vs.VideoNode | None, form: PlaneFormat) -> vs.VideoNode | None:
    """Transparency of a picture that keeps its size: what it was, but in the output's depth."""
    wanted = video_format(replace(form, family=Family.GRAY, subsampling_w=0, subsampling_h=0))
    if alpha is None or alpha.format.id == wanted.id:
        return alpha
    return alpha.resize.Point(format=wanted.id, range_in=vs.RANGE_FULL, range=vs.RANGE_FULL)


def with_alpha(clip: vs.VideoNode, alpha: vs.VideoNode | None) -> vs.VideoNode:
    """The clip with these frames as its `_Alpha`, or without any: one of another size would be a trap."""
    if alpha is None:
        return clip.std.RemoveFrameProps([ALPHA])
    return clip.std.ClipToProp(alpha, prop=ALPHA)


def with_sure_ends(scaled: vs.VideoNode, source: vs.VideoNode) -> vs.VideoNode:
    """Scaled transparency, exactly opaque or transparent wherever the source is so all around.

    Networks change flat areas by a code or two, which nobody sees in colour; an opaque picture has to stay opaque.
    """
    # std.Minimum knows no half floats.
    wide = source.resize.Point(format=vs.GRAYS) if source.format.sample_type == vs.FLOAT else source
    least, most = (clip.resize.Point(scaled.width, scaled.height) for clip in (wide.std.Minimum(), wide.std.Maximum()))
    high, peak = peak_of(wide.format), peak_of(scaled.format)
    half = scaled.format.sample_type == vs.FLOAT and scaled.format.bits_per_sample == 16
    values = scaled.resize.Point(format=vs.GRAYS) if half else scaled
    sure = vs.core.std.Expr([values, least, most], f"y {high} >= {peak} z 0 <= 0 x ? ?")
    return sure.resize.Point(format=vs.GRAYH) if half else sure


def colour_spread(clip: vs.VideoNode, alpha: vs.VideoNode, distance: int) -> vs.VideoNode:
    """An RGB clip whose fully transparent pixels take the colour of visible ones up to `distance` pixels away."""
    background = _BACKGROUND * peak_of(clip.format)

    def spread(n: int, f: list[vs.VideoFrame]) -> vs.VideoFrame:  # noqa: ARG001 - VapourSynth calls it so
        known = np.asarray(f[1][0]) > 0
        if known.all():
            return f[0]
        frame = f[0].copy()
        planes = np.stack([np.asarray(f[0][p]) for p in range(3)])
        for p, plane in enumerate(bled(planes, known, distance, background)):
            np.asarray(frame[p])[:] = plane
        return frame

    return clip.std.ModifyFrame([clip, alpha], spread)


def bled(planes: Array, known: Array, distance: int, background: float) -> Array:
    """Planes whose unknown pixels are means of known neighbours in 3x3, `distance` times over; then `background`.

    Args:
        planes: [planes, height, width].
        known: [height, width], boolean.
        distance: rounds, each spreading by one pixel.
        background: value of what is still unknown afterwards.
    """
    # A border that is never known, so that every pixel has eight neighbours.
    known = np.pad(known, 1)
    values = np.pad(planes.astype(np.float32), ((0, 0), (1, 1), (1, 1))) * known
    inside = np.pad(np.ones(planes.shape[1:], bool), 1)
    for _ in range(distance):
        rows, columns = np.nonzero(_grown(known) & ~known & inside)
        if not len(rows):
            break
        near = [(rows + y, columns + x) for y in (-1, 0, 1) for x in (-1, 0, 1)]
        counts = np.sum([known[place] for place in near], axis=0)
        means = np.sum([values[:, *place] for place in near], axis=0) / counts
        values[:, rows, columns] = means
        known[rows, columns] = True
    filled = np.where(known, values, np.float32(background))[:, 1:-1, 1:-1]
    if np.issubdtype(planes.dtype, np.integer):
        filled = np.floor(filled + 0.5)
    return filled.astype(planes.dtype)


def _grown(known: Array) -> Array:
    """With all neighbours of known pixels; the outermost row and column are never known, so none wraps around."""
    tall = known | np.roll(known, 1, 0) | np.roll(known, -1, 0)
    grown: Array = tall | np.roll(tall, 1, 1) | np.roll(tall, -1, 1)
    return grown
