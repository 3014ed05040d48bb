"""Writes ArtCNN as plain ONNX."""

from __future__ import annotations

from collections.abc import Sequence

import onnx

from vsanime.architectures.base import Imported
from vsanime.architectures.deduce import check_same, describe, describe_ends
from vsanime.architectures.layers import Layer, find_ends
from vsanime.architectures.writer import NetWriter
from vsanime.errors import VsanimeError, quote

ACTIVATIONS = {"relu": "ReLU", "silu": "SiLU"}

_UNKNOWN_ACTIVATION = "assumed, since a state-dict does not say which; ArtCNN R files after mid-2025 have SiLU"


def artcnn_c(layers: Sequence[Layer], activation: str = "relu") -> onnx.ModelProto:
    """Return an ArtCNN C: first convolution, inner ones with activations, one before the sum with the first, the last.

    Raises:
        VsanimeError: if there are fewer than four layers, or their shapes do not fit together.
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
    """Return an ArtCNN R: first convolution, residual blocks of three, one before the sum with the first, the last.

    Raises:
        VsanimeError: if the blocks are incomplete, or the shapes do not fit together.
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


def artcnn(kind: str, layers: Sequence[Layer], activation: str | None) -> Imported:
    """Return an ArtCNN C or R with its summary.

    Args:
        kind: "artcnn_c" or "artcnn_r".
        layers: layers in order.
        activation: key of `ACTIVATIONS`; None if unknown.

    Raises:
        VsanimeError: if the layers are not those of that network.
    """
    if activation is not None and activation not in ACTIVATIONS:
        raise VsanimeError(f"activation {quote(activation)}; {' or '.join(ACTIVATIONS)} is known")
    check_same(layers)
    features = layers[0].weight.shape[0]
    for i, layer in enumerate(layers[1:-1], 1):
        if layer.weight.shape[:2] != (features, features):
            raise VsanimeError(
                f"layer {i} has {layer.weight.shape[1]} channels in and {layer.weight.shape[0]} out; "
                f"every inner layer of an ArtCNN has the {features} of the first"
            )
    build = artcnn_c if kind == "artcnn_c" else artcnn_r
    used = activation or "relu"
    proto = build(layers, used)
    depth = f"{len(layers) - 3} inner layers" if kind == "artcnn_c" else f"{len(layers) // 3 - 1} residual blocks"
    said = ACTIVATIONS[used] + (f" ({_UNKNOWN_ACTIVATION})" if activation is None and kind == "artcnn_r" else "")
    form = f"ArtCNN {kind[-1].upper()}, {depth}, {features} filters, {describe_ends(layers)}"
    return describe(proto, kind, form, layers, said)
