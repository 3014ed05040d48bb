"""Registers the architectures; a new one adds a folder and a row here.

Importing this needs no torch: torch modules are imported on demand.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from vsanime.architectures import (
    animegan,
    artcnn,
    color_transform,
    colornet,
    drrn,
    espcn,
    sketchkeras,
    temporal,
    waifu2x,
)
from vsanime.architectures.base import Architecture, Task
from vsanime.graphs.builders.colorize import Kind


def register(rows: Iterable[Architecture]) -> dict[str, Architecture]:
    """Return the architectures by name.

    Raises:
        ValueError: if two have the same name or the same inputs.
    """
    found: dict[str, Architecture] = {}
    inputs: dict[frozenset[str], str] = {}
    for row in rows:
        if row.name in found:
            raise ValueError(f"two architectures are called {row.name!r}")
        if row.inputs and frozenset(row.inputs) in inputs:
            raise ValueError(f"{inputs[frozenset(row.inputs)]!r} and {row.name!r} have the same inputs")
        found[row.name] = row
        inputs[frozenset(row.inputs)] = row.name
    return found


# Messages name them in this order.
ARCHITECTURES = register(
    (
        animegan.ANIMEGAN2,
        artcnn.ARTCNN,
        espcn.ESPCN_7,
        waifu2x.UPCONV_7,
        waifu2x.VGG_7,
        drrn.DRRN,
        colornet.COLORNET,
        color_transform.COLOR_TRANSFORM,
        temporal.TEMPORAL,
        sketchkeras.SKETCHKERAS,
    )
)


def trained_by(task: Task) -> dict[str, Architecture]:
    """Return the architectures of a training task, by name."""
    return {name: row for name, row in ARCHITECTURES.items() if row.task == task}


def color_kinds() -> tuple[Kind, ...]:
    """Return how the networks that color line art are split into a part per key and a part per frame."""
    return tuple(row.kind for row in ARCHITECTURES.values() if row.kind is not None)


def architecture_of(net: Any) -> Architecture | None:
    """Return the architecture of a torch module; None if it belongs to none."""
    for row in ARCHITECTURES.values():
        if row.load_module is not None and isinstance(net, row.load_module().NETS):
            return row
    return None
