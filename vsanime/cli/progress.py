"""Reports the progress of a long command on stderr, by a bar on a terminal and by lines elsewhere, and remarks."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, ProgressColumn, Task, TextColumn, TimeRemainingColumn
from rich.text import Text

from vsanime.terminal import clean_line

_PLAIN_SECONDS = 10.0  # between lines if stderr is not a terminal


def tell(console: Console, message: str) -> None:
    """Print a message as one line, above a bar if there is one; leading spaces stay, as the indent of a list."""
    indent = " " * (len(message) - len(message.lstrip(" ")))
    console.print(
        clean_line(f"vsanime: {indent}{' '.join(message.split())}"), markup=False, highlight=False, soft_wrap=True
    )


@contextmanager
def progress(total: int, console: Console, *, things: str, rate: str) -> Iterator[Callable[[], None]]:
    """Show how far the work is, its speed, and the remaining time.

    Args:
        total: number of items.
        console: console to write to.
        things: name of the items, in the plural.
        rate: unit of the speed, such as "fps".

    Yields:
        The function to call after each item.
    """
    if not console.is_terminal:
        yield _plain(total, console, things, rate)
        return
    columns = (
        TextColumn("{task.description}", markup=False),
        BarColumn(),
        MofNCompleteColumn(),
        _Speed(rate),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=console) as bars:
        task = bars.add_task(things, total=total)
        yield lambda: bars.advance(task)


class _Speed(ProgressColumn):
    """A column with the number of items per second."""

    def __init__(self, rate: str) -> None:
        super().__init__()
        self._rate = rate

    def render(self, task: Task) -> Text:
        """Return the column's text."""
        speed = task.finished_speed or task.speed
        return Text(f"- {self._rate}" if speed is None else f"{speed:.2f} {self._rate}")


def _plain(total: int, console: Console, things: str, rate: str) -> Callable[[], None]:
    start = shown = time.monotonic()
    done = 0

    def advance() -> None:
        nonlocal shown, done
        done += 1
        now = time.monotonic()
        if done < total and now - shown < _PLAIN_SECONDS:
            return
        shown = now
        speed = done / max(now - start, 1e-6)
        left = math.ceil((total - done) / speed)
        tell(console, f"{done}/{total} {things}, {speed:.2f} {rate}, {left // 60}:{left % 60:02d} left")

    return advance
