"""Compute how far every pixel of a line picture is from ink, up to a cap proportional to the frame's height."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from vsanime.optional import ndimage

# Ink lies below the middle of the range: codes up to 127 of 255, as the published pipeline binarizes its lines.
THRESHOLD = 127
CAP = 0.1


def field(line: NDArray[np.uint8], cap: float = CAP) -> NDArray[np.float32]:
    """Return the capped distance of every pixel of a line picture to the nearest ink.

    The distance is divided by the cap and not by the picture's own maximum, so that it means the same in every frame:
    by the maximum, one stroke in a corner would change all of it.

    Args:
        line: line art, height and width, 255 for paper; ink is 127 or less.
        cap: distance, as a fraction of the height, from which on the field is 1; more than 0.

    Returns:
        An array of height and width in [0, 1], 0 on ink. All 1 where there is no ink.

    Raises:
        VsanimeError: SciPy is not installed.
    """
    return distance_to(line <= THRESHOLD, cap)


def distance_to(ink: NDArray[np.bool_], cap: float = CAP) -> NDArray[np.float32]:
    """Return the capped distance of every pixel to the nearest pixel of a mask of ink; see `field`.

    Args:
        ink: mask of ink, height and width.
        cap: distance, as a fraction of the height, from which on the field is 1; more than 0.

    Raises:
        VsanimeError: SciPy is not installed.
    """
    if not ink.any():
        return np.ones(ink.shape, np.float32)
    radius = cap * ink.shape[0]
    pixels = ndimage().distance_transform_edt(~ink)
    return np.asarray(np.minimum(pixels, radius) / radius, np.float32)
