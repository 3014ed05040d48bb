"""Writes the Temporal Constraint Network as plain ONNX: three frames in, the middle one refined.

Inputs, f32 in [0, 1], in the order previous, target, next, height and width multiples of 4: `lines` 3, 1, H, W and
`colours` 3, 3, H, W. Output: `colour` 1, 3, H, W. The frames are the batch, and the shift in time consists of slices
and sums, because the operators used here know no time axis.
"""

from __future__ import annotations

from collections.abc import Mapping

import onnx

from vsanime.architectures.writer import NetWriter
from vsanime.arrays import Array

MULTIPLE = 4  # height and width are multiples of this
LEAK = 0.2
# Dilations of the gated layers at a quarter of the size.
DILATED = {"d1": 2, "d2": 4, "d3": 8, "d4": 16}
# Each of the two shifts moves one in this many channels.
SHIFTED = 4


def temporal(weights: Mapping[str, Array], *, residual: bool) -> onnx.ModelProto:
    """Return the network as plain ONNX.

    Args:
        weights: weights by the names of `vsanime.architectures.temporal.module.Temporal`, without parametrizations.
        residual: whether the last convolution is added to the target's colors; otherwise its sigmoid is the picture.
    """
    return _Writer(weights, LEAK).whole(residual)


class _Writer(NetWriter):
    """A builder of this network; frames are the batch."""

    def whole(self, residual: bool) -> onnx.ModelProto:
        """Return the whole network."""
        size = ("height", "width")
        frames = self.joined(self.input("lines", 3, 1, *size), self.input("colours", 3, 3, *size))
        x = self._gated("g2", self.layer("first", frames))
        half = self._gated("g3", x, stride=2)
        quarter = x = self._gated("g4", half, stride=2)
        for name, dilation in DILATED.items():
            x = self._gated(name, x, dilation=dilation)
        x = self._gated("g5", x)
        x = self._gated("up1", self.nearest(self.joined(x, quarter), 2))
        x = self._gated("up2", self.nearest(self.joined(x, half), 2))
        last = self.layer("last", self.sliced(x, 1, 2, axis=0))
        if residual:
            total = self.node("Add", [self.sliced("colours", 1, 2, axis=0), last])
            self.node("Clip", [total, self.number(0.0), self.number(1.0)], "colour")
        else:
            self.node("Sigmoid", [last], "colour")
        self.output("colour", 1, 3, *size)
        return self.model()

    def _gated(self, name: str, x: str, *, stride: int = 1, dilation: int = 1) -> str:
        """Add a gated convolution: the gate sees each frame alone, the features see channels of neighboring frames."""
        gate = self.node("Sigmoid", [self.layer(f"{name}.gate", x, stride=stride, dilation=dilation)])
        shifted = self._shifted(name, x, int(self.arrays[f"{name}.gate.weight"].shape[1]) // SHIFTED)
        features = self.leaky(self.layer(f"{name}.feature", shifted, stride=stride, dilation=dilation))
        return self.node("Mul", [gate, features])

    def _shifted(self, name: str, x: str, count: int) -> str:
        """Add the shift in time: two quarters of the channels are mixed by one kernel each, the others are kept."""
        padded = self.node("Pad", [x, self.integers(1, 0, 0, 0, 1, 0, 0, 0)])
        parts = []
        for group, taps in enumerate(self.arrays[f"{name}.shift.kernels"]):
            channels = self.sliced(padded, group * count, (group + 1) * count)
            moved = [self.sliced(channels, t, t + 3, axis=0) for t in range(3)]
            total = ""
            for t, tap in enumerate(taps):
                weight = self.stored(f"{name}.shift.{group}.{t}", tap.reshape(1))
                product = self.node("Mul", [moved[t], weight])
                total = self.node("Add", [total, product]) if total else product
            parts.append(total)
        return self.joined(*parts, self.sliced(x, 2 * count, 1 << 31))
