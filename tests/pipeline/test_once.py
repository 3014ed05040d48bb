"""Values that several threads want and one computes."""

from __future__ import annotations

import threading
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from vsanime.pipeline.once import Once


def test_a_value_is_computed_once_for_all_who_wait() -> None:
    made: list[int] = []
    once: Once[str, int] = Once(4)
    together = threading.Barrier(8)

    def make() -> int:
        made.append(1)
        time.sleep(0.05)  # so that the others come while it is made
        return 7

    def ask(_: int) -> int:
        together.wait()
        return once.get("key", make)

    with ThreadPoolExecutor(8) as pool:
        assert list(pool.map(ask, range(8))) == [7] * 8
    assert made == [1]


def test_the_one_used_longest_ago_makes_room() -> None:
    once: Once[int, int] = Once(2)
    made: list[int] = []

    def ask(key: int) -> None:
        once.get(key, lambda: made.append(key) or key)

    for key in (1, 2, 1, 3, 1, 2):
        ask(key)
    assert made == [1, 2, 3, 2]
    assert len(once) == 2


def test_a_failure_is_everybodys_and_the_next_one_tries_again() -> None:
    once: Once[str, int] = Once(2)
    begun = threading.Event()

    def fail() -> int:
        begun.set()
        time.sleep(0.05)
        raise ValueError("no")

    def wait() -> int:
        begun.wait()
        return once.get("key", lambda: 1)

    with ThreadPoolExecutor(2) as pool:
        asked = [pool.submit(once.get, "key", fail), pool.submit(wait)]
        for future in asked:
            with pytest.raises(ValueError, match="no"):
                future.result()
    assert once.get("key", lambda: 3) == 3


def test_nothing_is_kept_once_closed() -> None:
    once: Once[str, int] = Once(2)
    once.get("key", lambda: 1)
    once.close()
    assert len(once) == 0
    assert once.get("key", lambda: 2) == 2
    assert len(once) == 0
