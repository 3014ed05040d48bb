"""Values that are not what they are computed from, as rounding makes them, with gradients as if they were."""

from __future__ import annotations

import torch


class _StraightThrough(torch.autograd.Function):  # type: ignore[misc,unused-ignore]  # without torch the base is Any
    """Gives one value for another, and the gradient of the one to the other."""

    @staticmethod
    def forward(_context: object, _x: torch.Tensor, instead: torch.Tensor) -> torch.Tensor:
        """Replace."""
        return instead.clone()

    @staticmethod
    def backward(_context: object, gradient: torch.Tensor) -> tuple[torch.Tensor, None]:
        """Pass on."""
        return gradient, None


def straight_through(x: torch.Tensor, instead: torch.Tensor) -> torch.Tensor:
    """Replace a value and leave its gradient as it is.

    Args:
        x: what has the gradient.
        instead: of the same shape; the result.
    """
    value: torch.Tensor = _StraightThrough.apply(x, instead.detach())
    return value
