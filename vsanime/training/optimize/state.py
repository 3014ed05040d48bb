"""Converts weights, their average and the optimizer's state to named tensors for checkpoints, and loads them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import torch
from torch import nn

from vsanime.errors import VsanimeError
from vsanime.training.optimize.muon import Muon
from vsanime.training.recipes.pairs import Training

BUFFERS = "buffer"
_MOMENTS = ("exp_avg", "exp_avg_sq", "max_exp_avg_sq", "momentum_buffer")


def make_optimizer(net: nn.Module, training: Training) -> torch.optim.Optimizer:
    """Make the optimizer of a recipe.

    Raises:
        VsanimeError: the optimizer does not support the network or this version of torch.
    """
    if training.optimizer == "muon":
        return Muon(net, training)
    kind = {"adamw": torch.optim.AdamW, "adam": torch.optim.Adam}[training.optimizer]
    options = {"betas": training.betas, "weight_decay": training.weight_decay, "amsgrad": training.amsgrad}
    return kind(net.parameters(), lr=training.rate, **options)


def gather(net: nn.Module, mean: nn.Module, optimizer: torch.optim.Optimizer) -> dict[str, torch.Tensor]:
    """Return weights, average and optimizer state, by name."""
    return named(net, "net") | named(mean, "mean") | moments(net, optimizer)


def named(net: nn.Module, prefix: str) -> dict[str, torch.Tensor]:
    """Return a network's weights by name, each after a prefix.

    With the prefix `BUFFERS`, return its buffers instead: the vectors of spectral norms.
    """
    return {f"{prefix}.{name}": value for name, value in _entries(net, prefix)}


def _entries(net: nn.Module, prefix: str) -> Iterator[tuple[str, torch.Tensor]]:
    entries: Iterator[tuple[str, torch.Tensor]] = net.named_buffers() if prefix == BUFFERS else net.named_parameters()
    return entries


def moments(net: nn.Module, optimizer: torch.optim.Optimizer) -> dict[str, torch.Tensor]:
    """Return the moments that an optimizer keeps of a network's gradients, by name."""
    tensors: dict[str, torch.Tensor] = {}
    for name, parameter in net.named_parameters():
        state = optimizer.state.get(parameter, {})
        tensors |= {f"{moment}.{name}": state[moment] for moment in _MOMENTS if moment in state}
    return tensors


def restore(
    tensors: Mapping[str, torch.Tensor], step: int, net: nn.Module, mean: nn.Module, optimizer: torch.optim.Optimizer
) -> None:
    """Load what `gather` returned.

    Raises:
        VsanimeError: tensors are missing or have another shape, so they are of another network.
    """
    put(tensors, "net", net)
    put(tensors, "mean", mean)
    put_moments(tensors, step, net, optimizer)


def put(tensors: Mapping[str, torch.Tensor], prefix: str, net: nn.Module) -> None:
    """Load what `named` returned.

    Raises:
        VsanimeError: as for `restore`.
    """
    with torch.no_grad():
        for name, entry in _entries(net, prefix):
            entry.copy_(fitting(tensors, f"{prefix}.{name}", entry))


def put_moments(
    tensors: Mapping[str, torch.Tensor], updates: int, net: nn.Module, optimizer: torch.optim.Optimizer
) -> None:
    """Load what `moments` returned after a number of updates.

    Raises:
        VsanimeError: a tensor has another shape.
    """
    with torch.no_grad():
        for name, parameter in net.named_parameters():
            found = {m: fitting(tensors, f"{m}.{name}", parameter) for m in _MOMENTS if f"{m}.{name}" in tensors}
            if found:
                # In the memory order of the weights, as the optimizer creates moments.
                like = {m: torch.empty_like(parameter).copy_(value) for m, value in found.items()}
                optimizer.state[parameter] = {"step": torch.tensor(float(updates)), **like}


def fitting(tensors: Mapping[str, torch.Tensor], name: str, like: torch.Tensor) -> torch.Tensor:
    """Return a tensor of a checkpoint, by name.

    Raises:
        VsanimeError: the tensor is missing, or its shape differs from that of `like`.
    """
    found = tensors.get(name)
    if found is None or found.shape != like.shape:
        there = "is missing" if found is None else f"has the shape {tuple(found.shape)}"
        raise VsanimeError(
            f"the checkpoint is of another network: {name} {there}, the recipe's has {tuple(like.shape)}"
        )
    return found
