"""Cache built engines: one process builds, the others wait for it, and damaged entries are built again."""

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

# Folders that could not be written; each is reported once.
_told: set[Path] = set()
_telling = threading.Lock()


def cache_folder() -> Path:
    """Return the folder of cached engines: VSANIME_CACHE_DIR, or a folder in the user's cache."""
    chosen = os.environ.get("VSANIME_CACHE_DIR")
    if not chosen:
        return platformdirs.user_cache_path("vsanime", appauthor=False) / "engines"
    return files.expand(chosen)


class EngineCache:
    """Built engines in a folder, each named by the sha256 of everything that determines it.

    Beside `<key>.engine` lies `<key>.json`, which describes it. Any number of processes and threads may use a folder at
    once, and any of them may be killed at any moment.

    Args:
        folder: folder of the cache; `cache_folder()` if None. It is created on the first write.
    """

    def __init__(self, folder: Path | None = None) -> None:
        # Absolute, because a script may change its working folder.
        self.folder = (cache_folder() if folder is None else folder).absolute()
        self._locks = EntryLocks(self.folder)

    def fetch(self, facts: Mapping[str, JSON], notes: Mapping[str, JSON], build: Callable[[], bytes]) -> bytes:
        """Return an engine from the cache, or build and cache it.

        If the cache cannot be written, a warning is logged once, and the engine is built without being cached.

        Args:
            facts: everything that determines the engine: sha256 of the graph, shapes, precision, versions of runtime
                and driver, compute capability, builder settings. A difference in one of them means another engine.
            notes: information for people only: `vsanime cache list` shows "model", "size", "precision" and "card".
            build: returns the built engine; an exception that it raises passes through, and leaves nothing behind.
        """
        key = key_of(facts)
        # Without the lock: files appear only when complete, and a good entry in a read-only folder can be used.
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
        """Return whether an engine is cached and has its recorded size."""
        key = key_of(facts)
        with contextlib.suppress(DamagedError, OSError):
            if (sidecar := storage.read_sidecar(self.folder, key)) is not None:
                storage.check_engine(self.folder, key, sidecar, whole=False)
                return True
        return False

    def discard(self, facts: Mapping[str, JSON]) -> None:
        """Remove an engine that the runtime refuses to load.

        An engine that another process builds meanwhile stays, because it is a new one. A folder that cannot be written
        stays unchanged.
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
        """Return a companion file, such as the runtime's own caches; None if it is missing or damaged.

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
        """Save a companion file; if two processes do so at once, the later one wins.

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
        """Return the folder's entries, the most recently used first, after comparing sizes but not contents.

        Raises:
            VsanimeError: the folder cannot be read.
        """
        return care.entries(self.folder, self._locks)

    def prune(self, *, days: float | None = None, max_bytes: int | None = None, dry_run: bool = False) -> list[Removal]:
        """Remove damaged and leftover entries, and those that are unused for too long or exceed the size limit.

        Args:
            days: remove entries unused for more days; None for no limit.
            max_bytes: remove the least recently used until the rest is no larger; None for no limit.
            dry_run: remove nothing, only return what would be removed.

        Returns:
            The entries that were removed, and those that should have been but could not.

        Raises:
            VsanimeError: the folder cannot be read.
        """
        return care.prune(self.folder, self._locks, days=days, max_bytes=max_bytes, dry_run=dry_run)

    def clear(self) -> list[Removal]:
        """Remove every entry that is not in use.

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
        """Look for the engine again, now under its lock, and build it if it is still missing."""
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
        """Remove a damaged blob, unless another process has just replaced it: then return the new one."""
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
        """Remove unfinished files of killed processes; nobody else is writing, since only the lock's owner writes."""
        for path in self.folder.glob(f"{owner}.*.tmp"):
            with contextlib.suppress(OSError):
                path.unlink()

    def _tell_wait(self, key: str, notes: Mapping[str, JSON]) -> None:
        # A warning, because it is shown without any logging setup, and the script seems to hang.
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
