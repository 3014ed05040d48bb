"""The exponential moving average of a network's weights, which is what a run exports."""

from __future__ import annotations

import copy

import torch
from torch import nn

_EARLY = 10  # steps in which the average follows quickly: fresh weights are worth nothing


class MovingAverage:
    """Follows a network.

    Args:
        net: the network.
        decay: weight of the past at each step, once there are enough of them.
    """

    def __init__(self, net: nn.Module, decay: float) -> None:
        self.net = copy.deepcopy(net).requires_grad_(False)
        self._decay = decay

    def update(self, net: nn.Module, step: int) -> None:
        """Take in the weights after a step, counted from 0."""
        decay = min(self._decay, (step + 1) / (step + 1 + _EARLY))
        with torch.no_grad():
            for mean, value in zip(self.net.parameters(), net.parameters(), strict=True):
                mean.lerp_(value, 1 - decay)
            # A spectral norm's search: the latest is the nearest to that of the average.
            for mean, value in zip(self.net.buffers(), net.buffers(), strict=True):
                mean.copy_(value)
