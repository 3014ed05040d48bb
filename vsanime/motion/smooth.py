"""Frames beside each other agree: colours that a frame is unsure of are taken from the drawings before and after it.

Where neither key shows what a frame does, each frame errs in another way, and that flickers. Neighbours that were
coloured by themselves are moved onto the frame, which is a small step where that from a key is a large one, and all
three are averaged, by how much the keys are to be doubted in each, and how well the neighbours' lines fit.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from vsanime.arrays import Array, Bytes, Floats
from vsanime.motion.flow import enlarged
from vsanime.motion.match import Matched
from vsanime.motion.warp import warp
from vsanime.motion.windows import mean, side_of
from vsanime.optional import opencv

# Variances, of squares of full scale. Of doubtful colours: the square of the lesser key's misfit and so many times its
# motion's going astray; and what the two moved keys differ by.
_ASTRAY = 8.0
# Of a neighbour's, beside its own: for having been moved, and so many times the square of how its lines misfit.
_MOVED = 0.02**2
_MISFIT = 6.0
# Half the side of the window in which lines have to fit, as a share of the height.
_LINE = 0.004


@dataclass(frozen=True)
class Neighbour:
    """The drawing before or after a frame's.

    Attributes:
        line: its line art, height and width; 255 is paper.
        colours: height, width, 3.
        doubts: see `doubts`.
        flow: by which it is moved onto the frame (`vsanime.motion.flow.small_flow`), at any size.
    """

    line: Bytes
    colours: Array
    doubts: Bytes
    flow: Floats


def doubts(matched: Matched) -> Bytes:
    """Standard deviation of a frame's colours, in 255ths of full scale; height and width.

    None at all where the frame's drawing is a key's.
    """
    first, second = matched.warped.astype(np.float32) / np.float32(255)
    apart = matched.prior[0] * matched.prior[1] * np.square(first - second).mean(axis=-1)
    error = (matched.misfit + np.float32(_ASTRAY) * matched.astray).min(axis=0)
    variance = np.square(error) + apart
    codes: Bytes = np.minimum(np.rint(np.sqrt(variance) * 255), 255).astype(np.uint8)
    return codes


def steadied(line: Bytes, colours: Array, doubted: Bytes, neighbours: Sequence[Neighbour]) -> Floats:
    """A frame's colours and those of its neighbours, averaged; where nothing is doubted the colours themselves.

    Args:
        line: the frame's line art, height and width; 255 is paper.
        colours: height, width, 3, in any codes.
        doubted: what `doubts` says of them.
        neighbours: those there are; without any the colours stay.

    """
    total: Floats = colours.astype(np.float32)
    weights: Floats = np.ones((*line.shape, 1), np.float32)
    own = _variance(doubted)
    for neighbour in neighbours if own.any() else ():
        found = enlarged(neighbour.flow, line.shape)
        misfit = _misfit(line, warp(neighbour.line, found))
        weight = own / (warp(_variance(neighbour.doubts), found) + _MOVED + _MISFIT * np.square(misfit))
        total += weight[..., None] * warp(neighbour.colours, found)
        weights += weight[..., None]
    return total / weights


def _variance(doubted: Bytes) -> Floats:
    return np.square(doubted.astype(np.float32) / np.float32(255))


def _misfit(line: Bytes, moved: Bytes) -> Floats:
    """The largest difference of the two line pictures around each pixel, in [0, 1], without its edges."""
    cv2 = opencv()
    side = side_of(_LINE, line.shape[0])
    worst = cv2.dilate(cv2.absdiff(line, moved), np.ones((side, side), np.uint8))
    return mean(worst.astype(np.float32) / np.float32(255), _LINE)
