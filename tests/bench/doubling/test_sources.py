"""Pictures are found, read and cut as the page says, and the pictures that a run held out are those it lists."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tests.support.drawings import as_array, drawn, save
from tests.training import helpers
from vsanime.bench.doubling.sources import Place, Reader, find, find_held_out, is_gray, luma, spread
from vsanime.errors import VsanimeError
from vsanime.training.recipes import reader as recipes
from vsanime.training.run.folder import RunFolder

CLIP = Path(__file__).parents[3] / "examples" / "clip.mp4"


def test_each_path_is_a_group_in_the_order_of_names(tmp_path: Path) -> None:
    save(tmp_path / "b" / "2.png", 40, 40)
    save(tmp_path / "b" / "1" / "ä b.JPG", 40, 40)
    save(tmp_path / "a" / "b" / "3.webp", 40, 40)
    (tmp_path / "b" / "notes.txt").write_text("no picture")
    places, skipped = find([tmp_path / "b", tmp_path / "a" / "b", tmp_path / "b" / "2.png"], 6, None)
    # Two folders called b are told apart.
    first, second = (tmp_path / "b").as_posix(), (tmp_path / "a" / "b").as_posix()
    assert [(p.group, p.name) for p in places] == [
        (first, "1/ä b.JPG"), (first, "2.png"), (second, "3.webp"), ("2.png", "2.png")
    ]  # fmt: skip
    assert skipped == []


def test_frames_of_videos_and_videos_that_are_none(tmp_path: Path) -> None:
    shutil.copy(CLIP, tmp_path / "clip.mp4")
    (tmp_path / "broken.mkv").write_bytes(b"not a video")
    places, skipped = find([tmp_path], 20, None)
    assert [p.frame for p in places] == list(range(0, 20 * len(places), 20))
    assert str(places[1]) == "clip.mp4, frame 20"
    assert [s.path.name for s in skipped] == ["broken.mkv"]
    assert "cannot be read" in skipped[0].reason
    picture = Reader().read(places[1])
    assert picture.shape[0] % 4 == picture.shape[1] % 4 == 0
    assert not is_gray(picture)


def test_a_limit_takes_pictures_from_everywhere() -> None:
    places = [Place("g", str(n), Path()) for n in range(10)]
    assert [p.name for p in spread(places, 4)] == ["0", "2", "5", "7"]
    assert spread(places, None) == spread(places, 10) == places


def test_sizes_are_cut_at_the_right_and_the_bottom(tmp_path: Path) -> None:
    path = save(tmp_path / "odd.png", 43, 38)
    picture = Reader().read(Place("g", "odd", path))
    assert np.array_equal(picture, as_array(drawn(43, 38))[:36, :40])


def test_what_is_transparent_lies_on_white(tmp_path: Path) -> None:
    pixels = np.zeros((40, 40, 4), np.uint8)
    pixels[:20, :, 0], pixels[:10, :, 3], pixels[10:20, :, 3] = 200, 255, 51
    Image.fromarray(pixels).save(tmp_path / "a.png")
    picture = Reader().read(Place("g", "a", tmp_path / "a.png"))
    assert picture[0, 0].tolist() == [200, 0, 0]
    assert picture[15, 0].tolist() == [244, 204, 204]  # a fifth of the colour
    assert picture[30, 0].tolist() == [255, 255, 255]


def test_luma_is_bt709s_and_gray_has_no_colour(tmp_path: Path) -> None:
    rgb = np.zeros((3, 1, 3), np.float32)
    rgb[[0, 1, 2], 0, [0, 1, 2]] = 1
    assert luma(rgb)[0] == pytest.approx([0.2126, 0.7152, 0.0722])
    path = save(tmp_path / "gray.png", 40, 40, mode="L")
    assert is_gray(Reader().read(Place("g", "gray", path)))


@pytest.mark.parametrize("size", [(31, 200), (200, 20)])
def test_too_small_a_picture_says_so(tmp_path: Path, size: tuple[int, int]) -> None:
    path = save(tmp_path / "small.png", *size)
    with pytest.raises(VsanimeError, match=f"{size[0]}x{size[1]} is too small; 32x32"):
        Reader().read(Place("g", "small", path))


def test_what_cannot_be_read_says_so(tmp_path: Path) -> None:
    (tmp_path / "broken.png").write_bytes(b"not a picture")
    with pytest.raises(VsanimeError, match="it is no picture"):
        Reader().read(Place("g", "broken", tmp_path / "broken.png"))


def test_the_held_out_pictures_of_a_run(tmp_path: Path) -> None:
    helpers.drawings(tmp_path)
    recipe = helpers.recipe()
    folder = RunFolder(tmp_path / "run")
    folder.begin(recipe)
    survey = folder.survey([tmp_path / "drawings"], recipe, lambda _: None)
    places = find_held_out(tmp_path / "run", [tmp_path], None)
    expected = [p.name for p in survey if p.held_out]
    assert expected
    assert [p.name for p in places] == expected
    assert {p.group for p in places} == {"drawings"}
    assert all(p.path == tmp_path / "drawings" / p.name for p in places)
    # What the list says counts, whatever the split would be today.
    table = json.loads(folder.pictures.read_text(encoding="utf-8"))
    for record in table["pictures"]:
        record["held_out"] = not record["held_out"]
    folder.pictures.write_text(json.dumps(table), encoding="utf-8")
    assert [p.name for p in find_held_out(tmp_path / "run", [tmp_path], None)] == [
        p.name for p in survey if not p.held_out
    ]


def test_a_run_that_learnt_from_shots_has_no_held_out_pictures(tmp_path: Path) -> None:
    RunFolder(tmp_path).begin(recipes.load("Line_VA"))
    with pytest.raises(VsanimeError, match="it learnt from shots, not from pictures"):
        find_held_out(tmp_path, [tmp_path], None)


def test_a_folder_without_a_run_is_named(tmp_path: Path) -> None:
    with pytest.raises(VsanimeError, match="holds no run"):
        find_held_out(tmp_path, [tmp_path], None)
