"""Enlarge small maps along the lines of a large picture.

This is the fast guided filter (He, Sun 2015): around each pixel of the small map its values are fitted as a linear
function of the small line art; the two coefficients are enlarged and applied to the large line art. A map whose values
on lines differ from those beside them thus does so at full size as well, on lines as thin as they are drawn there.
"""

from __future__ import annotations

import numpy as np

from vsanime.arrays import Bytes, Floats
from vsanime.errors import VsanimeError
from vsanime.optional import opencv

# Half the side of the window, in pixels of the small map: a line and what lies beside it.
_RADIUS = 1
# Line art with less variance (of full scale, squared) counts as flat.
_FLAT = 3e-4


def enlarge(small: Floats, small_line: Bytes, line: Bytes) -> Floats:
    """Return a map at the size of large line art.

    Constants are kept exactly, and no value leaves the range of its channel. Except for that clipping the result is
    linear in the map; weights that must sum to 1 exactly have to be divided by their sum afterwards.

    Args:
        small: map of height, width, channels.
        small_line: line art at the map's size, height and width.
        line: the same drawing at the size of the result.

    Returns:
        An array of the large height and width, with the map's channels.

    Raises:
        VsanimeError: map and small line art differ in size.
    """
    if small.ndim != 3 or small.shape[:2] != small_line.shape:
        raise VsanimeError(f"a map of {small.shape} for line art of {small_line.shape}; height and width must agree")
    # Subtract one of the map's values before the fit: constants stay exactly 0 through every sum below.
    ground = small[0, 0].copy()
    guide = small_line.astype(np.float32)[..., None] / np.float32(255)
    values = small - ground
    mean_guide, mean = _mean(guide), _mean(values)
    slope = (_mean(guide * values) - mean_guide * mean) / (_mean(guide * guide) - mean_guide**2 + np.float32(_FLAT))
    size = line.shape
    large_guide = line.astype(np.float32)[..., None] / np.float32(255)
    fitted = _resize(slope, size) * (large_guide - _resize(mean_guide, size)) + _resize(mean, size)
    low, high = small.min(axis=(0, 1)), small.max(axis=(0, 1))
    large: Floats = np.clip(fitted + ground, low, high)
    return large


def _mean(planes: Floats) -> Floats:
    """Return the mean over a square around each pixel, per channel."""
    side = 2 * _RADIUS + 1
    return _planes(opencv().blur(planes, (side, side)))


def _resize(planes: Floats, size: tuple[int, ...]) -> Floats:
    height, width = size
    cv2 = opencv()
    return _planes(cv2.resize(planes, (width, height), interpolation=cv2.INTER_LINEAR))


def _planes(found: Floats) -> Floats:
    """Return planes with a channel axis, which OpenCV drops for a single channel."""
    return found if found.ndim == 3 else found[..., None]
