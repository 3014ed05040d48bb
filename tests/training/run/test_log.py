"""Logs go on where the checkpoint is, whatever a killed run left behind; events are what TensorBoard reads."""

from __future__ import annotations

import multiprocessing
import struct
import sys
from pathlib import Path

import pytest

from vsanime.errors import VsanimeError
from vsanime.training.run.log import Events, Log, read

COLUMNS = ("step", "loss", "rate")


def test_rows_are_appended(tmp_path: Path) -> None:
    log = Log(tmp_path / "Ordner mit Leerzeichen" / "log.csv", COLUMNS, 0)
    log.add({"step": 25, "loss": 0.1234567, "rate": 1e-3})
    log.add({"step": 50, "loss": 0.05})
    path = tmp_path / "Ordner mit Leerzeichen" / "log.csv"
    assert path.read_bytes() == b"step,loss,rate\n25,0.123457,0.001\n50,0.05,\n"


@pytest.mark.parametrize("tail", ["", "75,0.0", "75,0.03,0.001\n100", "\x00\x00"])
def test_rows_after_the_checkpoint_and_torn_ones_are_left_out(tmp_path: Path, tail: str) -> None:
    path = tmp_path / "log.csv"
    path.write_text("step,loss,rate\n25,0.1,0.001\n50,0.05,0.001\n" + tail, encoding="utf-8", newline="")
    Log(path, COLUMNS, 50).add({"step": 75, "loss": 0.02, "rate": 0.001})
    assert [(row["step"], row["loss"]) for row in read(path)] == [("25", "0.1"), ("50", "0.05"), ("75", "0.02")]


def test_unwritable_log_is_told(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(VsanimeError, match=r"the log .*log\.csv cannot be written"):
        Log(tmp_path / "file" / "log.csv", COLUMNS, 0)


def records(path: Path) -> list[bytes]:
    """The records of an event file: length, its checksum, data, its checksum."""
    data, found = path.read_bytes(), []
    while data:
        (length,) = struct.unpack("<Q", data[:8])
        found.append(data[12 : 12 + length])
        data = data[16 + length :]
    return found


def test_events_hold_the_values(tmp_path: Path) -> None:
    event_pb2 = pytest.importorskip("tensorboardX.proto.event_pb2")
    events = Events(tmp_path, 0)
    events.add({"step": 25, "loss": 0.125, "psnr/box": 31.5})
    events.close()
    (path,) = tmp_path.glob("events.out.tfevents.*")
    found = {}
    for record in records(path):
        event = event_pb2.Event.FromString(record)
        found |= {(value.tag, event.step): value.simple_value for value in event.summary.value}
    assert found == {("loss", 25): 0.125, ("psnr/box", 25): 31.5}


def test_events_of_steps_after_the_checkpoint_are_struck_out(tmp_path: Path) -> None:
    event_pb2 = pytest.importorskip("tensorboardX.proto.event_pb2")
    Events(tmp_path, 75).close()
    (path,) = tmp_path.glob("events.out.tfevents.*")
    starts = [e for e in map(event_pb2.Event.FromString, records(path)) if e.HasField("session_log")]
    assert [(e.step, e.session_log.status) for e in starts] == [(76, event_pb2.SessionLog.START)]


def _add_events_with_little_room(folder: str) -> None:
    import resource

    resource.setrlimit(resource.RLIMIT_FSIZE, (4096, 4096))
    events = Events(Path(folder), 0)
    try:
        for step in range(3000):
            events.add({"step": step, "loss": 1.0, "rate": 0.1})
    except VsanimeError as error:
        events.close()
        Path(folder, "said.txt").write_text(str(error), encoding="utf-8")
        sys.exit(3)


@pytest.mark.skipif(sys.platform == "win32", reason="the limit that stands for a full disk is POSIX's")
def test_events_on_a_full_disk_end_the_run_with_the_reason(tmp_path: Path) -> None:
    pytest.importorskip("tensorboardX")
    process = multiprocessing.get_context("spawn").Process(target=_add_events_with_little_room, args=(str(tmp_path),))
    process.start()
    process.join(60)
    assert process.exitcode == 3
    assert "cannot be written" in (tmp_path / "said.txt").read_text(encoding="utf-8")
