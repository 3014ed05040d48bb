"""Writes a network's precision into its graph, for runtimes that take types as they stand (strongly typed).

Nodes whose names start with `exact/` (codes, colors, the linear path) stay in f32, and so do operators whose sums or
ranges exceed half precision: means, norms, softmax, powers. All others are lowered: their weights are rounded, and
casts are inserted where the two meet.
"""

from __future__ import annotations

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from vsanime.errors import VsanimeError
from vsanime.graphs.writer import EXACT

_TYPES = {"float16": TensorProto.FLOAT16, "bfloat16": TensorProto.BFLOAT16}

# Sums over many samples, and functions that exceed half precision's range or lose most of its digits.
_ALWAYS_EXACT = {
    "Cast",
    "Div",
    "Exp",
    "GlobalAveragePool",
    "GroupNormalization",
    "InstanceNormalization",
    "LayerNormalization",
    "Log",
    "Pow",
    "Reciprocal",
    "ReduceL1",
    "ReduceL2",
    "ReduceMean",
    "ReduceSum",
    "ReduceSumSquare",
    "Softmax",
    "Sqrt",
}
# Number of leading inputs that are samples: Resize needs its scales in f32.
_SAMPLES = {"Resize": 1}


def lower_precision(model: onnx.ModelProto, dtype: str) -> onnx.ModelProto:
    """Return the same graph with its inner layers in half precision; inputs and outputs keep their types.

    Args:
        model: planes graph in f32.
        dtype: "float16" or "bfloat16".

    Raises:
        VsanimeError: float16 cannot hold a weight.
    """
    lowering = _Lowering(model, dtype)
    for node in model.graph.node:
        lowering.add(node)
    return lowering.finish()


class _Lowering:
    """A copier of a graph, node by node, that records which tensors exist in which type."""

    def __init__(self, model: onnx.ModelProto, dtype: str) -> None:
        self._model = model
        self._dtype = dtype
        self._weights = {i.name: i for i in model.graph.initializer}
        self._floats = _float_tensors(model)
        self._low: set[str] = set()
        self._nodes: list[onnx.NodeProto] = []
        self._rounded: dict[str, onnx.TensorProto] = {}
        self._casts: dict[tuple[str, int], str] = {}

    def add(self, node: onnx.NodeProto) -> None:
        """Copy a node, with its float inputs in the type it computes in."""
        exact = node.name.startswith(EXACT) or node.op_type in _ALWAYS_EXACT
        copy = onnx.NodeProto()
        copy.CopyFrom(node)
        for i, name in enumerate(node.input[: _SAMPLES.get(node.op_type)]):
            if name in self._floats:
                copy.input[i] = self._exact(name) if exact else self._lowered(name)
        if not exact:
            self._low |= {name for name in node.output if name in self._floats}
        self._nodes.append(copy)

    def finish(self) -> onnx.ModelProto:
        """Return the new model, with the constants that are still read."""
        read = {name for node in self._nodes for name in node.input}
        constants = [w for w in (*self._weights.values(), *self._rounded.values()) if w.name in read]
        graph = self._model.graph
        new = helper.make_graph(self._nodes, graph.name, list(graph.input), list(graph.output), constants)
        model = helper.make_model(new, opset_imports=list(self._model.opset_import), ir_version=self._model.ir_version)
        onnx.checker.check_model(model)
        return model

    def _exact(self, name: str) -> str:
        return self._cast(name, TensorProto.FLOAT) if name in self._low else name

    def _lowered(self, name: str) -> str:
        if name in self._low:
            return name
        if name in self._weights:
            rounded = f"{name}/{self._dtype}"
            if rounded not in self._rounded:
                self._rounded[rounded] = _round(self._weights[name], rounded, self._dtype)
            return rounded
        return self._cast(name, _TYPES[self._dtype])

    def _cast(self, name: str, to: int) -> str:
        if (name, to) not in self._casts:
            # A cast is named after its target type, which distinguishes it from the plane arithmetic.
            made = f"{name}/{'float32' if to == TensorProto.FLOAT else self._dtype}"
            self._nodes.append(helper.make_node("Cast", [name], [made], name=made, to=to))
            self._casts[name, to] = made
        return self._casts[name, to]


def _float_tensors(model: onnx.ModelProto) -> set[str]:
    """Return the names of f32 tensors, including constants."""
    graph = onnx.shape_inference.infer_shapes(model, strict_mode=True).graph
    values = (*graph.value_info, *graph.input, *graph.output)
    found = {v.name for v in values if v.type.tensor_type.elem_type == TensorProto.FLOAT}
    return found | {i.name for i in graph.initializer if i.data_type == TensorProto.FLOAT}


def _round(weight: onnx.TensorProto, name: str, dtype: str) -> onnx.TensorProto:
    values = numpy_helper.to_array(weight)
    if dtype == "float16":
        largest = float(np.abs(values).max(initial=0))
        if largest > float(np.finfo(np.float16).max):
            raise VsanimeError(
                f"the network has a weight of {largest:.3g}, more than fp16 can hold; use `precision='bf16'` or "
                "`precision='f32'`"
            )
        return numpy_helper.from_array(values.astype(np.float16), name)
    return helper.make_tensor(name, TensorProto.BFLOAT16, values.shape, bfloat16_bits(values).tobytes(), raw=True)


def bfloat16_bits(values: np.ndarray) -> np.ndarray:
    """Return the upper halves of finite f32 values, rounded to nearest, ties to even, as uint16."""
    bits = np.ascontiguousarray(values, np.float32).view(np.uint32)
    return ((bits + 0x7FFF + ((bits >> 16) & 1)) >> 16).astype("<u2")
