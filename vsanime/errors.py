"""The exceptions that the rooms below `filters/` raise, and how their messages show what was given.

Filters and command line turn the exceptions into one line. What a user gave may be anything: text of thousands of
letters, an object whose `repr` raises or has several lines. `quote` and `shorten` make it fit for a message.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Sequence
from difflib import get_close_matches

# Characters that a message shows of a value, and of a path: that one has to be found again by what is shown.
MOST_QUOTED = 60
MOST_OF_PATH = 120
# Characters of a whole message. Those that list folders are the longest, and far from it.
MOST_OF_MESSAGE = 1000
_ELLIPSIS = "..."
_LONG_WORD = re.compile(rf"\S{{{MOST_OF_PATH + 1},}}")


class VsanimeError(Exception):
    """Something the user can put right: says what was wrong, what was given, what would be right."""


class TooLittleMemory(VsanimeError):  # noqa: N818 - it says what is the matter
    """A card's memory does not do.

    Attributes:
        needed: bytes that were wanted.
        available: bytes that were to be had.
    """

    def __init__(self, what: str, needed: int, available: int) -> None:
        """Words the message.

        Args:
            what: what wants the memory and where, as the subject of "needs".
            needed: bytes.
            available: bytes.
        """
        mib = 1 << 20
        # Rounded apart, so that the message never says that 100 MiB are needed and 100 are there.
        super().__init__(f"{what} needs {-(-needed // mib)} MiB of video memory; {available // mib} MiB are available")
        self.needed = needed
        self.available = available


def quote(value: object) -> str:
    """Return a value as Python writes it, on one line of at most 60 characters.

    Text loses its middle, since it may be a path, which ends in the file's name; anything else loses its end.

    >>> quote("C4F32")
    "'C4F32'"
    """
    try:
        if isinstance(value, str | bytes | bytearray):
            # Of long text no more is written than is shown.
            return _without_middle(repr(value[:MOST_QUOTED]), repr(value[-MOST_QUOTED:]), len(value), MOST_QUOTED)
        text = repr(value)
    except Exception:  # a class may raise anything in `__repr__`; integers of many digits raise ValueError
        text = f"<{type(value).__name__}>"
    return shorten(text)


def shorten(text: str, most: int = MOST_QUOTED) -> str:
    """Return text on one line of at most `most` characters, ending in "..." where it had more."""
    # Four times as much: white space is folded, and what cannot be printed is written as an escape.
    line = _fold(text[: 4 * most + 1])
    return line if len(line) <= most else line[: most - len(_ELLIPSIS)] + _ELLIPSIS


def quote_path(path: str | os.PathLike[str]) -> str:
    """Return a path on one line of at most 120 characters; a longer one keeps its beginning and its file's name."""
    text = os.fspath(path)
    return _without_middle(_fold(text[:MOST_OF_PATH]), _fold(text[-MOST_OF_PATH:]), len(text), MOST_OF_PATH)


def one_line(message: str) -> str:
    """Return a message on one line, whatever was put into it; words as long as no path is lose their middle."""
    return shorten(_LONG_WORD.sub(lambda word: quote_path(word[0]), message), MOST_OF_MESSAGE)


def list_words(words: Sequence[str], conjunction: str = "or") -> str:
    """Return words as a sentence lists them.

    >>> list_words(["a", "b", "c"])
    'a, b or c'
    """
    return f" {conjunction} ".join(part for part in (", ".join(words[:-1]), *words[-1:]) if part)


def nearest(name: str, known: Iterable[str], count: int = 3) -> list[str]:
    """Return the known names that a misspelled one resembles most, the likeliest first.

    Args:
        name: what was given; case does not matter.
        known: names that would be right.
        count: how many to return.
    """
    spellings = {one.lower(): one for one in known}
    found = get_close_matches(name[:MOST_QUOTED].lower(), spellings, n=count, cutoff=0.0)
    return [spellings[spelling] for spelling in found]


def _without_middle(head: str, tail: str, length: int, most: int) -> str:
    """Return text of at most `most` characters that begins as `head` does and ends as `tail` does.

    Args:
        head: how the first `most` characters of a text are written.
        tail: how the last ones are.
        length: of the text.
        most: characters to return.
    """
    if length <= most and len(head) <= most:
        return head
    kept = most - len(_ELLIPSIS)
    return head[: kept // 2] + _ELLIPSIS + tail[kept // 2 - kept :]


def _fold(text: str) -> str:
    """Return text with runs of white space as single blanks, and what cannot be printed as escapes."""
    line = " ".join(text.split())
    if line.isprintable():
        return line
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode("ascii") for c in line)
