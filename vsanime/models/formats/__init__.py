"""Networks from elsewhere: reads foreign weight files and ends in plain ONNX, which everything else here works with.

Nothing in a file is ever executed, and sizes that a file claims are checked before they are believed.
"""

from __future__ import annotations

from pathlib import Path

from vsanime.architectures.base import Imported, Wishes

__all__ = ["Imported", "Wishes", "read"]


def read(path: Path | str, activation: str | None = None, upsample: str | None = None) -> Imported:
    """Reads a weight file of any kind that is known, told apart by its contents.

    Args:
        path: the file; of an ncnn pair either one.
        activation: see `Wishes`.
        upsample: see `Wishes`.

    Raises:
        VsanimeError: missing, of no kind that is read, damaged, hostile, or a network that is not known.
    """
    from vsanime.models.formats.kinds import read_any

    return read_any(Path(path), Wishes(activation, upsample))
