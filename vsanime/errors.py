"""Defines the package's exceptions, and shortens user input for their messages.

Filters and command line turn the exceptions into one line. A value from a user may be anything: text of thousands of
letters, or an object whose `repr` raises or has several lines. `quote` and `shorten` make it fit for a message.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Sequence
from difflib import get_close_matches

# Characters that a message shows of a value, and of a path, which must remain recognizable.
MOST_QUOTED = 60
MOST_OF_PATH = 120
# Characters of a whole message. The longest ones list folders and are far shorter.
MOST_OF_MESSAGE = 1000
_ELLIPSIS = "..."
_LONG_WORD = re.compile(rf"\S{{{MOST_OF_PATH + 1},}}")


class VsanimeError(Exception):
    """Error that the user can fix: the message says what was wrong, what was given and what would be right."""


class TooLittleMemory(VsanimeError):  # noqa: N818 - the name states the problem
    """Error raised when a card's memory is too small.

    Attributes:
        needed: required memory in bytes.
        available: available memory in bytes.
    """

    def __init__(self, what: str, needed: int, available: int) -> None:
        """Compose the message.

        Args:
            what: consumer and location of the memory, as the subject of "needs".
            needed: required memory in bytes.
            available: available memory in bytes.
        """
        mib = 1 << 20
        # Rounded in opposite directions, so that the message never shows equal numbers.
        super().__init__(f"{what} needs {-(-needed // mib)} MiB of video memory; {available // mib} MiB are available")
        self.needed = needed
        self.available = available


def quote(value: object) -> str:
    """Return a value as Python writes it, on one line of at most 60 characters.

    Long text loses its middle, since it may be a path, which ends with the file's name; other values lose their end.

    >>> quote("C4F32")
    "'C4F32'"
    """
    try:
        if isinstance(value, str | bytes | bytearray):
            # Only the shown parts of long text are converted.
            return _without_middle(repr(value[:MOST_QUOTED]), repr(value[-MOST_QUOTED:]), len(value), MOST_QUOTED)
        text = repr(value)
    except Exception:  # a class may raise anything in `__repr__`; integers of many digits raise ValueError
        text = f"<{type(value).__name__}>"
    return shorten(text)


def shorten(text: str, most: int = MOST_QUOTED) -> str:
    """Return text on one line of at most `most` characters, ending in "..." if it was longer."""
    # Four times as much is read, because folding white space shortens the text.
    line = _fold(text[: 4 * most + 1])
    return line if len(line) <= most else line[: most - len(_ELLIPSIS)] + _ELLIPSIS


def quote_path(path: str | os.PathLike[str]) -> str:
    """Return a path on one line of at most 120 characters; a longer one keeps its beginning and its file's name."""
    text = os.fspath(path)
    return _without_middle(_fold(text[:MOST_OF_PATH]), _fold(text[-MOST_OF_PATH:]), len(text), MOST_OF_PATH)


def one_line(message: str) -> str:
    """Return a message on one line of limited length; words longer than a quoted path lose their middle."""
    return shorten(_LONG_WORD.sub(lambda word: quote_path(word[0]), message), MOST_OF_MESSAGE)


def list_words(words: Sequence[str], conjunction: str = "or") -> str:
    """Return words joined as a list in a sentence.

    >>> list_words(["a", "b", "c"])
    'a, b or c'
    """
    return f" {conjunction} ".join(part for part in (", ".join(words[:-1]), *words[-1:]) if part)


def nearest(name: str, known: Iterable[str], count: int = 3) -> list[str]:
    """Return the known names that are most similar to a misspelled one, the most similar first.

    Args:
        name: misspelled name; case is ignored.
        known: correct names.
        count: largest number of names to return.
    """
    spellings = {one.lower(): one for one in known}
    found = get_close_matches(name[:MOST_QUOTED].lower(), spellings, n=count, cutoff=0.0)
    return [spellings[spelling] for spelling in found]


def _without_middle(head: str, tail: str, length: int, most: int) -> str:
    """Return text of at most `most` characters that begins like `head` and ends like `tail`.

    Args:
        head: printable form of the text's first `most` characters.
        tail: printable form of its last `most` characters.
        length: length of the text in characters.
        most: largest number of characters to return.
    """
    if length <= most and len(head) <= most:
        return head
    kept = most - len(_ELLIPSIS)
    return head[: kept // 2] + _ELLIPSIS + tail[kept // 2 - kept :]


def _fold(text: str) -> str:
    """Return text with runs of white space as single spaces and unprintable characters as escapes."""
    line = " ".join(text.split())
    if line.isprintable():
        return line
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode("ascii") for c in line)
