"""What `flow` is put together from: views of the lines, searchers, and the choice among what they find."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

pytest.importorskip("cv2")

from vsanime.motion import flow as module
from vsanime.motion.flow import flow, flow_by_steps
from vsanime.motion.warp import warp
from vsanime.motion.windows import mean

cv2 = pytest.importorskip("cv2")
ndimage = pytest.importorskip("scipy.ndimage")

type Bytes = NDArray[np.uint8]

SIZES = [(40, 70), (120, 90), (200, 60)]


def stroke(size: tuple[int, int], paper: int = 255, ink: int = 0) -> Bytes:
    """A vertical stroke of one pixel: along rows the distance from it is the number of columns."""
    line = np.full(size, paper, np.uint8)
    line[:, 20] = ink
    return line


def noise(seed: int, size: tuple[int, int] = (64, 80)) -> Bytes:
    """Soft blotches."""
    values = ndimage.gaussian_filter(np.random.default_rng(seed).random(size), 2, mode="wrap")
    return ((values - values.min()) / np.ptp(values) * 255).astype(np.uint8)


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("paper", [255, 128])
def test_distance_maps_end_at_a_share_of_the_height(size: tuple[int, int], paper: int) -> None:
    away = np.abs(np.arange(size[1]) - 20)
    line = stroke(size, paper, 127)  # the lightest ink
    near, wide = (np.minimum(away / max(4, share * size[0]), 1) for share in (0.055, 0.09))
    # Rounded once; a product of single precision may fall on the other side of a half.
    assert np.abs(module._near_lines(line).astype(int) - (near * 64 + line * (191 / 255))).max() < 0.51
    assert np.abs(module._wide_distance(line).astype(int) - wide * 255).max() < 0.51


@pytest.mark.parametrize(("size", "deviation"), [((64, 300), 1.0), ((133, 40), 1.0), ((400, 100), 3.0)])
def test_blurred_lines_are_as_soft_both_ways(size: tuple[int, int], deviation: float) -> None:
    """OpenCV ends its kernel at three standard deviations: up to two codes."""
    line = np.full(size, 255, np.uint8)
    line[30:33], line[:, 20:22] = 0, 0
    expected = ndimage.gaussian_filter(line.astype(np.float64), deviation, mode="mirror")
    assert np.abs(module._blur(line) - expected).max() < 2.5
    expected = ndimage.gaussian_filter(line.astype(np.float64), 0.8, mode="mirror")
    assert np.abs(module._smooth(line) - expected).max() < 2.5


@pytest.mark.parametrize("finest", [0, 1])
def test_searchers_are_set_as_measured(finest: int) -> None:
    found = module._searcher(finest)
    assert module._searcher(finest) is found
    assert module._searcher(1 - finest) is not found
    settings = (found.getFinestScale(), found.getPatchSize(), found.getPatchStride())
    assert settings == (finest, 8, 3)
    assert found.getVariationalRefinementGamma() == 30
    medium = cv2.DISOpticalFlow_create(cv2.DISOPTICAL_FLOW_PRESET_MEDIUM)
    assert found.getGradientDescentIterations() == medium.getGradientDescentIterations()


def test_a_pan_is_where_the_whole_picture_went(monkeypatch: pytest.MonkeyPatch) -> None:
    """None where OpenCV finds no peak and so no number, even in one direction."""
    picture = noise(1)
    moved = np.roll(picture, (3, -5), (0, 1))
    assert np.abs(module._pan(picture, moved) - (-5, 3)).max() < 0.1
    for peak in ((np.nan, 1.0), (1.0, np.nan), (np.nan, np.nan)):
        monkeypatch.setattr(module, "opencv", lambda peak=peak: SimpleNamespace(phaseCorrelate=lambda *_: (peak, 0.0)))
        assert module._pan(picture, moved).tolist() == [0, 0]


def cost(line: Bytes, key: Bytes, found: Any) -> Any:
    """The mean difference of slightly smoothed lines around each pixel."""
    shown, other = (cv2.GaussianBlur(picture, (0, 0), 0.8) for picture in (line, key))
    return mean(np.abs(warp(other, found).astype(np.float32) - shown) / np.float32(255), 0.012)


def still(right: float = 0, down: float = 0, size: tuple[int, int] = (64, 80)) -> Any:
    return np.full((*size, 2), (right, down), np.float32)


@pytest.mark.parametrize("better", [0.0, 0.01, 0.05])
def test_each_pixel_takes_what_fits_clearly_better_than_the_first(better: float) -> None:
    line, key = noise(2), noise(2)
    key[:, 40:] = np.roll(key, 4, 1)[:, 40:]
    key[40:] = noise(3)[40:]
    flows = [still(), still(4), still(2, 1), still(0, 3)]
    costs = np.stack([cost(line, key, found) + (better if n else 0) for n, found in enumerate(flows)])
    chosen = module._best(line, key, flows, better)
    assert len(set(costs.argmin(0).ravel())) == 4
    np.testing.assert_array_equal(chosen, np.stack(flows)[costs.argmin(0), *np.mgrid[:64, :80]])
    if better == 0.01:
        np.testing.assert_array_equal(module._best(line, key, flows), chosen)


def test_of_what_fits_equally_the_first_stays() -> None:
    blank = np.full((64, 80), 255, np.uint8)
    assert (module._best(blank, blank, [still(1), still(2)], 0.0)[..., 0] == 1).all()


def test_the_direct_way_is_the_best_of_six(monkeypatch: pytest.MonkeyPatch) -> None:
    """Raw lines finely; three views; standing still, and what the whole picture does."""
    given: list[Any] = []

    monkeypatch.setattr(module, "_best", lambda _target, _key, flows: given.extend(flows))
    target, key = noise(4), np.roll(noise(4), 2, 1)
    module._direct(target, key)
    views = [lambda line: line, module._near_lines, module._blur, module._wide_distance]
    for n, view in enumerate(views):
        found = module._searcher(min(n, 1)).calc(view(target), view(key), None)
        np.testing.assert_array_equal(given[n], found)
    assert not given[4].any()
    np.testing.assert_array_equal(given[5], np.broadcast_to(module._pan(target, key), (64, 80, 2)))
    assert len(given) == 6
    assert given[4].shape == (64, 80, 2)


@pytest.mark.parametrize(
    ("length", "costs", "stepped"),
    [
        (5.0, (0.5, 0.5), True),  # far: steps are believed unless they fit clearly worse
        (5.0, (0.625, 0.5), True),
        (5.0, (0.75, 0.5), False),
        (5.0, (0.875, 0.5), False),
        (0.0, (0.5, 0.5), False),  # near: only where they fit clearly better
        (0.0, (0.375, 0.5), False),
        (0.0, (0.25, 0.5), False),
        (0.0, (0.125, 0.5), True),
    ],
)
def test_steps_are_believed_by_how_far_things_moved(
    monkeypatch: pytest.MonkeyPatch, length: float, costs: tuple[float, float], stepped: bool
) -> None:
    """Clearly is a quarter of full scale here; far is a hundredth of the height, by either of the two ways."""
    target, key = noise(5), noise(6)
    for far_way in range(2):
        ways = [still(length if far_way == 0 else 0, 0.25), still(0, length if far_way == 1 else 0.5)]
        monkeypatch.setattr(module, "_BETTER", 0.25)
        monkeypatch.setattr(module, "_direct", lambda *_, way=ways[1]: way)
        monkeypatch.setattr(
            module, "_cost", lambda _line, _key, found, ways=ways: still()[..., 0] + costs[0 if found is ways[0] else 1]
        )
        found, far = flow_by_steps(target, key, ways[0])
        assert (far == (length > 0)).all()
        np.testing.assert_array_equal(found, ways[0] if stepped else ways[1])


@pytest.mark.parametrize(("pixels", "far"), [(0.99, False), (1.0, False), (1.02, True)])
def test_far_is_a_hundredth_of_the_height(monkeypatch: pytest.MonkeyPatch, pixels: float, far: bool) -> None:
    monkeypatch.setattr(module, "_direct", lambda *_: still(0, 0, (100, 140)))
    blank = np.full((100, 140), 255, np.uint8)
    found, mask = flow_by_steps(blank, blank, still(pixels, 0, (100, 140)))
    assert (mask == far).all()
    assert mask.shape == (100, 140)
    np.testing.assert_array_equal(found, still(pixels if far else 0, 0, (100, 140)))


def test_far_is_told_from_a_window_around_each_pixel(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_direct", lambda *_: still(0, 0, (100, 140)))
    blank = np.full((100, 140), 255, np.uint8)
    led = still(0, 0, (100, 140))
    led[:, :70] = (30, 0)
    expected = mean(np.hypot(led[..., 0], led[..., 1]), 0.05) > 1
    _, mask = flow_by_steps(blank, blank, led)
    np.testing.assert_array_equal(mask, expected)
    assert mask[0].sum() == 75


def test_the_same_picture_has_no_motion_in_either_direction() -> None:
    assert flow(noise(7), noise(7)).shape == (64, 80, 2)
