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


@pytest.mark.parametrize(("height", "width"), [(painter._TOLD_SIDE, 300), (painter._TOLD_SIDE - 1, 999)])
def test_small_maps_travel_as_they_are(height: int, width: int) -> None:
    plane = np.zeros((height, width), np.uint8)
    assert painter._small(plane) is plane


def test_large_maps_travel_smaller_by_area() -> None:
    side = painter._TOLD_SIDE
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
