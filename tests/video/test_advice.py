"""Code that messages advise, word for word, and errors that are made one kind; `tests/advice` runs what is advised."""

from __future__ import annotations

from typing import Any

import pytest
import vapoursynth as vs

from tests.support.clips import format_of, noise_clip, props_of
from vsanime.errors import VsanimeError
from vsanime.spec import ChromaLocation, Family, FrameSpec, PlaneFormat, Range, SampleType
from vsanime.video.advice import conform_code, format_code, gray_code, same_code, uniform_code
from vsanime.video.brightness import scenes_of
from vsanime.video.errors import raises_vs_error
from vsanime.video.framearrays import picture_of, plane_of, put
from vsanime.video.lifetime import close_with_script
from vsanime.video.properties import (
    make_properties,
    resolve_gray_matrix,
    sample_aspect,
    write_gray_matrix,
    write_properties,
)


@pytest.mark.parametrize(
    ("name", "code"),
    [
        ("GRAY8", "vs.GRAY8"),
        ("GRAYS", "vs.GRAYS"),
        ("420P10", "vs.YUV420P10"),
        ("RGB24", "vs.RGB24"),
        ("GRAY11", "vs.core.query_video_format(vs.GRAY, vs.INTEGER, 11, 0, 0).id"),
        ("422P15", "vs.core.query_video_format(vs.YUV, vs.INTEGER, 15, 1, 0).id"),
    ],
)
def test_formats_are_constants_where_there_are_such(name: str, code: str) -> None:
    assert format_code(format_of(name)) == code
    assert vs.core.get_video_format(eval(code)).id == format_of(name).id


def test_floats_of_odd_chroma_are_told_in_numbers() -> None:
    form = vs.core.query_video_format(vs.YUV, vs.FLOAT, 32, 3, 1)
    assert format_code(form) == "vs.core.query_video_format(vs.YUV, vs.FLOAT, 32, 3, 1).id"


def test_luma_of_drawings_is_told_by_the_family() -> None:
    assert gray_code(Family.RGB) == "`clip.resize.Point(format=vs.GRAY8, matrix_s='709')`"
    assert gray_code(Family.YUV) == gray_code(Family.GRAY) == "`clip.resize.Point(format=vs.GRAY8)`"


def spliced(*names: tuple[str, tuple[int, int]], **props: int) -> vs.VideoNode:
    clips = []
    for name, size in names:
        clip = noise_clip(name, *size, **props)
        clips.append(clip if props else clip.std.RemoveFrameProps(["_Matrix"]))
    return vs.core.std.Splice(clips, mismatch=True)


SMALL, LARGE = (16, 12), (32, 24)


@pytest.mark.parametrize(
    ("clip", "code"),
    [
        (lambda: spliced(("444P8", SMALL), ("444P8", LARGE)), "16, 12"),
        (lambda: spliced(("444P8", SMALL), ("420P8", SMALL)), "format=vs.YUV444P8, matrix=6, matrix_in=6"),
        (lambda: spliced(("420P8", SMALL), ("444P8", LARGE)), "16, 12, format=vs.YUV420P8, matrix=6, matrix_in=6"),
        (lambda: spliced(("RGB24", SMALL), ("444P8", SMALL)), "format=vs.RGB24"),
        (lambda: spliced(("RGB24", SMALL), ("444P8", SMALL), _Matrix=0), "format=vs.RGB24, matrix_in=6"),
    ],
)
def test_clips_that_vary_become_what_their_first_frame_is(clip: Any, code: str) -> None:
    assert uniform_code(clip(), 6) == f"`clip.resize.Spline36({code})`"


@pytest.mark.parametrize(
    ("name", "first", "found", "convert"),
    [
        ("_Range", 0, 1, "`clip.resize.Point(range=0)`"),
        ("_ChromaLocation", 2, 0, "`clip.resize.Spline36(chromaloc=2)`"),
        ("_Matrix", 1, 6, "`clip.resize.Spline36(matrix=1, matrix_in=5)`"),
        ("_Matrix", 9, 8, "`clip.resize.Spline36(matrix=9, matrix_in=5)`"),
        ("_Matrix", 1, 10, None),
        ("_Matrix", 3, 1, None),
        ("_Matrix", 0, 1, None),
        ("_Other", 1, 4, None),
    ],
)
def test_frames_become_what_the_first_one_is_where_that_can_be(
    name: str, first: int, found: int, convert: str | None
) -> None:
    mark = f"set it with `clip.std.SetFrameProps({name}={first})` if the mark is wrong"
    assert same_code(name, first, found, 5) == (mark if convert is None else f"convert with {convert}, or {mark}")


