"""Resamples chroma planes to the luma grid and back, as convolutions with fixed separable kernels.

Beyond the edges samples are mirrored half-sample-symmetrically (..., 1, 0 | 0, 1, ...), as in zimg. ONNX's Pad has no
such mode, so the few samples that are needed there are gathered and concatenated.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from vsanime.arrays import Doubles
from vsanime.coding import chroma_offset
from vsanime.graphs.writer import GraphWriter
from vsanime.spec import ChromaLocation

type Size = tuple[int, int]

# Catmull-Rom reaches two samples to each side.
_SUPPORT = 2


@dataclass(frozen=True)
class Taps:
    """Weights along one axis.

    Attributes:
        weights: weights of the source samples, [phases, taps]; a phase is one output sample of a block.
        first: index of the first tap, relative to the block's own sample (or its first one).
    """

    weights: Doubles
    first: int


def catmull_rom(x: Doubles) -> Doubles:
    """Return the bicubic kernel with b = 0, c = 0.5 (Keys 1981, a = -0.5) at the given distances."""
    x = np.abs(x)
    near = (1.5 * x - 2.5) * x * x + 1
    far = ((-0.5 * x + 2.5) * x - 4) * x + 2
    return np.where(x < 1, near, np.where(x < _SUPPORT, far, 0))


def bilinear(x: Doubles) -> Doubles:
    """Return the triangle kernel at the given distances."""
    result: Doubles = np.maximum(0, 1 - np.abs(x))
    return result


def up_taps(subsampling: Size, siting: ChromaLocation, *, smooth: bool = True) -> tuple[Taps, Taps]:
    """Return the weights, by row and by column, of chroma samples at each luma position of a block.

    Args:
        subsampling: log2 of the subsampling, (horizontal, vertical).
        siting: position of chroma samples.
        smooth: use Catmull-Rom instead of bilinear interpolation.
    """
    kernel = catmull_rom if smooth else bilinear

    def axis(shift: int, offset: float) -> Taps:
        factor = 1 << shift
        position = (np.arange(factor) - offset) / factor
        taps = np.arange(-_SUPPORT, _SUPPORT + 1)
        return _trim(kernel(position[:, None] - taps), -_SUPPORT)

    x, y = chroma_offset(siting, subsampling)
    return axis(subsampling[1], y), axis(subsampling[0], x)


def down_taps(subsampling: Size, siting: ChromaLocation) -> tuple[Taps, Taps]:
    """Return the weights, by row and by column, of full-size samples at each chroma sample: stretched Catmull-Rom."""

    def axis(shift: int, offset: float) -> Taps:
        factor = 1 << shift
        reach = _SUPPORT * factor
        taps = np.arange(-reach, reach + factor)
        return _trim(catmull_rom((taps - offset) / factor)[None], -reach)

    x, y = chroma_offset(siting, subsampling)
    return axis(subsampling[1], y), axis(subsampling[0], x)


def upsample(writer: GraphWriter, plane: str, size: Size, taps: tuple[Taps, Taps]) -> str:
    """Return a plane [1, 1, h, w] upsampled to [1, 1, h * row phases, w * column phases].

    Args:
        writer: writer of the graph.
        plane: name of the small plane.
        size: width and height of the small plane.
        taps: weights by row and by column.
    """
    rows, columns = taps
    fy, fx = len(rows.weights), len(columns.weights)
    kernel = np.einsum("ai,bj->abij", rows.weights, columns.weights).reshape(fy * fx, 1, *_lengths(taps))
    phases = _convolve(writer, plane, size, taps, kernel, (1, 1), "upsample")
    if fy == fx:
        return writer.node("DepthToSpace", [phases], name="upsample", exact=True, blocksize=fy, mode="CRD")
    return _interleave(writer, phases, fy, fx)


def _interleave(writer: GraphWriter, phases: str, fy: int, fx: int) -> str:
    """Return the depth-to-space of [1, fy * fx, h, w], of shape [1, 1, h * fy, w * fx], for non-square blocks.

    It is written without h and w, so that the graph serves every size: in a shape, 0 keeps the axis's length and -1
    takes the rest.
    """

    def node(op: str, x: str, shape: list[int] | None = None, **attributes: list[int]) -> str:
        inputs = [x] if shape is None else [x, writer.constant(np.array(shape), integers=True)]
        return writer.node(op, inputs, name="upsample", exact=True, **attributes)

    pixels = node("Transpose", phases, perm=[0, 2, 3, 1])  # [1, h, w, fy * fx]
    blocks = node("Reshape", pixels, [0, 0, 0, fy, fx])
    rows = node("Transpose", blocks, perm=[0, 1, 3, 2, 4])  # [1, h, fy, w, fx]
    joined = node("Reshape", rows, [0, 0, 0, -1])
    return node("Reshape", joined, [1, 1, -1, 0])


def downsample(writer: GraphWriter, plane: str, size: Size, subsampling: Size, taps: tuple[Taps, Taps]) -> str:
    """Return a plane [1, 1, h, w] on the chroma grid, of shape [1, 1, h >> s, w >> s].

    Args:
        writer: writer of the graph.
        plane: name of the full-size plane.
        size: width and height of the full-size plane.
        subsampling: log2 of the subsampling, (horizontal, vertical).
        taps: weights by row and by column.
    """
    kernel = np.einsum("i,j->ij", taps[0].weights[0], taps[1].weights[0])[None, None]
    step = (1 << subsampling[1], 1 << subsampling[0])
    return _convolve(writer, plane, size, taps, kernel, step, "downsample")


def resize(
    writer: GraphWriter, x: str, size: Size, wanted: Size, weights: Callable[[int, int], Doubles] | None = None
) -> str:
    """Return pictures [1, C, h, w] in another size, by Catmull-Rom unless `weights` is given.

    It is written as two products with constant matrices, which allow any ratio and which every runtime computes alike.

    Args:
        writer: writer of the graph.
        x: name of the pictures.
        size: width and height of the pictures.
        wanted: width and height of the result.
        weights: function that returns the matrix of an axis from its old and new length; `resize_matrix` if None.
    """
    across, down = ((weights or resize_matrix)(n, m) for n, m in zip(size, wanted, strict=True))
    rows = writer.node("MatMul", [x, writer.constant(across.T)], name="resize", exact=True)
    return writer.node("MatMul", [writer.constant(down), rows], name="resize", exact=True)


def area_matrix(length: int, wanted: int) -> Doubles:
    """Return the weights [wanted, length] that average along a shrinking axis, by overlap of old and new samples."""
    step = length / wanted
    edges = np.arange(wanted + 1) * step
    samples = np.arange(length)
    overlap = np.minimum(edges[1:, None], samples + 1) - np.maximum(edges[:-1, None], samples)
    shares: Doubles = np.maximum(0, overlap) / step
    return shares


def resize_matrix(length: int, wanted: int) -> Doubles:
    """Return the weights [wanted, length] of Catmull-Rom along an axis, stretched by the ratio where it shrinks.

    Beyond the ends samples are mirrored.
    """
    step = length / wanted
    wide = max(1.0, step)
    reach = int(np.ceil(_SUPPORT * wide))
    centre = (np.arange(wanted) + 0.5) * step - 0.5
    taps = np.floor(centre)[:, None].astype(np.int64) + np.arange(-reach, reach + 1)
    weights = catmull_rom((taps - centre[:, None]) / wide)
    matrix = np.zeros((wanted, length))
    np.add.at(matrix, (np.arange(wanted)[:, None], mirror(taps, length)), weights)
    scaled: Doubles = matrix / matrix.sum(axis=1, keepdims=True)
    return scaled


def mirror(index: NDArray[np.int64], length: int) -> NDArray[np.int64]:
    """Return the sample indices in [0, length) that zimg uses for indices around that range."""
    folded = np.where(index < 0, -1 - index, np.where(index >= length, 2 * length - 1 - index, index))
    # A plane shorter than the kernel runs out of samples to mirror; the outermost one is repeated.
    return np.clip(folded, 0, length - 1)


def _convolve(
    writer: GraphWriter, x: str, size: Size, taps: tuple[Taps, Taps], kernel: Doubles, step: Size, name: str
) -> str:
    for axis, tap, length, stride in ((2, taps[0], size[1], step[0]), (3, taps[1], size[0], step[1])):
        # The last window starts at the last whole step.
        after = (length // stride - 1) * stride + tap.first + tap.weights.shape[1] - length
        x = _pad(writer, x, axis, length, -tap.first, after, name)
    inputs = [x, writer.constant(kernel)]
    return writer.node(
        "Conv", inputs, name=name, exact=True, kernel_shape=list(kernel.shape[2:]), strides=list(step), pads=[0] * 4
    )


def _pad(writer: GraphWriter, x: str, axis: int, length: int, before: int, after: int, name: str) -> str:
    """Return `x` with mirrored samples added along an axis; negative counts add (and remove) nothing."""

    def gathered(numbers: NDArray[np.int64], origin: int) -> list[str]:
        if not numbers.size:
            return []
        taken = writer.constant(mirror(numbers, length) - origin, integers=True)
        return [writer.node("Gather", [x, taken], name=name, exact=True, axis=axis)]

    # Indices at the far edge are counted from the end if that makes them the same for every size.
    end = length if writer.any_size else 0
    parts = [*gathered(np.arange(-before, 0), 0), x, *gathered(np.arange(length, length + after), end)]
    return x if len(parts) == 1 else writer.node("Concat", parts, name=name, exact=True, axis=axis)


def _trim(weights: Doubles, first: int) -> Taps:
    """Return normalized taps without those that are zero in every phase; none starts after the block's own sample."""
    used = np.flatnonzero(np.abs(weights).max(axis=0) > 1e-12)
    start = min(int(used[0]), -first)
    kept = weights[:, start : used[-1] + 1]
    return Taps(kept / kept.sum(axis=1, keepdims=True), first + start)


def _lengths(taps: tuple[Taps, Taps]) -> Size:
    return taps[0].weights.shape[1], taps[1].weights.shape[1]
