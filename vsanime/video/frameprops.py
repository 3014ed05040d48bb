"""Reads frame properties as the numbers that they have to be: a script may have put anything there."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from vsanime.errors import VsanimeError

_MOST_SHOWN = 40  # characters of text


def read_all(props: Mapping[str, Any]) -> dict[str, Any]:
    """Return a frame's properties as a dictionary.

    Raises:
        VsanimeError: `_ColorRange` is there under this name, so VapourSynth could not read it as `_Range`.
    """
    names = list(props)
    if "_ColorRange" in names:
        raise VsanimeError("the frame property _ColorRange is no whole number; set _Range, which replaces it")
    return {name: props[name] for name in names}


def read_integer(props: Mapping[str, Any], name: str, default: int, *, most: int = (1 << 31) - 1) -> int:
    """Return a frame property that is a whole number.

    Args:
        props: a frame's properties.
        name: of the property.
        default: for a frame that has none.
        most: the largest number that means something; the smallest is its opposite.

    Raises:
        VsanimeError: it is of another type, or larger.
    """
    value = props.get(name, default)
    if not isinstance(value, int):
        raise VsanimeError(f"the frame property {name} is {describe_value(value)}; a whole number is needed")
    if abs(value) > most:
        raise VsanimeError(f"the frame property {name} is {value}; a number of at most {most} is needed")
    return int(value)


def read_numbers(props: Mapping[str, Any], name: str) -> list[float]:
    """Return a frame property that is a number or a list of numbers; an empty list for a frame that has none.

    Raises:
        VsanimeError: it holds something else, infinities or NaN.
    """
    value = props.get(name, [])
    numbers = list(value) if isinstance(value, (list, tuple)) else [value]
    if not all(isinstance(number, (int, float)) and math.isfinite(number) for number in numbers):
        raise VsanimeError(f"the frame property {name} is {describe_value(value)}; finite numbers are needed")
    return [float(number) for number in numbers]


def describe_value(value: object) -> str:
    """Return what a property is, in a few words of one line."""
    if isinstance(value, (str, bytes)):
        shown = ascii(value[:_MOST_SHOWN])
        return f"the text {shown}" + ("..." if len(value) > _MOST_SHOWN else "")
    if isinstance(value, (list, tuple)):
        return f"a list of {len(value)}"
    if isinstance(value, float):
        return f"the number {value:g}"
    return {"VideoFrame": "a frame", "VideoNode": "a clip", "Func": "a function"}.get(
        type(value).__name__, f"a {type(value).__name__}"
    )
