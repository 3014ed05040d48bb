"""A sample depends on the seed, the step and its index, and on nothing else; and it is what the recipe says."""

from __future__ import annotations

import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.training.helpers import NAMES, draw, drawings, names_read, pictures_read, recipe, surveyed
from vsanime.training.data import degrade
from vsanime.training.pairs.samples import Sampler
from vsanime.training.recipes.pairs import Recipe

RGB: dict[str, Any] = {"network": {"architecture": "espcn_7"}, "data__planes": "rgb"}
CHROMA: dict[str, Any] = {"network__variant": "C2F8_Chroma", "data__planes": "chroma"}
SPOILED: dict[str, Any] = {
    **{"degradation__blur": [0.3, 1.0], "degradation__blur_share": 0.5},
    **{"degradation__noise": [1.0, 3.0], "degradation__noise_share": 0.5},
    **{"degradation__jpeg": {"share": 0.6, "quality": [50, 90]}},
}
KINDS: dict[str, dict[str, Any]] = {
    "luma": {},
    "rgb": RGB,
    "chroma": CHROMA,
    "spoiled": SPOILED,
    "spoiled rgb": {**RGB, **SPOILED},
    "grid": {"data__grid": True, "data__grid_cap": 3},
    "h264": {"degradation__h264": {"share": 0.5, "clips": 3, "frames": 3, "width": 64}},
}


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return drawings(tmp_path_factory.mktemp("Bilder für alle"))


@pytest.fixture
def make(root: Path, tmp_path: Path) -> Callable[..., Sampler]:
    def sampler(made: Recipe | None = None, **values: Any) -> Sampler:
        tiny = made or recipe(**values)
        pictures, places = surveyed(root, tiny)
        return Sampler(tiny, pictures, places, tmp_path / "clips", 1 if tiny.data.planes == "chroma" else 2)

    return sampler


@pytest.mark.parametrize("kind", KINDS)
def test_samples_are_pure(make: Callable[..., Sampler], kind: str) -> None:
    """In another order, in another sampler, in a sampler that went through a pickle: the same bytes."""
    one = make(**KINDS[kind])
    forth = {(s, i): one.sample(s, i) for s in range(3) for i in range(4)}
    for other in (make(**KINDS[kind]), pickle.loads(pickle.dumps(one))):
        for key in reversed(forth):
            again = other.sample(*key)
            assert np.array_equal(again.low, forth[key].low)
            assert np.array_equal(again.high, forth[key].high)
    assert len({sample.high.tobytes() for sample in forth.values()}) > 8


def test_another_seed_gives_other_samples(make: Callable[..., Sampler]) -> None:
    a, b = (make(training__seed=seed).sample(0, 0) for seed in (1, 2))
    assert not np.array_equal(a.high, b.high)


@pytest.mark.parametrize(("kind", "planes"), [("luma", (1, 1)), ("rgb", (3, 3)), ("chroma", (3, 2)), ("h264", (1, 1))])
def test_shapes_and_range(make: Callable[..., Sampler], kind: str, planes: tuple[int, int]) -> None:
    sampler = make(**KINDS[kind])
    side = 32 if kind == "chroma" else 16
    for i in range(6):
        sample = sampler.sample(0, i)
        assert (sample.low.shape, sample.high.shape) == ((planes[0], side, side), (planes[1], 32, 32))
        assert sample.low.dtype == sample.high.dtype == np.float32
        for values in (sample.low, sample.high):
            assert values.min() >= 0
            assert values.max() <= 1


@pytest.mark.parametrize("kind", ["luma", "rgb"])
def test_small_picture_is_the_large_one_halved_and_rounded(make: Callable[..., Sampler], kind: str) -> None:
    sampler = make(**{**KINDS[kind], "degradation__kernels": {"box": 1}})
    for i in range(6):
        sample = sampler.sample(1, i)
        expected = degrade.from_codes(degrade.to_codes(degrade.halve(sample.high, degrade.box)))
        # Half a code may fall to either side.
        assert np.abs(sample.low - expected).max() < 1.01 / 255
        assert (sample.low == expected).mean() > 0.99


