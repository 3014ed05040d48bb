"""Frames as arrays of their own, and back."""

from __future__ import annotations

import numpy as np
import vapoursynth as vs
from numpy.typing import NDArray

from vsanime.arrays import Array
from vsanime.optional import opencv


def plane_of(frame: vs.VideoFrame) -> NDArray[np.uint8]:
    """The first plane, as for GRAY8: height, width."""
    return np.array(np.asarray(frame[0]))


def picture_of(frame: vs.VideoFrame) -> Array:
    """Three planes of one size: height, width, 3."""
    merged: Array = opencv().merge([np.asarray(frame[plane]) for plane in range(3)])
    return merged


def put(picture: Array, frame: vs.VideoFrame) -> None:
    """Fill three planes."""
    for plane in range(3):
        np.asarray(frame[plane])[:] = picture[..., plane]
