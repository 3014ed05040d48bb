"""Compares weights with an architecture: each must exist, be finite and have its shape, and there must be no others."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray


def complaints(weights: Mapping[str, NDArray[Any]], shapes: Mapping[str, tuple[int, ...]]) -> Iterator[str]:
    """Yield what is wrong with weights, one message each.

    Args:
        weights: weights by name.
        shapes: expected shapes by name.
    """
    for name in sorted(shapes.keys() - weights.keys()):
        yield f"{name} is missing"
    for name in sorted(weights.keys() - shapes.keys()):
        yield f"{name} is none of its weights"
    for name, shape in shapes.items():
        if weights[name].shape != shape:
            yield f"{name} has the shape {weights[name].shape}; {shape} is needed"
        elif not np.isfinite(weights[name]).all():
            yield f"{name} has values that are not finite; the file is damaged"
