"""int8, simulated in f32: what ArtCNN's inner layers would give in it, and weights that lose little by it.

As runtimes compute in int8: each inner convolution takes codes of 8 bits, with one scale for all of its input (0 to
255 after ReLU, else -127 to 127), weights of 8 bits with one scale for each channel that comes out, and exact sums. The
first layer, the last one and with them the linear path stay f32. The gradient passes straight through.
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
_LEAST_LIMIT = 1e-12  # of a tensor that is all zeros


class Quantised:
    """Runs ArtCNN as int8 would.

    Before `calibrate`, the largest value of each batch sets the scale of each layer's input. Runs that learn with that
    keep no state beside the weights and can be resumed; runtimes have fixed scales, as `calibrate` finds them.

    Args:
        net: the network, whose weights stay f32.

    Raises:
        VsanimeError: a network without a linear path.
    """

    def __init__(self, net: nn.Module) -> None:
        if not isinstance(net, ArtCNN):
            raise VsanimeError(f"int8 is simulated for ArtCNN, whose linear path stays exact, not {type(net).__name__}")
        self._net = net
        self._limits: dict[nn.Conv2d, torch.Tensor] = {}
        self._learning = False

    def __call__(self, x: torch.Tensor) -> torch.Tensor:
        """Run the network without the final clip: N, planes, H, W to what the network gives."""
        net = self._net
        skip = net.first(x)
        activated = isinstance(net, ArtCNNC) and net.activation == "relu"
        joined = self._conv(net.inner_last, self._inner(net, skip), _UNSIGNED if activated else _SIGNED)
        return functional.pixel_shuffle(net.last(joined + skip), net.scale)

    def calibrate(self, pictures: Iterable[torch.Tensor]) -> None:
        """Fix the scales: what is largest in these pictures, each N, planes, H, W, will be the largest code."""
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
        """A convolution in int8, in f32 what it would give.

        Args:
            conv: its weights.
            x: its input.
            codes: the input's largest code; where it is that of signed ones, the least is its opposite.
        """
        found = x.detach().abs().amax()
        if self._learning:
            self._limits[conv] = torch.maximum(found, self._limits.get(conv, found))
        limit = self._limits.get(conv, found)
        weight = rounded(conv.weight, conv.weight.detach().abs().amax((1, 2, 3), keepdim=True), _SIGNED)
        return functional.conv2d(rounded(x, limit, codes), weight, conv.bias, padding=1)


def rounded(x: torch.Tensor, limit: torch.Tensor, codes: int) -> torch.Tensor:
    """Values that codes of 8 bits can say; what lies beyond the limit is cut off and has no gradient.

    Args:
        x: any values.
        limit: what the largest code stands for; may differ from channel to channel.
        codes: the largest code: 127 with negative ones, 255 without.
    """
    step = limit.clamp(min=_LEAST_LIMIT) / codes
    least = -limit if codes == _SIGNED else torch.zeros_like(limit)
    inside = torch.minimum(torch.maximum(x.detach(), least), limit)
    # Clipping by minimum and maximum would halve the gradient of what lies on the limit itself.
    return straight_through(torch.where(inside == x, x, inside), torch.round(inside / step) * step)
