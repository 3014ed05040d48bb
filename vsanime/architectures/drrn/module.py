"""Defines DRRN (Tai et al. 2017) in torch: one residual unit, applied repeatedly, refines a bicubic picture.

There are two forms of one recursive block (B1): the published one works on a doubled picture, a cheaper one at low
resolution with a pixel shuffle at the end. Both take the small picture, so that they are used alike. Batch
normalization is omitted: with shared weights it could not be folded into the convolutions.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import onnx
import torch
from torch import nn
from torch.nn import functional

from vsanime.architectures.blocks import in_turn
from vsanime.architectures.drrn.onnx import DrrnLayers, catmull_rom_taps, drrn
from vsanime.architectures.layers import Layer
from vsanime.architectures.weights import Fixed, layer, rebuild
from vsanime.errors import VsanimeError


class ResidualUnit(nn.Module):  # type: ignore[misc,unused-ignore]  # without torch installed the base is Any
    """Two convolutions, each after an activation; the caller adds the result to the block's input, not to the unit's.

    Args:
        filters: input and output channels.
    """

    def __init__(self, filters: int) -> None:
        super().__init__()
        self.conv0 = nn.Conv2d(filters, filters, 3, padding=1)
        self.conv1 = nn.Conv2d(filters, filters, 3, padding=1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Run both convolutions: N, F, H, W to the same shape."""
        return self.conv1(functional.relu(self.conv0(functional.relu(x))))


class DRRN(nn.Module):  # type: ignore[misc,unused-ignore]
    """A doubler of one recursive block; with 9 units it is B1U9.

    Args:
        units: how often the residual unit is applied.
        filters: channels of every hidden layer (128 in the paper).
        planes: planes of input and output.
        low: whether to work at low resolution, with a quarter of the operations, instead of on the doubled picture.
    """

    margin = 0
    scale = 2

    def __init__(self, units: int = 9, filters: int = 128, *, planes: int = 3, low: bool = False) -> None:
        super().__init__()
        if min(units, filters, planes) < 1:
            raise VsanimeError(f"DRRN: units, filters and planes are at least 1, not {units}, {filters} and {planes}")
        self.units = units
        self.low = low
        self.planes = planes
        self.recompute = False
        self.first = nn.Conv2d(planes, filters, 3, padding=1)
        self.unit = ResidualUnit(filters)
        self.last = nn.Conv2d(filters, planes * (4 if low else 1), 3, padding=1)
        self.register_buffer("bicubic", torch.from_numpy(catmull_rom_taps(planes)), persistent=False)
        initialize(self)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Run the network without the final clip: N, planes, H, W to N, planes, 2H, 2W."""
        blocks = functional.conv2d(functional.pad(x, (2,) * 4, mode="replicate"), self.bicubic)
        if self.low:
            return functional.pixel_shuffle(blocks + self.residual(x), 2)
        doubled = functional.pixel_shuffle(blocks, 2)
        return doubled + self.residual(doubled)

    def residual(self, x: torch.Tensor) -> torch.Tensor:
        """Return the residual to the bicubic picture."""
        start = self.first(x)

        def again(features: torch.Tensor) -> torch.Tensor:
            return start + self.unit(features)

        return self.last(functional.relu(in_turn([again] * self.units, start, recompute=self.recompute)))


def initialize(net: DRRN) -> None:
    """Initialize with He weights, the unit's divided by sqrt(units), and an output near the bicubic picture."""
    for module in net.modules():
        if isinstance(module, nn.Conv2d):
            nn.init.kaiming_normal_(module.weight, nonlinearity="relu")
            nn.init.zeros_(module.bias)
    with torch.no_grad():
        net.unit.conv1.weight.mul_(net.units**-0.5)
        net.last.weight.mul_(0.01)


NETS: tuple[type[nn.Module], ...] = (DRRN,)


def to_onnx(net: DRRN) -> onnx.ModelProto:
    """Return the network as plain ONNX."""
    unit = (layer(net.unit.conv0), layer(net.unit.conv1))
    return drrn(DrrnLayers(layer(net.first), unit, layer(net.last), net.units))


def from_onnx(proto: onnx.ModelProto) -> nn.Module:
    """Return the network of a plain ONNX."""
    return rebuild(proto, _build_empty, to_onnx)


def _build_empty(kinds: Sequence[str], layers: Sequence[Layer]) -> tuple[nn.Module, list[nn.Module]]:
    """Return a network to be filled with weights, and its convolutions in the order of the layers."""
    planes = int(layers[0].weight.shape[1])
    _, first, _, _, last = layers
    low = int(last.weight.shape[0]) != planes
    units = kinds.count("Add") - 1  # one Add is the sum with the bicubic picture
    net = DRRN(units, int(first.weight.shape[0]), planes=planes, low=low)
    return net, [Fixed(), net.first, net.unit.conv0, net.unit.conv1, net.last]


def make(network: Any, planes: int) -> DRRN:
    """Make an untrained network from a recipe's [network].

    Args:
        network: the recipe's [network], with the keys of `Settings`.
        planes: planes of input and output.
    """
    return DRRN(network.units, network.filters, planes=planes, low=network.low)
