"""Where in one line picture the places of another come from: dense inverse search on soft distance maps."""

from __future__ import annotations

import threading
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vsanime.motion.extra import opencv

# A pixel is ink if it is darker.
_INK = 0.5 * 255
# Flat paper says nothing of how it moved. A map of the distance from the nearest line does, in a band along lines:
# wide enough to meet a line that moved so far, narrow enough that lines behind do not speak into it.
_BAND = 0.05  # of the height
_lanes = threading.local()


def flow(target: NDArray[np.uint8], key: NDArray[np.uint8]) -> NDArray[np.float32]:
    """How far right and down in `key` each pixel of `target` comes from.

    Safe in threads: each has a searcher of its own, and the result depends on the two pictures alone.

    Args:
        target: line art, height and width; 255 is paper.
        key: line art of the same size.

    Returns:
        Height, width, 2, in pixels. Zero where both pictures are the same one.
    """
    if np.array_equal(target, key):
        return np.zeros((*target.shape, 2), np.float32)
    found: NDArray[np.float32] = _searcher().calc(seen(target), seen(key), None)
    return found


def seen(line: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """The picture in which motion is looked for: nearness to lines, and the lines."""
    cv2 = opencv()
    paper = np.where(line < _INK, 0, 255).astype(np.uint8)
    paper[0, 0] = paper[0, 0]  # distanceTransform wants its own, contiguous
    band = max(4.0, _BAND * line.shape[0])
    far = np.minimum(cv2.distanceTransform(paper, cv2.DIST_L2, 5), band) / band
    nearness: NDArray[np.uint8] = np.rint(far * 128 + line * (127 / 255)).astype(np.uint8)
    return nearness


def _searcher() -> Any:
    """This thread's: a search keeps its pyramids in the object."""
    if not hasattr(_lanes, "searcher"):
        cv2 = opencv()
        _lanes.searcher = cv2.DISOpticalFlow_create(cv2.DISOPTICAL_FLOW_PRESET_MEDIUM)
    return _lanes.searcher
