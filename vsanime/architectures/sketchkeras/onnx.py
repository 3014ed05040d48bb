"""Writes SketchKeras as plain ONNX: the U-Net that draws the lines of one color channel.

Source: https://github.com/lllyasviel/sketchKeras. The input is a channel minus its blurred copy, amplified; the output
is ink, 1 for a line. Both ends are part of the filter's graph (`vsanime.graphs.builders.sketchkeras`). Weights are
named by the blocks of the published PyTorch weights, numbered by convolution, with the batch norms folded in.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import onnx
from onnx import numpy_helper

from vsanime.architectures.layers import Layer
from vsanime.architectures.shapes import complaints
from vsanime.architectures.writer import NetWriter
from vsanime.arrays import Array
from vsanime.errors import VsanimeError

# Padding of a layer's input: the PyTorch port reflects, Keras pads with zeros by default.
PADDINGS = ("reflect", "zero")
# Trainable parameters as published: convolutions with biases, and gain and offset of their batch norms.
PARAMETERS = 18_637_601

_NAME = "sketchkeras"


@dataclass(frozen=True)
class Unit:
    """A convolution with ReLU.

    Attributes:
        name: prefix of its weights.
        shape: shape of its weights, [out, in, kernel, kernel].
        stride: 1, or 2 to halve the size.
    """

    name: str
    shape: tuple[int, int, int, int]
    stride: int = 1

    @property
    def margin(self) -> tuple[int, int]:
        """Padding in pixels: at the left and top, and at the right and bottom."""
        if self.shape[2] == 3 or self.stride == 2:
            return 1, 1
        return 1, 2


def _block(name: str, *units: tuple[int, int, int, int]) -> tuple[Unit, ...]:
    """Return a block of convolutions, each given as (in, out, kernel, stride)."""
    return tuple(
        Unit(f"{name}.{i}", (out, into, kernel, kernel), stride) for i, (into, out, kernel, stride) in enumerate(units)
    )


DOWN = (
    _block("downblock_1", (1, 32, 3, 1)),
    _block("downblock_2", (32, 64, 4, 2), (64, 64, 3, 1)),
    _block("downblock_3", (64, 128, 4, 2), (128, 128, 3, 1)),
    _block("downblock_4", (128, 256, 4, 2), (256, 256, 3, 1)),
    _block("downblock_5", (256, 512, 4, 2)),
    _block("downblock_6", (512, 512, 3, 1)),
)
UP = (
    _block("upblock_1", (1024, 512, 4, 1), (512, 256, 3, 1)),
    _block("upblock_2", (512, 256, 4, 1), (256, 128, 3, 1)),
    _block("upblock_3", (256, 128, 4, 1), (128, 64, 3, 1)),
    _block("upblock_4", (128, 64, 4, 1), (64, 32, 3, 1)),
)
LAST = Unit("last_conv", (1, 64, 3, 3))
UNITS = (*(unit for block in (*DOWN, *UP) for unit in block), LAST)
SHAPES: dict[str, tuple[int, ...]] = {
    f"{unit.name}.{kind}": shape for unit in UNITS for kind, shape in (("weight", unit.shape), ("bias", unit.shape[:1]))
}


def sketchkeras(weights: Mapping[str, Array], padding: str = "reflect") -> onnx.ModelProto:
    """Return the network: [1, 1, height, width], multiples of 16, to the same shape.

    Args:
        weights: weights by name, as in `SHAPES`.
        padding: one of `PADDINGS`.

    Raises:
        VsanimeError: if a weight is missing, unknown, of another shape or not finite, or the padding is unknown.
    """
    if padding not in PADDINGS:
        raise VsanimeError(f"SketchKeras: padding is {' or '.join(PADDINGS)}, not {padding!r}")
    for wrong in complaints(weights, SHAPES):
        raise VsanimeError(f"SketchKeras: {wrong}")
    writer = _Writer(weights, padding)
    levels = []
    x = "input"
    for block in DOWN:
        x = writer.run(block, x)
        levels.append(x)
    # Every level is joined with the encoder's features of the same size before it is enlarged, from the bottom up.
    for block, skip in zip(UP, levels[4:0:-1], strict=True):
        x = writer.run(block, writer.doubled(writer.joined(skip, x)))
    proto = writer.finish(writer.convolved(LAST, writer.joined(levels[0], x)), (1, 1), 1)
    proto.graph.name = _NAME
    return proto


def looks_like(proto: onnx.ModelProto) -> bool:
    """Return whether an ONNX was written by `sketchkeras`."""
    return SHAPES.keys() <= {tensor.name for tensor in proto.graph.initializer}


def weights_of(proto: onnx.ModelProto) -> dict[str, Array]:
    """Return the weights by name from an ONNX of `sketchkeras`."""
    tensors = {tensor.name: tensor for tensor in proto.graph.initializer}
    return {name: numpy_helper.to_array(tensors[name]) for name in SHAPES}


class _Writer(NetWriter):
    """A builder of the parts of this network."""

    def __init__(self, weights: Mapping[str, Array], padding: str) -> None:
        super().__init__(weights)
        self._reflect = padding == "reflect"
        self._scales = self.constant("scales", np.array([1.0, 1.0, 2.0, 2.0]))
        self._pads: dict[tuple[int, int], str] = {}

    def run(self, block: tuple[Unit, ...], x: str) -> str:
        """Add convolutions with their ReLUs."""
        for unit in block:
            x = self.node("Relu", [self.convolved(unit, x)])
        return x

    def doubled(self, x: str) -> str:
        """Add an enlargement to twice the size by repetition of pixels."""
        nearest = {"mode": "nearest", "coordinate_transformation_mode": "asymmetric", "nearest_mode": "floor"}
        return self.node("Resize", [x, "", self._scales], **nearest)

    def convolved(self, unit: Unit, x: str) -> str:
        """Add a padding and a convolution."""
        if unit.margin not in self._pads:
            before, after = unit.margin
            pads = [0, 0, before, before, 0, 0, after, after]
            self._pads[unit.margin] = self.constant(f"margin{before}{after}", pads)
        mode = "reflect" if self._reflect else "constant"
        x = self.node("Pad", [x, self._pads[unit.margin]], mode=mode)
        layer = Layer(self.arrays[f"{unit.name}.weight"], self.arrays[f"{unit.name}.bias"])
        return self.conv(x, unit.name, layer, pad=0, stride=unit.stride)