def test_wide_kernels_see_beyond_the_patch(make: Callable[..., Sampler]) -> None:
    """The patch is cut after halving: its edge is no edge of a picture."""
    sampler = make(degradation__kernels={"lanczos3": 1.0}, degradation__round_input=False)
    differences = []
    for i in range(8):
        sample = sampler.sample(2, i)
        alone = degrade.halve(sample.high, degrade.KERNELS["lanczos3"])
        np.testing.assert_allclose(sample.low[:, 3:-3, 3:-3], alone[:, 3:-3, 3:-3], atol=2e-6)
        differences.append(np.abs(sample.low - alone)[:, 0].max())
    assert max(differences) > 0.01


def test_luma_of_chroma_samples_is_exact_and_chroma_is_soft(make: Callable[..., Sampler]) -> None:
    sampler = make(**CHROMA, degradation__kernels={"box": 1.0}, degradation__sitings={"center": 1.0})
    sample = sampler.sample(0, 1)
    assert np.array_equal(degrade.from_codes(degrade.to_codes(sample.low[:1])), sample.low[:1])
    small = degrade.halve(sample.high, degrade.box)
    codes = np.rint(small * 255 + 0.5)  # zimg's: neutral is 128
    again = degrade.double_bilinear((codes - 128).astype(np.float32) / 255 + np.float32(0.5), "center")
    assert np.abs(sample.low[1:, 2:-2, 2:-2] - again[:, 2:-2, 2:-2]).max() < 1.01 / 255


def test_gray_has_neutral_chroma() -> None:
    gray = np.linspace(0, 1, 256, dtype=np.float32) * np.ones((3, 8, 1), np.float32)
    chroma = degrade.to_ycbcr(gray)[1:]
    assert np.abs(degrade.round_chroma(chroma) - 0.5).max() == 0
    ends = degrade.round_chroma(np.float32([0.0, 1.0]))
    assert ends == pytest.approx([0.5 - 128 / 255, 0.5 + 127 / 255], abs=1e-7)


def test_flat_patches_are_rare(make: Callable[..., Sampler]) -> None:
    def steepness(sampler: Sampler) -> list[float]:
        return [255 * float(np.abs(np.diff(sampler.sample(0, i).high)).mean()) for i in range(60)]

    anywhere = steepness(make(data__crops=1, data__flat=0.0))
    chosen = steepness(make(data__crops=3, data__flat=1.0))
    assert np.mean(chosen) > 1.2 * np.mean(anywhere)
    assert sum(s < 0.2 for s in chosen) < sum(s < 0.2 for s in anywhere) or min(anywhere) > 0.2


def test_held_out_pictures_are_not_trained_on(make: Callable[..., Sampler], root: Path) -> None:
    tiny = recipe()
    held_out = {p.name for p in surveyed(root, tiny)[0] if p.held_out}
    sampler = make(tiny)
    assert not names_read(lambda: sampler.batch(0, 60)) & held_out
    assert names_read(lambda: [sampler.validation("box", i) for i in range(20)]) == held_out


def test_validation_patches_are_the_same_for_every_kernel(make: Callable[..., Sampler]) -> None:
    sampler = make()
    box, lanczos = (sampler.validation(kernel, 0) for kernel in ("box", "lanczos3"))
    assert np.array_equal(box.high, lanczos.high)
    assert not np.array_equal(box.low, lanczos.low)


def test_weights_decide_how_often_a_source_is_drawn(tmp_path: Path) -> None:
    """Two sources of as many pictures, one drawn nine times as often."""
    for i, name in enumerate(NAMES):
        draw(tmp_path / f"source{i % 2}" / f"{name}.png", i)
    tiny = recipe(sources=[{"path": "source0", "weight": 9}, {"path": "source1", "weight": 1}])
    pictures, places = surveyed(tmp_path, tiny)
    sampler = Sampler(tiny, pictures, places, tmp_path, 2)
    rng = np.random.default_rng(0)
    drawn = pictures_read(lambda: [sampler.draw_region(rng, 8, 8, held_out=False) for _ in range(2000)])
    assert len(drawn) == 2000
    assert np.mean([picture.source for picture in drawn]) == pytest.approx(0.1, abs=0.03)  # four standard deviations
