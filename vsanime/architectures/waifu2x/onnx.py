"""waifu2x's UpConv_7 and VGG_7 as plain ONNX."""

from __future__ import annotations

from collections.abc import Sequence

import onnx

from vsanime.architectures.layers import Layer, check_chain
from vsanime.architectures.writer import NetWriter
from vsanime.errors import VsanimeError

# The networks convolve without padding; replicating this many pixels beforehand makes up for what they lose.
MARGIN = 7
LEAK = 0.1


def upconv(layers: Sequence[Layer]) -> onnx.ModelProto:
    """waifu2x UpConv_7: replicated margin, valid 3x3 convolutions with leaky ReLU, a transposed one (4, stride 2).

    Raises:
        VsanimeError: shapes that are not those, or do not follow one another.
    """
    *convs, last = layers
    check_chain([*convs, Layer(last.weight.transpose(1, 0, 2, 3))])
    if len(convs) != MARGIN - 1 or last.weight.shape[2:] != (4, 4):
        raise VsanimeError(
            f"{len(convs)} convolutions and a transposed one of {last.weight.shape[2:]}; UpConv_7 has 6 and one of 4x4"
        )
    writer = NetWriter(leak=LEAK)
    x = _valid(writer, convs)
    x = writer.conv_transpose(x, f"conv{len(convs)}", last, stride=2, pad=3)
    return writer.finish(x, (convs[0].weight.shape[1], last.weight.shape[1]), 2, shuffle=False)


def vgg(layers: Sequence[Layer]) -> onnx.ModelProto:
    """waifu2x VGG_7: replicated margin, seven valid 3x3 convolutions, leaky ReLU after all but the last.

    Raises:
        VsanimeError: shapes that are not those, or do not follow one another.
    """
    check_chain(layers)
    if len(layers) != MARGIN or any(layer.weight.shape[2:] != (3, 3) for layer in layers):
        raise VsanimeError(f"{len(layers)} convolutions; VGG_7 has 7 of 3x3")
    writer = NetWriter(leak=LEAK)
    x = writer.conv(_valid(writer, layers[:-1]), f"conv{len(layers) - 1}", layers[-1], pad=0)
    return writer.finish(x, (layers[0].weight.shape[1], layers[-1].weight.shape[0]), 1)


def _valid(writer: NetWriter, layers: Sequence[Layer]) -> str:
    margin = [0, 0, MARGIN, MARGIN]
    x = writer.node("Pad", ["input", writer.constant("margin", margin * 2)], mode="edge")
    for i, layer in enumerate(layers):
        x = writer.activation(writer.conv(x, f"conv{i}", layer, pad=0), "leaky")
    return x
