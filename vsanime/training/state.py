"""Weights, their average and the optimizer's state as named tensors, and back."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import nn

from vsanime.errors import VsanimeError
from vsanime.training.muon import Muon
from vsanime.training.recipe import Training

_MOMENTS = ("exp_avg", "exp_avg_sq", "max_exp_avg_sq", "momentum_buffer")


def make_optimizer(net: nn.Module, training: Training) -> torch.optim.Optimizer:
    """The optimizer of a recipe.

    Raises:
        VsanimeError: it does not go with the network or with this torch.
    """
    if training.optimizer == "muon":
        return Muon(net, training)
    kind = {"adamw": torch.optim.AdamW, "adam": torch.optim.Adam}[training.optimizer]
    options = {"betas": training.betas, "weight_decay": training.weight_decay, "amsgrad": training.amsgrad}
    return kind(net.parameters(), lr=training.rate, **options)


def gather(net: nn.Module, mean: nn.Module, optimizer: torch.optim.Optimizer) -> dict[str, torch.Tensor]:
    """Everything that a run has learnt, by name."""
    tensors = {f"net.{name}": value for name, value in net.named_parameters()}
    tensors |= {f"mean.{name}": value for name, value in mean.named_parameters()}
    for name, parameter in net.named_parameters():
        state = optimizer.state.get(parameter, {})
        tensors |= {f"{moment}.{name}": state[moment] for moment in _MOMENTS if moment in state}
    return tensors


def restore(
    tensors: Mapping[str, torch.Tensor], step: int, net: nn.Module, mean: nn.Module, optimizer: torch.optim.Optimizer
) -> None:
    """Put back what `gather` gave.

    Raises:
        VsanimeError: tensors are missing or have another shape: they are of another network.
    """
    with torch.no_grad():
        for prefix, module in (("net", net), ("mean", mean)):
            for name, parameter in module.named_parameters():
                parameter.copy_(_fitting(tensors, f"{prefix}.{name}", parameter))
        for name, parameter in net.named_parameters():
            moments = {m: _fitting(tensors, f"{m}.{name}", parameter) for m in _MOMENTS if f"{m}.{name}" in tensors}
            if moments:
                # In the memory order of the weights, as the optimizer makes them.
                like = {m: torch.empty_like(parameter).copy_(value) for m, value in moments.items()}
                optimizer.state[parameter] = {"step": torch.tensor(float(step)), **like}


def _fitting(tensors: Mapping[str, torch.Tensor], name: str, like: torch.Tensor) -> torch.Tensor:
    found = tensors.get(name)
    if found is None or found.shape != like.shape:
        there = "is missing" if found is None else f"has the shape {tuple(found.shape)}"
        raise VsanimeError(
            f"the checkpoint is of another network: {name} {there}, the recipe's has {tuple(like.shape)}"
        )
    return found
