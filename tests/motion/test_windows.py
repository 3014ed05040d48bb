"""Windows whose sides are fractions of the height."""

from __future__ import annotations

import numpy as np
import pytest

pytest.importorskip("cv2")

from vsanime.motion.windows import mean, side_of


@pytest.mark.parametrize(
    ("radius", "height", "side"), [(0.004, 96, 3), (0.004, 300, 3), (0.004, 400, 5), (0.02, 96, 5), (0.05, 1080, 109)]
)
def test_sides_are_odd_and_three_at_least(radius: float, height: int, side: int) -> None:
    assert side_of(radius, height) == side


def test_mean_is_that_of_a_square_around_each_pixel() -> None:
    plane = np.zeros((50, 40), np.float32)
    plane[20, 10] = 25
    averaged = mean(plane, 0.04)
    np.testing.assert_allclose(averaged[18:23, 8:13], 1, atol=1e-6)
    np.testing.assert_allclose(averaged.sum(), 25, atol=1e-4)
