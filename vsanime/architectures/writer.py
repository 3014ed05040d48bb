"""Writes the networks of this project as plain ONNX from their weights: the one form that every importer ends in.

A plain network has the input `input`, 1 x channels x height x width, and the output `output`, both f32 with height and
width free. Layers are arrays, in the order in which a picture passes them; every size is read from their shapes.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import isqrt
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

from vsanime.errors import VsanimeError

type Array = NDArray[Any]

OPSET = 17  # the newest that every runtime we name reads
IR_VERSION = 8  # the one that belongs to opset 17

# waifu2x networks convolve without padding; replicating this many pixels beforehand makes up for what they lose.
_VALID_MARGIN = 7
_LEAK = 0.1
# The constants of SELU (Klambauer et al. 2017), as every framework has them.
_SELU_ALPHA, _SELU_GAMMA = 1.6732632423543772, 1.0507009873554805


@dataclass(frozen=True)
class Layer:
    """A convolution.

    Attributes:
        weight: [out, in, kernel, kernel]; of a transposed convolution [in, out, kernel, kernel].
        bias: [out]; None for none.
    """

    weight: Array
    bias: Array | None = None


class NetWriter:
    """Nodes and weights of a plain network as it grows; every method returns the name of the tensor it made."""

    def __init__(self) -> None:
        self._nodes: list[onnx.NodeProto] = []
        self._weights: list[onnx.TensorProto] = []

    def constant(self, name: str, value: Array | float | Sequence[int]) -> str:
        """Adds a weight: f32, or int64 where the values are integers."""
        array = np.asarray(value)
        kind = np.int64 if np.issubdtype(array.dtype, np.integer) else np.float32
        self._weights.append(numpy_helper.from_array(np.ascontiguousarray(array, kind).reshape(array.shape), name))
        return name

    def node(self, op: str, inputs: Sequence[str], output: str | None = None, **attributes: Any) -> str:
        """Adds one node with one output."""
        name = output or f"{op.lower()}{len(self._nodes)}"
        self._nodes.append(helper.make_node(op, inputs, [name], None, None, None, None, **attributes))
        return name

    def conv(self, x: str, name: str, layer: Layer, pad: int | None = None, *, stride: int = 1, groups: int = 1) -> str:
        """Adds a convolution; zero padding keeps the size unless `pad` says otherwise."""
        kernel = list(layer.weight.shape[2:])
        around = kernel[0] // 2 if pad is None else pad
        # Left out where they are what ONNX takes by itself.
        more: dict[str, Any] = {"strides": [stride] * 2} if stride > 1 else {}
        more |= {"group": groups} if groups > 1 else {}
        return self.node("Conv", self._parameters(x, name, layer), kernel_shape=kernel, pads=[around] * 4, **more)

    def conv_transpose(self, x: str, name: str, layer: Layer, stride: int, pad: int) -> str:
        """Adds a transposed convolution."""
        kernel = list(layer.weight.shape[2:])
        inputs = self._parameters(x, name, layer)
        return self.node("ConvTranspose", inputs, kernel_shape=kernel, strides=[stride] * 2, pads=[pad] * 4)

    def activation(self, x: str, kind: str) -> str:
        """Adds "relu", "silu" (x times its sigmoid: no operator of its own in this opset), "leaky" or "selu"."""
        if kind == "silu":
            return self.node("Mul", [x, self.node("Sigmoid", [x])])
        if kind == "leaky":
            return self.node("LeakyRelu", [x], alpha=_LEAK)
        if kind == "selu":
            return self.node("Selu", [x], alpha=_SELU_ALPHA, gamma=_SELU_GAMMA)
        return self.node("Relu", [x])

    def finish(self, x: str, planes: tuple[int, int], scale: int, *, shuffle: bool = True) -> onnx.ModelProto:
        """Clips `x` to [0, 1], shuffles it to `scale` times the size and checks the model.

        Args:
            x: the last tensor.
            planes: channels of input and output.
            scale: output pixels per input pixel.
            shuffle: whether `x` still has `scale` squared channels a plane.
        """
        limits = [self.constant("clip.low", np.array(0.0)), self.constant("clip.high", np.array(1.0))]
        if scale > 1 and shuffle:
            self.node("DepthToSpace", [self.node("Clip", [x, *limits])], "output", blocksize=scale, mode="CRD")
        else:
            self.node("Clip", [x, *limits], "output")
        size = ("height", "width") if scale == 1 else ("out_height", "out_width")
        graph = helper.make_graph(
            self._nodes,
            "net",
            [helper.make_tensor_value_info("input", TensorProto.FLOAT, [1, planes[0], "height", "width"])],
            [helper.make_tensor_value_info("output", TensorProto.FLOAT, [1, planes[1], *size])],
            self._weights,
        )
        model = helper.make_model(
            graph, producer_name="vsanime", ir_version=IR_VERSION, opset_imports=[helper.make_opsetid("", OPSET)]
        )
        onnx.checker.check_model(model, full_check=True)
        return model

    def _parameters(self, x: str, name: str, layer: Layer) -> list[str]:
        bias = [] if layer.bias is None else [self.constant(f"{name}.bias", layer.bias)]
        return [x, self.constant(f"{name}.weight", layer.weight), *bias]


def artcnn_c(layers: Sequence[Layer], activation: str = "relu") -> onnx.ModelProto:
    """ArtCNN C: first convolution, inner ones with activations, one that joins the first, the last.

    Raises:
        VsanimeError: fewer than four layers, or shapes that do not follow one another.
    """
    planes, scale = _ends(layers, least=4)
    writer = NetWriter()
    first = x = writer.conv("input", "conv0", layers[0])
    for i, layer in enumerate(layers[1:-2], 1):
        x = writer.activation(writer.conv(x, f"conv{i}", layer), activation)
    x = writer.conv(x, f"conv{len(layers) - 2}", layers[-2])
    x = writer.conv(writer.node("Add", [x, first]), f"conv{len(layers) - 1}", layers[-1])
    return writer.finish(x, planes, scale)


def artcnn_r(layers: Sequence[Layer], activation: str = "relu") -> onnx.ModelProto:
    """ArtCNN R: first convolution, residual blocks of three, one that joins the first, the last.

    Raises:
        VsanimeError: no whole number of blocks, or shapes that do not follow one another.
    """
    planes, scale = _ends(layers, least=6)
    if len(layers) % 3:
        raise VsanimeError(f"an ArtCNN R network has 3 convolutions and 3 a block; {len(layers)} cannot be")
    writer = NetWriter()
    first = x = writer.conv("input", "conv0", layers[0])
    for i in range(1, len(layers) - 2, 3):
        y = writer.activation(writer.conv(x, f"conv{i}", layers[i]), activation)
        y = writer.activation(writer.conv(y, f"conv{i + 1}", layers[i + 1]), activation)
        x = writer.node("Add", [writer.conv(y, f"conv{i + 2}", layers[i + 2]), x])
    x = writer.conv(x, f"conv{len(layers) - 2}", layers[-2])
    x = writer.conv(writer.node("Add", [x, first]), f"conv{len(layers) - 1}", layers[-1])
    return writer.finish(x, planes, scale)


def espcn(layers: Sequence[Layer], gates: Sequence[Layer] = ()) -> onnx.ModelProto:
    """ESPCN with SELU: convolutions, then pixel shuffle; a selection unit after each activation where there are gates.

    A selection unit multiplies its input x by sigmoid(conv1x1(relu(x))) (Choi and Kim 2017).

    Raises:
        VsanimeError: shapes that do not follow one another, or gates that are not one less than the layers.
    """
    planes, scale = _ends(layers, least=2)
    if gates and len(gates) != len(layers) - 1:
        raise VsanimeError(f"{len(gates)} selection units; {len(layers) - 1} are needed, one after each inner layer")
    writer = NetWriter()
    x = "input"
    for i, layer in enumerate(layers[:-1]):
        x = writer.activation(writer.conv(x, f"conv{i}", layer), "selu")
        if gates:
            gate = writer.conv(writer.activation(x, "relu"), f"gate{i}", gates[i])
            x = writer.node("Mul", [x, writer.node("Sigmoid", [gate])])
    return writer.finish(writer.conv(x, f"conv{len(layers) - 1}", layers[-1]), planes, scale)


def upconv(layers: Sequence[Layer]) -> onnx.ModelProto:
    """waifu2x UpConv_7: replicated margin, valid 3x3 convolutions with leaky ReLU, a transposed one (4, stride 2).

    Raises:
        VsanimeError: shapes that are not those, or do not follow one another.
    """
    *convs, last = layers
    check_chain([*convs, Layer(last.weight.transpose(1, 0, 2, 3))])
    if len(convs) != _VALID_MARGIN - 1 or last.weight.shape[2:] != (4, 4):
        raise VsanimeError(
            f"{len(convs)} convolutions and a transposed one of {last.weight.shape[2:]}; UpConv_7 has 6 and one of 4x4"
        )
    writer = NetWriter()
    x = _valid(writer, convs)
    x = writer.conv_transpose(x, f"conv{len(convs)}", last, stride=2, pad=3)
    return writer.finish(x, (convs[0].weight.shape[1], last.weight.shape[1]), 2, shuffle=False)


def vgg(layers: Sequence[Layer]) -> onnx.ModelProto:
    """waifu2x VGG_7: replicated margin, seven valid 3x3 convolutions, leaky ReLU after all but the last.

    Raises:
        VsanimeError: shapes that are not those, or do not follow one another.
    """
    check_chain(layers)
    if len(layers) != _VALID_MARGIN or any(layer.weight.shape[2:] != (3, 3) for layer in layers):
        raise VsanimeError(f"{len(layers)} convolutions; VGG_7 has 7 of 3x3")
    writer = NetWriter()
    x = writer.conv(_valid(writer, layers[:-1]), f"conv{len(layers) - 1}", layers[-1], pad=0)
    return writer.finish(x, (layers[0].weight.shape[1], layers[-1].weight.shape[0]), 1)


def _valid(writer: NetWriter, layers: Sequence[Layer]) -> str:
    margin = [0, 0, _VALID_MARGIN, _VALID_MARGIN]
    x = writer.node("Pad", ["input", writer.constant("margin", margin * 2)], mode="edge")
    for i, layer in enumerate(layers):
        x = writer.activation(writer.conv(x, f"conv{i}", layer, pad=0), "leaky")
    return x


def _ends(layers: Sequence[Layer], least: int) -> tuple[tuple[int, int], int]:
    """Channels in and out, and the scale: the last layer has scale squared channels for each that comes in.

    Where that is no square (a chroma network: 3 in, 2 out) nothing is shuffled.
    """
    if len(layers) < least:
        raise VsanimeError(f"{len(layers)} convolutions; {least} or more are needed")
    check_chain(layers)
    into, out = int(layers[0].weight.shape[1]), int(layers[-1].weight.shape[0])
    scale = isqrt(out // into)
    if scale > 1 and scale * scale * into == out:
        return (into, into), scale
    return (into, out), 1


def check_chain(layers: Sequence[Layer]) -> None:
    """Every layer takes as many channels as the one before gives, and has as many biases as channels."""
    for i, layer in enumerate(layers):
        if layer.weight.ndim != 4 or 0 in layer.weight.shape:
            raise VsanimeError(
                f"layer {i} has weights of shape {layer.weight.shape}; [out, in, height, width] is needed"
            )
        out, into = layer.weight.shape[:2]
        if i and into != layers[i - 1].weight.shape[0]:
            raise VsanimeError(f"layer {i} takes {into} channels where {layers[i - 1].weight.shape[0]} come")
        if layer.bias is not None and layer.bias.shape != (out,):
            raise VsanimeError(f"layer {i} has biases of shape {layer.bias.shape}; ({out},) is needed")
        finite = np.isfinite(layer.weight).all() and (layer.bias is None or np.isfinite(layer.bias).all())
        if not finite:
            raise VsanimeError(f"layer {i} has weights that are not finite")
