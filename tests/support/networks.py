"""Small random networks, written as plain ONNX."""

from __future__ import annotations

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper


def _model(nodes: list[onnx.NodeProto], weights: dict[str, np.ndarray], channels: tuple[int, int]) -> onnx.ModelProto:
    graph = helper.make_graph(
        nodes,
        "net",
        [helper.make_tensor_value_info("input", TensorProto.FLOAT, ["n", channels[0], "h", "w"])],
        [helper.make_tensor_value_info("output", TensorProto.FLOAT, ["n", channels[1], "H", "W"])],
        [numpy_helper.from_array(np.asarray(v), k) for k, v in weights.items()],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    onnx.checker.check_model(model)
    return model


def artcnn_like(
    features: int = 8,
    inner: int = 2,
    channels: int = 1,
    planes: int = 1,
    scale: int = 2,
    mode: str = "CRD",
    swap: bool = False,
    clip_last: bool = False,
    seed: int = 0,
) -> onnx.ModelProto:
    """A net with a long linear skip, shaped as ArtCNN C, with the details that files differ in as arguments."""
    rng = np.random.default_rng(seed)
    weights: dict[str, np.ndarray] = {}
    nodes = []

    def conv(source: str, name: str, out: int, into: int) -> str:
        weights[f"{name}_w"] = (rng.standard_normal((out, into, 3, 3)) / np.sqrt(9 * into)).astype(np.float32)
        weights[f"{name}_b"] = (0.2 * rng.standard_normal(out)).astype(np.float32)
        same = {"auto_pad": "SAME_UPPER"} if seed % 2 else {"pads": [1, 1, 1, 1]}
        nodes.append(helper.make_node("Conv", [source, f"{name}_w", f"{name}_b"], [name], kernel_shape=[3, 3], **same))
        return name

    first = value = conv("input", "first", features, channels)
    for i in range(inner):
        value = conv(value, f"inner{i}", features, features)
        nodes.append(helper.make_node("Relu", [value], [f"relu{i}"]))
        value = f"relu{i}"
    value = conv(value, "joining", features, features)
    nodes.append(helper.make_node("Add", [first, value] if swap else [value, first], ["sum"]))
    value = conv("sum", "last", planes * scale**2, features)
    weights |= {"low": np.float32(0), "high": np.float32(1)}
    ends = [helper.make_node("Clip", ["", "low", "high"], [""])]
    if scale > 1:
        shuffle = helper.make_node("DepthToSpace", [""], [""], blocksize=scale, mode=mode)
        ends = [shuffle, *ends] if clip_last else [*ends, shuffle]
    for i, node in enumerate(ends):
        node.input[0] = value
        value = node.output[0] = "output" if i == len(ends) - 1 else f"end{i}"
        nodes.append(node)
    return _model(nodes, weights, (channels, planes))


def layers(*nodes: onnx.NodeProto, channels: tuple[int, int], **weights: np.ndarray) -> onnx.ModelProto:
    """A network of the given nodes from `input` to `output`."""
    return _model(list(nodes), weights, channels)
