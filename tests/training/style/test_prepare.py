"""`vsanime prepare animegan`: three folders, paired by name, and what cannot be taken."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tests.training.helpers import draw
from vsanime.cli import main
from vsanime.training.style.edges import smooth_edges


def pixels(path: Path) -> np.ndarray:
    return np.asarray(Image.open(path))


@pytest.fixture
def frames(tmp_path: Path) -> Path:
    folder = tmp_path / "Einzelbilder für Stil"
    draw(folder / "one.png", 1, (160, 120))
    draw(folder / "deep" / "one.png", 2, (90, 200))
    draw(folder / "one.bmp", 3, (64, 64))
    return folder


def test_folders_are_paired_by_name(frames: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "out"
    assert main(["prepare", "animegan", str(frames), str(out), "--size", "48"]) == 0
    names = {folder: sorted(p.name for p in (out / folder).iterdir()) for folder in ("style", "smooth", "gray")}
    assert names["style"] == names["smooth"] == names["gray"] == ["deep-one.png", "one-2.png", "one.png"]
    assert pixels(out / "style" / "one-2.png").shape == (48, 64, 3)  # the short side, in proportion; the bmp came first
    assert pixels(out / "style" / "deep-one.png").shape == (107, 48, 3)
    for name in names["style"]:
        style, smooth, gray = (pixels(out / folder / name) for folder in ("style", "smooth", "gray"))
        assert np.array_equal(smooth, smooth_edges(style))
        assert not np.array_equal(smooth, style)
        assert np.array_equal(gray[..., 0], gray[..., 2])
        luma = style @ np.array([0.299, 0.587, 0.114])
        assert np.abs(gray[..., 0] - luma).max() <= 1  # rounding
    assert capsys.readouterr().out.startswith("3 pictures in ")


def test_size_nought_leaves_pictures_as_they_are(frames: Path, tmp_path: Path) -> None:
    assert main(["prepare", "animegan", str(frames), str(tmp_path / "out"), "--size", "0"]) == 0
    assert np.array_equal(pixels(tmp_path / "out" / "style" / "one-2.png"), pixels(frames / "one.png"))


def test_what_cannot_be_taken_is_named(frames: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (frames / "bad.png").write_bytes(b"no")
    draw(frames / "figure.png", 4, mode="RGBA")
    assert main(["prepare", "animegan", str(frames), str(tmp_path / "out")]) == 0
    said = capsys.readouterr().err
    assert "bad.png: it is no picture" in said
    assert "figure.png: it is transparent in part" in said


def test_wrong_calls_are_one_line(frames: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    empty = tmp_path / "empty"
    empty.mkdir()
    cases = {
        (str(tmp_path / "gone"), str(tmp_path / "a")): "is not there; a folder, a picture or a video is needed",
        (str(empty), str(tmp_path / "b")): "holds no picture that can be used",
        (str(frames), str(frames)): "is there and not empty; give another folder",
        (str(frames), str(tmp_path / "c"), "--size", "8"): "--size 8; 32 or more, or 0",
        (str(frames), str(tmp_path / "d"), "--every", "0"): "--every 0; 1 or more",
    }
    for arguments, message in cases.items():
        assert main(["prepare", "animegan", *arguments]) == 1
        said = capsys.readouterr().err
        assert message in said
        assert len(said.splitlines()) == 1
