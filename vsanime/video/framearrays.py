"""Copies frames to NumPy arrays and back."""

from __future__ import annotations

import numpy as np
import vapoursynth as vs
from numpy.typing import NDArray

from vsanime.arrays import Array
from vsanime.optional import opencv


def plane_of(frame: vs.VideoFrame) -> NDArray[np.uint8]:
    """Return a copy of the first plane, [height, width], as for GRAY8."""
    return np.array(np.asarray(frame[0]))


def picture_of(frame: vs.VideoFrame) -> Array:
    """Return three planes of equal size as one array, [height, width, 3]."""
    merged: Array = opencv().merge([np.asarray(frame[plane]) for plane in range(3)])
    return merged


def put(picture: Array, frame: vs.VideoFrame) -> None:
    """Write an array [height, width, 3] into the three planes of a frame."""
    for plane in range(3):
        np.asarray(frame[plane])[:] = picture[..., plane]
