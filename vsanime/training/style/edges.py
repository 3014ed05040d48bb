"""Blurs pictures at their edges only, which the discriminator of AnimeGANv2 learns to reject.

Edges are found by Canny's method as in OpenCV, with NumPy, so that no further package is needed.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from vsanime.arrays import Bytes, Mask

_LOW, _HIGH = 100, 200  # thresholds of the gradient, |dx| + |dy| of Sobel on codes
_WIDER = 2  # pixels by which edges are widened on every side: a dilation with 5x5 ones
_TAPS = np.array([1, 4, 6, 4, 1], np.float32) / 16  # OpenCV's Gaussian of five taps without sigma
_TAN_22 = 0.4142135623730951  # tan(22.5 degrees): up to there, a gradient counts as horizontal


def smooth_edges(pixels: Bytes) -> Bytes:
    """Return a picture with a Gaussian blur within two pixels of an edge.

    Args:
        pixels: RGB in 8-bit codes, shape (height, width, 3).
    """
    edges = _dilate(canny(_gray(pixels)))
    blurred = np.rint(_gaussian(pixels)).astype(np.uint8)
    return np.where(edges[..., None], blurred, pixels)


def canny(gray: Bytes, low: int = _LOW, high: int = _HIGH) -> Mask:
    """Find edges as lines of one pixel's width, steeper than `low` throughout and steeper than `high` somewhere.

    Args:
        gray: picture in 8-bit codes, shape (height, width).
        low: lower threshold of the gradient, |dx| + |dy| of Sobel.
        high: upper threshold of the gradient.
    """
    across, down = _sobel(gray.astype(np.int32))
    steepness = np.abs(across) + np.abs(down)
    ridge = _ridges(across, down, steepness) & (steepness > low)
    return _connect(ridge, ridge & (steepness > high))


def _sobel(gray: NDArray[np.int32]) -> tuple[NDArray[np.int32], NDArray[np.int32]]:
    """Return Sobel gradients to the right and down; edges are repeated."""
    p = np.pad(gray, 1, mode="edge")
    right = (p[:-2, 2:] - p[:-2, :-2]) + 2 * (p[1:-1, 2:] - p[1:-1, :-2]) + (p[2:, 2:] - p[2:, :-2])
    below = (p[2:, :-2] - p[:-2, :-2]) + 2 * (p[2:, 1:-1] - p[:-2, 1:-1]) + (p[2:, 2:] - p[:-2, 2:])
    return right, below


def _ridges(across: NDArray[np.int32], down: NDArray[np.int32], steepness: NDArray[np.int32]) -> Mask:
    """Return where the gradient is largest along its direction, rounded to one of four.

    Of equal horizontal or vertical neighbors, the first one counts.
    """
    p = np.pad(steepness, 1)
    height, width = steepness.shape

    def shifted(y: int, x: int) -> NDArray[np.int32]:
        return p[1 + y : 1 + y + height, 1 + x : 1 + x + width]

    level = np.abs(down) < _TAN_22 * np.abs(across)
    upright = _TAN_22 * np.abs(down) > np.abs(across)
    falling = (across < 0) == (down < 0)
    one_way = (steepness > shifted(-1, -1)) & (steepness > shifted(1, 1))
    other_way = (steepness > shifted(-1, 1)) & (steepness > shifted(1, -1))
    ridge = np.where(falling, one_way, other_way)
    ridge = np.where(upright, (steepness > shifted(-1, 0)) & (steepness >= shifted(1, 0)), ridge)
    found: Mask = np.where(level, (steepness > shifted(0, -1)) & (steepness >= shifted(0, 1)), ridge)
    return found


def _connect(ridge: Mask, seeds: Mask) -> Mask:
    """Return the parts of ridges that are connected with a seed, across corners as well."""
    found = seeds
    while True:
        grown = _grow(found, 1) & ridge
        if np.array_equal(grown, found):
            return found
        found = grown


def _dilate(mask: Mask) -> Mask:
    return _grow(mask, _WIDER)


def _grow(mask: Mask, by: int) -> Mask:
    """Return a mask widened by a number of rows and columns on every side."""
    for axis in (0, 1):
        widths = [(by, by) if a == axis else (0, 0) for a in (0, 1)]
        p = np.pad(mask, widths)
        n = mask.shape[axis]
        parts = [p[i : i + n] if axis == 0 else p[:, i : i + n] for i in range(2 * by + 1)]
        mask = np.logical_or.reduce(parts)
    return mask


def _gaussian(pixels: Bytes) -> NDArray[np.float32]:
    """Blur a picture with five taps along both axes; it is mirrored at its borders."""
    values = pixels.astype(np.float32)
    for axis in (0, 1):
        widths = [(2, 2) if a == axis else (0, 0) for a in range(3)]
        p = np.pad(values, widths, mode="reflect")
        n = values.shape[axis]
        values = sum(
            (tap * (p[i : i + n] if axis == 0 else p[:, i : i + n]) for i, tap in enumerate(_TAPS)),
            start=np.zeros_like(values),
        )
    return values


def _gray(pixels: Bytes) -> Bytes:
    """Return BT.601 luma, as OpenCV's conversion to gray does."""
    weights = np.array([0.299, 0.587, 0.114], np.float32)
    gray: Bytes = np.rint(pixels.astype(np.float32) @ weights).astype(np.uint8)
    return gray
