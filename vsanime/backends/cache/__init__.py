"""The cache of built engines: one process builds, the others wait for it, and what is damaged is built again."""

from __future__ import annotations

import contextlib
import logging
import os
import threading
import time
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from pathlib import Path

import platformdirs

from vsanime import files
from vsanime.backends.cache import care, storage
from vsanime.backends.cache.care import Entry, Removal
from vsanime.backends.cache.locks import EntryLocks
from vsanime.backends.cache.storage import JSON, DamagedError, key_of

__all__ = ["JSON", "EngineCache", "Entry", "Removal", "cache_folder", "key_of"]

_log = logging.getLogger("vsanime")

# Folders that could not be written, told once each.
_told: set[Path] = set()
_telling = threading.Lock()


def cache_folder() -> Path:
    """Where engines are kept: VSANIME_CACHE_DIR, or a folder in the user's cache."""
    chosen = os.environ.get("VSANIME_CACHE_DIR")
    if not chosen:
        return platformdirs.user_cache_path("vsanime", appauthor=False) / "engines"
    return files.expand(chosen)


class EngineCache:
    """Built engines in a folder, each under the sha256 of everything that went into it.

    Beside `<key>.engine` lies `<key>.json`, which says what it is. Any number of processes and threads may use a folder
    at once, and any of them may be killed at any moment.

    Args:
        folder: where; `cache_folder()` if None. It is made when something is written.
    """

    def __init__(self, folder: Path | None = None) -> None:
        # Absolute, because a script may change its working folder.
        self.folder = (cache_folder() if folder is None else folder).absolute()
        self._locks = EntryLocks(self.folder)

    def fetch(self, facts: Mapping[str, JSON], notes: Mapping[str, JSON], build: Callable[[], bytes]) -> bytes:
        """An engine from the cache, or a new one, which is kept.

        Where the cache cannot be written, that is told once, and the engine is built without being kept.

        Args:
            facts: everything that decides what the engine is: sha256 of the graph, shapes, precision, versions of
                runtime and driver, compute capability, builder settings. What differs in one of them is another engine.
            notes: for people, of no influence: `vsanime cache list` shows "model", "size", "precision" and "card".
            build: builds the engine; what it raises passes through, and leaves nothing behind.
        """
        key = key_of(facts)
        # Without the lock: what is there was written whole, and a good entry in a read-only folder can be used.
        with contextlib.suppress(DamagedError):
            if (engine := self._found(key)) is not None:
                return engine
        with ExitStack() as stack:
            try:
                stack.enter_context(self._locks.hold(key, lambda: self._tell_wait(key, notes)))
            except OSError as error:
                self._tell_unwritable(error)
                return build()
            return self._found_or_built(key, facts, notes, build)

    def holds(self, facts: Mapping[str, JSON]) -> bool:
        """Whether an engine is kept, and has the size that it should have."""
        key = key_of(facts)
        with contextlib.suppress(DamagedError, OSError):
            if (sidecar := storage.read_sidecar(self.folder, key)) is not None:
                storage.check_engine(self.folder, key, sidecar, whole=False)
                return True
        return False

    def discard(self, facts: Mapping[str, JSON]) -> None:
        """Removes an engine that the runtime refuses to load.

        One that another process builds meanwhile stays: it is a new one. A folder that cannot be written stays as it
        is.
        """
        key = key_of(facts)
        sidecar = storage.sidecar_path(self.folder, key)
        refused = _bytes_of(sidecar)
        try:
            with self._locks.hold(key, lambda: self._tell_wait(key, {})):
                if _bytes_of(sidecar) == refused:
                    storage.remove_engine(self.folder, key)
        except OSError as error:
            _log.debug("%s cannot be removed: %s", storage.engine_path(self.folder, key), error)

    def load_blob(self, name: str) -> bytes | None:
        """A companion file, as the runtime's own caches are; None if there is none or it is damaged.

        Args:
            name: a file name such as `<key>-sm120.jit` or `timing-10.14-sm89.cache`.

        Raises:
            ValueError: the name has characters other than letters, digits, ".", "_" and "-".
        """
        path = storage.blob_path(self.folder, name)
        try:
            data = storage.read_blob(path)
        except DamagedError:
            return self._repaired_blob(path)
        if data is not None:
            storage.note_use(path)
        return data

    def save_blob(self, name: str, data: bytes) -> None:
        """Keeps a companion file; of two processes that do so at once, the later wins.

        Raises:
            ValueError: the name has characters other than letters, digits, ".", "_" and "-".
        """
        path = storage.blob_path(self.folder, name)
        try:
            with self._locks.hold(path.name, lambda: None):
                self._remove_partial(path.name)
                storage.write_blob(path, data)
        except OSError as error:
            _log.debug("%s cannot be written: %s", path, error)

    def entries(self) -> list[Entry]:
        """What is in the folder, the most recently used first. Sizes are compared, contents are not.

        Raises:
            VsanimeError: the folder cannot be read.
        """
        return care.entries(self.folder, self._locks)

    def prune(self, *, days: float | None = None, max_bytes: int | None = None, dry_run: bool = False) -> list[Removal]:
        """Removes what is damaged or left over, and what has not been used for long or is too much.

        Args:
            days: entries unused for longer go; None for no limit.
            max_bytes: the least recently used go until the rest is no larger; None for no limit.
            dry_run: only tells what would go.

        Returns:
            What was removed, and what should have been but could not.

        Raises:
            VsanimeError: the folder cannot be read.
        """
        return care.prune(self.folder, self._locks, days=days, max_bytes=max_bytes, dry_run=dry_run)

    def clear(self) -> list[Removal]:
        """Removes everything that nobody is working on.

        Raises:
            VsanimeError: the folder cannot be read.
        """
        return care.clear(self.folder, self._locks)

    def _found(self, key: str) -> bytes | None:
        engine = storage.read_engine(self.folder, key)
        if engine is not None:
            storage.note_use(storage.sidecar_path(self.folder, key))
        return engine

    def _found_or_built(
        self, key: str, facts: Mapping[str, JSON], notes: Mapping[str, JSON], build: Callable[[], bytes]
    ) -> bytes:
        """A second look, now that nobody else is building; then the build."""
        try:
            if (engine := self._found(key)) is not None:
                return engine
        except DamagedError as error:
            _log.warning("%s; the engine is built again", error)
        self._remove_partial(key)
        started = time.monotonic()
        engine = build()
        try:
            storage.write_engine(self.folder, facts, notes, engine, time.monotonic() - started)
        except OSError as error:
            self._tell_unwritable(error)
        return engine

    def _repaired_blob(self, path: Path) -> bytes | None:
        """Removes a damaged blob, unless another process has just replaced it: then that one."""
        try:
            with self._locks.hold(path.name, lambda: None):
                try:
                    return storage.read_blob(path)
                except DamagedError as error:
                    _log.debug("%s; it is removed", error)
                    path.unlink()
        except OSError as error:
            _log.debug("%s cannot be removed: %s", path, error)
        return None

    def _remove_partial(self, owner: str) -> None:
        """Removes what a killed process was writing; whoever holds the lock is the only one who writes."""
        for path in self.folder.glob(f"{owner}.*.tmp"):
            with contextlib.suppress(OSError):
                path.unlink()

    def _tell_wait(self, key: str, notes: Mapping[str, JSON]) -> None:
        # A warning, because it is shown where nobody has set up logging, and the script seems to hang.
        what = " ".join(str(notes[name]) for name in ("model", "size", "precision") if name in notes)
        _log.warning("another process is building the engine %s; waiting for it", what or key)

    def _tell_unwritable(self, error: OSError) -> None:
        with _telling:
            if self.folder in _told:
                return
            _told.add(self.folder)
        _log.warning(
            "engines cannot be kept in %s (%s) and are built every time; set VSANIME_CACHE_DIR, or the backend's "
            "engine_dir, to a folder that can be written",
            self.folder,
            error.strerror or error,
        )


def _bytes_of(path: Path) -> bytes | None:
    try:
        return path.read_bytes()
    except OSError:
        return None
