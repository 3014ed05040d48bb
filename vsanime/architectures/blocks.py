"""Runs torch layers one after another, and pads whole frames for valid convolutions."""

from __future__ import annotations

from collections.abc import Callable, Iterable

import torch
from torch import nn
from torch.nn import functional
from torch.utils.checkpoint import checkpoint

type Layer = Callable[[torch.Tensor], torch.Tensor]


def in_turn(layers: Iterable[Layer], x: torch.Tensor, *, recompute: bool) -> torch.Tensor:
    """Run layers one after another.

    Args:
        layers: modules or functions from N, C, H, W to the same or other channels.
        x: input of the first layer.
        recompute: whether to store only the layers' inputs and recompute the rest for the gradient (gradient
            checkpointing), which saves memory for a third more time.
    """
    for layer in layers:
        x = checkpoint(layer, x, use_reentrant=False) if recompute and torch.is_grad_enabled() else layer(x)
    return x


def whole(net: nn.Module, x: torch.Tensor) -> torch.Tensor:
    """Run a network on a whole frame, replicating the border that its valid convolutions lose.

    Args:
        net: network of this package, with its `margin` in pixels.
        x: N, C, H, W.

    Returns:
        N, planes, scale * H, scale * W, not clipped.
    """
    margin: int = net.margin
    padded = functional.pad(x, (margin,) * 4, mode="replicate") if margin else x
    result: torch.Tensor = net(padded)
    return result
