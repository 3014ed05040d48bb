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
    """A loaded model that suits a filter's task.

    Attributes:
        model: model, perhaps rewritten.
        facts: facts about the network, as `inspect` returns them.
        tint: whether the output's shift of mean color is to be undone.
        steady: whether undoing it makes low precision accurate enough for automatic choice.
    """

    model: Model
    facts: NetFacts
    tint: bool = False
    steady: bool = False


def network_for(
    name: str | Path, task: str, channels: Pair, scales: Sequence[int], advice: str, argument: str = "model"
) -> Network:
    """Load a model and check that it does what the filter needs.

    Args:
        name: name of a model card, or path of a model file.
        task: task that the card must have.
        channels: required numbers of input and output channels.
        scales: accepted scales, in output pixels per input pixel along one axis.
        advice: advice on a suitable model, for messages.
        argument: name of the filter's argument that gives the model, for messages.

    Raises:
        VsanimeError: the model cannot be found or does something else.
    """
    given = f"{argument}={quote(str(name))}"
    if as_path(name) is None and (card := find(str(name), (task,))).task != task:
        # Refused before its weights are searched for, and perhaps downloaded.
        raise VsanimeError(f"{given} is for another task ({card.task}); {advice}")
    model = load(name)
    facts = inspect(model.proto)
    if (facts.in_channels, facts.out_channels) != channels or facts.scale not in scales:
        raise VsanimeError(
            f"{given} takes {facts.in_channels} and gives {facts.out_channels} channels at {facts.scale}x; "
            f"{channels[0]} and {channels[1]} at {' or '.join(map(str, scales))}x are needed: {advice}"
        )
    return Network(model, facts)
