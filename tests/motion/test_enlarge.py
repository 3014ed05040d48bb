"""Small maps made large along lines."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from vsanime.errors import VsanimeError
from vsanime.motion.enlarge import enlarge

cv2 = pytest.importorskip("cv2")

type Bytes = NDArray[np.uint8]


def lines() -> tuple[Bytes, Bytes]:
    large = np.full((96, 128), 255, np.uint8)
    cv2.circle(large, (60, 50), 30, 0, 3, cv2.LINE_AA)
    return cv2.resize(large, (32, 24), interpolation=cv2.INTER_AREA), large


def test_a_constant_stays_exactly_what_it_is() -> None:
    small_line, line = lines()
    flat = np.broadcast_to(np.array([0.3, 0.0, 0.7], np.float32), (24, 32, 3)).copy()
    large = enlarge(flat, small_line, line)
    assert large.shape == (96, 128, 3)
    assert (large == flat[0, 0]).all()


def test_it_is_linear_so_weights_keep_their_sum() -> None:
    """Within the rounding of float32; clipping to a channel's range may take a little, here under a hundredth."""
    small_line, line = lines()
    first = np.random.default_rng(8).random((24, 32, 1), np.float32)
    both = enlarge(np.concatenate([first, 1 - first], -1), small_line, line)
    np.testing.assert_allclose(both.sum(axis=-1), 1, atol=1e-2)


def test_lines_come_out_as_sharp_as_they_are_drawn() -> None:
    """A map that is the line art itself: bilinear enlargement blurs it, this does not."""
    small_line, line = lines()
    small = small_line.astype(np.float32)[..., None]
    plain = cv2.resize(small, (128, 96), interpolation=cv2.INTER_LINEAR)
    away = [float(np.abs(made - line).mean()) for made in (enlarge(small, small_line, line)[..., 0], plain)]
    assert away[0] < away[1] / 2


def test_sizes_must_agree() -> None:
    small_line, line = lines()
    with pytest.raises(VsanimeError, match="height and width must agree"):
        enlarge(np.zeros((24, 31, 1), np.float32), small_line, line)