@pytest.mark.parametrize(
    ("clip", "model", "props", "code"),
    [
        ("RGB24", "RGB48", {}, "format=vs.RGB48"),
        ("444P8", "RGB24", {"_Matrix": 0, "_Range": 1}, "format=vs.RGB24, matrix_in=5"),
        ("RGB24", "444P8", {"_Matrix": 1, "_Range": 0, "_ChromaLocation": 2},
         "format=vs.YUV444P8, matrix=1, range=0, chromaloc=2"),
        ("420P8", "444P8", {"_Matrix": 2}, "format=vs.YUV444P8, matrix=5, matrix_in=5"),
        ("420P8", "444P8", {"_Range": 1}, "format=vs.YUV444P8, matrix=5, range=1, matrix_in=5"),
    ],
)  # fmt: skip
def test_clips_are_brought_to_the_format_of_another(clip: str, model: str, props: dict[str, int], code: str) -> None:
    given = noise_clip(model, 16, 12).std.RemoveFrameProps(["_Matrix", "_Range", "_ChromaLocation"])
    like = given.std.SetFrameProps(**props) if props else given
    assert conform_code(noise_clip(clip, 16, 12), like, 5) == f"`clip.resize.Bicubic({code})`"


# Errors


@raises_vs_error
def sample(clip: object, *, strength: float = 1) -> object:
    """Do what is said."""
    if isinstance(clip, Exception):
        raise clip
    return clip, strength


def test_filters_raise_one_kind_of_error_on_one_line() -> None:
    assert sample(3, strength=2) == (3, 2)
    assert (sample.__name__, sample.__doc__) == ("sample", "Do what is said.")
    for error, message in (
        (VsanimeError("it is\n  wrong"), r"^sample: it is wrong$"),
        (vs.Error("of another filter"), r"^of another filter$"),
        (vs.Error("Traceback\n  File\nValueError: no"),
         r"^sample: a frame that is read beforehand cannot be made: ValueError: no$"),
        (vs.Error("one\ntwo"), r"^sample: a frame that is read beforehand cannot be made: two$"),
        (vs.Error("\none\n"), r"^\none\n$"),
    ):  # fmt: skip
        with pytest.raises(vs.Error, match=message):
            sample(error)
    with pytest.raises(ZeroDivisionError):
        sample(ZeroDivisionError())


def test_calls_that_do_not_fit_are_told_in_the_same_way() -> None:
    with pytest.raises(vs.Error, match=r"^sample: missing a required argument: 'clip'$"):
        sample()  # type: ignore[call-arg]  # what is refused
    with pytest.raises(vs.Error, match=r"^sample: there is no argument strenght; did you mean strength or clip\?$"):
        sample(1, strenght=2)  # type: ignore[call-arg]  # what is refused
    with pytest.raises(vs.Error, match=r"^sample: too many positional arguments$"):
        sample(1, 2)  # type: ignore[misc]  # what is refused


# Properties

SPEC = FrameSpec(PlaneFormat(Family.YUV, SampleType.INTEGER, 8, 1, 1), 64, 48, Range.FULL, 9, ChromaLocation.TOP)
GRAY = FrameSpec(PlaneFormat(Family.GRAY, SampleType.INTEGER, 8), 1280, 720, Range.LIMITED, 10, None)
RGB = FrameSpec(PlaneFormat(Family.RGB, SampleType.INTEGER, 8), 64, 48, Range.FULL, None, None)


def test_meaning_is_range_and_matrix() -> None:
    assert make_properties(SPEC) == {"_Range": 1, "_Matrix": 9}
    assert make_properties(RGB) == {"_Range": 1}


def test_a_gray_clips_unknown_matrix_is_any() -> None:
    assert resolve_gray_matrix(GRAY).matrix == 1
    known = FrameSpec(GRAY.format, 64, 48, Range.LIMITED, 5, None)
    assert resolve_gray_matrix(known) is known
    odd = FrameSpec(SPEC.format, 64, 48, Range.LIMITED, 10, ChromaLocation.TOP)
    assert resolve_gray_matrix(odd) is odd
    gray, color = noise_clip("GRAY8", 16, 12), noise_clip("444P8", 16, 12)
    assert props_of(write_gray_matrix(gray, resolve_gray_matrix(GRAY)))["_Matrix"] == 1
    assert write_gray_matrix(color, SPEC) is color


