"""Shows the progress of a run on stderr: a bar on a terminal, a line every 30 seconds elsewhere."""

from __future__ import annotations

import sys
import time
from types import TracebackType
from typing import Self

from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from vsanime.terminal import open_console

_LINE_SECONDS = 30.0


class RunProgress:
    """Shows steps, loss, validation measures and the remaining time.

    Args:
        name: name of the run.
        first: number of steps completed before.
        steps: number of steps of the whole run.
    """

    def __init__(self, name: str, first: int, steps: int) -> None:
        console = open_console()
        self._bar: Progress | None = None
        self._said = time.monotonic()
        self._first, self._steps = first, steps
        self._began = time.monotonic()
        self._loss, self._measured = "", ""
        if console.is_terminal:
            columns = (
                TextColumn("{task.description}", markup=False),
                BarColumn(),
                MofNCompleteColumn(),
                TimeRemainingColumn(),
            )
            self._bar = Progress(*columns, TextColumn("{task.fields[said]}", markup=False), console=console)
            self._task = self._bar.add_task(name, total=steps, completed=first, said="")

    def __enter__(self) -> Self:
        if self._bar is not None:
            self._bar.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._bar is not None:
            self._bar.stop()

    def at(self, step: int) -> None:
        """Show that `step` steps are completed."""
        if self._bar is not None:
            self._bar.update(self._task, completed=step, said=f"{self._loss} {self._measured}")
        elif time.monotonic() - self._said > _LINE_SECONDS:
            self._said = time.monotonic()
            left = (self._said - self._began) / max(1, step - self._first) * (self._steps - step)
            self.say(f"step {step} of {self._steps}, {self._loss} {self._measured}, {left / 60:.0f} min left")

    def loss(self, value: float) -> None:
        """Show the mean loss of the last steps from the next update on."""
        self._loss = f"loss {value:.5f}"

    def measured(self, step: int, said: str) -> None:
        """Print the measures of validation, and show them from the next update on."""
        self._measured = said
        self.say(f"step {step}: {self._loss} {self._measured}")

    def say(self, line: str) -> None:
        """Print a line, above the bar if there is one."""
        if self._bar is not None:
            self._bar.console.print(line, markup=False, highlight=False)
        else:
            print(line, file=sys.stderr, flush=True)
