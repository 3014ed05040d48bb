"""Defines the Temporal Constraint Network in torch: gated convolutions that see neighboring frames.

It follows LGTSM (Chang et al. 2019): a learnable shift brings channels of the previous and the next frame to each
frame. No layer has a norm, so that a pixel depends on its neighborhood only.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import Any

import numpy as np
import onnx
import torch
from torch import nn
from torch.nn import functional
from torch.nn.utils.parametrizations import spectral_norm

from vsanime.architectures.limit import clamp_unit
from vsanime.architectures.temporal.onnx import DILATED, LEAK, MULTIPLE, SHIFTED, temporal
from vsanime.architectures.weights import arrays, rebuild_by_names
from vsanime.arrays import Array
from vsanime.errors import VsanimeError

WIDTH = 64
FRAMES = 3  # previous, target, next


class Temporal(nn.Module):  # type: ignore[misc,unused-ignore]  # without torch installed the base is Any
    """The Temporal Constraint Network; 8,191,807 weights at full width.

    Args:
        width: channels at full size, a multiple of 4; 64 for full width.
        residual: whether the last convolution, which starts at zero, is added to the target's colors, so that an
            untrained network changes nothing; otherwise its sigmoid is the picture.
    """

    multiple = MULTIPLE

    def __init__(self, width: int = WIDTH, *, residual: bool = False) -> None:
        super().__init__()
        if not 4 <= width <= 128 or width % SHIFTED:
            raise VsanimeError(f"temporal: width is a multiple of {SHIFTED} from 4 to 128, not {width}")
        self.width = width
        self.residual = residual
        self.first = nn.Conv2d(4, width, 3, padding=1)
        self.g2 = Gated(width, width)
        self.g3 = Gated(width, 2 * width, stride=2)
        self.g4 = Gated(2 * width, 4 * width, stride=2)
        for name, dilation in DILATED.items():
            setattr(self, name, Gated(4 * width, 4 * width, dilation=dilation))
        self.g5 = Gated(4 * width, 4 * width)
        self.up1 = Gated(8 * width, 2 * width)
        self.up2 = Gated(4 * width, width)
        self.last = nn.Conv2d(width, 3, 3, padding=1)
        if residual:
            nn.init.zeros_(self.last.weight)
            nn.init.zeros_(self.last.bias)

    def forward(self, lines: torch.Tensor, colours: torch.Tensor) -> torch.Tensor:
        """Run the network on values in [0, 1]; H and W are multiples of 4.

        Args:
            lines: line art, B, 3, 1, H, W, in the order previous, target, next.
            colours: RGB in the same order, B, 3, 3, H, W.

        Returns:
            The target's RGB, B, 3, H, W in [0, 1].
        """
        x = self.g2(self.first(torch.cat([lines, colours], 2).flatten(0, 1)))
        half = self.g3(x)
        quarter = x = self.g4(half)
        for name in DILATED:
            x = getattr(self, name)(x)
        x = self.g5(x)
        x = self.up1(_double(torch.cat([x, quarter], 1)))
        x = self.up2(_double(torch.cat([x, half], 1)))
        last = self.last(x.unflatten(0, (-1, FRAMES))[:, 1]).float()
        return clamp_unit(colours[:, 1] + last) if self.residual else last.sigmoid()


class Gated(nn.Module):  # type: ignore[misc,unused-ignore]
    """A gated convolution: the gate sees each frame alone, the features see channels of neighboring frames, too.

    Args:
        into: input channels.
        out: output channels.
        stride: 1, or 2 to halve the size.
        dilation: pixels from tap to tap.
    """

    def __init__(self, into: int, out: int, *, stride: int = 1, dilation: int = 1) -> None:
        super().__init__()
        self.shift = Shift()
        self.gate, self.feature = (
            spectral_norm(nn.Conv2d(into, out, 3, stride, padding=dilation, dilation=dilation)) for _ in range(2)
        )

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Run the layer: B * 3, into, H, W to B * 3, out, H, W, or half of that size."""
        return torch.sigmoid(self.gate(x)) * functional.leaky_relu(self.feature(self.shift(x)), LEAK)


class Shift(nn.Module):  # type: ignore[misc,unused-ignore]
    """A learnable shift in time: one kernel of three taps mixes a quarter of the channels, another a second quarter.

    Initially they bring the next and the previous frame's channels to each frame. Zeros are assumed before the first
    and after the last frame.
    """

    def __init__(self) -> None:
        super().__init__()
        self.kernels = nn.Parameter(torch.tensor([[0.0, 0.0, 1.0], [1.0, 0.0, 0.0]]))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Run the shift: B * 3, C, H, W to the same shape; C is a multiple of 4."""
        frames = x.unflatten(0, (-1, FRAMES))
        count = x.shape[1] // SHIFTED
        padded = functional.pad(frames[:, :, : 2 * count], (0, 0, 0, 0, 0, 0, 1, 1))
        parts = []
        for group, taps in enumerate(self.kernels):
            channels = padded[:, :, group * count : (group + 1) * count]
            parts.append(sum(tap * channels[:, t : t + FRAMES] for t, tap in enumerate(taps)))
        return torch.cat([*parts, frames[:, :, 2 * count :]], 2).flatten(0, 1)


def _double(x: torch.Tensor) -> torch.Tensor:
    return functional.interpolate(x, scale_factor=2, mode="nearest")


NETS: tuple[type[nn.Module], ...] = (Temporal,)


def to_onnx(net: Temporal) -> onnx.ModelProto:
    """Return the network as plain ONNX."""
    return temporal(arrays(net), residual=net.residual)


def from_onnx(proto: onnx.ModelProto) -> nn.Module:
    """Return the network of a plain ONNX."""
    residual = proto.graph.node[-1].op_type == "Clip"
    return rebuild_by_names(
        proto, Temporal, "first.weight", partial(Temporal, residual=residual), to_onnx, _find_weights
    )


def make(network: Any) -> Temporal:
    """Make an untrained network from a recipe's [network]."""
    return Temporal(network.width, residual=network.residual)


def _find_weights(name: str, stored: Mapping[str, Array]) -> Array:
    """Return the weights that have a name in the torch module; graphs store the shift kernels tap by tap.

    Raises:
        KeyError: if they do not exist.
    """
    if name.endswith(".shift.kernels"):
        part = name.removesuffix("kernels")
        return np.array([[stored[f"{part}{group}.{t}"].item() for t in range(3)] for group in range(2)], np.float32)
    return stored[name]
