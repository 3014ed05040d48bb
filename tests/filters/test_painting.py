"""Painting with mixers and refiners that are known, so that what comes out is as well."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import cv2
import numpy as np
import pytest

from tests.lineanimation import drawing
from vsanime.filters import painting
from vsanime.filters.painting import Drawing, Key, Mix, Motion, Painter

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
    monkeypatch.setattr(painting, "match", None)
    target, _, _ = shown(3, small)
    painted = Painter(Whole(), 255.0, Gray() if refined else None, doubts=True).paint(target, keys(small), no_leads)
    assert painted.doubts is None
    np.testing.assert_array_equal(painted.colours, 100 if refined else 50)
