"""Writes the commands that error messages advise, complete, so that they can be typed as they stand."""

from __future__ import annotations

import os
import re
from pathlib import Path

# What no shell reads anything into, on Windows either.
_PLAIN = re.compile(r"[\w./\\:+@,=-]+")


def quote_for_shell(path: str | os.PathLike[str]) -> str:
    """Return a path as shells take it: in quotation marks where it holds blanks and the like."""
    text = os.fspath(path)
    return text if _PLAIN.fullmatch(text) else f'"{text}"'


def import_command(path: str | os.PathLike[str]) -> str:
    """Return the command that makes plain ONNX of a file, in a file of another name in the current folder."""
    name = Path(path)
    output = f" -o {quote_for_shell(f'{name.stem}_plain.onnx')}" if name.suffix.lower() == ".onnx" else ""
    return f"`vsanime import {quote_for_shell(path)}{output}`"
