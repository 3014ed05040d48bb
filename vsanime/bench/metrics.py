"""Computes PSNR and SSIM of a result against the truth."""

from __future__ import annotations

import numpy as np

from vsanime.arrays import Floats
from vsanime.errors import VsanimeError

# More than any 8-bit picture can show; an exact result must not make a mean infinite.
HIGHEST_PSNR = 80.0
_LEAST_ERROR = 10 ** (-HIGHEST_PSNR / 10)
# Wang, Bovik, Sheikh, Simoncelli 2004: a Gaussian window of 11x11 pixels, K1 = 0.01 and K2 = 0.03.
_SIGMA = 1.5
SSIM_WINDOW = 11


def psnr(result: Floats, truth: Floats) -> float:
    """Return the peak signal-to-noise ratio in dB, at most `HIGHEST_PSNR`; NaN if the result has any.

    Args:
        result: values of any shape; the peak is 1.
        truth: values of the same shape.
    """
    error = float(np.mean(np.square(result.astype(np.float64) - truth)))
    return HIGHEST_PSNR if error <= _LEAST_ERROR else -10 * float(np.log10(error))


def ssim(result: Floats, truth: Floats) -> float:
    """Return the structural similarity of Wang et al. 2004, averaged over planes.

    Only windows inside the picture count, as in the authors' program.

    Args:
        result: values that span 1: height and width, or planes, height and width; sides of at least `SSIM_WINDOW`.
        truth: values of the same shape.

    Raises:
        VsanimeError: scikit-image is not installed.
    """
    try:
        from skimage.metrics import structural_similarity
    except ImportError:
        raise VsanimeError('SSIM is scikit-image\'s: `pip install "vsanime[quality]"`') from None
    # In single precision the variances, which are differences of squares, would lose three digits.
    return float(
        structural_similarity(
            result.astype(np.float64),
            truth.astype(np.float64),
            data_range=1.0,
            gaussian_weights=True,
            sigma=_SIGMA,
            use_sample_covariance=False,
            channel_axis=0 if truth.ndim == 3 else None,
        )
    )
