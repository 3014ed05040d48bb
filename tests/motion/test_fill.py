"""Regions of drawings with gaps, and what is filled in them."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from vsanime.errors import VsanimeError
from vsanime.motion.fill import fill, majority, regions

pytest.importorskip("cv2")
pytest.importorskip("scipy")

type Bytes = NDArray[np.uint8]

RED, BLUE = (200, 30, 40), (20, 60, 220)


def box(gap: int = 0) -> Bytes:
    """A box of 60x50 in 120x160, its right side open by so many pixels in the middle."""
    line = np.full((120, 160), 255, np.uint8)
    line[30:32, 40:100] = line[78:80, 40:100] = 0
    line[30:80, 40:42] = line[30:80, 98:100] = 0
    line[55 - gap // 2 : 55 - gap // 2 + gap, 98:100] = 255
    return line


def coloured() -> Bytes:
    colour = np.full((120, 160, 3), BLUE, np.uint8)
    colour[32:78, 42:98] = RED
    colour[box() == 0] = 0
    return colour


@pytest.mark.parametrize("gap", [0, 1, 2, 3])
def test_inside_and_outside_are_two_regions_though_the_line_has_a_gap(gap: int) -> None:
    """At this height the largest ball has a radius of 2 pixels: it does not pass where 3 are open."""
    labels = regions(box(gap))
    assert labels[50, 60] != labels[10, 10]
    assert labels[50, 60] > 0
    assert labels[10, 10] > 0
    assert (labels[32:78, 42:96] == labels[50, 60]).mean() > 0.99
    assert labels[30, 60] == 0  # the line


def test_a_wide_opening_is_no_line() -> None:
    labels = regions(box(gap=30))
    assert labels[50, 60] == labels[10, 10]


def test_every_pixel_of_paper_is_of_some_region() -> None:
    rng = np.random.default_rng(6)
    line = np.where(rng.random((60, 80)) < 0.3, 0, 255).astype(np.uint8)
    labels = regions(line)
    assert ((labels > 0) == (line > 128)).all()


def test_what_does_not_fit_is_given_the_region_s_colour_and_the_rest_is_left() -> None:
    colour, errors = coloured(), np.zeros((120, 160), np.float32)
    wrong = (slice(40, 50), slice(50, 60))
    colour[wrong] = (0, 255, 0)
    errors[wrong] = 0.5
    errors[100:110, 10:30] = 0.5  # outside, where the colour is right
    assert np.array_equal(fill(box(gap=2), colour, errors), coloured())


def test_what_fits_is_never_touched() -> None:
    colour = np.random.default_rng(7).integers(0, 256, (120, 160, 3), np.uint8)
    assert np.array_equal(fill(box(), colour, np.zeros((120, 160), np.float32)), colour)


def test_shading_is_never_filled() -> None:
    colour = coloured()
    colour[32:78, 42:98] = np.linspace(0, 255, 56).astype(np.uint8)[None, :, None]
    errors = np.ones((120, 160), np.float32)
    assert np.array_equal(fill(box(), colour, errors)[32:78, 42:98], colour[32:78, 42:98])


@pytest.mark.parametrize("channel", [0, 1, 2])
def test_shading_of_one_channel_is_shading(channel: int) -> None:
    colour = coloured()
    colour[32:78, 42:98, channel] = np.linspace(0, 255, 56).astype(np.uint8)
    errors = np.ones((120, 160), np.float32)
    assert np.array_equal(fill(box(), colour, errors)[32:78, 42:98], colour[32:78, 42:98])


@pytest.mark.parametrize(("away", "filled"), [(12, True), (13, False)])
def test_regions_within_twelve_codes_of_their_color_are_flat(away: int, filled: bool) -> None:
    """All but a tenth of the pixels: a quarter of them has another shade here."""
    colour = coloured()
    colour[32:78, 42:56, 1] = RED[1] + away
    errors = np.ones((120, 160), np.float32)
    found = fill(box(), colour, errors)[40:70, 44:54]
    assert (found[..., 1] == (RED[1] if filled else RED[1] + away)).all()


def test_the_majority_is_a_colour_that_is_there() -> None:
    colours = np.array([RED] * 5 + [BLUE] * 4 + [(9, 9, 9)] * 3, np.uint8)
    assert tuple(majority(colours)) == RED


def test_colors_of_one_cell_are_counted_together() -> None:
    """Shades within eight codes are one color; the median of the fullest cell is what they have in common."""
    shades = [(104 + n, 48 + n, 206 - n) for n in (0, 1, 2, 3, 4)]
    colours = np.array([(17, 33, 65)] * 4 + shades, np.uint8)
    assert tuple(majority(colours)) == (106, 50, 204)
    beyond = [(111, 48, 206), (112, 48, 206), (113, 48, 206)]  # of two cells
    assert tuple(majority(np.array([(17, 33, 65), (17, 33, 65), *beyond[:2]], np.uint8))) == (17, 33, 65)


@pytest.mark.parametrize("channel", [0, 1, 2])
def test_cells_differ_in_every_channel(channel: int) -> None:
    one, other = [8, 8, 8], [8, 8, 8]
    other[channel] = 16
    third = [8, 8, 8]
    third[(channel + 1) % 3] = 16
    colours = np.array([one] * 2 + [other] * 3 + [third] * 2, np.uint8)
    assert majority(colours).tolist() == other


def test_sizes_must_agree() -> None:
    with pytest.raises(VsanimeError, match="must agree"):
        fill(box(), coloured()[1:], np.zeros((120, 160), np.float32))
