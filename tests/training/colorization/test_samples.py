"""Training samples: one crop for all pictures, keys on both sides or one, the same again after a restart."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest
from PIL import Image

from tests.training.colorization.helpers import SIZE, samples, scenes, write_drawings, write_figure
from tests.training.colorization.recipes import recipe
from vsanime.errors import VsanimeError
from vsanime.motion.match import blend, match
from vsanime.training.colorization import sources
from vsanime.training.colorization.samples import (
    Sampling,
    ShotSamples,
    Triplet,
    as_sample,
    hold_out,
    hold_out_shots,
)
from vsanime.training.data.shots import find_shots, open_shot
from vsanime.training.recipes.base import Settings
from vsanime.training.synthetic.drawings import find_drawings

WIDTH, HEIGHT = SIZE


def coordinates(folder: Path, frames: int = 8, size: tuple[int, int] = (80, 60)) -> Path:
    """A prepared shot whose every picture tells where each pixel was: red from the left, green from the top."""
    width, height = size
    ys, xs = np.mgrid[:height, :width]
    for kind in ("line", "distance", "colour"):
        (folder / kind).mkdir(parents=True)
    for number in range(1, frames + 1):
        colour = np.stack([xs, ys, np.full_like(xs, 25 * number)], -1).astype(np.uint8)
        line = np.where((xs + ys) % 2, 255, xs).astype(np.uint8)
        for kind, picture in (("line", line), ("distance", ys.astype(np.uint8)), ("colour", colour)):
            Image.fromarray(picture).save(folder / kind / f"{number:05d}.png")
    return folder


def test_names_and_shapes_are_those_of_the_network() -> None:
    shapes = {name: part.shape for name, part in samples(distances=True).batch(0, 2).items()}
    assert shapes == {
        "line": (2, 1, HEIGHT, WIDTH),
        "truth": (2, 3, HEIGHT, WIDTH),
        "key_lines": (2, 2, 1, HEIGHT, WIDTH),
        "key_colours": (2, 2, 3, HEIGHT, WIDTH),
        "warped": (2, 2, 3, HEIGHT, WIDTH),
        "errors": (2, 2, 1, HEIGHT, WIDTH),
        "prior": (2, 2, 1, HEIGHT, WIDTH),
        "distance": (2, 1, HEIGHT, WIDTH),
        "key_distances": (2, 2, 1, HEIGHT, WIDTH),
    }
    sample = samples(distances=True).sample(0, 0)
    for name, part in sample.items():
        assert part.dtype == np.float32, name
        assert part.min() >= 0, name
        assert part.max() <= 1, name
    assert "distance" not in samples().sample(0, 0)


def test_a_sample_is_what_the_motion_of_the_same_pictures_gives() -> None:
    triplet = samples().triplet(np.random.default_rng(1), 0)
    sample = as_sample(triplet)
    matched = match(triplet.lines[1], (triplet.lines[0], triplet.lines[2]), (triplet.colours[0], triplet.colours[2]))
    mixed = (sample["prior"] * sample["warped"]).sum(0)
    # Half a code of rounding.
    assert np.abs(mixed * 255 - np.moveaxis(blend(matched).astype(np.float32), -1, 0)).max() < 0.51
    assert np.array_equal(np.rint(sample["truth"] * 255), np.moveaxis(triplet.colours[1], -1, 0))


def test_all_pictures_have_the_same_crop_and_the_same_side_left(tmp_path: Path) -> None:
    shot = open_shot(coordinates(tmp_path / "shot-0001"))
    made = ShotSamples(1, Sampling((32, 32), distances=True, one_sided=0.0), None, [shot])
    mirrored = set()
    for seed in range(12):
        triplet = made._of_shot(np.random.default_rng(seed))
        assert triplet.lines.shape[1] >= 32
    for index in range(12):
        # Every pixel of a frame says where it was, so the three must say the same.
        found = made.triplet(np.random.default_rng(index), 0)
        places = found.colours[..., :2]
        assert np.array_equal(places[0], places[1])
        assert np.array_equal(places[1], places[2])
        mirrored.add(bool(places[1, 0, 0, 0] > places[1, 0, -1, 0]))
        assert found.distances is not None
        # The distance maps of this shot are its rows.
        assert np.abs(found.distances * 255 - places[..., 1]).max() < 1.01
    assert mirrored == {False, True}


def test_the_share_of_one_sided_pairs_is_kept() -> None:
    def is_one_sided(triplet: Triplet) -> bool:
        return np.array_equal(triplet.colours[0], triplet.colours[2])

    made = samples(one_sided=0.5)
    count = sum(is_one_sided(made.triplet(np.random.default_rng(seed), 0)) for seed in range(30))
    assert 6 <= count <= 24  # of 30 at a half: beyond it once in a thousand
    none = samples(one_sided=0.0, span=4)
    assert sum(is_one_sided(none.triplet(np.random.default_rng(seed), 0)) for seed in range(10)) <= 2  # held frames


@pytest.mark.torch
@pytest.mark.parametrize("workers", [0, 1])
def test_a_run_that_goes_on_gets_the_samples_it_would_have_got(workers: int) -> None:
    pytest.importorskip("torch")
    from vsanime.training.data.batches import batches

    whole = list(batches(samples(), Settings(steps=4, batch=2, workers=0), 0, pin=False))
    rest = list(batches(samples(), Settings(steps=4, batch=2, workers=workers), 2, pin=False))
    assert len(whole) == 4
    assert len(rest) == 2
    for expected, got in zip(whole[2:], rest, strict=True):
        assert expected.keys() == got.keys()
        for name in expected:
            assert np.array_equal(expected[name].numpy(), got[name].numpy()), name


def test_steps_places_and_seeds_give_different_samples() -> None:
    truths = [samples().sample(0, 0), samples().sample(0, 1), samples().sample(1, 0), samples(seed=6).sample(0, 0)]
    for i, one in enumerate(truths):
        for other in truths[i + 1 :]:
            assert not np.array_equal(one["truth"], other["truth"])


def test_validation_is_the_same_in_every_run_of_the_same_scenes() -> None:
    one, other = samples(seed=1).validation(3), samples(seed=2).validation(3)
    assert all(np.array_equal(one[name], other[name]) for name in one)


def test_lines_survive_in_samples() -> None:
    inked = [float((samples().sample(0, index)["line"] < 0.5).mean()) for index in range(8)]
    assert np.median(inked) > 0.005


def test_a_drawing_is_on_one_side_of_the_split(tmp_path: Path) -> None:
    drawings = find_drawings([write_drawings(tmp_path / "in")])
    kept, held = hold_out(drawings, 0.5)
    assert sorted(kept + held, key=str) == sorted(drawings, key=str)
    assert hold_out(drawings, 0.0) == (drawings, [])


def test_all_drawings_of_a_figure_are_on_one_side_of_the_split(tmp_path: Path) -> None:
    """Or validation would show what was learnt in another colour and with another mouth."""
    names = ("sylvie_blue_smile.png", "sylvie_green_normal.png", "bugs__ant_red.png", "birds__ant_01.png")
    for name in names:
        write_drawings(tmp_path / "of one").joinpath("ball.png").rename(tmp_path / "of one" / name)
    drawings = [d for d in find_drawings([tmp_path / "of one"]) if d.files[0].name in names]
    assert len(drawings) == 4
    for share in np.linspace(0, 1, 50):
        _, held = hold_out(drawings, share)
        assert sum("sylvie" in drawing.files[0].name for drawing in held) in (0, 2)
        assert sum("ant" in drawing.files[0].name for drawing in held) in (0, 2)


@pytest.mark.parametrize("form", ["{:04d}.png", "IMG_{:04d}.png", "写真{:02d}.png", "दृश्य{} चित्र.png", "{}.png"])
def test_drawings_named_by_numbers_are_split(tmp_path: Path, form: str) -> None:
    """Every one is a figure of its own where its name does not say otherwise."""
    for number in range(1, 9):
        write_figure(tmp_path / "in" / form.format(number), number)
    drawings = find_drawings([tmp_path / "in"])
    assert len(drawings) == 8
    counts = {len(hold_out(drawings, share)[1]) for share in (0.001, 0.1, 0.5, 0.999)}
    one_figure = "चित्र" in form
    assert counts == {0} if one_figure else min(counts) >= 1
    assert max(counts) <= 7


@pytest.mark.parametrize("share", [0.001, 0.1, 0.5, 0.999])
def test_of_two_figures_the_smaller_may_be_held_out(tmp_path: Path, share: float) -> None:
    """Whatever their names' digests are: something is left to train on, and something to measure."""
    for name in ("歩く", "走る", "jump", "हंसी"):
        folder = tmp_path / name
        for number in range(3):
            write_figure(folder / f"{name}_{number}.png", number)
        write_figure(folder / "other.png", 9)
        kept, held = hold_out(find_drawings([folder]), share)
        assert kept
        assert held
        assert not {d.files[0].name for d in kept} & {d.files[0].name for d in held}
    alone, none = hold_out([kept[0]], share)
    assert (len(alone), none) == (1, [])


