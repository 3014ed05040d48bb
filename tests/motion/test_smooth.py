"""Colours that are doubtful are averaged with those of neighbours, and only those."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

pytest.importorskip("cv2")

from vsanime.motion import smooth as module
from vsanime.motion.flow import small_flow
from vsanime.motion.match import Matched, match
from vsanime.motion.smooth import Neighbor, doubts, smooth_colors

type Array = NDArray[Any]

HEIGHT, WIDTH = 96, 128
LEFT, RIGHT = np.s_[:, : WIDTH // 2], np.s_[:, WIDTH // 2 :]


def ring(shift: float = 0) -> NDArray[np.uint8]:
    y, x = np.mgrid[:HEIGHT, :WIDTH]
    far = np.hypot(x - 60 - shift, y - 48)
    return np.clip(np.abs(np.abs(far - 25) - 1.5) * 255, 0, 255).astype(np.uint8) | np.where(far < 20, 255, 0).astype(
        np.uint8
    )


def flat(value: float, dtype: Any = np.uint8) -> Array:
    return np.full((HEIGHT, WIDTH, 3), value, dtype)


def doubted(codes: int) -> NDArray[np.uint8]:
    return np.full((HEIGHT, WIDTH), codes, np.uint8)


def beside(line: NDArray[np.uint8], colours: Array, doubts_of_it: NDArray[np.uint8]) -> Neighbor:
    """A neighbour of `ring()`."""
    return Neighbor(line, colours, doubts_of_it, small_flow(ring(), line))


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.float32])
def test_what_is_not_doubted_stays_bit_by_bit(dtype: Any) -> None:
    colours = (np.random.default_rng(1).random((HEIGHT, WIDTH, 3)) * 200).astype(dtype)
    made = smooth_colors(ring(), colours, doubted(0), [beside(ring(3), flat(9, dtype), doubted(0))])
    np.testing.assert_array_equal(made, colours)


def test_without_neighbours_nothing_changes() -> None:
    np.testing.assert_array_equal(smooth_colors(ring(), flat(70), doubted(90), []), 70)


def test_shares_are_those_of_the_variances() -> None:
    """Of a drawing that stands still: no motion, no misfit, so weights are worked out by hand."""
    sides = [beside(ring(), flat(100), doubted(0)), beside(ring(), flat(40), doubted(51))]
    made = smooth_colors(ring(), flat(200), doubted(102), sides)
    own = (102 / 255) ** 2
    weights = [1, own / 0.02**2, own / ((51 / 255) ** 2 + 0.02**2)]
    np.testing.assert_allclose(made, np.dot(weights, [200, 100, 40]) / sum(weights), rtol=1e-5)  # float32


def test_each_pixel_has_doubts_of_its_own() -> None:
    mine = doubted(0)
    mine[LEFT] = 120
    made = smooth_colors(ring(), flat(200), mine, [beside(ring(), flat(100), doubted(0))])
    np.testing.assert_array_equal(made[RIGHT], 200)
    assert made[LEFT].max() < 101


def test_neighbours_are_moved_onto_the_frame() -> None:
    """A ring with a coloured inside, two pixels away in the neighbour."""
    y, x = np.mgrid[:HEIGHT, :WIDTH]

    def coloured(shift: float) -> Array:
        return np.where((np.hypot(x - 60 - shift, y - 48) < 25)[..., None], (220, 30, 60), (20, 90, 160)).astype(
            np.uint8
        )

    made = smooth_colors(ring(), flat(128), doubted(255), [beside(ring(2), coloured(2), doubted(0))])
    off_lines = np.abs(np.hypot(x - 60, y - 48) - 25) > 4
    assert np.abs(made - coloured(0))[off_lines].max() < 1


def test_where_lines_do_not_fit_a_neighbour_counts_for_less() -> None:
    """A stroke that the frame has not."""
    line = ring()
    other = line.copy()
    other[44:52, 100:124] = 0
    made = smooth_colors(line, flat(200), doubted(30), [beside(other, flat(100), doubted(0))])
    assert made[48, 112, 0] > 195
    assert made[48, 5, 0] < 110


def test_doubts_are_what_keys_differ_by_and_how_badly_they_fit() -> None:
    warped = np.stack([flat(200), flat(100)])
    prior = np.full((2, HEIGHT, WIDTH), 0.5, np.float32)
    misfit, astray = (np.zeros((2, HEIGHT, WIDTH), np.float32) for _ in range(2))
    flows = np.zeros((2, HEIGHT, WIDTH, 2), np.float32)
    assert (doubts(Matched(warped, misfit, astray, prior, flows)) == 50).all()
    misfit += np.float32(0.1)
    agreed = Matched(np.stack([flat(7)] * 2), misfit, astray, prior, flows)
    assert (doubts(agreed) == 26).all()  # 0.1 of 255
    astray += np.float32(0.05)
    assert (doubts(agreed) == 128).all()  # 0.1 + 8 * 0.05 of 255
    misfit[1] = astray[1] = 0
    assert not doubts(agreed).any()  # one of them fits


def test_a_drawing_that_is_a_keys_is_not_doubted() -> None:
    found = match(ring(), (ring(), ring(8)), (flat(10), flat(250)))
    assert not doubts(found).any()
    assert doubts(match(ring(4), (ring(), ring(8)), (flat(10), flat(250)))).any()


def test_motion_may_be_of_a_smaller_picture() -> None:
    neighbour = beside(ring(4), flat(100), doubted(0))
    small = Neighbor(
        neighbour.line, neighbour.colours, neighbour.doubts, np.full((HEIGHT // 2, WIDTH // 2, 2), (2, 0), np.float32)
    )
    whole = Neighbor(
        neighbour.line, neighbour.colours, neighbour.doubts, np.full((HEIGHT, WIDTH, 2), (4, 0), np.float32)
    )
    made = [smooth_colors(ring(), flat(200), doubted(99), [one]) for one in (small, whole)]
    np.testing.assert_array_equal(*made)
    assert made[0].min() < 110


def test_misfit_of_a_neighbour_is_the_worst_nearby_without_its_edges() -> None:
    """Worked out by SciPy: the largest difference in a window, averaged over it; six times its square is a variance."""
    ndimage = pytest.importorskip("scipy.ndimage")
    still = np.zeros((HEIGHT, WIDTH, 2), np.float32)
    line, other = ring(), ring(2)
    made = smooth_colors(line, flat(200), doubted(102), [Neighbor(other, flat(100), doubted(51), still)])
    difference = np.abs(line.astype(float) - other) / 255
    misfit = ndimage.uniform_filter(ndimage.maximum_filter(difference, 3, mode="mirror"), 3, mode="mirror")
    weight = (102 / 255) ** 2 / ((51 / 255) ** 2 + 0.02**2 + 6 * misfit**2)
    expected = (200 + 100 * weight) / (1 + weight)
    np.testing.assert_allclose(made[2:-2, 2:-2, 1], expected[2:-2, 2:-2], rtol=1e-4)


def test_standard_deviation_of_a_frame_is_of_its_lesser_error_and_of_what_keys_differ_by() -> None:
    shape = (2, 4, 5)
    rng = np.random.default_rng(3)
    misfit, astray, first = rng.random(shape) * 0.2, rng.random(shape) * 0.02, rng.random(shape[1:])
    warped = rng.integers(0, 256, (*shape, 3), np.uint8)
    prior = np.stack([first, 1 - first])
    matched = Matched(
        warped, misfit.astype(np.float32), astray.astype(np.float32), prior.astype(np.float32), np.zeros((*shape, 2))
    )
    apart = first * (1 - first) * np.square(np.diff(warped.astype(float), axis=0)[0] / 255).mean(-1)
    variance = np.square((misfit + 8 * astray).min(0)) + apart
    found = doubts(matched)
    assert found.dtype == np.uint8
    assert np.abs(found - np.sqrt(variance) * 255).max() < 0.51


@pytest.mark.parametrize(
    ("misfit", "astray", "apart", "code"),
    [(0, 0, 255, 128), (0, 0, 0, 0), (0.2, 0, 0, 51), (0.2, 0.025, 0, 102), (1, 0, 0, 255), (1, 0.05, 0, 255)],
)
def test_doubts_end_at_full_scale(misfit: float, astray: float, apart: int, code: int) -> None:
    """Half of what two keys differ by that weigh the same."""
    shape = (2, 3, 4)
    warped = np.zeros((*shape, 3), np.uint8)
    warped[1] = apart
    full = [np.full(shape, value, np.float32) for value in (misfit, astray, 0.5)]
    assert (doubts(Matched(warped, *full, np.zeros((*shape, 2), np.float32))) == code).all()


@pytest.mark.parametrize(("size", "side"), [((40, 400), 3), ((400, 40), 5)])
def test_windows_of_misfit_go_by_the_height(size: tuple[int, int], side: int) -> None:
    ndimage = pytest.importorskip("scipy.ndimage")
    line, moved = (np.full(size, 255, np.uint8) for _ in range(2))
    moved[20, 20] = 0
    worst = ndimage.maximum_filter(np.abs(line.astype(float) - moved), side, mode="mirror") / 255
    expected = ndimage.uniform_filter(worst, side, mode="mirror")
    np.testing.assert_allclose(module._misfit(line, moved), expected, atol=1e-5)
