"""`encoder_args`: what the flags say is what real encoders write and a real decoder reads."""

from __future__ import annotations

import functools
import io
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import vapoursynth as vs

from tests.support.clips import noise_clip, planes_of, props_of
from vsanime import encoder_args
from vsanime.filters import encoder_args as encoder
from vsanime.media.ffmpeg import find_ffmpeg

HDR10 = {
    "MasteringDisplayPrimariesX": [0.68, 0.265, 0.15],
    "MasteringDisplayPrimariesY": [0.32, 0.69, 0.06],
    "MasteringDisplayWhitePointX": 0.3127,
    "MasteringDisplayWhitePointY": 0.329,
    "MasteringDisplayMinLuminance": 0.005,
    "MasteringDisplayMaxLuminance": 1000.0,
    "ContentLightLevelMax": 1000,
    "ContentLightLevelAverage": 400,
}
PROGRAMS = [
    pytest.param(
        name, marks=[] if name == "ffmpeg" else pytest.mark.skipif(shutil.which(name) is None, reason=f"{name} absent")
    )
    for name in encoder.ENCODERS
]


def encoded(clip: vs.VideoNode, program: str, folder: Path, *lossless: str) -> vs.VideoNode:
    """The clip through y4m and an encoder with `encoder_args`, decoded again."""
    pipe = io.BytesIO()
    clip.output(pipe, y4m=True)
    flags = encoder_args(clip, program)
    if program == "x264":
        path = folder / "out.264"
        command = ["x264", "--demuxer", "y4m", *flags, "--preset", "ultrafast", *lossless, "-o", str(path), "-"]
    elif program == "x265":
        path = folder / "out.265"
        command = ["x265", "--y4m", "--preset", "ultrafast", *flags, *lossless, "-o", str(path), "-"]
    else:
        path = folder / "out.mkv"
        command = [
            find_ffmpeg("x264"),
            "-f",
            "yuv4mpegpipe",
            "-i",
            "-",
            "-c:v",
            "libx264",
            *flags,
            *lossless,
            str(path),
        ]
    done = subprocess.run(command, input=pipe.getvalue(), capture_output=True, check=False)
    assert done.returncode == 0, done.stderr.decode(errors="replace")
    decoded = vs.core.bs.VideoSource(str(path), cachemode=0, showprogress=False)
    assert isinstance(decoded, vs.VideoNode)
    return decoded


def test_flags_of_a_tagged_clip() -> None:
    clip = noise_clip("YUV420P8", 64, 48, _Matrix=1, _Primaries=1, _Transfer=1, _Range=0, _ChromaLocation=2)
    clip = clip.std.SetFrameProps(_SARNum=32, _SARDen=27)
    shared = ["--colormatrix", "bt709", "--colorprim", "bt709", "--transfer", "bt709", "--chromaloc", "2"]
    shared += ["--sar", "32:27"]
    assert encoder_args(clip) == ["--input-range", "tv", "--range", "tv", *shared, "--output-csp", "i420"]
    assert encoder_args(clip, "x265") == ["--range", "limited", *shared]
    assert encoder_args(clip, encoder="ffmpeg") == [
        "-filter:v:0",
        "setparams=range=limited:colorspace=bt709:color_primaries=bt709:color_trc=bt709,setsar=32/27",
        "-chroma_sample_location:v:0",
        "topleft",
    ]


@pytest.mark.parametrize(("height", "matrix"), [(480, "smpte170m"), (576, "bt470bg"), (720, "bt709")])
def test_an_untagged_clip_gets_what_players_would_guess(height: int, matrix: str) -> None:
    args = encoder_args(vs.core.std.BlankClip(None, 720, height, vs.YUV420P8, length=1), "x265")
    assert args == ["--range", "limited", "--colormatrix", matrix, "--chromaloc", "0"]


def test_unsubsampled_chroma_has_no_siting() -> None:
    assert "--chromaloc" not in encoder_args(noise_clip("YUV444P8", 16, 16, _ChromaLocation=0))


@pytest.mark.parametrize(
    ("across", "down", "flag"),
    [(32, 27, "32:27"), (1, 1, "1:1"), (0, 1, None), (1, 0, None), (-4, 3, None), (4, -3, None)],
)
def test_sample_aspect_is_told_where_it_is_one(across: int, down: int, flag: str | None) -> None:
    args = encoder_args(noise_clip("YUV420P8", 16, 16).std.SetFrameProps(_SARNum=across, _SARDen=down))
    assert (args[args.index("--sar") + 1] if "--sar" in args else None) == flag


NAMES = {
    "_Matrix": "gbr bt709 - - fcc bt470bg smpte170m smpte240m ycgco bt2020nc bt2020c smpte2085 chroma-derived-nc "
    "chroma-derived-c ictcp",
    "_Primaries": "- bt709 - - bt470m bt470bg smpte170m smpte240m film bt2020 smpte428 smpte431 smpte432",
    "_Transfer": "- bt709 - - bt470m bt470bg smpte170m smpte240m linear log100 log316 iec61966-2-4 bt1361e "
    "iec61966-2-1 bt2020-10 bt2020-12 smpte2084 smpte428 arib-std-b67",
}
FLAGS = {"_Matrix": "--colormatrix", "_Primaries": "--colorprim", "_Transfer": "--transfer"}


