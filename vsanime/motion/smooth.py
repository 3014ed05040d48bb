"""Smooth colors over time: average uncertain colors with those of the drawings before and after.

Where neither key shows what a frame does, each frame errs in another way, and that flickers. Neighbors that were
colored independently are moved onto the frame, by a motion that is small where that from a key is large. All three are
averaged, weighted by the uncertainty of each and by how well the neighbors' lines fit.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from vsanime.arrays import Array, Bytes, Floats
from vsanime.motion.flow import enlarge_flow
from vsanime.motion.match import Matched
from vsanime.motion.warp import warp
from vsanime.motion.windows import mean, side_of
from vsanime.optional import opencv

# Variances, in squares of full scale. That of a frame's colors: (line error + this * forward-backward error)**2 of the
# better key, plus the difference between the two moved keys.
_ASTRAY = 8.0
# Added to a neighbor's own variance: a constant for its motion, and this times the square of its line error.
_MOVED = 0.02**2
_MISFIT = 6.0
# Half the side of the window in which lines have to fit, as a fraction of the height.
_LINE = 0.004


@dataclass(frozen=True)
class Neighbor:
    """The drawing before or after a frame's drawing.

    Attributes:
        line: line art, height and width; 255 is paper.
        colours: array of height, width, 3.
        doubts: uncertainty of the colors; see `doubts`.
        flow: motion from the frame to the neighbor (`vsanime.motion.flow.small_flow`), at any size.
    """

    line: Bytes
    colours: Array
    doubts: Bytes
    flow: Floats


def doubts(matched: Matched) -> Bytes:
    """Return the standard deviation of a frame's colors, in 255ths of full scale; height and width.

    It is 0 where the frame's drawing is a key's.
    """
    first, second = matched.warped.astype(np.float32) / np.float32(255)
    apart = matched.prior[0] * matched.prior[1] * np.square(first - second).mean(axis=-1)
    error = (matched.misfit + np.float32(_ASTRAY) * matched.astray).min(axis=0)
    variance = np.square(error) + apart
    codes: Bytes = np.minimum(np.rint(np.sqrt(variance) * 255), 255).astype(np.uint8)
    return codes


def smooth_colors(line: Bytes, colours: Array, doubted: Bytes, neighbours: Sequence[Neighbor]) -> Floats:
    """Return a frame's colors averaged with its neighbors'; colors without uncertainty are unchanged.

    Args:
        line: line art of the frame, height and width; 255 is paper.
        colours: colors of the frame, height, width, 3, in codes of any depth.
        doubted: uncertainty of the colors, as `doubts` returns it.
        neighbours: drawings before and after, none to two; without any the colors are unchanged.
    """
    total: Floats = colours.astype(np.float32)
    weights: Floats = np.ones((*line.shape, 1), np.float32)
    own = _variance(doubted)
    for neighbour in neighbours if own.any() else ():
        found = enlarge_flow(neighbour.flow, line.shape)
        misfit = _misfit(line, warp(neighbour.line, found))
        weight = own / (warp(_variance(neighbour.doubts), found) + _MOVED + _MISFIT * np.square(misfit))
        total += weight[..., None] * warp(neighbour.colours, found)
        weights += weight[..., None]
    return total / weights


def _variance(doubted: Bytes) -> Floats:
    return np.square(doubted.astype(np.float32) / np.float32(255))


def _misfit(line: Bytes, moved: Bytes) -> Floats:
    """Return the largest difference of the two line pictures around each pixel, averaged over a window; in [0, 1]."""
    cv2 = opencv()
    side = side_of(_LINE, line.shape[0])
    worst = cv2.dilate(cv2.absdiff(line, moved), np.ones((side, side), np.uint8))
    return mean(worst.astype(np.float32) / np.float32(255), _LINE)