def test_a_part_of_the_shots_is_held_out_and_something_is_left(tmp_path: Path) -> None:
    for number in range(5):
        coordinates(tmp_path / "film" / f"shot-{number:04d}", frames=3)
    shots = find_shots([tmp_path / "film"])
    for share, many in ((0.001, 1), (0.4, 2), (1.0, 4)):
        kept, held = hold_out_shots(shots, share)
        assert len(held) == many
        assert sorted(s.path for s in kept + held) == [s.path for s in shots]


def test_what_is_measured_on_prepared_shots_is_not_learnt_from(tmp_path: Path) -> None:
    for number in range(4):
        coordinates(tmp_path / "film" / f"shot-{number:04d}", frames=3)
    wanted = recipe(data__synthetic=False, data__shots=["film"], data__size=[64, 48])
    material = sources.find(wanted, [tmp_path], lambda _: None, distances=False)
    learnt, measured = ({shot.path for shot in made._shots} for made in (material.training, material.held_out))
    assert len(learnt) == 3
    assert len(measured) == 1
    assert not learnt & measured
    assert set(material.names["held_out_shots"]) == {f"film/{path.name}" for path in measured}
    for number in range(1, 4):
        shutil.rmtree(tmp_path / "film" / f"shot-{number:04d}")
    with pytest.raises(VsanimeError, match=r"the only prepared shot.* prepare more, or set data.synthetic"):
        sources.find(wanted, [tmp_path], lambda _: None, distances=False)
    sources.find(
        recipe(data__synthetic=True, data__shots=["film"], data__size=[64, 48]), [tmp_path], print, distances=False
    )


