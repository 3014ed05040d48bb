"""Pictures are found, checked, split and read; what cannot be used is listed."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tests.training.helpers import NAMES, draw, drawings, recipe, surveyed
from vsanime.errors import VsanimeError
from vsanime.media.videos import VideoReader
from vsanime.training.data.entries import Picture
from vsanime.training.data.pictures import LUMA, Library, find_sources, read_pixels, survey


def test_pictures_are_found_in_order(tmp_path: Path) -> None:
    pictures, _ = surveyed(drawings(tmp_path), recipe())
    assert [p.name for p in pictures] == sorted(f"{name}.png" for name in NAMES)
    assert {p.frame for p in pictures} == {None}
    assert sum(p.held_out for p in pictures) == 2  # a fifth of 12


def test_split_follows_from_what_pictures_show(tmp_path: Path) -> None:
    """Under other names the same pictures are held out."""
    root = drawings(tmp_path)
    before = {(root / "drawings" / p.name).read_bytes() for p in surveyed(root, recipe())[0] if p.held_out}
    for name in NAMES:
        path = root / "drawings" / f"{name}.png"
        path.rename(path.with_name(f"{name[::-1]} again.png"))
    assert {(root / "drawings" / p.name).read_bytes() for p in surveyed(root, recipe())[0] if p.held_out} == before


def test_look_alikes_are_on_one_side(tmp_path: Path) -> None:
    """Every drawing once more, smaller, with another face and under a name of its own."""
    root = drawings(tmp_path)
    for name in NAMES:
        path = root / "drawings" / f"{name}.png"
        other = Image.open(path).resize((132, 120))
        other.paste("red", (60, 60, 68, 68))
        other.save(path.with_name(f"{name[::-1]} twin.png"))
    pictures, _ = surveyed(root, recipe())
    sides = {p.name: p.held_out for p in pictures}
    assert all(sides[f"{name}.png"] == sides[f"{name[::-1]} twin.png"] for name in NAMES)
    assert sum(sides.values()) in (4, 6)  # a fifth of 24 is 4.8, and pictures come in pairs


def test_a_picture_that_is_there_twice_is_used_once(tmp_path: Path) -> None:
    """In two folders, and under two names in one of them."""
    root = drawings(tmp_path)
    draw(root / "more" / "hen.png", 77)
    for name in ("owl", "fox", "elk"):
        (root / "more" / f"{name}.png").write_bytes((root / "drawings" / f"{name}.png").read_bytes())
    (root / "drawings" / "zebra.png").write_bytes((root / "drawings" / "bee.png").read_bytes())
    tiny = recipe(sources=[{"path": "drawings"}, {"path": "more"}])
    places = find_sources(tiny.sources, [root])
    pictures, skipped = survey(places, tiny, lambda _: None)
    assert len(pictures) == len(NAMES) + 1
    assert {Path(file.path).name for file in skipped} == {"zebra.png", "owl.png", "fox.png", "elk.png"}
    assert all(file.reason.startswith("the same picture as") for file in skipped)


@pytest.mark.parametrize("share", [0.1, 0.25, 0.5])
def test_the_share_is_met_in_every_source(tmp_path: Path, share: float) -> None:
    for i in range(40):
        stem = NAMES[i % 12] + "abcd"[i // 12]
        draw(tmp_path / ("drawings" if i % 4 else "more") / f"{stem}.png", i)
    tiny = recipe(sources=[{"path": "drawings"}, {"path": "more"}], data__held_out=share)
    pictures, _ = surveyed(tmp_path, tiny)
    for source, count in ((0, 30), (1, 10)):
        held_out = sum(p.held_out for p in pictures if p.source == source)
        assert held_out == max(1, round(share * count))


def test_frames_of_one_animation_stay_together(tmp_path: Path) -> None:
    """Ten animations of four frames that look nothing alike; half a group too many is nearer than none."""
    for i in range(40):
        draw(tmp_path / "drawings" / f"{NAMES[i // 4]}_{i % 4:02d}.png", i)
    pictures, _ = surveyed(tmp_path, recipe(data__held_out=0.1))
    held_out = [p.name for p in pictures if p.held_out]
    assert len(held_out) == 4
    assert len({name[:3] for name in held_out}) == 1


def test_pictures_smaller_than_a_validation_patch_are_trained_on(tmp_path: Path) -> None:
    for i, name in enumerate(NAMES):
        draw(tmp_path / "drawings" / f"{name}.png", i, size=(144, 128) if i % 2 else (64, 64))
    tiny = recipe(validation__patch=96, data__held_out=0.5)
    pictures, _ = surveyed(tmp_path, tiny)
    assert {p.name for p in pictures if p.held_out} == {f"{name}.png" for name in NAMES[1::2]}


def test_a_source_that_holds_nothing_out_is_told(tmp_path: Path) -> None:
    root = drawings(tmp_path)
    for i in range(6):
        draw(root / "walk" / f"walk{i}.png", 50 + i)
    tiny = recipe(sources=[{"path": "drawings"}, {"path": "walk"}])
    said: list[str] = []
    pictures, _ = survey(find_sources(tiny.sources, [root]), tiny, said.append)
    assert not any(p.held_out for p in pictures if p.source == 1)
    assert [
        line for line in said if line.startswith("walk: nothing is held out for validation: its pictures look alike")
    ]
    assert not [line for line in said if line.startswith("drawings: nothing")]


@pytest.mark.media
def test_twins_of_real_sources_are_on_one_side(media: Path) -> None:
    """Clip art that is filed under two headings, and faces of one figure."""
    tiny = recipe(sources=[{"path": "pictures/openclipart_pd"}, {"path": "pictures/renpy_thequestion"}])
    pictures, skipped = survey(find_sources(tiny.sources, [media]), tiny, lambda _: None)
    sides = {p.name: p.held_out for p in pictures}
    for figure in ("green", "blue"):
        assert len({held for name, held in sides.items() if name.startswith(f"sylvie_{figure}")}) == 1
    cakes = [name for name in (*sides, *(Path(file.path).name for file in skipped)) if "birthday_cake" in name]
    assert len(cakes) == 2
    assert len([name for name in sides if "birthday_cake" in name]) == 1


RAMP = np.linspace(0, 65535, 64 * 48).reshape(48, 64).astype(np.uint16)


@pytest.mark.parametrize("suffix", [".png", ".tif"])
def test_gray_of_16_bits_is_scaled(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"gray{suffix}"
    Image.fromarray(RAMP).save(path)
    found = read_pixels(path)
    assert found.shape == (48, 64, 3)
    assert np.abs(found[..., 0] - RAMP / 257.0).max() <= 0.501


@pytest.mark.parametrize("mode", ["F", "I", "LAB"])
def test_pictures_without_a_known_white_are_skipped_with_the_reason(tmp_path: Path, mode: str) -> None:
    root = drawings(tmp_path)
    values = {"F": RAMP / np.float32(65535), "I": RAMP.astype(np.int32), "LAB": None}[mode]
    picture = Image.new("LAB", (64, 48)) if values is None else Image.fromarray(values)
    assert picture.mode == mode
    picture.save(root / "drawings" / "strange.tif")
    tiny = recipe()
    _, skipped = survey(find_sources(tiny.sources, [root]), tiny, lambda _: None)
    assert [Path(file.path).name for file in skipped] == ["strange.tif"]
    assert f"pixels are of the kind {mode!r}, whose white is not known" in skipped[0].reason


@pytest.mark.parametrize("mode", ["1", "L", "P", "LA", "CMYK"])
def test_other_kinds_of_pixels_are_what_pillow_makes_of_them(tmp_path: Path, mode: str) -> None:
    gray = Image.fromarray((RAMP >> 8).astype(np.uint8))
    path = tmp_path / ("picture.tif" if mode == "CMYK" else "picture.png")
    gray.convert(mode).save(path)
    assert np.array_equal(read_pixels(path)[..., :3], np.asarray(gray.convert(mode).convert("RGB")))


def test_what_cannot_be_used_is_listed(tmp_path: Path) -> None:
    root = drawings(tmp_path)
    good = (root / "drawings" / "owl.png").read_bytes()
    (root / "drawings" / "cut short.png").write_bytes(good[: len(good) // 2])
    (root / "drawings" / "ünreadable.jpg").write_bytes(b"not a picture")
    (root / "drawings" / "broken.mkv").write_bytes(b"not a video")
    (root / "drawings" / "notes.txt").write_text("neither", encoding="utf-8")
    draw(root / "drawings" / "tiny.png", 1, size=(31, 80))
    tiny = recipe()
    pictures, skipped = survey(find_sources(tiny.sources, [root]), tiny, lambda _: None)
    assert len(pictures) == len(NAMES)
    reasons = {Path(file.path).name: file.reason for file in skipped}
    assert set(reasons) == {"cut short.png", "ünreadable.jpg", "broken.mkv", "tiny.png"}
    assert "31x80 is smaller than the 32 pixels of a patch" in reasons["tiny.png"]
    assert all("cannot be read" in reasons[name] for name in ("cut short.png", "broken.mkv"))
    assert "it is no picture" in reasons["ünreadable.jpg"]


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
    pictures, _ = survey(places, tiny, lambda _: None)
    assert [(p.frame, p.held_out) for p in pictures] == [(0, False), (16, True), (32, False), (40, False)]
    reader = VideoReader(places[0])
    assert reader.facts() == (48, (1280, 720))
    twentieth = reader.frame(20)
    assert twentieth.shape == (720, 1280, 3)
    reader.frame(3)
    assert np.array_equal(reader.frame(20), twentieth)
    assert not np.array_equal(reader.frame(30), twentieth)
    assert np.array_equal(VideoReader(places[0]).frame(20), twentieth)


@pytest.mark.media
def test_videos_of_a_source_stay_open(media: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Opening one reads all of it, which would take seconds at every patch from another video."""
    data = (media / "sequences/pepper_run_pan_1280x720_48f_rgb_lossless.mkv").read_bytes()
    for name in ("one.mkv", "zwei ü.mkv"):
        (tmp_path / name).write_bytes(data)
    library = Library([tmp_path], gray=False, cache=0)
    opened: list[str] = []
    open_video = VideoReader.__init__

    def count(self: VideoReader, path: Path) -> None:
        opened.append(path.name)
        open_video(self, path)

    monkeypatch.setattr(VideoReader, "__init__", count)
    frames = {}
    for number in (3, 9):
        for name in ("one.mkv", "zwei ü.mkv"):
            frames[name, number] = library.read(Picture(0, name, number, held_out=False))
            assert np.array_equal(frames[name, number], frames["one.mkv", number])
    assert not np.array_equal(frames["one.mkv", 3], frames["one.mkv", 9])
    assert opened == ["one.mkv", "zwei ü.mkv"]
