"""Closed regions of line art, and one flat colour for each.

Lines of drawings have gaps. A ball that is too large to pass through them finds the regions all the same (Zhang, Chen,
Shu, Xu 2009: trapped-ball segmentation): where a ball of some size fits is one region, balls get smaller step by step,
and what no ball reached is given to the region it touches.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from vsanime.arrays import Bytes, Labels
from vsanime.errors import VsanimeError
from vsanime.optional import ndimage, opencv

# A pixel belongs to a line if it is darker: gray rims of smoothed lines are of the region beside them.
_INK = 128
_PAPER = 224
# Radii of the balls as shares of the height, the largest first: gaps of twice the first are closed.
_BALLS = (0.014, 0.007, 0.0035)
# The error beyond which colours are not trusted; 0.04 loses 0.5 dB over whole frames of docs/colorize.md's Prologue.
TRUSTED = 0.06
# A region of fewer pixels says nothing; and less than this share of one does not speak for it.
_LEAST_PIXELS, _LEAST_SURE = 8, 0.25
# Of a large region so many, evenly spread, speak for all.
_MOST_VOTERS = 4096
# Colours are counted in cells of so many codes.
_CELL = 8
# A region is flat if so much of it lies within so many codes of its colour in red, green and blue.
_FLAT_SHARE, _FLAT_CODES = 0.9, 12


def regions(line: Bytes) -> Labels:
    """Numbers of the regions between lines, from 1; 0 on lines.

    Args:
        line: line art, height and width; 255 is paper.
    """
    paper = line >= _INK
    labels = np.zeros(line.shape, np.int32)
    for radius in sorted({max(1, round(share * line.shape[0])) for share in _BALLS}, reverse=True):
        labels = _trapped(paper, labels, radius)
    return _spread(labels, paper)


def fill(line: Bytes, colour: Bytes, errors: NDArray[np.float32], trusted: float = TRUSTED) -> Bytes:
    """Where colours were moved badly inside a flat region, give them the colour that most of it has.

    Args:
        line: line art, height and width.
        colour: what is to be mended, height, width, 3.
        errors: how badly the moved line art fits, height and width in [0, 1].
        trusted: pixels with more error are filled; those with less vote, or all of a region where too few have less. A
            negative number fills flat regions whole, whatever the errors.

    Returns:
        `colour`, with lines, regions that are not flat, and what is trusted as they were.

    Raises:
        VsanimeError: the sizes differ, or OpenCV or SciPy is not installed.
    """
    if colour.shape != (*line.shape, 3) or errors.shape != line.shape:
        raise VsanimeError(f"line art of {line.shape}, colours of {colour.shape}, errors of {errors.shape}: must agree")
    filled = colour.copy()
    flat_colours, flat_filled = colour.reshape(-1, 3), filled.reshape(-1, 3)
    plain = _plain(line).ravel()
    for pixels in _members(regions(line)):
        sure = errors.ravel()[pixels] <= trusted
        if len(pixels) < _LEAST_PIXELS or sure.all():
            continue
        who = pixels[sure] if sure.sum() >= _LEAST_SURE * len(pixels) else pixels
        voters = flat_colours[who[:: -(-len(who) // _MOST_VOTERS)]]
        chosen = majority(voters)
        if _flat(voters, chosen):
            flat_filled[pixels[~sure & plain[pixels]]] = chosen
    return filled


def _plain(line: Bytes) -> NDArray[np.bool_]:
    """Paper without the rims of lines, which are part ink and have no colour of their own."""
    darkest = opencv().erode(line, np.ones((3, 3), np.uint8))
    plain: NDArray[np.bool_] = darkest >= _INK
    return plain & (line >= _PAPER)


def majority(colours: Bytes) -> Bytes:
    """The colour most of them have: the median of those in the fullest cell of a coarse grid.

    Args:
        colours: count, 3.
    """
    cells = (colours // _CELL).astype(np.int32) @ np.array([1 << 16, 1 << 8, 1], np.int32)
    kinds, counts = np.unique(cells, return_counts=True)
    middle: Bytes = np.median(colours[cells == kinds[counts.argmax()]], axis=0).astype(np.uint8)
    return middle


def _flat(colours: Bytes, colour: Bytes) -> bool:
    away = np.abs(colours.astype(np.int16) - colour).max(axis=1)
    return bool((away <= _FLAT_CODES).mean() >= _FLAT_SHARE)


def _trapped(paper: NDArray[np.bool_], labels: Labels, radius: int) -> Labels:
    """Adds the regions that a ball of this radius fits into, where no larger one did."""
    cv2 = opencv()
    ball = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (2 * radius + 1, 2 * radius + 1))
    free = (paper & (labels == 0)).astype(np.uint8)
    # Beyond the border is paper: a region may go on there.
    reached = cv2.erode(free, ball, borderType=cv2.BORDER_CONSTANT, borderValue=1)
    count, places = cv2.connectedComponents(reached, connectivity=4)
    if count == 1:
        return labels
    # Each place of a ball's centre covers the ball; two regions' balls cannot overlap by more than a rim.
    grown = cv2.dilate(places.astype(np.float32), ball).astype(np.int32)
    grown[free == 0] = 0
    return np.where(grown > 0, grown + labels.max(), labels)


def _spread(labels: Labels, paper: NDArray[np.bool_]) -> Labels:
    """Gives paper that no ball reached to the region it touches; a pocket that touches none is one of its own."""
    scipy = ndimage()
    left = paper & (labels == 0)
    pockets, count = scipy.label(left)
    if not count:
        return labels
    cv2 = opencv()
    # The highest number among the eight neighbours; pockets between balls are small, so any that touches will do.
    near = cv2.dilate(labels.astype(np.float32), np.ones((3, 3), np.uint8)).astype(np.int32)
    touched = np.asarray(scipy.maximum(near, pockets, np.arange(1, count + 1))).astype(np.int32)
    own = labels.max() + np.arange(1, count + 1, dtype=np.int32)
    given = np.concatenate([[0], np.where(touched > 0, touched, own)]).astype(np.int32)
    return np.where(left, given[pockets], labels)


def _members(labels: Labels) -> list[NDArray[np.intp]]:
    """Flat indices of the pixels of each region."""
    order = np.argsort(labels, axis=None, kind="stable")
    counts = np.bincount(labels.ravel())
    return np.split(order, np.cumsum(counts)[:-1])[1:]
