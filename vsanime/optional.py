"""OpenCV and SciPy, if they are installed, or the one sentence that says how to get them."""

from __future__ import annotations

from typing import Any

from vsanime.errors import VsanimeError


def opencv() -> Any:
    """The module `cv2`.

    Raises:
        VsanimeError: it is not installed, or is a build without optical flow.
    """
    try:
        import cv2
    except ImportError as error:
        raise VsanimeError(
            f"motion between line pictures is found by OpenCV, which cannot be loaded ({error}); "
            '`pip install "vsanime[colorize]"`'
        ) from None
    if not hasattr(cv2, "DISOpticalFlow_create"):
        raise VsanimeError(f"this OpenCV ({cv2.__version__}) has no DIS optical flow; 4.1 or later is needed")
    return cv2


def ndimage() -> Any:
    """The module `scipy.ndimage`.

    Raises:
        VsanimeError: it is not installed.
    """
    try:
        from scipy import ndimage as module
    except ImportError as error:
        raise VsanimeError(
            f"distances from lines and regions between them are found by SciPy, which cannot be loaded ({error}); "
            '`pip install "vsanime[colorize]"`'
        ) from None
    return module
