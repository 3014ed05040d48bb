"""Lock entries of the engine cache between processes and threads; a lock ends with its owner."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from vsanime.locks import BaseFileLock, acquire

LOCK_SUFFIX = ".lock"
# Locked only while an entry's lock is acquired or released; never removed.
GATE = f"cache{LOCK_SUFFIX}"

# The gate is locked for less than a millisecond: a longer wait than this has another cause.
_GATE_SECONDS = 10.0
_POLL_SECONDS = 0.1
# A second look at a finished entry takes less time than this; a build takes longer.
_PATIENCE_SECONDS = 1.0
# The longest build reported for a network of this kind took less than half of this. A process that owns a lock for
# longer is stuck, and the engine is built without being cached.
_WAIT_SECONDS = 3600.0


class EntryLocks:
    """Locks named after a folder's entries.

    They are locks of the operating system, which releases them when their owner ends, however it ends.

    A lock's file is removed when the lock is released. On POSIX that alone would be wrong: a process that had opened
    the file before it was removed would then lock a file without a name, and the next one a new file of that name, both
    believing to be alone. So locks are acquired (in one attempt, without waiting) and released, and their files
    removed, only while the gate is locked: no process has a file open that is being removed. The gate's own file stays.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    @contextmanager
    def hold(self, name: str, on_wait: Callable[[], None]) -> Iterator[None]:
        """Acquire an entry's lock for the context, waiting for as long as another owner has it.

        Args:
            name: name of the entry.
            on_wait: called once if the wait is longer than a second.

        Raises:
            OSError: the folder cannot be written, its file system has no locks, or another owner has had the lock for
                an hour.
        """
        lock = self._waited_for(name, on_wait)
        try:
            yield
        finally:
            self._give_back(lock)

    @contextmanager
    def attempt(self, name: str) -> Iterator[bool]:
        """Acquire an entry's lock for the context if it is free, and yield whether it was.

        Raises:
            OSError: the folder cannot be written, or its file system has no locks.
        """
        lock = self._taken(name)
        try:
            yield lock is not None
        finally:
            if lock is not None:
                self._give_back(lock)

    def held(self, name: str) -> bool:
        """Return whether an entry is locked; True as well if that cannot be determined."""
        try:
            if not self._path(name).exists():
                return False
            lock = self._taken(name)
        except OSError:
            return True
        if lock is not None:
            # Its file stays: a query removes nothing.
            lock.release()
        return lock is None

    def _waited_for(self, name: str, on_wait: Callable[[], None]) -> BaseFileLock:
        started, told = time.monotonic(), False
        while (lock := self._taken(name)) is None:
            if time.monotonic() - started > _WAIT_SECONDS:
                raise TimeoutError(f"another process has held {self._path(name)} for {_WAIT_SECONDS:.0f} seconds")
            if not told and time.monotonic() - started > _PATIENCE_SECONDS:
                on_wait()
                told = True
            time.sleep(_POLL_SECONDS)
        return lock

    def _taken(self, name: str) -> BaseFileLock | None:
        """Return the acquired lock, or None if it is owned elsewhere."""
        with self._gate():
            try:
                return acquire(self._path(name), seconds=0)
            except TimeoutError:
                return None

    def _give_back(self, lock: BaseFileLock) -> None:
        try:
            with self._gate():
                # In this order: Windows removes no open file.
                lock.release()
                Path(lock.lock_file).unlink(missing_ok=True)
        except OSError:
            pass  # the file stays, which does no harm; pruning removes it
        finally:
            lock.release()

    @contextmanager
    def _gate(self) -> Iterator[None]:
        gate = acquire(self._folder / GATE, seconds=_GATE_SECONDS)
        try:
            yield
        finally:
            gate.release()

    def _path(self, name: str) -> Path:
        return self._folder / f"{name}{LOCK_SUFFIX}"
