"""Locks files between processes, by locks of the operating system alone."""

from __future__ import annotations

import errno
import inspect
from pathlib import Path
from typing import Any

from filelock import BaseFileLock, FileLock, SoftFileLock

__all__ = ["BaseFileLock", "NoLocksError", "acquire"]

# filelock from 3.32 on can be told not to put a marker file in the place of a lock. Older versions turn the object into
# a SoftFileLock.
_OPTIONS: dict[str, Any] = (
    {"fallback_to_soft": False} if "fallback_to_soft" in inspect.signature(FileLock).parameters else {}
)


class NoLocksError(OSError):
    """The file system has no locks."""

    def __init__(self) -> None:
        super().__init__(errno.ENOSYS, "the file system has no locks")


def acquire(path: Path, seconds: float) -> BaseFileLock:
    """Acquire the lock of a file, which the operating system releases when its holder ends, however it ends.

    A marker file, which newer versions of filelock use where a file system has no locks, is never accepted: it would
    outlive a killed holder.

    Args:
        path: the lock's file, made if it is missing.
        seconds: how long to wait while somebody else holds the lock; 0 for one attempt.

    Raises:
        TimeoutError: somebody else holds it.
        NoLocksError: the file system has no locks.
        OSError: the file cannot be opened.
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
