"""The cache of built engines: one build for any number of askers, and nothing broken whatever dies when."""

from __future__ import annotations

import errno
import hashlib
import json
import logging
import os
import shutil
import subprocess
import sys
import tempfile
import threading
import time
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import IO

import pytest
from filelock import FileLock
from hypothesis import given, settings
from hypothesis import strategies as st

from vsanime import __version__
from vsanime.backends.cache import JSON, EngineCache, Entry, cache_folder, locks, storage
from vsanime.backends.cache.locks import GATE
from vsanime.errors import VsanimeError

FACTS: dict[str, JSON] = {
    "graph": "1f" * 32,
    "shape": [1, 1, 1080, 1920],
    "precision": "fp16",
    "driver": "580.95",
    "level": 3,
}
NOTES: dict[str, JSON] = {"model": "C4F16", "size": "1920x1080", "card": "NVIDIA GeForce RTX 4090"}
KEY = storage.key_of(FACTS)
ENGINE = bytes(range(256)) * 64

# What the child processes below start with: a cache, the facts, and a build that the parent can watch.
CHILD = """
import json, os, sys, time
from pathlib import Path
from vsanime.backends.cache import EngineCache
folder, facts = Path(sys.argv[1]), json.loads(sys.argv[2])
cache = EngineCache(folder)
def say(text):
    sys.stdout.write(text + "\\n")
    sys.stdout.flush()
"""
# Waits to be told, builds for a second, and prints the digest of what it was given.
ASK = """
import hashlib
def build():
    with open(sys.argv[3], "a") as log:
        log.write(f"{os.getpid()}\\n")
    time.sleep(1)
    return os.urandom(100_000)
say("ready")
sys.stdin.readline()
say(hashlib.sha256(cache.fetch(facts, {}, build)).hexdigest())
"""
# Says that it builds, and goes on until it is killed or told to finish.
BUILD_LONG = """
def build():
    say("building")
    sys.stdin.readline()
    return bytes.fromhex(sys.argv[3])
cache.fetch(facts, {}, build)
"""
# Stops in the middle of its n-th write: the temporary file is there in part.
WRITE_LONG = """
import stat
writes = 0
def fsync(file, real=os.fsync):
    global writes
    writes += stat.S_ISREG(os.fstat(file).st_mode)  # folders are flushed as well
    if writes == int(sys.argv[3]):
        os.ftruncate(file, 100)
        say("writing")
        time.sleep(600)
    real(file)
os.fsync = fsync
cache.fetch(facts, {}, lambda: bytes(50_000))
"""
# Fetches, discards, prunes and clears at random for a while; two builds at once leave a note.
STORM = """
import random
from vsanime.backends.cache import locks
locks._POLL_SECONDS = 0.0002  # many attempts, so that some fall where it hurts
rng, until = random.Random(sys.argv[4]), time.monotonic() + 3
marker = folder.parent / "building"
def build():
    try:
        os.close(os.open(marker, os.O_CREAT | os.O_EXCL))
    except FileExistsError:
        (folder.parent / "two at once").touch()
    time.sleep(rng.random() / 100)
    marker.unlink(missing_ok=True)
    return bytes.fromhex(sys.argv[3])
fetched = 0
while time.monotonic() < until:
    assert cache.fetch(facts, {}, build) == bytes.fromhex(sys.argv[3])
    fetched += 1
    rng.choice([lambda: cache.discard(facts), lambda: cache.prune(max_bytes=0), cache.clear, cache.entries])()
say(str(fetched))
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "my engines äöü 動画"


@pytest.fixture
def cache(folder: Path) -> EngineCache:
    return EngineCache(folder)


@pytest.fixture
def kept(cache: EngineCache) -> EngineCache:
    """A cache that holds the engine."""
    assert cache.fetch(FACTS, NOTES, lambda: ENGINE) == ENGINE
    return cache


def no_build() -> bytes:
    raise AssertionError("built, although it was there")


class Builder:
    """Builds the engine and counts how often."""

    def __init__(self) -> None:
        self.builds = 0

    def __call__(self) -> bytes:
        self.builds += 1
        return ENGINE


def child(script: str, folder: Path, *arguments: str) -> subprocess.Popen[str]:
    command = [sys.executable, "-c", CHILD + script, str(folder), json.dumps(FACTS), *arguments]
    return subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)


def pipes(process: subprocess.Popen[str]) -> tuple[IO[str], IO[str]]:
    assert process.stdin is not None
    assert process.stdout is not None
    return process.stdin, process.stdout


def hears(process: subprocess.Popen[str], word: str) -> None:
    """Waits until a child says a word."""
    assert pipes(process)[1].readline() == f"{word}\n"


def tell(process: subprocess.Popen[str]) -> None:
    """Lets a child that waits for a line go on."""
    stdin = pipes(process)[0]
    stdin.write("\n")
    stdin.flush()


def end(process: subprocess.Popen[str], *, kill: bool = False) -> str:
    """Lets a child end, or ends it as `kill -9` does; returns what else it said."""
    if kill:
        process.kill()
    said = process.communicate(timeout=60)[0]
    assert kill or process.returncode == 0
    return said


def files(folder: Path) -> set[str]:
    """What lies in the folder beside the lock that stays."""
    return {path.name for path in folder.iterdir()} - {GATE}


def only(entries: list[Entry]) -> Entry:
    (entry,) = entries
    return entry


WHOLE = {f"{KEY}.engine", f"{KEY}.json"}


# Where it is and what is in it


def test_folder_is_the_variable_or_the_users_cache(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("VSANIME_CACHE_DIR", str(tmp_path / "ö"))
    assert cache_folder() == EngineCache().folder == tmp_path / "ö"
    for unset in ("", None):
        monkeypatch.setenv("VSANIME_CACHE_DIR", unset) if unset == "" else monkeypatch.delenv("VSANIME_CACHE_DIR")
        assert cache_folder().name == "engines"
        assert "vsanime" in cache_folder().parts
    monkeypatch.setenv("VSANIME_CACHE_DIR", "~/engines")
    assert cache_folder() == Path.home() / "engines"


def test_folder_is_made_by_the_first_engine_and_not_before(cache: EngineCache, folder: Path) -> None:
    assert cache.entries() == []
    assert cache.prune() == cache.clear() == []
    assert cache.load_blob("timing.cache") is None
    assert not folder.exists()
    cache.fetch(FACTS, NOTES, lambda: ENGINE)
    assert files(folder) == WHOLE


def test_second_fetch_builds_nothing(kept: EngineCache, folder: Path) -> None:
    assert kept.fetch(FACTS, NOTES, no_build) == ENGINE
    assert EngineCache(folder).fetch(FACTS, {}, no_build) == ENGINE


def test_sidecar_says_what_the_engine_is(cache: EngineCache, folder: Path) -> None:
    def build() -> bytes:
        time.sleep(0.3)
        return ENGINE

    before = datetime.now(UTC) - timedelta(seconds=1)  # times are written down to the second
    cache.fetch(FACTS, NOTES, build)
    record = json.loads((folder / f"{KEY}.json").read_text(encoding="utf-8"))
    assert record["facts"] == FACTS
    assert record["notes"] == NOTES
    assert record["sha256"] == hashlib.sha256(ENGINE).hexdigest()
    assert record["size"] == len(ENGINE)
    assert record["vsanime"] == __version__
    assert record["format"] == 1
    assert before <= datetime.fromisoformat(record["built"]) <= datetime.now(UTC)
    assert 0.3 <= record["seconds"] < 60


@pytest.mark.parametrize("name", FACTS)
def test_another_fact_is_another_engine(kept: EngineCache, name: str) -> None:
    assert kept.fetch(FACTS | {name: "other"}, NOTES, lambda: b"other") == b"other"
    assert kept.fetch({k: v for k, v in FACTS.items() if k != name}, NOTES, lambda: b"less") == b"less"
    assert kept.fetch(FACTS, NOTES, no_build) == ENGINE
    assert len(kept.entries()) == 3


def test_order_of_facts_and_notes_do_not_matter(kept: EngineCache) -> None:
    assert kept.fetch(dict(reversed(FACTS.items())), {"model": "another"}, no_build) == ENGINE


def test_facts_that_are_no_json_are_refused(cache: EngineCache) -> None:
    for bad in (float("nan"), b"bytes", object()):
        with pytest.raises((ValueError, TypeError)):
            cache.fetch({"fact": bad}, {}, no_build)  # type: ignore[dict-item]


def test_what_build_raises_passes_and_leaves_nothing(cache: EngineCache, folder: Path) -> None:
    for error in (VsanimeError("node 7"), OSError("no card"), KeyboardInterrupt()):

        def build(error: BaseException = error) -> bytes:
            raise error

        with pytest.raises(type(error)) as caught:
            cache.fetch(FACTS, NOTES, build)
        assert caught.value is error
        assert files(folder) == set()


def test_an_empty_engine_is_kept_like_any_other(cache: EngineCache) -> None:
    assert cache.fetch(FACTS, NOTES, lambda: b"") == b""
    assert cache.fetch(FACTS, NOTES, no_build) == b""


# Many at once


def test_ten_processes_build_once(folder: Path, tmp_path: Path) -> None:
    log = tmp_path / "log"
    children = [child(ASK, folder, str(log)) for _ in range(10)]
    for process in children:
        hears(process, "ready")
    for process in children:
        tell(process)
    digests = {end(process) for process in children}
    assert len(log.read_text().splitlines()) == 1
    assert len(digests) == 1
    assert files(folder) == WHOLE


def test_ten_threads_build_once(folder: Path) -> None:
    start, builds, got = threading.Barrier(10), [], []

    def build() -> bytes:
        builds.append(threading.get_ident())
        time.sleep(1)
        return os.urandom(1000)

    def ask() -> None:
        start.wait()
        got.append(EngineCache(folder).fetch(FACTS, NOTES, build))

    threads = [threading.Thread(target=ask) for _ in range(10)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(builds) == 1
    assert len(got) == 10
    assert len(set(got)) == 1
    assert files(folder) == WHOLE


def test_different_engines_are_built_side_by_side(folder: Path, cache: EngineCache) -> None:
    process = child(BUILD_LONG, folder, "00")
    hears(process, "building")
    assert cache.fetch(FACTS | {"level": 5}, NOTES, lambda: ENGINE) == ENGINE
    tell(process)
    end(process)
    assert cache.fetch(FACTS, NOTES, no_build) == b"\0"


def test_who_waits_says_so_once(folder: Path, cache: EngineCache, caplog: pytest.LogCaptureFixture) -> None:
    process = child(BUILD_LONG, folder, "0a0b")
    hears(process, "building")
    timer = threading.Timer(2.5, tell, [process])
    timer.start()
    assert cache.fetch(FACTS, NOTES, no_build) == b"\x0a\x0b"
    timer.join()
    end(process)
    (record,) = caplog.records
    assert record.name == "vsanime"
    assert record.levelno == logging.WARNING
    assert "another process is building" in record.getMessage()
    assert "C4F16 1920x1080" in record.getMessage()


def test_storm_of_fetches_and_removals_never_builds_twice_at_once(folder: Path) -> None:
    """Lock files come and go all the time here: a lock on a removed file would let two in."""
    children = [child(STORM, folder, "c0ffee", str(seed)) for seed in range(6)]
    fetched = [int(end(process)) for process in children]
    assert sum(fetched) > 50
    assert not (folder.parent / "two at once").exists()
    EngineCache(folder).clear()
    assert files(folder) == set()


# Killed


def test_killed_during_a_build_the_next_one_builds(folder: Path, cache: EngineCache) -> None:
    process = child(BUILD_LONG, folder, "00")
    hears(process, "building")
    assert only(cache.entries()).state == "building"
    end(process, kill=True)
    # Where a look at a lock removes it, as on Windows, nothing is left.
    assert all(entry.state == "leftover" for entry in cache.entries())
    assert cache.fetch(FACTS, NOTES, lambda: ENGINE) == ENGINE
    assert files(folder) == WHOLE


def test_killed_while_others_wait_one_of_them_builds(folder: Path, tmp_path: Path) -> None:
    killed = child(BUILD_LONG, folder, "00")
    hears(killed, "building")
    waiting = [child(ASK, folder, str(tmp_path / "log")) for _ in range(3)]
    for process in waiting:
        hears(process, "ready")
        tell(process)
    time.sleep(0.5)
    end(killed, kill=True)
    assert len({end(process) for process in waiting}) == 1
    assert len((tmp_path / "log").read_text().splitlines()) == 1


# 1: the engine is being written; 2: the engine is in place, its sidecar is being written.
@pytest.mark.parametrize("write", [1, 2])
@pytest.mark.parametrize("mend", ["fetch", "prune"])
def test_killed_during_a_write_leaves_nothing_broken(folder: Path, cache: EngineCache, write: int, mend: str) -> None:
    process = child(WRITE_LONG, folder, str(write))
    hears(process, "writing")
    assert any(name.endswith(".tmp") for name in files(folder))
    assert all(removal.kept == "in use" for removal in cache.clear())
    end(process, kill=True)
    if mend == "fetch":
        assert cache.fetch(FACTS, NOTES, lambda: ENGINE) == ENGINE
        assert files(folder) == WHOLE
        assert cache.prune() == []
    else:
        assert {removal.entry.state for removal in cache.prune()} == (
            {"leftover"} if write == 1 else {"leftover", "broken"}
        )
        assert files(folder) == set()


# Damaged


def damage(change: Callable[[Path], object], suffix: str) -> Callable[[Path], object]:
    return lambda folder: change(folder / f"{KEY}{suffix}")


def flip_bit(path: Path) -> None:
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 4
    path.write_bytes(data)


def change_field(**fields: object) -> Callable[[Path], None]:
    def change(path: Path) -> None:
        record = json.loads(path.read_text(encoding="utf-8"))
        path.write_text(json.dumps({k: v for k, v in (record | fields).items() if v is not None}), encoding="utf-8")

    return change


DAMAGES = {
    "bit flipped": damage(flip_bit, ".engine"),
    "truncated": damage(lambda path: os.truncate(path, 100), ".engine"),
    "longer": damage(lambda path: path.write_bytes(path.read_bytes() + b"x"), ".engine"),
    "empty": damage(lambda path: os.truncate(path, 0), ".engine"),
    "missing": damage(Path.unlink, ".engine"),
    "another engine": damage(lambda path: path.write_bytes(ENGINE[::-1]), ".engine"),
    "sidecar truncated": damage(lambda path: os.truncate(path, 100), ".json"),
    "sidecar empty": damage(lambda path: os.truncate(path, 0), ".json"),
    "sidecar no object": damage(lambda path: path.write_text("[]"), ".json"),
    "sidecar no text": damage(lambda path: path.write_bytes(b"\xff\xfe\x00"), ".json"),
    "sidecar nested": damage(lambda path: path.write_text("[" * 100_000), ".json"),
    "sidecar missing": damage(Path.unlink, ".json"),
    "sidecar of format 2": damage(change_field(format=2), ".json"),
    "sidecar without format": damage(change_field(format=None), ".json"),
    "sidecar without digest": damage(change_field(sha256=None), ".json"),
    "sidecar with another digest": damage(change_field(sha256="0" * 64), ".json"),
    "sidecar with another date": damage(change_field(built="yesterday"), ".json"),
    "sidecar of other facts": damage(change_field(facts={"level": 5}), ".json"),
}


@pytest.mark.parametrize("name", DAMAGES)
def test_damaged_entry_is_built_again_with_a_warning(
    kept: EngineCache, folder: Path, name: str, caplog: pytest.LogCaptureFixture
) -> None:
    DAMAGES[name](folder)
    build = Builder()
    assert kept.fetch(FACTS, NOTES, build) == ENGINE
    assert build.builds == 1
    (record,) = caplog.records
    assert record.levelno == logging.WARNING
    assert str(folder / KEY) in record.getMessage()
    assert "built again" in record.getMessage()
    assert kept.fetch(FACTS, NOTES, no_build) == ENGINE
    assert files(folder) == WHOLE


@pytest.mark.parametrize("name", DAMAGES)
def test_damaged_entry_is_pruned(kept: EngineCache, folder: Path, name: str) -> None:
    DAMAGES[name](folder)
    (would,) = kept.prune(dry_run=True)
    (removal,) = kept.prune()
    assert removal.entry == would.entry
    assert removal.entry.state == "broken"
    assert removal.kept == ""
    assert files(folder) == set()


@settings(max_examples=40, deadline=None)
@given(st.sampled_from([".engine", ".json"]), st.integers(0, 1 << 20), st.integers(0, 7))
def test_a_flipped_bit_never_gets_out(suffix: str, position: int, bit: int) -> None:
    with tempfile.TemporaryDirectory() as name:
        cache, path = EngineCache(Path(name)), Path(name) / f"{KEY}{suffix}"
        cache.fetch(FACTS, NOTES, lambda: ENGINE)
        data = bytearray(path.read_bytes())
        data[position % len(data)] ^= 1 << bit
        path.write_bytes(data)
        build = Builder()
        assert cache.fetch(FACTS, NOTES, build) == ENGINE
        # In the sidecar it may be a letter of a note.
        assert build.builds == 1 or suffix == ".json"


def test_discarded_engine_is_built_again(kept: EngineCache, folder: Path) -> None:
    kept.discard(FACTS)
    assert files(folder) == set()
    kept.discard(FACTS)
    assert kept.fetch(FACTS, NOTES, lambda: b"new") == b"new"


def test_discard_leaves_what_was_built_meanwhile(kept: EngineCache, folder: Path) -> None:
    """One process rebuilds a damaged engine while another, which got the old one, discards it."""
    (folder / f"{KEY}.engine").write_bytes(b"damaged")
    process = child(BUILD_LONG, folder, "c0ffee")
    hears(process, "building")
    thread = threading.Thread(target=kept.discard, args=[FACTS])
    thread.start()
    time.sleep(0.3)
    tell(process)
    end(process)
    thread.join()
    assert kept.fetch(FACTS, NOTES, no_build) == b"\xc0\xff\xee"


# Folders that cannot be written


@contextmanager
def read_only(folder: Path) -> Iterator[None]:
    """A folder that this process cannot write; root, whom no mode keeps out, becomes an ordinary user."""
    folder.chmod(0o555)
    root = os.geteuid() == 0
    if root:
        os.seteuid(65534)
    try:
        yield
    finally:
        if root:
            os.seteuid(0)
        folder.chmod(0o755)


@pytest.fixture
def open_folder() -> Iterator[Path]:
    """A folder that every user can reach, which pytest's are not."""
    folder = Path(tempfile.mkdtemp(prefix="vsanime engines "))
    folder.chmod(0o755)
    yield folder
    shutil.rmtree(folder)


