"""Writes the commands that error messages advise, in full, so that users can paste them into a shell."""

from __future__ import annotations

import os
import re
from pathlib import Path

# Characters that no shell interprets, on Windows either.
_PLAIN = re.compile(r"[\w./\\:+@,=-]+")


def quote_for_shell(path: str | os.PathLike[str]) -> str:
    """Return the path as a shell argument, in double quotes if it holds blanks or special characters."""
    text = os.fspath(path)
    return text if _PLAIN.fullmatch(text) else f'"{text}"'


def import_command(path: str | os.PathLike[str]) -> str:
    """Return the `vsanime import` command that makes plain ONNX of a file; an ONNX file is not overwritten by it."""
    name = Path(path)
    output = f" -o {quote_for_shell(f'{name.stem}_plain.onnx')}" if name.suffix.lower() == ".onnx" else ""
    return f"`vsanime import {quote_for_shell(path)}{output}`"
