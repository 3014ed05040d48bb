"""Signals that ask a process to end, and a console that is closed, clean up as Ctrl-C does."""

from __future__ import annotations

import signal
import threading
import time

import pytest

from vsanime.cli.interrupts import NAMES, interrupt_on_close, terminated_like_interrupted

HERE = [name for name in NAMES if hasattr(signal, name)]


@pytest.mark.parametrize("name", HERE)
def test_a_signal_interrupts(name: str) -> None:
    number = getattr(signal, name)
    before = signal.getsignal(number)
    with pytest.raises(KeyboardInterrupt), terminated_like_interrupted():
        signal.raise_signal(number)
    assert signal.getsignal(number) == before


@pytest.mark.parametrize("name", HERE)
def test_a_signal_that_is_ignored_stays_ignored(name: str) -> None:
    """As `nohup` has it."""
    number = getattr(signal, name)
    before = signal.signal(number, signal.SIG_IGN)
    try:
        with terminated_like_interrupted():
            signal.raise_signal(number)
            assert signal.getsignal(number) == signal.SIG_IGN
    finally:
        signal.signal(number, before)


def test_other_threads_are_left_alone() -> None:
    done = []

    def work() -> None:
        with terminated_like_interrupted():
            done.append(True)

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert done == [True]


@pytest.mark.parametrize("event", [2, 5, 6])
def test_a_console_that_closes_waits_for_the_cleaning_up(event: int) -> None:
    ended = threading.Event()

    def interrupt() -> None:
        threading.Timer(0.1, ended.set).start()

    began = time.monotonic()
    assert interrupt_on_close(event, ended, interrupt)
    assert ended.is_set()
    assert 0.09 < time.monotonic() - began < 4


def test_the_main_thread_is_interrupted_when_the_console_closes() -> None:
    ended, interrupted = threading.Event(), False
    try:
        threading.Thread(target=interrupt_on_close, args=(2, ended)).start()
        time.sleep(5)
    except KeyboardInterrupt:
        interrupted = True
    finally:
        ended.set()
    assert interrupted


@pytest.mark.parametrize("event", [0, 1])
def test_ctrl_c_is_left_to_python(event: int) -> None:
    assert not interrupt_on_close(event, threading.Event(), lambda: pytest.fail("interrupted"))
