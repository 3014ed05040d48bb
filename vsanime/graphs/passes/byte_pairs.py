"""Rewrites planes for runtimes without 16-bit integers, so that the only integers are bytes at the graph's ends.

TensorRT supports uint8 as the type of an input that goes into a cast and of an output that comes out of one, and no
uint16 at all. A plane of 9 to 16 bits is therefore declared as pairs of bytes, low byte first: one more axis, the same
memory.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from vsanime.graphs.writer import EXACT

_BYTE = 256.0


def use_byte_pairs(model: onnx.ModelProto) -> onnx.ModelProto:
    """Return the same graph with uint16 planes as byte pairs [..., 2], and every integer output directly from its cast.

    Codes are whole numbers before they are cast, so it makes no difference whether a runtime truncates or rounds there.

    Args:
        model: planes graph whose integer inputs are each read by one cast, and whose integer outputs end in one.
    """
    new = onnx.ModelProto()
    new.CopyFrom(model)
    graph = new.graph
    nodes = _Nodes(graph)
    for plane in graph.input:
        if plane.type.tensor_type.elem_type == TensorProto.UINT16:
            _read_pairs(nodes, plane)
    for plane in graph.output:
        if plane.type.tensor_type.elem_type in (TensorProto.UINT8, TensorProto.UINT16):
            _store_bytes(nodes, plane)
    nodes.write()
    onnx.checker.check_model(new)
    return new


class _Nodes:
    """An editable list of a graph's nodes."""

    def __init__(self, graph: onnx.GraphProto) -> None:
        self._graph = graph
        self.list = list(graph.node)

    def add(self, at: int, op: str, inputs: list[str], output: str, **attributes: Any) -> int:
        """Insert a node at an index of the list, and return the next index."""
        self.list.insert(at, helper.make_node(op, inputs, [output], name=output, **attributes))
        return at + 1

    def constant(self, name: str, value: float | list[int]) -> str:
        """Return a constant's name, after adding the constant if the name is new."""
        array = np.array(value, np.float32 if isinstance(value, float) else np.int64)
        if name not in {i.name for i in self._graph.initializer}:
            self._graph.initializer.append(numpy_helper.from_array(array, name))
        return name

    def producer(self, tensor: str) -> int:
        """Return the index of the node that makes a tensor."""
        return next(i for i, node in enumerate(self.list) if tensor in node.output)

    def write(self) -> None:
        """Write the list back into the graph."""
        del self._graph.node[:]
        self._graph.node.extend(self.list)


def _read_pairs(nodes: _Nodes, plane: onnx.ValueInfoProto) -> None:
    """Replace input -> cast by input [..., 2] -> cast -> low + 256 * high."""
    _declare_pairs(plane)
    cast = next(i for i, node in enumerate(nodes.list) if plane.name in node.input)
    value = nodes.list.pop(cast).output[0]
    label = f"{EXACT}{plane.name}"
    at = nodes.add(cast, "Cast", [plane.name], f"{label}_bytes", to=TensorProto.FLOAT)
    for part, index in (("low", 0), ("high", 1)):
        chosen = nodes.constant(f"byte_{part}", [index])
        at = nodes.add(at, "Gather", [f"{label}_bytes", chosen], f"{label}_{part}_byte", axis=4)
        at = nodes.add(at, "Squeeze", [f"{label}_{part}_byte", nodes.constant("byte_axis", [4])], f"{label}_{part}")
    at = nodes.add(at, "Mul", [f"{label}_high", nodes.constant("byte_scale", _BYTE)], f"{label}_scaled")
    nodes.add(at, "Add", [f"{label}_low", f"{label}_scaled"], value)


def _store_bytes(nodes: _Nodes, plane: onnx.ValueInfoProto) -> None:
    """Replace cast -> identity -> output by floor -> cast -> output, in pairs of bytes where one byte is too small."""
    identity = nodes.producer(plane.name)
    cast = nodes.producer(nodes.list[identity].input[0])
    codes = nodes.list[cast].input[0]
    for i in sorted((identity, cast), reverse=True):
        nodes.list.pop(i)
    label = f"{EXACT}{plane.name}"
    at = nodes.add(len(nodes.list), "Floor", [codes], f"{label}_whole")
    if plane.type.tensor_type.elem_type == TensorProto.UINT8:
        nodes.add(at, "Cast", [f"{label}_whole"], plane.name, to=TensorProto.UINT8)
        return
    _declare_pairs(plane)
    axis = nodes.constant("byte_axis", [4])
    at = nodes.add(at, "Mul", [f"{label}_whole", nodes.constant("byte_share", 1 / _BYTE)], f"{label}_share")
    at = nodes.add(at, "Floor", [f"{label}_share"], f"{label}_high")
    at = nodes.add(at, "Mul", [f"{label}_high", nodes.constant("byte_scale", _BYTE)], f"{label}_scaled")
    at = nodes.add(at, "Sub", [f"{label}_whole", f"{label}_scaled"], f"{label}_low")
    for part in ("low", "high"):
        at = nodes.add(at, "Unsqueeze", [f"{label}_{part}", axis], f"{label}_{part}_byte")
    at = nodes.add(at, "Concat", [f"{label}_low_byte", f"{label}_high_byte"], f"{label}_bytes", axis=4)
    nodes.add(at, "Cast", [f"{label}_bytes"], plane.name, to=TensorProto.UINT8)


def _declare_pairs(plane: onnx.ValueInfoProto) -> None:
    tensor = plane.type.tensor_type
    tensor.elem_type = TensorProto.UINT8
    tensor.shape.dim.add().dim_value = 2
