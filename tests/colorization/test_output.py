"""Formats that colored frames end in, and what zimg is told on the way."""

from __future__ import annotations

from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import pytest
import vapoursynth as vs

from tests.support.clips import format_of, noise_clip, props_of
from vsanime.colorization.output import convert, resolve_output, rgb_of, write_color_properties
from vsanime.errors import VsanimeError
from vsanime.spec import ChromaLocation, Family, FrameSpec, PlaneFormat, Range, SampleType

INTEGER, FLOAT = SampleType.INTEGER, SampleType.FLOAT
YUV = FrameSpec(PlaneFormat(Family.YUV, INTEGER, 10, 1, 1), 64, 36, Range.FULL, 9, ChromaLocation.TOP)
RGB = FrameSpec(PlaneFormat(Family.RGB, INTEGER, 8), 64, 36, Range.LIMITED, None, None)


@pytest.mark.parametrize(
    ("form", "expected"),
    [
        (YUV.format, PlaneFormat(Family.RGB, INTEGER, 10)),
        (PlaneFormat(Family.YUV, FLOAT, 16, 1, 0), PlaneFormat(Family.RGB, FLOAT, 32)),
        (PlaneFormat(Family.RGB, FLOAT, 32), PlaneFormat(Family.RGB, FLOAT, 32)),
        (PlaneFormat(Family.RGB, INTEGER, 16), PlaneFormat(Family.RGB, INTEGER, 16)),
    ],
)
def test_colors_are_made_in_full_rgb_that_can_be_computed_with(form: PlaneFormat, expected: PlaneFormat) -> None:
    assert rgb_of(replace(YUV, format=form)) == FrameSpec(expected, 64, 36, Range.FULL, None, None)


def form(family: Family, bits: int, across: int = 0, down: int = 0) -> PlaneFormat:
    return PlaneFormat(family, FLOAT if bits == 32 else INTEGER, bits, across, down)


@pytest.mark.parametrize(
    ("source", "format", "depth", "expected"),
    [
        (YUV, None, None, FrameSpec(form(Family.RGB, 10), 64, 36, Range.FULL, None, None)),
        (YUV, None, 16, FrameSpec(form(Family.RGB, 16), 64, 36, Range.FULL, None, None)),
        (RGB, None, None, FrameSpec(form(Family.RGB, 8), 64, 36, Range.LIMITED, None, None)),
        (RGB, vs.RGB48, None, FrameSpec(form(Family.RGB, 16), 64, 36, Range.LIMITED, None, None)),
        (YUV, vs.RGB24, None, FrameSpec(form(Family.RGB, 8), 64, 36, Range.FULL, None, None)),
        (YUV, vs.YUV420P8, None, FrameSpec(form(Family.YUV, 8, 1, 1), 64, 36, Range.FULL, 9, ChromaLocation.TOP)),
        (YUV, vs.YUV444P8, None, FrameSpec(form(Family.YUV, 8), 64, 36, Range.FULL, 9, None)),
        (RGB, vs.YUV422P8, None, FrameSpec(form(Family.YUV, 8, 1, 0), 64, 36, Range.LIMITED, 6, ChromaLocation.LEFT)),
        (RGB, vs.YUV440P8, None, FrameSpec(form(Family.YUV, 8, 0, 1), 64, 36, Range.LIMITED, 6, ChromaLocation.LEFT)),
        (replace(RGB, width=1280), vs.YUV444PS, None,
         FrameSpec(form(Family.YUV, 32), 1280, 36, Range.LIMITED, 1, None)),
        (YUV, "yuv420p8", None, FrameSpec(form(Family.YUV, 8, 1, 1), 64, 36, Range.FULL, 9, ChromaLocation.TOP)),
        (YUV, int(vs.YUV420P16), None,
         FrameSpec(form(Family.YUV, 16, 1, 1), 64, 36, Range.FULL, 9, ChromaLocation.TOP)),
    ],
)  # fmt: skip
def test_output_is_what_is_asked_for_with_the_references_meaning(
    source: FrameSpec, format: Any, depth: int | None, expected: FrameSpec
) -> None:
    assert resolve_output(format, depth, source) == expected


