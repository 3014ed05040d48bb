"""Recolors the layers of every shot at random, so that networks cannot guess colors from shapes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from vsanime.arrays import Bytes
from vsanime.training.synthetic.drawings import alpha_of, with_alpha

_HUES = 256  # number of hues in OpenCV's full range of bytes
_LEAVES_BLACK = 24  # codes of value below which outlines do not get brighter, and hue is meaningless
_NEUTRAL_SHARE = 0.15  # fraction of the layers that keep their colors
_HARD_SHARE = 0.4  # fraction of the other layers, in which ranges of hues are shifted independently


@dataclass(frozen=True)
class Palette:
    """A mapping of colors that keeps dark outlines dark and equal colors equal.

    Attributes:
        hue: new hue of every hue, 256 codes for the full circle.
        saturation: new saturation of every code, 256 codes.
        value: new value of every code, 256 codes.
        tint: factors of R, G and B.
    """

    hue: Bytes
    saturation: Bytes
    value: Bytes
    tint: tuple[float, float, float]

    def apply(self, pixels: Bytes) -> Bytes:
        """Return RGBA in the new colors, shape (height, width, 4), with the same alpha."""
        hsv = cv2.cvtColor(pixels, cv2.COLOR_RGB2HSV_FULL)
        table = np.stack([self.hue, self.saturation, self.value], -1)[None]
        turned = cv2.cvtColor(cv2.LUT(hsv, table), cv2.COLOR_HSV2RGB_FULL)
        return with_alpha(np.asarray(cv2.LUT(turned, gains(self.tint)), np.uint8), alpha_of(pixels))


def gains(factors: Sequence[float] | NDArray[np.float64]) -> Bytes:
    """Return a table for `cv2.LUT` that multiplies R, G and B by factors."""
    scaled = np.arange(256)[:, None] * np.asarray(factors) + 0.5
    table: Bytes = np.clip(scaled, 0, 255).astype(np.uint8)[None]
    return table


def draw_palette(rng: np.random.Generator) -> Palette:
    """Draw a random palette for a layer of a shot."""
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
    # A gamma curve, which keeps black and white.
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
    """Shift two to five ranges of hues independently, so that skin, hair and clothes do not predict each other."""
    borders = np.sort(rng.integers(0, _HUES, int(rng.integers(2, 6))))
    shifts = rng.integers(0, _HUES, len(borders))
    return np.asarray(codes + shifts[np.searchsorted(borders, codes) % len(borders)], np.float64)
