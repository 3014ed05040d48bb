"""Splits large attention into groups of query rows, computed in turn, so that it fits into memory.

    softmax(queries x keys) x values

has a row for every query and a column for every key: at 1080p, cells of 8 pixels and two keys make 33,000 rows of
65,000. Rows are independent. They are split into equal chunks, of which the last overlaps the one before, so that every
chunk is the same computation; runtimes multiply matrices of a thousand rows and more as fast as whole ones.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import prod

import numpy as np
import onnx
from onnx import numpy_helper

# Matrices of products up to this size stay whole. Two exist at a time: the products and their softmax.
WHOLE_BYTES = 1 << 28
LEAST_ROWS = 1000
_FLOAT_BYTES = 4
# Operators allowed between the products and the softmax: they treat every product alike and on its own.
_ELEMENTWISE = ("Mul", "Div", "Add", "Sub", "Cast", "Identity")


@dataclass(frozen=True)
class _Attention:
    """The nodes of an attention.

    Attributes:
        inner: nodes from the product of queries and keys to the softmax, both included.
        outer: product with the values.
        shape: shape of the softmax; the second to last axis is that of the queries.
    """

    inner: list[onnx.NodeProto]
    outer: onnx.NodeProto
    shape: tuple[int, ...]

    @property
    def rows(self) -> int:
        return self.shape[-2]


def chunk_attention(
    model: onnx.ModelProto, whole_bytes: int = WHOLE_BYTES, least_rows: int = LEAST_ROWS
) -> onnx.ModelProto:
    """Return the same graph with its large attention operations split into chunks.

    Args:
        model: graph of fixed sizes.
        whole_bytes: largest matrix of products, in bytes, that stays whole.
        least_rows: smallest number of rows in a chunk.
    """
    inferred = onnx.shape_inference.infer_shapes(model, data_prop=True).graph
    values = (*inferred.value_info, *inferred.input, *inferred.output)
    shapes = {v.name: tuple(d.dim_value for d in v.type.tensor_type.shape.dim) for v in values}
    shapes |= {i.name: tuple(i.dims) for i in model.graph.initializer}
    result = onnx.ModelProto()
    result.CopyFrom(model)
    for node in model.graph.node:
        found = _attention(model.graph, node, shapes) if node.op_type == "Softmax" else None
        if found is None:
            continue
        count = _chunks(found, whole_bytes, least_rows)
        if count > 1:
            _cut(result.graph, found, count)
    return result


def _chunks(found: _Attention, whole_bytes: int, least_rows: int) -> int:
    needed = prod(found.shape) * _FLOAT_BYTES
    return max(1, min(-(-needed // whole_bytes), found.rows // least_rows))


def _attention(
    graph: onnx.GraphProto, softmax: onnx.NodeProto, shapes: dict[str, tuple[int, ...]]
) -> _Attention | None:
    """Return the attention of a softmax, or None if its form cannot be split."""
    shape = shapes.get(softmax.output[0], ())
    axis = next((a.i for a in softmax.attribute if a.name == "axis"), -1)
    if len(shape) < 2 or not all(shape) or axis not in (-1, len(shape) - 1):
        return None
    makers = {name: node for node in graph.node for name in node.output}
    readers = [node for node in graph.node if softmax.output[0] in node.input]
    if len(readers) != 1 or readers[0].op_type != "MatMul" or readers[0].input[0] != softmax.output[0]:
        return None
    inner = [softmax]
    while inner[0].op_type != "MatMul":
        source = makers.get(inner[0].input[0])
        scalars = all(name in shapes and prod(shapes[name]) == 1 for name in inner[0].input[1:])
        alike = inner[0] is softmax or inner[0].op_type in _ELEMENTWISE
        if (
            source is None
            or not scalars
            or not alike
            or len([n for n in graph.node if source.output[0] in n.input]) > 1
        ):
            return None
        inner.insert(0, source)
    return _Attention(inner, readers[0], shape)


def _cut(graph: onnx.GraphProto, found: _Attention, count: int) -> None:
    """Replace a whole attention by chunks."""
    rows = -(-found.rows // count)
    name = found.outer.output[0]
    nodes: list[onnx.NodeProto] = []
    parts = []
    for i in range(count):
        start = min(i * rows, found.rows - rows)
        chunk = _chunk(graph, nodes, found, (start, start + rows), f"{name}/{i}")
        overlap = i * rows - start
        parts.append(_slice(graph, nodes, chunk, (overlap, rows), f"{name}/{i}/new") if overlap else chunk)
    nodes.append(onnx.helper.make_node("Concat", parts, [name], name=name, axis=-2))
    replaced = [*found.inner, found.outer]
    kept = []
    for node in graph.node:
        if node.name == found.outer.name and node.output == found.outer.output:
            kept += nodes
        elif not any(node.output == other.output for other in replaced):
            kept.append(node)
    del graph.node[:]
    graph.node.extend(kept)


def _chunk(
    graph: onnx.GraphProto, nodes: list[onnx.NodeProto], found: _Attention, rows: tuple[int, int], name: str
) -> str:
    """Return the result of some rows."""
    tensor = _slice(graph, nodes, found.inner[0].input[0], rows, f"{name}/queries")
    for i, node in enumerate((*found.inner, found.outer)):
        copy = onnx.NodeProto()
        copy.CopyFrom(node)
        copy.name = copy.output[0] = f"{name}/{i}"
        copy.input[0] = tensor
        nodes.append(copy)
        tensor = copy.output[0]
    return tensor


def _slice(graph: onnx.GraphProto, nodes: list[onnx.NodeProto], tensor: str, rows: tuple[int, int], name: str) -> str:
    bounds = []
    for what, value in (("start", rows[0]), ("end", rows[1]), ("axis", -2)):
        bounds.append(f"{name}/{what}")
        graph.initializer.append(numpy_helper.from_array(np.array([value], np.int64), bounds[-1]))
    nodes.append(onnx.helper.make_node("Slice", [tensor, *bounds], [name], name=name))
    return name
