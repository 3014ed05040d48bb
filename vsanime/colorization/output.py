"""Resolve the output format of colored frames, and convert to it by zimg with every property explicit."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import vapoursynth as vs

from vsanime.errors import VsanimeError, quote
from vsanime.pipeline.arguments import resolve_format
from vsanime.spec import ChromaLocation, Family, FrameSpec, PlaneFormat, Range
from vsanime.values import parse_text, parse_whole
from vsanime.video.clips import guess_matrix, plane_format, video_format

# Properties that describe colors. An output frame has those of its own colors and none of its line art's.
_COLOR_PROPS = (
    "_Matrix",
    "_Range",
    "_ColorRange",
    "_ChromaLocation",
    "_Transfer",
    "_Primaries",
    "_Alpha",
)
_KEPT = ("_Transfer", "_Primaries")
_MOST_BITS = 16
# Numbers of formats are unsigned 32-bit integers.
_FORMATS_END = 1 << 32
# Value of _Matrix on RGB.
_NO_MATRIX = 0


def rgb_of(spec: FrameSpec) -> FrameSpec:
    """Return the full-range RGB spec at the clip's depth.

    Half floats become single floats: nothing here computes in half precision.
    """
    form = replace(spec.format, family=Family.RGB, subsampling_w=0, subsampling_h=0)
    if not form.is_integer:
        form = replace(form, bits=32)
    return replace(spec, format=form, range=Range.FULL, matrix=None, chroma_location=None)


def resolve_output(format: int | vs.VideoFormat | None, depth: int | str | None, source: FrameSpec) -> FrameSpec:
    """Return the format and color properties of the output's frames.

    Args:
        format: VapourSynth format or its number; None for RGB.
        depth: depth of RGB output; None for that of the references.
        source: format and color properties of the references.

    Raises:
        VsanimeError: both are given, or the format does not exist, is gray, has more than 16 bits, or its chroma
            subsampling does not divide the frame's size.
    """
    if format is not None and depth is not None:
        raise VsanimeError(f"format={quote(format)} and depth={quote(depth)}; a format has its depth: give one of them")
    if format is not None:
        form = _asked(format, (source.width, source.height))
    else:
        form = resolve_format(depth, replace(source.format, family=Family.RGB, subsampling_w=0, subsampling_h=0))
    same_family = form.family is source.format.family
    if form.family is Family.RGB:
        kept = source.range if same_family else Range.FULL
        return replace(source, format=form, range=kept, matrix=None, chroma_location=None)
    subsampled = form.subsampling_w > 0 or form.subsampling_h > 0
    return replace(
        source,
        format=form,
        range=source.range if same_family else Range.LIMITED,
        matrix=source.matrix if same_family else guess_matrix(source.width, source.height),
        chroma_location=(source.chroma_location or ChromaLocation.LEFT) if subsampled else None,
    )


def _asked(format: Any, size: tuple[int, int]) -> PlaneFormat:
    found = _find_format(format)
    if found is None:
        raise VsanimeError(f"format={quote(format)}; a format such as vs.YUV420P10 is needed")
    if found.color_family not in (vs.RGB, vs.YUV):
        raise VsanimeError(f"format={found.name}; RGB or YUV is needed, as vs.YUV420P10")
    form = plane_format(found)
    if form.is_integer and form.bits > _MOST_BITS:
        raise VsanimeError(f"format={found.name}; 8 to {_MOST_BITS} bits, half or single float are needed")
    step = (1 << form.subsampling_w, 1 << form.subsampling_h)
    if any(side % each for side, each in zip(size, step, strict=True)):
        raise VsanimeError(
            f"format={found.name} has chroma for every {step[0]}x{step[1]} pixels, and {size[0]}x{size[1]} is no "
            "multiple of that; vs.YUV444P8 and RGB take any size"
        )
    return form


def _find_format(format: object) -> vs.VideoFormat | None:
    """Return the format given as VapourSynth's object, its number or its name; None if there is none."""
    if isinstance(format, vs.VideoFormat):
        return format
    number = parse_whole(format)
    if number is None:
        number = vs.PresetVideoFormat.__members__.get((parse_text(format) or "").upper())
    if number is None or not 0 < number < _FORMATS_END:
        return None
    try:
        found = vs.core.get_video_format(int(number))
    except vs.Error:
        return None
    return found if found.color_family != vs.UNDEFINED else None


def convert(clip: vs.VideoNode, before: FrameSpec, after: FrameSpec) -> vs.VideoNode:
    """Convert a clip to another format by zimg."""
    if before == after:
        return clip
    said: dict[str, int] = {"range_in": int(before.range), "range": int(after.range)}
    if before.matrix is not None:
        said["matrix_in"] = before.matrix
    if after.matrix is not None:
        said["matrix"] = after.matrix
    if before.chroma_location is not None:
        said["chromaloc_in"] = int(before.chroma_location)
    if after.chroma_location is not None:
        said["chromaloc"] = int(after.chroma_location)
    return clip.resize.Bicubic(format=video_format(after.format).id, **said)


def write_color_properties(clip: vs.VideoNode, spec: FrameSpec, colours: Mapping[str, Any]) -> vs.VideoNode:
    """Return `clip` with the color properties of its own frames instead of the line art's.

    Args:
        clip: new frames, with the properties of the line art.
        spec: format and color properties of the frames.
        colours: frame properties of the references, of which transfer and primaries are kept.
    """
    props = {name: colours[name] for name in _KEPT if name in colours}
    props |= {"_Range": int(spec.range), "_Matrix": _NO_MATRIX if spec.matrix is None else spec.matrix}
    if spec.chroma_location is not None:
        props["_ChromaLocation"] = int(spec.chroma_location)
    return clip.std.RemoveFrameProps(list(_COLOR_PROPS)).std.SetFrameProps(**props)
