"""Draws pictures by the weights of their sources, shrinks them, and lays transparent ones on a background."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from vsanime.arrays import Bytes
from vsanime.training.data.entries import Picture
from vsanime.training.recipes.base import Source


class Drawn:
    """Pictures of some sources, drawn by the weights of the sources.

    Args:
        sources: all sources of the recipe.
        pictures: pictures of any sources; those of other sources than `numbers` are ignored.
        numbers: indices of the sources to draw from.
    """

    def __init__(self, sources: Sequence[Source], pictures: Sequence[Picture], numbers: Iterable[int]) -> None:
        groups = [(sources[n].weight, [p for p in pictures if p.source == n]) for n in numbers]
        used = [(weight, group) for weight, group in groups if group]
        total = sum(weight for weight, _ in used)
        self._odds = [weight / total for weight, _ in used]
        self.groups = [group for _, group in used]

    def draw(self, rng: np.random.Generator) -> Picture:
        """Draw a source by its weight, and return one of its pictures, all equally likely."""
        group = self.groups[int(rng.choice(len(self.groups), p=self._odds))]
        return group[int(rng.integers(len(group)))]


def shrink_to(pixels: Bytes, size: tuple[int, int]) -> Bytes:
    """Shrink a picture of shape (height, width, channels) to a height and width by area averaging."""
    if pixels.shape[:2] == size:
        return pixels
    picture = Image.fromarray(pixels[..., 0] if pixels.shape[2] == 1 else np.ascontiguousarray(pixels))
    resized = np.asarray(picture.resize(size[::-1], Image.Resampling.BOX))
    return resized[..., None] if resized.ndim == 2 else resized


def lay(front: Bytes, back: Bytes | NDArray[np.float32] | int) -> Bytes:
    """Lay a picture, whose last channel is alpha, on another one or on a color, and return it without alpha."""
    alpha = front[..., -1:].astype(np.float32) / 255
    laid: Bytes = np.rint(front[..., :-1] * alpha + back * (1 - alpha)).astype(np.uint8)
    return laid
