"""Square windows whose size goes with the picture's."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from vsanime.optional import opencv


def side_of(radius: float, height: int) -> int:
    """Pixels along a window, an odd number, 3 or more.

    Args:
        radius: half the side, as a share of the height.
        height: of the picture.
    """
    return 2 * max(1, round(radius * height)) + 1


def mean(plane: NDArray[np.float32], radius: float) -> NDArray[np.float32]:
    """Over a square around each pixel.

    Args:
        plane: height and width.
        radius: half the side of the square, as a share of the height.
    """
    side = side_of(radius, plane.shape[0])
    averaged: NDArray[np.float32] = opencv().blur(plane, (side, side))
    return averaged
