"""Reads values of a function's arguments from text, by the types in its signature."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Sequence
from types import NoneType, UnionType
from typing import Any, Literal, TypeAliasType, Union, get_args, get_origin

from vsanime.errors import VsanimeError, quote

_NONE = ("none", "null")
_TRUTH = {"true": True, "yes": True, "on": True, "false": False, "no": False, "off": False}
# Separators, as in 640x360 and 640,360.
_BETWEEN = re.compile(r"\s*[x,]\s*", re.IGNORECASE)
_WORDS = {
    str: "text",
    int: "a whole number",
    float: "a number",
    bool: "true or false",
    NoneType: "none",
}


def alternatives(annotation: Any) -> Iterator[Any]:
    """Yield the plain types of an annotation, with aliases and unions expanded.

    >>> list(alternatives(int | None))
    [<class 'int'>, <class 'NoneType'>]
    """
    if isinstance(annotation, TypeAliasType):
        yield from alternatives(annotation.__value__)
    elif get_origin(annotation) in (Union, UnionType):
        for part in get_args(annotation):
            yield from alternatives(part)
    else:
        yield annotation


def in_words(annotation: Any) -> str:
    """Return a description of the allowed values, for messages."""
    words = [_word(kind) for kind in alternatives(annotation)]
    return " or ".join(dict.fromkeys(words))


def _word(kind: Any) -> str:
    if get_origin(kind) is Literal:
        return " or ".join(map(str, get_args(kind)))
    if (length := _length(kind)) is not None:
        return f"{length} numbers such as 640x360" if length == 2 else f"{length} numbers"
    return "numbers such as 0,1" if _is_sequence(kind) else _WORDS.get(kind, "something that text cannot say")


def read(text: str, annotation: Any) -> Any:
    """Return the value of a text, in the narrowest type that the annotation allows.

    >>> read("2", int | str)
    2
    >>> read("640x360", tuple[int, int] | None)
    (640, 360)

    Raises:
        VsanimeError: the text is no such value; the message says what is needed.
    """
    kinds = list(alternatives(annotation))
    for matches in (_as_none, _as_choice, _as_truth, _as_number, _as_numbers):
        found = matches(text.strip(), kinds)
        if found:
            return found[0]
    if str in kinds:
        return text
    raise VsanimeError(f"{quote(text)}; {in_words(annotation)} is needed")


# Each of these returns a list of the value, or an empty list, because None is a value too.


def _as_none(text: str, kinds: Sequence[Any]) -> list[None]:
    return [None] if NoneType in kinds and text.lower() in _NONE else []


def _as_choice(text: str, kinds: Sequence[Any]) -> list[Any]:
    choices = [choice for kind in kinds if get_origin(kind) is Literal for choice in get_args(kind)]
    return [choice for choice in choices if str(choice).lower() == text.lower()][:1]


def _as_truth(text: str, kinds: Sequence[Any]) -> list[bool]:
    return [_TRUTH[text.lower()]] if bool in kinds and text.lower() in _TRUTH else []


def _as_number(text: str, kinds: Sequence[Any]) -> list[float]:
    return [number for kind in (int, float) if kind in kinds for number in _number(text, kind)][:1]


def _as_numbers(text: str, kinds: Sequence[Any]) -> list[tuple[float, ...]]:
    for kind in filter(_is_sequence, kinds):
        inner = next(alternatives(get_args(kind)[0]))
        numbers = [_number(part, inner) for part in _BETWEEN.split(text)]
        if all(numbers) and _length(kind) in (None, len(numbers)):
            return [tuple(number for (number,) in numbers)]
    return []


def _number(text: str, kind: type) -> list[float]:
    """Return a list of the number, which is finite, or an empty list."""
    try:
        number = kind(text)
        return [number] if math.isfinite(number) else []
    except (ValueError, OverflowError):  # not a number, or too large for a float
        return []


def _is_sequence(kind: Any) -> bool:
    origin = get_origin(kind)
    return isinstance(origin, type) and issubclass(origin, Sequence)


def _length(kind: Any) -> int | None:
    """Return the number of elements of a tuple type; None for any number, and for other types."""
    parts = get_args(kind)
    return len(parts) if get_origin(kind) is tuple and Ellipsis not in parts else None
