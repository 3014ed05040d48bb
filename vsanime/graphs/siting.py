"""Where chroma samples sit among luma samples, as numbers."""

from __future__ import annotations

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
