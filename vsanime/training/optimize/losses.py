"""Defines losses between the network's unclipped result and the target, (N, planes, H, W) with values in [0, 1]."""

from __future__ import annotations

import torch
from torch import nn
from torch.nn import functional

# Weights of R, G and B in luma, from the README of yu45020/Waifu2x.
CHANNEL_WEIGHTS = (0.29891, 0.58661, 0.11448)
HUBER_GAMMA = 0.1


class L1(nn.Module):  # type: ignore[misc,unused-ignore]  # without torch installed the base is Any
    """The mean absolute difference; without a clip, so that values out of range keep their gradient."""

    def forward(self, result: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
        """Return the loss as a scalar."""
        return functional.l1_loss(result, target)


class WeightedMSE(nn.Module):  # type: ignore[misc,unused-ignore]
    """The mean over all elements of weight * squared difference; the weights of the channels sum to 1."""

    def __init__(self) -> None:
        super().__init__()
        # A buffer, so that it moves to the device with the module; not persistent, so that it is not saved.
        self.register_buffer("weights", torch.tensor(CHANNEL_WEIGHTS).reshape(1, 3, 1, 1), persistent=False)

    def forward(self, result: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
        """Return the loss as a scalar."""
        return (self.weights * (result - target).square()).mean()


class ClippedHuber(nn.Module):  # type: ignore[misc,unused-ignore]
    """nagadomi's loss: Huber of 3 * weight * (clipped result - target); the gradient ignores the clip."""

    def __init__(self, gamma: float = HUBER_GAMMA) -> None:
        super().__init__()
        self.gamma = gamma
        self.register_buffer("weights", 3 * torch.tensor(CHANNEL_WEIGHTS).reshape(1, 3, 1, 1), persistent=False)

    def forward(self, result: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
        """Return the loss as a scalar."""
        clipped = result + (result.clamp(0, 1) - result).detach()
        difference = self.weights * (clipped - target)
        # torch defines it as 0.5 d^2 below gamma, and gamma (|d| - gamma / 2) above.
        return functional.huber_loss(difference, torch.zeros_like(difference), delta=self.gamma)


LOSSES: dict[str, type[nn.Module]] = {"l1": L1, "weighted_mse": WeightedMSE, "clipped_huber": ClippedHuber}
