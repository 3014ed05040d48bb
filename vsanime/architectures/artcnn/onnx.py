"""ArtCNN as plain ONNX."""

from __future__ import annotations

from collections.abc import Sequence

import onnx

from vsanime.architectures.layers import Layer, find_ends
from vsanime.architectures.writer import NetWriter
from vsanime.errors import VsanimeError


def artcnn_c(layers: Sequence[Layer], activation: str = "relu") -> onnx.ModelProto:
    """ArtCNN C: first convolution, inner ones with activations, one that joins the first, the last.

    Raises:
        VsanimeError: fewer than four layers, or shapes that do not follow one another.
    """
    planes, scale = find_ends(layers, least=4)
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
    planes, scale = find_ends(layers, least=6)
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
