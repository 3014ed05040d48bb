"""Regions of drawings with gaps, and what is filled in them."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from vsanime.errors import VsanimeError
from vsanime.motion import fill as module
from vsanime.motion.fill import fill, majority, regions

cv2 = pytest.importorskip("cv2")
ndimage = pytest.importorskip("scipy.ndimage")

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


# Worked out once more by SciPy


def regions_by_hand(line: Bytes) -> NDArray[np.int32]:
    """A ball of each size, the largest first, from the words of the documentation."""
    paper = line >= 128
    labels = np.zeros(line.shape, np.int32)
    for radius in sorted({max(1, round(share * line.shape[0])) for share in (0.014, 0.007, 0.0035)}, reverse=True):
        ball = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (2 * radius + 1,) * 2)
        free = paper & (labels == 0)
        places, _ = ndimage.label(ndimage.binary_erosion(free, ball, border_value=1))
        covered = np.where(free, ndimage.maximum_filter(places, footprint=ball, mode="constant"), 0)
        labels = np.where(covered > 0, covered + labels.max(), labels)
    pockets, count = ndimage.label(paper & (labels == 0))
    near = ndimage.maximum_filter(labels, 3, mode="constant")
    last = labels.max()
    for pocket in range(1, count + 1):
        inside = pockets == pocket
        labels = np.where(inside, near[inside].max() or last + pocket, labels)
    return labels


@pytest.mark.parametrize("height", [60, 150, 300])
@pytest.mark.parametrize("seed", range(3))
def test_regions_are_where_balls_of_some_size_fit(height: int, seed: int) -> None:
    """Strokes of any slope across the picture, with gaps, and specks."""
    rng = np.random.default_rng(seed)
    line = np.full((height, 120), 255, np.uint8)
    for _ in range(9):
        ends = rng.integers(0, [120, height], (2, 2)).tolist()
        cv2.line(line, *ends, color=int(rng.integers(0, 128)), thickness=int(rng.integers(1, 4)))
    line[rng.random(line.shape) < 0.01] = 255
    line[rng.random(line.shape) < 0.01] = 127
    line[rng.random(line.shape) < 0.01] = 128
    np.testing.assert_array_equal(regions(line), regions_by_hand(line))


def test_paper_alone_is_one_region() -> None:
    assert (regions(np.full((40, 50), 255, np.uint8)) == 1).all()
    assert (regions(np.full((40, 50), 127, np.uint8)) == 0).all()


def test_lines_and_their_rims_keep_their_color() -> None:
    """Of a region filled whole, pixels that touch ink or are grayer than paper stay."""
    rng = np.random.default_rng(4)
    line = np.full((60, 80), 255, np.uint8)
    line[rng.random(line.shape) < 0.02] = 127
    line[rng.random(line.shape) < 0.02] = 128
    line[rng.random(line.shape) < 0.05] = 223
    line[rng.random(line.shape) < 0.05] = 224
    darkest = ndimage.minimum_filter(line, 3, mode="constant", cval=255)
    np.testing.assert_array_equal(module._plain(line), (darkest >= 128) & (line >= 224))


@pytest.mark.parametrize(("error", "filled"), [(0.5, False), (0.5001, True)])
def test_what_is_as_bad_as_is_trusted_is_trusted(error: float, filled: bool) -> None:
    colour, errors = coloured(), np.zeros((120, 160), np.float32)
    colour[50, 60] = (0, 255, 0)
    errors[50, 60] = error
    assert (fill(box(), colour, errors, 0.5)[50, 60] == (RED if filled else (0, 255, 0))).all()


@pytest.mark.parametrize(("sure", "chosen"), [(100, RED), (99, BLUE)])
def test_a_quarter_of_a_region_speaks_for_it(sure: int, chosen: tuple[int, int, int]) -> None:
    """Of 400 pixels so many are red and trusted, all others blue; with fewer the most common color is taken."""
    line = np.full((20, 20), 255, np.uint8)
    colour = np.full((20, 20, 3), BLUE, np.uint8)
    errors = np.ones((20, 20), np.float32)
    colour.reshape(-1, 3)[:sure] = RED
    colour.reshape(-1, 3)[30:35] = RED
    errors.ravel()[:sure] = 0
    if sure == 99:
        colour.reshape(-1, 3)[30:99] = BLUE  # or the region would not be flat
    assert (fill(line, colour, errors)[19, 19] == chosen).all()


@pytest.mark.parametrize(("size", "thinned"), [((64, 64), False), ((17, 241), True), ((127, 129), False)])
def test_no_more_than_4096_pixels_speak_for_a_region(size: tuple[int, int], thinned: bool) -> None:
    """Every other pixel is blue: of 4097 every second one is asked, of four times as many every fourth."""
    line, errors = np.full(size, 255, np.uint8), np.ones(size, np.float32)
    colour = np.full((*size, 3), RED, np.uint8)
    colour.reshape(-1, 3)[1::2] = BLUE
    found = fill(line, colour, errors)
    if thinned or line.size > 4097:
        assert (found == RED).all()
    else:
        np.testing.assert_array_equal(found, colour)


@pytest.mark.parametrize(("share", "flat"), [(90, True), (89, False)])
def test_nine_tenths_of_a_flat_region_are_of_its_color(share: int, flat: bool) -> None:
    colors = np.full((100, 3), RED, np.uint8)
    colors[share:, 2] += 13
    assert module._flat(colors, np.array(RED, np.uint8)) == flat
    assert module._flat(colors[:, ::-1], np.array(RED[::-1], np.uint8)) == flat


def test_what_is_trusted_and_what_touches_ink_stays_in_a_region_that_is_filled() -> None:
    line, colour = box(), coloured()
    errors = np.zeros((120, 160), np.float32)
    colour[40, 50], colour[50, 60], colour[32, 60] = (205, 30, 40), (0, 255, 0), (0, 255, 0)
    errors[50, 60] = errors[32, 60] = 0.5
    expected = colour.copy()
    expected[50, 60] = RED
    np.testing.assert_array_equal(fill(line, colour, errors), expected)
