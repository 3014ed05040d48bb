"""Parses the values that scripts pass as arguments: numbers, sizes, flags, choices, names, and lists of numbers.

Arguments come as Python values from a script, as text from `vspipe -a name=value`, or as NumPy numbers. Every
representation of a value is accepted: `"192"`, `b"192"`, `numpy.int64(192)` and `192.0` are the number 192. Any other
value is refused in one line that says what was given and what would be right.
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

# The longest side of a picture or tile in pixels: a longer one is a mistake and would keep a filter busy for hours.
MOST_SIDE = 65_536

_FLAGS = {"true": True, "1": True, "false": False, "0": False}

_NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)(e[+-]?\d+)?", re.ASCII | re.IGNORECASE)
_WHOLE = re.compile(r"[+-]?\d+", re.ASCII)
# As in 640x360 and 640,360.
_BETWEEN = re.compile(r"\s*[x,]\s*", re.IGNORECASE)
# Characters of the longest text that is read as a number.
_MOST_DIGITS = 40


def parse_text(value: object) -> str | None:
    """Return text as `str`, or None if the value is not text. Bytes are decoded as UTF-8."""
    if isinstance(value, str):
        return str.__str__(value)
    if isinstance(value, bytes | bytearray):
        try:
            return value.decode()
        except UnicodeDecodeError:
            return None
    return None


def parse_number(value: object) -> float | None:
    """Return the finite number that a value represents, whole ones as `int`, or None. Flags are not numbers."""
    try:
        return _number(value)
    except Exception:  # an object may raise anything in its conversion to a number
        return None


def _number(value: Any) -> float | None:
    value = _scalar(value)
    text = parse_text(value)
    if text is not None:
        text = text.strip()
        if len(text) > _MOST_DIGITS or not _NUMBER.fullmatch(text):
            return None
        value = int(text) if _WHOLE.fullmatch(text) else float(text)
    if isinstance(value, bool | np.bool_ | np.timedelta64):  # integers for Python and NumPy
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
    """Return the element of an array without dimensions; other values unchanged."""
    return value[()] if isinstance(value, np.ndarray) and value.ndim == 0 else value


def parse_whole(value: object) -> int | None:
    """Return the whole number that a value represents, or None."""
    number = parse_number(value)
    return number if isinstance(number, int) else None


def parse_flag(value: object) -> bool | None:
    """Return the truth value of a flag, of 0 or 1, or of the text of any of them, such as "true"; otherwise None."""
    value = _scalar(value)
    if isinstance(value, bool | np.bool_):
        return bool(value)
    text = parse_text(value)
    if text is not None:
        return _FLAGS.get(text.strip().lower())
    number = parse_number(value)
    return bool(number) if number in (0, 1) else None


def parse_wholes(value: object, most: int) -> list[int] | None:
    """Return the whole numbers of a list, or None if an item is not a whole number.

    Args:
        value: ordered iterable, which may be infinite, or text such as "0,24" or "640x360".
        most: largest number of items; None is returned for a longer list.
    """
    text = parse_text(value)
    parts: list[object]
    if text is not None:
        parts = list(_BETWEEN.split(text.strip(), maxsplit=most))
    elif isinstance(value, Iterable) and not isinstance(value, Mapping | set | frozenset):
        try:
            parts = list(islice(value, most + 1))
        except Exception:  # an object may raise anything when it is iterated over
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
        name: name of the argument, for messages.
        value: value of the argument.
        least: lowest allowed number.
        most: highest allowed number.
        above: whether `least` itself is excluded.
        below: whether `most` itself is excluded.
        example: valid number, for the message.

    Raises:
        VsanimeError: the value is not a number or is out of range.
    """
    number = parse_number(value)
    if number is None or not least <= number <= most or (above and number == least) or (below and number == most):
        limits = f"{'above' if above else 'from'} {least:g}"
        limits += f" and below {most:g}" if below else f", at most {most:g}," if above else f" to {most:g}"
        raise VsanimeError(f"{name}={quote(value)}; a number {limits} is needed" + (example and f", such as {example}"))
    return float(number)


def read_whole(name: str, value: object, least: int, most: int, needed: str = "") -> int:
    """Return a whole number between two limits, both inclusive.

    Args:
        name: name of the argument, for messages.
        value: value of the argument.
        least: lowest allowed number.
        most: highest allowed number.
        needed: requirement for the message, such as "1 or more is needed".

    Raises:
        VsanimeError: the value is not a whole number or is out of range.
    """
    number = parse_whole(value)
    if number is None or not least <= number <= most:
        raise VsanimeError(f"{name}={quote(value)}; {needed or f'a whole number from {least} to {most} is needed'}")
    return number


def read_flag(name: str, value: object) -> bool:
    """Return the truth value of a flag.

    Raises:
        VsanimeError: the value is neither True nor False, 0 nor 1, nor the text of one of them.
    """
    flag = parse_flag(value)
    if flag is None:
        raise VsanimeError(f"{name}={quote(value)}; True or False is needed")
    return flag


def read_choice(name: str, value: object, choices: Sequence[str]) -> str:
    """Return one of several words.

    Raises:
        VsanimeError: the value is not one of them.
    """
    text = parse_text(value)
    if text is None or text not in choices:
        raise VsanimeError(f"{name}={quote(value)}; {list_words([repr(choice) for choice in choices])} is needed")
    return text


def read_pair(name: str, value: object, least: int, most: int = MOST_SIDE, needed: str = "") -> Pair:
    """Return two whole numbers, horizontal and vertical; a single number counts for both.

    Args:
        name: name of the argument, for messages.
        value: value of the argument.
        least: lowest allowed number.
        most: highest allowed number.
        needed: requirement for the message, such as "1 or more is needed".

    Raises:
        VsanimeError: the value is something else, or a number is out of range.
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
        name: name of the argument, for messages.
        value: value of the argument.
        example: valid name, for the message.

    Raises:
        VsanimeError: the value is neither, or contains a NUL character.
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
