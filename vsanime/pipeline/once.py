"""Caches values that several threads need, so that each value is computed only once."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Hashable
from concurrent.futures import Future
from threading import Lock


class Once[K: Hashable, V]:
    """A cache by key with least recently used eviction; the first caller computes a value, and others wait for it.

    A computation must not request another value of the same `Once`.
    """

    def __init__(self, limit: int) -> None:
        """Create an empty cache.

        Args:
            limit: number of values to keep, 1 or more; the least recently used one is dropped beyond it.
        """
        self._limit = limit
        self._values: OrderedDict[K, Future[V]] = OrderedDict()
        self._lock = Lock()

    def get(self, key: K, make: Callable[[], V]) -> V:
        """Return the value of a key, and call `make` for it if it is not cached.

        An exception that `make` raises reaches every waiting caller; the next call tries again.
        """
        with self._lock:
            future = self._values.get(key)
            mine = future is None
            if future is None:
                future = self._values[key] = Future()
                while len(self._values) > self._limit:
                    self._values.popitem(last=False)
            else:
                self._values.move_to_end(key)
        if mine:
            try:
                future.set_result(make())
            except BaseException as error:
                with self._lock:
                    if self._values.get(key) is future:
                        del self._values[key]
                future.set_exception(error)
        return future.result()

    def __len__(self) -> int:
        with self._lock:
            return len(self._values)

    def close(self) -> None:
        """Release all values and cache nothing from now on; callers that already wait for a value still get it."""
        with self._lock:
            self._limit = 0
            self._values.clear()
