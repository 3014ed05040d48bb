"""Reads the values that scripts give as arguments: numbers, sizes, flags, choices, names, and lists of numbers.

Arguments come as they are written in a script, as text from `vspipe -a name=value`, or as numbers of NumPy. What stands
for the value that is needed is taken for it: `"192"`, `b"192"`, `numpy.int64(192)` and `192.0` are the number 192.
Anything else, whatever it is, is refused in one line that says what was given and what would be right.
"""

from __future__ import annotations

import math
import operator
import os
import re
from collections.abc import Iterable, Mapping, Sequence
from decimal import Decimal
from itertools import islice
from numbers import Real
from pathlib import Path
from typing import Any

import numpy as np

from vsanime.errors import VsanimeError, list_words, quote

type Pair = tuple[int, int]

# The longest side of a picture or tile, in pixels: what is longer is a mistake, and would keep a filter busy for hours.
MOST_SIDE = 65_536

_FLAGS = {"true": True, "1": True, "false": False, "0": False}

_NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)(e[+-]?\d+)?", re.ASCII | re.IGNORECASE)
_WHOLE = re.compile(r"[+-]?\d+", re.ASCII)
# 640x360 and 640,360.
_BETWEEN = re.compile(r"\s*[x,]\s*", re.IGNORECASE)
# Characters of the longest text that is read as a number.
_MOST_DIGITS = 40


def parse_text(value: object) -> str | None:
    """Return text as `str`, or None for what is no text. Bytes are read as UTF-8."""
    if isinstance(value, str):
        return str.__str__(value)
    if isinstance(value, bytes | bytearray):
        try:
            return value.decode()
        except UnicodeDecodeError:
            return None
    return None


def parse_number(value: object) -> float | None:
    """Return the finite number that a value stands for, whole ones as `int`, or None. Flags are no numbers."""
    try:
        return _number(value)
    except Exception:  # objects may raise anything when they are asked for a number
        return None


def _number(value: Any) -> float | None:
    value = _scalar(value)
    text = parse_text(value)
    if text is not None:
        text = text.strip()
        if len(text) > _MOST_DIGITS or not _NUMBER.fullmatch(text):
            return None
        value = int(text) if _WHOLE.fullmatch(text) else float(text)
    if isinstance(value, bool | np.bool_ | np.timedelta64):  # Python and NumPy count them among the integers
        return None
    if hasattr(type(value), "__index__"):
        return operator.index(value)
    if not isinstance(value, Real | Decimal):
        return None
    number = float(value)
    if not math.isfinite(number):
        return None
    return int(number) if number.is_integer() else number


def _scalar(value: Any) -> Any:
    """Return what an array without dimensions holds; anything else as it is."""
    return value[()] if isinstance(value, np.ndarray) and value.ndim == 0 else value


def parse_whole(value: object) -> int | None:
    """Return the whole number that a value stands for, or None."""
    number = parse_number(value)
    return number if isinstance(number, int) else None


def parse_flag(value: object) -> bool | None:
    """Return True or False for a flag, for 0 and 1, and for the text of any of them, such as "true"; else None."""
    value = _scalar(value)
    if isinstance(value, bool | np.bool_):
        return bool(value)
    text = parse_text(value)
    if text is not None:
        return _FLAGS.get(text.strip().lower())
    number = parse_number(value)
    return bool(number) if number in (0, 1) else None


def parse_wholes(value: object, most: int) -> list[int] | None:
    """Return the whole numbers of a list, or None where something in it is none.

    Args:
        value: anything that is iterated over in an order that was given, also without an end; or text such as "0,24"
            and "640x360".
        most: how many numbers are needed at most; a longer list is None.
    """
    text = parse_text(value)
    parts: list[object]
    if text is not None:
        parts = list(_BETWEEN.split(text.strip(), maxsplit=most))
    elif isinstance(value, Iterable) and not isinstance(value, Mapping | set | frozenset):
        try:
            parts = list(islice(value, most + 1))
        except Exception:  # as of numbers
            return None
    else:
        return None
    if len(parts) > most:
        return None
    numbers = [number for part in parts if (number := parse_whole(part)) is not None]
    return numbers if len(numbers) == len(parts) else None


