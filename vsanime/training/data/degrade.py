"""Degrades pictures before the network sees them: halving, blur, noise, JPEG, chroma subsampling.

Pictures are f32 in [0, 1], shape (planes, height, width). Random generators are arguments.
"""

from __future__ import annotations

import io
import math
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from vsanime.arrays import Floats
from vsanime.media.pictures import open_picture
from vsanime.training.data.pictures import LUMA

type Kernel = Callable[[float], float]

# Kernels --------------------------------------------------------------------------------------------------------


def cubic(b: float, c: float) -> Kernel:
    """Return the cubic kernel of Mitchell and Netravali with these parameters."""

    def kernel(x: float) -> float:
        x = abs(x)
        if x < 1:
            return ((12 - 9 * b - 6 * c) * x**3 + (-18 + 12 * b + 6 * c) * x**2 + (6 - 2 * b)) / 6
        if x < 2:
            return ((-b - 6 * c) * x**3 + (6 * b + 30 * c) * x**2 + (-12 * b - 48 * c) * x + 8 * b + 24 * c) / 6
        return 0.0

    return kernel


def lanczos(lobes: int) -> Kernel:
    """Return the Lanczos kernel with a number of lobes."""

    def kernel(x: float) -> float:
        return float(np.sinc(x) * np.sinc(x / lobes)) if abs(x) < lobes else 0.0

    return kernel


def box(x: float) -> float:
    """Return the box kernel at x, which averages the area of a new pixel."""
    return 1.0 if abs(x) < 0.5 else 0.5 if abs(x) == 0.5 else 0.0


def triangle(x: float) -> float:
    """Return the bilinear kernel at x; it is widened for shrinking, as in zimg and Pillow."""
    return max(0.0, 1 - abs(x))


# `random` is drawn anew for each patch, see `random_kernel`.
KERNELS: dict[str, Kernel] = {
    "box": box,
    "bilinear": triangle,
    "catmull_rom": cubic(0, 0.5),
    "mitchell": cubic(1 / 3, 1 / 3),
    "lanczos3": lanczos(3),
}
_SUPPORT = 3  # support of the widest kernel of KERNELS, in new pixels


def random_kernel(rng: np.random.Generator) -> Kernel:
    """Draw a kernel that a scaler may use: a cubic from soft to sharp, or a Lanczos kernel of 2 to 4 lobes."""
    if rng.random() < 0.3:
        return lanczos(int(rng.integers(2, 5)))
    return cubic(float(rng.uniform(0, 1)), float(rng.uniform(0, 0.75)))


def halving_taps(kernel: Kernel, shift: float = 0.0, width: float = 1.0) -> tuple[Floats, int]:
    """Return the weights for halving along one axis.

    Args:
        kernel: kernel in units of new pixels.
        shift: offset of the new pixel's center from the middle of its two source pixels, in source pixels.
        width: factor by which the kernel is widened; above 1 is softer.

    Returns:
        The weights, which sum to 1, and the index of the first, counted from the first of the two source pixels.
    """
    reach = math.ceil(2 * (_SUPPORT + 1) * max(width, 1))
    places = range(-reach, reach + 2)
    weights = np.array([kernel((i - 0.5 - shift) / (2 * width)) for i in places])
    used = np.flatnonzero(np.abs(weights) > 1e-9)
    weights = weights[used[0] : used[-1] + 1]
    return (weights / weights.sum()).astype(np.float32), places[used[0]]


def halve_axis(picture: Floats, taps: tuple[Floats, int], axis: int) -> Floats:
    """Halve a picture along one axis of even length, with weights from `halving_taps`; edges are repeated."""
    weights, first = taps
    picture = np.moveaxis(picture, axis, -1)
    new = picture.shape[-1] // 2
    before, after = max(0, -first), max(0, first + len(weights) - 2)
    padded = np.pad(picture, [(0, 0)] * (picture.ndim - 1) + [(before, after)], mode="edge")
    at = first + before
    total = sum(w * padded[..., at + i : at + i + 2 * new - 1 : 2] for i, w in enumerate(weights))
    return np.moveaxis(np.asarray(total, np.float32), -1, axis)


def halve(picture: Floats, kernel: Kernel, width: float = 1.0) -> Floats:
    """Halve width and height, center aligned, with a kernel widened by a factor."""
    taps = halving_taps(kernel, 0.0, width)
    return halve_axis(halve_axis(picture, taps, 1), taps, 2)


# Blur, noise, codes ---------------------------------------------------------------------------------------------


def blur(picture: Floats, sigma: float) -> Floats:
    """Apply a Gaussian blur with a standard deviation in pixels; edges are repeated."""
    if sigma < 0.05:  # neighbors would weigh less than a code
        return picture
    reach = math.ceil(3 * sigma)
    weights = np.exp(-0.5 * (np.arange(-reach, reach + 1) / sigma) ** 2)
    weights = (weights / weights.sum()).astype(np.float32)
    for axis in (1, 2):
        moved = np.moveaxis(picture, axis, -1)
        padded = np.pad(moved, [(0, 0), (0, 0), (reach, reach)], mode="edge")
        size = moved.shape[-1]
        total = sum(w * padded[..., i : i + size] for i, w in enumerate(weights))
        picture = np.moveaxis(np.asarray(total, np.float32), -1, axis)
    return picture


def sharpen(picture: Floats, amount: float) -> Floats:
    """Add a multiple of the picture's difference from its blurred version (sigma 1), and clip to [0, 1]."""
    return np.clip(picture + np.float32(amount) * (picture - blur(picture, 1.0)), 0, 1).astype(np.float32)


