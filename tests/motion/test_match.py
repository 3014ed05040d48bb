"""Two keys moved onto a frame, and mixed without a network."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

pytest.importorskip("cv2")

from vsanime.errors import VsanimeError
from vsanime.motion import match as module
from vsanime.motion.chained import Led
from vsanime.motion.flow import coarse_flow, flow, flow_by_steps
from vsanime.motion.match import blend, match
from vsanime.motion.warp import warp

cv2 = pytest.importorskip("cv2")
ndimage = pytest.importorskip("scipy.ndimage")

type Bytes = NDArray[np.uint8]

HEIGHT, WIDTH = 96, 128


def drawing(shift: float, red: int = 200) -> tuple[Bytes, Bytes]:
    """Line art and colours of a disc in a frame, the disc moved to the right by so many pixels."""
    y, x = np.mgrid[:HEIGHT, :WIDTH]
    far = np.hypot(x - 45 - shift, y - 48)
    line = np.where(np.abs(far - 22) < 1.5, 0, 255).astype(np.uint8)
    colour = np.full((HEIGHT, WIDTH, 3), (20, 90, 160), np.uint8)
    colour[far < 22] = (red, 120, 40)
    colour[line == 0] = 10
    return line, colour


def test_a_frame_drawn_as_a_key_is_that_key_bit_by_bit() -> None:
    (line, colour), (other_line, other) = drawing(0), drawing(9)
    for keys, colours in (((line, other_line), (colour, other)), ((other_line, line), (other, colour))):
        assert np.array_equal(blend(match(line, keys, colours)), colour)


def test_a_single_key_given_twice_is_itself() -> None:
    line, colour = drawing(0)
    assert np.array_equal(blend(match(line, (line, line), (colour, colour))), colour)


def test_motion_from_a_single_key_is_looked_for_once(monkeypatch: pytest.MonkeyPatch) -> None:
    asked = []

    def counted(target: Any, key: Any) -> Any:
        asked.append(key)
        return flow(target, key)

    monkeypatch.setattr(module, "flow", counted)
    (first, one), (line, _), (second, other) = drawing(0), drawing(4), drawing(9)
    twice = match(line, (first, first.copy()), (one, other))
    assert len(asked) == 1
    both = match(line, (first, second), (one, other))
    assert len(asked) == 3
    assert np.array_equal(twice.flows, both.flows[[0, 0]])
    assert np.array_equal(twice.warped[1], warp(other, both.flows[0]))


def test_keys_may_change_places() -> None:
    (first, one), (line, _), (second, other) = drawing(0), drawing(4), drawing(9)
    forth, back = match(line, (first, second), (one, other)), match(line, (second, first), (other, one))
    assert np.array_equal(forth.prior, back.prior[::-1])
    assert np.array_equal(blend(forth), blend(back))


def test_weights_sum_to_one_and_errors_lie_in_their_range() -> None:
    found = match(drawing(4)[0], (drawing(0)[0], drawing(9)[0]), (drawing(0)[1], drawing(9)[1]))
    assert found.prior.dtype == found.errors.dtype == found.flows.dtype == np.float32
    np.testing.assert_allclose(found.prior.sum(axis=0), 1, atol=1e-6)  # float32
    assert found.prior.min() >= 0
    assert 0 <= found.errors.min() <= found.errors.max() <= 1


def test_the_nearer_key_weighs_more() -> None:
    """Told by how far the disc moved: no frame number is given."""
    found = match(drawing(2)[0], (drawing(0)[0], drawing(8)[0]), (drawing(0)[1], drawing(8)[1]))
    disc = drawing(2)[1][..., 0] == 200
    assert found.prior[0][disc].mean() > 0.6


def test_wrong_keys_are_refused() -> None:
    line, colour = drawing(0)
    with pytest.raises(VsanimeError, match="1 keys' lines and 1 keys' colours"):
        match(line, [line], [colour])
    with pytest.raises(VsanimeError, match=r"a key's line art of shape \(95, 128\)"):
        match(line, (line[1:], line), (colour, colour))
    with pytest.raises(VsanimeError, match=r"a key's colours of shape \(96, 128\)"):
        match(line, (line, line), (colour, colour[..., 0]))


def test_a_key_that_hides_what_a_frame_shows_is_doubted(monkeypatch: pytest.MonkeyPatch) -> None:
    """A lid over a disc: what it covered in one key comes from elsewhere, though blank paper fits blank paper."""

    def eye(lid: int) -> tuple[Bytes, Bytes]:
        line, colour = drawing(0)
        line[:lid], colour[:lid] = 255, (20, 90, 160)
        line[lid - 2 : lid], colour[lid - 2 : lid] = 0, 10
        return line, colour

    (line, truth), (shut, one), (open_, other) = eye(40), eye(66), eye(34)
    found = match(line, (shut, open_), (one, other))
    monkeypatch.setattr(module, "_DOUBT", 0)
    trusting = match(line, (shut, open_), (one, other))
    seen = np.s_[44:60, 35:55]  # of the disc: hidden in the first key, there in the second
    misled, wrong = (np.abs(blend(made)[seen].astype(int) - truth[seen]).mean() for made in (trusting, found))
    assert found.prior[1][seen].mean() > trusting.prior[1][seen].mean() + 0.05
    assert wrong < 0.9 * misled


@pytest.mark.parametrize("share", [1, 2])
def test_where_steps_lead_astray_the_other_key_counts(share: int) -> None:
    """The disc moved far, and steps to the first key went astray in its right half, by a fiftieth of the height."""
    (line, _), (first, one), (second, other) = drawing(0), drawing(12), drawing(-12)
    astray = np.zeros((HEIGHT // share, WIDTH // share), np.float32)
    astray[:, 45 // share :] = 0.02 * HEIGHT / share

    def led(right: float, missed: NDArray[np.float32]) -> Led:
        return Led(np.full((*missed.shape, 2), (right / share, 0), np.float32), missed)

    sure = led(-12, np.zeros_like(astray))
    found = match(line, (first, second), (one, other), [led(12, astray), sure])
    inside = np.hypot(*(np.mgrid[:HEIGHT, :WIDTH] - np.array([48, 45])[:, None, None])) < 16
    x = np.arange(WIDTH)[None]
    left, right = inside & (x < 41), inside & (x > 49)
    np.testing.assert_allclose(found.astray[0][right], 0.025, rtol=1e-3)  # half of the most
    assert found.astray[0][left].max() < 0.001
    assert found.astray[1][inside].max() < 0.001
    assert found.prior[1][right].min() > 0.7
    assert found.prior[1][left].max() < 0.6


# What the maps say, worked out once more by SciPy


def mean(plane: Any, radius: float) -> Any:
    """Over a square whose half side is a fraction of the height, the picture reflected at its edges."""
    side = 2 * max(1, round(radius * len(plane))) + 1
    return ndimage.uniform_filter(plane.astype(np.float64), side, mode="mirror")


def miss(motion: Any, target: Bytes, key: Bytes) -> Any:
    """By how many pixels motion to the key and back misses where it began."""
    back = coarse_flow(key, target)
    return np.hypot(*np.moveaxis(motion + warp(back, motion), -1, 0))


def half_doubt(missed: Any) -> Any:
    around = mean(missed, 0.004)
    return 0.05 * around / (around + 0.02 * len(missed))


@pytest.fixture(scope="module")
def drawings() -> tuple[Bytes, list[Bytes], list[Bytes]]:
    (first, one), (line, _), (second, other) = drawing(0), drawing(4), drawing(10, red=90)
    return line, [first, second], [one, other]


def test_misfit_is_the_mean_difference_of_lines_in_two_windows(drawings: Any) -> None:
    line, keys, colours = drawings
    matched = match(line, keys, colours)
    for n, key in enumerate(keys):
        difference = np.abs(line.astype(float) - warp(key, matched.flows[n])) / 255
        expected = (mean(difference, 0.004) + mean(difference, 0.02)) / 2
        np.testing.assert_allclose(matched.misfit[n], expected, atol=1e-5)
        np.testing.assert_array_equal(matched.warped[n], warp(colours[n], matched.flows[n]))


def test_inconsistency_is_half_of_its_most_at_a_fiftieth_of_the_height(drawings: Any) -> None:
    line, keys, colours = drawings
    matched = match(line, keys, colours)
    for n, key in enumerate(keys):
        np.testing.assert_allclose(matched.astray[n], half_doubt(miss(matched.flows[n], line, key)), atol=1e-5)
    assert matched.astray.max() > 0.001
    np.testing.assert_allclose(matched.errors, np.minimum(matched.misfit + matched.astray, 1))


def test_prior_goes_by_lengths_of_motion_and_by_errors(drawings: Any) -> None:
    """Each key counts by how far the other is; the one that fits worse less, by 1/e for every 0.0225."""
    line, keys, colours = drawings
    matched = match(line, keys, colours)
    lengths = [np.hypot(*np.moveaxis(motion, -1, 0)) for motion in matched.flows]
    far = [mean(length, 0.03) + 0.3 * length.mean() + 0.05 for length in lengths]
    errors = matched.misfit + matched.astray
    weights = np.stack(far[::-1]) ** 0.8 * np.exp(-(errors - errors.min(0)) / 0.0225)
    np.testing.assert_allclose(matched.prior, weights / weights.sum(0), atol=1e-4)
    first, second = matched.warped.astype(float)
    mixed = matched.prior[0, ..., None] * first + matched.prior[1, ..., None] * second
    assert np.abs(blend(matched) - mixed).max() < 0.51


@pytest.mark.parametrize("share", [1, 2])
def test_where_motion_is_chained_its_inconsistency_is_what_counts(drawings: Any, share: int) -> None:
    """Far away what the chain missed, elsewhere what direct flow does; a chain may be known at a smaller size."""
    line, keys, colours = drawings
    height, width = HEIGHT // share, WIDTH // share
    astray = np.zeros((height, width), np.float32)
    astray[:, width // 2 :] = 6
    chain = np.full((height, width, 2), (6 / share, 0), np.float32)
    chain[:, width * 3 // 4 :] = 0  # away from what moves
    led = [None, Led(chain, astray)]
    matched = match(line, keys, colours, led)
    motion, far = flow_by_steps(line, keys[1], chain)
    assert far.any()
    assert not far.all()
    direct = half_doubt(miss(motion, line, keys[1]))
    chained = cv2.resize(half_doubt(astray).astype(np.float32), (WIDTH, HEIGHT), interpolation=cv2.INTER_LINEAR)
    np.testing.assert_array_equal(matched.flows[1], motion)
    np.testing.assert_allclose(matched.astray[1], np.where(far, chained, direct), atol=1e-5)
