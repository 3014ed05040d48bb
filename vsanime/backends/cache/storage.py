"""Name, write, read and check the files of the engine cache."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import re
import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from vsanime import files
from vsanime._version import __version__
from vsanime.backends.cache.locks import LOCK_SUFFIX

type JSON = str | int | float | bool | Sequence[JSON] | Mapping[str, JSON] | None

# Format of the sidecar. Raise it when its fields change: entries of other formats are built again.
FORMAT = 1

BLOB_SUFFIX = ".blob"
_BLOB_HEAD = re.compile(rb"vsanime blob 1\nsha256 ([0-9a-f]{64})\n")
_BLOB_HEAD_BYTES = len("vsanime blob 1\nsha256 \n") + 64

_BLOB_NAME = "[A-Za-z0-9][A-Za-z0-9._-]{0,149}"
# In both patterns the group is the entry that a file belongs to.
_ENGINE_FILE = re.compile(r"([0-9a-f]{64})(?:\.lock|\.(?:engine|json)(?:\.[0-9a-f]{8}\.tmp)?)")
_BLOB_FILE = re.compile(rf"({_BLOB_NAME}\.blob)(?:\.lock|\.[0-9a-f]{{8}}\.tmp)?")


class DamagedError(Exception):
    """An error for a damaged file, with its path and the damage; caught within the cache."""


@dataclass(frozen=True)
class Sidecar:
    """The description that is written beside an engine.

    Attributes:
        facts: the facts that its key was computed from.
        notes: information for people.
        sha256: sha256 of the engine, as hexadecimal text.
        size: size of the engine in bytes.
        built: time at which the build ended.
        seconds: duration of the build in seconds.
    """

    facts: Mapping[str, JSON]
    notes: Mapping[str, JSON]
    sha256: str
    size: int
    built: datetime
    seconds: float


def key_of(facts: Mapping[str, JSON]) -> str:
    """Return the sha256 of the facts' canonical JSON: names sorted, no spaces, ASCII."""
    text = json.dumps(dict(facts), sort_keys=True, separators=(",", ":"), allow_nan=False)
    return hashlib.sha256(text.encode()).hexdigest()


def engine_path(folder: Path, key: str) -> Path:
    """Return the path of an engine."""
    return folder / f"{key}.engine"


def sidecar_path(folder: Path, key: str) -> Path:
    """Return the path of an engine's sidecar."""
    return folder / f"{key}.json"


def blob_path(folder: Path, name: str) -> Path:
    """Return the path of a companion file.

    Raises:
        ValueError: the name is not a plain file name.
    """
    if re.fullmatch(_BLOB_NAME, name) is None:
        raise ValueError(f"{name!r} is no name for a cached file; letters, digits, '.', '_' and '-', 150 at most")
    return folder / f"{name}{BLOB_SUFFIX}"


def owner_of(file: str) -> str | None:
    """Return the entry that a file belongs to: an engine's key or a blob's file name; None for foreign files.

    The entry's lock covers all of its files: engine and sidecar, or blob; unfinished files; the lock's own file.
    """
    match = _ENGINE_FILE.fullmatch(file) or _BLOB_FILE.fullmatch(file)
    return match[1] if match else None


def is_blob(owner: str) -> bool:
    """Return whether an entry is a companion file, and not an engine."""
    return owner.endswith(BLOB_SUFFIX)


def is_transient(file: str) -> bool:
    """Return whether a file is a lock or an unfinished file."""
    return file.endswith((LOCK_SUFFIX, ".tmp"))


