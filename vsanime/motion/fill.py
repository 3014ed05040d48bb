"""Find closed regions of line art and give each one flat color.

Lines of drawings have gaps. Trapped-ball segmentation (Zhang, Chen, Shu, Xu 2009) finds the regions nevertheless, by a
ball that is too large to pass through them: where a ball of some size fits is one region, balls get smaller step by
step, and what no ball reached is added to the region it touches.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from vsanime.arrays import Bytes, Labels
from vsanime.errors import VsanimeError
from vsanime.optional import ndimage, opencv

# A pixel belongs to a line if it is darker: gray rims of smoothed lines belong to the region beside them.
_INK = 128
_PAPER = 224
# Radii of the balls as fractions of the height, the largest first: gaps of twice the first are closed.
_BALLS = (0.014, 0.007, 0.0035)
# The error beyond which colors are not trusted; 0.04 loses 0.5 dB over whole frames of Prologue
# (docs/measurements/colorize.md).
TRUSTED = 0.06
# Regions of fewer pixels are skipped; trusted pixels vote alone if they are at least this fraction of their region.
_LEAST_PIXELS, _LEAST_SURE = 8, 0.25
# Largest number of pixels that vote for a region, evenly spread.
_MOST_VOTERS = 4096
# Side of the cells in which colors are counted, in codes.
_CELL = 8
# A region is flat if this fraction of it lies within this many codes of its color in red, green and blue.
_FLAT_SHARE, _FLAT_CODES = 0.9, 12


def regions(line: Bytes) -> Labels:
    """Return labels of the regions between lines, from 1; 0 on lines.

    Args:
        line: line art, height and width; 255 is paper.
    """
    paper = line >= _INK
    labels = np.zeros(line.shape, np.int32)
    for radius in sorted({max(1, round(share * line.shape[0])) for share in _BALLS}, reverse=True):
        labels = _trapped(paper, labels, radius)
    return _spread(labels, paper)


def fill(line: Bytes, colour: Bytes, errors: NDArray[np.float32], trusted: float = TRUSTED) -> Bytes:
    """Give badly moved pixels inside a flat region the color of most of that region.

    Args:
        line: line art, height and width.
        colour: colors to correct, height, width, 3.
        errors: error of the moved line art, height and width in [0, 1].
        trusted: pixels with more error are filled; those with less vote, or all of a region if too few have less. A
            negative number fills flat regions completely, regardless of errors.

    Returns:
        `colour`, with lines, regions that are not flat, and trusted pixels unchanged.

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
    """Return the mask of paper without the rims of lines, which are part ink and have no color of their own."""
    darkest = opencv().erode(line, np.ones((3, 3), np.uint8))
    plain: NDArray[np.bool_] = darkest >= _INK
    return plain & (line >= _PAPER)


def majority(colours: Bytes) -> Bytes:
    """Return the color of most pixels: the median of those in the fullest cell of a coarse grid.

    Args:
        colours: array of count, 3.
    """
    cells = (colours // _CELL).astype(np.int32) @ np.array([1 << 16, 1 << 8, 1], np.int32)
    kinds, counts = np.unique(cells, return_counts=True)
    middle: Bytes = np.median(colours[cells == kinds[counts.argmax()]], axis=0).astype(np.uint8)
    return middle


def _flat(colours: Bytes, colour: Bytes) -> bool:
    away = np.abs(colours.astype(np.int16) - colour).max(axis=1)
    return bool((away <= _FLAT_CODES).mean() >= _FLAT_SHARE)


def _trapped(paper: NDArray[np.bool_], labels: Labels, radius: int) -> Labels:
    """Add the regions that a ball of this radius fits into and no larger one did."""
    cv2 = opencv()
    ball = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (2 * radius + 1, 2 * radius + 1))
    free = (paper & (labels == 0)).astype(np.uint8)
    # Beyond the border is paper: a region may continue there.
    reached = cv2.erode(free, ball, borderType=cv2.BORDER_CONSTANT, borderValue=1)
    count, places = cv2.connectedComponents(reached, connectivity=4)
    if count == 1:
        return labels
    # Each center of a ball marks the whole ball; balls of two regions cannot overlap by more than a rim.
    grown = cv2.dilate(places.astype(np.float32), ball).astype(np.int32)
    grown[free == 0] = 0
    return np.where(grown > 0, grown + labels.max(), labels)


def _spread(labels: Labels, paper: NDArray[np.bool_]) -> Labels:
    """Add paper that no ball reached to the region it touches; a pocket that touches none becomes a region."""
    scipy = ndimage()
    left = paper & (labels == 0)
    pockets, count = scipy.label(left)
    if not count:
        return labels
    cv2 = opencv()
    # The highest label among the eight neighbors; pockets between balls are small, so any region that touches is right.
    near = cv2.dilate(labels.astype(np.float32), np.ones((3, 3), np.uint8)).astype(np.int32)
    touched = np.asarray(scipy.maximum(near, pockets, np.arange(1, count + 1))).astype(np.int32)
    own = labels.max() + np.arange(1, count + 1, dtype=np.int32)
    given = np.concatenate([[0], np.where(touched > 0, touched, own)]).astype(np.int32)
    return np.where(left, given[pockets], labels)


def _members(labels: Labels) -> list[NDArray[np.intp]]:
    """Return flat indices of the pixels of each region."""
    order = np.argsort(labels, axis=None, kind="stable")
    counts = np.bincount(labels.ravel())
    return np.split(order, np.cumsum(counts)[:-1])[1:]
