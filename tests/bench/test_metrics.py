"""PSNR and SSIM are what their formulas say, written out anew."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from vsanime.bench.metrics import HIGHEST_PSNR, psnr, ssim

type Floats = NDArray[np.float64]


def noise(shape: tuple[int, ...], seed: int) -> NDArray[np.float32]:
    return np.random.default_rng(seed).random(shape, np.float32)


def test_psnr_of_a_known_error() -> None:
    truth = noise((3, 20, 30), 0) * 0.5
    # An error of a tenth of the peak everywhere is 20 dB by definition.
    assert psnr(truth + np.float32(0.1), truth) == pytest.approx(20, abs=1e-5)
    half = truth.copy()
    half[:, :10] += np.float32(0.1)
    assert psnr(half, truth) == pytest.approx(20 + 10 * np.log10(2), abs=1e-5)


def test_an_exact_result_leaves_means_finite() -> None:
    truth = noise((8, 8), 1)
    assert psnr(truth, truth) == HIGHEST_PSNR
    assert psnr(truth + np.float32(1e-7), truth) == HIGHEST_PSNR
    just_worse = truth + np.float32(1.01e-4)
    assert psnr(just_worse, truth) == pytest.approx(79.91, abs=0.02)  # single precision of 1e-4 beside 1


def test_a_result_with_nan_has_no_figure() -> None:
    truth = noise((8, 8), 1)
    broken = truth.copy()
    broken[3, 4] = np.nan
    assert np.isnan(psnr(broken, truth))


def written_out(x: Floats, y: Floats) -> float:
    """Wang et al. 2004, equation 13, at every place where the window of 11x11 fits."""
    line = np.exp(-0.5 * (np.arange(-5, 6) / 1.5) ** 2)
    window = np.outer(line, line) / np.outer(line, line).sum()
    values = []
    for top in range(x.shape[0] - 10):
        for left in range(x.shape[1] - 10):
            a, b = (p[top : top + 11, left : left + 11] for p in (x, y))
            mean_a, mean_b = (window * a).sum(), (window * b).sum()
            var_a, var_b = (window * (a - mean_a) ** 2).sum(), (window * (b - mean_b) ** 2).sum()
            cov = (window * (a - mean_a) * (b - mean_b)).sum()
            c1, c2 = 0.01**2, 0.03**2
            values.append(
                (2 * mean_a * mean_b + c1) * (2 * cov + c2) / ((mean_a**2 + mean_b**2 + c1) * (var_a + var_b + c2))
            )
    return float(np.mean(values))


def test_ssim_is_the_papers() -> None:
    truth = noise((23, 19), 2)
    result = np.clip(truth + 0.2 * (noise((23, 19), 3) - 0.5), 0, 1).astype(np.float32)
    # The same sums in another order, in double precision.
    assert ssim(result, truth) == pytest.approx(written_out(result.astype(float), truth.astype(float)), abs=1e-9)
    assert ssim(truth, truth) == pytest.approx(1)


def test_ssim_of_planes_is_their_mean() -> None:
    truth, result = noise((3, 16, 18), 4), noise((3, 16, 18), 5)
    each = [ssim(result[i], truth[i]) for i in range(3)]
    assert ssim(result, truth) == pytest.approx(np.mean(each), abs=1e-12)
