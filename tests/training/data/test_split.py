"""Held-out pictures, whatever pictures are called; what refusals advise works when it is followed."""

from __future__ import annotations

import re
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tests.training.helpers import NAMES, draw, film, recipe
from tests.training.style import helpers as style
from vsanime.errors import VsanimeError
from vsanime.training.data import split
from vsanime.training.data.entries import Picture
from vsanime.training.data.pictures import find_sources, survey
from vsanime.training.data.split import Candidate, Use
from vsanime.training.recipes.reader import PictureRecipe, from_table, to_table


def hold_out(root: Path, made: PictureRecipe) -> tuple[list[Picture], list[str]]:
    """The pictures below a root, and what is reported."""
    said: list[str] = []
    return survey(find_sources(made.sources, [root]), made, said.append)[0], said


def refuse(root: Path, made: PictureRecipe) -> str:
    with pytest.raises(VsanimeError) as error:
        hold_out(root, made)
    message = str(error.value)
    assert "\n" not in message
    return message


def draw_all(folder: Path, names: Sequence[str], size: tuple[int, int] = (64, 48)) -> None:
    for i, name in enumerate(names):
        draw(folder / name, 1000 + i, size)


def animate(folder: Path, form: str, frames: int, seed: int = 1) -> None:
    """Frames that look alike: one drawing that is shifted by a pixel a frame."""
    folder.mkdir(parents=True)
    draw(folder.with_suffix(".png"), seed, (64 + frames, 48))
    with Image.open(folder.with_suffix(".png")) as whole:
        for i in range(frames):
            whole.crop((i, 0, 64 + i, 48)).save(folder / form.format(i))


def followed(made: PictureRecipe, message: str) -> PictureRecipe:
    """The recipe with the values that a message advises."""
    advice = re.search(r"lower ((?:data|validation)\.[^,]*?) to (\d+)", message)
    assert advice is not None, message
    table = to_table(made)
    for section, name in re.findall(r"(\w+)\.(\w+)", advice[1]):
        table[section][name] = int(advice[2])
    other = from_table(table)
    assert isinstance(other, type(made))
    return other


# Names


@pytest.mark.parametrize(
    "form", ["{:04d}.png", "2014-08-01 17_41_{:02d}.jpg", "IMG_{:04d}.jpg", "HR/{:04d}.png", "写真 {}.png"]
)
@pytest.mark.parametrize("share", [0.001, 0.1, 0.5])
def test_counted_pictures_are_split_as_any_others(tmp_path: Path, form: str, share: float) -> None:
    draw_all(tmp_path / "drawings", [form.format(i) for i in range(1, 25)])
    pictures, _ = hold_out(tmp_path, recipe(data__held_out=share))
    assert len(pictures) == 24
    assert sum(p.held_out for p in pictures) == max(1, round(24 * share))


@pytest.mark.parametrize("form", ["scene{}_{:04d}.png", "episode {:02d}/{:04d}.png", "{}/walk_{:02d}.png"])
@pytest.mark.parametrize("share", [0.001, 0.1, 0.5])
def test_of_two_animations_one_is_held_out(tmp_path: Path, form: str, share: float) -> None:
    """However large they are: something is measured, and no animation is on both sides."""
    draw_all(tmp_path / "drawings", [form.format(scene, i) for scene in (1, 2) for i in range(1, 9)])
    pictures, said = hold_out(tmp_path, recipe(data__held_out=share))
    sides = {(p.name.replace("/", "_").rpartition("_")[0], p.held_out) for p in pictures}
    assert sorted(held for _, held in sides) == [False, True]
    assert sum(p.held_out for p in pictures) == 8
    assert (share == 0.5) != any("8 of 16 pictures are held out" in line for line in said)


