"""Patches are functions of seed, step and place; style and smoothed style are of one place."""

from __future__ import annotations

import pickle
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

pytest.importorskip("torch")

from tests.training.style.helpers import recipe, root
from vsanime.errors import VsanimeError
from vsanime.training.data.pictures import find_sources, survey
from vsanime.training.recipes.stylization import StyleRecipe
from vsanime.training.style.edges import smooth_edges
from vsanime.training.style.samples import StyleSampler, check_split

pytest.importorskip("h5py")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return root(tmp_path_factory.mktemp("Bilder für Stile"))


def sampler(folder: Path, made: StyleRecipe) -> StyleSampler:
    places = find_sources(made.sources, [folder])
    pictures, _ = survey(places, made, lambda _: None)
    check_split(made, pictures)
    return StyleSampler(made, pictures, places, [folder])


def test_a_sample_follows_from_its_numbers(folder: Path) -> None:
    one = sampler(folder, recipe())
    other = pickle.loads(pickle.dumps(sampler(folder, recipe())))
    for step in (4, 0):
        assert np.array_equal(one.sample(step, 1).photo, other.sample(step, 1).photo)
        assert np.array_equal(one.sample(step, 1).style, other.sample(step, 1).style)
    assert not np.array_equal(one.sample(4, 0).photo, one.sample(4, 1).photo)
    assert not np.array_equal(one.sample(4, 0).photo, one.sample(5, 0).photo)
    assert not np.array_equal(one.calibration(0).photo, one.validation(0).photo)


def test_patches_have_the_size_of_their_phase(folder: Path) -> None:
    made = sampler(folder, recipe())
    photos, styles = made.batch(0, 2)
    assert (photos.shape, styles.shape) == ((2, 3, 24, 24), (2, 2, 3, 24, 24))
    photos, styles = made.batch(3, 2)
    assert (photos.shape, styles.shape) == ((2, 3, 32, 32), (2, 2, 3, 32, 32))
    assert -1 <= photos.min() < photos.max() <= 1


def test_smoothed_patch_is_the_patch_with_blurred_edges(folder: Path) -> None:
    made = sampler(folder, recipe())
    differs = 0
    for i in range(8):
        patch = made.sample(3, i)
        style, smooth = (
            np.rint((p.transpose(1, 2, 0) + 1) * 127.5).astype(np.uint8) for p in (patch.style, patch.smooth)
        )
        # A patch is mirrored after it was smoothed; of two equal slopes Canny takes the left one.
        mirrored = smooth_edges(style[:, ::-1])[:, ::-1]
        assert np.array_equal(smooth, smooth_edges(style)) or np.array_equal(smooth, mirrored)
        differs += not np.array_equal(style, smooth)
    assert differs


def test_transparent_pictures_lie_on_others_of_the_style(tmp_path: Path) -> None:
    """A figure that is nothing but a hole shows what lies behind it."""
    for i in range(8):
        (tmp_path / "photos").mkdir(exist_ok=True)
        (tmp_path / "holes").mkdir(exist_ok=True)
        (tmp_path / "walls").mkdir(exist_ok=True)
        rng = np.random.default_rng(i)
        coarse = Image.fromarray(rng.integers(0, 256, (8, 8, 3), np.uint8)).resize((64, 64))
        coarse.save(tmp_path / "photos" / f"p{'abcdefgh'[i]}.png")
        Image.fromarray(255 - np.asarray(coarse)).save(tmp_path / "walls" / f"w{'abcdefgh'[i]}.png")
        hole = np.zeros((64, 64, 4), np.uint8)
        hole[:, :, i % 3] = 25 * i  # seen by nobody
        hole[i, 0] = 255
        Image.fromarray(hole).save(tmp_path / "holes" / f"h{'abcdefgh'[i]}.png")
    made = recipe(styles=[{"path": "holes"}, {"path": "walls"}])
    found = sampler(tmp_path, made)
    assert all(found.sample(3, i).style.std() > 0.1 for i in range(12))  # half of them would be flat gray else


def test_prepared_partner_is_taken(folder: Path, tmp_path: Path) -> None:
    for path in sorted((folder / "drawings").glob("*.png")):
        pixels = np.asarray(Image.open(path).convert("RGB"))
        for name, shown in (("style", pixels), ("smooth", np.zeros_like(pixels))):
            (tmp_path / name).mkdir(exist_ok=True)
            Image.fromarray(shown).save(tmp_path / name / path.name)
    made = sampler_of_pairs(tmp_path, folder)
    assert (made.sample(3, 0).smooth == -1).all()
    Image.fromarray(np.zeros((8, 8, 3), np.uint8)).save(tmp_path / "smooth" / "owl.png")
    for path in (tmp_path / "smooth").glob("*.png"):
        path.write_bytes((tmp_path / "smooth" / "owl.png").read_bytes())
    with pytest.raises(VsanimeError, match=r"is 8x8 and its partner 72x64; make both by"):
        made.sample(3, 0)


def sampler_of_pairs(pairs: Path, folder: Path) -> StyleSampler:
    made = recipe(styles=[{"path": "style", "smooth": "smooth"}])
    places = find_sources(made.sources, [pairs, folder])
    pictures, _ = survey(places, made, lambda _: None)
    return StyleSampler(made, pictures, places, [pairs, folder])


def test_a_kind_without_held_out_pictures_is_refused(folder: Path) -> None:
    made = recipe()
    pictures, _ = survey(find_sources(made.sources, [folder]), made, lambda _: None)
    with pytest.raises(VsanimeError, match=r"none of the pictures of \[\[styles\]\] is held out"):
        check_split(made, [p for p in pictures if not (p.held_out and p.source == 1)])
    with pytest.raises(VsanimeError, match=r"none of the pictures of \[\[photos\]\] is to train on"):
        check_split(made, [p for p in pictures if p.held_out or p.source == 1])
