"""Shows text of foreign origin on a terminal: control characters are escaped, so that no file can act on the screen."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, cast

if TYPE_CHECKING:
    from rich.console import Console

# C0, DEL and C1 move the cursor, set titles, fill the clipboard or hide text. The separators of lines and paragraphs
# break lines where some terminals break none. Embeddings, overrides and isolates show a line in another order than it
# has; the marks beside them (U+200E, U+200F, U+061C) and the joiners belong to how scripts are written, and stay.
_CONTROLS = (*range(0x20), *range(0x7F, 0xA0), 0x2028, 0x2029, *range(0x202A, 0x202F), *range(0x2066, 0x206A))
_ESCAPED = {code: f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}" for code in _CONTROLS}
_ESCAPED.update({ord("\n"): "\\n", ord("\t"): "\\t", ord("\r"): "\\r"})
_ESCAPED_IN_LINES = {code: shown for code, shown in _ESCAPED.items() if code not in (ord("\n"), ord("\t"))}


def clean(text: str) -> str:
    """Return a text of several lines with every control character but newlines and tabs escaped."""
    return text.translate(_ESCAPED_IN_LINES)


def clean_line(text: object) -> str:
    """Return a value as text of one line, every control character escaped, newlines and tabs as well."""
    return str(text).translate(_ESCAPED)


def print_line(text: object, *, stderr: bool = False) -> None:
    """Print one cleaned line at once, to stdout or stderr."""
    print(clean_line(text), file=sys.stderr if stderr else sys.stdout, flush=True)


class CleanStream:
    """A text stream that cleans what is written to it; all else is the stream's own.

    Attributes:
        raw: the stream.
    """

    def __init__(self, raw: Any) -> None:
        self.raw = raw

    def write(self, text: str) -> int:
        """Write a text, cleaned."""
        self.raw.write(clean(text))
        return len(text)

    def writelines(self, lines: Iterable[str]) -> None:
        """Write several texts, cleaned."""
        for line in lines:
            self.write(line)

    def __getattr__(self, name: str) -> Any:
        return getattr(self.raw, name)


@contextmanager
def clean_streams() -> Iterator[None]:
    """Clean all that is printed to stdout and stderr meanwhile: results, messages, warnings and log records."""
    before = sys.stdout, sys.stderr
    streams = [stream and CleanStream(stream) for stream in before]  # both are None in a program without a console
    sys.stdout, sys.stderr = cast("tuple[Any, Any]", streams)
    try:
        yield
    finally:
        sys.stdout, sys.stderr = before


def open_console() -> Console:
    """Return a console of rich's on stderr that cleans texts and keeps its own escapes, of colors and bars."""
    from rich.console import Console
    from rich.segment import Segment

    class CleanConsole(Console):
        def render(self, *args: Any, **kwargs: Any) -> Iterator[Segment]:
            for segment in super().render(*args, **kwargs):
                yield segment if segment.control else Segment(clean(segment.text), segment.style)

    stream = sys.stderr
    return CleanConsole(file=stream.raw) if isinstance(stream, CleanStream) else CleanConsole(stderr=True)
