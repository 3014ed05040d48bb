"""Parts of filters that are decided before any frame is made: sizes, names, settings, flags."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import vapoursynth as vs

import vsanime
from tests.support.clips import format_of, noise_clip, planes_of, props_of
from vsanime.colorization.keys import Choice, Window
from vsanime.errors import VsanimeError
from vsanime.filters import animegan, artcnn, colorize, encoder_args, lineart, mark_scenes, waifu2x
from vsanime.graphs.builders.lineart import Pen
from vsanime.graphs.builders.sketchkeras import Sketch
from vsanime.spec import ChromaLocation, Family, FrameSpec, PlaneFormat, Range, SampleType

SPEC = FrameSpec(PlaneFormat(Family.YUV, SampleType.INTEGER, 8, 1, 1), 64, 48, Range.LIMITED, 6, ChromaLocation.LEFT)

# encoder_args


@pytest.mark.parametrize(
    ("bits", "x264", "x265"),
    [(8, None, None), (9, "10", "10"), (10, "10", "10"), (11, "10", "12"), (12, "10", "12"), (16, "10", "12")],
)
def test_depths_lose_as_little_as_programs_can(bits: int, x264: str | None, x265: str | None) -> None:
    clip = noise_clip(f"420P{bits}", 16, 16)
    for program, depth in (("x264", x264), ("x265", x265)):
        args = vsanime.encoder_args(clip, program)
        assert (args[args.index("--output-depth") + 1] if "--output-depth" in args else None) == depth


@pytest.mark.parametrize(
    ("name", "layout"), [("GRAY8", "i400"), ("420P8", "i420"), ("422P8", "i422"), ("444P8", "i444"), ("440P8", None)]
)
def test_layouts_are_named_for_x264(name: str, layout: str | None) -> None:
    clip = noise_clip(name, 16, 16)
    if layout is not None:
        assert vsanime.encoder_args(clip)[-2:] == ["--output-csp", layout]
        return
    advice = r"convert the clip to one of them, for example with `clip\.resize\.Spline36\(format=vs\.YUV420P8\)`$"
    with pytest.raises(vs.Error, match=advice):
        vsanime.encoder_args(clip)


@pytest.mark.parametrize("full", [False, True])
def test_ranges_have_the_programs_own_names(full: bool) -> None:
    clip = noise_clip("444P8", 16, 16, _Range=int(full), _Matrix=0)
    short, long = ("pc", "full") if full else ("tv", "limited")
    assert vsanime.encoder_args(clip, "x264")[:6] == ["--input-range", short, "--range", short, "--colormatrix", "gbr"]
    assert vsanime.encoder_args(clip, "x265") == ["--range", long, "--colormatrix", "gbr"]
    assert vsanime.encoder_args(clip, "ffmpeg") == ["-filter:v:0", f"setparams=range={long}:colorspace=gbr"]


@pytest.mark.parametrize(("name", "told"), [("420P8", True), ("422P8", False), ("440P8", False), ("410P8", False)])
def test_siting_is_told_of_420_alone(name: str, told: bool) -> None:
    args = vsanime.encoder_args(noise_clip(name, 16, 16, _ChromaLocation=3), "x265")
    assert (args[-2:] == ["--chromaloc", "3"]) == told
    ffmpeg = vsanime.encoder_args(noise_clip(name, 16, 16, _ChromaLocation=5), "ffmpeg")
    assert (ffmpeg[-2:] == ["-chroma_sample_location:v:0", "bottom"]) == told


HDR10 = {
    "MasteringDisplayPrimariesX": [0.68, 0.265, 0.15],
    "MasteringDisplayPrimariesY": [0.32, 0.69, 0.06],
    "MasteringDisplayWhitePointX": [0.3127],
    "MasteringDisplayWhitePointY": [0.329],
    "MasteringDisplayMaxLuminance": [1000.0],
    "MasteringDisplayMinLuminance": [0.005],
}


@pytest.mark.parametrize("name", HDR10)
def test_displays_that_are_told_in_part_are_not_told(name: str) -> None:
    assert encoder_args._mastering_display(HDR10) is not None
    for values in ([], [*HDR10[name], 0.5]):
        assert encoder_args._mastering_display({**HDR10, name: values}) is None


def test_float_clips_are_to_become_ten_bits() -> None:
    with pytest.raises(
        vs.Error, match=r"with depth=10, or convert it with `clip\.resize\.Point\(format=vs\.YUV420P10\)`$"
    ):
        vsanime.encoder_args(noise_clip("420PS", 16, 16))


# waifu2x


@pytest.mark.parametrize(
    ("model", "noise", "scale", "chosen"),
    [
        ("upconv_7_art", -1, 2, ("upconv_7_art", 2)),
        ("upconv_7_art", 1, 2, ("upconv_7_art_noise1", 2)),
        ("upconv_7_art", 0, 1, ("vgg_7_art_noise0", 1)),
        ("upconv_7_photo", 3, 1, ("vgg_7_photo_noise3", 1)),
        ("upconv_7_art_noise2", -1, 2, ("upconv_7_art_noise2", 2)),
        ("upconv_7_art_noise2", -1, 1, ("vgg_7_art_noise2", 1)),
        ("vgg_7_art", 0, 1, ("vgg_7_art_noise0", 1)),
        ("vgg_7_art_noise1", -1, 1, ("vgg_7_art_noise1", 1)),
        ("ESPCN_7_SLIM_VA", -1, 2, ("ESPCN_7_SLIM_VA", 2)),
        ("vgg_7_art", 0, 2, "model='vgg_7_art' does not scale; scale=1, or model='upconv_7_art', is needed"),
        (
            "vgg_7_art",
            -1,
            1,
            "model='vgg_7_art' removes noise and does nothing else; noise=0 to 3 and scale=1 are needed",
        ),
        (
            "upconv_7_art_noise1",
            2,
            2,
            "noise=2 with model='upconv_7_art_noise1', which names its noise level; give one",
        ),
        ("upconv_7_art", -1, 1, "scale=1 with noise=-1 leaves nothing to do; noise=0 to 3, or scale=2, is needed"),
        ("ESPCN_7_SLIM_VA", 1, 2, "noise=1 with model='ESPCN_7_SLIM_VA', which has no such level; leave noise out"),
        ("C4F16_VA", 1, 2, r"model='C4F16_VA' is for another task \(double_luma\); a network from RGB to RGB such as"),
    ],
)
@pytest.mark.parametrize("there", [True, False])
def test_networks_are_chosen_by_noise_and_scale(
    monkeypatch: pytest.MonkeyPatch, model: str, noise: int, scale: int, chosen: Any, there: bool
) -> None:
    """A network that only denoises is taken for its kind where it is there."""
    monkeypatch.setattr(waifu2x, "available", lambda _: there)
    if isinstance(chosen, str):
        with pytest.raises(VsanimeError, match=f"^{chosen}"):
            waifu2x._choose(model, noise, scale)
        return
    by_doubling = not there and model.startswith("upconv") and scale == 1
    level = f"{model}_noise{noise}" if noise >= 0 else model
    assert waifu2x._choose(model, noise, scale) == ((level, 2) if by_doubling else chosen)


def test_files_have_one_level_of_noise(tmp_path: Path) -> None:
    path = tmp_path / "net.onnx"
    assert waifu2x._choose(path, -1, 1) == waifu2x._choose(path, -1, 2) == (path, 0)
    with pytest.raises(VsanimeError, match=r"^noise=0 with model=.*; a file has one noise level, leave noise out$"):
        waifu2x._choose(path, 0, 2)
    assert waifu2x.without_noise(path) == path
    assert waifu2x.without_noise(str(tmp_path / "a_noise1")) == str(tmp_path / "a_noise1")


@pytest.mark.parametrize(
    ("name", "without"),
    [
        ("upconv_7_art_noise0", "upconv_7_art"),
        ("x_NOISE3", "x"),
        ("x_noise4", "x_noise4"),
        ("x_noise1_y", "x_noise1_y"),
    ],
)
def test_levels_of_noise_end_a_name(name: str, without: str) -> None:
    assert waifu2x.without_noise(name) == without


@pytest.mark.parametrize(
    ("name", "rgb"),
    [("upconv_7_art", True), ("vgg_7_art", True), ("VGG_7_art", True), ("C4F16_VA", False), ("nobody", False),
     ("Pepper_VA", False), ("vgg_7_art_noise0", True)],
)  # fmt: skip
def test_names_tell_what_is_for_rgb(name: str, rgb: bool) -> None:
    assert waifu2x.is_rgb(name) == rgb
    assert animegan.is_style(name) == (name == "Pepper_VA")


def test_names_are_listed_without_levels() -> None:
    names = waifu2x.rgb_names()
    assert {"upconv_7_art", "vgg_7_art", "ESPCN_7_SLIM_VA"} <= set(names)
    assert len(set(names)) == len(names)
    assert not any("_noise" in name for name in names)
    assert "C4F16_VA" not in names


# colorize


@pytest.mark.parametrize(
    ("work_size", "size", "work"),
    [
        ("auto", (640, 360), (512, 288)),
        ("auto", (360, 640), (288, 512)),
        ("auto", (320, 200), (320, 200)),
        ("full", (640, 360), (640, 360)),
        (16, (640, 360), (28, 16)),
        (180, (640, 360), (320, 180)),
        ("180", (640, 360), (320, 180)),
        (65_536, (640, 360), (640, 360)),
        (288, (288, 289), (288, 289)),
        (15, (640, 360), None),
        (65_537, (640, 360), None),
        ("half", (640, 360), None),
        (None, (640, 360), None),
        (0, (640, 360), None),
    ],
)
def test_work_sizes_keep_the_frames_proportions(
    work_size: Any, size: tuple[int, int], work: tuple[int, int] | None
) -> None:
    if work is not None:
        assert colorize._resolve_work(work_size, size) == work
        return
    with pytest.raises(
        VsanimeError, match=r"^work_size=.*; the length of the short side, 16 to 65536, 'auto' or 'full'"
    ):
        colorize._resolve_work(work_size, size)


@pytest.mark.parametrize(
    ("temporal", "expected"), [(True, True), ("false", False), (0, False), ("1", True), ("mine", "mine"), (0.5, None)]
)
def test_second_networks_are_flags_or_names(temporal: Any, expected: Any) -> None:
    if expected is not None:
        assert colorize._read_temporal(temporal) == expected
        return
    with pytest.raises(VsanimeError, match=r"^temporal=0\.5; True, False, or a network's name or path is needed$"):
        colorize._read_temporal(temporal)


def test_frames_without_references_are_spread_like_the_one_before() -> None:
    assert colorize._places([None, None, 2, None, 1, 1]) == [0, 0, 2, 2, 1, 1]
    assert colorize._places([3, None]) == [3, 3]
    assert colorize._places([]) == []


def test_frames_come_from_references_from_what_was_made_or_from_lines() -> None:
    def shades(*values: int) -> vs.VideoNode:
        return vs.core.std.Splice([vs.core.std.BlankClip(None, 8, 8, vs.GRAY8, 1, color=value) for value in values])

    choices = [
        Choice(None, None),
        Choice(0, 0, is_key=True),
        Choice(0, 1),
        Choice(0, 1),
        Choice(1, 1, is_key=True),
        Choice(None, None),
    ]
    made, bare = shades(*range(10, 16)), shades(*range(20, 26))
    joined = colorize._splice(made, shades(1, 2), bare, choices)
    found = [int(planes_of(joined, n)[0][0, 0]) for n in range(joined.num_frames)]
    assert found == [20, 1, 12, 13, 2, 25]


@pytest.mark.parametrize(
    ("length", "size", "name", "kept"),
    [(0, (64, 48), "GRAY8", None), (10, (64, 48), "GRAY8", 28), (49, (64, 48), "GRAY16", 67),
     (49, (2048, 2048), "GRAY8", 64), (49, (2048, 2048), "GRAY16", 32), (49, (2048, 2049), "GRAY16", 31),
     (49, (30_000, 30_000), "GRAY8", 1)],
)  # fmt: skip
def test_line_art_is_held_while_windows_are_looked_at(
    length: int, size: tuple[int, int], name: str, kept: int | None
) -> None:
    """As many frames as the longest window has and nine twice, within a quarter of a gigabyte."""
    told: list[dict[str, int]] = []
    std = SimpleNamespace(SetVideoCache=lambda **options: told.append(options))
    clip: Any = SimpleNamespace(format=format_of(name), width=size[0], height=size[1], std=std)
    colorize._hold(clip, [(None, Window(0, length, 0, cut=False) if length else None)])
    assert told == ([] if kept is None else [{"mode": 1, "fixedsize": 1, "maxsize": kept, "maxhistory": 0}])


@pytest.mark.parametrize(("size", "good"), [((16, 16), True), ((16, 15), False), ((15, 16), False), ((17, 300), True)])
def test_line_art_has_a_least_size(size: tuple[int, int], good: bool) -> None:
    clip = noise_clip("GRAY8", *size)
    if good:
        spec, props = colorize._line_spec(clip.std.RemoveFrameProps(["_Range"]))
        assert (spec.range, "_Range" in props) == (Range.FULL, False)
        assert colorize._line_spec(clip.std.SetFrameProps(_Range=0))[0].range is Range.LIMITED
        return
    with pytest.raises(
        VsanimeError, match=f"^frames of {size[0]}x{size[1]} are too small to look for motion in; 16x16 or"
    ):
        colorize._line_spec(clip)


# lineart


def test_pens_are_what_is_asked_for() -> None:
    tall = replace(SPEC, height=1080)
    assert lineart._pen(tall, None, None, None) == Pen(1.08)
    assert lineart._pen(SPEC, 2, 0, 0.1) == Pen(2.0, 0.0, 0.1)
    assert lineart._pen(SPEC, 0.1, 1, 1000) == Pen(0.1, 1.0, 1000.0)
    for wrong in ((0.09, None, None), (20.1, None, None), (1, -0.1, None), (1, 1.1, None), (1, None, 0.09),
                  (1, None, 1001)):  # fmt: skip
        with pytest.raises(VsanimeError, match=r"^(sigma|threshold|gain)="):
            lineart._pen(SPEC, *wrong)


def test_sketches_are_what_is_asked_for() -> None:
    assert lineart._sketch(None, None, None) == Sketch()
    assert lineart._sketch(0, "frame", 32) == Sketch(32, None, 0.0)
    assert lineart._sketch(1, 0.01, 65_536) == Sketch(65_536, 0.01, 1.0)
    assert lineart._sketch(0.5, "100", None) == Sketch(512, 100.0, 0.5)
    for wrong in ((-0.1, None, None), (1.1, None, None), (None, 0.009, None), (None, 101, None), (None, None, 31),
                  (None, None, 65_537), (None, "much", None)):  # fmt: skip
        with pytest.raises(VsanimeError, match=r"^(threshold|gain|long_side)="):
            lineart._sketch(*wrong)


@pytest.mark.parametrize("name", ["long_side", "padding", "sigma"])
def test_settings_of_the_other_method_are_refused(name: str) -> None:
    given = dict.fromkeys(("long_side", "padding", "sigma"))
    lineart._refuse(given, [name], "one", "the other")
    with pytest.raises(VsanimeError, match=f"^{name}=5 is for one; the other has no such setting, leave it out$"):
        lineart._refuse({**given, name: 5}, ["padding", name], "one", "the other")


# animegan


@pytest.mark.parametrize(
    ("size", "half"),
    [
        ((64, 48), (32, 24)),
        ((17, 16), (8, 8)),
        ((15, 14), (8, 8)),
        ((7, 5), (7, 5)),
        ((8, 9), (8, 8)),
        ((100, 6), (50, 6)),
    ],
)
def test_half_of_a_frame_is_what_the_network_takes(size: tuple[int, int], half: tuple[int, int]) -> None:
    assert animegan._half(replace(SPEC, width=size[0], height=size[1])) == half


@pytest.mark.parametrize(
    ("size", "good"),
    [((1, 1), True), ((64, 48), True), ("32,24", True), ((65, 48), False), ((64, 49), False), ((0, 1), False),
     ((1, 0), False), ((1,), False), ((1, 1, 1), False), (5, False), ("small", False)],
)  # fmt: skip
def test_work_sizes_lie_inside_the_frame(size: Any, good: bool) -> None:
    assert animegan._read_work_size(None, (64, 48)) is None
    if good:
        assert animegan._read_work_size(size, (64, 48)) == ((32, 24) if isinstance(size, str) else size)
        return
    with pytest.raises(VsanimeError, match=r"^work_size=.*; a \(width, height\) no larger than the frame's 64x48 is"):
        animegan._read_work_size(size, (64, 48))


# artcnn


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("420P8", None),
        ("422P8", None),
        ("444P8", "the clip is 4:4:4, which has no subsampled chroma"),
        ("GRAY8", "the clip is gray, which has no subsampled chroma"),
        ("RGB24", "the clip is RGB24, which has no subsampled chroma"),
        ("440P8", "chroma is subsampled by 1 and 2; 4:2:0 or 4:2:2 is needed"),
        ("411P8", "chroma is subsampled by 4 and 1; 4:2:0 or 4:2:2 is needed"),
        ("410P8", "chroma is subsampled by 4 and 4; 4:2:0 or 4:2:2 is needed"),
    ],
)
def test_chroma_is_reconstructed_of_420_and_422(name: str, message: str | None) -> None:
    form = vsanime.video.clips.plane_format(format_of(name))
    sited = ChromaLocation.LEFT if form.subsampling_w or form.subsampling_h else None
    spec = replace(SPEC, format=form, chroma_location=sited)
    if message is None:
        artcnn._check_reconstructable(spec)
        return
    with pytest.raises(VsanimeError, match=f"^asked: {message}.*, or not$"):
        artcnn._check_reconstructable(spec, "asked: ", ", or not")


@pytest.mark.parametrize(
    ("gray", "source", "wide"),
    [((8, "i"), (8, "i"), (16, "i")), ((10, "i"), (32, "f"), (32, "f")), ((16, "f"), (8, "i"), (32, "f")),
     ((16, "f"), (16, "f"), (32, "f"))],
)  # fmt: skip
def test_between_passes_nothing_is_lost(gray: Any, source: Any, wide: Any) -> None:
    def form(bits: int, kind: str) -> PlaneFormat:
        return PlaneFormat(Family.GRAY, SampleType.INTEGER if kind == "i" else SampleType.FLOAT, bits)

    assert artcnn._wide(form(*gray), form(*source)) == form(*wide)


# mark_scenes


@pytest.mark.parametrize(
    ("name", "compared"),
    [("GRAY8", "GRAY8"), ("420P8", "420P8"), ("GRAYH", "GRAYS"), ("444PH", "GRAYS"), ("GRAYS", "GRAYS"),
     ("444PS", "444PS"), ("RGB24", "GRAY8"), ("RGB30", "GRAY16"), ("RGB48", "GRAY16"), ("RGBH", "GRAYS"),
     ("RGBS", "GRAYS")],
)  # fmt: skip
def test_frames_are_compared_in_a_format_that_can_be(name: str, compared: str) -> None:
    assert (
        mark_scenes._luma(vs.core.std.BlankClip(format=format_of(name).id, width=16, height=16)).format.id
        == format_of(compared).id
    )


def test_cuts_of_rgb_are_told_by_luma() -> None:
    """Green counts most, blue least; at the threshold itself there is no cut."""
    black = vs.core.std.BlankClip(None, 16, 16, vs.RGBS, 1, color=[0, 0, 0])
    for color, share in (([1, 0, 0], 0.2126), ([0, 1, 0], 0.7152), ([0, 0, 1], 0.0722)):
        clip = black + vs.core.std.BlankClip(None, 16, 16, vs.RGBS, 1, color=color)
        marks = [
            props_of(vsanime.mark_scenes(clip, threshold=share + by), 1)["_SceneChangePrev"] for by in (-1e-3, 1e-3)
        ]
        assert marks == [1, 0]
    gray = vs.core.std.BlankClip(None, 16, 16, vs.GRAYS, 1, color=0.25)
    still = vs.core.std.BlankClip(None, 16, 16, vs.GRAYS, 1, color=0) + gray
    assert props_of(vsanime.mark_scenes(still, threshold=0.25), 1)["_SceneChangePrev"] == 0
    assert props_of(vsanime.mark_scenes(still, threshold=0.2499), 1)["_SceneChangePrev"] == 1


# What is run


@pytest.mark.parametrize(
    ("module", "make", "name", "planes", "reach", "facts"),
    [
        (artcnn, lambda c: vsanime.artcnn(c, "C4F16_VA", planes=0), "420P8", ([0], [0]), (0, 0), (2, 7, 1, 1)),
        (artcnn, vsanime.artcnn_chroma, "420P8", ([0, 1, 2], [1, 2]), (1, 1), (1, 7, 3, 2)),
        (artcnn, vsanime.artcnn_chroma, "422P8", ([0, 1, 2], [1, 2]), (1, 0), (1, 7, 3, 2)),
        (lineart, vsanime.lineart, "444P8", ([0], [0]), (0, 0), (1, 3, 1, 1)),
        (lineart, vsanime.lineart, "RGB24", ([0, 1, 2], [0]), (0, 0), (1, 3, 1, 1)),
        (animegan, vsanime.animegan, "GRAY8", ([0], [0]), (0, 0), (1, None, 3, 3)),
        (animegan, vsanime.animegan, "444P8", ([0, 1, 2], [0, 1, 2]), (0, 0), (1, None, 3, 3)),
        (waifu2x, lambda c: vsanime.waifu2x(c, model="ESPCN_7_SLIM_VA"), "GRAY8", ([0], [0]), (0, 0), (2, 7, 3, 3)),
        (waifu2x, lambda c: vsanime.waifu2x(c, model="ESPCN_7_SLIM_VA"), "RGB24", ([0, 1, 2], [0, 1, 2]), (0, 0),
         (2, 7, 3, 3)),
        (waifu2x, lambda c: vsanime.waifu2x(c, model="ESPCN_7_SLIM_VA"), "422P8", ([0, 1, 2], [0, 1, 2]), (7, 0),
         (2, 7, 3, 3)),
    ],
)  # fmt: skip
def test_filters_say_which_planes_are_read_and_made(
    monkeypatch: pytest.MonkeyPatch, module: Any, make: Any, name: str, planes: Any, reach: tuple[int, int], facts: Any
) -> None:
    jobs: list[Any] = []

    def run(job: Any, *_: Any) -> None:
        jobs.append(job)
        raise VsanimeError("enough")

    monkeypatch.setattr(module, "run", run)
    with pytest.raises(vs.Error, match="enough"):
        make(vs.core.std.BlankClip(None, 64, 48, format_of(name).id, 1))
    (job,) = jobs
    assert (tuple(map(list, job.planes)), job.reach) == (planes, reach)
    found = job.network.facts
    assert (found.scale, found.radius, found.in_channels, found.out_channels) == facts
    assert found.multiple == 1