def add_noise(picture: Floats, sigma: float, rng: np.random.Generator) -> Floats:
    """Add Gaussian noise with a standard deviation in 8-bit codes, independent in each plane."""
    noise = rng.standard_normal(picture.shape, np.float32)
    return picture + np.float32(sigma / 255) * noise


def to_codes(picture: Floats) -> NDArray[np.uint8]:
    """Return 8-bit codes of values in [0, 1], clipped and rounded."""
    return np.rint(np.clip(picture, 0, 1) * 255).astype(np.uint8)


def from_codes(codes: NDArray[np.uint8]) -> Floats:
    """Return values in [0, 1] of 8-bit codes."""
    return codes.astype(np.float32) / np.float32(255)


def round_chroma(chroma: Floats) -> Floats:
    """Round Cb + 0.5 and Cr + 0.5 to 8 bits in full range: multiples of 1/255 from the neutral 0.5."""
    codes: Floats = np.clip(np.rint((chroma - np.float32(0.5)) * 255), -128, 127)
    return codes / np.float32(255) + np.float32(0.5)


# JPEG -----------------------------------------------------------------------------------------------------------

# Blocks are coded independently, so a region cut on their grid is coded as in the whole picture; only chroma at half
# size depends on neighbors. Coding a region cut at a random position, and discarding this border, therefore equals
# coding the whole picture and cutting then.
JPEG_BORDER = 8


def jpeg(picture: Floats, quality: int, *, half_chroma: bool) -> Floats:
    """Encode a picture as JPEG and decode it.

    Args:
        picture: gray or RGB in [0, 1], shape (1 or 3, height, width).
        quality: libjpeg's quality, 1 to 100.
        half_chroma: use 4:2:0 instead of 4:4:4.
    """
    codes = to_codes(picture)
    image = (
        Image.fromarray(codes[0])
        if len(codes) == 1
        else Image.fromarray(np.ascontiguousarray(codes.transpose(1, 2, 0)))
    )
    file = io.BytesIO()
    options = {} if len(codes) == 1 else {"subsampling": 2 if half_chroma else 0}
    image.save(file, "JPEG", quality=quality, **options)
    with open_picture(file) as decoded:
        pixels = np.asarray(decoded)
    return from_codes(pixels[None] if pixels.ndim == 2 else pixels.transpose(2, 0, 1))


def noise_level_qualities(level: str, rng: np.random.Generator) -> list[int]:
    """Draw the JPEG qualities of the one to three passes that define a noise level of nagadomi/waifu2x's art models.

    Args:
        level: "0" to "3"; 2 and 3 differ only in how often they are applied.
        rng: random generator.
    """

    def draw(low: int, high: int) -> int:
        return int(rng.integers(low, high + 1))

    if level == "0":
        return [draw(85, 95)]
    if level == "1":
        return [draw(65, 85)]
    passes = rng.random()
    if passes < 0.6:
        return [draw(27, 70)]
    if passes < 0.9:
        first = draw(37, 70)
        return [first, first - draw(5, 10)]
    first = draw(52, 70)
    return [first, first - draw(5, 15), first - draw(15, 25)]


# Chroma ---------------------------------------------------------------------------------------------------------

# Offsets of chroma samples from the middle of their two by two luma pixels, in luma pixels: horizontal, vertical.
SITING_SHIFTS = {"left": (-0.5, 0.0), "center": (0.0, 0.0), "top_left": (-0.5, -0.5)}


def to_ycbcr(rgb: Floats) -> Floats:
    """Convert RGB to Y in [0, 1], Cb + 0.5 and Cr + 0.5, by BT.709 in full range."""
    red, green, blue = LUMA
    y = red * rgb[0] + green * rgb[1] + blue * rgb[2]
    return np.stack([y, (rgb[2] - y) / (2 * (1 - blue)) + 0.5, (rgb[0] - y) / (2 * (1 - red)) + 0.5]).astype(np.float32)


def subsample(chroma: Floats, kernel: Kernel, siting: str, width: float = 1.0) -> Floats:
    """Halve width and height of chroma, to samples at a siting (a key of `SITING_SHIFTS`)."""
    across, down = SITING_SHIFTS[siting]
    chroma = halve_axis(chroma, halving_taps(kernel, down, width), 1)
    return halve_axis(chroma, halving_taps(kernel, across, width), 2)


def double_bilinear(chroma: Floats, siting: str) -> Floats:
    """Double width and height of chroma from samples at a siting, bilinearly, as the input of chroma networks."""
    across, down = SITING_SHIFTS[siting]
    return _double_axis(_double_axis(chroma, down, 1), across, 2)


def _double_axis(picture: Floats, shift: float, axis: int) -> Floats:
    """Double a picture along one axis, where samples are offset by `shift` new pixels from the middle of their two."""
    moved = np.moveaxis(picture, axis, -1)
    padded = np.pad(moved, [(0, 0)] * (moved.ndim - 1) + [(1, 1)], mode="edge")
    size = moved.shape[-1]
    new = np.empty((*moved.shape[:-1], 2 * size), np.float32)
    for phase in (0, 1):
        place = (phase - 0.5 - shift) / 2  # in samples, relative to sample 0
        first = math.floor(place)
        part = place - first
        near, far = (padded[..., 1 + first + i : 1 + first + i + size] for i in (0, 1))
        new[..., phase::2] = near if part == 0 else (1 - part) * near + part * far
    return np.moveaxis(new, -1, axis)
