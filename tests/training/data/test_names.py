"""Names tell frames of one animation from pictures that were merely counted."""

from __future__ import annotations

import unicodedata
from collections import defaultdict

import pytest

from vsanime.training.data.names import find_frames


def sequences(names: list[str]) -> list[list[str]]:
    """The animations that are found, each as its names in order."""
    found: dict[object, list[tuple[int, str]]] = defaultdict(list)
    for name, frame in find_frames(names).items():
        found[frame.sequence].append((frame.number, name))
    return sorted([name for _, name in sorted(members)] for members in found.values())


@pytest.mark.parametrize(
    "form",
    [
        "{:04d}.png",  # DIV2K
        "DIV2K_train_HR/{:04d}.png",
        "2014-08-01 17_41_{:02d}.jpg",  # photographs of AnimeGAN
        "IMG_{:04d}.jpg",
        "DSC{:05d}.JPG",
        "P10100{:02d}.JPG",
        "20240101_1200{:02d}.jpg",
        "Screenshot from 2024-01-01 12-00-{:02d}.png",
        "Screen Shot 2024-01-01 at 12.00.{:02d} PM.png",
        "vlcsnap-2024-01-01-12h00m{:02d}s123.png",
        "IMG-20240101-WA{:04d}.jpg",
        "photo ({}).jpg",
        "写真{}.jpg",
        "Фото {}.jpg",
        "sky_{}0001.jpg",  # a word, but numbers of a web site
    ],
)
def test_counted_pictures_are_no_animation(form: str) -> None:
    assert sequences([form.format(i) for i in range(1, 25)]) == []


@pytest.mark.parametrize(
    "form",
    [
        "walk_{:02d}.png",
        "walk{}.png",
        "frame_{:06d}.png",
        "scene 3/frame_{:06d}.png",
        "walk_{:02d}@2x.png",
        "Walk-{:03d}-final.PNG",
        "A{:04d}.png",  # a layer of cels
        "歩く_{:04d}.png",
        "走り{}.png",
        "चलना_{}.png",
        "จักรยาน {}.png",
        "ходьба{:03d}.png",
        "mouvement été {}.png",
    ],
)
def test_frames_of_an_animation_are_found_in_order(form: str) -> None:
    names = [form.format(i) for i in range(1, 12)]
    assert sequences(names[::-1]) == [names]


def test_frames_that_were_sampled_are_still_one_animation() -> None:
    names = [f"frame_{i:06d}.png" for i in range(0, 1000, 24)]
    assert sequences(names) == [names]


def test_digits_and_accents_of_other_forms_are_the_same() -> None:
    wide = ["歩く１.png", "歩く２.png", "歩く３.png"]
    assert sequences(wide) == [wide]
    composed = unicodedata.normalize("NFC", "été_1.png")
    apart = unicodedata.normalize("NFD", "été_2.png")
    assert composed[:3] != apart[:3]
    assert sequences([composed, apart]) == [[composed, apart]]


@pytest.mark.parametrize(
    "form",
    ["scene{}_{:04d}.png", "ep{:02d}-{:06d}.png", "episode {:02d}/{:04d}.png", "{:03d}/{:08d}.png", "{:05d}/im{}.png"],
)
def test_numbers_of_scenes_and_episodes_tell_animations_apart(form: str) -> None:
    scenes = [[form.format(scene, i) for i in range(1, 8)] for scene in (1, 2, 3)]
    assert sequences([name for scene in scenes for name in scene]) == scenes


def test_one_word_in_two_folders_is_two_animations() -> None:
    names = [[f"{folder}/walk_{i}.png" for i in range(3)] for folder in ("boy", "girl")]
    assert sequences([name for group in names for name in group]) == names
