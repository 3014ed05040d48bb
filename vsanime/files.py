"""Writes files so that a reader finds all of one or none: written beside, flushed to the disk, renamed, tried again."""

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

# A reader or a virus scanner that has a file open keeps Windows from renaming or removing it, for a moment.
_ATTEMPTS = 10
_PAUSE_SECONDS = 0.1
# Names that mean a device in every folder of Windows, whatever follows a dot.
_DEVICE = re.compile(r"(CON|PRN|AUX|NUL|CONIN\$|CONOUT\$|(COM|LPT)[0-9¹²³])", re.IGNORECASE)
_FORBIDDEN = re.compile(r'[<>:"|?*\x00-\x1f]')


def write(path: Path, data: bytes, partial: Path | None = None, *, flush: bool = True) -> None:
    """Write a file, all of it or none.

    Args:
        path: the file, which may exist.
        data: its bytes.
        partial: where it is written first, in the same folder; a hidden name of its own by default.
        flush: whether to wait until the disk has it; needless for what is made again by itself.

    Raises:
        OSError: it cannot be written; what was there before is left.
        VsanimeError: the name means something else than a file.
    """
    with stage(path, partial, flush=flush) as staged:
        staged.write_bytes(data)


def write_text(path: Path, text: str, *, flush: bool = True) -> None:
    r"""Write a file of UTF-8 text with `\n` at the ends of lines on every system, as `write` does."""
    write(path, text.encode(), flush=flush)


def expand(path: str | os.PathLike[str]) -> Path:
    """Return a path with `~` as the home folder, or as it is where nobody knows that folder."""
    try:
        return Path(path).expanduser()
    except (RuntimeError, ValueError):  # `~somebody` without a home, or a name that nobody can have
        return Path(path)


@contextmanager
def stage(path: Path, partial: Path | None = None, *, flush: bool = True) -> Iterator[Path]:
    """Give a name beside a file's, which becomes the file at the end of the block and vanishes if that fails.

    Args:
        path: the file, which may exist.
        partial: the name beside it; a hidden one that ends as the file's does by default.
        flush: whether to wait until the disk has it.

    Raises:
        OSError: the file cannot be written.
        VsanimeError: the name means something else than a file.
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
    """Rename a file or folder, replacing a file of that name; try again while another program has it open.

    Raises:
        OSError: it cannot be renamed.
    """
    retry(lambda: source.replace(target))


def retry[T](action: Callable[[], T]) -> T:
    """Return what an action on a file returns; try again for a second while it is not permitted."""
    for _ in range(_ATTEMPTS - 1):
        try:
            return action()
        except PermissionError:
            time.sleep(_PAUSE_SECONDS)
    return action()


def flush_file(path: Path) -> None:
    """Wait until the disk has a file that is written.

    Raises:
        OSError: it is missing, or the disk does not take it.
    """
    handle = os.open(path, os.O_RDWR | getattr(os, "O_BINARY", 0))  # Windows flushes only what is open for writing
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def flush_folder(folder: Path) -> None:
    """Wait until the disk has the names in a folder, where a system flushes folders."""
    with contextlib.suppress(OSError, AttributeError):
        handle = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)


def check_name(path: str | os.PathLike[str], *, windows: bool = sys.platform == "win32") -> None:
    """Refuse the name of an output that Windows takes for something else than a file of that name.

    Args:
        path: the output's path.
        windows: whether the system is Windows; others have no such names.

    Raises:
        VsanimeError: a device such as NUL, a stream such as `a:b`, or a dot or space at the end, which Windows drops.
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
