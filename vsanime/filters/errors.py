"""Turns the errors of the rooms below into the one kind a script's author expects."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps

import vapoursynth as vs

from vsanime.errors import VsanimeError


def raises_vs_error[**P, R](function: Callable[P, R]) -> Callable[P, R]:
    """Makes a filter raise `vs.Error("filter: what is wrong, ...")`, on one line and without our own traceback."""

    @wraps(function)
    def guarded(*args: P.args, **kwargs: P.kwargs) -> R:
        try:
            return function(*args, **kwargs)
        except VsanimeError as error:
            raise vs.Error(f"{function.__name__}: {error}") from None

    return guarded
