"""Locks files between processes, with operating system locks only."""

from __future__ import annotations

import errno
import inspect
from pathlib import Path
from typing import Any

from filelock import BaseFileLock, FileLock, SoftFileLock

__all__ = ["BaseFileLock", "NoLocksError", "acquire"]

# filelock has an option from 3.32 on to not use a marker file in place of a lock. Older versions turn the object into a
# SoftFileLock.
_OPTIONS: dict[str, Any] = (
    {"fallback_to_soft": False} if "fallback_to_soft" in inspect.signature(FileLock).parameters else {}
)


class NoLocksError(OSError):
    """Error raised when the file system does not support locks."""

    def __init__(self) -> None:
        super().__init__(errno.ENOSYS, "the file system has no locks")


def acquire(path: Path, seconds: float) -> BaseFileLock:
    """Acquire the lock of a file, which the operating system releases when its holder ends in any way.

    A marker file, which newer versions of filelock use where a file system has no locks, is never accepted: it would
    outlive a killed holder.

    Args:
        path: path of the lock file, created if it is missing.
        seconds: longest time to wait for another holder, in seconds; 0 for a single attempt.

    Raises:
        TimeoutError: another process holds the lock.
        NoLocksError: the file system has no locks.
        OSError: the lock file cannot be opened.
    """
    lock: BaseFileLock = FileLock(path, **_OPTIONS)
    try:
        lock.acquire(timeout=seconds, blocking=seconds > 0)
    except OSError as error:
        if error.errno == errno.ENOSYS:
            raise NoLocksError from None
        raise
    if isinstance(lock, SoftFileLock):
        lock.release()
        raise NoLocksError
    return lock
