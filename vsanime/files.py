"""Writes files atomically: data goes to a neighboring file, is flushed to disk and renamed, with retries on Windows."""

from __future__ import annotations

import contextlib
import os
import re
import secrets
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path, PureWindowsPath

from vsanime.errors import VsanimeError

# On Windows a reader or virus scanner that has a file open blocks renaming and removal for a moment.
_ATTEMPTS = 10
_PAUSE_SECONDS = 0.1
# Names that mean a device in every folder of Windows, with any extension.
_DEVICE = re.compile(r"(CON|PRN|AUX|NUL|CONIN\$|CONOUT\$|(COM|LPT)[0-9¹²³])", re.IGNORECASE)
_FORBIDDEN = re.compile(r'[<>:"|?*\x00-\x1f]')


def write(path: Path, data: bytes, partial: Path | None = None, *, flush: bool = True) -> None:
    """Write a file atomically: readers see all of it or none.

    Args:
        path: file to write or replace.
        data: content of the file.
        partial: temporary path in the same folder; a random hidden name by default.
        flush: whether to wait until the data is on disk; unnecessary for files that can be regenerated.

    Raises:
        OSError: the file cannot be written; its earlier content is kept.
        VsanimeError: the name does not denote a regular file.
    """
    with stage(path, partial, flush=flush) as staged:
        staged.write_bytes(data)


def write_text(path: Path, text: str, *, flush: bool = True) -> None:
    r"""Write a file of UTF-8 text with `\n` line ends on every system, as `write` does."""
    write(path, text.encode(), flush=flush)


def expand(path: str | os.PathLike[str]) -> Path:
    """Return a path with `~` expanded to the home folder, or unchanged if that folder is unknown."""
    try:
        return Path(path).expanduser()
    except (RuntimeError, ValueError):  # `~somebody` without a home folder, or an impossible user name
        return Path(path)


@contextmanager
def stage(path: Path, partial: Path | None = None, *, flush: bool = True) -> Iterator[Path]:
    """Yield a temporary path beside a file, which replaces the file at the end of the block or is removed on failure.

    Args:
        path: file to write or replace.
        partial: temporary path; a random hidden name with the file's extension by default.
        flush: whether to wait until the data is on disk.

    Raises:
        OSError: the file cannot be written.
        VsanimeError: the name does not denote a regular file.
    """
    check_name(path)
    partial = partial or path.with_name(f".{secrets.token_hex(8)}.partial{path.suffix}")
    try:
        yield partial
        if flush:
            flush_file(partial)
        rename(partial, path)
        if flush:
            flush_folder(path.parent)
    finally:
        with contextlib.suppress(OSError):
            partial.unlink(missing_ok=True)


def rename(source: Path, target: Path) -> None:
    """Rename a file or folder, replacing a file of the new name; retry while another program has it open.

    Raises:
        OSError: the renaming fails.
    """
    retry(lambda: source.replace(target))


def retry[T](action: Callable[[], T]) -> T:
    """Return the result of a file operation, retrying for about a second while permission is denied."""
    for _ in range(_ATTEMPTS - 1):
        try:
            return action()
        except PermissionError:
            time.sleep(_PAUSE_SECONDS)
    return action()


def flush_file(path: Path) -> None:
    """Wait until a written file is on disk.

    Raises:
        OSError: the file is missing, or flushing fails.
    """
    handle = os.open(path, os.O_RDWR | getattr(os, "O_BINARY", 0))  # Windows flushes only what is open for writing
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def flush_folder(folder: Path) -> None:
    """Wait until a folder's entries are on disk, on systems that can flush folders."""
    with contextlib.suppress(OSError, AttributeError):
        handle = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)


def check_name(path: str | os.PathLike[str], *, windows: bool = sys.platform == "win32") -> None:
    """Refuse an output name that Windows does not treat as a regular file of that name.

    Args:
        path: path of the output.
        windows: whether the system is Windows; others have no such names.

    Raises:
        VsanimeError: the name is a device such as NUL, a stream such as `a:b`, or ends in a dot or space, which Windows
            drops.
    """
    if not windows:
        return
    parsed = PureWindowsPath(path)
    if parsed.drive.endswith(":") and len(parsed.drive) == 2 and not parsed.root:
        raise VsanimeError(
            f"the output {path} is relative to the current folder of a drive, or a stream of a file; give a whole path"
        )
    for part in parsed.parts[bool(parsed.anchor) :]:
        if part in (".", ".."):
            continue
        if _DEVICE.fullmatch(part.partition(".")[0].rstrip(" ")):
            raise VsanimeError(f"the output {path}: {part} is a device on Windows, not a file; give another name")
        if (found := _FORBIDDEN.search(part)) is not None:
            raise VsanimeError(f"the output {path}: names on Windows hold no {found[0]!r}; give another name")
        if part[-1] in ". ":
            raise VsanimeError(f"the output {path}: Windows drops the last character of {part!r}; give another name")
