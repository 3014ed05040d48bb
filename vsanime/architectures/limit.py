"""The limits of a picture, through which gradients pass that lead back inside."""

from __future__ import annotations

from typing import Any

import torch


class _Limit(torch.autograd.Function):  # type: ignore[misc,unused-ignore]  # without torch installed the base is Any
    """`clamp`, whose own gradient is nought outside: a pixel that is too bright there would stay so for ever."""

    @staticmethod
    def forward(ctx: Any, x: torch.Tensor) -> torch.Tensor:
        ctx.save_for_backward(x)
        return x.clamp(0, 1)

    @staticmethod
    def backward(ctx: Any, gradient: torch.Tensor) -> torch.Tensor:
        (x,) = ctx.saved_tensors
        # A step goes against the gradient.
        outwards = ((x > 1) & (gradient < 0)) | ((x < 0) & (gradient > 0))
        return gradient.masked_fill(outwards, 0)


def limited(x: torch.Tensor) -> torch.Tensor:
    """What lies outside [0, 1] at its nearer end."""
    found: torch.Tensor = _Limit.apply(x)
    return found
