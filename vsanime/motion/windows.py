"""Average over square windows whose size is proportional to the picture's height."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from vsanime.optional import opencv


def side_of(radius: float, height: int) -> int:
    """Return the side of a window in pixels, an odd number, 3 or more.

    Args:
        radius: half the side, as a fraction of the height.
        height: height of the picture in pixels.
    """
    return 2 * max(1, round(radius * height)) + 1


def mean(plane: NDArray[np.float32], radius: float) -> NDArray[np.float32]:
    """Return the mean over a square around each pixel.

    Args:
        plane: array of height and width.
        radius: half the side of the square, as a fraction of the height.
    """
    side = side_of(radius, plane.shape[0])
    averaged: NDArray[np.float32] = opencv().blur(plane, (side, side))
    return averaged
