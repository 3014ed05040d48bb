"""What training makes small. Each takes the network's unclipped result and the target, N, planes, H, W in [0, 1]."""

from __future__ import annotations

import torch
from torch import nn
from torch.nn import functional

# Of R, G and B in luma, as the README of yu45020/Waifu2x has them.
CHANNEL_WEIGHTS = (0.29891, 0.58661, 0.11448)
HUBER_GAMMA = 0.1


class L1(nn.Module):  # type: ignore[misc,unused-ignore]  # without torch installed the base is Any
    """Mean absolute difference, before any clip: a result beyond the range keeps its gradient."""

    def forward(self, result: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
        """Compare."""
        return functional.l1_loss(result, target)


class WeightedMSE(nn.Module):  # type: ignore[misc,unused-ignore]
    """Mean over all elements of weight * difference squared; the document's weights sum to 1."""

    def __init__(self) -> None:
        super().__init__()
        # A buffer moves to the device with the module; it is no part of the weights.
        self.register_buffer("weights", torch.tensor(CHANNEL_WEIGHTS).reshape(1, 3, 1, 1), persistent=False)

    def forward(self, result: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
        """Compare."""
        return (self.weights * (result - target).square()).mean()


class ClippedHuber(nn.Module):  # type: ignore[misc,unused-ignore]
    """nagadomi's: Huber of 3 * weight * (clipped result - target); the gradient passes straight through the clip."""

    def __init__(self, gamma: float = HUBER_GAMMA) -> None:
        super().__init__()
        self.gamma = gamma
        self.register_buffer("weights", 3 * torch.tensor(CHANNEL_WEIGHTS).reshape(1, 3, 1, 1), persistent=False)

    def forward(self, result: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
        """Compare."""
        clipped = result + (result.clamp(0, 1) - result).detach()
        difference = self.weights * (clipped - target)
        # torch's form: 0.5 d^2 below gamma, gamma (|d| - gamma / 2) above.
        return functional.huber_loss(difference, torch.zeros_like(difference), delta=self.gamma)


LOSSES: dict[str, type[nn.Module]] = {"l1": L1, "weighted_mse": WeightedMSE, "clipped_huber": ClippedHuber}
