"""Writes the VapourSynth code that error messages advise, complete, so that a user can paste it."""

from __future__ import annotations

import vapoursynth as vs

from vsanime.spec import Family

# Values of `_Matrix` that zimg converts without explicit transfer or primaries.
_CONVERTED = frozenset({1, 4, 5, 6, 7, 8, 9})
_FAMILIES = {vs.GRAY: "vs.GRAY", vs.YUV: "vs.YUV", vs.RGB: "vs.RGB"}


def format_code(form: vs.VideoFormat) -> str:
    """Return an expression for a format: a preset constant if there is one."""
    # VapourSynth spells gray as "Gray8" and "GRAY8".
    name = form.name.upper()
    if name in vs.PresetVideoFormat.__members__:
        return f"vs.{name}"
    sample = "vs.INTEGER" if form.sample_type == vs.INTEGER else "vs.FLOAT"
    family = _FAMILIES[vs.ColorFamily(form.color_family)]
    numbers = f"{form.bits_per_sample}, {form.subsampling_w}, {form.subsampling_h}"
    return f"vs.core.query_video_format({family}, {sample}, {numbers}).id"


def gray_code(family: Family) -> str:
    """Return code that extracts the luma of line art.

    Taking the first plane does not work: in RGB it is red, in which red lines vanish; in YUV without `_Range` it would
    be read with another range than it has.
    """
    return f"`clip.resize.Point(format=vs.GRAY8{', matrix_s=' + repr('709') if family is Family.RGB else ''})`"


def uniform_code(clip: vs.VideoNode, guess: int) -> str:
    """Return code that gives every frame of a clip the size and format of the first one.

    Args:
        clip: clip whose size or format varies.
        guess: `_Matrix` to assume for frames without that property.
    """
    arguments = []
    with clip.get_frame(0) as frame:
        form, tagged = frame.format, "_Matrix" in frame.props
        if 0 in (clip.width, clip.height):
            arguments.append(f"{frame.width}, {frame.height}")
        if clip.format.id == 0:
            arguments.append(f"format={format_code(form)}")
            if form.color_family != vs.RGB:
                arguments.append(f"matrix={guess}")
            if form.color_family != vs.RGB or tagged:
                arguments.append(f"matrix_in={guess}")
    return f"`clip.resize.Spline36({', '.join(arguments)})`"


def same_code(name: str, first: int, found: int, guess: int) -> str:
    """Return code that gives every frame of a clip the first frame's value of a property.

    Args:
        name: `_Range`, `_Matrix` or `_ChromaLocation`.
        first: value in the first frame.
        found: value in another frame.
        guess: `_Matrix` to assume for frames without that property.
    """
    convert = {
        "_Range": f"`clip.resize.Point(range={first})`",
        "_ChromaLocation": f"`clip.resize.Spline36(chromaloc={first})`",
    }
    if {first, found} <= _CONVERTED:
        convert["_Matrix"] = f"`clip.resize.Spline36(matrix={first}, matrix_in={guess})`"
    mark = f"set it with `clip.std.SetFrameProps({name}={first})` if the mark is wrong"
    return f"convert with {convert[name]}, or {mark}" if name in convert else mark


def conform_code(clip: vs.VideoNode, model: vs.VideoNode, guess: int) -> str:
    """Return code that converts a clip to the format, matrix, range and siting of another one.

    Args:
        clip: clip to be converted.
        model: clip with the required format.
        guess: `_Matrix` to assume for frames without that property.
    """
    arguments = [f"format={format_code(model.format)}"]
    if model.format.color_family != vs.RGB:
        with model.get_frame(0) as frame:
            props = dict(frame.props)
        matrix = int(props.get("_Matrix", vs.MATRIX_UNSPECIFIED))
        arguments.append(f"matrix={guess if matrix == vs.MATRIX_UNSPECIFIED else matrix}")
        said = {"range": "_Range", "chromaloc": "_ChromaLocation"}
        arguments += [f"{name}={int(props[prop])}" for name, prop in said.items() if prop in props]
    if clip.format.color_family != vs.RGB:
        arguments.append(f"matrix_in={guess}")
    return f"`clip.resize.Bicubic({', '.join(arguments)})`"
