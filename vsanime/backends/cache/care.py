"""Looking after the engine cache: what is in it, and removing what is damaged, left over, unused or too much."""

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
    """An engine or a companion file, or what a killed process left behind.

    Attributes:
        key: the engine's key, or the companion's name with `.blob`.
        state: "good"; "broken": not what was written; "building": a process is working on it; "leftover": locks and
            unfinished files that nobody holds.
        paths: its files.
        size: of its files, in bytes.
        last_used: when it was last fetched or written.
        built: when it was built; None where that is not known.
        seconds: how long that took; None where that is not known.
        facts: what its key was computed from.
        notes: what `fetch` was given for people.
        problem: what is wrong with it; empty if nothing is.
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
    """An entry that was to be removed.

    Attributes:
        entry: the entry as it was.
        reason: why it was to go; empty where everything was.
        kept: why it is still there all the same; empty if it is gone.
        failed: whether that is something to put right, and not just an entry in use.
    """

    entry: Entry
    reason: str
    kept: str = ""
    failed: bool = False


def entries(folder: Path, locks: EntryLocks, *, verify: bool = False) -> list[Entry]:
    """What is in the folder, the most recently used first.

    Args:
        folder: the cache.
        locks: its locks.
        verify: whether to read everything and compare it with its sha256, not only sizes.

    Raises:
        VsanimeError: the folder cannot be read.
    """
    found: list[Entry] = []
    for owner, files in _files(folder).items():
        held = locks.held(owner)
        kept = _entry(owner, "good", [path for path in files if not storage.is_transient(path.name)])
        if kept is not None:
            kept = _inspected(folder, kept, verify=verify)
            found.append(replace(kept, state="building") if held and kept.state == "broken" else kept)
        # What a holder of the lock works on is not worth a second line.
        if kept is None or not held:
            transient = [path for path in files if storage.is_transient(path.name)]
            found += [entry] if (entry := _entry(owner, "building" if held else "leftover", transient)) else []
    return sorted(found, key=lambda entry: entry.last_used, reverse=True)


def prune(
    folder: Path, locks: EntryLocks, *, days: float | None, max_bytes: int | None, dry_run: bool
) -> list[Removal]:
    """Removes what is damaged, left over, unused for `days` days, or, least recently used first, beyond `max_bytes`.

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
        Removal(entry, reason) if dry_run else _removed(folder, locks, entry, reason)
        for entry, reason in reasons.items()
    ]


def clear(folder: Path, locks: EntryLocks) -> list[Removal]:
    """Removes everything that nobody is working on.

    Raises:
        VsanimeError: the folder cannot be read.
    """
    return [_removed(folder, locks, entry, "") for entry in entries(folder, locks)]


def _reason(entry: Entry, days: float | None) -> str:
    """Why an entry is of no use to anybody; empty if it is."""
    if entry.state == "broken":
        return entry.problem
    if entry.state == "leftover":
        return "left over"
    unused = (datetime.now(UTC) - entry.last_used).total_seconds() / _DAY_SECONDS
    if entry.state == "good" and days is not None and unused > days:
        return f"unused for {unused:.0f} days"
    return ""


def _removed(folder: Path, locks: EntryLocks, entry: Entry, reason: str) -> Removal:
    """Removes an entry under its lock, if it still is what it was when it was listed."""
    if entry.state == "building":
        return Removal(entry, reason, kept="in use")
    try:
        with locks.attempt(entry.key) as taken:
            if not taken:
                return Removal(entry, reason, kept="in use")
            if entry.state == "leftover":
                # The lock's own file goes when it is given back.
                for path in entry.paths:
                    if path.suffix == ".tmp":
                        path.unlink(missing_ok=True)
            elif _measured(entry.paths) != (entry.paths, entry.size, entry.last_used):
                return Removal(entry, reason, kept="used or built again meanwhile")
            elif storage.is_blob(entry.key):
                (folder / entry.key).unlink(missing_ok=True)
            else:
                storage.remove_engine(folder, entry.key)
    except OSError as error:
        # Windows removes no file that somebody is reading; a read-only folder gives nothing away.
        return Removal(entry, reason, kept=f"cannot be removed: {error.strerror or error}", failed=True)
    return Removal(entry, reason)


def _files(folder: Path) -> dict[str, list[Path]]:
    """The cache's files by the entry they belong to; files of others are left out."""
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
    """What the files alone tell; None if there are none, or no longer."""
    paths, size, last_used = _measured(files)
    return Entry(owner, state, paths, size, last_used) if paths else None


def _measured(files: Sequence[Path]) -> tuple[tuple[Path, ...], int, datetime]:
    """Those of the files that are there, their size in bytes, and when the last of them was used."""
    found = []
    for path in files:
        # Gone meanwhile, or going: Windows shows a removed file, which cannot be looked at, until its last reader ends.
        with suppress(OSError):
            status = path.stat()
            if S_ISREG(status.st_mode):
                found.append((path, status))
    used = max((status.st_mtime for _, status in found), default=0.0)
    size = sum(status.st_size for _, status in found)
    return tuple(path for path, _ in found), size, datetime.fromtimestamp(used, UTC)


def _inspected(folder: Path, entry: Entry, *, verify: bool) -> Entry:
    """An entry with what its files say, or what is wrong with them."""
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
