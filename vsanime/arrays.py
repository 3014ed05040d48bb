"""Defines type aliases for NumPy arrays."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

type Array = NDArray[Any]
type Bytes = NDArray[np.uint8]
type Floats = NDArray[np.float32]
type Doubles = NDArray[np.float64]
type Labels = NDArray[np.int32]  # region index of each pixel
type Indices = NDArray[np.intp]
type Mask = NDArray[np.bool_]
type Flow = NDArray[np.float32]  # [height, width, 2]: offset in pixels to where a pixel comes from, right and down
