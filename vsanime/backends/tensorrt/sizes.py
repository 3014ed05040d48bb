"""Validate the sizes that one engine can serve, and derive the shapes of its tensors."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import islice
from typing import Any

from vsanime.errors import VsanimeError, quote
from vsanime.spec import PlanesGraph
from vsanime.values import MOST_SIDE, parse_wholes

type Size = tuple[int, int]
type Sizes = tuple[Size, Size, Size]
type Shape = tuple[int, ...]

# Graphs of open size mirror a few samples at the edges, more than tiny planes have.
_LEAST_SIDE = 64


def read_sizes(name: str, sizes: Any) -> Sizes:
    """Return three sizes in ascending order.

    Raises:
        VsanimeError: the value is not three ascending sizes within the limits.
    """
    try:
        pairs = [parse_wholes(pair, 2) or [] for pair in islice(sizes, 4)]
    except Exception:  # not iterable; a class may raise anything when it is iterated over
        pairs = []
    if [len(pair) for pair in pairs] == [2, 2, 2]:
        (w1, h1), (w2, h2), (w3, h3) = pairs
        if _LEAST_SIDE <= w1 <= w2 <= w3 <= MOST_SIDE and _LEAST_SIDE <= h1 <= h2 <= h3 <= MOST_SIDE:
            return (w1, h1), (w2, h2), (w3, h3)
    raise VsanimeError(
        f"{name}={quote(sizes)}; the smallest, the most usual and the largest (width, height) are needed, from "
        f"{_LEAST_SIDE} to {MOST_SIDE} pixels"
    )


def check_sizes(sizes: Any) -> Sizes:
    """Return three sizes in ascending order; see `read_sizes`."""
    return read_sizes("sizes", sizes)


def resolve_shape(graph: PlanesGraph, index: int, size: Size) -> Shape:
    """Return the shape with which an input is declared for a frame size; byte pairs have an additional axis.

    Raises:
        VsanimeError: the chroma subsampling does not divide the size.
    """
    height, width = graph.inputs[0].shape[2:]
    spec = graph.inputs[index]
    steps = width // spec.shape[3], height // spec.shape[2]
    if size[0] % steps[0] or size[1] % steps[1]:
        raise VsanimeError(
            f"a size of {size[0]}x{size[1]} does not suit chroma subsampled by {steps[0]} and {steps[1]}"
        )
    pairs = (2,) if spec.dtype == "uint16" else ()
    return (*spec.shape[:2], size[1] // steps[1], size[0] // steps[0], *pairs)


def profile(graph: PlanesGraph, sizes: Sizes | None) -> Mapping[str, tuple[Shape, Shape, Shape]]:
    """Return the smallest, most usual and largest shape of each input; empty if an engine serves one size."""
    if sizes is None:
        return {}
    least, usual, most = check_sizes(sizes)
    return {
        spec.name: (
            resolve_shape(graph, index, least),
            resolve_shape(graph, index, usual),
            resolve_shape(graph, index, most),
        )
        for index, spec in enumerate(graph.inputs)
    }


def shapes_at_hand(graph: PlanesGraph, sizes: Sizes | None) -> Mapping[str, Shape]:
    """Return the input shapes of the clip that the graph was built for; empty if an engine serves one size.

    Raises:
        VsanimeError: the clip's size is outside `sizes`.
    """
    if sizes is None:
        return {}
    height, width = graph.inputs[0].shape[2:]
    least, _, most = check_sizes(sizes)
    if not (least[0] <= width <= most[0] and least[1] <= height <= most[1]):
        raise VsanimeError(
            f"the clip's frames (or tiles) are {width}x{height}; sizes={quote(sizes)} serves {least[0]}x{least[1]} to "
            f"{most[0]}x{most[1]}"
        )
    return {spec.name: resolve_shape(graph, i, (width, height)) for i, spec in enumerate(graph.inputs)}
