"""What a clip's format and properties say of its frames, and which frames fit; `test_properties` has whole filters."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import Any

import pytest
import vapoursynth as vs

from tests.support.clips import format_of, noise_clip
from vsanime.errors import VsanimeError
from vsanime.spec import ChromaLocation, Family, FrameSpec, PlaneFormat, Range, SampleType
from vsanime.video.clips import (
    check_progressive,
    check_same,
    first_frame,
    frame_spec,
    guess_matrix,
    peak_of,
    plane_format,
    spec_from_props,
    video_format,
)
from vsanime.video.frameprops import describe_value, read_all, read_integer, read_numbers
from vsanime.video.scenes import is_marked, marked_starts

INTEGER, FLOAT = SampleType.INTEGER, SampleType.FLOAT
YUV420P8 = PlaneFormat(Family.YUV, INTEGER, 8, 1, 1)


@pytest.mark.parametrize(
    ("size", "matrix"),
    [
        ((720, 480), 6),
        ((720, 575), 6),
        ((720, 576), 5),
        ((1279, 576), 5),
        ((1280, 576), 1),
        ((720, 577), 1),
        ((1280, 480), 1),
        ((1279, 480), 6),
        ((1, 1), 6),
    ],
)
def test_matrix_of_untagged_video_goes_by_its_size(size: tuple[int, int], matrix: int) -> None:
    assert guess_matrix(*size) == matrix
    assert spec_from_props(YUV420P8, *size, {}).matrix == matrix
    assert spec_from_props(YUV420P8, *size, {"_Matrix": 2}).matrix == matrix


@pytest.mark.parametrize(
    ("name", "form", "peak"),
    [
        ("GRAY8", PlaneFormat(Family.GRAY, INTEGER, 8), 255.0),
        ("YUV420P10", PlaneFormat(Family.YUV, INTEGER, 10, 1, 1), 1023.0),
        ("YUV422P16", PlaneFormat(Family.YUV, INTEGER, 16, 1, 0), 65535.0),
        ("440P8", PlaneFormat(Family.YUV, INTEGER, 8, 0, 1), 255.0),
        ("410P8", PlaneFormat(Family.YUV, INTEGER, 8, 2, 2), 255.0),
        ("RGBH", PlaneFormat(Family.RGB, FLOAT, 16), 1.0),
        ("GRAYS", PlaneFormat(Family.GRAY, FLOAT, 32), 1.0),
    ],
)
def test_formats_are_plain_facts_and_back(name: str, form: PlaneFormat, peak: float) -> None:
    assert plane_format(format_of(name)) == form
    assert video_format(form).id == format_of(name).id
    assert peak_of(format_of(name)) == peak


@pytest.mark.parametrize(
    ("form", "props", "expected"),
    [
        (YUV420P8, {}, (Range.LIMITED, 6, ChromaLocation.LEFT)),
        (replace(YUV420P8, subsampling_h=0), {}, (Range.LIMITED, 6, ChromaLocation.LEFT)),
        (replace(YUV420P8, subsampling_w=0), {}, (Range.LIMITED, 6, ChromaLocation.LEFT)),
        (replace(YUV420P8, subsampling_w=0, subsampling_h=0), {"_ChromaLocation": 2}, (Range.LIMITED, 6, None)),
        (YUV420P8, {"_Range": 1, "_Matrix": 9, "_ChromaLocation": 5}, (Range.FULL, 9, ChromaLocation.BOTTOM)),
        (YUV420P8, {"_Range": 0, "_Matrix": 0}, (Range.LIMITED, 0, ChromaLocation.LEFT)),
        (YUV420P8, {"_Matrix": 255}, (Range.LIMITED, 255, ChromaLocation.LEFT)),
        (PlaneFormat(Family.RGB, INTEGER, 8), {"_Matrix": 9}, (Range.FULL, None, None)),
        (PlaneFormat(Family.RGB, INTEGER, 8), {"_Range": 0}, (Range.LIMITED, None, None)),
        (PlaneFormat(Family.GRAY, INTEGER, 8), {}, (Range.LIMITED, 6, None)),
    ],
)
def test_properties_are_resolved(
    form: PlaneFormat, props: dict[str, int], expected: tuple[Range, int | None, ChromaLocation | None]
) -> None:
    spec = spec_from_props(form, 64, 48, props)
    assert (spec.format, spec.width, spec.height) == (form, 64, 48)
    assert (spec.range, spec.matrix, spec.chroma_location) == expected


@pytest.mark.parametrize(
    ("props", "message"),
    [
        ({"_Range": 2}, "the frame property _Range is 2; it can be 0 (limited), 1 (full): "
                        "`clip.std.SetFrameProps(_Range=0)`"),
        ({"_ChromaLocation": 6}, "the frame property _ChromaLocation is 6; it can be 0 (left), 1 (center), 2 "
                                 "(top left), 3 (top), 4 (bottom left), 5 (bottom): "
                                 "`clip.std.SetFrameProps(_ChromaLocation=0)`"),
        ({"_Matrix": 256}, "the frame property _Matrix is 256; a number of at most 255 is needed"),
    ],
)  # fmt: skip
def test_values_that_mean_nothing_are_refused(props: dict[str, int], message: str) -> None:
    with pytest.raises(VsanimeError, match=f"^{re.escape(message)}$"):
        spec_from_props(YUV420P8, 64, 48, props)


def test_a_clip_is_what_its_first_frame_is() -> None:
    clip = noise_clip("YUV420P10", 32, 24, frames=2, _Matrix=9, own=3)
    spec, props = first_frame(clip)
    assert spec == FrameSpec(plane_format(clip.format), 32, 24, Range.LIMITED, 9, ChromaLocation.LEFT)
    assert frame_spec(clip) == spec
    assert (props["_Matrix"], props["own"]) == (9, 3)


def test_what_is_no_clip_of_one_kind_is_refused() -> None:
    small, large = noise_clip("GRAY8", 16, 16), noise_clip("GRAY8", 32, 16)
    deep = noise_clip("GRAY16", 16, 16)
    many = vs.core.std.BlankClip(format=vs.core.query_video_format(vs.GRAY, vs.INTEGER, 17).id, width=16, height=16)
    splice = vs.core.std.Splice
    for clip, message in (
        ("a.mkv", "^clip is str; a video clip is needed$"),
        (splice([small, large], mismatch=True), "^the clip's size varies; give all frames one size,"),
        (splice([small, deep], mismatch=True), "^the clip's format varies; give all frames one format,"),
        (many, "^the clip has integers of 17 bits, .* 8 to 16 bits, half or single float$"),
        (small.std.SetFrameProps(_FieldBased=2), r"^frame 0 is marked interlaced \(_FieldBased=2\); "),
    ):
        with pytest.raises(VsanimeError, match=message):
            first_frame(clip)  # type: ignore[arg-type]  # what is refused
    with pytest.raises(VsanimeError, match=r"^lineart is NoneType; a video"):
        first_frame(None, "lineart")  # type: ignore[arg-type]  # what is refused
    wide = splice([noise_clip("YUV420P8", 1280, 8), noise_clip("YUV444P8", 64, 8)], mismatch=True)
    with pytest.raises(VsanimeError, match=r"1280, 8, format=vs\.YUV420P8, matrix=1, matrix_in=1\)`$"):
        first_frame(wide)  # as players take the first frame
    assert first_frame(deep)[0].format.bits == 16
    floats = vs.core.std.BlankClip(format=vs.GRAYS, width=16, height=16)
    assert first_frame(floats)[0].format.bits == 32


@pytest.mark.parametrize("fields", [None, 0, 1, 2])
def test_interlaced_frames_are_refused(fields: int | None) -> None:
    props = {} if fields is None else {"_FieldBased": fields}
    if not fields:
        check_progressive(7, props)
        return
    with pytest.raises(VsanimeError, match=rf"^frame 7 is marked interlaced \(_FieldBased={fields}\)"):
        check_progressive(7, props)


SPEC = spec_from_props(YUV420P8, 64, 48, {"_Range": 0, "_Matrix": 9, "_ChromaLocation": 0})


@pytest.mark.parametrize(
    ("spec", "props", "message"),
    [
        (SPEC, {"_Matrix": 9}, None),
        (SPEC, {"_Matrix": 9, "_Range": 1}, "frame 3 has _Range=1 where the first frame has 0; one _Range for all"),
        (SPEC, {}, "frame 3 has _Matrix=6 where the first frame has 9; one _Matrix for all"),
        (SPEC, {"_Matrix": 9, "_ChromaLocation": 1}, "frame 3 has _ChromaLocation=1 where the first frame has 0;"),
        (SPEC, {"_Matrix": 9, "_FieldBased": 1}, "frame 3 is marked interlaced"),
        (SPEC, {"_Range": 7}, "frame 3: the frame property _Range is 7"),
        (replace(SPEC, format=replace(YUV420P8, sample_type=FLOAT, bits=32)), {"_Matrix": 9, "_Range": 1}, None),
        (replace(SPEC, matrix=None), {"_Matrix": 5}, None),
        (replace(SPEC, chroma_location=None), {"_Matrix": 9, "_ChromaLocation": 3}, None),
    ],
)
def test_frames_mean_what_the_first_one_does(spec: FrameSpec, props: dict[str, int], message: str | None) -> None:
    if message is None:
        check_same(3, props, spec)
        return
    with pytest.raises(VsanimeError, match=f"^{message}"):
        check_same(3, props, spec)


@pytest.mark.parametrize(
    ("value", "most", "expected"),
    [(5, 5, 5), (-5, 5, -5), (True, 5, 1), (6, 5, None), (-6, 5, None), (0, 0, 0), (1, 0, None), (1.0, 5, None)],
)
def test_whole_numbers_among_properties_have_a_limit_each_way(value: Any, most: int, expected: int | None) -> None:
    if expected is None:
        with pytest.raises(VsanimeError, match=r"^the frame property x is "):
            read_integer({"x": value}, "x", 0, most=most)
    else:
        assert read_integer({"x": value}, "x", 0, most=most) == expected


def test_whole_numbers_have_31_bits_where_nothing_else_is_said() -> None:
    top = (1 << 31) - 1
    assert [read_integer({"x": sign * top}, "x", 0) for sign in (1, -1)] == [top, -top]
    for value in (top + 1, -top - 1):
        with pytest.raises(
            VsanimeError, match=f"^the frame property x is {value}; a number of at most {top} is needed"
        ):
            read_integer({"x": value}, "x", 0)
    assert read_integer({}, "x", 7) == 7


@pytest.mark.parametrize(
    ("value", "numbers"),
    [
        (3, [3.0]),
        ([1, 0.5], [1.0, 0.5]),
        ((2,), [2.0]),
        ([], []),
        (float("inf"), None),
        ([0.0, float("nan")], None),
        ([1, "2"], None),
        ("2", None),
    ],
)
def test_numbers_among_properties_are_finite(value: Any, numbers: list[float] | None) -> None:
    assert read_numbers({}, "x") == []
    if numbers is None:
        with pytest.raises(VsanimeError, match=r"^the frame property x is .*; finite numbers are needed$"):
            read_numbers({"x": value}, "x")
    else:
        assert read_numbers({"x": value}, "x") == numbers


@pytest.mark.parametrize(
    ("value", "words"),
    [
        ("a" * 40, f"the text '{'a' * 40}'"),
        ("a" * 41, f"the text '{'a' * 40}'..."),
        (b"b" * 41, f"the text b'{'b' * 40}'..."),
        ([1, 2], "a list of 2"),
        ((1,), "a list of 1"),
        (1.25, "the number 1.25"),
        (None, "a NoneType"),
    ],
)
def test_values_are_described_in_a_few_words(value: object, words: str) -> None:
    assert describe_value(value) == words


def test_a_range_that_could_not_be_read_is_told() -> None:
    assert read_all({"_Range": 1, "own": "x"}) == {"_Range": 1, "own": "x"}
    with pytest.raises(VsanimeError, match=r"^the frame property _ColorRange is no whole number; set _Range"):
        read_all({"_ColorRange": "full"})


def marked(marks: list[dict[str, Any]]) -> vs.VideoNode:
    blank = vs.core.std.BlankClip(format=vs.GRAY8, width=4, height=4, length=len(marks))

    def mark(n: int, f: vs.VideoFrame) -> vs.VideoFrame:
        frame = f.copy()
        for name, value in marks[n].items():
            frame.props[name] = value
        return frame

    return blank.std.ModifyFrame(blank, mark)


BEGIN, END = {"_SceneChangePrev": 1}, {"_SceneChangeNext": 1}
NO: dict[str, Any] = {"_SceneChangePrev": 0, "_SceneChangeNext": 0}


@pytest.mark.parametrize(
    ("marks", "starts"),
    [
        ([{}, BEGIN], None),
        ([NO], [0]),
        ([BEGIN, NO, BEGIN], [0, 2]),
        ([END, NO, NO], [0, 1]),
        ([NO, END, BEGIN, {}, BEGIN], [0, 2, 4]),
        ([NO, END, END, NO], [0, 2, 3]),
        ([NO, NO, END], [0]),
        ([{"_SceneChangeNext": 0}, {}, BEGIN], [0, 2]),
    ],
)
def test_scenes_begin_at_marks_of_either_kind(marks: list[dict[str, Any]], starts: list[int] | None) -> None:
    assert marked_starts(marked(marks)) == starts
    assert is_marked(marked(marks)) == bool(marks[0])


def test_marks_that_are_no_numbers_are_told_with_their_frame() -> None:
    with pytest.raises(VsanimeError, match=r"^frame 1: the frame property _SceneChangeNext is the text 'x'"):
        marked_starts(marked([NO, {"_SceneChangeNext": "x"}]))
