"""Makes termination signals clean up as Ctrl-C does."""

from __future__ import annotations

import _thread
import contextlib
import ctypes
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType

# Signals that ask a process to end: from `kill` or a shutdown; a closed terminal; Ctrl-Break on Windows.
NAMES = ("SIGTERM", "SIGHUP", "SIGBREAK")
# Windows' console events: close, logoff, shutdown.
_ENDS = (2, 5, 6)
_PATIENCE_SECONDS = 4.5  # Windows ends a process 5 seconds after it closed its console


@contextmanager
def terminated_like_interrupted() -> Iterator[None]:
    """Raise KeyboardInterrupt in the `with` block on signals that ask the process to end.

    An ignored signal stays ignored, such as SIGHUP under `nohup`.
    """

    def interrupt(_number: int, _frame: FrameType | None) -> None:
        raise KeyboardInterrupt

    before = {}
    try:
        for number in (getattr(signal, name) for name in NAMES if hasattr(signal, name)):
            if signal.getsignal(number) != signal.SIG_IGN:
                before[number] = signal.signal(number, interrupt)
    except ValueError:  # only the main thread receives signals
        yield
        return
    ended = threading.Event()
    try:
        with _watch_console(lambda event: interrupt_on_close(event, ended)):
            yield
    finally:
        ended.set()
        for number, handler in before.items():
            signal.signal(number, handler)


def interrupt_on_close(
    event: int, ended: threading.Event, interrupt: Callable[[], None] = _thread.interrupt_main
) -> bool:
    """Interrupt the main thread when the console closes, and wait for it: Windows ends the process on return.

    Args:
        event: Windows' number of the console event.
        ended: event that is set when the main thread has cleaned up.
        interrupt: function that interrupts the main thread.

    Returns:
        Whether the console event ends the process.
    """
    if event not in _ENDS:
        return False
    interrupt()
    ended.wait(_PATIENCE_SECONDS)
    return True


@contextmanager
def _watch_console(handle: Callable[[int], bool]) -> Iterator[None]:
    """Call a function on each console event in the `with` block; only Windows has such events."""
    if sys.platform != "win32":
        yield
        return
    handler = ctypes.WINFUNCTYPE(ctypes.c_int, ctypes.c_uint)(handle)
    added = False
    with contextlib.suppress(OSError, AttributeError):
        added = bool(ctypes.windll.kernel32.SetConsoleCtrlHandler(handler, 1))
    try:
        yield
    finally:
        if added:
            ctypes.windll.kernel32.SetConsoleCtrlHandler(handler, 0)
