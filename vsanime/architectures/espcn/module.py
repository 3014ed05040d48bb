"""Defines ESPCN_7 in torch: seven convolutions at low resolution with SELU, then a pixel shuffle to twice the size."""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import onnx
import torch
from torch import nn
from torch.nn import functional

from vsanime.architectures.blocks import in_turn
from vsanime.architectures.espcn.onnx import espcn
from vsanime.architectures.layers import Layer
from vsanime.architectures.weights import layer, list_convolutions, rebuild
from vsanime.errors import VsanimeError

WIDTHS = (64, 64, 128, 128, 256, 256)


class SelectionUnit(nn.Sequential):  # type: ignore[misc,unused-ignore]  # without torch installed the base is Any
    """A gate that multiplies each feature by its own sigmoid: x * sigmoid(conv1x1(relu(x))) (Choi and Kim 2017).

    A Sequential of its one convolution, so that the weights have the names of published checkpoints.

    Args:
        channels: input and output channels.
    """

    def __init__(self, channels: int) -> None:
        super().__init__(nn.Conv2d(channels, channels, 1))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Run the unit: N, C, H, W to the same shape."""
        return x * torch.sigmoid(super().forward(functional.relu(x)))


class ESPCN(nn.Module):  # type: ignore[misc,unused-ignore]
    """ESPCN with SELU; ESPCN_7 with the default widths.

    Args:
        widths: channels of the hidden layers.
        planes: planes of input and output, 3 for RGB.
        scale: output pixels per input pixel along each axis.
        selection_units: whether a selection unit follows each activation.
    """

    margin = 0

    def __init__(
        self,
        widths: Sequence[int] = WIDTHS,
        *,
        planes: int = 3,
        scale: int = 2,
        selection_units: bool = False,
    ) -> None:
        super().__init__()
        if not widths or min(*widths, planes, scale, 1) < 1:
            raise VsanimeError(f"ESPCN: widths, planes and scale are at least 1, not {widths}, {planes} and {scale}")
        self.scale = scale
        self.recompute = False
        self.conv = nn.ModuleList(_hidden(i, o, selection_units) for i, o in pairwise((planes, *widths)))
        self.up_sampler = nn.Sequential(nn.Conv2d(widths[-1], planes * scale * scale, 3, padding=1))
        initialize(self)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Run the network without the final clip: N, planes, H, W to N, planes, scale * H, scale * W."""
        features = in_turn(self.conv, x, recompute=self.recompute)
        return functional.pixel_shuffle(self.up_sampler(features), self.scale)


def _hidden(into: int, out: int, selection_unit: bool) -> nn.Sequential:
    # SELU is not in place, because recomputed layers need their inputs.
    layers: list[nn.Module] = [nn.Conv2d(into, out, 3, padding=1), nn.SELU()]
    return nn.Sequential(*layers, *([SelectionUnit(out)] if selection_unit else []))


def initialize(net: ESPCN) -> None:
    """Initialize with zero biases and LeCun weights (std 1 / sqrt(fan-in)), so that SELU keeps mean 0, variance 1."""
    for module in net.modules():
        if isinstance(module, nn.Conv2d):
            fan_in = module.in_channels * math.prod(module.kernel_size)
            nn.init.normal_(module.weight, std=1 / math.sqrt(fan_in))
            nn.init.zeros_(module.bias)


NETS: tuple[type[nn.Module], ...] = (ESPCN,)


def to_onnx(net: ESPCN) -> onnx.ModelProto:
    """Return the network as plain ONNX."""
    gates = [layer(unit[0]) for unit in net.modules() if isinstance(unit, SelectionUnit)]
    return espcn([*(layer(hidden[0]) for hidden in net.conv), layer(net.up_sampler[0])], gates)


def from_onnx(proto: onnx.ModelProto) -> nn.Module:
    """Return the network of a plain ONNX."""
    return rebuild(proto, _build_empty, to_onnx)


def _build_empty(_kinds: Sequence[str], layers: Sequence[Layer]) -> tuple[nn.Module, list[nn.Module]]:
    """Return a network to be filled with weights, and its convolutions in the order of the layers."""
    planes = int(layers[0].weight.shape[1])
    widths = [int(layer.weight.shape[0]) for layer in layers]
    hidden = [width for width, layer in zip(widths, layers, strict=True) if layer.weight.shape[2] == 3][:-1]
    units = len(layers) > len(hidden) + 1
    net = ESPCN(hidden, planes=planes, scale=math.isqrt(widths[-1] // planes), selection_units=units)
    return net, list_convolutions(net)


def make(network: Any, planes: int) -> ESPCN:
    """Make an untrained network from a recipe's [network].

    Args:
        network: the recipe's [network], with the keys of `Settings`.
        planes: planes of input and output.
    """
    return ESPCN(network.widths or WIDTHS, planes=planes, selection_units=network.selection_units)
