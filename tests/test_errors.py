"""What a message shows of what was given: one line, and not much of it."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support import hostile
from vsanime.errors import list_words, nearest, one_line, quote, quote_path, shorten


@pytest.mark.parametrize("what", hostile.values())
def test_any_value_is_quoted_on_one_line_of_sixty_characters(what: str) -> None:
    text = quote(hostile.values()[what])
    assert 0 < len(text) <= 60
    assert text.isprintable()


@pytest.mark.parametrize(
    ("value", "text"),
    [
        pytest.param(10**5000, "<int>", id="more digits than Python writes"),
        ("C4F32", "'C4F32'"),
        (1.5, "1.5"),
        ("two\nlines", r"'two\nlines'"),
        (hostile.LongRepr(), r"first line second \x00\ud800 third first line second \x00..."),
        (hostile.RaisingRepr(), "<RaisingRepr>"),
        ("a" * 58, "'" + "a" * 58 + "'"),
        ("a" * 59, "'" + "a" * 27 + "..." + "a" * 28 + "'"),
        ("/models/" + "a" * 90 + "/net.onnx", "'/models/" + "a" * 19 + "..." + "a" * 19 + "/net.onnx'"),
        (list(range(99)), "[0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16..."),
    ],
)
def test_values_are_quoted_as_python_writes_them(value: object, text: str) -> None:
    assert quote(value) == text


def test_a_long_path_keeps_its_beginning_and_its_name() -> None:
    short = Path("/models/net.onnx")
    assert quote_path(short) == str(short)
    long = quote_path("/home/" + "a" * 5000 + "/net.onnx")
    assert len(long) <= 120
    assert long.startswith("/home/a")
    assert long.endswith("a/net.onnx")
    assert quote_path("two\nlines/net.onnx") == "two lines/net.onnx"


def test_a_message_is_one_line_without_endless_words() -> None:
    assert one_line("first\nsecond\r\n third") == "first second third"
    message = one_line(f"the file /home/{'a' * 5000}/net.onnx cannot be read")
    assert len(message) < 160
    assert message.startswith("the file /home/a")
    assert message.endswith("/net.onnx cannot be read")
    assert len(one_line("a b " * 5000)) == 1000
    assert shorten("a b " * 5000, 10) == "a b a b..."


def test_words_are_listed_as_in_a_sentence() -> None:
    assert [list_words(words) for words in ([], ["a"], ["a", "b"], ["a", "b", "c"])] == ["", "a", "a or b", "a, b or c"]
    assert list_words(["a", "b", "c"], "and") == "a, b and c"


def test_the_nearest_names_come_first_and_are_three() -> None:
    known = ["C4F32", "C4F16", "R8F64", "Hayao", "upconv_7_art"]
    assert nearest("c4f23", known)[0] == "C4F32"
    assert nearest("HAYOA", known)[0] == "Hayao"
    assert len(nearest("zzz", known)) == 3
    assert len(nearest("a" * 5000, known)) == 3
    assert nearest("x", []) == []
