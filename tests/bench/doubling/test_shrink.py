"""Planes are halved by the kernels that are named."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from numpy.typing import NDArray

from vsanime.bench.doubling.shrink import halve
from vsanime.training.data.degrade import from_codes, to_codes

type Floats = NDArray[np.float32]
# zimg sums in single precision, with weights that it rounds to that.
ZIMG = 2e-6


def catmull_rom(x: float) -> float:
    x = abs(x)
    if x < 1:
        return 1.5 * x**3 - 2.5 * x**2 + 1
    return -0.5 * x**3 + 2.5 * x**2 - 4 * x + 2 if x < 2 else 0.0


def lanczos3(x: float) -> float:
    return float(np.sinc(x) * np.sinc(x / 3)) if abs(x) < 3 else 0.0


def box(x: float) -> float:
    # A sample that lies on the edge of what is covered is half in it.
    return 1.0 if abs(x) < 0.5 else 0.5 if abs(x) == 0.5 else 0.0


KERNELS = {"box": box, "catmull_rom": catmull_rom, "lanczos3": lanczos3}


def directly(plane: Floats, kernel: Callable[[float], float], shift: tuple[float, float]) -> NDArray[np.float64]:
    """A sum over all samples for each new one, the kernel being twice as wide as on the new grid."""

    def weights(size: int, by: float) -> NDArray[np.float64]:
        rows = [[kernel((i - (2 * n + 0.5 + by)) / 2) for i in range(size)] for n in range(size // 2)]
        return np.array([np.array(row) / sum(row) for row in rows])

    return weights(plane.shape[0], shift[1]) @ plane.astype(float) @ weights(plane.shape[1], shift[0]).T


@pytest.mark.parametrize("shift", [(0.0, 0.0), (-0.5, 0.0), (-0.5, -0.5)], ids=["center", "left", "top left"])
@pytest.mark.parametrize("name", KERNELS)
def test_the_kernel_is_the_one_that_is_named(name: str, shift: tuple[float, float]) -> None:
    plane = np.random.default_rng(0).random((36, 44), np.float32)
    found, expected = halve(plane, name, shift), directly(plane, KERNELS[name], shift)
    assert found.shape == (18, 22)
    # Away from the edges, beyond which samples are mirrored: the widest kernel reaches 6 of them.
    assert np.abs(found - expected)[4:-4, 4:-4].max() < ZIMG


@pytest.mark.parametrize("name", KERNELS)
def test_flat_stays_flat_up_to_the_edges(name: str) -> None:
    flat = np.full((32, 40), 0.3, np.float32)
    for shift in ((0.0, 0.0), (-0.5, -0.5)):
        assert np.abs(halve(flat, name, shift) - 0.3).max() < ZIMG


def test_the_box_is_the_mean_of_four() -> None:
    plane = np.arange(16, dtype=np.float32).reshape(4, 4)
    assert np.array_equal(halve(plane, "box"), [[2.5, 4.5], [10.5, 12.5]])
    # Shifted to the left: a quarter, a half and a quarter; the first sample stands beyond the edge too.
    assert np.array_equal(halve(plane, "box", (-0.5, 0.0)), [[2.25, 4.0], [10.25, 12.0]])


def test_codes_are_rounded_and_clipped() -> None:
    values = np.array([[-0.1, 0.499 / 255, 0.501 / 255, 1.2]], np.float32)
    assert to_codes(values).tolist() == [[0, 0, 1, 255]]
    every = np.arange(256, dtype=np.uint8)[None]
    assert np.array_equal(to_codes(from_codes(every)), every)
