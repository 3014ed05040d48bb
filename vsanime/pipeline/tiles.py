"""Cuts frames into overlapping tiles, runs a network on each and joins the results."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from vsanime.arrays import Array
from vsanime.errors import VsanimeError
from vsanime.spec import TensorSpec


@dataclass(frozen=True)
class Span:
    """Extent of a tile along one axis, in pixels of the source frame.

    Attributes:
        start: first pixel that the network sees.
        inner_start: first pixel whose result is kept.
        inner_end: end of the kept pixels, exclusive.
    """

    start: int
    inner_start: int
    inner_end: int


@dataclass(frozen=True)
class TilePlan:
    """Tiles of equal size that cover a frame.

    Attributes:
        width: width of every tile in pixels, overlap included.
        height: height of every tile in pixels, overlap included.
        columns: horizontal extents of the tiles, from left to right.
        rows: vertical extents of the tiles, from top to bottom.
    """

    width: int
    height: int
    columns: tuple[Span, ...]
    rows: tuple[Span, ...]


def plan_tiles(
    frame: tuple[int, int],
    tile: tuple[int, int],
    overlap: tuple[int, int],
    grid: tuple[int, int],
    multiple: int = 1,
) -> TilePlan:
    """Return equal tiles that cover a frame; the last ones are aligned to the right and bottom edges.

    Args:
        frame: width and height of the frame in pixels.
        tile: requested width and height of a tile, overlap included; adjusted to the grid and limited to the frame.
        overlap: pixels on each side whose results are discarded, except at the frame's edges.
        grid: numbers of pixels that tile origins are multiples of (chroma subsampling, blocks, the network's multiple).
        multiple: number of pixels that a network's input must be a multiple of; frames are padded to it by mirroring at
            the right and bottom.

    Raises:
        VsanimeError: nothing is left of a tile between its overlaps.
    """
    width, columns = _spans(frame[0], tile[0], overlap[0], grid[0], multiple)
    height, rows = _spans(frame[1], tile[1], overlap[1], grid[1], multiple)
    return TilePlan(width, height, columns, rows)


def _spans(length: int, wanted: int, overlap: int, grid: int, multiple: int) -> tuple[int, tuple[Span, ...]]:
    padded = -(-length // multiple) * multiple
    tile = min(max(wanted, 1), padded)
    # The last tile ends with the frame, and its origin must lie on the grid as well.
    tile = min(tile + (padded - tile) % grid, padded)
    if tile == padded:
        return padded, (Span(0, 0, length),)
    step = (tile - 2 * overlap) // grid * grid
    if step < grid:
        raise VsanimeError(
            f"tiles of {tile} pixels overlap by {overlap} on each side, which leaves nothing; "
            f"{2 * overlap + grid} or more are needed"
        )
    starts = [*range(0, padded - tile, step), padded - tile]
    spans = []
    done = 0
    for start in starts:
        end = length if start == starts[-1] else min(length, start + tile - overlap)
        spans.append(Span(start, done, end))
        done = end
    return tile, tuple(spans)


def mirror(start: int, count: int, length: int) -> NDArray[np.int64] | None:
    """Return the indices of `count` samples from `start`, mirrored at `length`, or None if no sample lies beyond it."""
    if start + count <= length:
        return None
    index = np.arange(start, start + count) % (2 * length)
    return np.where(index < length, index, 2 * length - 1 - index)


class Lane(Protocol):
    """Interface of an engine's lane, as far as it is used here.

    Attributes:
        writes_anywhere: whether the lane can write results directly into a frame.
    """

    writes_anywhere: bool

    def buffer(self, spec: TensorSpec) -> Array:
        """Return an array for a tensor, in the memory that suits the lane best."""

    def run(self, inputs: Sequence[Array], outputs: Sequence[Array]) -> None:
        """Run on the input tensors and fill the output tensors."""


class TileRunner:
    """Runner of one lane over the tiles of a frame; its buffers are allocated once instead of for every frame."""

    def __init__(
        self,
        lane: Lane,
        plan: TilePlan,
        inputs: Sequence[TensorSpec],
        outputs: Sequence[TensorSpec],
        scale: int,
        shrink: Sequence[tuple[int, int]],
    ) -> None:
        """Allocate the buffers.

        Args:
            lane: lane that runs the network and allocates suitable buffers.
            plan: tiles of a frame.
            inputs: one tensor for each source plane.
            outputs: tensors whose channels are the target planes, in order.
            scale: output luma pixels per source luma pixel along one axis.
            shrink: log2 of each target plane's subsampling, (horizontal, vertical).
        """
        self._lane = lane
        self._plan = plan
        self._scale = scale
        self._shrink = tuple(shrink)
        self._inputs = tuple(map(lane.buffer, inputs))
        self._outputs = tuple(map(lane.buffer, outputs))

    def __call__(self, sources: Sequence[Array], targets: Sequence[Array]) -> None:
        """Fill the target planes from the source planes, one source plane for each input of the engine."""
        if self._direct(targets):
            for buffer, plane in zip(self._inputs, sources, strict=True):
                self._load(buffer[0, 0], plane, self._plan.rows[0], self._plan.columns[0])
            self._lane.run(self._inputs, [target[None, None] for target in targets])
            return
        for row in self._plan.rows:
            for column in self._plan.columns:
                for buffer, plane in zip(self._inputs, sources, strict=True):
                    self._load(buffer[0, 0], plane, row, column)
                self._lane.run(self._inputs, self._outputs)
                results = (plane for tensor in self._outputs for plane in tensor[0])
                for result, plane, shrink in zip(results, targets, self._shrink, strict=True):
                    self._store(result, plane, row, column, shrink)

    def _direct(self, targets: Sequence[Array]) -> bool:
        """Return whether the engine can write into the frame: one tile of the frame's size, rows without padding."""
        return (
            self._lane.writes_anywhere
            and len(targets) == len(self._outputs)
            and all(
                target.shape == buffer.shape[2:] and target.flags.c_contiguous
                for target, buffer in zip(targets, self._outputs, strict=True)
            )
        )

    def _load(self, buffer: Array, plane: Array, row: Span, column: Span) -> None:
        # The buffer of a subsampled plane is smaller than the tile; origins scale alike.
        y = row.start * buffer.shape[0] // self._plan.height
        x = column.start * buffer.shape[1] // self._plan.width
        rows = mirror(y, buffer.shape[0], plane.shape[0])
        columns = mirror(x, buffer.shape[1], plane.shape[1])
        if rows is None and columns is None:
            np.copyto(buffer, plane[y : y + buffer.shape[0], x : x + buffer.shape[1]])
            return
        rows = np.arange(y, y + buffer.shape[0]) if rows is None else rows
        columns = np.arange(x, x + buffer.shape[1]) if columns is None else columns
        np.copyto(buffer, plane[np.ix_(rows, columns)])

    def _store(self, result: Array, plane: Array, row: Span, column: Span, shrink: tuple[int, int]) -> None:
        # Spans lie on the chroma grid, so shifting loses no bits.
        left, right, x = (n * self._scale >> shrink[0] for n in (column.inner_start, column.inner_end, column.start))
        top, bottom, y = (n * self._scale >> shrink[1] for n in (row.inner_start, row.inner_end, row.start))
        np.copyto(plane[top:bottom, left:right], result[top - y : bottom - y, left - x : right - x])
