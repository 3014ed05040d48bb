"""AnimeGANv2's generator as plain ONNX: what its layers are, under which names, and how they are written.

Weights go by the names under which published PyTorch weights have them (those of
`vsanime.architectures.animegan.module`). The plain network takes and gives RGB in [0, 1] as every other one here does,
although the weights work on [-1, 1]: that change is a node at either end.
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
# What the norms add to the variance: that of TensorFlow's layer norm, and that of PyTorch.
TF_EPSILON, TORCH_EPSILON = 1e-12, 1e-5

# How the two up-samplings place their samples, in ONNX's words.
UPSAMPLES = {
    "tf": "asymmetric",  # the styles that TensorFlow trained, and ours
    "align": "align_corners",  # the styles that PyTorch trained
    "half": "half_pixel",  # ports of these
}


@dataclass(frozen=True)
class Unit:
    """A convolution and the norm behind it.

    Attributes:
        conv: name of the convolution's weights, without `.weight`.
        norm: name of the norm's; empty for none.
        shape: of the convolution's weights, [out, in / groups, kernel, kernel].
        stride: 2 halves.
        bias: whether the convolution has biases.
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
        """As many as channels where the convolution leaves these apart; no other layer takes a single channel."""
        return self.shape[0] if self.shape[1] == 1 else 1

    def shapes(self) -> dict[str, tuple[int, ...]]:
        """Shapes of all its weights by name."""
        found: dict[str, tuple[int, ...]] = {f"{self.conv}.weight": self.shape}
        channels = self.shape[:1]
        if self.bias:
            found[f"{self.conv}.bias"] = channels
        if self.norm:
            found |= {f"{self.norm}.weight": channels, f"{self.norm}.bias": channels}
        return found


def _normed(name: str, into: int, out: int, kernel: int = 3, stride: int = 1) -> Unit:
    return Unit(f"{name}.1", f"{name}.2", (out, into, kernel, kernel), stride)


def _residual(name: str, into: int, out: int) -> tuple[Unit, Unit, Unit]:
    """An inverted residual block: wider, filtered channel by channel, narrow again."""
    wide = 2 * into
    return (
        _normed(f"{name}.layers.0", into, wide, 1),
        Unit(f"{name}.layers.1.1", f"{name}.layers.1.2", (wide, 1, 3, 3), bias=True),
        Unit(f"{name}.layers.2", f"{name}.layers.3", (out, wide, 1, 1), leaks=False),
    )


# The layers between two up-samplings, residual blocks apart, in the order in which a picture passes them.
_DOWN = (
    _normed("block_a.0", 3, 32, 7),
    _normed("block_a.1", 32, 64, 3, 2),
    _normed("block_a.2", 64, 64),
    _normed("block_b.0", 64, 128, 3, 2),
    _normed("block_b.1", 128, 128),
    _normed("block_c.0", 128, 128),
)
_RESIDUALS = tuple(_residual(f"block_c.{i}", 128 if i == 1 else 256, 256) for i in range(1, 5))
_AFTER = (_normed("block_c.5", 256, 128),)
_HALF = (_normed("block_d.0", 128, 128), _normed("block_d.1", 128, 128))
_FULL = (_normed("block_e.0", 128, 64), _normed("block_e.1", 64, 64), _normed("block_e.2", 64, 32, 7))
_LAST = Unit("out_layer.0", "", (3, 32, 1, 1), leaks=False)

UNITS = (*_DOWN, *(unit for block in _RESIDUALS for unit in block), *_AFTER, *_HALF, *_FULL, _LAST)
SHAPES: dict[str, tuple[int, ...]] = {name: shape for unit in UNITS for name, shape in unit.shapes().items()}


def animegan(weights: Mapping[str, Array], upsample: str, epsilon: float) -> onnx.ModelProto:
    """Writes the generator.

    Every layer norm is the mean over a channel and then over channels, what is left of it squared and averaged the same
    way: a mean of means loses fewer digits than one sum over all of a picture's values.

    Args:
        weights: by name, as in `SHAPES`.
        upsample: a key of `UPSAMPLES`.
        epsilon: what the norms add to the variance.

    Raises:
        VsanimeError: weights that are missing, too many, of another shape or not finite; another upsample or epsilon.
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
    """Writes the parts of this network."""

    def __init__(self, weights: Mapping[str, Array], sampling: str, epsilon: float) -> None:
        super().__init__(weights, LEAK)
        self._sampling = sampling
        self._epsilon = self.constant("epsilon", np.array(epsilon))
        self._scales = self.constant("scales", np.array([1.0, 1.0, 2.0, 2.0]))
        self._pads: dict[tuple[int, ...], str] = {}

    def run(self, units: Sequence[Unit], x: str) -> str:
        """Adds layers one after another."""
        for unit in units:
            x = self._convolved(unit, x)
            if unit.norm:
                x = self._norm(unit, x)
            if unit.leaks:
                x = self.leaky(x)
        return x

    def doubled(self, x: str) -> str:
        """Adds a bilinear up-sampling."""
        return self.node("Resize", [x, "", self._scales], mode="linear", coordinate_transformation_mode=self._sampling)

    def mapped(self, x: str, scale: float, offset: float) -> str:
        """Adds x * scale + offset."""
        factor = self.constant(f"scale_of_{x}", np.array(scale))
        summand = self.constant(f"offset_of_{x}", np.array(offset))
        return self.node("Add", [self.node("Mul", [x, factor]), summand])

    def _convolved(self, unit: Unit, x: str) -> str:
        half = unit.shape[2] // 2
        if half:
            # Where a picture is halved TensorFlow pads to the right and below alone.
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
