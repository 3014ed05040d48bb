"""How far every pixel of a line picture is from ink, up to a cap that grows with the frame's height."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from vsanime.optional import ndimage

# Ink is what lies below the middle of the range: codes to 127 of 255, as the published pipeline binarises its lines.
THRESHOLD = 127
CAP = 0.1


def field(line: NDArray[np.uint8], cap: float = CAP) -> NDArray[np.float32]:
    """The capped distance of every pixel of a line picture to the nearest ink.

    Divided by the cap and not by the picture's own maximum, it means the same in every frame: by the maximum, all of it
    would change with one stroke in a corner.

    Args:
        line: [height, width], 255 for paper; ink is whatever is 127 or less.
        cap: the distance, relative to the height, from which on the field is 1; more than 0.

    Returns:
        [height, width] in [0, 1], 0 on ink. All 1 where there is no ink.

    Raises:
        VsanimeError: SciPy is not installed.
    """
    return distance_to(line <= THRESHOLD, cap)


def distance_to(ink: NDArray[np.bool_], cap: float = CAP) -> NDArray[np.float32]:
    """The same where it is known already which pixels are ink.

    Args:
        ink: [height, width].
        cap: relative to the height; more than 0.

    Raises:
        VsanimeError: SciPy is not installed.
    """
    if not ink.any():
        return np.ones(ink.shape, np.float32)
    radius = cap * ink.shape[0]
    pixels = ndimage().distance_transform_edt(~ink)
    return np.asarray(np.minimum(pixels, radius) / radius, np.float32)
