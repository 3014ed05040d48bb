"""Reads the convolutions of an ArtCNN C network from its plain ONNX."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import onnx
from onnx import helper, numpy_helper

from vsanime.architectures.layers import Layer
from vsanime.arrays import Array
from vsanime.errors import VsanimeError

_SHAPE = "convolution, convolutions with ReLU, convolution, sum with the first, convolution"


@dataclass(frozen=True)
class Chain:
    """The layers of an ArtCNN C network.

    Attributes:
        layers: first convolution, inner ones, the one before the sum with the first, the last; each has a bias, all
            f32.
        scale: 2 for a luma doubler, 1 for chroma reconstruction.
    """

    layers: tuple[Layer, ...]
    scale: int

    @property
    def features(self) -> int:
        """Channels between the first and the last convolution."""
        return int(self.layers[0].weight.shape[0])

    @property
    def inner(self) -> int:
        """The number of convolutions that a ReLU follows."""
        return len(self.layers) - 3

    @property
    def planes(self) -> int:
        """Input planes: 1 is luma, 3 are luma and both chroma planes."""
        return int(self.layers[0].weight.shape[1])


def read_artcnn_c(proto: onnx.ModelProto) -> Chain:
    """Return the layers of a luma doubler or a chroma network.

    Args:
        proto: plain ONNX.

    Raises:
        VsanimeError: if the graph is not ArtCNN C; the message says where it departs.
    """
    reader = _Reader(proto)
    scale, tensor = reader.tail(reader.output)
    last, tensor = reader.conv(tensor)
    joining, first, tensor = reader.join(tensor)
    inner: list[Layer] = []
    while tensor != first:
        layer, tensor = reader.conv(reader.step(tensor, "Relu").input[0])
        inner.append(layer)
    head, tensor = reader.conv(first)
    if tensor != reader.input or not inner:
        raise _departs("the chain of convolutions does not reach the input")
    chain = Chain((head, *inner[::-1], joining, last), scale)
    ends = (chain.planes, last.weight.shape[0], scale)
    if ends not in ((1, 4, 2), (3, 2, 1)):
        raise _departs(f"{ends[0]} planes come in, {ends[1]} leave the last convolution, at scale {scale}")
    return chain


class _Reader:
    """A reader that follows a graph from its output toward its input."""

    def __init__(self, proto: onnx.ModelProto) -> None:
        graph = proto.graph
        self._weights = {tensor.name: numpy_helper.to_array(tensor) for tensor in graph.initializer}
        self._makers: dict[str, onnx.NodeProto] = {}
        for node in graph.node:
            given = _attributes(node)
            if node.op_type == "Constant" and "value" in given:
                self._weights[node.output[0]] = numpy_helper.to_array(given["value"])
            else:
                self._makers |= dict.fromkeys(node.output, node)
        inputs = [value.name for value in graph.input if value.name not in self._weights]
        if len(inputs) != 1 or len(graph.output) != 1:
            raise _departs(f"{len(inputs)} inputs and {len(graph.output)} outputs")
        self.input, self.output = inputs[0], graph.output[0].name

    def step(self, tensor: str, *kinds: str) -> onnx.NodeProto:
        """Return the node that makes `tensor`, checked to have one of these operators."""
        node = self._makers.get(tensor)
        if node is None or node.op_type not in kinds or not node.input:
            found = f"{node.op_type} {node.name}".strip() if node is not None else f"the tensor {tensor!r}"
            raise _departs(f"{found} stands where {' or '.join(kinds)} should")
        return node

    def tail(self, tensor: str) -> tuple[int, str]:
        """Return the scale, and the tensor before clipping and depth-to-space, which may come in either order."""
        scale, clips = 1, 0
        while (node := self.step(tensor, "Clip", "DepthToSpace", "Conv")).op_type != "Conv":
            if node.op_type == "Clip":
                clips += 1
                if self._bounds(node) != (0, 1):
                    raise _departs(f"it clips to {self._bounds(node)}, not to (0, 1)")
            else:
                scale *= int(_attributes(node).get("blocksize", 0))
            tensor = node.input[0]
        if clips > 1:
            raise _departs("it clips twice")
        return scale, tensor

    def conv(self, tensor: str) -> tuple[Layer, str]:
        """Return the convolution that makes `tensor`, and its input."""
        node = self.step(tensor, "Conv")
        given = _attributes(node)
        weight = self._weights.get(node.input[1])
        bias = self._weights.get(node.input[2]) if len(node.input) > 2 and node.input[2] else None
        if weight is None or (len(node.input) > 2 and node.input[2] and bias is None):
            raise _departs(f"the weights of {node.name or tensor} are not in the file")
        same = given.get("auto_pad", b"NOTSET") in (b"SAME_UPPER", b"SAME_LOWER")
        plain = given.get("group", 1) == 1 and {*given.get("strides", [1]), *given.get("dilations", [1])} == {1}
        padded = same or list(given.get("pads", [0] * 4)) == [1] * 4
        if weight.shape[2:] != (3, 3) or not plain or not padded:
            raise _departs(f"{node.name or tensor} is no plain 3x3 convolution with zero padding")
        if bias is None:
            bias = np.zeros(weight.shape[0], np.float32)
        if bias.shape != weight.shape[:1]:
            raise _departs(f"{node.name or tensor} has {bias.size} biases for {weight.shape[0]} channels")
        return Layer(_finite(weight, tensor), _finite(bias, tensor)), node.input[0]

    def join(self, tensor: str) -> tuple[Layer, str, str]:
        """Return the convolution before the sum, the name of the first convolution's output, and the former's input."""
        node = self.step(tensor, "Add")
        for one, other in (node.input, node.input[::-1]):
            maker = self._makers.get(other)
            if maker is not None and maker.op_type == "Conv" and maker.input[0] == self.input:
                joining, before = self.conv(one)
                return joining, other, before
        raise _departs("the sum before the last convolution does not take the first convolution's result")

    def _bounds(self, node: onnx.NodeProto) -> tuple[float | None, float | None]:
        given = _attributes(node)
        if "min" in given or "max" in given:  # before opset 11
            return given.get("min"), given.get("max")
        names = [*node.input[1:3], "", ""][:2]
        low, high = (self._weights.get(name) for name in names)
        return (
            None if low is None or low.size != 1 else low.item(),
            None if high is None or high.size != 1 else high.item(),
        )


def _attributes(node: onnx.NodeProto) -> dict[str, Any]:
    return {attribute.name: helper.get_attribute_value(attribute) for attribute in node.attribute}


def _finite(array: Array, name: str) -> Array:
    values = array.astype(np.float32)
    if not np.isfinite(values).all():
        raise VsanimeError(f"the weights of {name} hold infinities or NaN")
    return values


def _departs(why: str) -> VsanimeError:
    return VsanimeError(f"this is no ArtCNN C network ({_SHAPE}; luma 2x or chroma): {why}")
