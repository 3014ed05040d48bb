"""What a run writes down as it goes: a CSV that anything reads, and events for TensorBoard if its writer is there."""

from __future__ import annotations

import csv
import io
import os
from collections.abc import Mapping
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from vsanime.errors import VsanimeError


class Log:
    """One row a report; columns are those of the first row.

    Args:
        path: the CSV.
        columns: names, `step` first.
        done: steps that are done: later rows, of a run that was cut short, are left out.
    """

    def __init__(self, path: Path, columns: tuple[str, ...], done: int) -> None:
        self._path = path
        self._columns = columns
        rows = [row for row in read(path) if _step(row) is not None and (_step(row) or 0) <= done]
        text = _rows([columns]) + _rows([[row.get(name) or "" for name in columns] for row in rows])
        partial = path.with_name(f".{path.name}")
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            partial.write_text(text, encoding="utf-8", newline="")
            partial.replace(path)
        except OSError as error:
            raise _unwritable(path, error) from None

    def add(self, values: Mapping[str, float]) -> None:
        """Append a row.

        Raises:
            VsanimeError: the file cannot be written.
        """
        line = _rows([[_text(values.get(name)) for name in self._columns]])
        try:
            with self._path.open("a", encoding="utf-8", newline="") as file:
                file.write(line)
        except OSError as error:
            raise _unwritable(self._path, error) from None


class Events:
    """Events for TensorBoard; nothing where `tensorboardX`, which the extra `train` installs, is missing.

    Args:
        folder: of the events.
        done: steps that are done: events of later ones are struck out.
    """

    def __init__(self, folder: Path, done: int) -> None:
        self._writer: Any = None
        if find_spec("tensorboardX") is None:
            return
        from tensorboardX import SummaryWriter

        try:
            self._writer = SummaryWriter(os.fspath(folder), purge_step=done + 1)
        except OSError as error:
            raise _unwritable(folder, error) from None

    def add(self, values: Mapping[str, float]) -> None:
        """Write every value but the step under its own name."""
        if self._writer is None:
            return
        for name, value in values.items():
            if name != "step":
                self._writer.add_scalar(name, value, int(values["step"]))

    def close(self) -> None:
        """Write what is left."""
        if self._writer is not None:
            self._writer.close()


def read(path: Path) -> list[dict[str, str]]:
    """The rows of a log; none where there is no log."""
    if not path.exists():
        return []
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def _step(row: Mapping[str, str]) -> int | None:
    """None for a row that was cut short."""
    try:
        return int(row["step"]) if None not in row.values() else None
    except (KeyError, ValueError):
        return None


def _text(value: float | None) -> str:
    return "" if value is None else str(value) if isinstance(value, int) else f"{value:.6g}"


def _rows(rows: Any) -> str:
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows(rows)
    return text.getvalue()


def _unwritable(path: Path, error: OSError) -> VsanimeError:
    return VsanimeError(f"the log {path} cannot be written: {error.strerror or error}; the last checkpoint is intact")
