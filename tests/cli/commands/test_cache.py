"""`vsanime cache`: what is kept, and removing it."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import time
from pathlib import Path

import pytest

from vsanime.backends.cache import JSON, EngineCache
from vsanime.backends.cache.storage import key_of
from vsanime.cli import main

pytestmark = pytest.mark.usefixtures("folder")

FACTS: dict[str, JSON] = {"graph": "1f" * 32, "precision": "fp16"}
NOTES: dict[str, JSON] = {"model": "C4F16", "size": "1920x1080", "card": "NVIDIA GeForce RTX 4090"}
KEY = key_of(FACTS)
OLD_KEY = key_of(FACTS | {"driver": "old"})


@pytest.fixture
def filled(folder: Path) -> EngineCache:
    """An engine of 3 MB used just now, with its companion, and one of 5 MB unused for 100 days."""
    cache = EngineCache()
    cache.fetch(FACTS | {"driver": "old"}, NOTES | {"model": "R8F64"}, lambda: bytes(5_000_000))
    then = time.time() - 100 * 86400
    for path in folder.glob(f"{OLD_KEY}.*"):
        os.utime(path, (then, then))
    cache.fetch(FACTS, NOTES, lambda: bytes(3_000_000))
    cache.save_blob(f"{KEY}-sm89.jit", bytes(100_000))
    return cache


def run(*arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "vsanime", "cache", *arguments]
    return subprocess.run(command, capture_output=True, text=True, stdin=subprocess.DEVNULL, check=False)


def test_empty_cache_says_where_it_would_be(folder: Path, capfd: pytest.CaptureFixture[str]) -> None:
    assert main(["cache", "list"]) == 0
    assert str(folder) in capfd.readouterr().out
    for command in (["prune"], ["clear", "--yes"], ["clear"]):
        assert main(["cache", *command]) == 0
        assert capfd.readouterr().out == "nothing removed\n"
    assert not folder.exists()


@pytest.mark.usefixtures("filled")
def test_list(folder: Path, capfd: pytest.CaptureFixture[str]) -> None:
    assert main(["cache", "list"]) == 0
    head, *rows, total = [re.split(r"  +", line) for line in capfd.readouterr().out.splitlines()]
    assert head == ["MODEL", "SIZE", "PRECISION", "CARD", "MB", "BUILT", "LAST USED", "STATE"]
    assert [row[:5] + row[7:] for row in rows] == [
        [f"{KEY[:12]}-sm89.jit.blob", "-", "-", "-", "0.1", "good"],
        ["C4F16", "1920x1080", "fp16", "NVIDIA GeForce RTX 4090", "3.0", "good"],
        ["R8F64", "1920x1080", "fp16", "NVIDIA GeForce RTX 4090", "5.0", "good"],
    ]
    assert all(re.fullmatch(r"\d{4}-\d\d-\d\d \d\d:\d\d", row[6]) for row in rows)
    assert total == [f"3 entries, 8.1 MB in {folder}"]


def test_list_for_programs(filled: EngineCache, folder: Path, capfd: pytest.CaptureFixture[str]) -> None:
    assert main(["cache", "list", "--json"]) == 0
    listed = json.loads(capfd.readouterr().out)
    assert listed["folder"] == str(folder)
    entry = next(entry for entry in listed["entries"] if entry["key"] == KEY)
    assert entry["facts"] == FACTS
    assert entry["notes"] == NOTES
    assert entry["state"] == "good"
    assert entry["size"] == sum(Path(path).stat().st_size for path in entry["paths"]) > 3_000_000
    assert len(listed["entries"]) == len(filled.entries()) == 3


@pytest.mark.usefixtures("filled")
def test_prune_removes_the_long_unused(folder: Path, capfd: pytest.CaptureFixture[str]) -> None:
    assert main(["cache", "prune", "--dry-run"]) == 0
    line, total = capfd.readouterr().out.splitlines()
    assert line.startswith(f"{OLD_KEY[:12]}  R8F64 1920x1080 fp16")
    assert line.endswith("would be removed: unused for 100 days")
    assert total == "1 entry, 5.0 MB would be removed"
    assert (folder / f"{OLD_KEY}.engine").exists()
    assert main(["cache", "prune", "--days", "101"]) == 0
    assert capfd.readouterr().out == "nothing removed\n"
    assert main(["cache", "prune"]) == 0
    assert capfd.readouterr().out.splitlines()[1] == "1 entry, 5.0 MB removed"
    assert not (folder / f"{OLD_KEY}.engine").exists()
    assert (folder / f"{KEY}.engine").exists()


@pytest.mark.usefixtures("filled")
def test_prune_by_size(folder: Path, capfd: pytest.CaptureFixture[str]) -> None:
    assert main(["cache", "prune", "--days", "1000", "--max-size", "3.2"]) == 0
    assert "removed: more than the size limit" in capfd.readouterr().out
    assert {path.suffix for path in folder.glob(f"{KEY}*")} == {".engine", ".json", ".blob"}
    assert not list(folder.glob(f"{OLD_KEY}*"))


@pytest.mark.usefixtures("filled")
def test_broken_engine_is_listed_and_pruned(folder: Path, capfd: pytest.CaptureFixture[str]) -> None:
    os.truncate(folder / f"{KEY}.engine", 1000)
    assert main(["cache", "list"]) == 0
    (row,) = [line for line in capfd.readouterr().out.splitlines() if "C4F16" in line]
    assert row.endswith(f"broken: {KEY[:12]}.engine is damaged: it has 1000 bytes, 3000000 were written")
    assert main(["cache", "prune", "--days", "1000"]) == 0
    assert "1 entry" in capfd.readouterr().out


def test_clear_asks_nobody_where_there_is_no_terminal(filled: EngineCache) -> None:
    answer = run("clear")
    assert answer.returncode == 1
    assert "give --yes" in answer.stderr
    assert answer.stderr.count("\n") == 1
    assert len(filled.entries()) == 3
    answer = run("clear", "--yes")
    assert answer.returncode == 0
    *lines, total = answer.stdout.splitlines()
    assert len(lines) == 3
    assert all(line.endswith("  removed") for line in lines)
    assert total == "3 entries, 8.1 MB removed"
    assert filled.entries() == []


@pytest.mark.skipif(os.name == "nt", reason="there are no pseudo-terminals on Windows")
@pytest.mark.parametrize(("said", "left"), [("y\n", 0), ("YES\n", 0), ("n\n", 3), ("\n", 3), ("\x04", 3)])
def test_clear_asks_on_a_terminal(filled: EngineCache, said: str, left: int) -> None:
    import pty

    terminal, end = pty.openpty()
    command = [sys.executable, "-m", "vsanime", "cache", "clear"]
    with subprocess.Popen(command, stdin=end, stdout=subprocess.PIPE, text=True) as process:
        os.write(terminal, said.encode())
        output = process.communicate(timeout=60)[0]
    os.close(terminal)
    os.close(end)
    assert "Remove 3 entries, 8.1 MB from" in output
    assert process.returncode == (1 if left else 0)
    assert len(filled.entries()) == left


@pytest.mark.usefixtures("filled")
def test_another_folder(tmp_path: Path, folder: Path, capfd: pytest.CaptureFixture[str]) -> None:
    other = tmp_path / "other"
    EngineCache(other).fetch(FACTS, {}, lambda: b"engine")
    assert main(["cache", "list", "--dir", str(other)]) == 0
    assert f"1 entry, 0.0 MB in {other}" in capfd.readouterr().out
    assert main(["cache", "clear", "--yes", "--dir", str(other)]) == 0
    assert not (other / f"{KEY}.engine").exists()
    assert (folder / f"{KEY}.engine").exists()


def test_folder_that_is_a_file_is_one_line(folder: Path, capfd: pytest.CaptureFixture[str]) -> None:
    folder.touch()
    for command in (["list"], ["prune"], ["clear", "--yes"]):
        assert main(["cache", *command]) == 1
        error = capfd.readouterr().err
        assert error.startswith(f"vsanime: the cache {folder} cannot be read")
        assert error.count("\n") == 1


def test_what_cannot_be_removed_is_told_and_the_rest_goes(filled: EngineCache, folder: Path) -> None:
    """A folder in an engine's place stands for whatever keeps a file from being removed."""
    (folder / f"{KEY}.engine").unlink()
    (folder / f"{KEY}.engine").mkdir()
    answer = run("clear", "--yes")
    assert answer.returncode == 1
    assert "kept: cannot be removed" in answer.stdout
    assert "2 entries, 5.1 MB removed" in answer.stdout
    assert filled.entries() == []


@pytest.mark.parametrize("value", ["-1", "many", "nan", "inf"])
def test_wrong_limits_are_wrong_usage(value: str) -> None:
    for option in ("--days", "--max-size"):
        answer = run("prune", f"{option}={value}")
        assert answer.returncode == 2
        assert f"'{value}' is no limit; a number of 0 or more is needed" in answer.stderr


def test_info_names_the_folder(folder: Path, capfd: pytest.CaptureFixture[str]) -> None:
    assert main(["info", "--json"]) == 0
    report = json.loads(capfd.readouterr().out)
    assert report["folders"]["cache"] == report["environment"]["VSANIME_CACHE_DIR"] == str(folder)
