"""What happens to a picture before the network sees it: kernels, blur, noise, JPEG, chroma at half size.

Pictures are f32, [planes, height, width], in [0, 1]. Whatever is random comes in as an argument.
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
    """The cubic of Mitchell and Netravali."""

    def kernel(x: float) -> float:
        x = abs(x)
        if x < 1:
            return ((12 - 9 * b - 6 * c) * x**3 + (-18 + 12 * b + 6 * c) * x**2 + (6 - 2 * b)) / 6
        if x < 2:
            return ((-b - 6 * c) * x**3 + (6 * b + 30 * c) * x**2 + (-12 * b - 48 * c) * x + 8 * b + 24 * c) / 6
        return 0.0

    return kernel


def lanczos(lobes: int) -> Kernel:
    """The windowed sinc."""

    def kernel(x: float) -> float:
        return float(np.sinc(x) * np.sinc(x / lobes)) if abs(x) < lobes else 0.0

    return kernel


def box(x: float) -> float:
    """The mean of what a new pixel covers."""
    return 1.0 if abs(x) < 0.5 else 0.5 if abs(x) == 0.5 else 0.0


def triangle(x: float) -> float:
    """Bilinear, widened as zimg and Pillow do it."""
    return max(0.0, 1 - abs(x))


# `random` is drawn anew for each patch, see `random_kernel`.
KERNELS: dict[str, Kernel] = {
    "box": box,
    "bilinear": triangle,
    "catmull_rom": cubic(0, 0.5),
    "mitchell": cubic(1 / 3, 1 / 3),
    "lanczos3": lanczos(3),
}
_SUPPORT = 3  # of the widest kernel, in new pixels


def random_kernel(rng: np.random.Generator) -> Kernel:
    """Anything that a scaler may do: a cubic between soft and sharp, or a sinc of 2 to 4 lobes."""
    if rng.random() < 0.3:
        return lanczos(int(rng.integers(2, 5)))
    return cubic(float(rng.uniform(0, 1)), float(rng.uniform(0, 0.75)))


def halving_taps(kernel: Kernel, shift: float = 0.0, width: float = 1.0) -> tuple[Floats, int]:
    """The weights that make one pixel of two.

    Args:
        kernel: at a scale of one new pixel.
        shift: of the new pixel's centre from the middle of its two source pixels, in source pixels.
        width: above 1 for a softer kernel.

    Returns:
        The weights, which sum to 1, and the place of the first, in source pixels from the first of the two.
    """
    reach = math.ceil(2 * (_SUPPORT + 1) * max(width, 1))
    places = range(-reach, reach + 2)
    weights = np.array([kernel((i - 0.5 - shift) / (2 * width)) for i in places])
    used = np.flatnonzero(np.abs(weights) > 1e-9)
    weights = weights[used[0] : used[-1] + 1]
    return (weights / weights.sum()).astype(np.float32), places[used[0]]


def halve_axis(picture: Floats, taps: tuple[Floats, int], axis: int) -> Floats:
    """Half as many pixels along one axis, of an even number; edges are repeated."""
    weights, first = taps
    picture = np.moveaxis(picture, axis, -1)
    new = picture.shape[-1] // 2
    before, after = max(0, -first), max(0, first + len(weights) - 2)
    padded = np.pad(picture, [(0, 0)] * (picture.ndim - 1) + [(before, after)], mode="edge")
    at = first + before
    total = sum(w * padded[..., at + i : at + i + 2 * new - 1 : 2] for i, w in enumerate(weights))
    return np.moveaxis(np.asarray(total, np.float32), -1, axis)


def halve(picture: Floats, kernel: Kernel, width: float = 1.0) -> Floats:
    """Half the size, centre aligned."""
    taps = halving_taps(kernel, 0.0, width)
    return halve_axis(halve_axis(picture, taps, 1), taps, 2)


# Blur, noise, codes ---------------------------------------------------------------------------------------------


def blur(picture: Floats, sigma: float) -> Floats:
    """Gaussian blur of a standard deviation in pixels; edges are repeated."""
    if sigma < 0.05:  # the kernel's neighbours would weigh less than a code
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
    """Adds a share of the difference to the blurred picture (sigma 1)."""
    return np.clip(picture + np.float32(amount) * (picture - blur(picture, 1.0)), 0, 1).astype(np.float32)


def add_noise(picture: Floats, sigma: float, rng: np.random.Generator) -> Floats:
    """Gaussian noise of a standard deviation in 8-bit codes, the same in no two planes."""
    noise = rng.standard_normal(picture.shape, np.float32)
    return picture + np.float32(sigma / 255) * noise


def to_codes(picture: Floats) -> NDArray[np.uint8]:
    """8-bit codes, rounded and clipped."""
    return np.rint(np.clip(picture, 0, 1) * 255).astype(np.uint8)


def from_codes(codes: NDArray[np.uint8]) -> Floats:
    """Values in [0, 1]."""
    return codes.astype(np.float32) / np.float32(255)


def rounded_chroma(chroma: Floats) -> Floats:
    """Cb + 0.5 and Cr + 0.5 as 8 bits of full range hold them: in steps of 1/255 from the neutral 0.5, which is one."""
    codes: Floats = np.clip(np.rint((chroma - np.float32(0.5)) * 255), -128, 127)
    return codes / np.float32(255) + np.float32(0.5)


# JPEG -----------------------------------------------------------------------------------------------------------

# Blocks are coded one by one, so a region cut on their grid is coded as it would be in the whole picture; only chroma
# at half size looks at its neighbours. Cutting a region at a random place, and leaving this border out, is therefore
# what coding the whole picture and cutting at a random place would give.
JPEG_BORDER = 8


def jpeg(picture: Floats, quality: int, *, half_chroma: bool) -> Floats:
    """Coded as JPEG and decoded.

    Args:
        picture: one plane, or R, G and B.
        quality: 1 to 100, libjpeg's.
        half_chroma: 4:2:0, else 4:4:4.
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
    """The qualities of one pass or several by which nagadomi's art models define a noise level (nagadomi/waifu2x).

    Args:
        level: "0" to "3"; 2 and 3 differ in how often they are applied only.
        rng: source of the draw.
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

# Of chroma samples from the middle of their two by two luma pixels: across, down.
SITING_SHIFTS = {"left": (-0.5, 0.0), "center": (0.0, 0.0), "top_left": (-0.5, -0.5)}


def to_ycbcr(rgb: Floats) -> Floats:
    """Y in [0, 1], Cb + 0.5 and Cr + 0.5: BT.709, full range."""
    red, green, blue = LUMA
    y = red * rgb[0] + green * rgb[1] + blue * rgb[2]
    return np.stack([y, (rgb[2] - y) / (2 * (1 - blue)) + 0.5, (rgb[0] - y) / (2 * (1 - red)) + 0.5]).astype(np.float32)


def subsample(chroma: Floats, kernel: Kernel, siting: str, width: float = 1.0) -> Floats:
    """Chroma at half the size, sited as asked."""
    across, down = SITING_SHIFTS[siting]
    chroma = halve_axis(chroma, halving_taps(kernel, down, width), 1)
    return halve_axis(chroma, halving_taps(kernel, across, width), 2)


def double_bilinear(chroma: Floats, siting: str) -> Floats:
    """Chroma at twice the size, bilinear, from samples where the siting puts them: what chroma networks are given."""
    across, down = SITING_SHIFTS[siting]
    return _double_axis(_double_axis(chroma, down, 1), across, 2)


def _double_axis(picture: Floats, shift: float, axis: int) -> Floats:
    """Each of the two new pixels lies a quarter of a sample from the middle, less what the sample is shifted."""
    moved = np.moveaxis(picture, axis, -1)
    padded = np.pad(moved, [(0, 0)] * (moved.ndim - 1) + [(1, 1)], mode="edge")
    size = moved.shape[-1]
    new = np.empty((*moved.shape[:-1], 2 * size), np.float32)
    for phase in (0, 1):
        place = (phase - 0.5 - shift) / 2  # in samples, from sample 0
        first = math.floor(place)
        part = place - first
        near, far = (padded[..., 1 + first + i : 1 + first + i + size] for i in (0, 1))
        new[..., phase::2] = near if part == 0 else (1 - part) * near + part * far
    return np.moveaxis(new, -1, axis)
