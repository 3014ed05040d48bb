"""Prints untrusted text on a terminal with control characters escaped, so that no file can act on the screen."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, cast

if TYPE_CHECKING:
    from rich.console import Console

# C0, DEL and C1 move the cursor, set titles, fill the clipboard or hide text. The separators of lines and paragraphs
# break lines on some terminals only. Embeddings, overrides and isolates reorder a line; the directional marks (U+200E,
# U+200F, U+061C) and the joiners are needed to write some scripts, and stay.
_CONTROLS = (*range(0x20), *range(0x7F, 0xA0), 0x2028, 0x2029, *range(0x202A, 0x202F), *range(0x2066, 0x206A))
_ESCAPED = {code: f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}" for code in _CONTROLS}
_ESCAPED.update({ord("\n"): "\\n", ord("\t"): "\\t", ord("\r"): "\\r"})
_ESCAPED_IN_LINES = {code: shown for code, shown in _ESCAPED.items() if code not in (ord("\n"), ord("\t"))}


def clean(text: str) -> str:
    """Return multi-line text with every control character except newlines and tabs escaped."""
    return text.translate(_ESCAPED_IN_LINES)


def clean_line(text: object) -> str:
    """Return a value as one line of text, with every control character escaped, including newlines and tabs."""
    return str(text).translate(_ESCAPED)


def print_line(text: object, *, stderr: bool = False) -> None:
    """Print one cleaned line to stdout or stderr, and flush it."""
    print(clean_line(text), file=sys.stderr if stderr else sys.stdout, flush=True)


class CleanStream:
    """A text stream that cleans written text; everything else is delegated to the wrapped stream.

    Attributes:
        raw: wrapped stream.
    """

    def __init__(self, raw: Any) -> None:
        self.raw = raw

    def write(self, text: str) -> int:
        """Write cleaned text."""
        self.raw.write(clean(text))
        return len(text)

    def writelines(self, lines: Iterable[str]) -> None:
        """Write several cleaned texts."""
        for line in lines:
            self.write(line)

    def __getattr__(self, name: str) -> Any:
        return getattr(self.raw, name)


@contextmanager
def clean_streams() -> Iterator[None]:
    """Clean everything printed to stdout and stderr within the block: results, messages, warnings and log records."""
    before = sys.stdout, sys.stderr
    streams = [stream and CleanStream(stream) for stream in before]  # both are None in a program without a console
    sys.stdout, sys.stderr = cast("tuple[Any, Any]", streams)
    try:
        yield
    finally:
        sys.stdout, sys.stderr = before


def open_console() -> Console:
    """Return a rich console on stderr that cleans texts and keeps rich's own escapes for colors and bars."""
    from rich.console import Console
    from rich.segment import Segment

    class CleanConsole(Console):
        def render(self, *args: Any, **kwargs: Any) -> Iterator[Segment]:
            for segment in super().render(*args, **kwargs):
                yield segment if segment.control else Segment(clean(segment.text), segment.style)

    stream = sys.stderr
    return CleanConsole(file=stream.raw) if isinstance(stream, CleanStream) else CleanConsole(stderr=True)
