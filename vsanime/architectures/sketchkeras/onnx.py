"""SketchKeras as plain ONNX: the U-net that draws the lines of one colour channel (https://github.com/lllyasviel/sketchKeras).

It takes what a channel has beyond its blurred self and gives ink, 1 for a line; what is done before and after is the
filter's (`vsanime.graphs.builders.sketchkeras`). Weights go by the blocks that published PyTorch weights have them
under, numbered by their convolutions, with the batch norms already folded in.
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

# What surrounds a layer's input: the port to PyTorch reflects; zeros are what Keras pads with unless told otherwise.
PADDINGS = ("reflect", "zero")
# Those that training changes, as published: convolutions with biases, and gain and offset of their batch norms.
PARAMETERS = 18_637_601

_NAME = "sketchkeras"


@dataclass(frozen=True)
class Unit:
    """A convolution with ReLU.

    Attributes:
        name: of its weights, without `.weight`.
        shape: of its weights, [out, in, kernel, kernel].
        stride: 2 halves.
    """

    name: str
    shape: tuple[int, int, int, int]
    stride: int = 1

    @property
    def margin(self) -> tuple[int, int]:
        """Samples beyond the edge: left and above, right and below."""
        if self.shape[2] == 3 or self.stride == 2:
            return 1, 1
        return 1, 2


def _block(name: str, *units: tuple[int, int, int, int]) -> tuple[Unit, ...]:
    """(in, out, kernel, stride) of each convolution."""
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
    """Writes the network: [1, 1, height, width], multiples of 16, to the same.

    Args:
        weights: by name, as in `SHAPES`.
        padding: one of `PADDINGS`.

    Raises:
        VsanimeError: weights that are missing, too many, of another shape or not finite; another padding.
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
    # The bottom is joined with what it was made of, before it is enlarged; so is every level above.
    for block, skip in zip(UP, levels[4:0:-1], strict=True):
        x = writer.run(block, writer.doubled(writer.joined(skip, x)))
    proto = writer.finish(writer.convolved(LAST, writer.joined(levels[0], x)), (1, 1), 1)
    proto.graph.name = _NAME
    return proto


def looks_like(proto: onnx.ModelProto) -> bool:
    """Whether an ONNX is what `sketchkeras` writes."""
    return SHAPES.keys() <= {tensor.name for tensor in proto.graph.initializer}


def weights_of(proto: onnx.ModelProto) -> dict[str, Array]:
    """The weights in what `sketchkeras` wrote, by name."""
    tensors = {tensor.name: tensor for tensor in proto.graph.initializer}
    return {name: numpy_helper.to_array(tensors[name]) for name in SHAPES}


class _Writer(NetWriter):
    """Writes the parts of this network."""

    def __init__(self, weights: Mapping[str, Array], padding: str) -> None:
        super().__init__(weights)
        self._reflect = padding == "reflect"
        self._scales = self.constant("scales", np.array([1.0, 1.0, 2.0, 2.0]))
        self._pads: dict[tuple[int, int], str] = {}

    def run(self, block: tuple[Unit, ...], x: str) -> str:
        """Adds convolutions and their ReLUs."""
        for unit in block:
            x = self.node("Relu", [self.convolved(unit, x)])
        return x

    def doubled(self, x: str) -> str:
        """Repeats every sample in both directions."""
        nearest = {"mode": "nearest", "coordinate_transformation_mode": "asymmetric", "nearest_mode": "floor"}
        return self.node("Resize", [x, "", self._scales], **nearest)

    def convolved(self, unit: Unit, x: str) -> str:
        """Adds what lies beyond the edge, and the convolution."""
        if unit.margin not in self._pads:
            before, after = unit.margin
            pads = [0, 0, before, before, 0, 0, after, after]
            self._pads[unit.margin] = self.constant(f"margin{before}{after}", pads)
        mode = "reflect" if self._reflect else "constant"
        x = self.node("Pad", [x, self._pads[unit.margin]], mode=mode)
        layer = Layer(self.arrays[f"{unit.name}.weight"], self.arrays[f"{unit.name}.bias"])
        return self.conv(x, unit.name, layer, pad=0, stride=unit.stride)
