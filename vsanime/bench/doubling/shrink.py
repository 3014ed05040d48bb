"""Halves planes by the kernels that figures are named after.

Catmull-Rom and Lanczos are zimg's in float, as most clips were scaled; the box, which zimg lacks, is a mean.
None of this code is shared with training.
"""

from __future__ import annotations

import numpy as np
import vapoursynth as vs

from vsanime.arrays import Bytes, Floats
from vsanime.bench.frames import clip_of, planes_of

KERNELS = ("box", "catmull_rom", "lanczos3")
# Mitchell and Netravali's cubic with the parameters of Catmull-Rom.
CATMULL_ROM = {"filter_param_a": 0.0, "filter_param_b": 0.5}
LANCZOS3 = {"filter_param_a": 3.0}


def halve(plane: Floats, kernel: str, shift: tuple[float, float] = (0.0, 0.0)) -> Floats:
    """Return a plane at half the size, neither clipped nor rounded; edges are mirrored.

    Args:
        plane: samples: height and width, both even.
        kernel: one of `KERNELS`.
        shift: offset of each new sample from the center of its 2x2 old samples, in old samples: right, down; each
            -0.5 or 0.
    """
    if kernel == "box":
        return _box(_box(plane, shift[0]).T, shift[1]).T
    height, width = plane.shape
    clip = clip_of([[plane]], vs.GRAYS)
    size = {"width": width // 2, "height": height // 2, "src_left": shift[0], "src_top": shift[1]}
    small = (
        clip.resize.Bicubic(**size, **CATMULL_ROM)
        if kernel == "catmull_rom"
        else clip.resize.Lanczos(**size, **LANCZOS3)
    )
    result: Floats = planes_of(small, 0)[0]
    return result


def _box(plane: Floats, shift: float) -> Floats:
    """Average along rows the two samples that a new one covers; if shifted by half, one sample and two halves."""
    first, second = plane[:, ::2], plane[:, 1::2]
    if shift == 0:
        return (first + second) * np.float32(0.5)
    before = np.concatenate([first[:, :1], second[:, :-1]], 1)
    return (before + 2 * first + second) * np.float32(0.25)


def halve_codes(codes: Bytes, kernel: str) -> Bytes:
    """Return 8-bit codes at half the size, rounded (halves to even) and clipped.

    Args:
        codes: 8-bit samples: height and width, both even.
        kernel: one of `KERNELS`.
    """
    # Computed on codes: with values in [0, 1], a mean halfway between two codes would suffer from float rounding.
    return np.clip(np.rint(halve(codes.astype(np.float32), kernel)), 0, 255).astype(np.uint8)
