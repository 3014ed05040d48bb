"""Values that several lanes want and one computes."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Hashable
from concurrent.futures import Future
from threading import Lock


class Once[K: Hashable, V]:
    """Values by key: each is computed by whoever asks first, others wait for it, and the last ones used are kept.

    A computation must not ask for another value of the same `Once`.
    """

    def __init__(self, limit: int) -> None:
        """Keeps nothing yet.

        Args:
            limit: values kept, 1 or more; the one that was used longest ago makes room.
        """
        self._limit = limit
        self._values: OrderedDict[K, Future[V]] = OrderedDict()
        self._lock = Lock()

    def get(self, key: K, make: Callable[[], V]) -> V:
        """The value of a key, made now if it is not there.

        Whatever `make` raises is raised for everybody who waits, and the next one to ask tries again.
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
        """Forgets everything and keeps nothing from now on; who waits for what is being made still gets it."""
        with self._lock:
            self._limit = 0
            self._values.clear()
