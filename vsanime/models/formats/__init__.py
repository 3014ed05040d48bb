"""Converts weight files of other formats to plain ONNX, the only form that the rest of the package works with.

Nothing in a file is ever executed, and sizes that a file claims are checked before they are used.
"""

from __future__ import annotations

from pathlib import Path

from vsanime.architectures.base import Imported, Wishes

__all__ = ["Imported", "Wishes", "read"]


def read(path: Path | str, activation: str | None = None, upsample: str | None = None) -> Imported:
    """Read a weight file; the format is recognized by the file's contents.

    Args:
        path: weight file; of an ncnn pair, either file.
        activation: see `Wishes`.
        upsample: see `Wishes`.

    Raises:
        VsanimeError: if the file is missing, damaged or hostile, or its format or network is unknown.
    """
    from vsanime.models.formats.kinds import read_any

    return read_any(Path(path), Wishes(activation, upsample))
