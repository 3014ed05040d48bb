"""Every key of a recipe that samples depend on does what it says; also for clips and for validation."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from tests.training.helpers import NAMES, draw, names_read, recipe
from vsanime.training.data import degrade
from vsanime.training.data.entries import Picture
from vsanime.training.pairs.samples import Sampler

# Draws that would hide what a test looks at.
PLAIN: dict[str, Any] = {
    **{"data__turn": False, "data__invert": 0.0, "data__shrink_share": 0.0, "data__flat": 0.0, "data__crops": 1},
    "degradation__kernels": {"box": 1},
}
# x264 without loss: what is left is rounding to limited range, half a code there and half a code back.
LOSSLESS: dict[str, Any] = {"share": 1.0, "clips": 3, "frames": 4, "width": 64, "crf": [0, 0]}
LIMITED_RANGE = (0.5 * 255 / 219 + 0.5) / 255

type Make = Callable[..., Sampler]


@pytest.fixture
def make(tmp_path: Path) -> Make:
    """A sampler of given pictures, of which the last quarter is held out."""

    def sampler(pictures: Mapping[str, np.ndarray] | None = None, **values: Any) -> Sampler:
        folder = tmp_path / "drawings"
        folder.mkdir(exist_ok=True)
        names = [f"{name}.png" for name in (pictures or NAMES)]
        for i, name in enumerate(names):
            if pictures is None:
                draw(folder / name, i)
            else:
                Image.fromarray(pictures[name.removesuffix(".png")]).save(folder / name)
        listed = [Picture(0, name, None, held_out=i >= 0.75 * len(names)) for i, name in enumerate(names)]
        tiny = recipe(**{**PLAIN, **values})
        clips = tmp_path / "clips" / str(len(list(tmp_path.glob("clips/*"))))
        clips.mkdir(parents=True)
        return Sampler(tiny, listed, [folder], clips, 2)

    return sampler


def ramps() -> dict[str, np.ndarray]:
    """A code more with every pixel to the right."""
    row = np.arange(256, dtype=np.uint8)
    return {f"ramp{i}": np.tile(row, (160 + i, 1)) for i in range(4)}


def test_a_grid_has_no_more_cells_than_its_cap(make: Make) -> None:
    """Three of the sixteen cells of each of nine pictures."""
    sampler = make(data__grid=True, data__grid_cap=3)
    seen = {sampler.sample(s, i).high.tobytes() for s in range(50) for i in range(6)}
    assert 24 <= len(seen) <= 27


def test_inverted_as_often_as_asked(make: Make) -> None:
    never, always, half = (make(data__invert=share) for share in (0.0, 1.0, 0.5))
    count = 0
    for i in range(40):
        plain = never.sample(0, i).high
        np.testing.assert_allclose(always.sample(0, i).high, 1 - plain, atol=1e-6)
        count += not np.array_equal(half.sample(0, i).high, plain)
    assert 8 <= count <= 32  # four standard deviations


def test_pictures_are_shrunk_up_to_the_most(make: Make) -> None:
    """The slope of a ramp is the factor."""
    sampler = make(ramps(), data__shrink_share=0.5, data__shrink_most=3.0)
    slopes = [255 * float(np.diff(sampler.sample(0, i).high[0, 10, 4:-4]).mean()) for i in range(60)]
    assert 12 <= sum(abs(slope - 1) < 0.01 for slope in slopes) <= 48
    assert 2.3 < max(slopes) < 3.1


def test_kernels_are_as_wide_as_asked(make: Make) -> None:
    sampler = make(degradation__width=[2.0, 2.0], degradation__round_input=False)
    sample = sampler.sample(0, 0)
    wide = degrade.halve(sample.high, degrade.box, 2.0)
    np.testing.assert_allclose(sample.low[:, 3:-3, 3:-3], wide[:, 3:-3, 3:-3], atol=2e-6)
    narrow = degrade.halve(sample.high, degrade.box)
    assert np.abs(sample.low - narrow)[:, 3:-3, 3:-3].max() > 0.01


def test_targets_are_sharpened_and_clean_validation_is_not(make: Make) -> None:
    plain, sharp = make(), make(degradation__sharpen=0.5)
    for one, other in (
        (plain.sample(0, 1), sharp.sample(0, 1)),
        (plain.validation("degraded", 1), sharp.validation("degraded", 1)),
    ):
        assert np.array_equal(one.low, other.low)
        expected = degrade.sharpen(one.high, 0.5)
        assert np.abs(expected - one.high).max() > 0.02
        # The blur within reaches 3 pixels, and beyond the patch there is more than its edge.
        np.testing.assert_allclose(other.high[:, 3:-3, 3:-3], expected[:, 3:-3, 3:-3], atol=1e-6)
    assert np.array_equal(plain.validation("box", 1).high, sharp.validation("box", 1).high)


@pytest.mark.parametrize("h264", [{"share": 0.0}, LOSSLESS], ids=["patches", "clips"])
def test_degraded_validation_is_of_held_out_pictures(make: Make, h264: dict[str, Any]) -> None:
    sampler = make(degradation__h264=h264)
    held_out = {f"{name}.png" for name in NAMES[9:]}
    assert names_read(lambda: [sampler.validation("degraded", i) for i in range(12)]) == held_out
    assert not names_read(lambda: [sampler.sample(s, 0) for s in range(0, 2000, 50)]) & held_out


def test_the_grid_of_jpeg_lies_anywhere(make: Make) -> None:
    """Coarse blocks of 8 pixels; the steps between them show where they begin."""
    noise = degrade.blur(np.random.default_rng(1).random((1, 512, 512), np.float32), 3.0)[0]
    picture = degrade.to_codes((noise - noise.mean()) * 4 + 0.5)
    sampler = make(
        {f"cloud{i}": picture for i in range(4)}, data__patch=256, degradation__jpeg={"share": 1.0, "quality": [3, 3]}
    )
    phases = []
    for i in range(24):
        steps = np.abs(np.diff(sampler.sample(0, i).low[0], axis=1)).mean(0)
        phases.append(int(np.argmax([steps[phase::8].mean() for phase in range(8)])))
    assert len(set(phases)) >= 5


# Clips


def test_targets_of_clips_are_the_frame_and_the_place_of_their_input(make: Make) -> None:
    sampler = make(degradation__h264=LOSSLESS)
    for i in range(12):
        sample = sampler.sample(0, i)
        expected = degrade.from_codes(degrade.to_codes(degrade.halve(sample.high, degrade.box)))
        assert np.abs(sample.low - expected).max() <= LIMITED_RANGE + 1.01 / 255  # half a code may fall to either side


def test_clips_are_inverted_shrunk_and_turned(make: Make) -> None:
    plain, inverted = (make(degradation__h264=LOSSLESS, data__invert=share) for share in (0.0, 1.0))
    for number in range(3):
        assert np.array_equal(inverted._clips[False].clip(number).clean, 255 - plain._clips[False].clip(number).clean)
    small = {**LOSSLESS, "clips": 12, "frames": 1}
    shrunk = make(ramps(), degradation__h264=small, data__shrink_share=1.0, data__shrink_most=2.0)
    slopes = [np.diff(shrunk._clips[False].clip(k).clean[0, 20, 4:60].astype(int)).mean() for k in range(12)]
    assert 1.3 < max(slopes) < 2.1
    turned = make(ramps(), degradation__h264=small, data__turn=True)
    ways = [np.diff(turned._clips[False].clip(k).clean[0, :60, 20].astype(int)).mean() for k in range(12)]
    assert {round(float(way)) for way in ways} >= {-1, 0, 1}


def test_flat_places_of_clips_are_drawn_again(make: Make) -> None:
    """Pictures of which the left half is white."""
    pictures = {}
    for i in range(4):
        pixels = np.random.default_rng(i).integers(0, 256, (160, 256), np.uint8)
        pixels[:, :128] = 255
        pictures[f"half{i}"] = pixels
    h264 = {**LOSSLESS, "width": 112, "crf": [30, 30]}
    flat = [
        sum(np.ptp(sampler.sample(s, i).high) == 0 for s in range(0, 500, 50) for i in range(4))
        for sampler in (make(pictures, degradation__h264=h264), make(pictures, degradation__h264=h264, data__flat=5.0))
    ]
    assert flat[0] >= 8
    assert flat[1] <= flat[0] / 4


def test_kept_clips_of_another_recipe_are_not_taken(make: Make, tmp_path: Path) -> None:
    """In one folder: what decides what clips show is part of where they are kept; what does not is not."""

    def kept(pictures: Mapping[str, np.ndarray] | None = None, **values: Any) -> Path:
        sampler = make(pictures, degradation__h264=LOSSLESS, **values)
        clips = Sampler(*sampler._arguments[:3], tmp_path / "one", 2)
        clips._clips[False].clip(0)
        return clips._clips[False]._folder

    first = kept()
    others = [kept(degradation__width=[1.0, 1.5]), kept(data__invert=0.5), kept(training__seed=2), kept(ramps())]
    assert len({first, *others}) == 5
    assert kept(data__cache=32, training__workers=3) == first


def test_a_clip_has_one_kernel_one_blur_and_one_strength_of_noise(make: Make) -> None:
    random = {"degradation__kernels": {"random": 1}, "degradation__blur": [0.0, 2.0], "degradation__blur_share": 0.7}
    sampler = make(**random, degradation__h264=LOSSLESS, degradation__width=[0.8, 1.2])
    rng = np.random.default_rng(5)
    picture = rng.random((1, 64, 64), np.float32)
    drawn = []
    for _ in range(6):
        shrink = sampler._clips[False]._draw_shrink(rng)
        drawn.append(shrink(picture))
        assert np.array_equal(shrink(picture), drawn[-1])
    assert len({small.tobytes() for small in drawn}) == 6
    noisy = make(
        **{**PLAIN, "degradation__noise": [1.0, 9.0], "degradation__noise_share": 1.0}, degradation__h264=LOSSLESS
    )
    gray = np.full((1, 96, 96), 0.5, np.float32)
    strengths = []
    for _ in range(6):
        shrink = noisy._clips[False]._draw_shrink(rng)
        one, other = shrink(gray), shrink(gray)
        assert not np.array_equal(one, other)  # as strong, and not the same
        assert one.std() == pytest.approx(other.std(), rel=0.1)  # 2304 values: three standard deviations are 5 % each
        strengths.append(float(one.std()))
    assert max(strengths) > 1.3 * min(strengths)
