"""Halves a picture by every kernel, doubles it by every method, and compares the results with the original."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import product
from typing import Protocol

import numpy as np
import vapoursynth as vs

from vsanime.arrays import Bytes, Floats
from vsanime.bench import metrics
from vsanime.bench.doubling.methods import Method
from vsanime.bench.doubling.shrink import halve, halve_codes
from vsanime.bench.doubling.sources import is_gray, luma
from vsanime.bench.frames import clip_of, planes_of
from vsanime.errors import VsanimeError
from vsanime.training.data.degrade import from_codes, to_codes, to_ycbcr

type Advance = Callable[[], None]


class Bar(Protocol):
    """A progress bar."""

    def more(self, steps: int) -> None:
        """Add steps to the total; a negative number removes some."""

    def step(self) -> None:
        """Count one step as done."""


# Measures in the order of the tables.
LUMA, RGB, CHROMA, COMPRESSED = "luma", "rgb", "chroma", "compressed"
MEASURES = (LUMA, RGB, CHROMA, COMPRESSED)
SITINGS = {
    "left": ((-0.5, 0.0), vs.CHROMA_LEFT),
    "center": ((0.0, 0.0), vs.CHROMA_CENTER),
    "top_left": ((-0.5, -0.5), vs.CHROMA_TOP_LEFT),
}
CHROMA_KERNELS = ("box", "catmull_rom")
_FULL = {"_Range": int(vs.RANGE_FULL)}
_BT709 = {"_Matrix": int(vs.MATRIX_BT709)}


@dataclass(frozen=True)
class Figure:
    """The quality of one picture in one condition with one method.

    Attributes:
        group: source of the picture.
        picture: name of the picture.
        measure: one of `MEASURES`.
        plane: Y, RGB, Cb or Cr.
        condition: kernel that halved the picture; for chroma with the siting, for compression how the clip was made.
        method: name of the method.
        psnr: PSNR in dB.
        ssim: SSIM of Wang et al.; None for chroma.
    """

    group: str
    picture: str
    measure: str
    plane: str
    condition: str
    method: str
    psnr: float
    ssim: float | None


@dataclass(frozen=True)
class Title:
    """The names by which figures refer to a picture.

    Attributes:
        group: source of the picture.
        picture: name of the picture.
    """

    group: str
    picture: str


@dataclass(frozen=True)
class Results:
    """The luma of one picture after every method.

    Attributes:
        truth: original luma in [0, 1]: height, width.
        by_method: results of the same shape, one per kernel, by the method's name.
    """

    truth: Floats
    by_method: dict[str, list[Floats]]


def measure_doubling(
    title: Title, picture: Bytes, kernels: Sequence[str], methods: Sequence[Method], advance: Advance
) -> tuple[list[Figure], Results]:
    """Measure luma with every method, and RGB with those that support it; return the figures and all luma results.

    The truth is the picture's 8-bit luma, and its RGB. Methods double 8-bit halves; results are clipped to [0, 1], not
    rounded, and compared including the edges. RGB networks are given RGB, and luma is computed from their output.

    Args:
        title: names of the picture.
        picture: 8-bit RGB: height, width, 3.
        kernels: kernels that halve the picture.
        methods: methods for luma and RGB.
        advance: function called after each method.
    """
    rgb_codes = np.ascontiguousarray(picture.transpose(2, 0, 1))
    rgb = from_codes(rgb_codes)
    gray_codes = to_codes(luma(rgb))
    gray = from_codes(gray_codes)
    gray_clip = clip_of([[halve_codes(gray_codes, kernel)] for kernel in kernels], vs.GRAY8, **_FULL)
    rgb_clip = clip_of([[halve_codes(plane, kernel) for plane in rgb_codes] for kernel in kernels], vs.RGB24)
    colour = not is_gray(picture) and any(method.knows == "rgb" for method in methods)
    figures: list[Figure] = []
    outputs: dict[str, list[Floats]] = {}
    for method in methods:
        if method.knows != "rgb":
            outputs[method.name] = [result[0] for result in _run(method, gray_clip, gray.shape)]
        if method.knows == "rgb" or (method.knows == "any" and colour):
            results = _run(method, rgb_clip, gray.shape)
            outputs.setdefault(method.name, [luma(result) for result in results])
            if colour:
                figures += [
                    _figure(title, (RGB, "RGB", kernel, method.name), result, rgb)
                    for kernel, result in zip(kernels, results, strict=True)
                ]
        figures += [
            _figure(title, (LUMA, "Y", kernel, method.name), result, gray)
            for kernel, result in zip(kernels, outputs[method.name], strict=True)
        ]
        advance()
    return figures, Results(gray, outputs)


def measure_chroma(title: Title, picture: Bytes, methods: Sequence[Method], advance: Advance) -> list[Figure]:
    """Measure chroma that was halved to 4:2:0 by each kernel and siting and brought back to 4:4:4.

    The truth is the picture as 8-bit YCbCr, BT.709, full range. Halved chroma is rounded to 8 bits too.

    Args:
        title: names of the picture.
        picture: 8-bit RGB: height, width, 3.
        methods: methods for chroma.
        advance: function called after each method.
    """
    y, *chroma = to_ycbcr(from_codes(np.ascontiguousarray(picture.transpose(2, 0, 1))))
    y = from_codes(to_codes(y))
    truth = [_chroma_codes(np.float32(255) * (plane - np.float32(0.5))) for plane in chroma]
    # Filters use the siting of a clip's first frame, so that each siting needs a clip; its frames are the kernels.
    clips = {}
    for siting, (shift, location) in SITINGS.items():
        small = [[_chroma_codes(halve(codes, kernel, shift)) for codes in truth] for kernel in CHROMA_KERNELS]
        frames = [[y, *(_chroma_values(codes) for codes in planes)] for planes in small]
        clips[siting] = clip_of(frames, vs.YUV420PS, **_FULL, **_BT709, _ChromaLocation=int(location))
    figures = []
    for method in methods:
        full_size = {siting: method.run(clip) for siting, clip in clips.items()}
        for (number, kernel), siting in product(enumerate(CHROMA_KERNELS), SITINGS):
            result = np.clip(planes_of(full_size[siting], number)[1:], -0.5, 0.5)
            figures += [
                _figure(title, (CHROMA, name, f"{kernel}, {siting}", method.name), plane, _chroma_values(expected))
                for name, plane, expected in zip(("Cb", "Cr"), result, truth, strict=True)
            ]
        advance()
    return figures


def _chroma_codes(codes: Floats) -> Floats:
    """Round and clip chroma codes, which are 8-bit codes minus 128."""
    return np.clip(np.rint(codes), -128, 127)


def _chroma_values(codes: Floats) -> Floats:
    """Convert 8-bit codes minus 128 to full-range values, about -0.5 to 0.5."""
    return codes / np.float32(255)


def _run(method: Method, clip: vs.VideoNode, shape: tuple[int, ...]) -> list[Floats]:
    """Double every frame and return the clipped results: planes, height, width each."""
    large = method.run(clip)
    if (large.height, large.width) != shape:
        raise VsanimeError(
            f"{method.name} made {large.width}x{large.height} of {clip.width}x{clip.height}; twice the size is needed"
        )
    return [np.clip(planes_of(large, n), 0, 1) for n in range(large.num_frames)]


def _figure(title: Title, what: tuple[str, str, str, str], result: Floats, truth: Floats) -> Figure:
    measure, plane, condition, method = what
    return Figure(
        title.group,
        title.picture,
        measure,
        plane,
        condition,
        method,
        metrics.psnr(result, truth),
        None if measure == CHROMA else metrics.ssim(result, truth),
    )
