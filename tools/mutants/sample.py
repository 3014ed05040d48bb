"""Draws changes at random: the same seed gives the same ones, whatever has changed elsewhere."""

from __future__ import annotations

import hashlib
import tomllib
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from tools.mutants.changes import Change, find_changes
from tools.mutants.project import Project

EQUIVALENT = Path(__file__).with_name("equivalent.toml")

type Text = tuple[str, str, str, str]  # file, function, before, after


@dataclass(frozen=True)
class Sample:
    """Changes that were drawn.

    Attributes:
        changes: what to try.
        places: how many places there are to draw from.
        equivalent: drawn changes that are listed as equivalent, for which others were drawn.
    """

    changes: list[Change]
    places: int
    equivalent: list[Change]


def read_equivalent(path: Path) -> dict[Text, str]:
    """Return the changes that change nothing that can be observed, with the reasons."""
    entries = tomllib.loads(path.read_text(encoding="utf-8")).get("change", [])
    return {
        (entry["path"], entry["function"], entry["before"], after): entry["reason"]
        for entry in entries
        for after in entry["after"]
    }


def find_all(project: Project, rooms: list[str]) -> list[Change]:
    """Return every change of the rooms' files."""
    return [
        change
        for name in project.find_sources(rooms)
        for change in find_changes(name, (project.root / name).read_bytes())
    ]


def draw_sample(
    project: Project, changes: Iterable[Change], seed: int, count: int, equivalent: Iterable[Text]
) -> Sample:
    """Draw places at random, and one change at each.

    Args:
        project: what the changes belong to.
        changes: all changes to draw from.
        seed: decides which ones are drawn.
        count: how many to draw, at most.
        equivalent: changes to leave out.
    """
    places: dict[tuple[object, ...], list[Change]] = {}
    for change in changes:
        places.setdefault(change.place, []).append(change)
    drawn: list[Change] = []
    skipped: list[Change] = []
    known = set(equivalent)
    for alternatives in sorted(places.values(), key=lambda alternatives: _shuffle(seed, alternatives[0])):
        if len(drawn) == count:
            break
        change = alternatives[_shuffle(seed, alternatives[0]) % len(alternatives)]
        if change.identity[:4] in known:
            skipped.append(change)
        elif change.is_valid((project.root / change.path).read_bytes()):
            drawn.append(change)
    return Sample(drawn, len(places), skipped)


def _shuffle(seed: int, change: Change) -> int:
    """Return a number that seed and change decide, and nothing else in the file."""
    text = "\0".join(map(str, (seed, *change.identity)))
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:8])
