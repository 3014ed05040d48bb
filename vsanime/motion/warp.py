"""Move pictures by a flow, with bilinear interpolation and edges that repeat beyond the border."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from vsanime.optional import opencv


def warp[T: (np.uint8, np.float32)](picture: NDArray[T], flow: NDArray[np.float32]) -> NDArray[T]:
    """Return the picture sampled where the flow points.

    OpenCV interpolates at 32nds of a pixel; a zero flow returns the picture bit by bit.

    Args:
        picture: array of height, width, or height, width, channels.
        flow: array of height, width, 2; for each pixel how far right and down in `picture` its value lies, in pixels.

    Returns:
        An array of the flow's height and width, with the picture's channels.
    """
    cv2 = opencv()
    height, width = flow.shape[:2]
    x = np.arange(width, dtype=np.float32) + flow[..., 0]
    y = np.arange(height, dtype=np.float32)[:, None] + flow[..., 1]
    moved: NDArray[T] = cv2.remap(picture, x, y, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    return moved
