"""Where chroma samples sit among luma samples, as numbers and as interpolation weights."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from vsanime.spec import ChromaLocation


def chroma_offset(siting: ChromaLocation, subsampling: tuple[int, int]) -> tuple[float, float]:
    """Position of the first chroma sample, in luma pixels right of and below the first luma sample's centre.

    Args:
        siting: `_ChromaLocation`.
        subsampling: log2 of the subsampling, horizontal and vertical; an axis that is not subsampled has offset 0.
    """
    left = siting in (ChromaLocation.LEFT, ChromaLocation.TOP_LEFT, ChromaLocation.BOTTOM_LEFT)
    top = siting in (ChromaLocation.TOP, ChromaLocation.TOP_LEFT)
    bottom = siting in (ChromaLocation.BOTTOM, ChromaLocation.BOTTOM_LEFT)
    block_w, block_h = (float((1 << s) - 1) for s in subsampling)
    x = 0.0 if left else block_w / 2
    y = 0.0 if top else block_h if bottom else block_h / 2
    return x, y


def upsample_weights(subsampling: tuple[int, int], siting: ChromaLocation) -> NDArray[np.float64]:
    """Bilinear weights from chroma samples to luma positions.

    Returns:
        [phases, 1, 3, 3]: for each luma position of a block, row by row, the weights of the chroma samples before, at
        and after the block's own, each way.
    """
    x, y = chroma_offset(siting, subsampling)
    rows, columns = _phases(subsampling[1], y), _phases(subsampling[0], x)
    weights: NDArray[np.float64] = np.einsum("ai,bj->abij", rows, columns).reshape(-1, 1, 3, 3)
    return weights


def _phases(shift: int, offset: float) -> NDArray[np.float64]:
    """Along one axis: for each luma position of a block, the weights of the chroma samples -1, 0 and 1."""
    factor = 1 << shift
    position = (np.arange(factor) - offset) / factor
    weights: NDArray[np.float64] = np.maximum(0, 1 - np.abs(position[:, None] - np.arange(-1, 2)))
    return weights