def candidates(sizes: Sequence[int], side: int = 64) -> list[Candidate]:
    """Groups of so many pictures, told apart by their sequences."""
    rng = np.random.default_rng(len(sizes))
    return [
        Candidate(0, f"sequence {group}", frame, rng.bytes(8).hex(), np.eye(1, 256, dtype=np.float32)[0] * 0, side)
        for group, size in enumerate(sizes)
        for frame in range(size)
    ]


@pytest.mark.parametrize("share", [0.001, 0.1, 0.3, 0.5, 0.9, 0.999])
@pytest.mark.parametrize("sizes", [(1, 1), (1, 2), (1, 30), (30, 1), (24, 24), (5, 7, 9), (40, 41, 300), (2,) * 9])
def test_two_groups_are_enough_for_any_share(sizes: tuple[int, ...], share: float) -> None:
    given = candidates(sizes)
    uses = split.assign(given, split.find_groups(given), share, [range(1)], 32)
    assert uses is not None
    sides = {(candidate.sequence, use) for candidate, use in zip(given, uses, strict=True)}
    assert len(sides) == len(sizes)
    assert {use for _, use in sides} == {Use.TRAIN, Use.HELD_OUT}


def test_pictures_that_look_alike_are_one_group_of_any_length() -> None:
    """Chains of likeness, and many pictures that are all alike."""
    rng = np.random.default_rng(1)
    motifs = rng.standard_normal((4, 256)).astype(np.float32)
    shown = [motifs[i % 4] + 0.01 * rng.standard_normal(256).astype(np.float32) for i in range(1200)]
    given = [
        Candidate(0, None, 0, f"{i:04d}", (t / np.linalg.norm(t)).astype(np.float32), 64) for i, t in enumerate(shown)
    ]
    groups = split.find_groups(given)
    assert [sorted(group) for group in groups] == [list(range(i, 1200, 4)) for i in range(4)]


# One animation


def test_one_animation_is_never_split_and_the_advice_helps(tmp_path: Path) -> None:
    """Other pictures beside it, or names that do not say it is one."""
    folder = tmp_path / "drawings"
    draw_all(folder, [f"walk_{i:02d}.png" for i in range(1, 25)])
    for share in (0.1, 0.5):
        message = refuse(tmp_path, recipe(data__held_out=share))
        assert message.startswith("none of 24 pictures is held out for validation")
        assert "walk_01.png to walk_24.png" in message
        assert "data.held_out" not in message
    assert "add pictures of something else" in message
    draw(folder / "owl.png", 1)
    pictures, _ = hold_out(tmp_path, recipe())
    assert [p.name for p in pictures if p.held_out] == ["owl.png"]
    (folder / "owl.png").unlink()
    assert "name them by numbers alone (0001.png)" in message
    for path in folder.iterdir():
        path.rename(path.with_name(path.name.removeprefix("walk_")))
    pictures, _ = hold_out(tmp_path, recipe())
    assert sum(p.held_out for p in pictures) == 5


def test_pictures_that_look_alike_are_refused_by_what_they_show(tmp_path: Path) -> None:
    animate(tmp_path / "drawings", "{:04d}.png", 12)
    assert refuse(tmp_path, recipe()).endswith("they look alike; add pictures of something else")
    draw(tmp_path / "drawings" / "0100.png", 7)
    assert [p.name for p in hold_out(tmp_path, recipe())[0] if p.held_out] == ["0100.png"]


def test_numbered_film_is_held_out_in_its_middle(tmp_path: Path) -> None:
    """A hundred frames or more are film: a part in a row, with a gap on both sides."""
    draw_all(tmp_path / "drawings", [f"frame_{i:06d}.png" for i in range(0, 1200, 10)], (40, 40))
    pictures, said = hold_out(tmp_path, recipe())
    check_film([int(p.name[6:12]) for p in pictures if p.held_out], [int(p.name[6:12]) for p in pictures], 10, 240)
    assert any(line.startswith("drawings: of one film, 24 of 120 pictures in a row") for line in said)


