"""DRRN (Tai et al. 2017): one residual unit applied again and again to the residual of a bicubic picture.

Two forms of one recursive block (B1): as published, on a picture doubled beforehand, and a cheaper one that does its
work at low resolution and shuffles pixels at the end. Both take the small picture, so that both are used alike. Batch
normalisation is left out: behind shared weights it would have to be kept in the network instead of vanishing into them.
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
    """Activation before each of two convolutions; what comes of them is added to the block's input, not the unit's.

    Args:
        filters: channels in and out.
    """

    def __init__(self, filters: int) -> None:
        super().__init__()
        self.conv0 = nn.Conv2d(filters, filters, 3, padding=1)
        self.conv1 = nn.Conv2d(filters, filters, 3, padding=1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Run both convolutions: N, F, H, W to the same shape."""
        return self.conv1(functional.relu(self.conv0(functional.relu(x))))


class DRRN(nn.Module):  # type: ignore[misc,unused-ignore]
    """A doubler of one recursive block: B1U9 with 9 units.

    Args:
        units: how often the residual unit is applied.
        filters: channels of every hidden layer (128 in the paper).
        planes: of input and output.
        low: work at low resolution, a quarter of the sums; else on the doubled picture, as published.
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
        initialise(self)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Run the network without the final clip: N, planes, H, W to N, planes, 2H, 2W."""
        blocks = functional.conv2d(functional.pad(x, (2,) * 4, mode="replicate"), self.bicubic)
        if self.low:
            return functional.pixel_shuffle(blocks + self.residual(x), 2)
        doubled = functional.pixel_shuffle(blocks, 2)
        return doubled + self.residual(doubled)

    def residual(self, x: torch.Tensor) -> torch.Tensor:
        """What is to be added to the bicubic picture."""
        start = self.first(x)

        def again(features: torch.Tensor) -> torch.Tensor:
            return start + self.unit(features)

        return self.last(functional.relu(in_turn([again] * self.units, start, recompute=self.recompute)))


def initialise(net: DRRN) -> None:
    """Draw He weights, those of the shared unit smaller the more often it is applied; begin as the bicubic picture."""
    for module in net.modules():
        if isinstance(module, nn.Conv2d):
            nn.init.kaiming_normal_(module.weight, nonlinearity="relu")
            nn.init.zeros_(module.bias)
    with torch.no_grad():
        net.unit.conv1.weight.mul_(net.units**-0.5)
        net.last.weight.mul_(0.01)


NETS: tuple[type[nn.Module], ...] = (DRRN,)


def to_onnx(net: DRRN) -> onnx.ModelProto:
    """Write the network as plain ONNX."""
    unit = (layer(net.unit.conv0), layer(net.unit.conv1))
    return drrn(DrrnLayers(layer(net.first), unit, layer(net.last), net.units))


def from_onnx(proto: onnx.ModelProto) -> nn.Module:
    """Return the network of a plain ONNX."""
    return rebuild(proto, _build_empty, to_onnx)


def _build_empty(kinds: Sequence[str], layers: Sequence[Layer]) -> tuple[nn.Module, list[nn.Module]]:
    """Return a network without weights, and its convolutions in the order of the layers."""
    planes = int(layers[0].weight.shape[1])
    _, first, _, _, last = layers
    low = int(last.weight.shape[0]) != planes
    units = kinds.count("Add") - 1  # one of them joins the bicubic picture
    net = DRRN(units, int(first.weight.shape[0]), planes=planes, low=low)
    return net, [Fixed(), net.first, net.unit.conv0, net.unit.conv1, net.last]


def make(network: Any, planes: int) -> DRRN:
    """Make a recipe's network with fresh weights.

    Args:
        network: the recipe's [network], with the keys of `Settings`.
        planes: of input and output.
    """
    return DRRN(network.units, network.filters, planes=planes, low=network.low)
