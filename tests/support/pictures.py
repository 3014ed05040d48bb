"""Real and drawn pictures as arrays."""

from __future__ import annotations

from functools import cache
from pathlib import Path

import numpy as np
import skimage.data
from numpy.typing import NDArray
from PIL import Image

from tools.animation import draw


def on_white(picture: Image.Image) -> Image.Image:
    """RGBA, with what is transparent on white."""
    rgba = picture.convert("RGBA")
    return Image.alpha_composite(Image.new("RGBA", rgba.size, "white"), rgba)


def painted_drawn_rendered(media: Path, size: tuple[int, int], mode: str) -> NDArray[np.uint8]:
    """Three kinds of art side by side, [height, 3 * width, 3], each scaled to width and height.

    Args:
        media: the folder of pictures and clips.
        size: width and height of each.
        mode: "RGB" or "YCbCr".
    """
    parts = []
    for name in ("pepper_carrot/backgrounds", "renpy_thequestion", "morevna_cc0"):
        path = min(p for p in (media / "pictures" / name).iterdir() if p.suffix in (".png", ".jpg"))
        parts.append(np.asarray(on_white(Image.open(path)).convert(mode).resize(size)))
    return np.concatenate(parts, axis=1)


@cache
def drawn_and_photographed(size: tuple[int, int], mode: str) -> NDArray[np.uint8]:
    """Return two drawings and a photograph side by side, [height, 3 * width, 3], each scaled to width and height.

    They need no files: the drawings are frames of the demo clip, the photograph travels with scikit-image.

    Args:
        size: width and height of each.
        mode: "RGB" or "YCbCr".
    """
    pictures = (draw(12), draw(70), skimage.data.coffee())
    return np.concatenate([np.asarray(Image.fromarray(p).convert(mode).resize(size)) for p in pictures], axis=1)
