"""Transparency of RGB pictures, as waifu2x treats it: scaled by the network, with the colour spread underneath.

What colour a fully transparent pixel has is arbitrary, often black, and would bleed into visible edges. As
nagadomi's waifu2x does, colour is spread from the visible pixels into transparent ones before the network sees it.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import vapoursynth as vs
from numpy.typing import NDArray

type Array = NDArray[Any]

ALPHA = "_Alpha"
# Colour where no visible pixel is near, in [0, 1].
_BACKGROUND = 0.5


def alpha_of(clip: vs.VideoNode) -> vs.VideoNode | None:
    """The clip of an RGB clip's `_Alpha` frames, full range; None where the first frame has none."""
    if clip.format.color_family != vs.RGB:
        return None
    with clip.get_frame(0) as frame:
        if ALPHA not in frame.props:
            return None
    return clip.std.PropToClip(ALPHA).std.SetFrameProps(_Range=vs.RANGE_FULL)


def with_alpha(clip: vs.VideoNode, alpha: vs.VideoNode) -> vs.VideoNode:
    """The clip with these frames as its `_Alpha`."""
    return clip.std.ClipToProp(alpha, prop=ALPHA)


def colour_spread(clip: vs.VideoNode, alpha: vs.VideoNode, distance: int) -> vs.VideoNode:
    """An RGB clip whose fully transparent pixels take the colour of visible ones up to `distance` pixels away."""
    peak = 1.0 if clip.format.sample_type == vs.FLOAT else float((1 << clip.format.bits_per_sample) - 1)

    def spread(n: int, f: list[vs.VideoFrame]) -> vs.VideoFrame:  # noqa: ARG001 - VapourSynth calls it so
        frame = f[0].copy()
        planes = np.stack([np.asarray(f[0][p]) for p in range(3)])
        for p, plane in enumerate(bled(planes, np.asarray(f[1][0]) > 0, distance, _BACKGROUND * peak)):
            np.asarray(frame[p])[:] = plane
        return frame

    return clip.std.ModifyFrame([clip, alpha], spread)


def bled(planes: Array, known: Array, distance: int, background: float) -> Array:
    """Planes whose unknown pixels are means of known neighbours, `distance` times over; then `background`.

    Args:
        planes: [planes, height, width].
        known: [height, width], boolean.
        distance: rounds, each spreading by one pixel.
        background: value of what is still unknown afterwards.
    """
    values = np.where(known, planes, 0).astype(np.float64)
    for _ in range(distance):
        if known.all():
            break
        sums, counts = _around(values), _around(known.astype(np.float64)[None])
        new = ~known & (counts[0] > 0)
        values = np.where(new, sums / np.maximum(counts, 1), values)
        known = known | new
    filled = np.where(known, values, background)
    if np.issubdtype(planes.dtype, np.integer):
        filled = np.floor(filled + 0.5)
    return filled.astype(planes.dtype)


def _around(planes: Array) -> Array:
    """Sums over 3x3 neighbourhoods; nothing lies beyond the edges."""
    height, width = planes.shape[1:]
    padded = np.pad(planes, ((0, 0), (1, 1), (1, 1)))
    windows = [padded[:, y : y + height, x : x + width] for y in range(3) for x in range(3)]
    total: Array = np.add.reduce(windows)
    return total
