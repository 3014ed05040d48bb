"""Clamps pictures to [0, 1], passing on gradients that lead back inside."""

from __future__ import annotations

from typing import Any

import torch


class _Limit(torch.autograd.Function):  # type: ignore[misc,unused-ignore]  # without torch installed the base is Any
    """A `clamp` with gradients outside [0, 1]; torch's is zero there, and a pixel that is too bright would stay so."""

    @staticmethod
    def forward(ctx: Any, x: torch.Tensor) -> torch.Tensor:
        ctx.save_for_backward(x)
        return x.clamp(0, 1)

    @staticmethod
    def backward(ctx: Any, gradient: torch.Tensor) -> torch.Tensor:
        (x,) = ctx.saved_tensors
        # The optimizer steps against the gradient.
        outwards = ((x > 1) & (gradient < 0)) | ((x < 0) & (gradient > 0))
        return gradient.masked_fill(outwards, 0)


def clamp_unit(x: torch.Tensor) -> torch.Tensor:
    """Clamp to [0, 1]; gradients pass unless they lead further outside."""
    found: torch.Tensor = _Limit.apply(x)
    return found
