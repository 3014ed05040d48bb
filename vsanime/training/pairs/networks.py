"""From a recipe's [network] to a network with fresh weights, or with those of a file."""

from __future__ import annotations

from pathlib import Path

import torch
from torch import nn

from vsanime.errors import VsanimeError
from vsanime.models import store
from vsanime.nets.artcnn import build
from vsanime.nets.drrn import DRRN
from vsanime.nets.espcn import ESPCN, WIDTHS
from vsanime.nets.load import load
from vsanime.nets.upconv import UPCONV_WIDTHS, VGG7, VGG_WIDTHS, UpConv7
from vsanime.training.recipes.pairs import Recipe


def make(recipe: Recipe) -> nn.Module:
    """Build a recipe's network; fresh weights follow from its seed.

    Raises:
        VsanimeError: sizes that make no network, or a file with other weights than the recipe's.
    """
    torch.manual_seed(recipe.training.seed)
    net = _fresh(recipe)
    if recipe.network.start:
        start_from(net, recipe.network.start)
    return net


def _fresh(recipe: Recipe) -> nn.Module:
    network = recipe.network
    planes = 1 if recipe.data.planes == "luma" else 3
    match network.architecture:
        case "artcnn":
            return build(network.variant, activation=network.activation)
        case "espcn_7":
            return ESPCN(network.widths or WIDTHS, planes=planes, selection_units=network.selection_units)
        case "upconv_7":
            return UpConv7(network.widths or UPCONV_WIDTHS, planes)
        case "vgg_7":
            return VGG7(network.widths or VGG_WIDTHS, planes)
        case "drrn":
            return DRRN(network.units, network.filters, planes=planes, low=network.low)


def start_from(net: nn.Module, start: str) -> None:
    """Copy the weights of a model that has a name, or of a file.

    Raises:
        VsanimeError: there are none, or they are of another network.
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


# How it is run; and what shapes tell better.
_NOT_FACTS = ("training", "recompute", "filters", "last_bias")


def _facts(net: nn.Module) -> dict[str, object]:
    """What a network computes beyond the shapes of its weights: its class, activation, scale, units and the like."""
    own = {name: value for name, value in vars(net).items() if isinstance(value, int | str) and name not in _NOT_FACTS}
    return {"class": type(net).__name__, **own}
