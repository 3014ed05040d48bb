"""Values of arguments are read for what they stand for, and refused in one line."""

from __future__ import annotations

import math
from collections.abc import Callable
from decimal import Decimal
from fractions import Fraction
from itertools import count
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from vsanime import values
from vsanime.errors import VsanimeError


@pytest.mark.parametrize(
    ("value", "number"),
    [
        (192, 192), ("192", 192), (" 192 ", 192), (b"192", 192), (bytearray(b"192"), 192), (np.int64(192), 192),
        (192.0, 192), (np.float32(192), 192), (np.array(192), 192), (Decimal(192), 192), (Fraction(192), 192),
        ("+5", 5), ("-5", -5), ("1.5", 1.5), (b".5", 0.5), ("1.", 1), ("1e2", 100), ("2.5e-1", 0.25), (0.5, 0.5),
        (np.str_("7"), 7), (np.bytes_(b"7"), 7), (10**30, 10**30), ("0", 0), (-0.0, 0),
    ],
)  # fmt: skip
def test_what_stands_for_a_number_is_read(value: object, number: float) -> None:
    found = values.parse_number(value)
    assert found == number
    assert type(found) is type(number), "whole numbers are integers"


@pytest.mark.parametrize(
    "value",
    [
        None, True, np.bool_(True), "", " ", "1_0", "0x10", "1,5", "nan", "inf", math.nan, math.inf, -math.inf, 1j, [],
        [1], np.array([1]), np.timedelta64(1, "D"), "1e400", "9" * 41, b"\xff", "\uff11", object(), Decimal("nan"),
        Fraction(10**400, 3),
    ],
)  # fmt: skip
def test_what_stands_for_no_number_is_none(value: object) -> None:
    assert values.parse_number(value) is None


@pytest.mark.parametrize(
    ("value", "flag"),
    [(True, True), (np.bool_(False), False), (1, True), (0, False), ("1", True), (b"0", False), ("true", True),
     ("False", False), (np.int8(1), True), (np.array(True), True), (1.0, True)],
)  # fmt: skip
def test_what_stands_for_a_flag_is_read(value: object, flag: bool) -> None:
    """`vspipe -a tta=0` is the text "0", which Python takes for true."""
    assert values.read_flag("tta", value) is flag


@pytest.mark.parametrize("value", [None, "", "no", "2", 2, -1, 0.5, math.nan, [], [1], object(), "true false"])
def test_what_stands_for_no_flag_is_refused(value: object) -> None:
    with pytest.raises(VsanimeError, match=r"^tta=.*; True or False is needed$"):
        values.read_flag("tta", value)


@pytest.mark.parametrize(
    ("value", "numbers"),
    [("0,1", [0, 1]), ("640x360", [640, 360]), ("640 X 360", [640, 360]), (b"2", [2]), ([1, "2"], [1, 2]),
     (np.array([3, 4]), [3, 4]), (range(2), [0, 1]), ((n for n in (1, 2)), [1, 2]), ([], [])],
)  # fmt: skip
def test_lists_of_whole_numbers_are_read(value: object, numbers: list[int]) -> None:
    assert values.parse_wholes(value, 2) == numbers


@pytest.mark.parametrize(
    "value", [None, "", "1,", "1,2,3", [1, 2, 3], range(10**12), count(), {1, 2}, {1: 2}, [1.5], [True], [[1]], 5]
)
def test_what_is_no_list_of_two_whole_numbers_is_none(value: object) -> None:
    """Sets have no order, mappings another use, and what has no end is not waited for."""
    assert values.parse_wholes(value, 2) is None


@pytest.mark.parametrize(
    ("value", "pair"), [(3, (3, 3)), ("3", (3, 3)), ("2x3", (2, 3)), ((2, 3), (2, 3)), ([2.0, "3"], (2, 3))]
)
def test_one_number_stands_for_both_of_a_pair(value: object, pair: tuple[int, int]) -> None:
    assert values.read_pair("tiles", value, 1) == pair


REFUSALS: list[tuple[Callable[..., Any], tuple[Any, ...], dict[str, Any], str]] = [
    (values.read_pair, ("tiles", 0, 1), {}, "tiles=0; a number from 1 to 65536, or two of them, is needed"),
    (values.read_pair, ("tiles", [5], 1), {}, "tiles=[5]; a number from 1 to 65536, or two of them, is needed"),
    (values.read_pair, ("tiles", 65_537, 1), {}, "tiles=65537; a number from 1 to 65536, or two of them, is needed"),
    (values.read_number, ("cap", 0, 0, 10), {"above": True}, "cap=0; a number above 0, at most 10, is needed"),
    (values.read_number, ("detail", 2, 0, 1), {}, "detail=2; a number from 0 to 1 is needed"),
    (
        values.read_number,
        ("threshold", 1, 0, 1),
        {"above": True, "below": True, "example": "0.1"},
        "threshold=1; a number above 0 and below 1 is needed, such as 0.1",
    ),
    (values.read_whole, ("level", 1.5, 0, 5), {}, "level=1.5; a whole number from 0 to 5 is needed"),
    (values.read_whole, ("level", 6, 0, 5, "0 to 5"), {}, "level=6; 0 to 5"),
    (values.read_choice, ("tint", "kep", ("keep", "correct")), {}, "tint='kep'; 'keep' or 'correct' is needed"),
    (values.read_choice, ("tint", ["keep"], ("keep", "a", "b")), {}, "tint=['keep']; 'keep', 'a' or 'b' is needed"),
    (
        values.read_name_or_path,
        ("model", 3, "C4F32"),
        {},
        "model=3; a name such as 'C4F32' or the path of an .onnx file is needed",
    ),
    (
        values.read_name_or_path,
        ("model", "a\0b", "C4F32"),
        {},
        r"model='a\x00b'; a name such as 'C4F32' or the path of an .onnx file is needed",
    ),
]


@pytest.mark.parametrize(("read", "arguments", "options", "message"), REFUSALS)
def test_a_refusal_says_what_was_given_and_what_would_be_right(
    read: Callable[..., Any], arguments: tuple[Any, ...], options: dict[str, Any], message: str
) -> None:
    with pytest.raises(VsanimeError) as refused:
        read(*arguments, **options)
    assert str(refused.value) == message


def test_limits_themselves_are_right_unless_they_are_said_not_to_be() -> None:
    assert values.read_number("detail", "1", 0, 1) == 1.0
    assert isinstance(values.read_number("detail", 1, 0, 1), float)
    assert values.read_number("detail", 0, 0, 1) == 0.0
    assert values.read_number("cap", 10, 0, 10, above=True) == 10.0
    assert values.read_whole("level", 0, 0, 5) == 0
    assert values.read_whole("level", np.float64(5), 0, 5) == 5


def test_choices_and_names_may_be_bytes_or_paths() -> None:
    assert values.read_choice("tint", b"keep", ("keep", "correct")) == "keep"
    assert values.read_name_or_path("model", b"C4F32", "") == "C4F32"
    assert type(values.read_name_or_path("model", np.str_("C4F32"), "")) is str
    assert values.read_name_or_path("model", Path("C4F32"), "") == Path("C4F32")
