"""Planes graphs of every kind for tests, and what to feed them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import onnx
import onnxruntime
from numpy.typing import NDArray

from vsanime.coding import chroma_coding, luma_coding
from vsanime.graphs.builders.luma_chroma import chroma_graph, luma_graph
from vsanime.graphs.builders.rgb import rgb_graph
from vsanime.graphs.builders.style import Look, style_graph
from vsanime.graphs.inspect import inspect
from vsanime.graphs.passes.transposed import rewrite_transposed
from vsanime.spec import (
    ChromaLocation,
    Family,
    FrameSpec,
    GraphTraits,
    PlaneFormat,
    PlanesGraph,
    Range,
    SampleType,
    TensorSpec,
)

type Array = NDArray[Any]
type Size = tuple[int, int]


def yuv(bits: int | str, subsampling: Size = (1, 1)) -> PlaneFormat:
    """A YUV format of 8 to 16 bits, "half" or "single"."""
    if isinstance(bits, str):
        return PlaneFormat(Family.YUV, SampleType.FLOAT, {"half": 16, "single": 32}[bits], *subsampling)
    return PlaneFormat(Family.YUV, SampleType.INTEGER, bits, *subsampling)


def planes_graph(
    proto: onnx.ModelProto,
    bits: int | str,
    size: Size,
    traits: GraphTraits,
    *,
    subsampling: Size = (1, 1),
    siting: ChromaLocation = ChromaLocation.LEFT,
    tint: bool = False,
) -> PlanesGraph:
    """The graph that a filter would build around a network: luma, chroma or RGB, by the network's channels."""
    facts = inspect(proto)
    form = yuv(bits, subsampling)
    luma, chroma = luma_coding(form, Range.LIMITED), chroma_coding(form, Range.LIMITED)
    if facts.in_channels == 1:
        return luma_graph(proto, facts, luma, luma, *size, traits)
    if facts.out_channels == 2:
        return chroma_graph(proto, facts, luma, chroma, chroma, *size, subsampling, siting, traits)
    spec = FrameSpec(form, *size, Range.LIMITED, 1, siting if subsampling != (0, 0) else None)
    if facts.radius is None:
        return style_graph(proto, spec, form, size, traits, Look(facts.multiple))
    plain = rewrite_transposed(proto)
    return rgb_graph(plain, inspect(plain), spec, form, *size, traits, correct_tint=tint)


def noise_for(graph: PlanesGraph, bits: int | str, seed: int = 0) -> list[Array]:
    """Random samples, black and white among them, for each input of a graph."""
    rng = np.random.default_rng(seed)
    if isinstance(bits, str):
        return [rng.random(t.shape).astype(t.dtype) for t in graph.inputs]
    return [rng.integers(0, 1 << bits, t.shape).astype(t.dtype) for t in graph.inputs]


def as_bytes(plane: Array) -> Array:
    """uint16 samples as pairs of bytes, low byte first; others as they are."""
    if plane.dtype != np.uint16:
        return plane
    return plane.astype("<u2").view(np.uint8).reshape(*plane.shape, 2)


def from_bytes(plane: Array, spec: TensorSpec) -> Array:
    """The same back."""
    if spec.dtype != "uint16":
        return plane
    return np.ascontiguousarray(plane).view("<u2").reshape(plane.shape[:-1]).astype(np.uint16)


def feed_for(graph: PlanesGraph, planes: Sequence[Array]) -> Mapping[str, Array]:
    """Planes under the names that the graph knows them by, as bytes where it wants bytes."""
    declared = {i.name: len(i.type.tensor_type.shape.dim) for i in onnx.load_from_string(graph.onnx).graph.input}
    pairs = zip(graph.inputs, planes, strict=True)
    return {t.name: as_bytes(p) if declared[t.name] == 5 else p for t, p in pairs}


def run(graph: PlanesGraph, planes: Sequence[Array]) -> list[Array]:
    """The output planes, computed by ONNX Runtime; byte pairs are put together again."""
    session = onnxruntime.InferenceSession(graph.onnx, providers=["CPUExecutionProvider"])
    found = session.run([t.name for t in graph.outputs], feed_for(graph, planes))
    return [
        from_bytes(plane, spec) if plane.ndim == 5 else plane for plane, spec in zip(found, graph.outputs, strict=True)
    ]
