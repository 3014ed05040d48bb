"""Edges are Canny's, and only they are blurred."""

from __future__ import annotations

import numpy as np

from vsanime.training.style.edges import canny, smooth_edges


def test_a_step_is_one_line_of_pixels() -> None:
    gray = np.zeros((16, 16), np.uint8)
    gray[:, 8:] = 200
    edges = canny(gray)
    assert edges.sum(axis=1).tolist() == [1] * 16
    assert set(np.nonzero(edges)[1].tolist()) <= {7, 8}


def test_weak_edges_count_where_they_hang_on_strong_ones() -> None:
    """Sobel of a step of 40 codes is 160, between the two thresholds; of 60 it is 240, above both."""
    gray = np.zeros((24, 16), np.uint8)
    gray[:, 8:] = 40
    assert not canny(gray).any()
    gray[:8, 8:] = 60
    assert canny(gray)[2:22].any(axis=1).all()


def test_only_the_surroundings_of_edges_change() -> None:
    """A step between columns 7 and 8: its edge is one of them, two more on both sides are blurred."""
    picture = np.full((12, 20, 3), 10, np.uint8)
    picture[:, 8:] = 250
    found = smooth_edges(picture)
    changed = np.nonzero((found != picture).any(axis=(0, 2)))[0]
    assert changed.size
    assert changed.min() >= 5
    assert changed.max() <= 10
    # One pixel from the step a Gaussian of 1, 4, 6, 4, 1 takes 5/16 of the other side.
    assert found[6, 7].tolist() == [85, 85, 85]


def test_a_picture_without_edges_stays_as_it_is() -> None:
    slope = np.tile(np.arange(0, 240, 4, dtype=np.uint8)[:, None, None], (1, 30, 3))
    assert np.array_equal(smooth_edges(slope), slope)
