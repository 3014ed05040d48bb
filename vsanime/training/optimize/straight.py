"""Provides the straight-through gradient, for replacing values by rounded ones during training."""

from __future__ import annotations

import torch


class _StraightThrough(torch.autograd.Function):  # type: ignore[misc,unused-ignore]  # without torch the base is Any
    """A replacement of one tensor by another whose gradient goes to the first."""

    @staticmethod
    def forward(_context: object, _x: torch.Tensor, instead: torch.Tensor) -> torch.Tensor:
        """Return the replacement."""
        return instead.clone()

    @staticmethod
    def backward(_context: object, gradient: torch.Tensor) -> tuple[torch.Tensor, None]:
        """Pass the gradient on to the replaced tensor."""
        return gradient, None


def straight_through(x: torch.Tensor, instead: torch.Tensor) -> torch.Tensor:
    """Replace a tensor by another, and pass the gradient on as if nothing was replaced.

    Args:
        x: tensor that receives the gradient.
        instead: tensor of the same shape to return.
    """
    value: torch.Tensor = _StraightThrough.apply(x, instead.detach())
    return value
