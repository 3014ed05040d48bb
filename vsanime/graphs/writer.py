"""Writes an ONNX graph node by node."""

from __future__ import annotations

from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

# Opset 17 is what every runtime of the last years reads, and IR version 8 goes with it.
OPSET = 17
IR_VERSION = 8

# Nodes whose names start so keep f32 whatever precision the network runs in: see docs/backends.md.
EXACT = "exact/"

TYPES = {
    "uint8": TensorProto.UINT8,
    "uint16": TensorProto.UINT16,
    "float16": TensorProto.FLOAT16,
    "float32": TensorProto.FLOAT,
}


class GraphWriter:
    """Collects nodes, constants, inputs and outputs of one graph; every call returns the tensor it made.

    Attributes:
        any_size: whether nothing that is written may depend on the size of the tile.
    """

    def __init__(self, *, any_size: bool = False) -> None:
        self.any_size = any_size
        self._nodes: list[onnx.NodeProto] = []
        self._constants: dict[str, onnx.TensorProto] = {}
        self._inputs: list[onnx.ValueInfoProto] = []
        self._outputs: list[onnx.ValueInfoProto] = []

    def input(self, name: str, dtype: str, shape: list[int]) -> str:
        """Declares an input of a NumPy type."""
        self._inputs.append(helper.make_tensor_value_info(name, TYPES[dtype], shape))
        return name

    def output(self, tensor: str, name: str, dtype: str, shape: list[int]) -> str:
        """Declares `tensor` an output under another name."""
        self._nodes.append(helper.make_node("Identity", [tensor], [name], name=f"{EXACT}{name}"))
        self._outputs.append(helper.make_tensor_value_info(name, TYPES[dtype], shape))
        return name

    def constant(self, value: float | NDArray[Any], *, integers: bool = False) -> str:
        """A constant, stored as float32 (or int64)."""
        array = np.asarray(value, np.int64 if integers else np.float32)
        name = f"constant_{len(self._constants)}"
        self._constants[name] = numpy_helper.from_array(array, name)
        return name

    def weight(self, name: str, value: NDArray[Any]) -> None:
        """A constant under the name that the network's own nodes know it by."""
        self._constants[name] = numpy_helper.from_array(np.asarray(value, order="C"), name)

    def node(self, op: str, inputs: list[str], *, name: str = "", exact: bool = False, **attributes: Any) -> str:
        """Adds a node with one output; `exact` marks it to stay in f32."""
        label = f"{EXACT if exact else ''}{name or op}_{len(self._nodes)}"
        self._nodes.append(helper.make_node(op, inputs, [label], name=label, **attributes))
        return label

    def copy(self, node: onnx.NodeProto) -> None:
        """Adds a node of the network as it is."""
        self._nodes.append(node)

    def finish(self, name: str) -> onnx.ModelProto:
        """The checked model."""
        graph = helper.make_graph(self._nodes, name, self._inputs, self._outputs, list(self._constants.values()))
        model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", OPSET)], ir_version=IR_VERSION)
        onnx.checker.check_model(model)
        return model
