"""Pictures moved by a flow: bilinear, and beyond the border the border goes on."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from vsanime.optional import opencv


def warp[T: (np.uint8, np.float32)](picture: NDArray[T], flow: NDArray[np.float32]) -> NDArray[T]:
    """What lies where the flow points to.

    OpenCV interpolates at 32nds of a pixel; a flow of nothing gives the picture itself, bit by bit.

    Args:
        picture: height, width, or height, width, channels.
        flow: height, width, 2; for each pixel how far right and down in `picture` its value lies, in pixels.

    Returns:
        Of the flow's height and width.
    """
    cv2 = opencv()
    height, width = flow.shape[:2]
    x = np.arange(width, dtype=np.float32) + flow[..., 0]
    y = np.arange(height, dtype=np.float32)[:, None] + flow[..., 1]
    moved: NDArray[T] = cv2.remap(picture, x, y, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    return moved