def read_number(
    name: str,
    value: object,
    least: float,
    most: float,
    *,
    above: bool = False,
    below: bool = False,
    example: str = "",
) -> float:
    """Return a number between two limits.

    Args:
        name: the argument's name.
        value: what was given.
        least: the lowest number that is right.
        most: the highest.
        above: whether `least` itself is too low.
        below: whether `most` itself is too high.
        example: a number that is right, for the message.

    Raises:
        VsanimeError: it is no number, or beyond the limits.
    """
    number = parse_number(value)
    if number is None or not least <= number <= most or (above and number == least) or (below and number == most):
        limits = f"{'above' if above else 'from'} {least:g}"
        limits += f" and below {most:g}" if below else f", at most {most:g}," if above else f" to {most:g}"
        raise VsanimeError(f"{name}={quote(value)}; a number {limits} is needed" + (example and f", such as {example}"))
    return float(number)


def read_whole(name: str, value: object, least: int, most: int, needed: str = "") -> int:
    """Return a whole number between two limits, both of them right.

    Args:
        name: the argument's name.
        value: what was given.
        least: the lowest number that is right.
        most: the highest.
        needed: what would be right, as a message says it, such as "1 or more is needed".

    Raises:
        VsanimeError: it is no whole number, or beyond the limits.
    """
    number = parse_whole(value)
    if number is None or not least <= number <= most:
        raise VsanimeError(f"{name}={quote(value)}; {needed or f'a whole number from {least} to {most} is needed'}")
    return number


def read_flag(name: str, value: object) -> bool:
    """Return a flag.

    Raises:
        VsanimeError: it is neither True nor False, 0 nor 1, nor the text of one of them.
    """
    flag = parse_flag(value)
    if flag is None:
        raise VsanimeError(f"{name}={quote(value)}; True or False is needed")
    return flag


def read_choice(name: str, value: object, choices: Sequence[str]) -> str:
    """Return one of several words.

    Raises:
        VsanimeError: it is another, or no text.
    """
    text = parse_text(value)
    if text is None or text not in choices:
        raise VsanimeError(f"{name}={quote(value)}; {list_words([repr(choice) for choice in choices])} is needed")
    return text


def read_pair(name: str, value: object, least: int, most: int = MOST_SIDE, needed: str = "") -> Pair:
    """Return two whole numbers, across and down; one alone counts for both.

    Args:
        name: the argument's name.
        value: what was given.
        least: the lowest number that is right.
        most: the highest.
        needed: what would be right, as a message says it, such as "1 or more is needed".

    Raises:
        VsanimeError: it is something else, or one of them is beyond the limits.
    """
    one = parse_whole(value)
    numbers = [one, one] if one is not None else parse_wholes(value, 2)
    if numbers is None or len(numbers) != 2 or any(not least <= number <= most for number in numbers):
        needed = needed or f"a number from {least} to {most}, or two of them, is needed"
        raise VsanimeError(f"{name}={quote(value)}; {needed}")
    return numbers[0], numbers[1]


def read_name_or_path(name: str, value: object, example: str) -> str | Path:
    """Return the name or path of a model: text as `str`, path objects as `Path`.

    Args:
        name: the argument's name.
        value: what was given.
        example: a name that is right, for the message.

    Raises:
        VsanimeError: it is neither, or has a NUL character, which no name and no path has.
    """
    found: str | Path | None = None
    if isinstance(value, str | bytes | bytearray):
        found = os.fsdecode(bytes(value)) if isinstance(value, bytearray) else os.fsdecode(value)
    elif isinstance(value, os.PathLike):
        try:
            found = Path(os.fsdecode(value))
        except Exception:  # a class may raise anything in `__fspath__`
            found = None
    if found is None or "\0" in str(found):
        raise VsanimeError(f"{name}={quote(value)}; a name such as {example!r} or the path of an .onnx file is needed")
    return str.__str__(found) if isinstance(found, str) else found