def test_formats_may_be_objects() -> None:
    assert resolve_output(format_of("YUV420P8"), None, YUV) == resolve_output(vs.YUV420P8, None, YUV)


@pytest.mark.parametrize(
    ("format", "depth", "message"),
    [
        (vs.RGB24, 8, "; a format has its depth: give one of them$"),
        (0, None, r"^format=0; a format such as vs\.YUV420P10 is needed$"),
        (1, None, "^format=1; a format such as"),
        (-1, None, "^format=-1; a format such as"),
        (1 << 32, None, "^format=4294967296; a format such as"),
        (1 << 40, None, "^format=.*; a format such as"),
        ("yuv", None, "^format='yuv'; a format such as"),
        (None, 7, "^depth=7;"),
        (vs.GRAY8, None, "^format=Gray8; RGB or YUV is needed"),
        (
            format_of("444P8").replace(bits_per_sample=17),
            None,
            "^format=YUV444P17; 8 to 16 bits, half or single float are",
        ),
        (vs.YUV410P8, None, "^format=YUV410P8 has chroma for every 4x4 pixels, and 62x36 is no multiple"),
        (vs.YUV411P8, None, "^format=YUV411P8 has chroma for every 4x1 pixels, and 62x36 is"),
    ],
)
def test_formats_that_cannot_be_made_are_refused(format: Any, depth: int | None, message: str) -> None:
    with pytest.raises(VsanimeError, match=message):
        resolve_output(format, depth, replace(YUV, width=62))


@pytest.mark.parametrize(
    ("name", "size", "fits"), [("420P8", (62, 36), True), ("420P8", (62, 35), False), ("440P8", (61, 36), True),
                              ("422P8", (61, 36), False), ("444P16", (61, 35), True), ("422P8", (62, 35), True)]
)  # fmt: skip
def test_chroma_has_to_go_into_the_frame(name: str, size: tuple[int, int], fits: bool) -> None:
    source = replace(RGB, width=size[0], height=size[1])
    if fits:
        assert resolve_output(format_of(name), None, source).format.bits in (8, 16)
    else:
        with pytest.raises(VsanimeError, match="is no multiple of that"):
            resolve_output(format_of(name), None, source)


@pytest.mark.parametrize(
    ("before", "after", "said"),
    [
        (RGB, YUV, {"range_in": 0, "range": 1, "matrix": 9, "chromaloc": 3}),
        (YUV, RGB, {"range_in": 1, "range": 0, "matrix_in": 9, "chromaloc_in": 3}),
        (YUV, replace(YUV, range=Range.LIMITED, matrix=1, chroma_location=None),
         {"range_in": 1, "range": 0, "matrix_in": 9, "matrix": 1, "chromaloc_in": 3}),
    ],
)  # fmt: skip
def test_nothing_is_left_to_be_guessed(before: FrameSpec, after: FrameSpec, said: dict[str, int]) -> None:
    asked: dict[str, Any] = {}

    def bicubic(**options: Any) -> str:
        asked.update(options)
        return "converted"

    clip: Any = SimpleNamespace(resize=SimpleNamespace(Bicubic=bicubic))
    assert convert(clip, before, before) is clip
    assert convert(clip, before, after) == "converted"
    assert vs.core.get_video_format(asked.pop("format")).bits_per_sample == after.format.bits
    assert asked == said


def test_frames_tell_of_their_own_colors_alone() -> None:
    line = noise_clip("GRAY8", 16, 12, own=1, _Matrix=2, _Transfer=3, _Primaries=4, _ChromaLocation=5, _Range=0)
    rgb = props_of(write_color_properties(line, RGB, {"_Transfer": 13, "_Matrix": 7, "other": 8}))
    names = ("own", "_Matrix", "_Transfer", "_Primaries", "_ChromaLocation", "_Range", "other")
    assert [rgb.get(name) for name in names] == [1, 0, 13, None, None, 0, None]
    yuv = props_of(write_color_properties(line, YUV, {"_Transfer": 13, "_Primaries": 9}))
    assert [yuv.get(name) for name in names] == [1, 9, 13, 9, 3, 1, None]