def unwritable(record: logging.LogRecord, folder: Path) -> bool:
    message = record.getMessage()
    return record.levelno == logging.WARNING and str(folder) in message and "VSANIME_CACHE_DIR" in message


@pytest.mark.skipif(os.name == "nt", reason="modes keep nobody out of a folder on Windows")
class TestReadOnly:
    def test_engine_is_built_and_told_once(self, open_folder: Path, caplog: pytest.LogCaptureFixture) -> None:
        build = Builder()
        with read_only(open_folder):
            for facts in (FACTS, FACTS, FACTS | {"level": 5}):
                assert EngineCache(open_folder).fetch(facts, NOTES, build) == ENGINE
        assert build.builds == 3
        (record,) = caplog.records
        assert unwritable(record, open_folder)
        assert os.strerror(errno.EACCES) in record.getMessage()
        assert list(open_folder.iterdir()) == []

    def test_good_entry_is_used(self, open_folder: Path, caplog: pytest.LogCaptureFixture) -> None:
        cache = EngineCache(open_folder)
        cache.fetch(FACTS, NOTES, lambda: ENGINE)
        cache.save_blob("timing.cache", b"times")
        with read_only(open_folder):
            assert cache.fetch(FACTS, NOTES, no_build) == ENGINE
            assert cache.load_blob("timing.cache") == b"times"
            assert {entry.state for entry in cache.entries()} == {"good"}
        assert caplog.records == []

    def test_damaged_entry_is_built_and_told_once(self, open_folder: Path, caplog: pytest.LogCaptureFixture) -> None:
        cache = EngineCache(open_folder)
        cache.fetch(FACTS, NOTES, lambda: ENGINE)
        flip_bit(open_folder / f"{KEY}.engine")
        with read_only(open_folder):
            assert cache.fetch(FACTS, NOTES, lambda: ENGINE) == ENGINE
        (record,) = caplog.records
        assert unwritable(record, open_folder)

    def test_nothing_else_raises(self, open_folder: Path) -> None:
        cache = EngineCache(open_folder)
        cache.fetch(FACTS, NOTES, lambda: ENGINE)
        with read_only(open_folder):
            cache.discard(FACTS)
            cache.save_blob("timing.cache", b"times")
            (removal,) = cache.clear()
            assert removal.failed
            assert "cannot be removed" in removal.kept
            assert cache.fetch(FACTS, NOTES, no_build) == ENGINE

    def test_killed_builders_lock_does_not_matter(self, open_folder: Path) -> None:
        cache = EngineCache(open_folder)
        process = child(BUILD_LONG, open_folder, "00")
        hears(process, "building")
        end(process, kill=True)
        (open_folder / f"{KEY}.lock").chmod(0o666)
        (open_folder / GATE).chmod(0o666)
        with read_only(open_folder):
            assert cache.fetch(FACTS, NOTES, lambda: ENGINE) == ENGINE
        assert files(open_folder) == {f"{KEY}.lock"}


