"""Averages a network's weights exponentially over the steps; the average is what a run exports."""

from __future__ import annotations

import copy

import torch
from torch import nn

_EARLY = 10  # delays the full decay, so that the average forgets fresh weights quickly


class MovingAverage:
    """An exponential moving average of a network.

    Args:
        net: network to average; it is copied.
        decay: weight of the past at each step; less in the first steps.
    """

    def __init__(self, net: nn.Module, decay: float) -> None:
        self.net = copy.deepcopy(net).requires_grad_(False)
        self._decay = decay

    def update(self, net: nn.Module, step: int) -> None:
        """Include a network's weights after a step, counted from 0."""
        decay = min(self._decay, (step + 1) / (step + 1 + _EARLY))
        with torch.no_grad():
            for mean, value in zip(self.net.parameters(), net.parameters(), strict=True):
                mean.lerp_(value, 1 - decay)
            # Vectors of spectral norms; the latest are the closest to those of the average.
            for mean, value in zip(self.net.buffers(), net.buffers(), strict=True):
                mean.copy_(value)
