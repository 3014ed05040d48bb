"""A lane that is a plain function."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from vsanime.arrays import Array
from vsanime.backends.base import HostLane


class FunctionLane(HostLane):
    def __init__(self, function: Callable[[Sequence[Array], Sequence[Array]], None]) -> None:
        self.run = function
