"""Loads a model and checks that it does what a filter needs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from vsanime.errors import VsanimeError, quote
from vsanime.graphs.inspect import NetFacts, inspect
from vsanime.models.cards import find
from vsanime.models.store import Model, as_path, load
from vsanime.values import Pair


@dataclass(frozen=True)
class Network:
    """A model that suits a task.

    Attributes:
        model: the network, perhaps rewritten.
        facts: what `inspect` says of it.
        tint: whether the change of mean colours is to be taken back.
        steady: whether that makes low precision good enough for `auto`.
    """

    model: Model
    facts: NetFacts
    tint: bool = False
    steady: bool = False


def network_for(
    name: str | Path, task: str, channels: Pair, scales: Sequence[int], advice: str, argument: str = "model"
) -> Network:
    """Loads a model and checks that it does what the filter needs.

    Args:
        name: a card's name or a path.
        task: the card's task.
        channels: in and out.
        scales: output pixels per input pixel, those that will do.
        advice: what would be right, for the message.
        argument: the filter's argument that names it, for the message.

    Raises:
        VsanimeError: it cannot be found or does something else.
    """
    given = f"{argument}={quote(str(name))}"
    if as_path(name) is None and (card := find(str(name), (task,))).task != task:
        # Said before its weights are looked for, and perhaps downloaded.
        raise VsanimeError(f"{given} is for another task ({card.task}); {advice}")
    model = load(name)
    facts = inspect(model.proto)
    if (facts.in_channels, facts.out_channels) != channels or facts.scale not in scales:
        raise VsanimeError(
            f"{given} takes {facts.in_channels} and gives {facts.out_channels} channels at {facts.scale}x; "
            f"{channels[0]} and {channels[1]} at {' or '.join(map(str, scales))}x are needed: {advice}"
        )
    return Network(model, facts)
