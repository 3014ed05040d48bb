"""Calls that are refused in one line, and calls that are not."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from vsanime.errors import VsanimeError


def refused(call: Callable[[], object], message: str) -> str:
    """Run a call that raises a `VsanimeError`, and return its message, which the pattern `message` is found in."""
    with pytest.raises(VsanimeError, match=message) as error:
        call()
    return str(error.value)


def check(call: Callable[[], object], message: str) -> None:
    """Run a call that is refused with a message, or not refused if the message is empty."""
    if message:
        refused(call, message)
    else:
        call()
