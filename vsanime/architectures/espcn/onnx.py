"""Writes ESPCN as plain ONNX."""

from __future__ import annotations

from collections.abc import Sequence

import onnx

from vsanime.architectures.base import Imported
from vsanime.architectures.deduce import check_layer, check_same, describe, describe_ends, describe_widths
from vsanime.architectures.layers import Layer, find_ends
from vsanime.architectures.writer import NetWriter
from vsanime.errors import VsanimeError


def espcn(layers: Sequence[Layer], gates: Sequence[Layer] = ()) -> onnx.ModelProto:
    """Return an ESPCN with SELU: convolutions, each with its selection unit if `gates` are given, then a pixel shuffle.

    A selection unit multiplies its input x by sigmoid(conv1x1(relu(x))) (Choi and Kim 2017).

    Raises:
        VsanimeError: if shapes do not fit together, or there is not one gate per inner layer.
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


def espcn_n(layers: Sequence[Layer], gates: Sequence[Layer] = ()) -> Imported:
    """Return an ESPCN with SELU, with or without selection units, and its summary.

    Raises:
        VsanimeError: if the layers are not those of that network.
    """
    check_same(layers)
    for i, (layer, gate) in enumerate(zip(layers[:-1], gates, strict=True) if gates else ()):
        check_layer(i, gate)
        features = layer.weight.shape[0]
        if gate.weight.shape != (features, features, 1, 1):
            raise VsanimeError(
                f"selection unit {i} has weights of shape {gate.weight.shape}; {(features, features, 1, 1)} is needed"
            )
    name = f"ESPCN_{len(layers)}"
    form = f"{name}, {describe_widths(layers[:-1])}, {describe_ends(layers)}"
    said = "SELU"
    if gates:
        said += (
            ", selection units that multiply (the oldest code let them replace the feature; "
            "its weights look the same and would give wrong pictures)"
        )
    return describe(espcn(layers, gates), name.lower(), form, [*layers, *gates], said)
