"""Planes at half the size, by kernels whose names stand beside every figure.

Catmull-Rom and Lanczos are zimg's in float, as most clips were scaled; the box, which zimg lacks, is a mean.
Nothing here is shared with what networks are trained on.
"""

from __future__ import annotations

import numpy as np
import vapoursynth as vs

from vsanime.arrays import Bytes, Floats
from vsanime.bench.frames import clip_of, planes_of

KERNELS = ("box", "catmull_rom", "lanczos3")
# Catmull-Rom's cubic of Mitchell and Netravali.
CATMULL_ROM = {"filter_param_a": 0.0, "filter_param_b": 0.5}
LANCZOS3 = {"filter_param_a": 3.0}


def halve(plane: Floats, kernel: str, shift: tuple[float, float] = (0.0, 0.0)) -> Floats:
    """Half the size, not clipped and not rounded; edges are mirrored.

    Args:
        plane: height and width, both even.
        kernel: one of `KERNELS`.
        shift: of the new samples from the middle of their two by two old ones, in old samples: across, down. For
            chroma, -0.5 or 0.
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
    """The mean of the two samples that a new one covers, along rows; shifted by half, it covers one and two halves."""
    first, second = plane[:, ::2], plane[:, 1::2]
    if shift == 0:
        return (first + second) * np.float32(0.5)
    before = np.concatenate([first[:, :1], second[:, :-1]], 1)
    return (before + 2 * first + second) * np.float32(0.25)


def halve_codes(codes: Bytes, kernel: str) -> Bytes:
    """8-bit codes at half the size, rounded (halves to even) and clipped.

    Args:
        codes: height and width, both even.
        kernel: one of `KERNELS`.
    """
    # As codes, not as values in [0, 1], of which a mean that lies between two codes would be off by its own rounding.
    return np.clip(np.rint(halve(codes.astype(np.float32), kernel)), 0, 255).astype(np.uint8)