def test_folder_below_a_file_is_told_once(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    (tmp_path / "file").touch()
    build = Builder()
    for folder in (tmp_path / "file", tmp_path / "file" / "engines"):
        caplog.clear()
        cache = EngineCache(folder)
        for _ in range(2):
            assert cache.fetch(FACTS, NOTES, build) == ENGINE
        cache.discard(FACTS)
        cache.save_blob("timing.cache", b"times")
        assert cache.load_blob("timing.cache") is None
        (record,) = caplog.records
        assert unwritable(record, folder)
        with pytest.raises(VsanimeError, match="cannot be read"):
            cache.entries()
    assert build.builds == 4


@pytest.mark.usefixtures("without_locks")
def test_file_system_without_locks_is_told_once(
    cache: EngineCache, folder: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """A lock that outlives its killed holder, which filelock may put in their place, is not taken."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of filelock before 3.32
        for _ in range(2):
            assert cache.fetch(FACTS, NOTES, lambda: ENGINE) == ENGINE
    (record,) = caplog.records
    assert unwritable(record, folder)
    assert f"{KEY}.engine" not in files(folder)


def test_gate_that_stays_shut_is_told_once(
    cache: EngineCache, folder: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """A suspended process may have stopped within the moment in which it holds the gate."""
    monkeypatch.setattr(locks, "_GATE_SECONDS", 0.3)
    folder.mkdir()
    with FileLock(folder / GATE):
        for _ in range(2):
            assert cache.fetch(FACTS, NOTES, lambda: ENGINE) == ENGINE
    (record,) = caplog.records
    assert unwritable(record, folder)
    assert cache.fetch(FACTS, NOTES, lambda: ENGINE) == ENGINE
    assert files(folder) == WHOLE


def test_lock_that_is_never_released_ends_the_wait(
    cache: EngineCache, folder: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """The engine is built without being kept, which is reported once."""
    monkeypatch.setattr(locks, "_WAIT_SECONDS", 0.3)
    folder.mkdir()
    with FileLock(folder / f"{KEY}.lock"):
        for _ in range(2):
            assert cache.fetch(FACTS, NOTES, lambda: ENGINE) == ENGINE
    (record,) = caplog.records
    assert unwritable(record, folder)
    assert "has held" in record.getMessage()
    assert f"{KEY}.engine" not in files(folder)


@pytest.mark.parametrize("write", [1, 2])
def test_full_disk_leaves_nothing(
    cache: EngineCache, folder: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, write: int
) -> None:
    writes = 0

    def fsync(_: int) -> None:
        nonlocal writes
        writes += 1
        if writes >= write:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", fsync)
        assert cache.fetch(FACTS, NOTES, lambda: ENGINE) == ENGINE
    (record,) = caplog.records
    assert unwritable(record, folder)
    assert os.strerror(errno.ENOSPC) in record.getMessage()
    assert files(folder) == set()
    assert cache.fetch(FACTS, NOTES, lambda: ENGINE) == ENGINE
    assert files(folder) == WHOLE


def test_file_that_is_open_is_replaced_when_it_is_closed(kept: EngineCache, folder: Path) -> None:
    """On Windows a reader keeps a file from being replaced, for as long as it reads."""
    path = folder / f"{KEY}.engine"
    path.write_bytes(b"damaged")
    with path.open("rb") as reader:
        threading.Timer(0.3, reader.close).start()
        assert kept.fetch(FACTS, NOTES, lambda: ENGINE) == ENGINE
    assert kept.fetch(FACTS, NOTES, no_build) == ENGINE


# Companion files


def test_blobs_come_back(cache: EngineCache, folder: Path) -> None:
    for name, data in ((f"{KEY}-sm120.jit", ENGINE), ("timing-10.14-sm89.cache", b"")):
        assert cache.load_blob(name) is None
        cache.save_blob(name, b"old")
        cache.save_blob(name, data)
        assert cache.load_blob(name) == data
    assert files(folder) == {f"{KEY}-sm120.jit.blob", "timing-10.14-sm89.cache.blob"}


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 1 << 20), st.integers(0, 7), st.booleans())
def test_damaged_blob_is_none_and_removed(position: int, bit: int, truncated: bool) -> None:
    with tempfile.TemporaryDirectory() as name:
        cache, path = EngineCache(Path(name)), Path(name) / "a.jit.blob"
        cache.save_blob("a.jit", ENGINE)
        data = bytearray(path.read_bytes())
        position %= len(data)
        data[position] ^= 1 << bit
        path.write_bytes(data[:position] if truncated else data)
        assert cache.load_blob("a.jit") is None
        assert not path.exists()
        cache.save_blob("a.jit", ENGINE)
        assert cache.load_blob("a.jit") == ENGINE


@pytest.mark.parametrize("name", ["", ".jit", "../a.jit", "a/b.jit", "a\\b.jit", "ö.jit", "a:b", "x" * 151])
def test_blob_names_are_plain(cache: EngineCache, folder: Path, name: str) -> None:
    with pytest.raises(ValueError, match="no name"):
        cache.save_blob(name, b"")
    with pytest.raises(ValueError, match="no name"):
        cache.load_blob(name)
    assert not folder.exists()


def test_blobs_may_be_used_while_their_engine_is_built(cache: EngineCache) -> None:
    def build() -> bytes:
        cache.save_blob("timing.cache", b"times")
        assert cache.load_blob("timing.cache") == b"times"
        cache.save_blob(f"{KEY}-sm120.jit", b"kernels")
        return ENGINE

    cache.fetch(FACTS, NOTES, build)
    assert len(cache.entries()) == 3


def test_damaged_blob_is_pruned(cache: EngineCache, folder: Path) -> None:
    cache.save_blob("a.jit", ENGINE)
    flip_bit(folder / "a.jit.blob")
    assert only(cache.entries()).state == "good"  # only sizes are looked at
    (removal,) = cache.prune()
    assert removal.entry.key == "a.jit.blob"
    assert files(folder) == set()


# Listing, pruning, clearing


def used_before(path: Path, days: float) -> None:
    then = time.time() - days * 86400
    os.utime(path, (then, then))


def test_entries_tell_what_is_there(kept: EngineCache, folder: Path) -> None:
    used_before(folder / f"{KEY}.engine", 5)
    used_before(folder / f"{KEY}.json", 3)
    entry = only(kept.entries())
    assert entry.key == KEY
    assert entry.state == "good"
    assert entry.facts == FACTS
    assert entry.notes == NOTES
    assert {path.name for path in entry.paths} == WHOLE
    assert entry.size == sum(path.stat().st_size for path in entry.paths) > len(ENGINE)
    assert entry.built is not None
    assert datetime.now(UTC) - entry.built < timedelta(minutes=5)
    assert timedelta(days=2.9) < datetime.now(UTC) - entry.last_used < timedelta(days=3.1)
    kept.fetch(FACTS, NOTES, no_build)
    assert datetime.now(UTC) - only(kept.entries()).last_used < timedelta(minutes=5)


def test_other_peoples_files_are_left_alone(kept: EngineCache, folder: Path) -> None:
    others = {"notes.txt", "model.engine", "a.json", f"{KEY}.engine.bak", "x.tmp", "y.lock", f"{'A' * 64}.engine"}
    for name in others:
        (folder / name).touch()
    (folder / f"{'0' * 64}.engine").mkdir()
    assert only(kept.entries()).key == KEY
    kept.prune(days=0, max_bytes=0)
    kept.clear()
    assert files(folder) == others | {f"{'0' * 64}.engine"}


def test_prune_by_days(cache: EngineCache, folder: Path) -> None:
    for days in range(4):
        cache.fetch(FACTS | {"level": days}, NOTES, lambda: ENGINE)
        for name in (".engine", ".json"):
            used_before(folder / f"{storage.key_of(FACTS | {'level': days})}{name}", 10 * days)
    assert cache.prune() == []
    dry = cache.prune(days=15, dry_run=True)
    assert [removal.entry.facts["level"] for removal in dry] == [2, 3]
    assert len(cache.entries()) == 4
    assert cache.prune(days=15) == dry
    assert [entry.facts["level"] for entry in cache.entries()] == [0, 1]


def test_prune_by_size_removes_the_least_recently_used(cache: EngineCache, folder: Path) -> None:
    for days in (2, 0, 3, 1):
        cache.fetch(FACTS | {"level": days}, NOTES, lambda: bytes(100_000))
        for name in (".engine", ".json"):
            used_before(folder / f"{storage.key_of(FACTS | {'level': days})}{name}", days)
    assert cache.prune(max_bytes=1_000_000) == []
    assert [removal.entry.facts["level"] for removal in cache.prune(max_bytes=250_000)] == [3, 2]
    assert [entry.facts["level"] for entry in cache.entries()] == [0, 1]
    assert len(cache.prune(max_bytes=0)) == 2
    assert files(folder) == set()


@pytest.mark.parametrize("broken", [False, True])
def test_what_is_held_stays(kept: EngineCache, folder: Path, broken: bool) -> None:
    if broken:
        (folder / f"{KEY}.engine").write_bytes(b"damaged")
    else:
        kept.clear()
    process = child(BUILD_LONG, folder, "c0ffee")
    hears(process, "building")
    before = files(folder)
    assert only(kept.entries()).state == "building"
    assert kept.prune(days=0, max_bytes=0) == []
    (removal,) = kept.clear()
    assert removal.kept == "in use"
    assert not removal.failed
    assert files(folder) == before
    tell(process)
    end(process)
    assert kept.fetch(FACTS, NOTES, no_build) == b"\xc0\xff\xee"


def test_reader_goes_on_while_its_engine_is_removed(kept: EngineCache, folder: Path) -> None:
    """POSIX lets an open file go on without a name; Windows does not let it go, which is told."""
    with (folder / f"{KEY}.engine").open("rb") as reader:
        start = reader.read(100)
        (removal,) = kept.clear()
        assert start + reader.read() == ENGINE
    assert removal.failed == (os.name == "nt")
    kept.prune()
    assert files(folder) == set()
