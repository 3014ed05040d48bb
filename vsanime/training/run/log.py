"""What a run writes down as it goes: a CSV that anything reads, and events for TensorBoard if its writer is there."""

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
    """Events for TensorBoard; nothing where `tensorboardX`, which the extra `train` installs, is missing.

    Written here and now: its usual writer leaves that to a thread, which dies of a full disk, after which the queue to
    it is full for ever.

    Args:
        folder: of the events.
        done: steps that are done: events of later ones are struck out.

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
        """Close the file; every event is in it already, as far as the disk had room."""
        if self._writer is not None:
            with contextlib.suppress(OSError):
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
