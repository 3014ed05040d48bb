"""A trained network written as plain ONNX, node by node, with no exporter between."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import torch
from onnx import TensorProto, helper, numpy_helper

from vsanime.errors import VsanimeError
from vsanime.nets.artcnn import ArtCNN, ArtCNNC, ArtCNNR

OPSET = 17  # the newest that every runtime we name reads
IR_VERSION = 8  # the one that belongs to opset 17


class GraphWriter:
    """Nodes and initializers of a graph as it grows; every method returns the name of the tensor it made."""

    def __init__(self) -> None:
        self.nodes: list[onnx.NodeProto] = []
        self.initializers: list[onnx.TensorProto] = []

    def constant(self, name: str, value: np.ndarray) -> str:
        """Add an f32 initializer."""
        self.initializers.append(numpy_helper.from_array(np.asarray(value, np.float32, order="C"), name))
        return name

    def node(self, op: str, inputs: list[str], output: str | None = None, **attributes: int | list[int]) -> str:
        """Add one node with one output."""
        name = output or f"{op.lower()}{len(self.nodes)}"
        self.nodes.append(helper.make_node(op, inputs, [name], None, None, None, None, **attributes))
        return name

    def conv(self, x: str, name: str, state: dict[str, torch.Tensor]) -> str:
        """Add the zero-padded 3x3 convolution whose tensors are `name.weight` and `name.bias`."""
        weight, bias = (
            self.constant(key, state[key].detach().float().cpu().numpy()) for key in (f"{name}.weight", f"{name}.bias")
        )
        return self.node("Conv", [x, weight, bias], kernel_shape=[3, 3], pads=[1, 1, 1, 1])

    def activation(self, x: str, kind: str) -> str:
        """Add the activation: ReLU, or SiLU as x times its sigmoid (no such operator in this opset)."""
        if kind == "relu":
            return self.node("Relu", [x])
        return self.node("Mul", [x, self.node("Sigmoid", [x])])


def to_onnx(net: ArtCNN) -> onnx.ModelProto:
    """Write a network as plain ONNX.

    Input `input` is 1, planes, height, width and output `output` 1, planes, scale * height, scale * width, both f32
    with height and width free; the output is clipped to [0, 1], before depth-to-space.

    Args:
        net: the network; its weights are copied.

    Raises:
        VsanimeError: the class of `net` is not known here.
    """
    graph = GraphWriter()
    state = net.state_dict()
    skip = graph.conv("input", "first", state)
    inner = graph.conv(write_inner(graph, net, skip, state), "inner_last", state)
    planes = graph.conv(graph.node("Add", [inner, skip]), "last", state)
    limits = [graph.constant("clip.low", np.array(0.0)), graph.constant("clip.high", np.array(1.0))]
    if net.scale == 1:
        graph.node("Clip", [planes, *limits], "output")
    else:
        graph.node("DepthToSpace", [graph.node("Clip", [planes, *limits])], "output", blocksize=net.scale)
    return finish(graph, net)


def write_inner(graph: GraphWriter, net: ArtCNN, x: str, state: dict[str, torch.Tensor]) -> str:
    """Write the non-linear part; returns the tensor that enters `inner_last`."""
    if isinstance(net, ArtCNNC):
        for i in range(len(net.inner_convs)):
            x = graph.activation(graph.conv(x, f"inner_convs.{i}", state), net.activation)
        return x
    if isinstance(net, ArtCNNR):
        for i in range(len(net.blocks)):
            y = graph.activation(graph.conv(x, f"blocks.{i}.conv0", state), net.activation)
            y = graph.activation(graph.conv(y, f"blocks.{i}.conv1", state), net.activation)
            x = graph.node("Add", [graph.conv(y, f"blocks.{i}.conv2", state), x])
        return x
    raise VsanimeError(f"export: writes ArtCNNC and ArtCNNR networks, not {type(net).__name__}")


def finish(graph: GraphWriter, net: ArtCNN) -> onnx.ModelProto:
    """Give the graph its input and output and check it."""
    in_planes = net.first.in_channels
    out_planes = net.last.out_channels // net.scale**2
    out_size = ("out_height", "out_width") if net.scale > 1 else ("height", "width")
    proto = helper.make_graph(
        graph.nodes,
        "artcnn",
        [helper.make_tensor_value_info("input", TensorProto.FLOAT, [1, in_planes, "height", "width"])],
        [helper.make_tensor_value_info("output", TensorProto.FLOAT, [1, out_planes, *out_size])],
        graph.initializers,
    )
    model = helper.make_model(
        proto, producer_name="vsanime", ir_version=IR_VERSION, opset_imports=[helper.make_opsetid("", OPSET)]
    )
    onnx.checker.check_model(model, full_check=True)
    return model


def save(net: ArtCNN, path: Path) -> None:
    """Write a network to an ONNX file, making its folder where there is none.

    Raises:
        VsanimeError: the file cannot be written.
    """
    data = to_onnx(net).SerializeToString()
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
    except OSError as error:
        raise VsanimeError(f"export: cannot write {str(path)!r}: {error.strerror}") from error
