"""Writes AnimeGANv2's generator as plain ONNX, and lists its layers and their names.

Names are those of the published PyTorch weights and of `vsanime.architectures.animegan.module`. The weights work on RGB
in [-1, 1]; a node at either end converts from and to [0, 1], the range of every plain network.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import onnx

from vsanime.architectures.layers import Layer
from vsanime.architectures.shapes import complaints
from vsanime.architectures.writer import NetWriter
from vsanime.arrays import Array
from vsanime.errors import VsanimeError

LEAK = 0.2
# Terms added to the variance in the norms: of TensorFlow's layer norm, and of PyTorch's.
TF_EPSILON, TORCH_EPSILON = 1e-12, 1e-5

# Sample positions of the two up-samplings, as coordinate_transformation_mode of ONNX.
UPSAMPLES = {
    "tf": "asymmetric",  # styles trained in TensorFlow, and ours
    "align": "align_corners",  # styles trained in PyTorch
    "half": "half_pixel",  # ports of the PyTorch styles
}


@dataclass(frozen=True)
class Unit:
    """A convolution and the norm that follows it.

    Attributes:
        conv: prefix of the convolution's weights.
        norm: prefix of the norm's weights; empty for no norm.
        shape: shape of the convolution's weights, [out, in / groups, kernel, kernel].
        stride: 1, or 2 to halve the size.
        bias: whether the convolution has a bias.
        leaks: whether leaky ReLU follows.
    """

    conv: str
    norm: str
    shape: tuple[int, int, int, int]
    stride: int = 1
    bias: bool = False
    leaks: bool = True

    @property
    def groups(self) -> int:
        """The groups: all channels for a depthwise convolution, which is the only one with a single input per group."""
        return self.shape[0] if self.shape[1] == 1 else 1

    def shapes(self) -> dict[str, tuple[int, ...]]:
        """Return the shapes of all its weights by name."""
        found: dict[str, tuple[int, ...]] = {f"{self.conv}.weight": self.shape}
        channels = self.shape[:1]
        if self.bias:
            found[f"{self.conv}.bias"] = channels
        if self.norm:
            found |= {f"{self.norm}.weight": channels, f"{self.norm}.bias": channels}
        return found


def _normalize(name: str, into: int, out: int, kernel: int = 3, stride: int = 1) -> Unit:
    return Unit(f"{name}.1", f"{name}.2", (out, into, kernel, kernel), stride)


def _residual(name: str, into: int, out: int) -> tuple[Unit, Unit, Unit]:
    """Return an inverted residual block: a 1x1 convolution widens, a depthwise one filters, a 1x1 one narrows again."""
    wide = 2 * into
    return (
        _normalize(f"{name}.layers.0", into, wide, 1),
        Unit(f"{name}.layers.1.1", f"{name}.layers.1.2", (wide, 1, 3, 3), bias=True),
        Unit(f"{name}.layers.2", f"{name}.layers.3", (out, wide, 1, 1), leaks=False),
    )


# Layers between up-samplings in the order in which a picture passes them; residual blocks are separate.
_DOWN = (
    _normalize("block_a.0", 3, 32, 7),
    _normalize("block_a.1", 32, 64, 3, 2),
    _normalize("block_a.2", 64, 64),
    _normalize("block_b.0", 64, 128, 3, 2),
    _normalize("block_b.1", 128, 128),
    _normalize("block_c.0", 128, 128),
)
_RESIDUALS = tuple(_residual(f"block_c.{i}", 128 if i == 1 else 256, 256) for i in range(1, 5))
_AFTER = (_normalize("block_c.5", 256, 128),)
_HALF = (_normalize("block_d.0", 128, 128), _normalize("block_d.1", 128, 128))
_FULL = (_normalize("block_e.0", 128, 64), _normalize("block_e.1", 64, 64), _normalize("block_e.2", 64, 32, 7))
_LAST = Unit("out_layer.0", "", (3, 32, 1, 1), leaks=False)

UNITS = (*_DOWN, *(unit for block in _RESIDUALS for unit in block), *_AFTER, *_HALF, *_FULL, _LAST)
SHAPES: dict[str, tuple[int, ...]] = {name: shape for unit in UNITS for name, shape in unit.shapes().items()}


def animegan(weights: Mapping[str, Array], upsample: str, epsilon: float) -> onnx.ModelProto:
    """Return the generator as plain ONNX.

    A layer norm takes the mean of each channel and then of these means, for the values and for their squared
    deviations: a mean of means loses fewer digits than one sum over all values of a picture.

    Args:
        weights: weights by name, as in `SHAPES`.
        upsample: key of `UPSAMPLES`.
        epsilon: term added to the variance in the norms.

    Raises:
        VsanimeError: if a weight is missing, unknown, of another shape or not finite, or `upsample` or `epsilon` is
            invalid.
    """
    _check(weights, upsample, epsilon)
    writer = _Writer(weights, UPSAMPLES[upsample], epsilon)
    x = writer.mapped("input", 2.0, -1.0)
    x = writer.run(_DOWN, x)
    for block in _RESIDUALS:
        y = writer.run(block, x)
        x = writer.node("Add", [x, y]) if block[0].shape[1] == block[-1].shape[0] else y
    x = writer.run(_HALF, writer.doubled(writer.run(_AFTER, x)))
    x = writer.run(_FULL, writer.doubled(x))
    x = writer.mapped(writer.node("Tanh", [writer.run([_LAST], x)]), 0.5, 0.5)
    return writer.finish(x, (3, 3), 1)


class _Writer(NetWriter):
    """A builder of the parts of this network."""

    def __init__(self, weights: Mapping[str, Array], sampling: str, epsilon: float) -> None:
        super().__init__(weights, LEAK)
        self._sampling = sampling
        self._epsilon = self.constant("epsilon", np.array(epsilon))
        self._scales = self.constant("scales", np.array([1.0, 1.0, 2.0, 2.0]))
        self._pads: dict[tuple[int, ...], str] = {}

    def run(self, units: Sequence[Unit], x: str) -> str:
        """Add layers one after another."""
        for unit in units:
            x = self._convolved(unit, x)
            if unit.norm:
                x = self._norm(unit, x)
            if unit.leaks:
                x = self.leaky(x)
        return x

    def doubled(self, x: str) -> str:
        """Add a bilinear up-sampling."""
        return self.node("Resize", [x, "", self._scales], mode="linear", coordinate_transformation_mode=self._sampling)

    def mapped(self, x: str, scale: float, offset: float) -> str:
        """Add x * scale + offset."""
        factor = self.constant(f"scale_of_{x}", np.array(scale))
        summand = self.constant(f"offset_of_{x}", np.array(offset))
        return self.node("Add", [self.node("Mul", [x, factor]), summand])

    def _convolved(self, unit: Unit, x: str) -> str:
        half = unit.shape[2] // 2
        if half:
            # TensorFlow pads at the right and bottom only if the convolution halves the size.
            before = 0 if unit.stride == 2 else half
            x = self.node("Pad", [x, self._margin(before, half)], mode="reflect")
        bias = self.arrays.get(f"{unit.conv}.bias")
        layer = Layer(self.arrays[f"{unit.conv}.weight"], bias)
        return self.conv(x, unit.conv, layer, pad=0, stride=unit.stride, groups=unit.groups)

    def _margin(self, before: int, after: int) -> str:
        sides = (before, after)
        if sides not in self._pads:
            pads = [0, 0, before, before, 0, 0, after, after]
            self._pads[sides] = self.constant(f"margin{before}{after}", pads)
        return self._pads[sides]

    def _norm(self, unit: Unit, x: str) -> str:
        gain, offset = (
            self.constant(f"{unit.norm}.{kind}", self.arrays[f"{unit.norm}.{kind}"].reshape(1, -1, 1, 1))
            for kind in ("weight", "bias")
        )
        centred = self.node("Sub", [x, self._mean(x)])
        variance = self._mean(self.node("Mul", [centred, centred]))
        spread = self.node("Sqrt", [self.node("Add", [variance, self._epsilon])])
        return self.node("Add", [self.node("Mul", [centred, self.node("Div", [gain, spread])]), offset])

    def _mean(self, x: str) -> str:
        return self.node("ReduceMean", [self.node("ReduceMean", [x], axes=[2, 3])], axes=[1])


def _check(weights: Mapping[str, Array], upsample: str, epsilon: float) -> None:
    if upsample not in UPSAMPLES:
        raise VsanimeError(f"AnimeGAN: upsample is one of {', '.join(UPSAMPLES)}, not {upsample!r}")
    if not 0 < epsilon < 1:
        raise VsanimeError(f"AnimeGAN: epsilon is above 0 and below 1, not {epsilon!r}")
    for wrong in complaints(weights, SHAPES):
        raise VsanimeError(f"AnimeGANv2's generator: {wrong}")
