"""Writes the logs of a run: a CSV, and events for TensorBoard if `tensorboardX` is installed."""

from __future__ import annotations

import contextlib
import csv
import io
import os
import time
from collections.abc import Mapping
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from vsanime import files
from vsanime.errors import VsanimeError


class Log:
    """A CSV with one row per report.

    Args:
        path: path of the CSV; rows that it has already are kept up to `done`.
        columns: names of the columns, `step` first.
        done: number of completed steps; later rows, of a run that was interrupted, are removed.

    Raises:
        VsanimeError: the file cannot be written.
    """

    def __init__(self, path: Path, columns: tuple[str, ...], done: int) -> None:
        self._path = path
        self._columns = columns
        rows = [row for row in read(path) if _step(row) is not None and (_step(row) or 0) <= done]
        text = _rows([columns]) + _rows([[row.get(name) or "" for name in columns] for row in rows])
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            files.write_text(path, text)
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
    """Events for TensorBoard; nothing is written without `tensorboardX`, which the extra `train` installs.

    Events are written synchronously: the usual writer of `tensorboardX` uses a thread, which dies when the disk is
    full, and then its queue blocks forever.

    Args:
        folder: folder of the events.
        done: number of completed steps; TensorBoard drops events of later ones.

    Raises:
        VsanimeError: the folder cannot be written.
    """

    def __init__(self, folder: Path, done: int) -> None:
        self._folder = folder
        self._writer: Any = None
        if find_spec("tensorboardX") is None:
            return
        from tensorboardX.event_file_writer import EventsWriter
        from tensorboardX.proto import event_pb2

        try:
            folder.mkdir(parents=True, exist_ok=True)
            self._writer = EventsWriter(os.fspath(folder / "events"))
        except OSError as error:
            raise _unwritable(folder, error) from None
        start = event_pb2.SessionLog(status=event_pb2.SessionLog.START)
        self._write(event_pb2.Event(session_log=start, step=done + 1, wall_time=time.time()))

    def add(self, values: Mapping[str, float]) -> None:
        """Write every value but the step under its own name.

        Raises:
            VsanimeError: the file cannot be written.
        """
        if self._writer is None:
            return
        from tensorboardX.proto import event_pb2, summary_pb2

        named = [(name, value) for name, value in values.items() if name != "step"]
        summary = summary_pb2.Summary(
            value=[summary_pb2.Summary.Value(tag=name, simple_value=value) for name, value in named]
        )
        self._write(event_pb2.Event(summary=summary, step=int(values["step"]), wall_time=time.time()))

    def _write(self, event: object) -> None:
        try:
            self._writer.write_event(event)
            self._writer.flush()
        except OSError as error:
            raise _unwritable(self._folder, error) from None

    def close(self) -> None:
        """Close the file; `add` has flushed every event already."""
        if self._writer is not None:
            with contextlib.suppress(OSError):
                self._writer.close()


def read(path: Path) -> list[dict[str, str]]:
    """Return the rows of a log, or none if the file does not exist."""
    if not path.exists():
        return []
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def _step(row: Mapping[str, str]) -> int | None:
    """Return the step of a row, or None for an incomplete row."""
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
