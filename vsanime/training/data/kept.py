"""Defines a cache that keeps the most recently used values."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Hashable


def _one(_value: object) -> int:
    return 1


class Kept[K: Hashable, V]:
    """A cache that evicts the least recently used values; a pickled copy is empty.

    Args:
        most: greatest total weight of the kept values; the latest is kept whatever its weight.
        weigh: returns the weight of a value; by default 1.
    """

    def __init__(self, most: int, weigh: Callable[[V], int] = _one) -> None:
        self._most = most
        self._weigh = weigh
        self._values: OrderedDict[K, V] = OrderedDict()
        self._total = 0

    def __getstate__(self) -> dict[str, object]:
        return {**vars(self), "_values": OrderedDict(), "_total": 0}

    def get(self, key: K, make: Callable[[], V]) -> V:
        """Return the value of a key, made by `make` if it is not in the cache."""
        if key not in self._values:
            value = self._values[key] = make()
            self._total += self._weigh(value)
            while self._total > self._most and len(self._values) > 1:
                self._total -= self._weigh(self._values.popitem(last=False)[1])
        self._values.move_to_end(key)
        return self._values[key]
