"""Finds a model's file in folders, and skips folders and files that cannot be read, with one warning each."""

from __future__ import annotations

import logging
import stat
from collections.abc import Iterator, Sequence
from pathlib import Path

_log = logging.getLogger("vsanime")
_told: set[Path] = set()  # folders and files already warned about


def find_files(folders: Sequence[Path], name: str) -> Iterator[Path]:
    """Yield the readable files of a name, in the folders' order.

    Args:
        folders: folders to search; those that do not exist are skipped silently.
        name: file name.
    """
    for folder in folders:
        path = folder / name
        try:
            if stat.S_ISREG(path.stat().st_mode):
                path.open("rb").close()
                yield path
        except FileNotFoundError:
            _note_dangling(folder)
        except NotADirectoryError:
            _warn(folder, "it is a file, not a folder")
        except (OSError, ValueError) as error:  # ValueError: a NUL in a name
            reason = error.strerror if isinstance(error, OSError) else None
            _warn(folder if _is_unreadable(folder) else path, reason or str(error))


def describe_folder(folder: Path) -> str:
    """Return what is wrong with a model folder, in a few words; empty if nothing is."""
    try:
        return "" if stat.S_ISDIR(folder.stat().st_mode) else "is not a folder"
    except FileNotFoundError:
        return "does not exist"
    except (OSError, ValueError) as error:
        return f"cannot be read: {getattr(error, 'strerror', None) or error}"


def _note_dangling(folder: Path) -> None:
    """Warn of a folder that is a broken link: unlike a missing folder, somebody created it."""
    if folder.is_symlink() and not folder.exists():
        _warn(folder, "it is a link to nothing")


def _is_unreadable(folder: Path) -> bool:
    """Return whether the folder itself cannot be read, rather than one file in it."""
    try:
        (folder / ".").stat()
        next(folder.iterdir(), None)
    except OSError:
        return True
    return False


def _warn(path: Path, reason: str) -> None:
    if path not in _told:
        _told.add(path)
        _log.warning("%s cannot be read and is passed over for models: %s", path, reason)
