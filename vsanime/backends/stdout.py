"""Redirect what native libraries print on stdout to stderr, to keep it out of the pipe of frames."""

from __future__ import annotations

import contextlib
import ctypes
import os
import sys
from collections.abc import Iterator
from threading import Lock

_STDOUT, _STDERR = 1, 2

_lock = Lock()
_guests = 0
_saved = -1


@contextlib.contextmanager
def guard_stdout() -> Iterator[None]:
    """Point file descriptor 1 at stderr within the context; any number of threads may do so at once.

    Do not use it while frames are written: frames of other scripts in the process would go to stderr as well.
    """
    _enter()
    try:
        yield
    finally:
        _leave()


def _enter() -> None:
    global _guests, _saved
    with _lock:
        _guests += 1
        if _guests > 1:
            return
        _flush()
        # A program without a console may have neither descriptor.
        with contextlib.suppress(OSError):
            _saved = os.dup(_STDOUT)
            try:
                os.dup2(_STDERR, _STDOUT)
            except OSError:
                os.close(_saved)
                _saved = -1


def _leave() -> None:
    global _guests, _saved
    with _lock:
        _guests -= 1
        if _guests or _saved < 0:
            return
        _flush()
        os.dup2(_saved, _STDOUT)
        os.close(_saved)
        _saved = -1


def _flush() -> None:
    """Flush the buffers of Python and of the C library, before descriptor 1 changes."""
    if sys.stdout is not None:
        with contextlib.suppress(OSError, ValueError):
            sys.stdout.flush()
    with contextlib.suppress(OSError, AttributeError):
        library = ctypes.CDLL("ucrtbase" if sys.platform == "win32" else None)
        library.fflush(None)