def write(path: Path, data: bytes) -> None:
    """Write a file to disk under a temporary name and rename it: readers see all of it or nothing.

    Raises:
        OSError: the file cannot be written; nothing is left then.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    files.write(path, data, path.with_name(f"{path.name}.{secrets.token_hex(4)}.tmp"))


def write_engine(
    folder: Path, facts: Mapping[str, JSON], notes: Mapping[str, JSON], engine: bytes, seconds: float
) -> None:
    """Write an engine and then its sidecar, without which it does not count.

    Raises:
        OSError: they cannot be written; nothing is left then.
    """
    key = key_of(facts)
    record = {
        "format": FORMAT,
        "vsanime": __version__,
        "notes": dict(notes),
        "facts": dict(facts),
        "sha256": hashlib.sha256(engine).hexdigest(),
        "size": len(engine),
        "built": datetime.now(UTC).isoformat(timespec="seconds"),
        "seconds": round(seconds, 1),
    }
    # `default`, because a note of another type must not cost an engine that may have taken minutes to build.
    text = json.dumps(record, indent=2, default=str) + "\n"
    try:
        write(engine_path(folder, key), engine)
        write(sidecar_path(folder, key), text.encode())
    except OSError:
        # On a full disk, an engine that does not count would only take space.
        with contextlib.suppress(OSError):
            remove_engine(folder, key)
        raise


def remove_engine(folder: Path, key: str) -> None:
    """Remove an engine; the sidecar first, so that an engine whose removal fails half-way does not count.

    Raises:
        OSError: a file cannot be removed.
    """
    sidecar_path(folder, key).unlink(missing_ok=True)
    engine_path(folder, key).unlink(missing_ok=True)


def read_engine(folder: Path, key: str) -> bytes | None:
    """Return an engine if it is the one that its sidecar describes; None if there is neither.

    Raises:
        DamagedError: engine or sidecar is missing, cannot be read, or is damaged.
    """
    sidecar = read_sidecar(folder, key)
    if sidecar is None:
        return None
    path = engine_path(folder, key)
    try:
        engine = path.read_bytes()
    except OSError as error:
        raise DamagedError(f"{path} cannot be read: {error.strerror or error}") from None
    _check_size(path, len(engine), sidecar)
    if hashlib.sha256(engine).hexdigest() != sidecar.sha256:
        raise DamagedError(f"{path} is damaged: its sha256 is not the one that was written down")
    return engine


def check_engine(folder: Path, key: str, sidecar: Sidecar, *, whole: bool) -> None:
    """Check that an engine is the one that its sidecar describes, by its contents (`whole`) or only by its size.

    Raises:
        DamagedError: the engine is missing or damaged.
    """
    if whole:
        read_engine(folder, key)
        return
    path = engine_path(folder, key)
    try:
        size = path.stat().st_size
    except OSError as error:
        raise DamagedError(f"{path} cannot be read: {error.strerror or error}") from None
    _check_size(path, size, sidecar)


def _check_size(path: Path, size: int, sidecar: Sidecar) -> None:
    if size != sidecar.size:
        raise DamagedError(f"{path} is damaged: it has {size} bytes, {sidecar.size} were written")


def read_sidecar(folder: Path, key: str) -> Sidecar | None:
    """Return an engine's sidecar; None if there is neither sidecar nor engine.

    Raises:
        DamagedError: the sidecar is missing, cannot be read, or is invalid.
    """
    path, engine = sidecar_path(folder, key), engine_path(folder, key)
    try:
        record = json.loads(path.read_bytes())
    except (FileNotFoundError, NotADirectoryError):
        if not engine.exists():
            return None
        raise DamagedError(f"{engine} has no {path.name} beside it") from None
    except OSError as error:
        raise DamagedError(f"{path} cannot be read: {error.strerror or error}") from None
    except (ValueError, RecursionError):
        raise DamagedError(f"{path} is damaged: no JSON") from None
    return _sidecar(path, key, record)


def _sidecar(path: Path, key: str, record: Any) -> Sidecar:
    """Return a sidecar parsed from its JSON.

    Raises:
        DamagedError: the format is another one, or fields are missing or invalid.
    """
    try:
        form = record["format"]
        if form != FORMAT:
            raise DamagedError(f"{path} has format {form!r}, this version of vsanime reads {FORMAT}")
        sidecar = Sidecar(
            facts=dict(record["facts"]),
            notes=dict(record["notes"]),
            sha256=str(record["sha256"]),
            size=int(record["size"]),
            built=datetime.fromisoformat(record["built"]),
            seconds=float(record["seconds"]),
        )
        if key_of(sidecar.facts) != key:
            raise DamagedError(f"{path} is damaged: its facts are not those of its name")
    except (KeyError, TypeError, ValueError, OverflowError):
        raise DamagedError(f"{path} is damaged: fields are missing or make no sense") from None
    return sidecar


def note_use(path: Path) -> None:
    """Record that an entry was used, as the modification time of its sidecar or blob, if that can be written."""
    with contextlib.suppress(OSError):
        os.utime(path)


def write_blob(path: Path, data: bytes) -> None:
    """Write a companion file with its sha256 at the head.

    Raises:
        OSError: the file cannot be written.
    """
    digest = hashlib.sha256(data).hexdigest()
    write(path, f"vsanime blob 1\nsha256 {digest}\n".encode() + data)


def read_blob(path: Path) -> bytes | None:
    """Return the contents of a companion file; None if there is none.

    Raises:
        DamagedError: the file cannot be read, or is not what was written.
    """
    try:
        content = path.read_bytes()
    except (FileNotFoundError, NotADirectoryError):
        return None
    except OSError as error:
        raise DamagedError(f"{path} cannot be read: {error.strerror or error}") from None
    head, data = _BLOB_HEAD.match(content), content[_BLOB_HEAD_BYTES:]
    if head is None or head[1].decode() != hashlib.sha256(data).hexdigest():
        raise DamagedError(f"{path} is damaged: its sha256 is not the one at its head")
    return data
