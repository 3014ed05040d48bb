"""Half precision emulated in ONNX Runtime's CPU provider: what a card computes, layer by layer, in plain f32 nodes.

ONNX Runtime has no half-precision convolutions on a CPU: it casts to f32 and may leave out the rounding between layers.
Here every result that the graph declares as half precision is rounded to it by two casts. Sums inside one layer stay
f32, as a card's matrix units accumulate them; a card that fuses layers rounds less often than this, never more.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import onnx
import onnxruntime
from onnx import TensorProto, helper, numpy_helper

LOW = (TensorProto.FLOAT16, TensorProto.BFLOAT16)


def emulated(serialized: bytes) -> onnx.ModelProto:
    """A lowered graph with f32 nodes and explicit roundings in place of half-precision nodes."""
    model = onnx.load_from_string(serialized)
    graph = model.graph
    low: dict[str, int] = {i.name: i.data_type for i in graph.initializer if i.data_type in LOW}
    for tensor in graph.initializer:
        if tensor.data_type in LOW:
            tensor.CopyFrom(numpy_helper.from_array(numpy_helper.to_array(tensor).astype(np.float32), tensor.name))
    nodes: list[onnx.NodeProto] = []
    for node in graph.node:
        kind = _kind(node, low)
        if node.op_type == "Cast" and node.input[0] in low:
            nodes.append(helper.make_node("Identity", node.input, node.output))
        elif kind is None:
            nodes.append(node)
        else:
            low[node.output[0]] = kind
            nodes += _rounding(node, kind)
    del graph.node[:]
    graph.node.extend(nodes)
    return model


def _kind(node: onnx.NodeProto, low: Mapping[str, int]) -> int | None:
    """The half precision of a node's result."""
    if node.op_type == "Cast":
        to = next(a.i for a in node.attribute if a.name == "to")
        # Not the cast at the end of a graph whose planes are half floats.
        return to if to in LOW and node.name.endswith("float16") else None
    return next((low[name] for name in node.input if name in low), None)


def _rounding(node: onnx.NodeProto, kind: int) -> list[onnx.NodeProto]:
    (name,) = node.output
    source = node.input[0]
    nodes = []
    if node.op_type != "Cast":
        source = f"{name}/sum"
        node.output[0] = source
        nodes.append(node)
    nodes.append(helper.make_node("Cast", [source], [f"{name}/low"], to=kind))
    nodes.append(helper.make_node("Cast", [f"{name}/low"], [name], to=TensorProto.FLOAT))
    return nodes


def run(serialized: bytes, feed: Mapping[str, np.ndarray], *, watch: str | None = None) -> list[np.ndarray]:
    """The outputs of a graph, half precision emulated; `watch` adds one tensor of it."""
    model = emulated(serialized)
    if watch is not None:
        model.graph.output.append(helper.make_empty_tensor_value_info(watch))
    options = onnxruntime.SessionOptions()
    # Nothing may be fused or left out between a layer and its rounding.
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    session = onnxruntime.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])
    return list(session.run(None, dict(feed)))
