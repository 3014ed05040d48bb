"""Simulates int8 for the inner layers of ArtCNN in f32, for training weights that lose little by it.

As in runtimes, each inner convolution has 8-bit inputs with one scale for the whole tensor (0 to 255 after ReLU,
otherwise -127 to 127), 8-bit weights with one scale per output channel, and exact sums. The first and the last layer,
and so the linear path, stay f32. Gradients ignore the rounding.
"""

from __future__ import annotations

from collections.abc import Iterable

import torch
from torch import nn
from torch.nn import functional

from vsanime.architectures.artcnn.module import ACTIVATIONS, ArtCNN, ArtCNNC, ArtCNNR, ResidualBlock
from vsanime.architectures.blocks import Layer, in_turn
from vsanime.errors import VsanimeError
from vsanime.training.optimize.straight import straight_through

_SIGNED, _UNSIGNED = 127, 255  # largest codes
_LEAST_LIMIT = 1e-12  # avoids division by zero for tensors of zeros


class Quantised:
    """Runs ArtCNN as int8 would.

    Before `calibrate`, the largest value of each batch sets the scale of each layer's input, so that training has no
    state beside the weights and can be resumed; runtimes have fixed scales, as `calibrate` sets them.

    Args:
        net: network, whose weights stay f32.

    Raises:
        VsanimeError: the network is not ArtCNN.
    """

    def __init__(self, net: nn.Module) -> None:
        if not isinstance(net, ArtCNN):
            raise VsanimeError(f"int8 is simulated for ArtCNN, whose linear path stays exact, not {type(net).__name__}")
        self._net = net
        self._limits: dict[nn.Conv2d, torch.Tensor] = {}
        self._learning = False

    def __call__(self, x: torch.Tensor) -> torch.Tensor:
        """Run the network on (N, planes, H, W) without the final clip, and return its output."""
        net = self._net
        skip = net.first(x)
        activated = isinstance(net, ArtCNNC) and net.activation == "relu"
        joined = self._conv(net.inner_last, self._inner(net, skip), _UNSIGNED if activated else _SIGNED)
        return functional.pixel_shuffle(net.last(joined + skip), net.scale)

    def calibrate(self, pictures: Iterable[torch.Tensor]) -> None:
        """Fix the scales, so that the largest values for these inputs, each (N, planes, H, W), get the largest code."""
        self._limits, self._learning = {}, True
        with torch.no_grad():
            for picture in pictures:
                self(picture)
        self._learning = False

    def _inner(self, net: ArtCNN, x: torch.Tensor) -> torch.Tensor:
        act = ACTIVATIONS[net.activation]
        after = _UNSIGNED if net.activation == "relu" else _SIGNED

        def activated(conv: nn.Conv2d, codes: int) -> Layer:
            return lambda x: act(self._conv(conv, x, codes))

        def block(convs: ResidualBlock) -> Layer:
            first, second = activated(convs.conv0, _SIGNED), activated(convs.conv1, after)
            return lambda x: self._conv(convs.conv2, second(first(x)), after) + x

        if isinstance(net, ArtCNNC):
            layers = [activated(conv, after if i else _SIGNED) for i, conv in enumerate(net.inner_convs)]
            return in_turn(layers, x, recompute=net.recompute)
        assert isinstance(net, ArtCNNR)
        return in_turn([block(convs) for convs in net.blocks], x, recompute=net.recompute)

    def _conv(self, conv: nn.Conv2d, x: torch.Tensor, codes: int) -> torch.Tensor:
        """Return the output of a convolution with rounded inputs and weights, in f32.

        Args:
            conv: convolution.
            x: input, (N, channels, H, W).
            codes: largest code of the input: 127 for signed codes, 255 for unsigned ones.
        """
        found = x.detach().abs().amax()
        if self._learning:
            self._limits[conv] = torch.maximum(found, self._limits.get(conv, found))
        limit = self._limits.get(conv, found)
        weight = round_to_codes(conv.weight, conv.weight.detach().abs().amax((1, 2, 3), keepdim=True), _SIGNED)
        return functional.conv2d(round_to_codes(x, limit, codes), weight, conv.bias, padding=1)


def round_to_codes(x: torch.Tensor, limit: torch.Tensor, codes: int) -> torch.Tensor:
    """Clip values to a limit, without gradient beyond it, and round them to those of 8-bit codes.

    Args:
        x: values.
        limit: value of the largest code, as a scalar or per channel.
        codes: largest code: 127 for signed codes, 255 for unsigned ones.
    """
    step = limit.clamp(min=_LEAST_LIMIT) / codes
    least = -limit if codes == _SIGNED else torch.zeros_like(limit)
    inside = torch.minimum(torch.maximum(x.detach(), least), limit)
    # Clipping by minimum and maximum would halve the gradient of values that equal the limit.
    return straight_through(torch.where(inside == x, x, inside), torch.round(inside / step) * step)
