"""Writes ONNX graphs node by node."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

# Every runtime of the last years reads opset 17, which goes with IR version 8.
OPSET = 17
IR_VERSION = 8

# Prefix of nodes that stay in f32 at any precision of the network: see docs/measurements/backends.md.
EXACT = "exact/"

TYPES = {
    "uint8": TensorProto.UINT8,
    "uint16": TensorProto.UINT16,
    "float16": TensorProto.FLOAT16,
    "float32": TensorProto.FLOAT,
}


class ModelWriter:
    """A collector of an ONNX model's nodes, constants, inputs and outputs; subclasses choose the names."""

    def __init__(self) -> None:
        self._nodes: list[onnx.NodeProto] = []
        self._constants: dict[str, onnx.TensorProto] = {}
        self._inputs: list[onnx.ValueInfoProto] = []
        self._outputs: list[onnx.ValueInfoProto] = []

    def declare_input(self, name: str, dtype: str, shape: Sequence[int | str]) -> str:
        """Declare an input of a NumPy type; sizes are numbers, or names of free dimensions."""
        self._inputs.append(helper.make_tensor_value_info(name, TYPES[dtype], shape))
        return name

    def declare_output(self, name: str, dtype: str, shape: Sequence[int | str]) -> str:
        """Declare a tensor as an output under its own name."""
        self._outputs.append(helper.make_tensor_value_info(name, TYPES[dtype], shape))
        return name

    def store(self, name: str, array: NDArray[Any]) -> str:
        """Store a constant."""
        self._constants[name] = numpy_helper.from_array(array, name)
        return name

    def add_node(
        self, op: str, inputs: Sequence[str], output: str, label: str | None, attributes: Mapping[str, Any]
    ) -> str:
        """Add a node with one output; `label` is the node's own name, or None."""
        # Passed by position, because attributes may have the names of `make_node`'s parameters.
        self._nodes.append(helper.make_node(op, inputs, [output], label, None, None, None, **attributes))
        return output

    def build_model(self, name: str, *, producer_name: str = "", full_check: bool = False) -> onnx.ModelProto:
        """Return the checked model.

        Args:
            name: name of the graph.
            producer_name: name of the program that writes it.
            full_check: whether to infer all shapes as well, and refuse contradictions.
        """
        graph = helper.make_graph(self._nodes, name, self._inputs, self._outputs, list(self._constants.values()))
        more = {"producer_name": producer_name} if producer_name else {}
        opsets = [helper.make_opsetid("", OPSET)]
        model = helper.make_model(graph, opset_imports=opsets, ir_version=IR_VERSION, **more)
        onnx.checker.check_model(model, full_check=full_check)
        return model


class GraphWriter(ModelWriter):
    """A collector of one graph's nodes, constants, inputs and outputs; every call returns the tensor it made.

    Attributes:
        any_size: whether the graph must not depend on the size of the tile.
    """

    def __init__(self, *, any_size: bool = False) -> None:
        super().__init__()
        self.any_size = any_size

    def input(self, name: str, dtype: str, shape: list[int]) -> str:
        """Declare an input of a NumPy type."""
        return self.declare_input(name, dtype, shape)

    def output(self, tensor: str, name: str, dtype: str, shape: list[int]) -> str:
        """Declare `tensor` as an output under another name."""
        self.add_node("Identity", [tensor], name, f"{EXACT}{name}", {})
        return self.declare_output(name, dtype, shape)

    def constant(self, value: float | NDArray[Any], *, integers: bool = False) -> str:
        """Add a constant, stored as float32 (or int64)."""
        array = np.asarray(value, np.int64 if integers else np.float32)
        return self.store(f"constant_{len(self._constants)}", array)

    def weight(self, name: str, value: NDArray[Any]) -> None:
        """Add a constant under the name that the network's own nodes use."""
        self.store(name, np.asarray(value, order="C"))

    def node(self, op: str, inputs: list[str], *, name: str = "", exact: bool = False, **attributes: Any) -> str:
        """Add a node with one output; `exact` marks it to stay in f32."""
        label = f"{EXACT if exact else ''}{name or op}_{len(self._nodes)}"
        return self.add_node(op, inputs, label, label, attributes)

    def copy(self, node: onnx.NodeProto) -> None:
        """Add a node of the network unchanged."""
        self._nodes.append(node)

    def finish(self, name: str) -> onnx.ModelProto:
        """Return the checked model."""
        return self.build_model(name)
