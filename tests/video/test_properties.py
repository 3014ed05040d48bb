"""Properties say on the output what was used, and everything else comes through."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from fractions import Fraction
from typing import Any

import pytest
import vapoursynth as vs

import vsanime
from tests.support.clips import noise_clip, planes_of, props_of
from tests.support.lineanimation import animation, colour_clip, line_clip
from vsanime import Backend
from vsanime.cli.doubling import upscale
from vsanime.models.cards import find
from vsanime.models.store import locate
from vsanime.spec import Family, FrameSpec, PlaneFormat, Range, SampleType
from vsanime.video.brightness import GAIN
from vsanime.video.properties import sample_aspect

MODEL = "C4F16_VA"


@pytest.mark.parametrize(
    ("name", "size", "expected"),
    [
        ("YUV420P8", (720, 480), {"_Matrix": 6, "_Range": 0, "_ChromaLocation": 0}),
        ("YUV420P8", (720, 576), {"_Matrix": 5, "_Range": 0, "_ChromaLocation": 0}),
        ("YUV420P10", (1280, 720), {"_Matrix": 1, "_Range": 0, "_ChromaLocation": 0}),
        ("YUV444P8", (640, 360), {"_Matrix": 6, "_Range": 0}),
        ("GRAY16", (640, 360), {"_Matrix": 6, "_Range": 0}),
        ("YUV420PS", (64, 36), {"_Matrix": 6, "_Range": 0, "_ChromaLocation": 0}),
    ],
)
def test_defaults_are_written_out(name: str, size: tuple[int, int], expected: dict[str, int]) -> None:
    """Untagged SD stays BT.601 though players would take twice its size for BT.709."""
    clip = noise_clip(name, *size).std.RemoveFrameProps(["_Range", "_Matrix", "_ChromaLocation"])
    assert not {"_Matrix", "_ChromaLocation"} & set(props_of(clip))
    found = props_of(vsanime.artcnn(clip, MODEL, planes=[1, 2] if "YUV" in name else 0))
    assert {k: int(found[k]) for k in ("_Matrix", "_Range", "_ChromaLocation") if k in found} == expected


def test_an_unspecified_matrix_counts_as_absent() -> None:
    clip = noise_clip("YUV420P8", 64, 48, _Matrix=2)
    assert props_of(vsanime.artcnn(clip, MODEL))["_Matrix"] == 6


@pytest.mark.parametrize(("filter_name", "model"), [("artcnn", MODEL), ("artcnn_chroma", "C4F32_Chroma_VA")])
def test_properties_come_through(filter_name: str, model: str) -> None:
    given = {
        "_Matrix": 9, "_Range": 1, "_Transfer": 16, "_Primaries": 9, "_ChromaLocation": 2, "_SARNum": 4, "_SARDen": 3,
        "_DurationNum": 7, "_DurationDen": 240, "_FieldBased": 0, "_SceneChangePrev": 1, "MaxCLL": 1000, "own": 42,
    }  # fmt: skip
    clip = noise_clip("YUV420P8", 32, 24, frames=3, **given).std.SetFrameProps(_PictType="B")
    found = props_of(getattr(vsanime, filter_name)(clip, model), 1)
    expected = props_of(clip, 1)
    if filter_name == "artcnn_chroma":
        del expected["_ChromaLocation"]
    assert found == expected


def test_length_and_rate_come_through_for_any_number_of_lanes() -> None:
    for frames, lanes in ((1, 1), (1, 4), (2, 2), (3, 2), (3, 4), (5, 1), (5, 4)):
        clip = noise_clip("GRAY8", 16, 12, frames=frames)
        up = vsanime.artcnn(clip, MODEL, backend=vsanime.Backend.OpenVINO(num_streams=lanes))
        assert (up.num_frames, up.fps) == (frames, clip.fps)
        assert all(props_of(up, n) == {**props_of(clip, n), "_Range": 0, "_Matrix": 6} for n in range(frames))


def test_properties_of_each_frame_stay_with_it() -> None:
    clip = noise_clip("YUV420P8", 16, 12, frames=5)
    numbered = clip.std.FrameEval(lambda n: clip.std.SetFrameProps(number=n))
    up = vsanime.artcnn(numbered, MODEL, backend=vsanime.Backend.OpenVINO(num_streams=2))
    assert [props_of(up, n)["number"] for n in (3, 0, 4, 1, 2)] == [3, 0, 4, 1, 2]


def test_untagged_sd_stays_sd_through_several_doublings() -> None:
    clip = noise_clip("YUV420P8", 640, 8).std.RemoveFrameProps(["_Range", "_Matrix", "_ChromaLocation"])
    assert props_of(vsanime.artcnn(clip, MODEL, width=2560, height=32))["_Matrix"] == 6


# Every filter by every way that resizes inside it, and what its documentation says of properties

type Props = dict[str, Any]

FAST = Backend.ONNXRuntime()
DOUBLER = str(locate(find("ESPCN_7_SLIM_VA")))  # by its path it may run at scale=1, which is halved by zimg
OWN = {
    "_SARNum": 8, "_SARDen": 9, "_DurationNum": 1, "_DurationDen": 24, "_FieldBased": 0, "_SceneChangePrev": 1,
    "_SceneChangeNext": 0, "_PictType": b"I", "_AbsoluteTime": 1.5, "ContentLightLevelMax": 1000, "custom": 7,
}  # fmt: skip
COLORS = {"_Transfer": 16, "_Primaries": 9, "_Range": 1}
SOURCES: dict[str, Props] = {
    "nothing": {},
    "all": OWN | COLORS | {"_ChromaLocation": 2},
    "unspecified": {"_Matrix": 2, "_Transfer": 2, "_Primaries": 2},
    "transfer alone": {"_Transfer": 1},
    "primaries alone": {"_Primaries": 5, "_SARNum": 3, "_SARDen": 2},
}
SD_MATRIX = 6


def tagged(name: str, props: Mapping[str, Any], size: tuple[int, int] = (32, 24)) -> vs.VideoNode:
    """Two frames with these properties and no others, but for a number; the second has no transfer."""
    clip = noise_clip(name, *size, 2).std.RemoveFrameProps()
    if "_Matrix" not in props and props.get("custom"):
        props = {**props, "_Matrix": 0 if name.startswith("RGB") else 9}
    first, second = (clip[n].std.SetFrameProps(**props, number=n) for n in range(2))
    return first + second.std.RemoveFrameProps(["_Transfer"])


def as_meant(source: Props, form: vs.VideoFormat, aspect: Fraction | None = None) -> Props:
    """What `artcnn` and its like make of properties: range, matrix and siting are those that were used."""
    rgb, subsampled = form.color_family == vs.RGB, form.subsampling_w or form.subsampling_h
    made = {"_Range": int(rgb), **source}
    if not rgb:
        matrix = source.get("_Matrix", 2)
        made["_Matrix"] = SD_MATRIX if matrix == 2 else matrix
        made.pop("_ChromaLocation", None)
    if subsampled:
        made["_ChromaLocation"] = source.get("_ChromaLocation", 0)
    if aspect is not None and "_SARNum" in source:
        new = Fraction(source["_SARNum"], source["_SARDen"]) * aspect
        made |= {"_SARNum": new.numerator, "_SARDen": new.denominator}
    return made


def as_lines(source: Props, form: vs.VideoFormat) -> Props:
    made = as_meant(source, form) | {"_Range": 1}
    made.pop("_ChromaLocation", None)
    if form.color_family == vs.RGB:
        made.pop("_Matrix", None)
    return made


def without(source: Props, *names: str) -> Props:
    return {name: value for name, value in source.items() if name not in names}


type Way = tuple[Callable[[vs.VideoNode], vs.VideoNode], Callable[[Props, vs.VideoFormat], Props], tuple[str, ...]]
ALL = ("YUV420P8", "YUV444P16", "GRAYS", "RGB24", "RGBH")
WAYS: dict[str, Way] = {
    "artcnn": (lambda c: vsanime.artcnn(c, MODEL), as_meant, ("YUV420P8", "YUV444P16", "YUV422PS", "GRAY8")),
    "artcnn in proportion": (
        # 32x24 to 70x52: off by rounding, for which zimg would invent an aspect ratio.
        lambda c: vsanime.artcnn(c, MODEL, width=70), as_meant, ("YUV420P8", "YUV444PH", "GRAY16")
    ),
    "artcnn out of proportion": (
        lambda c: vsanime.artcnn(c, MODEL, width=96, height=24), lambda s, f: as_meant(s, f, Fraction(1, 3)),
        ("YUV420P8", "GRAY8"),
    ),
    "artcnn of chroma alone": (lambda c: vsanime.artcnn(c, MODEL, planes=[1, 2]), as_meant, ("YUV420P8", "YUV420PS")),
    "artcnn with chroma and depth": (
        lambda c: vsanime.artcnn(c, MODEL, chroma="C4F32_Chroma_VA", depth=10), as_meant, ("YUV420P8",)
    ),
    "artcnn_chroma": (
        vsanime.artcnn_chroma, lambda s, f: without(as_meant(s, f), "_ChromaLocation"), ("YUV420P8", "YUV422P10")
    ),
    "artcnn_chroma of one plane": (
        lambda c: vsanime.artcnn_chroma(c, planes=1), lambda s, f: without(as_meant(s, f), "_ChromaLocation"),
        ("YUV420P8",),
    ),
    "waifu2x": (lambda c: vsanime.waifu2x(c, model="ESPCN_7_SLIM_VA"), as_meant, ALL),
    "waifu2x to the same size": (lambda c: vsanime.waifu2x(c, scale=1, model=DOUBLER), as_meant, ALL),
    "waifu2x to the same size, half": (
        lambda c: vsanime.waifu2x(c, scale=1, model=DOUBLER, depth="half"), as_meant, ("YUV420P8", "RGB24")
    ),
    "upscale": (lambda c: upscale(c, "ESPCN_7_SLIM_VA", width=70, depth=8), as_meant, ("YUV420P8", "RGB24")),
    "upscale out of proportion": (
        lambda c: upscale(c, "ESPCN_7_SLIM_VA", width=32, height=96, depth=8),
        lambda s, f: as_meant(s, f, Fraction(4)), ("YUV420P8", "RGB24"),
    ),
    "upscale of luma": (lambda c: upscale(c, MODEL, width=70, depth=8), as_meant, ("YUV420P8",)),
    "animegan": (lambda c: vsanime.animegan(c, backend=FAST), as_meant, ("YUV420P8", "RGB24", "GRAY8")),
    "lineart": (vsanime.lineart, as_lines, ALL),
    "distance_field": (
        vsanime.distance_field, lambda s, _: without(s, "_ChromaLocation") | {"_Range": 1}, ("GRAY8", "GRAYS")
    ),
    "mark_scenes": (
        lambda c: vsanime.mark_scenes(c, threshold=0.99),
        lambda s, _: without(s, "_SceneChangeNext") | {"_SceneChangePrev": int(s["number"] == 0)}, ALL,
    ),
}  # fmt: skip


def test_every_public_filter_has_its_ways() -> None:
    public = {name for name in vsanime.__all__ if callable(getattr(vsanime, name)) and name.islower()}
    assert {name.split()[0] for name in WAYS} - {"upscale"} == public - {"encoder_args", "colorize"}


@pytest.mark.parametrize("source", SOURCES)
@pytest.mark.parametrize("way", WAYS)
def test_properties_are_the_sources_and_what_the_documentation_says(way: str, source: str) -> None:
    make, documented, formats = WAYS[way]
    for name in formats:
        clip = tagged(name, SOURCES[source])
        made = make(clip)
        for n in range(2):
            assert props_of(made, n) == documented(props_of(clip, n), clip.format), name


@pytest.mark.parametrize("source", SOURCES)
def test_properties_of_scenes_that_keep_their_brightness(source: str) -> None:
    clip = tagged("RGB24", SOURCES[source] | {"_SceneChangePrev": 0, "_Matrix": 0})
    found = props_of(vsanime.animegan(clip, brightness="scene", backend=FAST), 1)
    assert 0 < found.pop(GAIN) < 5
    assert found == as_meant(props_of(clip, 1), clip.format)


@pytest.mark.parametrize("steady", [True, False])
@pytest.mark.parametrize("form", [None, vs.YUV420P8, vs.YUV444P10])
@pytest.mark.parametrize("colors", [{}, {"_Transfer": 13}, {"_Transfer": 2, "_Primaries": 2}])
def test_properties_of_colored_lines(colors: Props, form: int | None, steady: bool) -> None:
    """Those of the line art, but for color, where they are those of the references."""
    lines, pictures = animation((0, 1, 2))
    given = {**OWN, "_Transfer": 1, "_Primaries": 4, "_Matrix": 5, "_ChromaLocation": 3, "_Range": 1}
    lineart = line_clip(lines).std.RemoveFrameProps().std.SetFrameProps(**given)
    references = colour_clip(pictures).std.RemoveFrameProps().std.SetFrameProps(_Matrix=0, custom=9, **colors)
    found = vsanime.colorize(lineart, references, keys=[0, 2], model="flow", steady=steady, format=form)
    expected = {**OWN, **colors, "_Matrix": SD_MATRIX if form else 0, "_Range": 0 if form else 1}
    if form == vs.YUV420P8:
        expected["_ChromaLocation"] = 0
    for n in range(3):
        assert props_of(found, n) == expected


@pytest.mark.parametrize("way", [way for way in WAYS if way != "mark_scenes"])
def test_transparency_says_its_range_and_nothing_else(way: str) -> None:
    make, _, formats = WAYS[way]
    clip = tagged(formats[0], SOURCES["all"])
    alpha = tagged("GRAY8", {"_Matrix": 0, "_Transfer": 2, "_Range": 0, "_FieldBased": 1, "custom": 1})
    made = make(clip.std.ClipToProp(alpha, prop="_Alpha"))
    with made.get_frame(1) as frame:
        assert dict(frame.props["_Alpha"].props) == {"_Range": 1}
        assert (frame.props["_Alpha"].width, frame.props["_Alpha"].height) == (made.width, made.height)


# The sample aspect ratio by itself


def spec_of(width: int, height: int) -> FrameSpec:
    form = PlaneFormat(Family.YUV, SampleType.INTEGER, 8, 1, 1)
    return FrameSpec(form, width, height, Range.LIMITED, 1, None)


@pytest.mark.parametrize(
    ("size", "target", "given", "expected"),
    [
        # Twice as wide, as high, as both.
        ((40, 30), (160, 60), (1, 1), (1, 2)),
        ((40, 30), (80, 120), (1, 1), (2, 1)),
        ((40, 30), (80, 60), (4, 3), None),
        ((40, 30), (160, 60), (32, 27), (16, 27)),
        ((720, 480), (1920, 1080), (8, 9), (3, 4)),
        # Rounding leaves a width off by less than two pixels, and that alone is no other proportion.
        ((40, 30), (81, 60), (1, 1), None),
        ((40, 30), (79, 60), (1, 1), None),
        ((40, 30), (82, 60), (1, 1), (40, 41)),
        ((40, 30), (78, 60), (1, 1), (40, 39)),
        # Unknown stays unknown.
        ((40, 30), (160, 60), (0, 1), None),
        ((40, 30), (160, 60), (1, 0), None),
        ((40, 30), (160, 60), None, None),
    ],
)
def test_the_sample_aspect_keeps_the_shape_of_the_picture(
    size: tuple[int, int], target: tuple[int, int], given: tuple[int, int] | None, expected: tuple[int, int] | None
) -> None:
    props = {} if given is None else {"_SARNum": given[0], "_SARDen": given[1]}
    wanted = {} if expected is None else {"_SARNum": expected[0], "_SARDen": expected[1]}
    assert sample_aspect(props, spec_of(*size), target) == wanted
    if given is not None:
        del props["_SARDen"]
        assert sample_aspect(props, spec_of(*size), target) == {}


def test_a_gray_clip_of_an_unknown_matrix_is_read_by_the_guessed_one() -> None:
    """Its weights only add three equal channels up, so the result is that of any matrix, and the tag stays."""
    plain = noise_clip("GRAY8", 32, 24, _Range=1)
    unknown = plain.std.SetFrameProps(_Matrix=14)
    found, expected = (vsanime.waifu2x(c, model="ESPCN_7_SLIM_VA") for c in (unknown, plain))
    assert (planes_of(found)[0] == planes_of(expected)[0]).all()
    assert props_of(found)["_Matrix"] == 14
    with pytest.raises(vs.Error, match="_Matrix=14"):
        vsanime.waifu2x(noise_clip("YUV444P8", 32, 24, _Matrix=14), model="ESPCN_7_SLIM_VA")
