"""Prints tables on the terminal."""

from __future__ import annotations

from collections.abc import Sequence

from vsanime.terminal import clean_line


def print_table(table: Sequence[Sequence[str]]) -> None:
    """Print a table with columns as wide as their widest cell, except the last; each row takes one line."""
    rows = [[clean_line(cell) for cell in row] for row in table]
    widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]) - 1)]
    for row in rows:
        print("  ".join([*(cell.ljust(width) for cell, width in zip(row, widths, strict=False)), row[-1]]))
