"""Painting with mixers and refiners that are known, so that what comes out is as well."""

from __future__ import annotations

from collections.abc import Sequence
from types import SimpleNamespace
from typing import Any

import cv2
import numpy as np
import pytest

from tests.support.lineanimation import drawing
from vsanime.colorization import painter
from vsanime.colorization.painter import Drawing, Key, Mix, Motion, Painter

SIZE, SMALL = (144, 96), (72, 48)


def shown(shift: float, small: tuple[int, int] = SMALL) -> tuple[Drawing, Any, Any]:
    """A drawing, and its colours at both sizes."""
    line, colour = drawing(shift, SIZE)
    less = [cv2.resize(picture, small, interpolation=cv2.INTER_AREA) for picture in (line, colour)]
    return Drawing(less[0], line), less[1], colour


def keys(small: tuple[int, int] = SMALL, colour: int | None = None) -> list[Key]:
    """Two keys, of one colour all over if one is given."""
    made = []
    for number, shift in enumerate((0, 8)):
        line, less, full = shown(shift, small)
        if colour is not None:
            less, full = np.full_like(less, colour), np.full_like(full, colour)
        made.append(Key(number, line, less, full))
    return made


def no_leads() -> list[None]:
    """There are no drawings between."""
    return [None, None]


class Patches:
    """Takes the moved keys and a copied colour in patches, one alone in each."""

    def __init__(self, colour: float) -> None:
        self.colour = np.float32(colour)

    def mix(self, line: Any, keys: Sequence[Key], motion: Motion) -> Mix:  # noqa: ARG002 - see `Mixer`
        height, width = line.shape
        chosen = np.add.outer(np.arange(height) // 5, np.arange(width) // 7) % 3
        weights = (chosen == np.arange(3)[:, None, None]).astype(np.float32)
        return Mix(weights, np.full((height, width, 3), self.colour), np.zeros((height, width, 3), np.float32))


@pytest.mark.parametrize("large_motion", [False, True])
def test_weights_still_add_up_to_one_when_enlarged(large_motion: bool) -> None:
    """Whatever the shares are, of one colour that colour comes out."""
    target, _, _ = shown(3)
    painted = Painter(Patches(200 / 255), 255.0, large_motion=large_motion).paint(target, keys(colour=200), no_leads)
    np.testing.assert_array_equal(painted.colours, 200)


class Glaring:
    """Adds more to the first key than there is light."""

    def mix(self, line: Any, keys: Sequence[Key], motion: Motion) -> Mix:  # noqa: ARG002 - see `Mixer`
        weights = np.stack([np.ones_like(motion.small.prior[0]), np.zeros_like(motion.small.prior[0])])
        return Mix(weights, None, np.full((*line.shape, 3), 0.7, np.float32))


class Gray:
    """Says that it is all gray."""

    def refine(self, line: Any, keys: Sequence[Key], colours: Any) -> Any:  # noqa: ARG002 - see `Refiner`
        assert 0 <= colours.min() <= colours.max() <= 1
        return np.full_like(colours, 100 / 255)


@pytest.mark.parametrize("small", [SIZE, SMALL])
def test_what_a_refiner_says_comes_out_though_the_mixture_was_beyond_white(small: tuple[int, int]) -> None:
    target, _, _ = shown(3, small)
    painted = Painter(Glaring(), 255.0, Gray()).paint(target, keys(small, colour=180), no_leads)
    np.testing.assert_array_equal(painted.colours, 100)


class Whole:
    """Gives the picture by itself, all of one colour."""

    def mix(self, line: Any, keys: Sequence[Key], motion: Motion) -> Mix:  # noqa: ARG002 - see `Mixer`
        return Mix(None, residual=np.full((*line.shape, 3), 50 / 255, np.float32))


@pytest.mark.parametrize("small", [SIZE, SMALL])
@pytest.mark.parametrize("refined", [False, True])
def test_a_mixer_that_moves_no_key_pays_for_no_motion(
    small: tuple[int, int], refined: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(painter, "match", None)
    target, _, _ = shown(3, small)
    painted = Painter(Whole(), 255.0, Gray() if refined else None, doubts=True).paint(target, keys(small), no_leads)
    assert painted.doubts is None
    np.testing.assert_array_equal(painted.colours, 100 if refined else 50)


# What is left of pictures


@pytest.mark.parametrize(("height", "width"), [(288, 300), (287, 999)])
def test_small_maps_travel_as_they_are(height: int, width: int) -> None:
    plane = np.zeros((height, width), np.uint8)
    assert painter._small(plane) is plane


def test_large_maps_travel_smaller_by_area() -> None:
    side = 288
    plane = np.random.default_rng(0).integers(0, 256, (2 * side, 3 * side), np.uint8)
    expected = plane.reshape(side, 2, -1, 2).mean((1, 3))
    small = painter._small(plane)
    assert small.shape == (side, 3 * side // 2)
    assert np.abs(small - expected).max() <= 0.5


def test_codes_are_rounded_and_end_where_they_do() -> None:
    values = np.float32([-3, 0.4, 0.6, 254.6, 300])
    assert painter.codes(values, 255.0, np.dtype(np.uint8)).tolist() == [0, 0, 1, 255, 255]
    assert painter.codes(values, 1023.0, np.dtype(np.uint16)).tolist() == [0, 0, 1, 255, 300]
    assert painter.codes(values / 100, 1.0, np.dtype(np.float32)).tolist() == pytest.approx([0, 0.004, 0.006, 1, 1])


@pytest.mark.parametrize("large", [False, True])
def test_flat_regions_are_filled_at_the_size_of_the_drawing(large: bool) -> None:
    """A wrong patch of a flat region gets the region's color, in codes of 10 bits here; errors come at either size."""
    height, width = 60, 80
    line = np.full((height, width), 255, np.uint8)
    line[10:50, 10:12] = line[10:50, 68:70] = line[10:12, 10:70] = line[48:50, 10:70] = 0
    colours = np.full((height, width, 3), (400, 100, 800), np.uint16)
    colours[20:30, 20:40] = (900, 900, 100)
    errors = np.zeros((2, height, width), np.float32)
    errors[:, 20:30, 20:40] = 0.5
    errors[1, 20:30, 30:40] = 1.0
    small = line if large else np.ascontiguousarray(line[::2, ::2])
    matched = SimpleNamespace(errors=errors if large else errors[:, ::2, ::2])
    found = painter.fill_regions(Drawing(small, line), colours, matched, np.float32(1023))
    assert np.abs(found.astype(int)[22:28, 22:38] - (400, 100, 800)).max() <= 4
    outside = np.ones((height, width), bool)
    outside[18:32, 18:42] = False
    assert np.array_equal(found[outside], colours[outside])


def test_pictures_are_put_together_from_what_there_is() -> None:
    """Weights of a quarter, a half and a quarter; white is 200."""
    shape = (2, 3)
    weights = np.stack([np.full(shape, share, np.float32) for share in (0.25, 0.5, 0.25)])
    moved = [np.full((*shape, 3), value, np.uint8) for value in (100, 40)]
    copied, residual = np.full((*shape, 3), 0.5, np.float32), np.full((*shape, 3), -0.1, np.float32)
    two = weights[:2] / np.float32(0.75)
    for mixed, expected in (
        (Mix(weights, copied, residual), 25 + 20 + 25 - 20),
        (Mix(weights, copied), 25 + 20 + 25),
        (Mix(two), 60),
        (Mix(two, None, residual), 40),
        (Mix(None, None, residual), -20),
    ):
        found = painter.compose(mixed, moved if mixed.weights is not None else [], 200.0)
        np.testing.assert_allclose(found, expected, rtol=1e-6)


def test_weights_follow_the_better_motion() -> None:
    """Where the mixer kept to motion, large weights are those of the large motion; what was not heard stays so."""
    line = np.full((24, 32), 255, np.uint8)
    drawing = Drawing(np.ascontiguousarray(line[::2, ::2]), line)
    prior = np.stack([np.full((12, 16), share, np.float32) for share in (0.3, 0.7)])
    large = np.stack([np.full((24, 32), share, np.float32) for share in (0.8, 0.2)])
    kept = painter.reweight(prior, prior, large, drawing)
    np.testing.assert_allclose(kept, large, atol=1e-4)
    three = np.concatenate([prior * np.float32(0.5), np.full((1, 12, 16), 0.5, np.float32)])
    logits = np.log([0.15, 0.35, 0.5])
    logits[:2] += np.log(np.array([0.8, 0.2]) + 1e-4) - np.log(np.array([0.3, 0.7]) + 1e-4)
    expected = np.exp(logits) / np.exp(logits).sum()
    np.testing.assert_allclose(painter.reweight(three, prior, large, drawing)[:, 5, 5], expected, rtol=1e-4)
    unheard = np.concatenate([np.zeros_like(prior), np.ones((1, 12, 16), np.float32)])
    found = painter.reweight(unheard, prior, large, drawing)[:, 5, 5]
    assert 0 < found[:2].max() < 1e-7
    assert found[2] == pytest.approx(1)


def test_painters_look_for_large_motion_and_do_nothing_else_unasked() -> None:
    painted = Painter(Whole(), 255.0)
    assert (painted.refiner, painted.large_motion, painted.segments, painted.doubts) == (None, True, False, False)
    assert (Mix(None).copied, Mix(None).residual) == (None, None)


@pytest.mark.parametrize("doubts", [False, True])
@pytest.mark.parametrize("small", [SIZE, SMALL])
def test_doubts_are_told_where_they_are_asked_for(small: tuple[int, int], doubts: bool) -> None:
    target, _, _ = shown(3, small)
    painted = Painter(painter.ByMotion(), 255.0, doubts=doubts).paint(target, keys(small), no_leads)
    assert (painted.doubts is not None) == doubts
    if painted.doubts is not None:
        assert painted.doubts.shape == small[::-1]
    assert painted.colours.dtype == np.uint8


def test_flows_are_enlarged_each_way_by_its_own_scale() -> None:
    """A picture of half the width and a third of the height, which moved by a pixel each way."""
    line = np.full((48, 64), 255, np.uint8)
    line[10:20, 10:20] = 0
    colors = np.arange(48 * 64, dtype=np.uint16).reshape(48, 64, 1).repeat(3, 2)
    drawing = Drawing(np.ascontiguousarray(line[::3, ::2]), line)
    key = Key(0, drawing, np.zeros((16, 32, 3), np.uint8), colors)
    still = np.zeros((2, 16, 32, 2), np.float32)
    still[0] = (1, 1)
    half = np.full((2, 16, 32), 0.5, np.float32)
    half[0], half[1] = 1, 0
    motion: Any = SimpleNamespace(small=SimpleNamespace(flows=still))
    mixed, moved = Painter(Whole(), 65535.0, large_motion=False)._at_full_size(drawing, [key, key], motion, Mix(half))
    assert mixed.weights is not None
    np.testing.assert_allclose(mixed.weights.sum(axis=0), 1)
    np.testing.assert_array_equal(moved[0][:45, :62], colors[3:, 2:])
    np.testing.assert_array_equal(moved[1], colors)
    assert (mixed.copied, mixed.residual) == (None, None)
