"""Bytes of a foreign file, of a size that is checked first, and words of it that are safe to print."""

from __future__ import annotations

import json
import stat
from collections.abc import Callable
from pathlib import Path
from typing import Any

from vsanime.errors import VsanimeError, quote
from vsanime.models.filekinds import HEAD_BYTES, describe

# The largest network that is read has 4 million weights, 33 MB in double precision; a checkpoint may hold several.
MOST_BYTES = 256 << 20


def contents(path: Path, most: int = MOST_BYTES) -> bytes:
    """The bytes of a file.

    Args:
        path: the file.
        most: bytes that are read at most.

    Raises:
        VsanimeError: missing, no regular file, empty, too large, unreadable, or what holds no weights.
    """
    return _read(path, most, most)


def head(path: Path) -> bytes:
    """The first bytes of a file, by which formats are told apart.

    Raises:
        VsanimeError: missing, no regular file, empty, too large, unreadable, or what holds no weights.
    """
    return _read(path, MOST_BYTES, HEAD_BYTES)


def parsed_json(text: bytes, what: str, hook: Callable[[list[tuple[str, Any]]], Any] | None = None) -> Any:
    """What a JSON holds.

    Args:
        text: the JSON.
        what: what a message calls it.
        hook: makes something else than a dictionary of an object's pairs.

    Raises:
        VsanimeError: no JSON, nested too deeply, or with a number of thousands of digits.
    """
    try:
        return json.loads(text, object_pairs_hook=hook)
    except RecursionError:
        raise VsanimeError(f"{what} is nested too deeply") from None
    except (json.JSONDecodeError, UnicodeDecodeError) as error:
        raise VsanimeError(f"{what} is not readable as JSON: {error}") from None
    except ValueError:  # Python's advice on reading it all the same is not for users
        raise VsanimeError(f"{what} is not readable as JSON: a number in it has too many digits") from None


def shown(text: str) -> str:
    """A word of the file for a message: quoted, and cut where it is long."""
    return quote(text)


def _read(path: Path, most: int, wanted: int) -> bytes:
    try:
        status = path.stat()
        if stat.S_ISDIR(status.st_mode):
            raise VsanimeError(f"{path.name} is a folder; give the path of a file in it")
        if not stat.S_ISREG(status.st_mode):
            # A pipe or a device would keep its reader waiting.
            raise VsanimeError(f"{path.name} is not a regular file")
        if not status.st_size:
            raise VsanimeError(f"{path.name} is empty; download it again")
        if status.st_size > most:
            raise VsanimeError(f"{path.name} has {status.st_size:,} bytes; up to {most:,} are read")
        with path.open("rb") as file:
            data = file.read(min(wanted, status.st_size))  # room is taken for as much as is asked for
    except (OSError, ValueError) as error:  # ValueError: a path with a zero byte
        reason = getattr(error, "strerror", None) or error
        raise VsanimeError(f"{path.name} cannot be read: {reason}") from None
    if kind := describe(data[:HEAD_BYTES]):
        raise VsanimeError(f"{path.name} {kind}")
    return data
