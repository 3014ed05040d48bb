"""Reads a foreign file after checking its size, and quotes its text safely in messages."""

from __future__ import annotations

import json
import stat
from collections.abc import Callable
from pathlib import Path
from typing import Any

from vsanime.errors import VsanimeError, quote
from vsanime.models.filekinds import HEAD_BYTES, describe

# The largest supported network has 4 million weights, 33 MB in double precision; a checkpoint may hold several.
MOST_BYTES = 256 << 20


def contents(path: Path, most: int = MOST_BYTES) -> bytes:
    """Return the bytes of a file.

    Args:
        path: file to read.
        most: largest accepted size in bytes.

    Raises:
        VsanimeError: if the file is missing, not regular, empty, too large, unreadable, or of a kind that holds no
            weights.
    """
    return _read(path, most, most)


def head(path: Path) -> bytes:
    """Return the first `HEAD_BYTES` bytes of a file, by which formats are recognized.

    Raises:
        VsanimeError: as in `contents`.
    """
    return _read(path, MOST_BYTES, HEAD_BYTES)


def parse_json(text: bytes, what: str, hook: Callable[[list[tuple[str, Any]]], Any] | None = None) -> Any:
    """Return the value of a JSON text.

    Args:
        text: JSON text in UTF-8.
        what: name of the text in messages.
        hook: converts the key-value pairs of each object; None makes dictionaries.

    Raises:
        VsanimeError: if the text is not JSON, is nested too deeply, or has a number of thousands of digits.
    """
    try:
        return json.loads(text, object_pairs_hook=hook)
    except RecursionError:
        raise VsanimeError(f"{what} is nested too deeply") from None
    except (json.JSONDecodeError, UnicodeDecodeError) as error:
        raise VsanimeError(f"{what} is not readable as JSON: {error}") from None
    except ValueError:  # Python's own message advises a setting that users cannot reach
        raise VsanimeError(f"{what} is not readable as JSON: a number in it has too many digits") from None


def show(text: str) -> str:
    """Return a word of the file for a message, quoted and truncated."""
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
            data = file.read(min(wanted, status.st_size))  # read allocates the requested size
    except (OSError, ValueError) as error:  # ValueError: a path with a zero byte
        reason = getattr(error, "strerror", None) or error
        raise VsanimeError(f"{path.name} cannot be read: {reason}") from None
    if kind := describe(data[:HEAD_BYTES]):
        raise VsanimeError(f"{path.name} {kind}")
    return data
