"""Builds the network of a pair recipe, with fresh weights or those of a file."""

from __future__ import annotations

from pathlib import Path

import torch
from torch import nn

from vsanime.architectures import ARCHITECTURES
from vsanime.errors import VsanimeError
from vsanime.models import store
from vsanime.models.torchfiles import load
from vsanime.training.recipes.pairs import Recipe


def make(recipe: Recipe) -> nn.Module:
    """Build a recipe's network; its seed determines fresh weights.

    Raises:
        VsanimeError: the sizes are not possible, or `network.start` has other weights than the recipe's network.
    """
    torch.manual_seed(recipe.training.seed)
    net = _fresh(recipe)
    if recipe.network.start:
        start_from(net, recipe.network.start)
    return net


def _fresh(recipe: Recipe) -> nn.Module:
    load_module = ARCHITECTURES[recipe.network.architecture].load_module
    assert load_module is not None
    net: nn.Module = load_module().make(recipe.network, 1 if recipe.data.planes == "luma" else 3)
    return net


def start_from(net: nn.Module, start: str) -> None:
    """Copy the weights of a model, given by name or file, into a network.

    Raises:
        VsanimeError: there is no such model, or it is another network.
    """
    path = Path(start)
    found = load(path if path.suffix else store.load(start).path)
    for name, wanted_fact in _facts(net).items():
        if _facts(found).get(name) != wanted_fact:
            raise VsanimeError(
                f"network.start = {start!r}: its {name} is {_facts(found).get(name)!r}, "
                f"the recipe's network has {wanted_fact!r}"
            )
    given = found.state_dict()
    wanted = net.state_dict()
    shapes, needed = ({name: tuple(t.shape) for name, t in state.items()} for state in (given, wanted))
    if shapes != needed:
        name = sorted(name for name in shapes.keys() | needed.keys() if shapes.get(name) != needed.get(name))[0]
        raise VsanimeError(
            f"network.start = {start!r}: {name} is {shapes.get(name, 'not there')}, "
            f"the recipe's network has {needed.get(name, 'none')}"
        )
    net.load_state_dict(given)


# Attributes that affect only how the network is run, or that follow from the shapes of the weights.
_NOT_FACTS = ("training", "recompute", "filters", "last_bias")


def _facts(net: nn.Module) -> dict[str, object]:
    """Return what determines a network beside the shapes of its weights: class, activation, scale, units and so on."""
    own = {name: value for name, value in vars(net).items() if isinstance(value, int | str) and name not in _NOT_FACTS}
    return {"class": type(net).__name__, **own}
