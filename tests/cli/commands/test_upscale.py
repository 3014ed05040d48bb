"""`vsanime upscale` on real files, with real encoders, read back with BestSource and ffmpeg."""

from __future__ import annotations

import argparse
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
import vapoursynth as vs

import vsanime
from tests.support.clips import planes_of, props_of
from tests.support.networks import artcnn_like
from vsanime import Backend
from vsanime.backends.base import Workload
from vsanime.cli import main
from vsanime.cli.commands import upscale as upscale_command
from vsanime.cli.options import backend_of
from vsanime.media.ffmpeg import find_ffmpeg
from vsanime.media.rawmkv import RawMatroskaWriter
from vsanime.spec import ChromaLocation, Family, FrameSpec, PlaneFormat, Range, SampleType

WIDTH, HEIGHT = 64, 48
# Film rate, twos and threes, 60 fps for a while, a held frame: no constant rate fits.
VFR_MS = [0, 42, 83, 125, 167, 208, 292, 375, 458, 542, 600, 617, 633, 650, 667, 767, 867, 1000, 1042, 1500]
FONT = b"\x00\x01\x00\x00 this is no font, but nobody looks"
ASS = """[Script Info]
ScriptType: v4.00+

[V4+ Styles]
Format: Name, Fontname, Fontsize
Style: Default,Arial,20

[Events]
Format: Layer, Start, End, Style, Name, MarginL, MarginR, MarginV, Effect, Text
Dialogue: 0,0:00:00.20,0:00:01.00,Default,,0,0,0,,{\\b1}Hello
"""
CHAPTERS = """;FFMETADATA1
title=Episode 1
[CHAPTER]
TIMEBASE=1/1000
START=0
END=700
title=Intro
[CHAPTER]
TIMEBASE=1/1000
START=700
END=1540
title=Part A
"""
AAC_FRAME = 1024 / 44100  # MP4 can end within one
_DISPLAY = "G(13250,34500)B(7500,3000)R(34000,16000)WP(15635,16450)L(10000000,50)"
HDR10_PARAMS = f"log-level=none:master-display={_DISPLAY}:max-cll=1000,400"


BUSY_SECONDS = 120  # what takes four on a quiet machine


