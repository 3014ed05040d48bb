"""Defines waifu2x's UpConv_7 (doubles) and VGG_7 (removes noise) in torch: valid convolutions with leaky ReLU."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import onnx
import torch
from torch import nn

from vsanime.architectures.blocks import in_turn
from vsanime.architectures.layers import Layer
from vsanime.architectures.waifu2x.onnx import LEAK, MARGIN, upconv, vgg
from vsanime.architectures.weights import layer, list_convolutions, rebuild
from vsanime.errors import VsanimeError

UPCONV_WIDTHS = (16, 32, 64, 128, 128, 256)
VGG_WIDTHS = (32, 32, 64, 64, 128, 128)


class Waifu2x(nn.Module):  # type: ignore[misc,unused-ignore]  # without torch installed the base is Any
    """The base of both networks: without padding, so that the input loses `margin` pixels on every side.

    Args:
        widths: channels of the six hidden layers.
        planes: planes of input and output.
    """

    margin = MARGIN
    scale = 1

    def __init__(self, widths: Sequence[int], planes: int) -> None:
        super().__init__()
        if len(widths) != 6 or min(*widths, planes) < 1:
            raise VsanimeError(f"waifu2x: six widths and planes of at least 1 are needed, not {widths} and {planes}")
        self.recompute = False
        layers: list[nn.Module] = []
        for into, out in pairwise((planes, *widths)):
            layers += [nn.Conv2d(into, out, 3), nn.LeakyReLU(LEAK)]
        # The name in published checkpoints.
        self.Sequential = nn.Sequential(*layers, self.last(widths[-1], planes))
        initialize(self)

    def last(self, into: int, planes: int) -> nn.Module:
        """Make the last layer."""
        raise NotImplementedError

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Run the network without the final clip.

        Args:
            x: N, planes, H, W; H and W above 14.

        Returns:
            N, planes, scale * (H - 14), scale * (W - 14).
        """
        layers = list(self.Sequential)
        pairs = [nn.Sequential(*layers[i : i + 2]) for i in range(0, len(layers), 2)]
        return in_turn(pairs, x, recompute=self.recompute)


class UpConv7(Waifu2x):
    """UpConv_7, which doubles; the transposed convolution (4x4, stride 2, padding 3) crops the excess border.

    Args:
        widths: channels of the six hidden layers.
        planes: planes of input and output.
        last_bias: whether the transposed convolution has a bias; in the published weights it is zero.
    """

    scale = 2

    def __init__(self, widths: Sequence[int] = UPCONV_WIDTHS, planes: int = 3, *, last_bias: bool = False) -> None:
        self.last_bias = last_bias
        super().__init__(widths, planes)

    def last(self, into: int, planes: int) -> nn.Module:
        """Make the transposed convolution."""
        return nn.ConvTranspose2d(into, planes, 4, 2, 3, bias=self.last_bias)


class VGG7(Waifu2x):
    """VGG_7, which keeps the size.

    Args:
        widths: channels of the six hidden layers.
        planes: planes of input and output, 1 for luma.
    """

    def __init__(self, widths: Sequence[int] = VGG_WIDTHS, planes: int = 3) -> None:
        super().__init__(widths, planes)

    def last(self, into: int, planes: int) -> nn.Module:
        """Make the last convolution."""
        return nn.Conv2d(into, planes, 3)


def initialize(net: Waifu2x) -> None:
    """Initialize with He (MSRA) weights for leaky ReLU by fan-out, as nagadomi does, and zero biases."""
    for module in net.modules():
        if isinstance(module, nn.Conv2d):
            nn.init.kaiming_normal_(module.weight, a=LEAK, mode="fan_out")
            nn.init.zeros_(module.bias)
        elif isinstance(module, nn.ConvTranspose2d):
            # Each output pixel depends on 4 of the 16 taps of every channel.
            nn.init.normal_(module.weight, std=(2 / (4 * module.in_channels)) ** 0.5)
            if module.bias is not None:
                nn.init.zeros_(module.bias)


NETS: tuple[type[nn.Module], ...] = (UpConv7, VGG7)


def to_onnx(net: Waifu2x) -> onnx.ModelProto:
    """Return the network as plain ONNX."""
    layers = [layer(conv) for conv in net.Sequential if not isinstance(conv, nn.LeakyReLU)]
    return upconv(layers) if isinstance(net, UpConv7) else vgg(layers)


def from_onnx(proto: onnx.ModelProto) -> nn.Module:
    """Return the network of a plain ONNX of either kind."""
    return rebuild(proto, _build_empty, to_onnx)


def _build_empty(kinds: Sequence[str], layers: Sequence[Layer]) -> tuple[nn.Module, list[nn.Module]]:
    """Return a network to be filled with weights, and its convolutions in the order of the layers."""
    planes = int(layers[0].weight.shape[1])
    hidden = [int(layer.weight.shape[0]) for layer in layers[:-1]]
    if "ConvTranspose" in kinds:
        net: Waifu2x = UpConv7(hidden, planes, last_bias=layers[-1].bias is not None)
    else:
        net = VGG7(hidden, planes)
    return net, list_convolutions(net)


def make(network: Any, planes: int) -> Waifu2x:
    """Make an untrained network from a recipe's [network].

    Args:
        network: the recipe's [network], with the keys of `Settings`.
        planes: planes of input and output.
    """
    if network.architecture == "upconv_7":
        return UpConv7(network.widths or UPCONV_WIDTHS, planes)
    return VGG7(network.widths or VGG_WIDTHS, planes)
