"""Describes a clip's frames as a `FrameSpec` and checks later frames against it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import vapoursynth as vs

from vsanime.errors import VsanimeError
from vsanime.spec import ChromaLocation, Family, FrameSpec, PlaneFormat, Range, SampleType
from vsanime.video.advice import same_code, uniform_code
from vsanime.video.frameprops import read_all, read_integer

_FAMILIES = {vs.GRAY: Family.GRAY, vs.YUV: Family.YUV, vs.RGB: Family.RGB}
_UNSPECIFIED = 2
_LAST_MATRIX = 255  # of the codes in ITU-T H.273
_MOST_BITS = 16

# Players take an untagged picture of at most 576 lines and less than HD width for BT.601, any other for BT.709.
_SD_HEIGHT = 576
_HD_WIDTH = 1280
_BT709, _BT470BG, _ST170M = 1, 5, 6


def frame_spec(clip: vs.VideoNode) -> FrameSpec:
    """Return the facts about a clip's frames; see `first_frame`."""
    return first_frame(clip)[0]


def first_frame(clip: vs.VideoNode, name: str = "clip") -> tuple[FrameSpec, Mapping[str, Any]]:
    """Return the facts about a clip's frames, and the properties of the first frame that they come from.

    The frame is requested once, because rendering it may be slow.

    Args:
        clip: value given for the clip.
        name: name of the argument, for messages.

    Raises:
        VsanimeError: the value is not a clip, varies in format or size, lies in GPU memory, is interlaced, or has
            integers of more bits than the graphs read.
    """
    if not isinstance(clip, vs.VideoNode):
        raise VsanimeError(f"{name} is {type(clip).__name__}; a video clip is needed")
    if getattr(clip, "gpu_resident", False):
        raise VsanimeError("the clip's frames lie in GPU memory; bring them back with `clip.std.GPUDownload()` first")
    # A clip whose format varies has a format object with id 0, one whose size varies is 0 wide.
    if clip.format.id == 0 or 0 in (clip.width, clip.height):
        with clip.get_frame(0) as frame:
            guess = guess_matrix(frame.width, frame.height)
        varies = "format" if clip.format.id == 0 else "size"
        raise VsanimeError(
            f"the clip's {varies} varies; give all frames one {varies}, for example with {uniform_code(clip, guess)}"
        )
    form = plane_format(clip.format)
    if form.is_integer and form.bits > _MOST_BITS:
        raise VsanimeError(
            f"the clip has integers of {form.bits} bits, which VapourSynth's own filters do not convert; have its "
            f"source give 8 to {_MOST_BITS} bits, half or single float"
        )
    with clip.get_frame(0) as frame:
        props = read_all(frame.props)
    check_progressive(0, props)
    return spec_from_props(form, clip.width, clip.height, props), props


def plane_format(form: vs.VideoFormat) -> PlaneFormat:
    """Return a VapourSynth format as a `PlaneFormat`."""
    return PlaneFormat(
        family=_FAMILIES[form.color_family],
        sample_type=SampleType.INTEGER if form.sample_type == vs.INTEGER else SampleType.FLOAT,
        bits=form.bits_per_sample,
        subsampling_w=form.subsampling_w,
        subsampling_h=form.subsampling_h,
    )


def video_format(form: PlaneFormat) -> vs.VideoFormat:
    """Return the VapourSynth format of a `PlaneFormat`."""
    family = next(theirs for theirs, ours in _FAMILIES.items() if ours is form.family)
    sample = vs.INTEGER if form.is_integer else vs.FLOAT
    return vs.core.query_video_format(family, sample, form.bits, form.subsampling_w, form.subsampling_h)


def peak_of(form: vs.VideoFormat) -> float:
    """Return the largest sample value in full range, which is white in RGB: 1.0 for floats."""
    return 1.0 if form.sample_type == vs.FLOAT else float((1 << form.bits_per_sample) - 1)


def spec_from_props(form: PlaneFormat, width: int, height: int, props: Mapping[str, Any]) -> FrameSpec:
    """Return the facts about frames with these properties.

    Absent properties mean VapourSynth's defaults: limited-range YUV and gray, full-range RGB, left siting.

    Raises:
        VsanimeError: a property has a value that does not exist.
    """
    subsampled = form.subsampling_w > 0 or form.subsampling_h > 0
    default_range = Range.FULL if form.family is Family.RGB else Range.LIMITED
    return FrameSpec(
        format=form,
        width=width,
        height=height,
        range=_enum(props, "_Range", Range, default_range),
        matrix=_matrix(form, width, height, props),
        chroma_location=_enum(props, "_ChromaLocation", ChromaLocation, ChromaLocation.LEFT) if subsampled else None,
    )


def _enum[T: (Range, ChromaLocation)](props: Mapping[str, Any], name: str, kind: type[T], default: T) -> T:
    value = read_integer(props, name, default)
    try:
        return kind(value)
    except ValueError:
        known = ", ".join(f"{v.value} ({v.name.lower().replace('_', ' ')})" for v in kind)
        raise VsanimeError(
            f"the frame property {name} is {value}; it can be {known}: `clip.std.SetFrameProps({name}={int(default)})`"
        ) from None


def _matrix(form: PlaneFormat, width: int, height: int, props: Mapping[str, Any]) -> int | None:
    if form.family is Family.RGB:
        return None
    given = read_integer(props, "_Matrix", _UNSPECIFIED, most=_LAST_MATRIX)
    return given if given != _UNSPECIFIED else guess_matrix(width, height)


def guess_matrix(width: int, height: int) -> int:
    """Return the matrix that players assume for untagged video: 5 or 6 (BT.601) for SD sizes, 1 (BT.709) above."""
    if height > _SD_HEIGHT or width >= _HD_WIDTH:
        return _BT709
    return _BT470BG if height == _SD_HEIGHT else _ST170M


def check_progressive(number: int, props: Mapping[str, Any]) -> None:
    """Refuse an interlaced frame.

    Raises:
        VsanimeError: `_FieldBased` is 1 or 2, or is not a number.
    """
    fields = read_integer(props, "_FieldBased", 0)
    if fields:
        raise VsanimeError(
            f"frame {number} is marked interlaced (_FieldBased={fields}); deinterlace the clip first, "
            "or, if its frames are progressive after all, clear the mark with `clip.std.SetFieldBased(0)`"
        )


def check_same(number: int, props: Mapping[str, Any], spec: FrameSpec) -> None:
    """Refuse a frame whose properties mean something other than those of the first frame.

    Raises:
        VsanimeError: the frame is interlaced; its range, matrix or siting differs; or one of them is not a number.
    """
    check_progressive(number, props)
    try:
        found = spec_from_props(spec.format, spec.width, spec.height, props)
    except VsanimeError as error:
        raise VsanimeError(f"frame {number}: {error}") from None
    # Float samples mean the same in either range.
    values = {
        "_Range": (found.range, spec.range) if spec.format.is_integer else (None, None),
        "_Matrix": (found.matrix, spec.matrix),
        "_ChromaLocation": (found.chroma_location, spec.chroma_location),
    }
    for name, (there, first) in values.items():
        if there is not None and first is not None and there != first:
            code = same_code(name, int(first), int(there), guess_matrix(spec.width, spec.height))
            raise VsanimeError(
                f"frame {number} has {name}={int(there)} where the first frame has {int(first)}; one {name} for all "
                f"frames is needed: {code}"
            )
