"""List the entries of the engine cache, and remove those that are damaged, left over, unused or too large in sum."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from stat import S_ISREG
from typing import Literal

from vsanime.backends.cache import storage
from vsanime.backends.cache.locks import EntryLocks
from vsanime.backends.cache.storage import JSON, DamagedError
from vsanime.errors import VsanimeError

type State = Literal["good", "broken", "building", "leftover"]

_DAY_SECONDS = 86400.0


@dataclass(frozen=True)
class Entry:
    """An engine or a companion file, or the leftover files of a killed process.

    Attributes:
        key: the engine's key, or the companion's name with `.blob`.
        state: "good"; "broken": not what was written; "building": a process is working on it; "leftover": locks and
            unfinished files that no process owns.
        paths: paths of its files.
        size: size of its files in bytes.
        last_used: time of the last fetch or write.
        built: time at which its build ended; None if unknown.
        seconds: duration of the build in seconds; None if unknown.
        facts: the facts that its key was computed from.
        notes: the notes for people that `fetch` was given.
        problem: description of the damage; empty if there is none.
    """

    key: str
    state: State
    paths: tuple[Path, ...]
    size: int
    last_used: datetime
    built: datetime | None = None
    seconds: float | None = None
    facts: Mapping[str, JSON] = field(default_factory=dict, hash=False)
    notes: Mapping[str, JSON] = field(default_factory=dict, hash=False)
    problem: str = ""


@dataclass(frozen=True)
class Removal:
    """The outcome of removing an entry.

    Attributes:
        entry: the entry as it was listed.
        reason: why it was to be removed; empty if all entries were.
        kept: why it still exists; empty if it was removed.
        failed: whether that is a problem to solve, and not just an entry in use.
    """

    entry: Entry
    reason: str
    kept: str = ""
    failed: bool = False


def entries(folder: Path, locks: EntryLocks, *, verify: bool = False) -> list[Entry]:
    """Return the folder's entries, the most recently used first.

    Args:
        folder: folder of the cache.
        locks: locks of the folder.
        verify: compare contents with their sha256, not only sizes.

    Raises:
        VsanimeError: the folder cannot be read.
    """
    found: list[Entry] = []
    for owner, files in _files(folder).items():
        held = locks.held(owner)
        kept = _entry(owner, "good", [path for path in files if not storage.is_transient(path.name)])
        if kept is not None:
            kept = _inspect(folder, kept, verify=verify)
            found.append(replace(kept, state="building") if held and kept.state == "broken" else kept)
        # Unfinished files of a locked entry need no entry of their own.
        if kept is None or not held:
            transient = [path for path in files if storage.is_transient(path.name)]
            found += [entry] if (entry := _entry(owner, "building" if held else "leftover", transient)) else []
    return sorted(found, key=lambda entry: entry.last_used, reverse=True)


def prune(
    folder: Path, locks: EntryLocks, *, days: float | None, max_bytes: int | None, dry_run: bool
) -> list[Removal]:
    """Remove entries that are damaged, left over, unused for `days` days, or beyond `max_bytes`, oldest use first.

    Raises:
        VsanimeError: the folder cannot be read.
    """
    listed = entries(folder, locks, verify=True)
    reasons = {entry: reason for entry in listed if (reason := _reason(entry, days))}
    if max_bytes is not None:
        excess = sum(entry.size for entry in listed if entry not in reasons) - max_bytes
        for entry in reversed(listed):
            if excess > 0 and entry.state == "good" and entry not in reasons:
                reasons[entry] = "more than the size limit"
                excess -= entry.size
    return [
        Removal(entry, reason) if dry_run else _remove(folder, locks, entry, reason)
        for entry, reason in reasons.items()
    ]


def clear(folder: Path, locks: EntryLocks) -> list[Removal]:
    """Remove every entry that is not in use.

    Raises:
        VsanimeError: the folder cannot be read.
    """
    return [_remove(folder, locks, entry, "") for entry in entries(folder, locks)]


def _reason(entry: Entry, days: float | None) -> str:
    """Return why an entry is useless; empty if it is not."""
    if entry.state == "broken":
        return entry.problem
    if entry.state == "leftover":
        return "left over"
    unused = (datetime.now(UTC) - entry.last_used).total_seconds() / _DAY_SECONDS
    if entry.state == "good" and days is not None and unused > days:
        return f"unused for {unused:.0f} days"
    return ""


def _remove(folder: Path, locks: EntryLocks, entry: Entry, reason: str) -> Removal:
    """Remove an entry under its lock, if it has not changed since it was listed."""
    if entry.state == "building":
        return Removal(entry, reason, kept="in use")
    try:
        with locks.attempt(entry.key) as taken:
            if not taken:
                return Removal(entry, reason, kept="in use")
            if entry.state == "leftover":
                # The lock's own file is removed when it is released.
                for path in entry.paths:
                    if path.suffix == ".tmp":
                        path.unlink(missing_ok=True)
            elif _measure(entry.paths) != (entry.paths, entry.size, entry.last_used):
                return Removal(entry, reason, kept="used or built again meanwhile")
            elif storage.is_blob(entry.key):
                (folder / entry.key).unlink(missing_ok=True)
            else:
                storage.remove_engine(folder, entry.key)
    except OSError as error:
        # Windows removes no file that is being read, and a read-only folder allows no removal.
        return Removal(entry, reason, kept=f"cannot be removed: {error.strerror or error}", failed=True)
    return Removal(entry, reason)


def _files(folder: Path) -> dict[str, list[Path]]:
    """Return the cache's files by the entry they belong to, without foreign files."""
    found = defaultdict(list)
    try:
        for path in sorted(folder.iterdir()):
            owner = storage.owner_of(path.name)
            if owner is not None:
                found[owner].append(path)
    except FileNotFoundError:
        return {}
    except OSError as error:
        raise VsanimeError(f"the cache {folder} cannot be read: {error.strerror or error}; name a folder") from None
    return found


def _entry(owner: str, state: State, files: Sequence[Path]) -> Entry | None:
    """Return the entry that the files' names and status describe; None if none of them exists."""
    paths, size, last_used = _measure(files)
    return Entry(owner, state, paths, size, last_used) if paths else None


def _measure(files: Sequence[Path]) -> tuple[tuple[Path, ...], int, datetime]:
    """Return the existing files among `files`, their size in bytes, and the time of their last use."""
    found = []
    for path in files:
        # Removed meanwhile: Windows lists a removed file, whose status cannot be read, until its last reader ends.
        with suppress(OSError):
            status = path.stat()
            if S_ISREG(status.st_mode):
                found.append((path, status))
    used = max((status.st_mtime for _, status in found), default=0.0)
    size = sum(status.st_size for _, status in found)
    return tuple(path for path, _ in found), size, datetime.fromtimestamp(used, UTC)


def _inspect(folder: Path, entry: Entry, *, verify: bool) -> Entry:
    """Return an entry completed from its files, or marked as broken."""
    try:
        if storage.is_blob(entry.key):
            if verify:
                storage.read_blob(folder / entry.key)
            return entry
        sidecar = storage.read_sidecar(folder, entry.key)
        if sidecar is not None:
            entry = replace(
                entry, built=sidecar.built, seconds=sidecar.seconds, facts=sidecar.facts, notes=sidecar.notes
            )
            storage.check_engine(folder, entry.key, sidecar, whole=verify)
    except DamagedError as error:
        return replace(entry, state="broken", problem=str(error))
    return entry
