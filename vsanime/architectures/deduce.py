"""From layers to an architecture: formats give convolutions in order, shapes decide which network they are.

Names lie: files called upconv_7 exist with other widths, and work just as well. Only what a network is made of counts.
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

# The deepest ArtCNN has 51. Each 3x3 layer adds a pixel to what tiles overlap by; beyond some 380 that is not measured.
_MOST_LAYERS = 300


def floats(name: str, array: Array) -> Array:
    """Weights as f32.

    Raises:
        VsanimeError: not floating point.
    """
    if array.dtype.kind != "f":
        raise VsanimeError(f"{name} is stored as {array.dtype}; weights are floating point")
    # What overflows becomes infinite here and is refused with the layer's number below.
    with np.errstate(over="ignore", invalid="ignore"):
        return np.asarray(array, np.float32)


def check_same(layers: Sequence[Layer]) -> None:
    """3x3 convolutions throughout, and an end that is pixel shuffle's or has fewer planes than the beginning."""
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
    """A kernel for every pair of channels, a bias for every channel that comes out, everything finite."""
    weight, bias = layer.weight, layer.bias
    if weight.ndim != 4 or 0 in weight.shape:
        raise VsanimeError(f"layer {number} has weights of shape {weight.shape}; four sizes above 0 are needed")
    out = weight.shape[1 if transposed else 0]
    if bias is not None and bias.shape != (out,):
        raise VsanimeError(f"layer {number} has biases of shape {bias.shape}; ({out},) is needed")
    if not (np.isfinite(weight).all() and (bias is None or np.isfinite(bias).all())):
        raise VsanimeError(f"layer {number} has weights that are not finite numbers; the file is damaged")


def scale_of(layers: Sequence[Layer]) -> int:
    """Return the output pixels per input pixel, each way, of layers that end in a pixel shuffle."""
    return isqrt(int(layers[-1].weight.shape[0]) // int(layers[0].weight.shape[1]))


def describe_widths(layers: Sequence[Layer]) -> str:
    """Return the channels that come out of the layers, for a summary."""
    return "widths " + "-".join(str(layer.weight.shape[0]) for layer in layers)


def describe_ends(layers: Sequence[Layer]) -> str:
    """Return the planes of input and output and the scale, for a summary."""
    into, out = layers[0].weight.shape[1], layers[-1].weight.shape[0]
    scale = max(1, scale_of(layers))
    return f"planes {into} to {out // scale**2}, scale {scale}"


def describe(proto: onnx.ModelProto, kind: str, form: str, layers: Sequence[Layer], said: str) -> Imported:
    """Return a network with its summary.

    Args:
        proto: the network.
        kind: name of its architecture.
        form: widths, planes and scale, in words.
        layers: all of them, to be counted.
        said: its activation, and what had to be assumed.
    """
    weights = sum(layer.weight.size + (0 if layer.bias is None else layer.bias.size) for layer in layers)
    return Imported(proto, kind, f"{form}, {weights:,} weights, {said}", licence="")


def node_kinds(proto: onnx.ModelProto) -> set[str]:
    """Return the operators that a graph has."""
    return {node.op_type for node in proto.graph.node}


def read_convolutions(proto: onnx.ModelProto) -> dict[str, Layer]:
    """Layers by the name of their weights, in the order of the graph; what several nodes share is there once."""
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
