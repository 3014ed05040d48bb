"""What may be trained on: pieces that colorization is measured by are refused by their names."""

from __future__ import annotations

import re
from collections.abc import Iterable

from vsanime.errors import VsanimeError

# What the figures of docs/colorize.md are measured on. A network that has seen them would show its memory.
_EVALUATION = re.compile(r"prologue[ _-]?kid|synfig", re.IGNORECASE)


def is_for_evaluation(name: str) -> bool:
    """Whether a file, a folder or a shot is named as one of those that colorization is measured by."""
    return _EVALUATION.search(name) is not None


def refuse_evaluation(names: Iterable[str]) -> None:
    """Nothing that colorization is measured by gets into training.

    Raises:
        VsanimeError: one of the names is such a piece.
    """
    for name in names:
        if is_for_evaluation(name):
            raise VsanimeError(
                f"{name} is what colorization is measured by (Prologue and synfig's examples) and is not trained on; "
                "take it out of the folder"
            )
