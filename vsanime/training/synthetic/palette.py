"""Colour scripts: every shot has its own colours, so that no network can guess them from shapes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from vsanime.arrays import Bytes
from vsanime.training.synthetic.drawings import alpha_of, with_alpha

_HUES = 256  # OpenCV's full range of bytes
_LEAVES_BLACK = 24  # codes below which hue means nothing and outlines stay what they are
_NEUTRAL_SHARE = 0.15  # of the layers that keep their colours
_HARD_SHARE = 0.4  # of the others, whose hues are cut into ranges that go to places of their own


@dataclass(frozen=True)
class Palette:
    """What becomes of colours: dark outlines stay dark, equal colours stay equal.

    Attributes:
        hue: the new hue of every old one, 256 codes around the circle.
        saturation: codes by codes.
        value: codes by codes.
        tint: factors of R, G and B.
    """

    hue: Bytes
    saturation: Bytes
    value: Bytes
    tint: tuple[float, float, float]

    def apply(self, pixels: Bytes) -> Bytes:
        """A picture in other colours: height, width, 4; alpha stays."""
        hsv = cv2.cvtColor(pixels, cv2.COLOR_RGB2HSV_FULL)
        table = np.stack([self.hue, self.saturation, self.value], -1)[None]
        turned = cv2.cvtColor(cv2.LUT(hsv, table), cv2.COLOR_HSV2RGB_FULL)
        return with_alpha(np.asarray(cv2.LUT(turned, gains(self.tint)), np.uint8), alpha_of(pixels))


def gains(factors: Sequence[float] | NDArray[np.float64]) -> Bytes:
    """A table for `cv2.LUT` that multiplies R, G and B."""
    scaled = np.arange(256)[:, None] * np.asarray(factors) + 0.5
    table: Bytes = np.clip(scaled, 0, 255).astype(np.uint8)[None]
    return table


def draw_palette(rng: np.random.Generator) -> Palette:
    """Colours for a layer of a shot."""
    codes = np.arange(256)
    if rng.random() < _NEUTRAL_SHARE:
        plain = codes.astype(np.uint8)
        return Palette(plain, plain, plain, (1.0, 1.0, 1.0))
    turn = rng.integers(_HUES)
    if rng.random() < _HARD_SHARE:
        hue = _in_ranges(rng, codes)
    else:
        angles = codes * (2 * np.pi / _HUES)
        hue = np.asarray(codes, np.float64)
        for k in (1, 2):
            hue = hue + rng.uniform(-18, 18) * np.sin(k * angles + rng.uniform(0, 2 * np.pi))
    turned = np.rint(hue + turn) % _HUES
    saturation = np.clip(codes * rng.uniform(0.5, 1.5), 0, 255)
    # Brighter or darker in the middle; black and white stay.
    value = 255 * (codes / 255) ** np.exp(rng.uniform(-0.45, 0.45))
    value[:_LEAVES_BLACK] = np.minimum(value[:_LEAVES_BLACK], codes[:_LEAVES_BLACK])
    tint = 1 - rng.uniform(0, 0.45, 3) * rng.uniform(0, 1)
    return Palette(
        turned.astype(np.uint8),
        np.rint(saturation).astype(np.uint8),
        np.rint(value).astype(np.uint8),
        (float(tint[0]), float(tint[1]), float(tint[2])),
    )


def _in_ranges(rng: np.random.Generator, codes: NDArray[np.int64]) -> NDArray[np.float64]:
    """Hues of each of some ranges go elsewhere together: skin, hair and clothes no longer know of each other."""
    borders = np.sort(rng.integers(0, _HUES, int(rng.integers(2, 6))))
    shifts = rng.integers(0, _HUES, len(borders))
    return np.asarray(codes + shifts[np.searchsorted(borders, codes) % len(borders)], np.float64)
