"""Checks the layers of an imported network and describes them: shapes, not file names, decide which network they are.

Files called upconv_7 exist with other widths, and work just as well.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import isqrt

import numpy as np
import onnx
from onnx import helper, numpy_helper

from vsanime.architectures.base import Imported
from vsanime.architectures.layers import Layer
from vsanime.arrays import Array
from vsanime.errors import VsanimeError

# The deepest ArtCNN has 51. Each 3x3 layer adds a pixel to the overlap of tiles, which is not measured beyond some 380.
_MOST_LAYERS = 300


def floats(name: str, array: Array) -> Array:
    """Return weights as f32.

    Raises:
        VsanimeError: if they are not floating point.
    """
    if array.dtype.kind != "f":
        raise VsanimeError(f"{name} is stored as {array.dtype}; weights are floating point")
    # Overflow becomes infinite here; `check_layer` reports it with the layer's number.
    with np.errstate(over="ignore", invalid="ignore"):
        return np.asarray(array, np.float32)


def check_same(layers: Sequence[Layer]) -> None:
    """Check that all layers are 3x3 convolutions, and that the last one fits a pixel shuffle or has no extra planes."""
    if not 1 <= len(layers) <= _MOST_LAYERS:
        raise VsanimeError(f"it has {len(layers)} layers; 1 to {_MOST_LAYERS} are read")
    for i, layer in enumerate(layers):
        check_layer(i, layer)
        if layer.weight.shape[2:] != (3, 3):
            raise VsanimeError(f"layer {i} has kernels of {layer.weight.shape[2:]}; (3, 3) is needed")
    into, out = layers[0].weight.shape[1], layers[-1].weight.shape[0]
    if out > into and scale_of(layers) ** 2 * into != out:
        raise VsanimeError(f"{out} channels at the end for {into} at the beginning; scale squared times as many fit")


def check_layer(number: int, layer: Layer, transposed: bool = False) -> None:
    """Check that a layer has four axes, one bias per output channel, and finite values."""
    weight, bias = layer.weight, layer.bias
    if weight.ndim != 4 or 0 in weight.shape:
        raise VsanimeError(f"layer {number} has weights of shape {weight.shape}; four sizes above 0 are needed")
    out = weight.shape[1 if transposed else 0]
    if bias is not None and bias.shape != (out,):
        raise VsanimeError(f"layer {number} has biases of shape {bias.shape}; ({out},) is needed")
    if not (np.isfinite(weight).all() and (bias is None or np.isfinite(bias).all())):
        raise VsanimeError(f"layer {number} has weights that are not finite numbers; the file is damaged")


def scale_of(layers: Sequence[Layer]) -> int:
    """Return the output pixels per input pixel along each axis, if the last layer is followed by a pixel shuffle."""
    return isqrt(int(layers[-1].weight.shape[0]) // int(layers[0].weight.shape[1]))


def describe_widths(layers: Sequence[Layer]) -> str:
    """Return the output channels of the layers, for a summary."""
    return "widths " + "-".join(str(layer.weight.shape[0]) for layer in layers)


def describe_ends(layers: Sequence[Layer]) -> str:
    """Return the planes of input and output and the scale, for a summary."""
    into, out = layers[0].weight.shape[1], layers[-1].weight.shape[0]
    scale = max(1, scale_of(layers))
    return f"planes {into} to {out // scale**2}, scale {scale}"


def describe(proto: onnx.ModelProto, kind: str, form: str, layers: Sequence[Layer], said: str) -> Imported:
    """Return a network with its summary.

    Args:
        proto: network.
        kind: name of its architecture.
        form: widths, planes and scale, in words.
        layers: all layers, whose weights are counted.
        said: activation and assumptions, in words.
    """
    weights = sum(layer.weight.size + (0 if layer.bias is None else layer.bias.size) for layer in layers)
    return Imported(proto, kind, f"{form}, {weights:,} weights, {said}", licence="")


def node_kinds(proto: onnx.ModelProto) -> set[str]:
    """Return the operators of a graph."""
    return {node.op_type for node in proto.graph.node}


def read_convolutions(proto: onnx.ModelProto) -> dict[str, Layer]:
    """Return the convolutions by the name of their weights, in graph order; shared weights appear once."""
    arrays: dict[str, Array] = {tensor.name: numpy_helper.to_array(tensor) for tensor in proto.graph.initializer}
    for node in proto.graph.node:
        if node.op_type == "Constant" and node.attribute:
            value = helper.get_attribute_value(node.attribute[0])
            stored = isinstance(value, onnx.TensorProto)
            arrays[node.output[0]] = numpy_helper.to_array(value) if stored else np.asarray(value)
    found: dict[str, Layer] = {}
    for node in proto.graph.node:
        if node.op_type in ("Conv", "ConvTranspose") and all(name in arrays for name in node.input[1:]):
            found[node.input[1]] = Layer(arrays[node.input[1]], arrays[node.input[2]] if len(node.input) > 2 else None)
    return found