def check_film(held: list[int], all_of_them: list[int], step: int, count: int) -> None:
    """A part in a row, a gap of four seconds or a tenth on both sides, the rest trained on."""
    assert len(held) * step == count
    assert [b - a for a, b in pairwise(held)] == [step] * (len(held) - 1)
    trained = sorted(set(all_of_them) - set(held))
    before, after = [n for n in trained if n < held[0]], [n for n in trained if n > held[-1]]
    assert before
    assert after
    assert held[0] - before[-1] > split.GAP
    assert after[0] - held[-1] > split.GAP


# Videos


def test_single_video_is_held_out_in_its_middle(tmp_path: Path) -> None:
    film(tmp_path / "films" / "the film.mkv", 1200, size=(32, 32))
    tiny = recipe(sources=[{"path": "films/the film.mkv", "every": 10}])
    pictures, said = hold_out(tmp_path, tiny)
    frames = [p.frame for p in pictures if p.frame is not None]
    check_film([p.frame for p in pictures if p.held_out and p.frame is not None], frames, 10, 240)
    assert any(line.startswith("films/the film.mkv: of one film, 24 of 120 pictures in a row") for line in said)


@pytest.mark.parametrize(
    ("frames", "held", "trained"), [(2, [0], [1]), (3, [1], [0, 2]), (4, [1], [3]), (6, [2], [0, 4, 5])]
)
def test_short_video_is_split_as_far_as_it_goes(
    tmp_path: Path, frames: int, held: list[int], trained: list[int]
) -> None:
    film(tmp_path / "short.mkv", frames)
    pictures, _ = hold_out(tmp_path, recipe(sources=[{"path": "short.mkv", "every": 1}], data__least=2))
    assert [p.frame for p in pictures if p.held_out] == held
    assert [p.frame for p in pictures if not p.held_out] == trained


def test_episodes_are_held_out_whole(tmp_path: Path) -> None:
    """Their names differ in a number only."""
    for number in range(1, 4):
        film(tmp_path / "films" / f"episode {number}.mkv", 8, number)
    pictures, _ = hold_out(tmp_path, recipe(sources=[{"path": "films", "every": 1}], data__held_out=0.3))
    assert len({p.name for p in pictures if p.held_out}) == 1
    assert len(pictures) == 24
    assert sum(p.held_out for p in pictures) == 8


def test_video_beside_pictures_is_trained_on(tmp_path: Path) -> None:
    draw_all(tmp_path / "drawings", [f"{name}.png" for name in NAMES])
    film(tmp_path / "film.mkv", 30)
    pictures, said = hold_out(tmp_path, recipe(sources=[{"path": "drawings"}, {"path": "film.mkv", "every": 3}]))
    assert {p.source for p in pictures if p.held_out} == {0}
    assert len(pictures) == len(NAMES) + 10
    assert any(line.startswith("film.mkv: nothing is held out") for line in said)


def test_a_source_keeps_something_to_train_on_where_another_can_spare_more(tmp_path: Path) -> None:
    """Three videos in two sources: the lone one is not taken away as a whole."""
    film(tmp_path / "lone.mkv", 8, 1)
    for number in (2, 3):
        film(tmp_path / "films" / f"{number}.mkv", 12, number)
    sources = [{"path": "lone.mkv", "every": 1}, {"path": "films", "every": 1}]
    pictures, _ = hold_out(tmp_path, recipe(sources=sources, data__held_out=0.01))
    assert {p.source for p in pictures if p.held_out} == {1}
    assert {p.source for p in pictures if not p.held_out} == {0, 1}


# Refusals whose advice is followed


@pytest.mark.parametrize("count", [2, 3])
def test_too_few_pictures_can_be_allowed(tmp_path: Path, count: int) -> None:
    draw_all(tmp_path / "drawings", [f"{name}.png" for name in NAMES[:count]])
    message = refuse(tmp_path, recipe())
    assert message.startswith(f"{count} pictures, 1 of them held out; 8 are needed at least")
    assert "every" not in message
    pictures, _ = hold_out(tmp_path, followed(recipe(), message))
    assert [p.held_out for p in pictures].count(True) == 1


