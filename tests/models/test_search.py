"""A folder of VSANIME_MODEL_PATH that cannot be read is passed over, said once, and disables no other."""

from __future__ import annotations

import os
import shutil
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from vsanime.cli import main
from vsanime.errors import VsanimeError
from vsanime.models import search, store
from vsanime.models.cards import engines_folder, find

BUNDLED = find("C4F32_VA")
NOBODY = 65534


@pytest.fixture(autouse=True)
def _nothing_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(search, "_told", set())


@contextmanager
def unreadable(folder: Path) -> Iterator[None]:
    """Let nobody look into a folder; the superuser, who always may, becomes somebody else meanwhile."""
    if os.name == "nt":
        pytest.skip("folders of Windows are closed by other means")
    if os.geteuid() == 0:
        bundled = engines_folder()
        os.seteuid(NOBODY)
        try:
            if not os.access(bundled, os.R_OK, effective_ids=True):
                pytest.skip("the package itself is for the superuser alone")
            yield
        finally:
            os.seteuid(0)
        return
    folder.chmod(0)
    try:
        yield
    finally:
        folder.chmod(stat.S_IRWXU)


def listed(monkeypatch: pytest.MonkeyPatch, *folders: Path | str) -> None:
    monkeypatch.setenv("VSANIME_MODEL_PATH", os.pathsep.join(map(str, folders)))


def test_an_unreadable_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    folder = tmp_path / "closed"
    folder.mkdir(mode=0o700)
    (folder / BUNDLED.file).write_bytes(b"")
    listed(monkeypatch, folder)
    monkeypatch.setattr(store, "_user_folders", list)
    with unreadable(folder):
        for _ in range(3):
            assert store.locate(BUNDLED) == engines_folder() / BUNDLED.file
    assert [record.getMessage() for record in caplog.records] == [
        f"{folder} cannot be read and is passed over for models: Permission denied"
    ]


def test_an_unreadable_folder_of_the_user(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    listed(monkeypatch)
    folder = tmp_path / "models"
    folder.mkdir(mode=0o700)
    monkeypatch.setattr(store, "user_folder", lambda: folder)
    with unreadable(folder):
        assert store.locate(BUNDLED) == engines_folder() / BUNDLED.file
        with pytest.raises(VsanimeError, match="VSANIME_OFFLINE forbids downloads"):
            store.fetch(find("C16F64"))
    assert len(caplog.records) == 1


@pytest.mark.parametrize("kind", ["file", "link to nothing", "loop of links", "long name", "file for a parent"])
def test_what_is_no_folder(
    kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    entry = tmp_path / "entry"
    if kind == "file":
        entry.write_bytes(b"")
    elif kind == "file for a parent":
        (tmp_path / "net.onnx").write_bytes(b"")
        entry = tmp_path / "net.onnx" / "inside"
    elif kind == "long name":
        entry = tmp_path / ("a" * 300)
    else:
        try:
            entry.symlink_to(entry if kind == "loop of links" else tmp_path / "gone")
        except OSError:
            pytest.skip("this user may make no links")
    good = tmp_path / "good"
    good.mkdir()
    shutil.copy(engines_folder() / BUNDLED.file, good)
    listed(monkeypatch, entry, good)
    for _ in range(3):
        assert store.locate(BUNDLED) == good / BUNDLED.file
    (record,) = caplog.records
    assert str(entry) in record.getMessage()
    assert "passed over for models: " in record.getMessage()


def test_a_share_that_does_not_answer(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """What a server that is down raises cannot be had here."""
    share, real = tmp_path / "share", Path.stat

    def answer(self: Path, **options: bool) -> os.stat_result:
        if share in (self, *self.parents):
            raise OSError(112, "Host is down", str(self))
        return real(self, **options)

    monkeypatch.setattr(Path, "stat", answer)
    listed(monkeypatch, share)
    assert store.locate(BUNDLED) == engines_folder() / BUNDLED.file
    assert [record.getMessage() for record in caplog.records] == [
        f"{share} cannot be read and is passed over for models: Host is down"
    ]


def test_a_missing_folder_is_no_news(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """It may be on a disk that is not always there."""
    listed(monkeypatch, tmp_path / "gone")
    assert store.locate(BUNDLED) == engines_folder() / BUNDLED.file
    assert not caplog.records


def test_a_folder_or_a_link_to_nothing_in_the_place_of_a_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "a" / BUNDLED.file).mkdir(parents=True)
    listed(monkeypatch, tmp_path / "a")
    assert store.locate(BUNDLED) == engines_folder() / BUNDLED.file


def test_no_home(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody knows the home of a user who is in no list of users, as in containers."""
    monkeypatch.delenv("XDG_DATA_HOME", raising=False)
    monkeypatch.delenv("HOME", raising=False)
    monkeypatch.setattr(os.path, "expanduser", lambda path: path)
    listed(monkeypatch, "~nobody-here/models")
    assert store.locate(BUNDLED) == engines_folder() / BUNDLED.file
    if os.name == "posix":
        with pytest.raises(VsanimeError, match="HOME is not set; set it, or XDG_DATA_HOME"):
            store.user_folder()


def test_info_says_what_is_wrong_with_folders(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "file").write_bytes(b"")
    listed(monkeypatch, tmp_path / "file", tmp_path / "gone", tmp_path / ("a" * 300))
    assert main(["info"]) == 0
    said = capsys.readouterr().out
    assert f"{tmp_path / 'file'} (is not a folder)" in said
    assert f"{tmp_path / 'gone'} (does not exist)" in said
    assert f"{tmp_path / ('a' * 300)} (cannot be read: File name too long)" in said or os.name == "nt"


@pytest.mark.parametrize("note", ["folder", "deep"])
def test_a_note_of_a_download_that_cannot_be_read_is_one_line(
    note: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shutil.copy(engines_folder() / BUNDLED.file, tmp_path)
    path = tmp_path / f"{BUNDLED.file}.json"
    path.mkdir() if note == "folder" else path.write_text("[" * 100_000)
    listed(monkeypatch, tmp_path)
    with pytest.raises(VsanimeError, match=rf"{path.name} (cannot be read|is damaged)"):
        store.locate(BUNDLED)
