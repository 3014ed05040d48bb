"""Imports optional packages, and names the extra that installs them if they are missing."""

from __future__ import annotations

from collections.abc import Mapping
from importlib.util import find_spec
from typing import Any

from vsanime.errors import VsanimeError


def opencv() -> Any:
    """Return the module `cv2`.

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
    """Return the module `scipy.ndimage`.

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


def require(who: str, extra: str, packages: Mapping[str, str]) -> None:
    """Check that packages of an extra are installed, without importing them.

    Args:
        who: consumer of the packages, as the beginning of the message.
        extra: name of the extra that installs them.
        packages: display name of each package by the name of its module.

    Raises:
        VsanimeError: a package is not installed.
    """
    for module, name in packages.items():
        if find_spec(module) is None:
            raise VsanimeError(f'{who} needs {name}, which is not installed: `pip install "vsanime[{extra}]"`')
