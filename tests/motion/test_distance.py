"""Distances to ink, against the definition: for every pixel, the nearest of all inked ones."""

import numpy as np
import pytest
from numpy.typing import NDArray

from vsanime.motion.distance import field


def drawn(height: int, width: int, seed: int, share: float) -> NDArray[np.uint8]:
    """Paper with specks of ink, in codes on either side of the threshold."""
    rng = np.random.default_rng(seed)
    ink = rng.random((height, width)) < share
    return np.where(ink, rng.integers(0, 128, ink.shape), rng.integers(128, 256, ink.shape)).astype(np.uint8)


def by_definition(line: NDArray[np.uint8], cap: float) -> NDArray[np.float64]:
    ys, xs = np.nonzero(line < 128)
    rows, columns = np.mgrid[: line.shape[0], : line.shape[1]]
    squares = (rows[..., None] - ys) ** 2 + (columns[..., None] - xs) ** 2
    radius = cap * line.shape[0]
    return np.minimum(np.sqrt(squares.min(axis=2)), radius) / radius


@pytest.mark.parametrize(("height", "width"), [(40, 63), (33, 20), (1, 30), (30, 1)])
@pytest.mark.parametrize("cap", [0.1, 0.37, 2.0])
def test_field_is_the_distance_to_the_nearest_ink(height: int, width: int, cap: float) -> None:
    line = drawn(height, width, seed=height, share=0.02)
    line[height // 2, width // 2] = 0
    # A square root and a division, rounded to single precision once.
    np.testing.assert_allclose(field(line, cap), by_definition(line, cap), rtol=2e-7)


def test_ink_is_what_is_at_most_127() -> None:
    line = np.full((20, 20), 255, np.uint8)
    line[4, 4], line[15, 15] = 127, 128
    distances = field(line)
    assert distances[4, 4] == 0
    assert distances[15, 15] == 1


def test_paper_without_ink_is_far_from_it_everywhere() -> None:
    distances = field(np.full((10, 30), 255, np.uint8))
    assert distances.dtype == np.float32
    assert (distances == 1).all()


def test_ink_alone_is_no_distance_away() -> None:
    assert (field(np.zeros((10, 30), np.uint8)) == 0).all()


def test_a_stroke_far_away_changes_nothing_near() -> None:
    one = np.full((100, 200), 255, np.uint8)
    one[50, 20] = 0
    two = one.copy()
    two[50, 180] = 0
    assert np.array_equal(field(one)[:, :100], field(two)[:, :100])
