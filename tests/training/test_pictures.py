"""Pictures are found, checked, split and read; what cannot be used is listed."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tests.training.helpers import NAMES, draw, drawings, recipe, surveyed
from vsanime.errors import VsanimeError
from vsanime.training.pictures import LUMA, Library, find_sources, held_out_names, survey


def test_pictures_are_found_in_order_with_their_sizes(tmp_path: Path) -> None:
    pictures, _ = surveyed(drawings(tmp_path), recipe())
    assert [p.name for p in pictures] == sorted(f"{name}.png" for name in NAMES)
    assert {(p.width, p.height, p.frame) for p in pictures} == {(144, 128, None)}
    assert sum(p.held_out for p in pictures) == 2  # a fifth of 12


def test_split_follows_from_names(tmp_path: Path) -> None:
    first, _ = surveyed(drawings(tmp_path / "a"), recipe())
    second, _ = surveyed(drawings(tmp_path / "b"), recipe())
    assert first == second


def test_frames_of_one_animation_stay_together() -> None:
    names = [f"{name}_{i:02d}.png" for name in NAMES for i in range(10)]
    held_out = held_out_names(names, "here", 0.1)
    stems = {name.rpartition("_")[0] for name in held_out}
    assert len(held_out) == 10 * len(stems)
    assert len(stems) == 1


def test_one_animation_alone_is_not_held_out() -> None:
    assert not held_out_names([f"walk{i}.png" for i in range(10)], "here", 0.1)


def test_what_cannot_be_used_is_listed(tmp_path: Path) -> None:
    root = drawings(tmp_path)
    good = (root / "drawings" / "owl.png").read_bytes()
    (root / "drawings" / "cut short.png").write_bytes(good[: len(good) // 2])
    (root / "drawings" / "ünreadable.jpg").write_bytes(b"not a picture")
    (root / "drawings" / "broken.mkv").write_bytes(b"not a video")
    (root / "drawings" / "notes.txt").write_text("neither", encoding="utf-8")
    draw(root / "drawings" / "tiny.png", 1, size=(31, 80))
    tiny = recipe()
    pictures, skipped = survey(find_sources(tiny.sources, [root]), tiny.sources, tiny.data, lambda _: None)
    assert len(pictures) == len(NAMES)
    reasons = {Path(file.path).name: file.reason for file in skipped}
    assert set(reasons) == {"cut short.png", "ünreadable.jpg", "broken.mkv", "tiny.png"}
    assert "31x80 is smaller than the 32 pixels of a patch" in reasons["tiny.png"]
    assert all("cannot be read" in reasons[name] for name in ("cut short.png", "ünreadable.jpg", "broken.mkv"))


def test_too_few_pictures(tmp_path: Path) -> None:
    draw(tmp_path / "drawings" / "owl.png", 1)
    with pytest.raises(VsanimeError, match="1 pictures, 0 of them held out; 8 are needed"):
        surveyed(tmp_path, recipe())


def test_pictures_that_are_all_alike(tmp_path: Path) -> None:
    for i in range(9):
        draw(tmp_path / "drawings" / f"walk{i}.png", i)
    with pytest.raises(VsanimeError, match="none of 9 pictures is held out"):
        surveyed(tmp_path, recipe())


def test_empty_and_missing_folders(tmp_path: Path) -> None:
    with pytest.raises(VsanimeError, match=r"the source 'drawings' of the recipe was not found; looked in .*tmp"):
        surveyed(tmp_path / "tmp", recipe())
    (tmp_path / "drawings").mkdir()
    with pytest.raises(VsanimeError, match="'drawings' holds no picture that can be used"):
        surveyed(tmp_path, recipe())


def test_library_reads_luma_and_alpha(tmp_path: Path) -> None:
    root = drawings(tmp_path)
    pictures, places = surveyed(root, recipe())
    for picture in pictures[:5]:
        rgba = np.asarray(Image.open(root / "drawings" / picture.name).convert("RGBA")).astype(np.float64)
        found = Library(places, gray=True, cache=16).read(picture)
        assert np.abs(found[..., 0] - rgba[..., :3] @ LUMA).max() <= 0.501
        transparent = rgba[..., 3].min() < 255
        assert found.shape[2] == (2 if transparent else 1)
        assert Library(places, gray=False, cache=16).read(picture).shape[2] == (4 if transparent else 3)


def test_library_forgets_what_was_read_longest_ago(tmp_path: Path) -> None:
    pictures, places = surveyed(drawings(tmp_path), recipe())
    opaque = [p for p in pictures if p.name not in ("owl.png", "bee.png", "ram.png")][:4]
    library = Library(places, gray=False, cache=0)
    first = library.read(opaque[0])
    library.read(opaque[1])
    assert library.read(opaque[0]) is not first
    roomy = Library(places, gray=False, cache=16)
    first = roomy.read(opaque[0])
    roomy.read(opaque[1])
    assert roomy.read(opaque[0]) is first


def test_picture_that_vanishes_is_named(tmp_path: Path) -> None:
    pictures, places = surveyed(drawings(tmp_path), recipe())
    (tmp_path / "drawings" / pictures[0].name).unlink()
    with pytest.raises(VsanimeError, match=rf"{pictures[0].name} could be read when the run began and cannot now"):
        Library(places, gray=True, cache=1).read(pictures[0])


@pytest.mark.media
def test_frames_of_a_video_by_number(media: Path) -> None:
    """Lossless RGB of the run cycle: BestSource gives each frame, whatever was asked for before."""
    tiny = recipe(
        sources=[{"path": "sequences/pepper_run_pan_1280x720_48f_rgb_lossless.mkv", "every": 8}], data__least=2
    )
    places = find_sources(tiny.sources, [media])
    with pytest.raises(VsanimeError, match="none of 6 pictures is held out"):
        survey(places, tiny.sources, tiny.data, lambda _: None)
    from vsanime.training.videos import VideoReader

    reader = VideoReader(places[0])
    assert reader.facts() == (48, (1280, 720))
    twentieth = reader.frame(20)
    assert twentieth.shape == (720, 1280, 3)
    reader.frame(3)
    assert np.array_equal(reader.frame(20), twentieth)
    assert not np.array_equal(reader.frame(30), twentieth)
    assert np.array_equal(VideoReader(places[0]).frame(20), twentieth)
