"""Turns exceptions of this package into the `vs.Error` that script authors expect."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from functools import wraps

import vapoursynth as vs

from vsanime.errors import VsanimeError, list_words, nearest, one_line, shorten


def raises_vs_error[**P, R](function: Callable[P, R]) -> Callable[P, R]:
    """Wrap a filter so that it raises `vs.Error("filter: what is wrong, ...")` on one line, without our traceback."""
    signature = inspect.signature(function)

    @wraps(function)
    def guarded(*args: P.args, **kwargs: P.kwargs) -> R:
        _check_call(function.__name__, signature, args, kwargs)
        try:
            return function(*args, **kwargs)
        except VsanimeError as error:
            raise vs.Error(one_line(f"{function.__name__}: {error}")) from None
        except vs.Error as error:
            lines = str(error).strip().splitlines()
            if len(lines) < 2:
                raise
            # The callback of another filter failed, and VapourSynth puts its traceback first.
            message = f"{function.__name__}: a frame that is read beforehand cannot be made: {lines[-1]}"
            raise vs.Error(one_line(message)) from error

    return guarded


def _check_call(name: str, signature: inspect.Signature, args: tuple[object, ...], kwargs: dict[str, object]) -> None:
    """Refuse unknown, repeated and missing arguments with `vs.Error`, as VapourSynth's own filters do.

    Raises:
        vs.Error: the arguments do not fit the signature.
    """
    try:
        signature.bind(*args, **kwargs)
    except TypeError as error:
        unknown = [one for one in kwargs if one not in signature.parameters]
        if not unknown:
            raise vs.Error(one_line(f"{name}: {error}")) from None
        close = list_words(nearest(unknown[0], signature.parameters))
        raise vs.Error(f"{name}: there is no argument {shorten(unknown[0])}; did you mean {close}?") from None