@pytest.fixture(scope="module")
def net(tmp_path_factory: pytest.TempPathFactory) -> str:
    path = tmp_path_factory.mktemp("net") / "tiny.onnx"
    onnx.save(artcnn_like(seed=1), path)
    return str(path)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Source files; a space and a letter outside ASCII in every path."""
    return tmp_path_factory.mktemp("söurce files")


def ffmpeg(*args: str, feed: bytes = b"") -> str:
    command = [find_ffmpeg("x264"), "-hide_banner", "-v", "error", "-y", *args]
    done = subprocess.run(command, input=feed, capture_output=True, check=False)
    assert done.returncode == 0, done.stderr.decode(errors="replace")
    return done.stderr.decode()


def raw_stream(milliseconds: Sequence[int], path: Path) -> Path:
    """A box that moves, frame by frame at the given times."""
    form = PlaneFormat(Family.YUV, SampleType.INTEGER, 8, 1, 1)
    spec = FrameSpec(form, WIDTH, HEIGHT, Range.LIMITED, 1, ChromaLocation.LEFT)
    with path.open("wb") as sink:
        writer = RawMatroskaWriter(sink, spec, Fraction(24000, 1001))
        for n, shown in enumerate(milliseconds):
            luma = np.full((HEIGHT, WIDTH), 40, np.uint8)
            luma[10:30, n : n + 20] = 200
            chroma = [np.full((HEIGHT // 2, WIDTH // 2), code, np.uint8) for code in (100, 150)]
            writer.write_frame(Fraction(shown, 1000), [luma, *chroma])
    return path


@pytest.fixture(scope="module")
def vfr(folder: Path) -> Path:
    """Variable frame rate, sound, styled subtitle, font, chapters, titles, languages, pixels that are not square."""
    raw = raw_stream(VFR_MS, folder / "raw.mkv")
    (folder / "s.ass").write_text(ASS)
    (folder / "c.txt").write_text(CHAPTERS)
    (folder / "font.ttf").write_bytes(FONT)
    path = folder / "[Group] Show - 01 [vfr].mkv"
    inputs = ["-copyts", "-i", str(raw), "-f", "lavfi", "-i", "sine=440:duration=1.5"]
    inputs += ["-i", str(folder / "s.ass"), "-i", str(folder / "c.txt")]
    inputs += ["-map", "0", "-map", "1", "-map", "2", "-map_metadata", "3", "-map_chapters", "3"]
    font = ["-attach", str(folder / "font.ttf"), "-metadata:s:t", "mimetype=application/x-truetype-font"]
    picture = ["-c:v", "libx264", "-preset", "ultrafast", "-fps_mode", "passthrough", "-enc_time_base:v", "1:1000"]
    colour = "setparams=range=limited:colorspace=bt709:color_primaries=bt709:color_trc=bt709,setsar=32/27"
    names = ["-metadata:s:v", "title=Main", "-metadata:s:v", "language=jpn", "-metadata:s:a", "language=jpn"]
    names += ["-metadata:s:s", "language=eng", "-avoid_negative_ts", "disabled"]
    ffmpeg(*inputs, *font, *picture, "-vf", colour, "-c:a", "aac", *names, str(path))
    assert times(path) == VFR_MS
    return path


@pytest.fixture(scope="module")
def cfr(folder: Path) -> Path:
    """What most people have: an mp4 of constant rate with sound and a cover."""
    path, cover = folder / "cfr.mp4", folder / "cover.png"
    ffmpeg("-f", "lavfi", "-i", "color=red:size=32x32", "-frames:v", "1", str(cover))
    source = ["-f", "lavfi", "-i", f"testsrc2=size={WIDTH}x{HEIGHT}:rate=24000/1001:duration=0.8"]
    source += ["-f", "lavfi", "-i", "sine=440:duration=0.8", "-i", str(cover)]
    codecs = ["-c:v:0", "libx264", "-pix_fmt:v:0", "yuv420p", "-c:a", "aac", "-c:v:1", "copy"]
    ffmpeg(*source, "-map", "0", "-map", "1", "-map", "2", *codecs, "-disposition:v:1", "attached_pic", str(path))
    return path


def opened(path: Path) -> dict[str, Any]:
    found = vs.core.bs.VideoSource(str(path), cachemode=0, showprogress=False, exporttimestamps=True)
    assert isinstance(found, dict)
    return found


def clip_in(path: Path) -> vs.VideoNode:
    clip = opened(path)["clip"]
    assert isinstance(clip, vs.VideoNode)
    return clip


def times(path: Path) -> list[int]:
    """When each frame is shown, in milliseconds."""
    found = opened(path)
    return [round(1000 * t * found["timebasenum"] / found["timebaseden"]) for t in found["timestamps"]]


def described(path: Path) -> str:
    """What ffmpeg says of a file."""
    command = [find_ffmpeg("x264"), "-hide_banner", "-i", str(path)]
    return subprocess.run(command, capture_output=True, check=False).stderr.decode()


def sound(path: Path) -> tuple[float, float]:
    """Time of the first and the end of the last packet of sound, in seconds."""
    command = [find_ffmpeg("x264"), "-v", "error", "-copyts", "-i", str(path), "-map", "0:a:0", "-c", "copy"]
    done = subprocess.run([*command, "-f", "framecrc", "-"], capture_output=True, check=True)
    lines = done.stdout.decode().splitlines()
    rate = next(int(line.split("/")[1]) for line in lines if line.startswith("#tb 0:"))
    packets = [[int(v) for v in line.split(",")[1:4]] for line in lines if not line.startswith("#")]
    return packets[0][1] / rate, (packets[-1][1] + packets[-1][2]) / rate


def upscale(*args: str | Path) -> int:
    return main(["upscale", *map(str, args), "--precision", "f32", "--preset", "ultrafast"])


@pytest.mark.parametrize("which", ["on PATH", "from imageio-ffmpeg"])
def test_everything_in_a_vfr_mkv_is_kept(
    which: str, vfr: Path, net: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    output = tmp_path / "öut put.mkv"
    if which == "on PATH":
        monkeypatch.setenv("PATH", f"{_folder_with_ffmpeg(tmp_path)}{os.pathsep}{os.environ['PATH']}")
    else:
        monkeypatch.setenv("PATH", str(tmp_path))
    assert upscale(vfr, output, "--model", net) == 0
    monkeypatch.undo()
    assert times(output) == VFR_MS
    clip, said = clip_in(output), described(output)
    assert (clip.format.name, clip.width, clip.height) == ("YUV420P8", 2 * WIDTH, 2 * HEIGHT)
    props = props_of(clip)
    wanted = {"_Matrix": 1, "_Primaries": 1, "_Transfer": 1, "_Range": 0, "_ChromaLocation": 0}
    assert {k: props[k] for k in wanted} == wanted
    assert (props["_SARNum"], props["_SARDen"]) == (32, 27)
    streams = re.findall(r"Stream #0:(\d)(?:\((\w+)\))?: (\w+): (\w+)", said)
    assert [(lang, kind, codec) for _, lang, kind, codec in streams] == [
        ("jpn", "Video", "h264"),
        ("jpn", "Audio", "aac"),
        ("eng", "Subtitle", "ass"),
        ("", "Attachment", "ttf"),
    ]
    assert re.findall(r"start (\S+), end (\S+)\n.*\n +title +: (.*)", said) == [
        ("0.000000", "0.700000", "Intro"),
        ("0.700000", "1.540000", "Part A"),
    ]
    assert re.search(r"title +: Episode 1", said)
    assert re.search(r"title +: Main", said)
    assert sound(output) == pytest.approx(sound(vfr), abs=0.0015)
    assert _attachment(output, tmp_path) == FONT
    assert "20/20 frames" in capfd.readouterr().err
    assert [p.name for p in tmp_path.iterdir() if "partial" in p.name] == []


def _folder_with_ffmpeg(folder: Path) -> Path:
    """A folder to put on PATH, for machines without ffmpeg there."""
    if shutil.which("ffmpeg"):
        return folder
    name = "ffmpeg.exe" if sys.platform == "win32" else "ffmpeg"
    shutil.copy(find_ffmpeg("x264"), folder / name)
    return folder


def _attachment(path: Path, folder: Path) -> bytes:
    found = folder / "dumped.ttf"
    command = [find_ffmpeg("x264"), "-v", "error", "-y", "-dump_attachment:t:0", str(found), "-i", str(path)]
    subprocess.run(command, capture_output=True, check=False)  # no output file is named, so it always complains
    return found.read_bytes()


def test_subtitles_say_the_same_at_the_same_time(vfr: Path, net: str, tmp_path: Path) -> None:
    output = tmp_path / "out.mkv"
    assert upscale(vfr, output, "--model", net) == 0
    ffmpeg("-copyts", "-i", str(output), "-map", "0:s:0", "-c", "copy", str(tmp_path / "out.ass"))
    lines = (tmp_path / "out.ass").read_text().splitlines()
    assert lines[-1] == ASS.splitlines()[-1]


def test_the_picture_is_the_filters(vfr: Path, net: str, tmp_path: Path) -> None:
    from vsanime import Backend, artcnn

    output = tmp_path / "out.mkv"
    assert upscale(vfr, output, "--model", net, "--encoder-params", "qp=0", "--depth", "10") == 0
    wanted = artcnn(clip_in(vfr), net, depth=10, backend=Backend.OpenVINO(precision="f32"))
    found = clip_in(output)
    assert found.num_frames == wanted.num_frames == len(VFR_MS)
    for n in (0, 7, len(VFR_MS) - 1):
        for plane, expected in zip(planes_of(found, n), planes_of(wanted, n), strict=True):
            np.testing.assert_array_equal(plane, expected)


def test_mp4_output_converts_what_it_can_and_names_what_it_cannot(
    vfr: Path, net: str, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    output = tmp_path / "out.mp4"
    assert upscale(vfr, output, "--model", net, "--encoder", "x265") == 0
    said, err = described(output), capfd.readouterr().err
    assert times(output) == VFR_MS
    assert clip_in(output).format.name == "YUV420P10"
    assert re.search(r"Video: hevc \(Main 10\) \(hvc1", said)
    assert "Subtitle: mov_text" in said
    assert "Chapter #0:1: start 0.700000" in said
    assert "subtitle stream 2 (ass) is converted to mov_text, which has no styles" in err
    assert "attachment stream 3 (ttf) is left out" in err
    assert sound(output) == pytest.approx(sound(vfr), abs=0.0015)


@pytest.mark.parametrize("suffix", [".mp4", ".mkv", ".mov"])
def test_a_constant_rate_mp4_keeps_rate_sound_and_cover(
    suffix: str, cfr: Path, net: str, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    output = tmp_path / f"out{suffix}"
    assert upscale(cfr, output, "--model", net) == 0
    found = opened(output)
    assert found["clip"].num_frames == clip_in(cfr).num_frames
    if suffix != ".mkv":
        assert (found["timebasenum"], found["timebaseden"]) == (1, 24000)
        assert list(found["timestamps"]) == [1001 * n for n in range(found["clip"].num_frames)]
    assert times(output) == pytest.approx(times(cfr), abs=1)
    said = described(output)
    assert len(re.findall(r"Video: h264", said)) == 1
    assert ("(attached pic)" in said) == (suffix != ".mov")
    assert ("cover picture stream 2 (png) is left out" in capfd.readouterr().err) == (suffix == ".mov")
    assert sound(output)[0] == pytest.approx(sound(cfr)[0], abs=0.0015)
    assert sound(output)[1] == pytest.approx(sound(cfr)[1], abs=AAC_FRAME)


def test_a_cover_becomes_an_attached_file_in_mkv(cfr: Path, net: str, tmp_path: Path) -> None:
    output = tmp_path / "out.mkv"
    assert upscale(cfr, output, "--model", net) == 0
    said = described(output)
    assert re.search(r"Video: png.*\(attached pic\)", said)
    assert re.search(r"filename +: cover\.png", said)


def test_broadcast_timestamps_are_counted_from_the_files_start(cfr: Path, net: str, tmp_path: Path) -> None:
    broadcast, output = tmp_path / "in.ts", tmp_path / "out.mkv"
    copied = ["-map", "0:v:0", "-map", "0:a", "-c", "copy", "-output_ts_offset", "3600"]
    ffmpeg("-i", str(cfr), *copied, str(broadcast))
    assert times(broadcast)[0] > 3_600_000
    assert upscale(broadcast, output, "--model", net) == 0
    assert times(output)[0] < 100
    lead = times(broadcast)[0] / 1000 - sound(broadcast)[0]
    assert times(output)[0] / 1000 - sound(output)[0] == pytest.approx(lead, abs=0.002)


@pytest.mark.parametrize(("encoder", "suffix"), [("x265", ".mkv"), ("x265", ".mp4"), ("x264", ".mkv")])
def test_hdr10_metadata_and_siting_are_kept(encoder: str, suffix: str, net: str, tmp_path: Path, folder: Path) -> None:
    source, output = folder / f"hdr {encoder}{suffix}.mkv", tmp_path / f"out{suffix}"
    colour = "setparams=range=limited:colorspace=bt2020nc:color_primaries=bt2020:color_trc=smpte2084"
    picture = ["-f", "lavfi", "-i", f"testsrc2=size={WIDTH}x{HEIGHT}:rate=24:duration=0.4", "-vf", colour]
    codec = ["-pix_fmt", "yuv420p10le", "-c:v", "libx265", "-preset", "ultrafast", "-x265-params", HDR10_PARAMS]
    ffmpeg(*picture, *codec, "-chroma_sample_location", "topleft", str(source))
    assert upscale(source, output, "--model", net, "--encoder", encoder) == 0
    before, after = props_of(clip_in(source)), props_of(clip_in(output))
    kept = [name for name in before if name.startswith(("Mastering", "ContentLight"))]
    assert len(kept) == 8
    kept += ["_Matrix", "_Primaries", "_Transfer", "_Range", "_ChromaLocation"]
    assert {name: after[name] for name in kept} == {name: before[name] for name in kept}
    assert (after["_Matrix"], after["_ChromaLocation"]) == (9, 2)
    assert clip_in(output).format.name == "YUV420P10"


def test_full_range_keeps_its_codes_and_its_mark(net: str, tmp_path: Path) -> None:
    source, output = tmp_path / "full.mkv", tmp_path / "out.mkv"
    picture = ["-f", "lavfi", "-i", f"color=black:size={WIDTH}x{HEIGHT}:rate=24:duration=0.2", "-pix_fmt", "yuv420p"]
    shift = "lutyuv=y=250:u=128:v=128,setparams=range=full:colorspace=smpte170m"
    ffmpeg(*picture, "-vf", shift, "-c:v", "libx264", "-qp", "0", str(source))
    assert int(planes_of(clip_in(source))[0].max()) == 250
    from vsanime import Backend, artcnn

    assert upscale(source, output, "--model", net, "--encoder-params", "qp=0") == 0
    wanted = artcnn(clip_in(source), net, backend=Backend.OpenVINO(precision="f32"))
    assert props_of(clip_in(output))["_Range"] == 1
    np.testing.assert_array_equal(planes_of(clip_in(output))[0], planes_of(wanted)[0])


def test_rgb_is_converted_and_said(net: str, tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    source, output = tmp_path / "rgb.mkv", tmp_path / "out.mkv"
    ffmpeg(
        "-f",
        "lavfi",
        "-i",
        f"testsrc2=size={WIDTH}x{HEIGHT}:duration=0.2",
        "-c:v",
        "ffv1",
        "-pix_fmt",
        "bgr0",
        str(source),
    )
    assert clip_in(source).format.color_family == vs.RGB
    assert upscale(source, output, "--model", net) == 0
    assert clip_in(output).format.name == "YUV444P8"
    assert props_of(clip_in(output))["_Matrix"] == 1
    assert "INPUT is RGB: it is converted to YUV 4:4:4, BT.709, limited range" in capfd.readouterr().err


def test_size_tiles_and_backend(vfr: Path, net: str, tmp_path: Path) -> None:
    output = tmp_path / "out.mkv"
    options = ["--width", "96", "--height", "72", "--tiles", "2x1", "--backend", "onnxruntime"]
    assert upscale(vfr, output, "--model", net, *options) == 0
    assert (clip_in(output).width, clip_in(output).height) == (96, 72)


def chosen(*arguments: str) -> object:
    """The backend that a command line comes to."""
    parser = argparse.ArgumentParser()
    upscale_command.add_parser(parser.add_subparsers())
    return backend_of(parser.parse_args(["upscale", "in.mkv", "out.mkv", *arguments]))


def test_the_backend_and_its_options() -> None:
    assert chosen() == Backend.auto()
    assert chosen("--backend", "openvino") == Backend.OpenVINO()
    assert chosen("--backend", "openvino", "--device", "GPU.1", "--precision", "bf16") == Backend.OpenVINO(
        device="GPU.1", precision="bf16"
    )
    assert chosen("--backend", "onnxruntime") == Backend.ONNXRuntime()
    assert chosen("--backend", "onnxruntime", "--device", "1") == Backend.ONNXRuntime(provider="CUDA", device_id=(1,))
    assert chosen("--backend", "tensorrt") == Backend.TensorRT()
    assert chosen("--backend", "tensorrt", "--device", "0,1", "--precision", "auto") == Backend.TensorRT(
        device_id=(0, 1), precision="auto"
    )


def test_auto_is_tensorrt_where_there_is_a_card(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("vsanime.backends.is_usable", lambda: True)
    assert chosen("--device", "1") == Backend.TensorRT(device_id=(1,))
    monkeypatch.setattr("vsanime.backends.is_usable", lambda: False)
    assert chosen("--device", "CPU") == Backend.OpenVINO()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--backend", "tensorrt", "--device", "GPU"], "--device GPU: the number of a card, from 0"),
        (["--backend", "onnxruntime", "--device", "CPU"], "--device CPU: the number of a card"),
        (["--backend", "openvino", "--precision", "fp16"], "precision='fp16' is not known to OpenVINO"),
    ],
)
def test_options_that_do_not_fit_the_backend(
    options: list[str], message: str, vfr: Path, net: str, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    assert main(["upscale", str(vfr), str(tmp_path / "out.mkv"), "--model", net, *options]) == 1
    assert message in capfd.readouterr().err
    assert not list(tmp_path.iterdir())


def test_tiles_are_left_to_the_backend(vfr: Path, net: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked = []

    def tile_for(_: Backend.OpenVINO, work: Workload, __: str, *, fit: bool = False) -> tuple[int, int]:
        asked.append(fit)
        return work.width, work.height

    monkeypatch.setattr(Backend.OpenVINO, "tile_for", tile_for)
    for tiles in ([], ["--tiles", "auto"]):
        assert upscale(vfr, tmp_path / f"{len(tiles)}.mkv", "--model", net, *tiles) == 0
    assert asked == [False, True]


def test_a_waifu2x_model_denoises_and_keeps_the_rest(vfr: Path, tmp_path: Path) -> None:
    out = tmp_path / "out.mkv"
    lossless = ["--crf", "0", "--preset", "ultrafast", "--precision", "f32"]
    assert main(["upscale", str(vfr), str(out), "--model", "upconv_7_art", "--noise", "1", *lossless]) == 0
    made, source = vs.core.bs.VideoSource(str(out), cachemode=0), vs.core.bs.VideoSource(str(vfr), cachemode=0)
    assert (made.width, made.height, made.num_frames) == (2 * source.width, 2 * source.height, source.num_frames)
    expected = vsanime.waifu2x(source, 1, depth=made.format.bits_per_sample, backend=Backend.OpenVINO(precision="f32"))
    for a, b in zip(planes_of(made, 3), planes_of(expected, 3), strict=True):
        # At rate factor 0 x264 is lossless only at 8 bits.
        assert np.abs(a.astype(int) - b).mean() < 1


@pytest.mark.parametrize("options", [["--model", "upconv_7_art", "--noise", "1"], ["--model", "upconv_7_art_noise1"]])
def test_a_waifu2x_model_doubles_twice_for_three_times_the_size(options: list[str], vfr: Path, tmp_path: Path) -> None:
    """Noise is removed in the first pass alone, and the passes hand 16 bits on."""
    out = tmp_path / "out.mkv"
    assert upscale(vfr, out, *options, "--width", str(3 * WIDTH), "--encoder-params", "qp=0") == 0
    f32 = Backend.OpenVINO(precision="f32")
    twice = vsanime.waifu2x(vsanime.waifu2x(clip_in(vfr), 1, depth=16, backend=f32), depth=16, backend=f32)
    wanted = twice.resize.Spline36(3 * WIDTH, 3 * HEIGHT, format=vs.YUV420P8)
    for found, expected in zip(planes_of(clip_in(out), 3), planes_of(wanted, 3), strict=True):
        np.testing.assert_array_equal(found, expected)


@pytest.mark.parametrize("model", ["upconv_7_art", "C4F16_VA"])
def test_a_size_out_of_proportion_changes_the_sample_aspect_ratio(model: str, vfr: Path, tmp_path: Path) -> None:
    out = tmp_path / "out.mkv"
    assert upscale(vfr, out, "--model", model, "--width", "96", "--height", "96") == 0
    props = props_of(clip_in(out))
    # 32:27 on 64x48 is 128:81 on a square; Matroska keeps a display size in whole pixels.
    assert float(props["_SARNum"]) / float(props["_SARDen"]) == pytest.approx(128 / 81, rel=1e-3)


@pytest.mark.parametrize(
    ("options", "parts"),
    [
        (["--noise", "1"], ["noise and tint are for RGB models", "upconv_7_art"]),
        (["--model", "upconv_7_art", "--chroma", "C4F32_Chroma"], ["chroma=C4F32_Chroma", "leave it out"]),
    ],
)
def test_options_of_another_filter_are_told(
    options: list[str], parts: list[str], vfr: Path, net: str, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    model = [] if "--model" in options else ["--model", net]
    assert main(["upscale", str(vfr), str(tmp_path / "out.mkv"), *model, *options]) == 1
    message = capfd.readouterr().err.strip().splitlines()[-1]
    assert all(part in message for part in parts)
    assert list(tmp_path.iterdir()) == []


def test_an_existing_output_needs_force(vfr: Path, net: str, tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    output = tmp_path / "out.mkv"
    output.write_text("mine")
    assert upscale(vfr, output, "--model", net) == 1
    assert output.read_text() == "mine"
    assert "exists; give --force" in capfd.readouterr().err
    assert upscale(vfr, output, "--model", net, "--force") == 0
    assert times(output) == VFR_MS


def test_a_failing_encoder_leaves_no_file_and_says_why(
    vfr: Path, net: str, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    output = tmp_path / "out.mkv"
    assert main(["upscale", str(vfr), str(output), "--model", net, "--preset", "unheard-of"]) == 1
    assert list(tmp_path.iterdir()) == []
    last = capfd.readouterr().err.splitlines()[-1]
    assert last.startswith("vsanime: the encoder failed (ffmpeg's exit code ")
    assert "unheard-of" in last


def test_a_failed_run_keeps_the_file_that_force_would_have_replaced(vfr: Path, net: str, tmp_path: Path) -> None:
    output = tmp_path / "out.mkv"
    output.write_text("mine")
    assert main(["upscale", str(vfr), str(output), "--model", net, "--preset", "unheard-of", "--force"]) == 1
    assert [p.name for p in tmp_path.iterdir()] == ["out.mkv"]
    assert output.read_text() == "mine"


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no way to interrupt just one process")
@pytest.mark.parametrize("name", ["SIGINT", "SIGTERM", "SIGHUP"])
def test_an_interrupted_run_leaves_no_file(name: str, net: str, tmp_path: Path) -> None:
    source, output = tmp_path / "long.mkv", tmp_path / "out.mkv"
    ffmpeg(
        "-f",
        "lavfi",
        "-i",
        "testsrc2=size=640x480:rate=24:duration=20",
        "-c:v",
        "libx264",
        "-preset",
        "ultrafast",
        str(source),
    )
    command = [sys.executable, "-m", "vsanime", "upscale", str(source), str(output), "--model", net]
    with subprocess.Popen([*command, "--preset", "veryslow"], stderr=subprocess.PIPE, text=True) as process:
        deadline = time.monotonic() + BUSY_SECONDS
        while not list(tmp_path.glob(".*partial*")):
            assert process.poll() is None
            assert time.monotonic() < deadline
            time.sleep(0.05)
        process.send_signal(getattr(signal, name))
        _, err = process.communicate(timeout=BUSY_SECONDS)
    assert process.returncode == 130
    assert err.splitlines()[-1] == "vsanime: interrupted"
    assert [p.name for p in tmp_path.iterdir()] == ["long.mkv"]


def _bad(name: str, source: Path, folder: Path) -> list[str]:
    garbage = folder / "garbage.mkv"
    garbage.write_bytes(bytes(range(256)) * 40)
    output = str(folder / "out.mkv")
    return {
        "missing": [str(folder / "nothing.mkv"), output],
        "folder": [str(folder), output],
        "garbage": [str(garbage), output],
        "same": [str(source), str(source), "--force"],
        "suffix": [str(source), str(folder / "out.avi")],
        "no folder": [str(source), str(folder / "nowhere" / "out.mkv")],
        "depth": [str(source), output, "--depth", "12"],
        "model": [str(source), output, "--model", "C4F999"],
        "bf16": [str(source), output, "--backend", "onnxruntime", "--precision", "bf16"],
        "width": [str(source), output, "--width", "97"],
    }[name]


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("missing", "is not a file"),
        ("folder", "is not a file"),
        ("garbage", "garbage.mkv"),
        ("same", "INPUT and OUTPUT are both"),
        ("suffix", "ends in '.avi'; one of .mkv, .mp4, .m4v, .mov is needed"),
        ("no folder", "folder that does not exist"),
        ("depth", "--depth 12: x264 encodes 8 or 10 bits"),
        ("model", "C4F999"),
        ("bf16", "f32"),
        ("width", "width=97"),
    ],
)
def test_bad_input_is_told_in_one_line(
    name: str, message: str, vfr: Path, net: str, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    before = vfr.read_bytes()
    args = _bad(name, vfr, tmp_path)
    assert main(["upscale", *args, *([] if "--model" in args else ["--model", net])]) == 1
    captured = capfd.readouterr()
    lines = [line for line in captured.err.splitlines() if line.startswith("vsanime: ")]
    assert len(lines) == 1
    assert message in lines[0]
    assert "Traceback" not in captured.err
    assert captured.out == ""
    assert vfr.read_bytes() == before
    assert sorted(p.name for p in tmp_path.iterdir()) == ["garbage.mkv"]


def test_interlaced_input_is_refused(net: str, tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    source = tmp_path / "interlaced.mkv"
    picture = ["-f", "lavfi", "-i", "testsrc2=size=64x64:rate=30:duration=0.3", "-pix_fmt", "yuv420p"]
    ffmpeg(*picture, "-c:v", "libx264", "-flags", "+ildct+ilme", "-vf", "setfield=tff", str(source))
    assert upscale(source, tmp_path / "out.mkv", "--model", net) == 1
    assert "interlaced" in capfd.readouterr().err
    assert [p.name for p in tmp_path.iterdir()] == ["interlaced.mkv"]


@pytest.mark.parametrize("text", ["0", "2x", "x", "1x2x3", "many"])
def test_tiles_are_numbers(text: str, vfr: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as stopped:
        upscale(vfr, tmp_path / "out.mkv", "--tiles", text)
    assert stopped.value.code == 2
    assert "a number such as 2, two such as 2x3, or auto is needed" in capfd.readouterr().err


def test_without_any_ffmpeg_the_extra_is_named(
    vfr: Path, net: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setenv("IMAGEIO_FFMPEG_EXE", str(tmp_path / "none"))
    assert upscale(vfr, tmp_path / "out.mkv", "--model", net) == 1
    assert "vsanime[encode]" in capfd.readouterr().err
