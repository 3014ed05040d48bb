"""ESPCN as plain ONNX."""

from __future__ import annotations

from collections.abc import Sequence

import onnx

from vsanime.architectures.layers import Layer, find_ends
from vsanime.architectures.writer import NetWriter
from vsanime.errors import VsanimeError


def espcn(layers: Sequence[Layer], gates: Sequence[Layer] = ()) -> onnx.ModelProto:
    """ESPCN with SELU: convolutions, then pixel shuffle; a selection unit after each activation where there are gates.

    A selection unit multiplies its input x by sigmoid(conv1x1(relu(x))) (Choi and Kim 2017).

    Raises:
        VsanimeError: shapes that do not follow one another, or gates that are not one less than the layers.
    """
    planes, scale = find_ends(layers, least=2)
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
