"""Values of arguments, read from text by the types of a signature."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal

import pytest

from vsanime.cli.values import in_words, read
from vsanime.errors import VsanimeError, quote

type Pair = tuple[int, int]
type Size = int | Pair | None


@pytest.mark.parametrize(
    ("text", "annotation", "value"),
    [
        ("2", int, 2),
        ("-1", int, -1),
        ("0.5", float, 0.5),
        ("1", float, 1.0),
        ("2", int | str | None, 2),
        ("half", int | str | None, "half"),
        ("2", str, "2"),
        ("none", str, "none"),
        ("none", str | None, None),
        ("None", int | None, None),
        ("true", bool, True),
        ("OFF", bool, False),
        ("yes", bool | str, True),
        ("1", bool | int, 1),
        ("640x360", Size, (640, 360)),
        ("640, 360", Size, (640, 360)),
        ("640X360", Pair, (640, 360)),
        ("64", Size, 64),
        ("1,2", int | Sequence[int] | None, (1, 2)),
        ("1", Sequence[int], (1,)),
        ("1,2,3", tuple[int, ...], (1, 2, 3)),
        ("0.5,2", list[float], (0.5, 2.0)),
        ("Scene", Literal["none", "scene"], "scene"),
        ("none", Literal["none", "scene"], "none"),
        ("none", Literal["none"] | None, None),
        ("auto", Size | Literal["auto"], "auto"),
        (" a = b ", str, " a = b "),
        ("", str, ""),
    ],
)
def test_a_value_is_of_the_narrowest_type(text: str, annotation: Any, value: object) -> None:
    found = read(text, annotation)
    assert found == value
    assert type(found) is type(value)


@pytest.mark.parametrize(
    ("text", "annotation", "needed"),
    [
        ("1.5", int, "a whole number is needed"),
        ("nan", float, "a number is needed"),
        ("inf", float | None, "a number or none is needed"),
        ("maybe", bool, "true or false is needed"),
        ("", int, "a whole number is needed"),
        ("640x360x3", Size, "a whole number or 2 numbers such as 640x360 or none is needed"),
        ("640x", Size, "2 numbers such as 640x360"),
        ("1.5,2", Sequence[int], "numbers such as 0,1 is needed"),
        ("1,2", tuple[int, int, int], "3 numbers is needed"),
        ("9" * 400, int, "a whole number is needed"),
        ("9" * 400, float, "a number is needed"),
        ("1," + "9" * 5000, Sequence[int], "numbers such as 0,1 is needed"),
        ("film", Literal["none", "scene"], "none or scene is needed"),
    ],
)
def test_what_stands_for_nothing_is_refused_with_what_would_do(text: str, annotation: Any, needed: str) -> None:
    with pytest.raises(VsanimeError) as refused:
        read(text, annotation)
    assert str(refused.value).startswith(quote(text))
    assert needed in str(refused.value)


def test_types_in_words_are_said_once() -> None:
    assert in_words(int | (Size | None)) == "a whole number or 2 numbers such as 640x360 or none"
