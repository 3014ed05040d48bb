"""Writes DRRN as plain ONNX; the shared weights are stored once and read by every recursion."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import onnx
from numpy.typing import NDArray

from vsanime.architectures.base import Imported
from vsanime.architectures.deduce import check_layer, describe
from vsanime.architectures.layers import Layer, check_chain
from vsanime.architectures.writer import NetWriter
from vsanime.errors import VsanimeError, quote

# Units of B1U9, which the paper recommends; the weights do not determine their number.
USUAL_UNITS = 9
# Limit in recipes.
MOST_UNITS = 100
_UNKNOWN_UNITS = "9 recursions (assumed, since a state-dict does not say how many; B1U9 has them)"


@dataclass(frozen=True)
class DrrnLayers:
    """The layers of a DRRN with one recursive block.

    Attributes:
        first: planes to filters.
        unit: the two convolutions of the residual unit.
        last: filters to planes, or to 4 * planes if the network works at low resolution.
        units: how often the unit is applied.
    """

    first: Layer
    unit: tuple[Layer, Layer]
    last: Layer
    units: int


def catmull_rom_taps(planes: int) -> NDArray[np.float32]:
    """Return center-aligned Catmull-Rom doubling as taps before a pixel shuffle: [4 * planes, planes, 5, 5]."""
    # Weights of source pixels -2 to 2 for the new pixel a quarter of a pixel before the source pixel.
    before = np.array([-3, 29, 111, -9, 0]) / 128
    phases = (before, before[::-1])
    taps = np.zeros((planes, 4, planes, 5, 5), np.float32)
    for plane in range(planes):
        for i in range(4):
            taps[plane, i, plane] = np.outer(phases[i // 2], phases[i % 2])
    return taps.reshape(4 * planes, planes, 5, 5)


def drrn(layers: DrrnLayers) -> onnx.ModelProto:
    """Return the doubler: the sum of the bicubic picture and the residual.

    Args:
        layers: weights; the channels of `last` determine at which resolution it works.

    Raises:
        VsanimeError: if the shapes are not those of a DRRN, or do not fit together.
    """
    _check(layers)
    planes = int(layers.first.weight.shape[1])
    low = layers.last.weight.shape[0] == 4 * planes
    writer = NetWriter()
    margin = writer.constant("margin", [0, 0, 2, 2] * 2)
    padded = writer.node("Pad", ["input", margin], mode="edge")
    blocks = writer.conv(padded, "bicubic", Layer(catmull_rom_taps(planes)), pad=0)
    if low:
        return writer.finish(writer.node("Add", [blocks, _residual(writer, "input", layers)]), (planes, planes), 2)
    doubled = writer.node("DepthToSpace", [blocks], blocksize=2, mode="CRD")
    picture = writer.node("Add", [doubled, _residual(writer, doubled, layers)])
    return writer.finish(picture, (planes, planes), 2, shuffle=False)


def _check(layers: DrrnLayers) -> None:
    chain = [layers.first, *layers.unit, layers.last]
    check_chain(chain)
    filters, planes = (int(n) for n in layers.first.weight.shape[:2])
    shapes = [layer.weight.shape for layer in chain]
    ends = [(filters, filters, 3, 3)] * 2, [(planes, filters, 3, 3), (4 * planes, filters, 3, 3)]
    if layers.units < 1 or shapes[0][2:] != (3, 3) or shapes[1:3] != ends[0] or shapes[3] not in ends[1]:
        raise VsanimeError(
            f"{layers.units} units of layers shaped {shapes}; a DRRN has 3x3 convolutions: from planes to filters, two "
            "from filters to filters, and one to as many planes or four times as many"
        )


def _residual(writer: NetWriter, x: str, layers: DrrnLayers) -> str:
    start = x = writer.conv(x, "first", layers.first)
    shared = [_parameters(writer, f"unit.conv{i}", layer) for i, layer in enumerate(layers.unit)]
    for _ in range(layers.units):
        for parameters in shared:
            activated = writer.activation(x, "relu")
            x = writer.node("Conv", [activated, *parameters], kernel_shape=[3, 3], pads=[1] * 4)
        x = writer.node("Add", [start, x])
    return writer.conv(writer.activation(x, "relu"), "last", layers.last)


def _parameters(writer: NetWriter, name: str, layer: Layer) -> list[str]:
    """Store weights that several nodes read, and return their names."""
    bias = [] if layer.bias is None else [writer.constant(f"{name}.bias", layer.bias)]
    return [writer.constant(f"{name}.weight", layer.weight), *bias]


def drrn_b1(layers: Sequence[Layer], units: str) -> Imported:
    """Return a DRRN of one recursive block with its summary.

    Args:
        layers: first convolution, the two of the unit, the last.
        units: how often the unit is applied, in digits; empty if unknown.

    Raises:
        VsanimeError: if the layers are not those of that network.
    """
    for i, layer in enumerate(layers):
        check_layer(i, layer)
    if len(layers) != 4:
        raise VsanimeError(f"it has {len(layers)} layers; a DRRN of this project has 4")
    if units and (len(units) > 3 or not units.isdecimal() or not 1 <= int(units) <= MOST_UNITS):
        raise VsanimeError(f"its metadata says {quote(units)} units; 1 to {MOST_UNITS} are read")
    count = int(units or USUAL_UNITS)
    first, one, other, last = layers
    proto = drrn(DrrnLayers(first, (one, other), last, count))
    filters, planes = first.weight.shape[:2]
    where = "at low resolution" if last.weight.shape[0] == 4 * planes else "on a doubled picture"
    form = f"DRRN B1U{count}, {where}, {filters} filters, planes {planes} to {planes}, scale 2"
    return describe(proto, "drrn", form, layers, f"{count} recursions" if units else _UNKNOWN_UNITS)
