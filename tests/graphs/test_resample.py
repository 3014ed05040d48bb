"""Kernels add up, keep ramps, and mirror as zimg does."""

from __future__ import annotations

import numpy as np
import pytest

from vsanime.graphs.resample import bilinear, catmull_rom, down_taps, mirror, up_taps
from vsanime.graphs.siting import chroma_offset
from vsanime.spec import ChromaLocation

SUBSAMPLING = [(1, 1), (1, 0), (2, 0), (2, 2), (0, 0)]


def test_catmull_rom_interpolates() -> None:
    assert catmull_rom(np.arange(-3.0, 4)).tolist() == [0, 0, 0, 1, 0, 0, 0]
    assert catmull_rom(np.array([0.5, 1.5])).tolist() == [0.5625, -0.0625]
    assert bilinear(np.array([-0.25, 0.5, 1.5])).tolist() == [0.75, 0.5, 0]


@pytest.mark.parametrize("subsampling", SUBSAMPLING)
@pytest.mark.parametrize("siting", ChromaLocation)
@pytest.mark.parametrize("smooth", [True, False])
def test_upsampling_keeps_a_ramp(subsampling: tuple[int, int], siting: ChromaLocation, smooth: bool) -> None:
    offset = chroma_offset(siting, subsampling)
    for taps, shift, start in zip(
        up_taps(subsampling, siting, smooth=smooth), subsampling[::-1], offset[::-1], strict=True
    ):
        block = 1 << shift
        assert len(taps.weights) == block
        samples = (taps.first + np.arange(taps.weights.shape[1])) * block + start
        np.testing.assert_allclose(taps.weights @ samples, np.arange(block), atol=1e-12)


@pytest.mark.parametrize("subsampling", SUBSAMPLING)
@pytest.mark.parametrize("siting", ChromaLocation)
def test_downsampling_keeps_a_ramp(subsampling: tuple[int, int], siting: ChromaLocation) -> None:
    offset = chroma_offset(siting, subsampling)
    for taps, start in zip(down_taps(subsampling, siting), offset[::-1], strict=True):
        positions = taps.first + np.arange(taps.weights.shape[1])
        np.testing.assert_allclose(taps.weights.sum(), 1, atol=1e-12)
        np.testing.assert_allclose(taps.weights @ positions, [start], atol=1e-12)


def test_mirroring_repeats_the_outermost_sample() -> None:
    assert mirror(np.arange(-3, 8), 5).tolist() == [2, 1, 0, 0, 1, 2, 3, 4, 4, 3, 2]
    assert mirror(np.arange(-3, 4), 1).tolist() == [0] * 7


@pytest.mark.parametrize(
    ("siting", "of_420", "of_410"),
    [
        (ChromaLocation.LEFT, (0, 0.5), (0, 1.5)),
        (ChromaLocation.CENTER, (0.5, 0.5), (1.5, 1.5)),
        (ChromaLocation.TOP_LEFT, (0, 0), (0, 0)),
        (ChromaLocation.TOP, (0.5, 0), (1.5, 0)),
        (ChromaLocation.BOTTOM_LEFT, (0, 1), (0, 3)),
        (ChromaLocation.BOTTOM, (0.5, 1), (1.5, 3)),
    ],
)
def test_first_chroma_sample_lies_where_the_siting_says(
    siting: ChromaLocation, of_420: tuple[float, float], of_410: tuple[float, float]
) -> None:
    assert chroma_offset(siting, (1, 1)) == of_420
    assert chroma_offset(siting, (2, 2)) == of_410
    assert chroma_offset(siting, (1, 0)) == (of_420[0], 0)
    assert chroma_offset(siting, (0, 0)) == (0, 0)
