"""Moved pictures against SciPy's."""

from __future__ import annotations

import numpy as np
import pytest

from vsanime.motion.warp import warp

pytest.importorskip("cv2")
ndimage = pytest.importorskip("scipy.ndimage")


def test_it_is_bilinear_and_the_border_goes_on() -> None:
    """OpenCV rounds places to 32nds of a pixel: on values that span 1, twice 1/64 and the rounding of float32."""
    rng = np.random.default_rng(3)
    picture = rng.random((24, 30, 3), np.float32)
    flow = rng.uniform(-6, 6, (24, 30, 2)).astype(np.float32)
    rows, columns = np.mgrid[:24, :30]
    places = [rows + flow[..., 1], columns + flow[..., 0]]
    expected = np.stack(
        [ndimage.map_coordinates(picture[..., c], places, order=1, mode="nearest") for c in range(3)], -1
    )
    np.testing.assert_allclose(warp(picture, flow), expected, atol=2 / 64 + 1e-6)


def test_whole_pixels_are_moved_exactly() -> None:
    picture = np.random.default_rng(4).integers(0, 256, (16, 20, 3), np.uint8)
    moved = warp(picture, np.full((16, 20, 2), (3, -2), np.float32))
    assert np.array_equal(moved[2:, :-3], picture[:-2, 3:])


def test_no_motion_is_the_picture_itself() -> None:
    picture = np.random.default_rng(5).integers(0, 256, (16, 20), np.uint8)
    assert np.array_equal(warp(picture, np.zeros((16, 20, 2), np.float32)), picture)
