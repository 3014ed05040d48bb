"""A progress bar that counts."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass
class Counter:
    total: int = 0
    done: int = 0

    def more(self, steps: int) -> None:
        self.total += steps

    def step(self) -> None:
        self.done += 1
