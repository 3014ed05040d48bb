"""Parses a plain ONNX network into nodes, weight arrays and the way its last layers compute the output."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import onnx
from onnx import helper, numpy_helper

from vsanime.arrays import Array
from vsanime.errors import VsanimeError
from vsanime.graphs.limits import guard


@dataclass(frozen=True)
class Network:
    """A network with one input picture and one output picture, NCHW.

    Attributes:
        nodes: nodes that the output depends on, in execution order, without constants.
        weights: initializers and constants by name.
        input: name of the input tensor.
        output: name of the output tensor.
        in_channels: channels of the input; 0 if unknown.
        opset: version of the default operator set.
    """

    nodes: tuple[onnx.NodeProto, ...]
    weights: dict[str, Array]
    input: str
    output: str
    in_channels: int
    opset: int

    def producer(self, tensor: str) -> onnx.NodeProto | None:
        """Return the node that computes `tensor`; None for the input and for weights."""
        return next((node for node in self.nodes if tensor in node.output), None)

    def consumers(self, tensor: str) -> list[onnx.NodeProto]:
        """Return the nodes that read `tensor`."""
        return [node for node in self.nodes if tensor in node.input]

    def parameters(self) -> int:
        """Return the number of trained values: weights of convolutions and similar layers, not shapes and bounds."""
        used = {name for node in self.nodes if node.op_type in _WEIGHTED for name in node.input[1:]}
        # A norm written as arithmetic: a gain (divided by the deviation) and an offset for each channel.
        used |= {
            name
            for node in self.nodes
            if node.op_type in _PER_CHANNEL
            for name in node.input
            if name in self.weights and self.weights[name].ndim == 4 and self.weights[name].size > 1
        }
        return sum(self.weights[name].size for name in used if name in self.weights)


_PER_CHANNEL = {"Add", "Div", "Mul", "Sub"}
_WEIGHTED = {"Conv", "ConvTranspose", "Gemm", "MatMul", "PRelu", "BatchNormalization", "InstanceNormalization"}


def attributes(node: onnx.NodeProto) -> dict[str, Any]:
    """Return the attributes of a node as Python values."""
    return {a.name: helper.get_attribute_value(a) for a in node.attribute}


@guard("the network cannot be read")
def read_network(proto: onnx.ModelProto) -> Network:
    """Return the parsed form of a plain ONNX model.

    Raises:
        VsanimeError: the model does not have exactly one input and one output, or the input is not an NCHW float
            picture.
    """
    graph = proto.graph
    weights = {i.name: numpy_helper.to_array(i) for i in graph.initializer}
    inputs = [i for i in graph.input if i.name not in weights]
    if len(inputs) != 1 or len(graph.output) != 1:
        raise VsanimeError(
            f"the network has {len(inputs)} inputs and {len(graph.output)} outputs; one picture in, one out is needed"
        )
    tensor = inputs[0].type.tensor_type
    dims = tensor.shape.dim
    if len(dims) != 4 or tensor.elem_type != onnx.TensorProto.FLOAT:
        known = tensor.elem_type in onnx.TensorProto.DataType.values()
        kind = onnx.TensorProto.DataType.Name(tensor.elem_type).lower() if known else f"type {tensor.elem_type}"
        raise VsanimeError(f"the network's input is {kind} with {len(dims)} axes; float with 4 (NCHW) is needed")
    nodes = []
    for node in find_needed(graph.node, graph.output[0].name):
        if node.op_type == "Constant":
            weights[node.output[0]] = _constant(node)
        elif node.op_type == "Identity" and node.input[0] in weights:
            weights[node.output[0]] = weights[node.input[0]]
        else:
            nodes.append(node)
    opset = next((o.version for o in proto.opset_import if o.domain in ("", "ai.onnx")), 0)
    return Network(
        nodes=tuple(nodes),
        weights=weights,
        input=inputs[0].name,
        output=graph.output[0].name,
        in_channels=_channels(tuple(nodes), weights, inputs[0].name, dims[1].dim_value),
        opset=opset,
    )


def find_needed(nodes: Sequence[onnx.NodeProto], tensor: str) -> list[onnx.NodeProto]:
    """Return the nodes that `tensor` depends on, in the given order (ONNX nodes are sorted)."""
    wanted = {tensor}
    kept = []
    for node in reversed(nodes):
        if wanted & set(node.output):
            kept.append(node)
            wanted |= set(node.input)
    return kept[::-1]


def _constant(node: onnx.NodeProto) -> Array:
    value = attributes(node)
    if "value" not in value:
        if not value:
            raise VsanimeError("the network has a Constant without a value")
        return np.asarray(next(iter(value.values())))
    return numpy_helper.to_array(value["value"])


def _channels(nodes: tuple[onnx.NodeProto, ...], weights: dict[str, Array], name: str, declared: int) -> int:
    if declared:
        return declared
    for node in nodes:
        if node.op_type == "Conv" and node.input[0] == name and node.input[1] in weights:
            return int(weights[node.input[1]].shape[1] * attributes(node).get("group", 1))
    return 0


@dataclass(frozen=True)
class Tail:
    """The end of a convolutional network: a convolution, then clipping and depth-to-space in either order.

    Attributes:
        conv: last convolution.
        low: lower bound of the clip, or None.
        high: upper bound of the clip, or None.
        scale: block size of depth-to-space, 1 if there is none.
        mode: channel order of depth-to-space, "DCR" or "CRD".
    """

    conv: onnx.NodeProto
    low: float | None = None
    high: float | None = None
    scale: int = 1
    mode: str = "DCR"


def read_tail(net: Network) -> Tail | None:
    """Return the end of the network, or None if it has another form than `Tail` describes."""
    clip: tuple[float | None, float | None] = (None, None)
    scale, mode = 1, "DCR"
    node = net.producer(net.output)
    while node is not None and node.op_type in ("Clip", "DepthToSpace"):
        if len(net.consumers(node.output[0])) > 1:
            return None
        if node.op_type == "Clip":
            bounds = clip_bounds(net, node)
            if bounds is None or clip != (None, None):
                return None
            clip = bounds
        else:
            if scale != 1 or attributes(node)["blocksize"] < 2:
                return None
            scale = attributes(node)["blocksize"]
            mode = attributes(node).get("mode", b"DCR").decode()
        node = net.producer(node.input[0])
    if node is None or node.op_type != "Conv" or net.consumers(node.output[0])[1:]:
        return None
    return Tail(conv=node, low=clip[0], high=clip[1], scale=scale, mode=mode)


def clip_bounds(net: Network, node: onnx.NodeProto) -> tuple[float | None, float | None] | None:
    """Return the lower and upper bound of a Clip, each None if absent, or a single None if they are not constant."""
    if net.opset < 11:
        given = attributes(node)
        return given.get("min"), given.get("max")
    bounds: list[float | None] = []
    for name in [*node.input[1:3], "", ""][:2]:
        if name and name not in net.weights:
            return None
        bounds.append(float(net.weights[name]) if name else None)
    return bounds[0], bounds[1]


@dataclass(frozen=True)
class SameConv:
    """A plain 2-D convolution that keeps the size: odd kernel, stride 1, equal zero padding on all sides.

    Attributes:
        weight: weights, [out, in, kernel, kernel], float64.
        bias: offsets, [out], float64.
    """

    weight: Array
    bias: Array

    @property
    def pad(self) -> int:
        """Zero padding on each side in pixels."""
        return int(self.weight.shape[2]) // 2


def read_same_conv(net: Network, node: onnx.NodeProto) -> SameConv | None:
    """Return the convolution that a node computes, or None if it is not of that kind."""
    if node.op_type != "Conv" or any(name not in net.weights for name in node.input[1:] if name):
        return None
    weight = net.weights[node.input[1]].astype(np.float64)
    given = attributes(node)
    kernel = weight.shape[2:]
    if len(kernel) != 2 or kernel[0] != kernel[1] or kernel[0] % 2 == 0:
        return None
    same = given.get("auto_pad", b"NOTSET") in (b"SAME_UPPER", b"SAME_LOWER")
    pads = [kernel[0] // 2] * 4 if same else list(given.get("pads", [0] * 4))
    plain = given.get("group", 1) == 1 and set(given.get("strides", [1])) | set(given.get("dilations", [1])) == {1}
    if not plain or pads != [kernel[0] // 2] * 4:
        return None
    bias = net.weights[node.input[2]] if len(node.input) > 2 and node.input[2] else np.zeros(weight.shape[0])
    return SameConv(weight=weight, bias=bias.astype(np.float64))