@pytest.mark.parametrize("prop", NAMES)
def test_code_points_of_h273_have_the_encoders_names(prop: str) -> None:
    clip = noise_clip("YUV444P8", 16, 16)
    for code, name in enumerate(NAMES[prop].split()):
        if name != "-" and not (prop == "_Matrix" and code == 0):
            args = encoder_args(clip.std.SetFrameProps(**{prop: code}), "x265")
            assert args[args.index(FLAGS[prop]) + 1] == name
    beyond = len(NAMES[prop].split())
    with pytest.raises(vs.Error, match=rf"{prop} is {beyond}, which encoders have no name for"):
        encoder_args(clip.std.SetFrameProps(**{prop: beyond}), "x265")


def test_hdr10_flags() -> None:
    clip = noise_clip("YUV420P10", 64, 48, _Matrix=9).std.SetFrameProps(**HDR10)
    display = "G(13250,34500)B(7500,3000)R(34000,16000)WP(15635,16450)L(10000000,50)"
    x264, x265 = encoder_args(clip, "x264"), encoder_args(clip, "x265")
    assert x264[x264.index("--mastering-display") + 1] == display
    assert x264[x264.index("--cll") + 1] == "1000,400"
    assert x265[x265.index("--master-display") + 1] == display
    assert x265[x265.index("--max-cll") + 1] == "1000,400"


def test_content_light_without_a_frame_average_says_zero() -> None:
    clip = noise_clip("YUV420P10", 64, 48, _Matrix=9)
    tagged = clip.std.SetFrameProps(ContentLightLevelMax=1234)
    for program, option in (("x264", "--cll"), ("x265", "--max-cll")):
        flags = encoder_args(tagged, program)
        assert flags[flags.index(option) + 1] == "1234,0"
        assert option not in encoder_args(clip, program)
        assert option not in encoder_args(clip.std.SetFrameProps(ContentLightLevelAverage=400), program)


CODES: dict[str, list[dict[str, Any]]] = {
    "matrix": [{"_Matrix": code} for code in encoder._MATRICES],
    "primaries": [{"_Primaries": code} for code in encoder._PRIMARIES],
    "transfer": [{"_Transfer": code} for code in encoder._TRANSFERS],
    "siting": [{"_ChromaLocation": code} for code in range(6)],
    "aspect": [{"_SARNum": 32, "_SARDen": 27}],
}


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str, int], dict[str, Any]]:
    """Return what a decoder says of the n-th code of every list, which an encoder was given in one run."""

    @functools.cache
    def encode(program: str, number: int) -> dict[str, Any]:
        props = {name: code for codes in CODES.values() for name, code in codes[number % len(codes)].items()}
        clip = noise_clip("YUV420P8", 64, 64).std.SetFrameProps(**props)
        return props_of(encoded(clip, program, tmp_path_factory.mktemp("written")))

    return encode


@pytest.mark.parametrize("program", PROGRAMS)
@pytest.mark.parametrize(
    ("number", "props"),
    [pytest.param(n, codes[n], id=f"{n}-{kind}") for kind, codes in CODES.items() for n in range(len(codes))],
)
def test_encoders_know_every_name_and_write_it(
    program: str, number: int, props: dict[str, Any], written: Callable[[str, int], dict[str, Any]]
) -> None:
    found = written(program, number)
    assert {name: found[name] for name in props} == props


@pytest.mark.parametrize("program", PROGRAMS)
@pytest.mark.parametrize("value_range", [0, 1])
@pytest.mark.parametrize("form", ["YUV420P8", "YUV422P10", "YUV444P8", "YUV420P10"])
def test_codes_depth_layout_and_range_stay(program: str, form: str, value_range: int, tmp_path: Path) -> None:
    clip = noise_clip(form, 64, 64, 2, _Range=value_range, _Matrix=1)
    lossless = {"x264": ["--qp", "0"], "x265": ["--lossless"], "ffmpeg": ["-qp", "0"]}[program]
    decoded = encoded(clip, program, tmp_path, *lossless)
    assert decoded.format.name == form
    assert decoded.num_frames == 2
    assert props_of(decoded)["_Range"] == value_range
    for plane, source in zip(planes_of(decoded), planes_of(clip), strict=True):
        np.testing.assert_array_equal(plane, source)


@pytest.mark.skipif(shutil.which("x265") is None, reason="x265 absent")
def test_x265_writes_hdr10(tmp_path: Path) -> None:
    clip = noise_clip("YUV420P10", 64, 64, _Matrix=9, _Primaries=9, _Transfer=16).std.SetFrameProps(**HDR10)
    found = props_of(encoded(clip, "x265", tmp_path))
    for name, value in HDR10.items():
        assert found[name] == pytest.approx(value), name


@pytest.mark.parametrize(
    ("make", "encoder_name", "message"),
    [
        (lambda: noise_clip("YUV420P8", 16, 16), "av1", r"encoder='av1'; 'x264', 'x265' or 'ffmpeg' is needed"),
        (lambda: vs.core.std.BlankClip(format=vs.RGB24, length=1), "x264", "RGB; convert it to YUV first"),
        (lambda: noise_clip("YUV444PS", 16, 16), "x264", "float; encoders take integers"),
        (lambda: noise_clip("YUV420P8", 16, 16, _Matrix=99), "x264", "_Matrix is 99, which encoders have no name for"),
        (lambda: noise_clip("YUV420P8", 16, 16, _FieldBased=1), "x264", "interlaced"),
        (lambda: vs.core.std.BlankClip(format=vs.YUV410P8, length=1), "x264", "4:2:0, 4:2:2 and 4:4:4"),
        (lambda: "clip", "x264", "clip is str"),
    ],
)
def test_wrong_clips_and_encoders_are_told(make: Any, encoder_name: str, message: str) -> None:
    with pytest.raises(vs.Error, match=f"^encoder_args: .*{message}"):
        encoder_args(make(), encoder_name)
