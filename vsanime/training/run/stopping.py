"""Ctrl-C between two steps: the step is finished and a checkpoint written; a second Ctrl-C ends it at once."""

from __future__ import annotations

import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager


@contextmanager
def wish_to_stop() -> Iterator[Callable[[], bool]]:
    """Gives a function that says whether the user wants to stop. Only the main thread may use it."""
    asked = False

    def note(_number: int, _frame: object) -> None:
        nonlocal asked
        asked = True
        signal.signal(signal.SIGINT, before)

    before = signal.signal(signal.SIGINT, note)
    try:
        yield lambda: asked
    finally:
        signal.signal(signal.SIGINT, before)
