"""Build encoder flags that describe what a clip's samples mean, because y4m carries none of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import vapoursynth as vs

from vsanime.errors import VsanimeError
from vsanime.spec import Family, FrameSpec, PlaneFormat, Range, SampleType
from vsanime.values import read_choice
from vsanime.video.advice import format_code
from vsanime.video.clips import frame_spec, video_format
from vsanime.video.errors import raises_vs_error
from vsanime.video.frameprops import read_all, read_integer, read_numbers

ENCODERS = ("x264", "x265", "ffmpeg")

# H.273 code points by the names that x264, x265 and ffmpeg share. Code 2, unspecified, is their default.
_MATRICES = {
    0: "gbr",
    1: "bt709",
    4: "fcc",
    5: "bt470bg",
    6: "smpte170m",
    7: "smpte240m",
    8: "ycgco",
    9: "bt2020nc",
    10: "bt2020c",
    11: "smpte2085",
    12: "chroma-derived-nc",
    13: "chroma-derived-c",
    14: "ictcp",
}
_PRIMARIES = {
    1: "bt709",
    4: "bt470m",
    5: "bt470bg",
    6: "smpte170m",
    7: "smpte240m",
    8: "film",
    9: "bt2020",
    10: "smpte428",
    11: "smpte431",
    12: "smpte432",
}
_TRANSFERS = {
    1: "bt709",
    4: "bt470m",
    5: "bt470bg",
    6: "smpte170m",
    7: "smpte240m",
    8: "linear",
    9: "log100",
    10: "log316",
    11: "iec61966-2-4",
    12: "bt1361e",
    13: "iec61966-2-1",
    14: "bt2020-10",
    15: "bt2020-12",
    16: "smpte2084",
    17: "smpte428",
    18: "arib-std-b67",
}
_FFMPEG_SITING = ("left", "center", "topleft", "top", "bottomleft", "bottom")

# ST 2086 counts chromaticity in steps of 0.00002 and luminance in steps of 0.0001 candela per square meter.
_CHROMATICITY_STEPS = 50_000
_LUMINANCE_STEPS = 10_000
# Depths that the programs encode. By default x264 converts its input to 8-bit 4:2:0, and x265 takes its build's depth.
_DEPTHS = {"x264": (8, 10), "x265": (8, 10, 12)}
_X264_LAYOUTS = {(1, 1): "i420", (1, 0): "i422", (0, 0): "i444"}


@dataclass(frozen=True)
class Signal:
    """What an encoder needs to know about the samples of a clip.

    Attributes:
        spec: format, size, range, matrix and siting.
        primaries: H.273 color primaries, None where unspecified.
        transfer: H.273 transfer characteristics, None where unspecified.
        sample_aspect: shape of a pixel as (width, height), None where unspecified.
        mastering_display: ST 2086 metadata as x264 and x265 write it, None where absent.
        content_light: maximum and frame-average light level, such as "1000,400", None where absent.
    """

    spec: FrameSpec
    primaries: int | None
    transfer: int | None
    sample_aspect: tuple[int, int] | None
    mastering_display: str | None
    content_light: str | None


@raises_vs_error
def encoder_args(clip: vs.VideoNode, encoder: str = "x264") -> list[str]:
    """Return command-line flags by which an encoder that reads the clip as y4m records what its samples mean.

    They are read from the first frame: matrix, primaries, transfer, range, chroma siting, sample aspect ratio, and
    HDR10 metadata where the frame has any. What the frame leaves open is resolved as every filter here resolves it.

    Args:
        clip: clip to be encoded, GRAY or YUV, 8 to 16 bits, progressive.
        encoder: "x264" or "x265" for these programs, "ffmpeg" for the output options of ffmpeg. ffmpeg has no option
            of its own for HDR10 metadata: give its libx265 `-x265-params` with what "x265" returns.

    Returns:
        The arguments, to be placed before the file names. They include the output depth and, for x264, the chroma
        layout, because the programs would otherwise reduce what they get.

    Raises:
        vs.Error: the encoder is unknown, or encoders do not accept the clip.

    Example:
        ```python
        flags = vsanime.encoder_args(clip, "x265")
        subprocess.run(["x265", "--y4m", *flags, "-o", "out.hevc", "-"], stdin=pipe)
        ```
    """
    encoder = read_choice("encoder", encoder, ENCODERS)
    signal = read_signal(clip)
    if encoder == "x264":
        return _x264(signal)
    return _x265(signal) if encoder == "x265" else ffmpeg_args(signal)


def read_signal(clip: vs.VideoNode) -> Signal:
    """Read what a clip's samples mean from its first frame.

    Raises:
        VsanimeError: the clip is RGB, float or of variable format, or a property has a value without a meaning.
    """
    spec = frame_spec(clip)
    if spec.format.family is Family.RGB:
        raise VsanimeError(
            "the clip is RGB; convert it to YUV first, for example with "
            "`clip.resize.Spline36(format=vs.YUV444P10, matrix_s='709')`"
        )
    if not spec.format.is_integer:
        form = format_code(video_format(replace(spec.format, sample_type=SampleType.INTEGER, bits=10)))
        raise VsanimeError(
            "the clip is float; encoders take integers, so end the filter with depth=10, or convert it with "
            f"`clip.resize.Point(format={form})`"
        )
    with clip.get_frame(0) as frame:
        props = read_all(frame.props)
        _check_code("_Matrix", spec.matrix, _MATRICES)
        return Signal(
            spec=spec,
            primaries=_code("_Primaries", props, _PRIMARIES),
            transfer=_code("_Transfer", props, _TRANSFERS),
            sample_aspect=_sample_aspect(props),
            mastering_display=_mastering_display(props),
            content_light=_content_light(props),
        )


def ffmpeg_args(signal: Signal) -> list[str]:
    """Return ffmpeg's output options for the first video stream.

    Properties that frames can carry are set by filters: newer versions convert to plain output options, or ignore them.
    """
    spec = signal.spec
    params = ["range=" + ("full" if spec.range is Range.FULL else "limited")]
    if spec.matrix is not None:
        params.append("colorspace=" + _MATRICES[spec.matrix])
    if signal.primaries is not None:
        params.append("color_primaries=" + _PRIMARIES[signal.primaries])
    if signal.transfer is not None:
        params.append("color_trc=" + _TRANSFERS[signal.transfer])
    filters = "setparams=" + ":".join(params)
    if signal.sample_aspect is not None:
        filters += ",setsar={}/{}".format(*signal.sample_aspect)
    siting = _siting(spec)
    siting_args = [] if siting is None else ["-chroma_sample_location:v:0", _FFMPEG_SITING[siting]]
    return ["-filter:v:0", filters, *siting_args]


def _x264(signal: Signal) -> list[str]:
    spec = signal.spec
    # Without the input's range x264 assumes that y4m is limited, and converts to what --range asks for.
    range_name = "pc" if spec.range is Range.FULL else "tv"
    args = ["--input-range", range_name, "--range", range_name, *_shared(signal)]
    if signal.mastering_display:
        args += ["--mastering-display", signal.mastering_display]
    if signal.content_light:
        args += ["--cll", signal.content_light]
    args += _depth(spec, "x264")
    if spec.format.family is Family.YUV:
        layout = (spec.format.subsampling_w, spec.format.subsampling_h)
        if layout not in _X264_LAYOUTS:
            raise VsanimeError(
                "x264 takes YUV 4:2:0, 4:2:2 and 4:4:4; convert the clip to one of them, for example with "
                f"`clip.resize.Spline36(format={format_code(video_format(_as_420(spec.format)))})`"
            )
        args += ["--output-csp", _X264_LAYOUTS[layout]]
    else:
        args += ["--output-csp", "i400"]
    return args


def _as_420(form: PlaneFormat) -> PlaneFormat:
    return replace(form, subsampling_w=1, subsampling_h=1)


def _x265(signal: Signal) -> list[str]:
    args = ["--range", "full" if signal.spec.range is Range.FULL else "limited", *_shared(signal)]
    if signal.mastering_display:
        args += ["--master-display", signal.mastering_display]
    if signal.content_light:
        args += ["--max-cll", signal.content_light]
    return args + _depth(signal.spec, "x265")


def _depth(spec: FrameSpec, encoder: str) -> list[str]:
    """Return the flags for the smallest lossless depth, or for the largest; none at 8 bits, which is the default."""
    depths = _DEPTHS[encoder]
    depth = next((depth for depth in depths if depth >= spec.format.bits), depths[-1])
    return [] if depth == depths[0] else ["--output-depth", str(depth)]


def _shared(signal: Signal) -> list[str]:
    """Return the options that x264 and x265 share."""
    args = []
    if signal.spec.matrix is not None:
        args += ["--colormatrix", _MATRICES[signal.spec.matrix]]
    if signal.primaries is not None:
        args += ["--colorprim", _PRIMARIES[signal.primaries]]
    if signal.transfer is not None:
        args += ["--transfer", _TRANSFERS[signal.transfer]]
    if (siting := _siting(signal.spec)) is not None:
        args += ["--chromaloc", str(siting)]
    if signal.sample_aspect is not None:
        args += ["--sar", "{}:{}".format(*signal.sample_aspect)]
    return args


def _siting(spec: FrameSpec) -> int | None:
    """Return the siting where the stream can store it: H.264 and H.265 have the field for 4:2:0 only."""
    is_420 = (spec.format.subsampling_w, spec.format.subsampling_h) == (1, 1)
    return int(spec.chroma_location) if is_420 and spec.chroma_location is not None else None


def _code(name: str, props: Mapping[str, Any], names: Mapping[int, str]) -> int | None:
    value = read_integer(props, name, 2)
    return None if value == 2 else _check_code(name, value, names)


def _check_code(name: str, value: int | None, names: Mapping[int, str]) -> int | None:
    if value is not None and value not in names:
        known = ", ".join(f"{code} ({text})" for code, text in names.items())
        raise VsanimeError(
            f"the frame property {name} is {value}, which encoders have no name for; it can be {known}: if the mark is "
            f"wrong, set it with `clip.std.SetFrameProps({name}=1)`"
        )
    return value


def _sample_aspect(props: Mapping[str, Any]) -> tuple[int, int] | None:
    across, down = read_integer(props, "_SARNum", 0), read_integer(props, "_SARDen", 0)
    return (across, down) if across > 0 and down > 0 else None


def _mastering_display(props: Mapping[str, Any]) -> str | None:
    xs, ys = read_numbers(props, "MasteringDisplayPrimariesX"), read_numbers(props, "MasteringDisplayPrimariesY")
    white = read_numbers(props, "MasteringDisplayWhitePointX") + read_numbers(props, "MasteringDisplayWhitePointY")
    light = read_numbers(props, "MasteringDisplayMaxLuminance") + read_numbers(props, "MasteringDisplayMinLuminance")
    if len(xs) != 3 or len(ys) != 3 or len(white) != 2 or len(light) != 2:
        return None
    red, green, blue = (_pair(x, y, _CHROMATICITY_STEPS) for x, y in zip(xs, ys, strict=True))
    white_point = _pair(white[0], white[1], _CHROMATICITY_STEPS)
    return f"G{green}B{blue}R{red}WP{white_point}L{_pair(light[0], light[1], _LUMINANCE_STEPS)}"


def _pair(first: float, second: float, steps: int) -> str:
    return f"({round(first * steps)},{round(second * steps)})"


def _content_light(props: Mapping[str, Any]) -> str | None:
    if "ContentLightLevelMax" not in props:
        return None
    highest, average = (read_integer(props, f"ContentLightLevel{name}", 0) for name in ("Max", "Average"))
    return f"{highest},{average}"
