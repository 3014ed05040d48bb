"""Parts of the engine cache without processes beside it: names, what is of no use any more, and how long is waited."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from vsanime.backends.cache import EngineCache, care, locks, storage
from vsanime.backends.cache.care import Entry, Removal
from vsanime.backends.cache.locks import EntryLocks
from vsanime.backends.cache.storage import DamagedError

KEY = "0a" * 32
NOW = datetime.now(UTC)


# Names


@pytest.mark.parametrize(
    ("file", "owner", "transient"),
    [
        (f"{KEY}.engine", KEY, False),
        (f"{KEY}.json", KEY, False),
        (f"{KEY}.lock", KEY, True),
        (f"{KEY}.engine.0123abcd.tmp", KEY, True),
        (f"{KEY}.json.0123abcd.tmp", KEY, True),
        (f"{KEY}.lock.0123abcd.tmp", None, True),
        (f"{KEY}.engine.0123abc.tmp", None, True),
        (f"{KEY}.engine.0123abcde.tmp", None, True),
        (f"{KEY}.engine.0123ABCD.tmp", None, True),
        (f"{KEY}", None, False),
        (f"{KEY[:-1]}.engine", None, False),
        (f"{KEY}0.engine", None, False),
        ("timing.cache.blob", "timing.cache.blob", False),
        ("timing.cache.blob.lock", "timing.cache.blob", True),
        ("timing.cache.blob.0123abcd.tmp", "timing.cache.blob", True),
        ("timing.cache.blob.0123abcd", None, False),
        (".hidden.blob", None, False),
        (f"{'a' * 150}.blob", f"{'a' * 150}.blob", False),
        (f"{'a' * 151}.blob", None, False),
        ("cache.lock", None, True),
    ],
)
def test_files_belong_to_an_entry_or_to_others(file: str, owner: str | None, transient: bool) -> None:
    assert storage.owner_of(file) == owner
    assert storage.is_transient(file) == transient
    if owner is not None:
        assert storage.is_blob(owner) == (owner != KEY)


def test_names_of_companions_have_a_limit(tmp_path: Path) -> None:
    assert storage.blob_path(tmp_path, "a" * 150).name == f"{'a' * 150}.blob"
    for wrong in ("a" * 151, "", "-a", "a/b", "ä"):
        with pytest.raises(ValueError, match=r"is no name for a cached file; .* 150 at most$"):
            storage.blob_path(tmp_path, wrong)


def test_keys_go_by_sorted_names() -> None:
    one, other = {"b": 1, "a": [1, "ä"]}, {"a": [1, "ä"], "b": 1}
    assert storage.key_of(one) == storage.key_of(other)
    assert storage.key_of({"a": 1}) == "015abd7f5cc57a2dd94b7590f04ad8084273905ee33ec5cebeae62276a97f862"
    with pytest.raises(ValueError, match="not JSON compliant"):
        storage.key_of({"a": float("nan")})


# Sidecars


FACTS = {"graph": "g", "level": 3}


def written(folder: Path) -> tuple[str, dict[str, Any]]:
    storage.write_engine(folder, FACTS, {"odd": Path("x")}, b"engine", 12.345)  # type: ignore[dict-item]  # of an odd type
    key = storage.key_of(FACTS)
    return key, json.loads(storage.sidecar_path(folder, key).read_bytes())


def test_sidecars_are_for_people_as_well(tmp_path: Path) -> None:
    key, record = written(tmp_path)
    assert list(record) == ["format", "vsanime", "notes", "facts", "sha256", "size", "built", "seconds"]
    assert (record["format"], record["size"], record["seconds"], record["notes"]) == (1, 6, 12.3, {"odd": "x"})
    assert datetime.fromisoformat(record["built"]).microsecond == 0
    text = storage.sidecar_path(tmp_path, key).read_text()
    assert text.startswith('{\n  "format": 1,\n')
    assert text.endswith("}\n")
    sidecar = storage.read_sidecar(tmp_path, key)
    assert sidecar is not None
    assert (sidecar.facts, sidecar.size, sidecar.seconds) == (FACTS, 6, 12.3)
    assert storage.read_engine(tmp_path, key) == b"engine"
    assert storage.read_engine(tmp_path, KEY) is None
    assert {path.name for path in tmp_path.iterdir()} == {f"{key}.engine", f"{key}.json"}


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"format": 2}, "has format 2, this version of vsanime reads 1"),
        ({"format": "1"}, "has format '1', this version"),
        ({"facts": {"graph": "g", "level": 4}}, "is damaged: its facts are not those of its name"),
        ({"size": None}, "is damaged: fields are missing or make no sense"),
        ({"size": float("inf")}, "is damaged: fields are missing"),
        ({"built": "yesterday"}, "is damaged: fields are missing"),
        ({"facts": 5}, "is damaged: fields are missing"),
        ({"seconds": None}, "is damaged: fields are missing"),
        ({"notes": None}, "is damaged: fields are missing"),
        ({"size": 7}, None),
        ({"sha256": "0"}, None),
    ],
)
def test_sidecars_that_make_no_sense_are_damaged(tmp_path: Path, change: dict[str, Any], message: str | None) -> None:
    key, record = written(tmp_path)
    path = storage.sidecar_path(tmp_path, key)
    path.write_text(json.dumps(record | change))
    if message is not None:
        with pytest.raises(DamagedError, match=f"{message}"):
            storage.read_sidecar(tmp_path, key)
        return
    sidecar = storage.read_sidecar(tmp_path, key)
    assert sidecar is not None
    with pytest.raises(DamagedError, match=r"engine is damaged: (it has 6 bytes, 7 were written|its sha256 is not)"):
        storage.check_engine(tmp_path, key, sidecar, whole=True)
    if "size" in change:
        with pytest.raises(DamagedError, match="it has 6 bytes, 7 were written"):
            storage.check_engine(tmp_path, key, sidecar, whole=False)
    else:
        storage.check_engine(tmp_path, key, sidecar, whole=False)


def test_halves_of_an_entry_are_damaged(tmp_path: Path) -> None:
    key, _ = written(tmp_path)
    sidecar = storage.read_sidecar(tmp_path, key)
    assert sidecar is not None
    storage.engine_path(tmp_path, key).unlink()
    for whole in (False, True):
        with pytest.raises(DamagedError, match="engine cannot be read: No such file"):
            storage.check_engine(tmp_path, key, sidecar, whole=whole)
    written(tmp_path)
    storage.sidecar_path(tmp_path, key).unlink()
    with pytest.raises(DamagedError, match=f"{key}.engine has no {key}.json beside it$"):
        storage.read_sidecar(tmp_path, key)
    storage.remove_engine(tmp_path, key)
    assert storage.read_sidecar(tmp_path, key) is None
    storage.sidecar_path(tmp_path, key).write_bytes(b"{")
    with pytest.raises(DamagedError, match=r"json is damaged: no JSON$"):
        storage.read_sidecar(tmp_path, key)


def test_companions_have_their_digest_at_the_head(tmp_path: Path) -> None:
    path = tmp_path / "name.blob"
    assert storage.read_blob(path) is None
    for data in (b"", b"kernels\n\0"):
        storage.write_blob(path, data)
        assert storage.read_blob(path) == data
    whole = path.read_bytes()
    assert whole.startswith(b"vsanime blob 1\nsha256 ")
    for damaged in (whole[:-1], b"x" + whole, whole.replace(b"blob 1", b"blob 2"), b""):
        path.write_bytes(damaged)
        with pytest.raises(DamagedError, match=r"name\.blob is damaged: its sha256 is not the one at its head$"):
            storage.read_blob(path)


# What goes


def entry(state: Any = "good", days: float = 0, size: int = 100, key: str = KEY, problem: str = "") -> Entry:
    paths = (Path(f"{key}.engine"),)
    return Entry(key, state, paths, size, NOW - timedelta(days=days), problem=problem)


@pytest.mark.parametrize(
    ("state", "unused", "days", "reason"),
    [
        ("good", 3.4, None, ""),
        ("good", 3.4, 4, ""),
        ("good", 3.4, 3, "unused for 3 days"),
        ("good", 3.6, 0, "unused for 4 days"),
        ("good", 1.4, 1.3, "unused for 1 days"),
        ("building", 9, 0, ""),
        ("broken", 0, None, "it is broken"),
        ("leftover", 0, None, "left over"),
    ],
)
def test_entries_are_of_no_use_for_a_reason(state: str, unused: float, days: float | None, reason: str) -> None:
    assert care._reason(entry(state, unused, problem="it is broken"), days) == reason


@pytest.mark.parametrize(
    ("limit", "gone"),
    [(None, "c"), (1000, "c"), (600, "c"), (599, "cd"), (500, "cd"), (499, "cdb"), (301, "cdb"), (300, "cdb"),
     (299, "cdba"), (0, "cdba")],
)  # fmt: skip
@pytest.mark.parametrize("dry", [False, True])
def test_the_least_recently_used_goes_until_the_rest_fits(
    monkeypatch: pytest.MonkeyPatch, limit: int | None, gone: str, dry: bool
) -> None:
    """What is broken goes anyway and is not counted; what is being built is counted and stays."""
    listed = [
        entry("good", 1, 100, "a"),
        entry("good", 2, 200, "b"),
        entry("broken", 3, 1000, "c", "broken"),
        entry("building", 4, 200, "e"),
        entry("good", 5, 100, "d"),
    ]
    asked: list[bool] = []
    monkeypatch.setattr(care, "entries", lambda *_, verify=False: asked.append(verify) or listed)
    removed: list[str] = []

    def remove(_folder: Any, _locks: Any, one: Entry, reason: str) -> Removal:
        removed.append(one.key)
        return Removal(one, reason)

    monkeypatch.setattr(care, "_remove", remove)
    folder, held = Path(), EntryLocks(Path())
    removals = care.prune(folder, held, days=None, max_bytes=limit, dry_run=dry)
    assert [removal.entry.key for removal in removals] == list(gone)
    assert [removal.reason for removal in removals] == ["broken"] + ["more than the size limit"] * (len(gone) - 1)
    assert removed == ([] if dry else list(gone))
    assert asked == [True]
    assert all((removal.kept, removal.failed) == ("", False) for removal in removals)
    assert [removal.reason for removal in care.clear(folder, held)] == [""] * 5
    assert asked == [True, False]


class Locks:
    """Locks that are free or taken."""

    def __init__(self, free: bool = True) -> None:
        self.free = free

    @contextmanager
    def attempt(self, _name: str) -> Iterator[bool]:
        yield self.free


def kept_entry(folder: Path) -> Entry:
    """An engine on disk, as it is listed."""
    key, _ = written(folder)
    files = [storage.engine_path(folder, key), storage.sidecar_path(folder, key)]
    found = care._entry(key, "good", files)
    assert found is not None
    return found


def test_an_engine_goes_if_it_is_what_it_was(tmp_path: Path) -> None:
    free: Any = Locks()
    taken: Any = Locks(free=False)
    found = kept_entry(tmp_path)
    building = Entry(found.key, "building", found.paths, found.size, found.last_used)
    assert care._remove(tmp_path, free, building, "why") == Removal(building, "why", "in use", False)
    assert care._remove(tmp_path, taken, found, "why") == Removal(found, "why", "in use", False)
    grown = Entry(found.key, "good", found.paths, found.size + 1, found.last_used)
    meanwhile = "used or built again meanwhile"
    assert care._remove(tmp_path, free, grown, "why") == Removal(grown, "why", meanwhile, False)
    used = Entry(found.key, "good", found.paths, found.size, found.last_used - timedelta(seconds=1))
    assert care._remove(tmp_path, free, used, "why") == Removal(used, "why", meanwhile, False)
    assert len(list(tmp_path.iterdir())) == 2
    assert care._remove(tmp_path, free, found, "why") == Removal(found, "why", "", False)
    assert list(tmp_path.iterdir()) == []


def test_what_is_left_over_goes_but_for_locks(tmp_path: Path) -> None:
    free: Any = Locks()
    files = [tmp_path / f"{KEY}.engine.0123abcd.tmp", tmp_path / f"{KEY}.lock"]
    for path in files:
        path.touch()
    left = care._entry(KEY, "leftover", files)
    assert left is not None
    assert care._remove(tmp_path, free, left, "left over") == Removal(left, "left over")
    assert list(tmp_path.iterdir()) == [files[1]]
    assert care._remove(tmp_path, free, left, "left over") == Removal(left, "left over")  # gone meanwhile
    blob = storage.blob_path(tmp_path, "kernels")
    storage.write_blob(blob, b"data")
    found = care._entry(blob.name, "good", [blob])
    assert found is not None
    assert care._remove(tmp_path, free, found, "") == Removal(found, "")
    assert not blob.exists()


def test_what_cannot_be_removed_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    free: Any = Locks()
    found = kept_entry(tmp_path)

    def refuse(*_: Any) -> None:
        raise PermissionError(13, "not yours")

    monkeypatch.setattr(storage, "remove_engine", refuse)
    assert care._remove(tmp_path, free, found, "why") == Removal(found, "why", "cannot be removed: not yours", True)


def test_entries_are_measured_by_the_files_there_are(tmp_path: Path) -> None:
    found = kept_entry(tmp_path)
    sizes = [path.stat().st_size for path in found.paths]
    assert (found.size, len(sizes)) == (sum(sizes), 2)
    used = max(path.stat().st_mtime for path in found.paths)
    assert found.last_used.timestamp() == pytest.approx(used, abs=1e-5)  # in whole microseconds
    (tmp_path / "folder.blob").mkdir()
    assert care._entry("x", "good", [tmp_path / "gone", tmp_path / "folder.blob"]) is None
    assert care._measure([]) == ((), 0, datetime.fromtimestamp(0, UTC))
    assert care._files(tmp_path / "nowhere") == {}


@pytest.mark.parametrize(
    ("held", "broken", "left", "states"),
    [
        (False, False, False, ["good"]),
        (False, True, False, ["broken"]),
        (True, False, False, ["good"]),
        (True, True, False, ["building"]),
        (False, False, True, ["good", "leftover"]),
        (True, False, True, ["good"]),
        (False, None, True, ["leftover"]),
        (True, None, True, ["building"]),
    ],
)
def test_entries_are_what_their_files_and_lock_say(
    tmp_path: Path, held: bool, broken: bool | None, left: bool, states: list[str]
) -> None:
    key, _ = written(tmp_path)
    if broken:
        storage.engine_path(tmp_path, key).write_bytes(b"x")
    if broken is None:
        storage.remove_engine(tmp_path, key)
    if left:
        (tmp_path / f"{key}.engine.0123abcd.tmp").touch()
    asked: Any = SimpleNamespace(held=lambda name: held and name == key)
    found = care.entries(tmp_path, asked)
    assert sorted(one.state for one in found) == states
    assert all((one.facts == FACTS) == (broken is not None and one.state != "leftover") for one in found)


def test_contents_are_read_where_that_is_asked_for(tmp_path: Path) -> None:
    key, _ = written(tmp_path)
    storage.engine_path(tmp_path, key).write_bytes(b"engina")
    blob = storage.blob_path(tmp_path, "kernels")
    storage.write_blob(blob, b"data")
    blob.write_bytes(blob.read_bytes()[:-1])
    free: Any = SimpleNamespace(held=lambda _: False)
    assert [one.state for one in care.entries(tmp_path, free)] == ["good", "good"]
    found = care.entries(tmp_path, free, verify=True)
    assert [one.state for one in found] == ["broken", "broken"]
    assert all("is damaged: its sha256 is not" in one.problem for one in found)


# Waiting


class Clock:
    """Time that passes by sleeping."""

    def __init__(self) -> None:
        self.now = 100.0
        self.slept: list[float] = []

    def monotonic(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.now += seconds


@pytest.mark.parametrize(("attempts", "told"), [(0, 0), (3, 0), (9, 0), (13, 1), (40, 1)])
def test_who_waits_for_longer_than_a_moment_is_told_once(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, attempts: int, told: int
) -> None:
    clock, said = Clock(), []
    monkeypatch.setattr(locks, "time", clock)
    answers = iter([None] * attempts + ["the lock"])
    entries: Any = EntryLocks(tmp_path)
    entries._taken = lambda _name: next(answers)
    assert entries._waited_for("name", lambda: said.append(clock.now)) == "the lock"
    assert clock.slept == [0.1] * attempts
    assert len(said) == told
    assert all(101 < moment < 101.25 for moment in said)


def test_a_lock_that_is_held_for_an_hour_is_given_up(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    clock = Clock()
    monkeypatch.setattr(locks, "time", clock)
    entries: Any = EntryLocks(tmp_path)
    entries._taken = lambda _name: None
    with pytest.raises(TimeoutError, match=r"another process has held .*name\.lock for 3600 seconds$"):
        entries._waited_for("name", lambda: None)
    assert 3600 < clock.now - 100 < 3600.5


def test_locks_are_taken_at_once_or_not_at_all(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """The gate is waited for, for ten seconds."""
    asked: list[tuple[str, float]] = []
    original = locks.acquire

    def acquire(path: Path, seconds: float) -> Any:
        asked.append((path.name, seconds))
        return original(path, seconds=seconds)

    monkeypatch.setattr(locks, "acquire", acquire)
    entries = EntryLocks(tmp_path)
    assert not entries.held("name")
    with entries.attempt("name") as first:
        assert first
        assert entries.held("name")
        with entries.attempt("name") as second:
            assert not second
        with entries.attempt("other") as other:
            assert other
    assert not entries.held("name")
    assert {path.name for path in tmp_path.iterdir()} == {"cache.lock"}
    assert set(asked) == {("cache.lock", 10.0), ("name.lock", 0), ("other.lock", 0)}


# What is told


@pytest.mark.parametrize(
    ("notes", "what"),
    [
        ({"model": "net", "size": "64x48", "precision": "fp16", "card": "one"}, "net 64x48 fp16"),
        ({"precision": "fp16", "model": "net"}, "net fp16"),
        ({"size": 5}, "5"),
        ({"card": "one"}, "the key"),
        ({}, "the key"),
    ],
)
def test_who_waits_is_told_for_what(
    caplog: pytest.LogCaptureFixture, tmp_path: Path, notes: dict[str, Any], what: str
) -> None:
    EngineCache(tmp_path)._tell_wait("the key", notes)
    assert caplog.messages == [f"another process is building the engine {what}; waiting for it"]


def test_a_folder_that_cannot_be_written_is_told_once(caplog: pytest.LogCaptureFixture, tmp_path: Path) -> None:
    cache = EngineCache(tmp_path / "engines")
    for error in (OSError(28, "No space left"), OSError(13, "not yours")):
        cache._tell_unwritable(error)
    (message,) = caplog.messages
    assert message.startswith(
        f"engines cannot be kept in {tmp_path / 'engines'} (No space left) and are built every time;"
    )
    EngineCache(tmp_path / "others")._tell_unwritable(OSError("odd"))
    assert "(odd)" in caplog.messages[1]


def test_an_engine_is_held_if_it_has_its_size(tmp_path: Path) -> None:
    cache = EngineCache(tmp_path)
    assert not cache.holds(FACTS)
    assert cache.fetch(FACTS, {}, lambda: b"engine") == b"engine"
    assert cache.holds(FACTS)
    path = storage.engine_path(tmp_path, storage.key_of(FACTS))
    path.write_bytes(b"engina")
    assert cache.holds(FACTS)
    path.write_bytes(b"engines")
    assert not cache.holds(FACTS)
    path.unlink()
    assert not cache.holds(FACTS)
