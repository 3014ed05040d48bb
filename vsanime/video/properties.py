"""Writes the frame properties of output clips explicitly, even where the source relied on defaults."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from fractions import Fraction
from typing import Any

import vapoursynth as vs

from vsanime.coding import known_matrix
from vsanime.spec import Family, FrameSpec
from vsanime.video.clips import guess_matrix
from vsanime.video.frameprops import read_integer

# A width that is off by less than this results from rounding to whole chroma samples.
_ROUNDING = 2
_MOST_ASPECT = 1 << 31


def make_properties(spec: FrameSpec) -> dict[str, int]:
    """Return range and matrix as frame properties."""
    return {"_Range": int(spec.range)} | ({} if spec.matrix is None else {"_Matrix": spec.matrix})


def resolve_gray_matrix(spec: FrameSpec) -> FrameSpec:
    """Return a spec whose matrix is known; for gray, where it only weighs equal channels, replace an unknown one."""
    if spec.format.family is Family.GRAY and not known_matrix(spec.matrix):
        return replace(spec, matrix=guess_matrix(spec.width, spec.height))
    return spec


def write_gray_matrix(clip: vs.VideoNode, spec: FrameSpec) -> vs.VideoNode:
    """Write the matrix that `resolve_gray_matrix` chose onto a gray clip's frames, which else would differ from `spec`.

    Args:
        clip: source clip; returned unchanged unless it is gray.
        spec: facts that `resolve_gray_matrix` returned for the clip.
    """
    return clip.std.SetFrameProps(_Matrix=spec.matrix) if spec.format.family is Family.GRAY else clip


def write_properties(clip: vs.VideoNode, spec: FrameSpec, aspect: dict[str, int] | None = None) -> vs.VideoNode:
    """Return the clip with range, matrix and siting set on its frames.

    Args:
        clip: new frames.
        spec: facts about the source's frames; without a siting `_ChromaLocation` is removed, except from RGB.
        aspect: properties of a new sample aspect ratio, or None to keep the source's.
    """
    props = make_properties(spec) | (aspect or {})
    if spec.chroma_location is not None:
        props["_ChromaLocation"] = int(spec.chroma_location)
    elif spec.format.family is not Family.RGB:
        clip = clip.std.RemoveFrameProps(["_ChromaLocation"])
    return clip.std.SetFrameProps(**props)


def sample_aspect(props: Mapping[str, Any], spec: FrameSpec, size: tuple[int, int]) -> dict[str, int]:
    """Return the sample aspect ratio, as frame properties, of an output that changes the picture's proportions.

    The result is empty if the proportions stay or the source has no ratio.

    Raises:
        VsanimeError: the source's ratio is not a pair of numbers.
    """
    if abs(spec.width * size[1] / spec.height - size[0]) < _ROUNDING:
        return {}
    old = [read_integer(props, name, 0) for name in ("_SARNum", "_SARDen")]
    if min(old) <= 0:
        return {}
    # Displays cannot show finer differences, and a property holds 63 bits.
    new = (Fraction(*old) * Fraction(spec.width * size[1], spec.height * size[0])).limit_denominator(_MOST_ASPECT)
    if not 0 < new < _MOST_ASPECT:
        return {}
    return {"_SARNum": new.numerator, "_SARDen": new.denominator}