def test_runs_of_any_seed_are_measured_on_the_same_scenes() -> None:
    """What seed the weights had does not change the figures they are compared by."""
    one, other = (
        sources.find(recipe(training__seed=seed), [], lambda _: None, distances=False).held_out.validation(2)
        for seed in (1, 2)
    )
    assert all(np.array_equal(one[name], other[name]) for name in one)


def test_shots_of_equal_names_in_two_folders_are_told_apart(tmp_path: Path) -> None:
    """Every video has a shot-0001."""
    for film in ("one", "two"):
        coordinates(tmp_path / film / "shot-0001", frames=3)
    wanted = recipe(data__shots=["one", "two"], data__size=[64, 48])
    names = sources.find(wanted, [tmp_path], lambda _: None, distances=False).names
    sources.keep(names, tmp_path)
    sources.check(names, tmp_path)
    shutil.rmtree(tmp_path / "two")
    fewer = sources.find(replace(wanted, data=replace(wanted.data, shots=("one",))), [tmp_path], print, distances=False)
    with pytest.raises(VsanimeError, match="began with other shots: two/shot-0001"):
        sources.check(fewer.names, tmp_path)


def test_shots_say_what_is_wrong_with_them(tmp_path: Path) -> None:
    folder = coordinates(tmp_path / "set" / "shot-0001")
    assert [len(shot.names) for shot in find_shots([tmp_path / "set"])] == [8]
    (folder / "distance" / "00003.png").unlink()
    with pytest.raises(VsanimeError, match=r"00003.png is not in all of line/, distance/ and colour/"):
        open_shot(folder)
    other = coordinates(tmp_path / "set" / "shot-0002")
    Image.new("RGB", (10, 10)).save(other / "colour" / "00002.png")
    with pytest.raises(VsanimeError, match="is 10x10 and the shot 80x60"):
        open_shot(other).load()
    with pytest.raises(VsanimeError, match="has 0 shots"):
        find_shots([tmp_path / "set" / "shot-0001" / "line"])


def test_shots_of_evaluation_pieces_are_refused_by_what_they_were_taken_from(tmp_path: Path) -> None:
    folder = coordinates(tmp_path / "shot-0001")
    (folder / "shot.json").write_text('{"source": "prologue_kid_576x1008.mkv", "first_frame": 0}', "utf-8")
    with pytest.raises(VsanimeError, match="measured by"):
        find_shots([tmp_path])


def test_settings_that_cannot_be_are_refused(tmp_path: Path) -> None:
    with pytest.raises(VsanimeError, match="neither drawings nor prepared shots"):
        ShotSamples(0, Sampling(SIZE), None)
    with pytest.raises(VsanimeError, match="span=1;"):
        samples(span=1)
    with pytest.raises(VsanimeError, match="crop of 97x64 is larger than synthetic scenes, 96x64"):
        samples(size=(97, 64))
    shot = open_shot(coordinates(tmp_path / "shot-0001"))
    with pytest.raises(VsanimeError, match="larger than"):
        ShotSamples(0, Sampling((96, 32)), scenes(), [shot])


def test_threads_of_opencv_are_left_to_the_processes() -> None:
    samples().batch(0, 1)
    assert cv2.getNumThreads() == 1