@pytest.mark.parametrize(("spec", "location"), [(SPEC, 3), (GRAY, None), (RGB, 5)])
def test_finished_frames_say_what_they_are(spec: FrameSpec, location: int | None) -> None:
    """RGB keeps what was there, which says nothing of it."""
    clip = noise_clip("GRAY8", 16, 12, _ChromaLocation=5, _Range=0, _Matrix=2)
    props = props_of(write_properties(clip, spec, {"_SARNum": 4}))
    assert (props["_Range"], props["_SARNum"], props.get("_ChromaLocation")) == (int(spec.range), 4, location)
    assert props["_Matrix"] == (2 if spec.matrix is None else spec.matrix)
    assert "_SARNum" not in props_of(write_properties(clip, spec))


@pytest.mark.parametrize(
    ("props", "size", "aspect"),
    [
        ({"_SARNum": 4, "_SARDen": 3}, (128, 96), {}),
        ({"_SARNum": 4, "_SARDen": 3}, (129, 96), {}),
        ({"_SARNum": 4, "_SARDen": 3}, (127, 96), {}),
        ({"_SARNum": 4, "_SARDen": 3}, (130, 96), {"_SARNum": 256, "_SARDen": 195}),
        ({"_SARNum": 4, "_SARDen": 3}, (126, 96), {"_SARNum": 256, "_SARDen": 189}),
        ({"_SARNum": 1, "_SARDen": 1}, (64, 96), {"_SARNum": 2, "_SARDen": 1}),
        ({"_SARNum": 1, "_SARDen": 1}, (128, 48), {"_SARNum": 1, "_SARDen": 2}),
        ({"_SARNum": 1, "_SARDen": 0}, (64, 96), {}),
        ({"_SARNum": 0, "_SARDen": 1}, (64, 96), {}),
        ({"_SARNum": -1, "_SARDen": 1}, (64, 96), {}),
        ({"_SARNum": 1}, (64, 96), {}),
        ({}, (64, 96), {}),
        ({"_SARNum": (1 << 31) - 1, "_SARDen": 1}, (64, 96), {}),
        ({"_SARNum": 1 << 30, "_SARDen": 1}, (64, 96), {}),
        ({"_SARNum": (1 << 30) - 1, "_SARDen": 1}, (64, 96), {"_SARNum": (1 << 31) - 2, "_SARDen": 1}),
    ],
)
def test_pixels_change_their_shape_with_the_proportions(
    props: dict[str, int], size: tuple[int, int], aspect: dict[str, int]
) -> None:
    assert sample_aspect(props, SPEC, size) == aspect


# Arrays, scenes and scripts


def test_frames_are_arrays_of_their_own_and_back() -> None:
    clip = noise_clip("RGB24", 8, 6)
    frame = clip.get_frame(0)
    picture = picture_of(frame)
    assert picture.shape == (6, 8, 3)
    plane = plane_of(frame)
    plane[:] = 0
    assert picture[..., 0].any()
    target = frame.copy()
    put(picture[::-1], target)
    assert (picture_of(target) == picture[::-1]).all()


def test_scenes_of_a_clip_are_those_of_its_marks() -> None:
    clip = noise_clip("GRAY8", 8, 6, frames=3)
    with pytest.raises(VsanimeError, match=r"^brightness='scene' needs frames that tell where scenes change"):
        scenes_of(clip)
    marked = clip[0].std.SetFrameProps(_SceneChangePrev=1) + clip[1:]
    found = scenes_of(marked)
    assert (found.starts, found.length) == ((0,), 3)


def test_what_is_gone_before_its_script_needs_no_closing(monkeypatch: pytest.MonkeyPatch) -> None:
    registered: list[Any] = []
    monkeypatch.setattr(vs, "register_on_destroy", registered.append)

    class Holder:
        closed = 0

        def close(self) -> None:
            type(self).closed += 1

    holder = Holder()
    close_with_script(holder)
    registered[0]()
    assert Holder.closed == 1
    del holder
    registered[0]()
    assert Holder.closed == 1