def test_one_picture_is_too_few_whatever_the_recipe_says(tmp_path: Path) -> None:
    draw(tmp_path / "drawings" / "owl.png", 1)
    for least in (2, 8):
        assert refuse(tmp_path, recipe(data__least=least)).endswith(
            f"{least} are needed at least (data.least): add pictures"
        )


def test_too_few_frames_of_a_video(tmp_path: Path) -> None:
    film(tmp_path / "short.mkv", 24)
    tiny = recipe(sources=[{"path": "short.mkv"}])
    message = refuse(tmp_path, tiny)
    assert message.startswith("2 pictures, 1 of them held out; 8 are needed at least")
    assert "lower `every` of the videos" in message
    hold_out(tmp_path, followed(tiny, message))
    pictures, _ = hold_out(tmp_path, recipe(sources=[{"path": "short.mkv", "every": 2}]))
    assert sum(p.held_out for p in pictures) == 2


def test_patch_larger_than_every_picture_is_the_reason_given(tmp_path: Path) -> None:
    """Not the broken file beside them."""
    draw_all(tmp_path / "drawings", [f"{i:04d}.png" for i in range(9)], (110, 90))
    draw_all(tmp_path / "drawings", ["tall.png"], (100, 200))
    (tmp_path / "drawings" / "zz broken.png").write_bytes(b"no picture")
    tiny = recipe(data__patch=512, validation__patch=192)
    message = refuse(tmp_path, tiny)
    assert "10 are smaller than the 512 pixels of a patch, the largest is tall.png, 100x200" in message
    assert "1 cannot be used, such as" in message
    assert "lower data.patch (512) and validation.patch (192) to 88, or give larger pictures" in message
    assert len(hold_out(tmp_path, followed(tiny, message))[0]) == 10


def test_pictures_too_small_for_any_recipe_are_not_to_be_had_by_a_key(tmp_path: Path) -> None:
    draw_all(tmp_path / "drawings", [f"{i:04d}.png" for i in range(9)], (30, 20))
    assert refuse(tmp_path, recipe()).endswith("0000.png, 30x20; give larger pictures")


def test_pictures_smaller_than_a_validation_patch_get_a_size_that_does(tmp_path: Path) -> None:
    for i, name in enumerate(NAMES):
        draw(tmp_path / "drawings" / f"{name}.png", i, size=(80 + 4 * i, 70 + 3 * i))
    tiny = recipe(validation__patch=192)
    message = refuse(tmp_path, tiny)
    assert "those that could be are smaller than 192 pixels; lower validation.patch to 88" in message
    pictures, _ = hold_out(tmp_path, followed(tiny, message))
    assert len(pictures) == len(NAMES)
    assert sum(p.held_out for p in pictures) == 2


def test_size_is_advised_that_leaves_something_to_train_on(tmp_path: Path) -> None:
    """Beside a small animation, which cannot be split, one picture is larger."""
    draw_all(tmp_path / "drawings", [f"walk_{i}.png" for i in range(20)], (40, 40))
    draw_all(tmp_path / "drawings", ["owl.png"], (60, 52))
    tiny = recipe(validation__patch=64)
    message = refuse(tmp_path, tiny)
    assert "lower validation.patch to 40" in message
    pictures, _ = hold_out(tmp_path, followed(tiny, message))
    assert [p.name for p in pictures if p.held_out] == ["owl.png"]


def test_folder_without_pictures_says_what_is_read(tmp_path: Path) -> None:
    (tmp_path / "drawings").mkdir()
    (tmp_path / "drawings" / "notes.txt").write_text("none")
    assert "there is no picture or video in it; PNG, JPEG" in refuse(tmp_path, recipe())


