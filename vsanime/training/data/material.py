"""Refuses, by their names, the animations that colorization is evaluated on, so that they are not trained on."""

from __future__ import annotations

import re
from collections.abc import Iterable

from vsanime.errors import VsanimeError

# The figures of docs/measurements/colorize.md are measured on these. A network trained on them would recall them.
_EVALUATION = re.compile(r"prologue[ _-]?kid|synfig", re.IGNORECASE)


def is_for_evaluation(name: str) -> bool:
    """Return whether the name of a file, folder or shot contains that of an animation for evaluation."""
    return _EVALUATION.search(name) is not None


def refuse_evaluation(names: Iterable[str]) -> None:
    """Check that no name is that of an animation for evaluation.

    Raises:
        VsanimeError: one of the names is.
    """
    for name in names:
        if is_for_evaluation(name):
            raise VsanimeError(
                f"{name} is what colorization is measured by (Prologue and synfig's examples) and is not trained on; "
                "take it out of the folder"
            )
