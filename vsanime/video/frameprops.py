"""Reads frame properties and checks their types, because a script may have set any value."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from vsanime.errors import VsanimeError

_MOST_SHOWN = 40  # characters of text


def read_all(props: Mapping[str, Any]) -> dict[str, Any]:
    """Return a frame's properties as a dictionary.

    Raises:
        VsanimeError: `_ColorRange` is set under this name, so VapourSynth could not read it as `_Range`.
    """
    names = list(props)
    if "_ColorRange" in names:
        raise VsanimeError("the frame property _ColorRange is no whole number; set _Range, which replaces it")
    return {name: props[name] for name in names}


def read_integer(props: Mapping[str, Any], name: str, default: int, *, most: int = (1 << 31) - 1) -> int:
    """Return an integer frame property.

    Args:
        props: properties of a frame.
        name: name of the property.
        default: value for a frame without the property.
        most: largest allowed absolute value.

    Raises:
        VsanimeError: the value has another type or is out of range.
    """
    value = props.get(name, default)
    if not isinstance(value, int):
        raise VsanimeError(f"the frame property {name} is {describe_value(value)}; a whole number is needed")
    if abs(value) > most:
        raise VsanimeError(f"the frame property {name} is {value}; a number of at most {most} is needed")
    return int(value)


def read_numbers(props: Mapping[str, Any], name: str) -> list[float]:
    """Return a frame property that is a number or a list of numbers; an empty list if a frame has none.

    Raises:
        VsanimeError: the value contains something else, infinities or NaN.
    """
    value = props.get(name, [])
    numbers = list(value) if isinstance(value, (list, tuple)) else [value]
    if not all(isinstance(number, (int, float)) and math.isfinite(number) for number in numbers):
        raise VsanimeError(f"the frame property {name} is {describe_value(value)}; finite numbers are needed")
    return [float(number) for number in numbers]


def describe_value(value: object) -> str:
    """Return a short one-line description of a property's value, for messages."""
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
