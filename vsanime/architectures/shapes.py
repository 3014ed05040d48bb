"""Whether weights are those of an architecture: each there, of its shape, finite, and none beside them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray


def complaints(weights: Mapping[str, NDArray[Any]], shapes: Mapping[str, tuple[int, ...]]) -> Iterator[str]:
    """What is wrong with weights, in words.

    Args:
        weights: by name.
        shapes: those that they have to have, by name.
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
