"""Files are whole or as they were, tried again for a moment, and never named as a device."""

from __future__ import annotations

import contextlib
import os
import re
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from vsanime import files
from vsanime.cli import main
from vsanime.cli.output import check_output, write_output
from vsanime.errors import VsanimeError

VSANIME = Path(files.__file__).parent


def refuse(times: int, monkeypatch: pytest.MonkeyPatch) -> Callable[[], int]:
    """Have renaming refused a few times, as a virus scanner does; return what counts the attempts."""
    attempts = 0
    rename = Path.replace

    def replace(self: Path, target: Path) -> Path:
        nonlocal attempts
        attempts += 1
        if attempts <= times:
            raise PermissionError(13, "Permission denied", str(target))
        return rename(self, target)

    monkeypatch.setattr(Path, "replace", replace)
    monkeypatch.setattr(time, "sleep", lambda _: None)
    return lambda: attempts


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_a_file_is_written_and_replaced(tmp_path: Path) -> None:
    path = tmp_path / "nät ö.onnx"
    for data in (b"one", b"two"):
        files.write(path, data)
        assert path.read_bytes() == data
    files.write_text(tmp_path / "text", "ö\n")
    assert (tmp_path / "text").read_bytes() == "ö\n".encode()
    assert names(tmp_path) == ["nät ö.onnx", "text"]


def test_a_refused_rename_is_tried_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    attempts = refuse(3, monkeypatch)
    files.write(tmp_path / "a", b"new")
    assert (attempts(), names(tmp_path)) == (4, ["a"])


def test_a_rename_that_stays_refused_leaves_what_was_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "a").write_bytes(b"old")
    refuse(100, monkeypatch)
    with pytest.raises(PermissionError):
        files.write(tmp_path / "a", b"new")
    assert (tmp_path / "a").read_bytes() == b"old"
    assert names(tmp_path) == ["a"]


def test_it_waits_for_a_moment_only(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    waited: list[float] = []
    refuse(100, monkeypatch)
    monkeypatch.setattr(time, "sleep", waited.append)
    with pytest.raises(PermissionError):
        files.write(tmp_path / "a", b"new")
    assert 0.5 < sum(waited) < 2


def test_outputs_of_commands_are_tried_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    refuse(2, monkeypatch)
    write_output(tmp_path / "net.onnx", b"net", force=False)
    assert names(tmp_path) == ["net.onnx"]


def test_what_fails_half_way_leaves_nothing(tmp_path: Path) -> None:
    (tmp_path / "a.png").write_bytes(b"old")
    with contextlib.suppress(ZeroDivisionError), files.stage(tmp_path / "a.png") as staged:
        staged.write_bytes(b"half")
        assert staged.suffix == ".png", "the kind of a file follows from its name"
        raise ZeroDivisionError
    assert (tmp_path / "a.png").read_bytes() == b"old"
    assert names(tmp_path) == ["a.png"]


def test_a_file_is_on_the_disk_before_it_has_its_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Else a power cut could leave an empty file under it."""
    order: list[str] = []
    fsync, rename = os.fsync, Path.replace
    monkeypatch.setattr(os, "fsync", lambda handle: (order.append("flush"), fsync(handle))[1])
    monkeypatch.setattr(Path, "replace", lambda self, to: (order.append("rename"), rename(self, to))[1])
    files.write(tmp_path / "a", b"1")
    assert order[:2] == ["flush", "rename"]
    order.clear()
    files.write(tmp_path / "a", b"2", flush=False)
    assert order == ["rename"]


def test_readers_see_one_or_the_other(tmp_path: Path) -> None:
    path, seen = tmp_path / "a", set()
    contents = [bytes([n]) * 200_000 for n in range(20)]
    files.write(path, contents[0])
    done = threading.Event()

    def read() -> None:
        while not done.is_set():
            seen.add(path.read_bytes())

    reader = threading.Thread(target=read)
    reader.start()
    for content in contents:
        files.write(path, content)
    done.set()
    reader.join()
    assert seen <= set(contents)


DEVICES = ["CON", "nul", "NUL.png", "aux.tar.gz", "com1", "LPT9.txt", "COM¹", "PRN .x", "CONIN$", "nul/out.png"]


@pytest.mark.parametrize("name", DEVICES)
def test_devices_of_windows_are_refused(name: str) -> None:
    with pytest.raises(VsanimeError, match="is a device on Windows, not a file; give another name"):
        files.check_name(f"C:\\folder\\{name}", windows=True)
    files.check_name(name, windows=False)


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("a:b", "relative to the current folder of a drive, or a stream"),
        ("C:out.png", "relative to the current folder of a drive, or a stream"),
        ("out.png:stream", "hold no ':'"),
        ("a?.png", "hold no '?'"),
        ("a\nb.png", r"hold no '\\n'"),
        ("out.", "drops the last character of 'out.'"),
        ("folder /out.png", "drops the last character of 'folder '"),
        ("out ", "drops the last character of 'out '"),
    ],
)
def test_names_that_mean_something_else_on_windows_are_refused(name: str, reason: str) -> None:
    with pytest.raises(VsanimeError, match=reason):
        files.check_name(name, windows=True)
    files.check_name(name, windows=False)


@pytest.mark.parametrize(
    "name",
    ["out.png", "C:\\a\\out.png", "..\\out.png", "./a/../out.png", "\\\\server\\share\\out.png", "console.png", "com10",
     "null", "ö 日本.png", ".hidden", "nul-1.png", "\\\\?\\C:\\a\\out.png"],
)  # fmt: skip
def test_other_names_are_names(name: str) -> None:
    files.check_name(name, windows=True)


def test_outputs_are_checked_before_the_work(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(path: Path) -> None:
        raise VsanimeError(f"the output {path}: checked")

    monkeypatch.setattr(files, "check_name", refuse)
    with pytest.raises(VsanimeError, match="checked"):
        check_output(tmp_path / "out.png", force=False)
    with pytest.raises(VsanimeError, match="checked"):
        files.write(tmp_path / "out.png", b"")


@pytest.mark.skipif(os.name != "nt", reason="names of devices are Windows'")
def test_a_device_is_refused_in_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["process", __file__, "nul.png", "--filter", "lineart"]) == 1
    assert capsys.readouterr().err.count("\n") == 1


# Appended to line by line (logs), in a temporary folder, or not under their final name.
ELSEWHERE = {
    "bench/doubling/run.py": 1,
    "training/run/log.py": 1,
    "models/download.py": 1,
    "models/foreign.py": 1,
    "models/store.py": 1,
    "cli/stills.py": 1,
    "cli/output.py": 1,
    "cli/commands/bench.py": 1,
}
WRITES = re.compile(r"""\.write_(bytes|text)\(|\.open\(["'][waxr]b?\+?["'], |\.open\(["'][wax]|\.save(fig)?\(path""")


def test_nothing_else_writes_under_a_final_name() -> None:
    found = {}
    for path in VSANIME.rglob("*.py"):
        text = path.read_text(encoding="utf-8").replace("files.write", "")
        lines = [line for line in text.splitlines() if WRITES.search(line)]
        if lines and path.name != "files.py":
            found[path.relative_to(VSANIME).as_posix()] = len(lines)
    assert found == ELSEWHERE