def test_source_of_copies_alone(tmp_path: Path) -> None:
    draw_all(tmp_path / "drawings", [f"{name}.png" for name in NAMES])
    (tmp_path / "more").mkdir()
    (tmp_path / "more" / "owl.png").write_bytes((tmp_path / "drawings" / "owl.png").read_bytes())
    message = refuse(tmp_path, recipe(sources=[{"path": "drawings"}, {"path": "more"}]))
    assert "1 are there already, such as" in message
    assert "the same picture as" in message


# Photographs and styles


def test_photographs_and_styles_named_by_numbers(tmp_path: Path) -> None:
    """As AnimeGAN's data sets are: by date, and by number."""
    for i in range(24):
        style.scene(tmp_path / "photos" / f"2014-08-01 17_41_{i:02d}.jpg", 100 + i)
    draw_all(tmp_path / "drawings", [f"{i}.jpg" for i in range(24)])
    pictures, _ = hold_out(tmp_path, style.recipe(data__held_out=0.1))
    for source in (0, 1):
        assert sum(p.held_out for p in pictures if p.source == source) == 2


def test_something_is_held_out_of_photographs_and_of_styles(tmp_path: Path) -> None:
    """Photographs as any, the style as one film or as two animations."""
    for i, name in enumerate(NAMES):
        style.scene(tmp_path / "photos" / f"{name}.jpg", 100 + i)
    film(tmp_path / "drawings" / "film.mkv", 60)
    made = style.recipe(styles=[{"path": "drawings", "every": 3}])
    pictures, _ = hold_out(tmp_path, made)
    held = [p.frame for p in pictures if p.held_out and p.source == 1]
    assert held == [24, 27, 30, 33]
    (tmp_path / "drawings" / "film.mkv").unlink()
    draw_all(tmp_path / "drawings", [f"{name}_{i}.png" for name in ("walk", "run") for i in range(8)])
    pictures, _ = hold_out(tmp_path, made)
    assert sorted({(p.name[:3], p.held_out) for p in pictures if p.source == 1})[0][0] == "run"
    assert sum(p.held_out for p in pictures if p.source == 1) == 8


def test_refusal_names_the_kind_that_lacks_something(tmp_path: Path) -> None:
    for i, name in enumerate(NAMES):
        style.scene(tmp_path / "photos" / f"{name}.jpg", 100 + i)
    draw_all(tmp_path / "drawings", [f"walk_{i}.png" for i in range(8)])
    message = refuse(tmp_path, style.recipe())
    assert message.startswith("none of 8 pictures of [[styles]] is held out for validation: they are named as frames")


def test_a_lone_picture_of_a_kind(tmp_path: Path) -> None:
    for i, name in enumerate(NAMES):
        style.scene(tmp_path / "photos" / f"{name}.jpg", 100 + i)
    draw(tmp_path / "drawings" / "owl.png", 1)
    assert refuse(tmp_path, style.recipe()).endswith("it is the only one; add pictures of something else")
    draw(tmp_path / "drawings" / "fox.png", 2)
    assert len(hold_out(tmp_path, style.recipe())[0]) == len(NAMES) + 2


def test_patch_of_a_style_larger_than_every_picture(tmp_path: Path) -> None:
    for i, name in enumerate(NAMES):
        style.scene(tmp_path / "photos" / f"{name}.jpg", 100 + i)
    draw_all(tmp_path / "drawings", [f"{name}.png" for name in NAMES])
    made = style.recipe(data__patch=256, data__init_patch=128, validation__patch=256)
    message = refuse(tmp_path, made)
    assert "lower data.patch (256) and data.init_patch (128) and validation.patch (256) to 80" in message
    made = followed(made, message)
    message = refuse(tmp_path, made)  # that was for photographs; drawings are smaller
    assert "'drawings'" in message
    pictures, _ = hold_out(tmp_path, followed(made, message))
    assert {(p.source, p.held_out) for p in pictures} == {(0, False), (0, True), (1, False), (1, True)}
