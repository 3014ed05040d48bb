"""Compares the observations of two trees and words the report."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from tools.guard.trees import Observed

_MOST_CHARACTERS = 160


@dataclass(frozen=True)
class Difference:
    """An observation that is not the same in both trees.

    Attributes:
        name: of the observation.
        base: what it is in the base tree; None if it is missing there.
        new: what it is in the new tree; None if it is missing there.
    """

    name: str
    base: str | None
    new: str | None

    def describe(self) -> str:
        """Return the difference as a few lines of text."""
        if self.base is None or self.new is None:
            where = "new" if self.base is None else "base"
            return f"{self.name}\n    only in the {where} tree: {_shorten(self.base or self.new or '')}"
        at = _first_difference(self.base, self.new)
        return f"{self.name}\n    - {_shorten(self.base, at)}\n    + {_shorten(self.new, at)}"


def compare(base: Observed, new: Observed) -> list[Difference]:
    """Return every observation, and every reason why there is none, that differs between two trees."""
    differences = [
        Difference(name, base.values.get(name), new.values.get(name))
        for name in _all_names(base.values, new.values)
        if base.values.get(name) != new.values.get(name)
    ]
    differences += [
        Difference(f"{name}: could not run", base.skipped.get(name), new.skipped.get(name))
        for name in _all_names(base.skipped, new.skipped)
        if base.skipped.get(name) != new.skipped.get(name)
    ]
    return differences


def _all_names(base: Mapping[str, str], new: Mapping[str, str]) -> list[str]:
    return list(dict.fromkeys((*base, *new)))


def _first_difference(one: str, other: str) -> int:
    pairs = enumerate(zip(one, other, strict=False))
    return next((index for index, (a, b) in pairs if a != b), min(len(one), len(other)))


def _shorten(text: str, at: int = 0) -> str:
    """Return the part of a text around a place, on one line."""
    start = max(0, at - _MOST_CHARACTERS // 2)
    part = text[start : start + _MOST_CHARACTERS]
    shown = f"{'...' if start else ''}{part}{'...' if start + _MOST_CHARACTERS < len(text) else ''}"
    return shown.replace("\n", "\\n")
