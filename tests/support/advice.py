"""Reads what a message advises, from the message itself: code, arguments, commands, values that would do."""

from __future__ import annotations

import ast
import re
from collections.abc import Callable, Mapping
from typing import Any

import pytest
import vapoursynth as vs

import vsanime
from vsanime.errors import VsanimeError

_SNIPPET = re.compile(r"`([^`]+)`")
_NUMBER = re.compile(r"(?<![\w.:'])-?\d+(?:\.\d+)?(?![\w:'])")
_GIVEN = re.compile(r"(\w+)=")
_LEAVE = re.compile(r"leave (\w+(?:, \w+)*(?: and \w+)?) out")

type Arguments = Mapping[str, Any]


def run(call: Callable[[], Any]) -> Any:
    """What a call gives; of a clip, every frame is made."""
    made = call()
    if isinstance(made, vs.VideoNode):
        for n in range(made.num_frames):
            made.get_frame(n).close()
    return made


def message_of(call: Callable[[], Any]) -> str:
    """What a call is refused with, one line; VapourSynth puts a traceback before that of a frame."""
    with pytest.raises((vs.Error, VsanimeError)) as caught:
        run(call)
    return str(caught.value).strip().splitlines()[-1]


def snippets(message: str) -> list[str]:
    """What stands between backticks."""
    return _SNIPPET.findall(message)


def is_command(snippet: str) -> bool:
    return snippet.startswith(("vsanime ", "pip "))


def followed(snippet: str, given: Arguments, subject: str) -> dict[str, Any]:
    """The arguments of a call once advised code or an advised argument is taken.

    Args:
        snippet: `name=value`, or an expression for a clip or a backend.
        given: the arguments that were refused.
        subject: the name of the one that is called `clip` in advice.
    """
    known = {"vs": vs, "vsanime": vsanime, "clip": given.get(subject)}
    try:
        call = ast.parse(f"call({snippet})", mode="eval").body
    except SyntaxError:
        pytest.fail(f"no code: {snippet}")
    assert isinstance(call, ast.Call)
    if call.keywords:
        named = {one.arg: ast.unparse(one.value) for one in call.keywords}
        return {**given, **{str(name): eval(code, known) for name, code in named.items()}}
    value = eval(snippet, known)
    return {**given, subject if isinstance(value, vs.VideoNode) else "backend": value}


def needed(message: str) -> list[Any]:
    """The words and numbers that a message says would do, in its last part."""
    told = message.rpartition("; ")[2]
    words: list[Any] = re.findall(r"'([^']+)'", told)
    numbers = [float(text) if "." in text else int(text) for text in _NUMBER.findall(told)]
    flags = [value for value in (True, False, None) if re.search(rf"\b{value}\b", told)]
    return words + numbers + flags


def left_out(message: str, given: Arguments) -> list[dict[str, Any]]:
    """The arguments of calls without what is to be left out: all of it, or all but one of those to choose from."""
    told = message.partition(": ")[2]
    named = [name for name in _GIVEN.findall(told) if name in given]
    if "give one of them" in told:
        return [{k: v for k, v in given.items() if k == kept or k not in named} for kept in named]
    found = _LEAVE.search(told)
    assert found, message
    names = set(re.split(r", | and ", found[1])) & given.keys()
    names = names or set(named[:1])
    assert names, message
    return [{k: v for k, v in given.items() if k not in names}]
