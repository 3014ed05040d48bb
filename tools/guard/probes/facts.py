"""Collects what a probe observes, as pairs of a name and a short text that can be compared between two trees."""

from __future__ import annotations

import hashlib
import json
import sys
import traceback
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path


def digest(data: bytes) -> str:
    """Return a hash of some bytes, with their number."""
    return f"sha256 {hashlib.sha256(data).hexdigest()} of {len(data)} bytes"


@dataclass
class Facts:
    """Everything that was observed in one tree.

    Attributes:
        tree: root of the tree under test.
        files: folder of files written by an earlier commit; it belongs to the driver's tree.
        work: empty folder that the probe may write into.
        values: observations by name.
        skipped: cases that raised, with the message; it is compared as well.
        crashed: cases that raised something that is no message for a user, with the traceback.
    """

    tree: Path
    files: Path
    work: Path
    values: dict[str, str] = field(default_factory=dict)
    skipped: dict[str, str] = field(default_factory=dict)
    crashed: dict[str, str] = field(default_factory=dict)

    def add(self, name: str, value: object) -> None:
        """Record an observation.

        Raises:
            ValueError: the name was used before, so one of the two would be lost.
        """
        name = self.mask(name)
        if name in self.values:
            raise ValueError(f"two observations are called {name!r}")
        self.values[name] = self.mask(str(value))

    def add_bytes(self, name: str, data: bytes) -> None:
        """Record a hash of some bytes."""
        self.add(name, digest(data))

    def attempt(self, name: str, probe: Callable[[str], None]) -> None:
        """Run one case; a case that cannot run here is recorded with the reason.

        Args:
            name: of the case, which the names of its observations begin with.
            probe: takes that name and records what it observes.
        """
        name = self.mask(name)
        try:
            probe(name)
        except Exception as error:  # the next case is to run whatever happens in this one
            self.skipped[name] = f"{type(error).__name__}: {self.mask(str(error))}"
            if type(error).__name__ not in ("Error", "VsanimeError", "MissingError"):
                self.crashed[name] = traceback.format_exc()

    def mask(self, text: str) -> str:
        """Return a text without the folders that differ from run to run."""
        for folder, name in self._folders():
            text = text.replace(str(folder), name)
        return text

    def _folders(self) -> list[tuple[Path, str]]:
        """Return the folders that texts are rid of, inner ones first: environments often lie in a tree."""
        here = [(self.files, "FILES"), (Path(sys.prefix), "ENVIRONMENT")]
        return [*here, (self.tree, "TREE"), (self.work.parent, "RUN")]

    def write(self, path: Path) -> None:
        """Write everything as JSON."""
        kinds = {"values": self.values, "skipped": self.skipped, "crashed": self.crashed}
        path.write_text(json.dumps(kinds), encoding="utf-8")
