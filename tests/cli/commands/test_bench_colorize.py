"""`vsanime bench colorize` on a folder of drawn frames."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("cv2")
pytest.importorskip("skimage")
pytest.importorskip("PIL")

from PIL import Image

from vsanime.cli import main


@pytest.fixture
def frames(tmp_path: Path) -> Path:
    """A box that moves three pixels a frame, 64x80."""
    folder = tmp_path / "Bilder ä"
    folder.mkdir()
    for number in range(5):
        picture = np.full((64, 80, 3), (230, 220, 200), np.uint8)
        left = 10 + 3 * number
        picture[20:45, left : left + 30] = 0
        picture[22:43, left + 2 : left + 28] = (200, 60, 40)
        Image.fromarray(picture).save(folder / f"{number:03d}.png")
    return folder


def test_it_prints_a_table_and_leaves_a_page(frames: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    page = tmp_path / "page.png"
    assert main(["bench", "colorize", str(frames), "--keys", "4", "--sheet", str(page)]) == 0
    said = capsys.readouterr().out.splitlines()
    assert said[0].startswith("Bilder ä, 80x64, 5 frames, keys every 4: ")
    assert said[1].split() == ["method", "whole", "changed", "off", "lines", "warp"]
    assert [line.split("  ")[0] for line in said[2:6]] == [
        "nearest key",
        "nearest key, moved",
        "both keys, moved and blended",
        "the same, segments filled",
    ]
    with Image.open(page) as picture:
        assert picture.width > 8 * 80  # line art, two keys, four methods, the truth


def test_several_pages_are_numbered(frames: Path, tmp_path: Path) -> None:
    assert main(["bench", "colorize", str(frames), "--keys", "2,4", "--sheet", str(tmp_path / "page.png")]) == 0
    assert sorted(path.name for path in tmp_path.glob("*.png")) == ["page-1.png", "page-2.png"]


def test_wrong_calls_are_one_line(frames: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    empty = tmp_path / "empty"
    empty.mkdir()
    cases = {
        (str(frames),): "5 frames with keys every 12",
        (str(frames), "--keys", "1"): "--keys 1; whole numbers of 2 or more",
        (str(frames), "--keys", "4", "--frames", "2"): "--size 288 --frames 2",
        (str(frames), "--keys", "4", "--no-baselines"): "--no-baselines leaves nothing to measure",
        (str(frames), "--keys", "4", "--colorize", "model"): "--colorize model; NAME=VALUE",
        (str(frames), "--keys", "4", "--sheet", str(tmp_path / "page.xyz")): "page.xyz cannot be written",
        (str(frames), "--keys", "4", "--sheet", str(empty / "gone" / "page.png")): "there is no folder",
        (str(tmp_path / "gone"),): "gone is not there",
        (str(empty),): "empty holds no pictures",
    }
    for arguments, message in cases.items():
        assert main(["bench", "colorize", *arguments]) == 1
        said = capsys.readouterr()
        assert message in said.err
        assert len(said.err.splitlines()) == 1
        assert not said.out  # nothing was measured in vain
