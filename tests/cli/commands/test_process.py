"""`vsanime process` on real videos, pictures and folders, read back by others."""

from __future__ import annotations

import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import onnx
import pytest
import vapoursynth as vs
from onnx import helper
from PIL import Image

import vsanime
from tests.support.clips import clip_of, planes_of
from tests.support.networks import artcnn_like, layers
from tests.support.reference import run_plain
from vsanime import Backend
from vsanime.cli import main
from vsanime.media.ffmpeg import find_ffmpeg
from vsanime.media.picturefile import read_header, read_samples
from vsanime.media.png16 import png16
from vsanime.motion.distance import field

WIDTH, HEIGHT = 64, 48
BUSY_SECONDS = 120  # what takes four on a quiet machine
F32 = Backend.OpenVINO(precision="f32")


def process(*args: str | Path) -> int:
    return main(["process", *map(str, args), "--precision", "f32", "--backend", "openvino"])


@pytest.fixture(scope="module")
def nets(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """`luma.onnx` and `rgb.onnx` double; `same.onnx` gives RGB as it came."""
    folder = tmp_path_factory.mktemp("nets")
    onnx.save(artcnn_like(seed=1), folder / "luma.onnx")
    onnx.save(artcnn_like(channels=3, planes=3, seed=1), folder / "rgb.onnx")
    centre = np.zeros((3, 3, 3, 3), np.float32)
    centre[range(3), range(3), 1, 1] = 1
    conv = helper.make_node("Conv", ["input", "centre"], ["output"], pads=[1, 1, 1, 1])
    onnx.save(layers(conv, channels=(3, 3), centre=centre), folder / "same.onnx")
    return folder


@pytest.fixture
def same(nets: Path) -> list[str]:
    """Options with which a picture comes out as it went in."""
    return ["--filter", "waifu2x", "--set", f"model={nets / 'same.onnx'}", "--set", "scale=1"]


@pytest.fixture(scope="module")
def video(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An mp4 with sound and a subtitle."""
    folder = tmp_path_factory.mktemp("söurce files")
    path, words = folder / "in put.mp4", folder / "s.srt"
    words.write_text("1\n00:00:00,100 --> 00:00:00,700\nHello\n")
    source = ["-f", "lavfi", "-i", f"testsrc2=size={WIDTH}x{HEIGHT}:rate=24000/1001:duration=0.8"]
    source += ["-f", "lavfi", "-i", "sine=440:duration=0.8", "-i", str(words)]
    codecs = ["-c:v", "libx264", "-pix_fmt", "yuv420p", "-c:a", "aac", "-c:s", "mov_text"]
    command = [find_ffmpeg("x264"), "-v", "error", "-y", *source, "-map", "0", "-map", "1", "-map", "2", *codecs]
    subprocess.run([*command, str(path)], check=True)
    return path


def clip_in(path: Path) -> vs.VideoNode:
    clip = vs.core.bs.VideoSource(str(path), cachemode=0, showprogress=False)
    assert isinstance(clip, vs.VideoNode)
    return clip


def times(path: Path) -> list[float]:
    """When each frame is shown, in seconds."""
    found = vs.core.bs.VideoSource(str(path), cachemode=0, showprogress=False, exporttimestamps=True)
    return [t * found["timebasenum"] / found["timebaseden"] for t in found["timestamps"]]


def streams(path: Path) -> list[tuple[str, str]]:
    command = [find_ffmpeg("x264"), "-hide_banner", "-i", str(path)]
    said = subprocess.run(command, capture_output=True, check=False).stderr.decode()
    return re.findall(r"Stream #0:\d.*: (Video|Audio|Subtitle): (\w+)", said)


def sound(path: Path) -> bytes:
    """The packets of sound as they are stored, without their container."""
    command = [find_ffmpeg("x264"), "-v", "error", "-i", str(path), "-map", "0:a", "-c", "copy", "-f", "md5", "-"]
    return subprocess.run(command, capture_output=True, check=True).stdout


def drawing(channels: int = 3, width: int = WIDTH, height: int = HEIGHT, dtype: type = np.uint8) -> np.ndarray:
    """Blocks of colours, gray or not, with or without transparency."""
    rng = np.random.default_rng(width)
    coarse = rng.random((height // 6 + 1, width // 6 + 1, channels)).repeat(6, 0).repeat(6, 1)[:height, :width]
    return np.rint(coarse * np.iinfo(dtype).max).astype(dtype)


def save(path: Path, samples: np.ndarray) -> Path:
    if samples.dtype == np.uint16:
        path.write_bytes(png16(samples))
    else:
        Image.fromarray(samples[..., 0] if samples.shape[2] == 1 else samples).save(path)
    return path


def read(path: Path) -> np.ndarray:
    return read_samples(path, read_header(path))


# --- Videos ---


@pytest.mark.parametrize(
    ("settings", "wanted"),
    [
        (["artcnn"], lambda clip, nets: vsanime.artcnn(clip, str(nets / "luma.onnx"), depth=10, backend=F32)),
        (["waifu2x"], lambda clip, nets: vsanime.waifu2x(clip, model=str(nets / "rgb.onnx"), depth=10, backend=F32)),
    ],
    ids=["artcnn", "waifu2x"],
)
def test_a_video_is_what_the_filter_makes_with_everything_else_kept(
    settings: list[str], wanted: object, video: Path, nets: Path, tmp_path: Path
) -> None:
    output = tmp_path / "öut put.mkv"
    model = f"model={nets / ('luma.onnx' if settings == ['artcnn'] else 'rgb.onnx')}"
    lossless = ["--encoder-params", "qp=0", "--preset", "ultrafast", "--depth", "10"]
    assert process(video, output, "--filter", *settings, "--set", model, *lossless) == 0
    assert streams(output) == [("Video", "h264"), ("Audio", "aac"), ("Subtitle", "subrip")]
    assert sound(output) == sound(video)
    assert times(output) == pytest.approx(times(video), abs=0.001)
    expected = wanted(clip_in(video), nets)  # type: ignore[operator]
    for n in (0, 7):
        for found, plane in zip(planes_of(clip_in(output), n), planes_of(expected, n), strict=True):
            np.testing.assert_array_equal(found, plane)


def test_upscale_is_the_short_form(video: Path, nets: Path, tmp_path: Path) -> None:
    long, short = tmp_path / "long.mkv", tmp_path / "short.mkv"
    model, rest = str(nets / "luma.onnx"), ["--crf", "30", "--preset", "ultrafast"]
    settings = ["--filter", "upscale", "--set", f"model={model}", "--set", "width=96"]
    assert process(video, long, *settings, *rest) == 0
    engine = ["--precision", "f32", "--backend", "openvino"]
    assert main(["upscale", str(video), str(short), "--model", model, "--width", "96", *engine, *rest]) == 0
    for a, b in zip(planes_of(clip_in(long), 5), planes_of(clip_in(short), 5), strict=True):
        np.testing.assert_array_equal(a, b)
    assert (clip_in(long).width, clip_in(long).height) == (96, 72)


@pytest.mark.parametrize(("encoder", "name"), [("x264", "YUV444P8"), ("x265", "YUV444P10")])
def test_a_filter_without_a_depth_ends_in_one_that_the_encoder_has(
    encoder: str, name: str, video: Path, tmp_path: Path
) -> None:
    output = tmp_path / "out.mkv"
    options = ["--filter", "artcnn_chroma", "--encoder", encoder, "--preset", "ultrafast", "--crf", "10"]
    assert process(video, output, *options) == 0
    found = clip_in(output)
    assert (found.format.name, found.width, found.height) == (name, WIDTH, HEIGHT)
    luma = planes_of(found, 3)[0].astype(float) / (4 if name.endswith("10") else 1)
    assert np.abs(luma - planes_of(clip_in(video), 3)[0]).mean() < 3


def scene_starts(clip: vs.VideoNode) -> list[int]:
    return [n for n, frame in enumerate(clip.frames(close=True)) if frame.props["_SceneChangePrev"]]


@pytest.fixture(scope="module")
def style(tmp_path_factory: pytest.TempPathFactory) -> str:
    """A small network from RGB to RGB: what styles' own do is tested in tests/filters/test_animegan.py."""
    path = tmp_path_factory.mktemp("Stil ö") / "net.onnx"
    onnx.save(artcnn_like(channels=3, planes=3, scale=1, seed=1), path)
    return str(path)


def test_scenes_are_found_for_filters_that_go_by_them(style: str, tmp_path: Path) -> None:
    source, output = tmp_path / "cut.mkv", tmp_path / "drawn.mkv"
    picture = "testsrc2=size=64x48:rate=24:duration={}"
    joined = "[0:v][1:v][2:v]concat=n=3"
    inputs = [picture.format(0.5), "color=navy:size=64x48:rate=24:duration=0.25", picture.format(0.25)]
    command = [find_ffmpeg("x264"), "-v", "error", *(word for one in inputs for word in ("-f", "lavfi", "-i", one))]
    subprocess.run([*command, "-filter_complex", joined, "-c:v", "libx264", str(source)], check=True)
    marked = vsanime.mark_scenes(clip_in(source))
    assert scene_starts(marked) == [0, 12, 18]
    lossless = ["--encoder-params", "qp=0", "--preset", "ultrafast", "--depth", "10"]
    scenes = ["--filter", "animegan", "--style", style, "--set", "brightness=scene"]
    assert process(source, output, *scenes, *lossless) == 0
    expected = vsanime.animegan(marked, style, brightness="scene", depth=10, backend=F32)
    gains = {expected.get_frame(n).props["AnimeGANGain"] for n in (0, 13, 20)}
    assert len(gains) == 3
    for n in (3, 13, 20):
        for found, plane in zip(planes_of(clip_in(output), n), planes_of(expected, n), strict=True):
            np.testing.assert_array_equal(found, plane)


@pytest.mark.parametrize(("channels", "dtype"), [(1, np.uint16), (3, np.uint8), (4, np.uint8), (4, np.uint16)])
def test_drawn_pictures_are_what_the_filter_makes_of_each_by_itself(
    channels: int, dtype: type, style: str, tmp_path: Path
) -> None:
    folder, output = tmp_path / "in", tmp_path / "out"
    folder.mkdir()
    shades = {"dark.png": 3, "light.png": 1}
    for name, share in shades.items():
        samples = drawing(channels, dtype=dtype)
        samples[..., : 1 if channels == 1 else 3] //= share
        save(folder / name, samples)
    options = ["--filter", "animegan", "--style", style, "--set", "brightness=scene", "--set", "work_size=32x24"]
    assert process(folder, output, *options) == 0
    bits, gray = 8 * np.dtype(dtype).itemsize, channels == 1
    form = vs.core.query_video_format(vs.GRAY if gray else vs.RGB, vs.INTEGER, bits, 0, 0)
    for name in shades:
        given, found = read(folder / name), read(output / name)
        assert (found.shape, found.dtype) == (given.shape, given.dtype)
        planes = [given[..., p] for p in range(form.num_planes)]
        clip = clip_of([planes], form, _Range=1, _SceneChangePrev=1)
        made = vsanime.animegan(clip, style, brightness="scene", work_size=(32, 24), backend=F32)
        np.testing.assert_array_equal(found[..., : form.num_planes], np.stack(planes_of(made), -1))
        np.testing.assert_array_equal(found[..., form.num_planes :], given[..., form.num_planes :])


# --- One picture ---


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
@pytest.mark.parametrize("channels", [1, 2, 3, 4])
def test_gray_colour_transparency_and_depth_are_kept(
    channels: int, dtype: type, same: list[str], tmp_path: Path
) -> None:
    samples = drawing(channels, dtype=dtype)
    if channels == 4:
        samples[..., 3] = np.maximum(samples[..., 3], 1)  # under full transparency the filter changes colours
    source = save(tmp_path / "ä.png", samples)
    output = tmp_path / "out.png"
    assert process(source, output, *same) == 0
    assert read_header(output) == read_header(source)
    np.testing.assert_array_equal(read(output), samples)


def test_a_picture_is_what_the_network_makes_of_its_values(nets: Path, tmp_path: Path) -> None:
    source, output = save(tmp_path / "in.png", drawing()), tmp_path / "out.png"
    assert process(source, output, "--filter", "waifu2x", "--set", f"model={nets / 'rgb.onnx'}") == 0
    value = drawing().transpose(2, 0, 1)[None] / np.float32(255)
    made = run_plain(nets.joinpath("rgb.onnx").read_bytes(), value)[0].transpose(1, 2, 0)
    expected = np.floor(np.clip(made.astype(np.float64), 0, 1) * 255 + 0.5)
    assert np.abs(read(output) - expected).max() <= 1
    assert (read(output) != expected).mean() < 0.001  # sums in another order


def test_line_art_and_its_distances_are_gray_pictures(tmp_path: Path) -> None:
    source, lines, distances = save(tmp_path / "in.png", drawing()), tmp_path / "lines.png", tmp_path / "far.png"
    assert process(source, lines, "--filter", "lineart", "--set", "sigma=1.2") == 0
    form = vs.core.get_video_format(vs.RGB24)
    clip = clip_of([[np.ascontiguousarray(plane) for plane in drawing().transpose(2, 0, 1)]], form, _Matrix=0)
    np.testing.assert_array_equal(read(lines)[..., 0], planes_of(vsanime.lineart(clip, sigma=1.2, backend=F32))[0])
    # No engine runs this filter, so none is to be chosen.
    assert main(["process", str(lines), str(distances), "--filter", "distance_field", "--set", "cap=0.3"]) == 0
    expected = np.floor(field(read(lines)[..., 0], 0.3) * 255 + 0.5)
    np.testing.assert_array_equal(read(distances)[..., 0], expected)


@pytest.mark.parametrize("option", [("--precision", "f32"), ("--tiles", "2"), ("--backend", "openvino")])
def test_options_of_engines_are_refused_where_none_runs(
    option: tuple[str, str], tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    source = save(tmp_path / "in.png", drawing(1))
    assert main(["process", str(source), str(tmp_path / "out.png"), "--filter", "distance_field", *option]) != 0
    assert f"{option[0]} is for filters that an engine runs; distance_field needs none" in capfd.readouterr().err


@pytest.mark.parametrize("channels", [1, 2])
def test_luma_networks_take_gray_in_full_range(channels: int, nets: Path, tmp_path: Path) -> None:
    source, output = save(tmp_path / "in.png", drawing(channels)), tmp_path / "out.png"
    assert process(source, output, "--filter", "artcnn", "--set", f"model={nets / 'luma.onnx'}") == 0
    value = drawing(channels)[None, None, ..., 0] / np.float32(255)
    made = run_plain(nets.joinpath("luma.onnx").read_bytes(), value)[0, 0]
    expected = np.floor(np.clip(made.astype(np.float64), 0, 1) * 255 + 0.5)
    found = read(output)
    assert found.shape == (2 * HEIGHT, 2 * WIDTH, channels)
    assert np.abs(found[..., 0] - expected).max() <= 1
    assert (found[..., 0] != expected).mean() < 0.001


def test_luma_networks_take_rgb_through_yuv_of_full_range(nets: Path, tmp_path: Path) -> None:
    source, output = save(tmp_path / "in.png", drawing(4)), tmp_path / "out.png"
    model = nets / "luma.onnx"
    assert process(source, output, "--filter", "artcnn", "--set", f"model={model}") == 0
    rgb = drawing(4)[..., :3].transpose(2, 0, 1) / 255
    weights = np.array([0.2126, 0.7152, 0.0722])
    luma = np.tensordot(weights, rgb, 1)
    made = run_plain(model.read_bytes(), luma[None, None].astype(np.float32))[0, 0]
    found = read(output)
    assert found.shape == (2 * HEIGHT, 2 * WIDTH, 4)
    # Where no channel is clipped, RGB's luma is what the network made of it.
    inside = ((found[..., :3] > 0) & (found[..., :3] < 255)).all(-1)
    assert inside.mean() > 0.2
    assert np.abs(found[..., :3] @ weights / 255 - np.clip(made, 0, 1))[inside].max() < 1.5 / 255


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_the_way_through_yuv_alone_changes_no_code(
    dtype: type, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def artcnn(clip: vs.VideoNode, *, backend: object) -> vs.VideoNode:  # noqa: ARG001
        """Nothing."""
        assert clip.format.color_family == vs.YUV
        return clip

    monkeypatch.setattr(vsanime, "artcnn", artcnn)
    samples = np.random.default_rng(0).integers(0, np.iinfo(dtype).max + 1, (200, 200, 3), dtype=dtype)
    source, output = save(tmp_path / "in.png", samples), tmp_path / "out.png"
    assert process(source, output, "--filter", "artcnn") == 0
    assert np.abs(read(output).astype(int) - samples).max() <= (0 if dtype == np.uint8 else 2)


def test_a_phones_photograph_comes_upright(same: list[str], tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    source, output = tmp_path / "photo.jpg", tmp_path / "out.png"
    Image.fromarray(drawing()).save(source, exif=exif, quality=100, subsampling=0)
    assert process(source, output, *same) == 0
    with Image.open(source) as stored, Image.open(output) as made:
        np.testing.assert_array_equal(np.asarray(made), np.rot90(np.asarray(stored), -1))
        assert 0x0112 not in made.getexif()


@pytest.mark.parametrize("width", ["128", "150"])
@pytest.mark.parametrize("name", ["luma.onnx", "rgb.onnx"])
def test_upscale_takes_pictures_to_any_size(name: str, width: str, nets: Path, tmp_path: Path) -> None:
    samples = drawing(4)
    samples[..., 3] = 255
    samples[:, 32:, 3] = 0
    source, output = save(tmp_path / "in.png", samples), tmp_path / "out.png"
    settings = ["--set", f"model={nets / name}", "--set", f"width={width}"]
    assert process(source, output, "--filter", "upscale", *settings) == 0
    found = read(output)
    assert found.shape == (int(width) * 3 // 4, int(width), 4)
    assert (found[:, : int(width) // 2 - 8, 3] == 255).all()
    assert (found[:, int(width) // 2 + 8 :, 3] == 0).all()


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
@pytest.mark.parametrize(
    "filtering",
    [
        ["upscale", "--set", "model=luma.onnx"],
        ["upscale", "--set", "model=luma.onnx", "--set", "width=100"],
        ["upscale", "--set", "model=rgb.onnx", "--set", "width=150"],
        ["artcnn", "--set", "model=luma.onnx"],
        ["waifu2x", "--set", "model=rgb.onnx"],
        ["lineart"],
    ],
    ids=" ".join,
)
def test_hidden_color_of_pictures_changes_nothing_that_is_seen(
    filtering: list[str], dtype: type, nets: Path, tmp_path: Path
) -> None:
    y, x = np.mgrid[:HEIGHT, :WIDTH]
    top = np.iinfo(dtype).max
    alpha = np.round(np.clip((20 - np.hypot(y - 24, x - 32)) / 4, 0, 1) * top).astype(dtype)
    made = []
    for hidden in (0, top):
        color = np.where(alpha[..., None] > 0, drawing(dtype=dtype), dtype(hidden))
        source, output = save(tmp_path / f"in {hidden}.png", np.dstack([color, alpha])), tmp_path / f"out {hidden}.png"
        settings = [part.replace("model=", f"model={nets}/") for part in filtering]
        assert process(source, output, "--filter", *settings) == 0
        made.append(read(output))
    seen = made[0][..., -1] > 0
    assert seen.any()
    assert not seen.all()
    np.testing.assert_array_equal(made[0][..., -1], made[1][..., -1])
    np.testing.assert_array_equal(made[0][seen], made[1][seen])


def test_a_filter_that_forgets_transparency_gets_it_back(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def waifu2x(clip: vs.VideoNode, *, backend: object, large: bool = False, depth: int = 8) -> vs.VideoNode:  # noqa: ARG001
        """Nothing, or nearly."""
        size = (2 * clip.width, 2 * clip.height) if large else (clip.width, clip.height)
        form = clip.format.replace(bits_per_sample=depth)
        return clip.std.RemoveFrameProps(["_Alpha"]).resize.Point(*size, format=form.id)

    monkeypatch.setattr(vsanime, "waifu2x", waifu2x)
    source, output = save(tmp_path / "in.png", drawing(4)), tmp_path / "out.png"
    assert process(source, output, "--filter", "waifu2x", "--depth", "16") == 0
    np.testing.assert_array_equal(read(output), drawing(4).astype(np.uint16) * 257)
    assert process(source, output, "--filter", "waifu2x", "--set", "large=yes", "--overwrite") == 0
    alpha = read(output)[..., 3]
    assert alpha.shape == (2 * HEIGHT, 2 * WIDTH)
    assert np.abs(alpha[6, 6:-6:12].astype(int) - drawing(4)[3, 3:-3:6, 3]).max() < 8  # amid blocks


def test_what_a_format_lacks_is_said(same: list[str], tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    source = save(tmp_path / "in.png", drawing(4, dtype=np.uint16))
    assert process(source, tmp_path / "out.jpg", *same, "--quality", "100") == 0
    assert read_header(tmp_path / "out.jpg").mode == "RGB"
    err = capfd.readouterr().err
    assert "in.png: .jpg has no transparency: it is put on white" in err
    assert "in.png: its 16 bits become 8" in err


def test_a_video_of_one_frame_can_be_made_of_a_picture(same: list[str], tmp_path: Path) -> None:
    source = save(tmp_path / "in.png", drawing())
    assert process(source, tmp_path / "out.mkv", *same) == 0
    assert clip_in(tmp_path / "out.mkv").num_frames == 1


# --- Folders ---


@pytest.fixture
def pictures(tmp_path: Path) -> Path:
    """Pictures of three sizes and two kinds, two that cannot be read, and what is no picture."""
    folder = tmp_path / "scäns and more"
    folder.mkdir()
    for n in range(3):
        save(folder / f"pagé {n}.png", drawing())
    save(folder / "日本.PNG", drawing(3, 40, 30))
    save(folder / "gray.jpeg", drawing(1, 40, 30))
    save(folder / "deep.png", drawing(3, 32, 32, np.uint16))
    whole = (folder / "pagé 0.png").read_bytes()
    (folder / "page 1 cut.png").write_bytes(whole[: len(whole) // 2])
    (folder / "text.webp").write_text("no picture")
    (folder / "notes.txt").write_text("no picture")
    Image.fromarray(drawing()).save(folder / "drawing.ppm")
    (folder / "._pagé 0.png").write_bytes(b"what macOS leaves behind")
    (folder / "inside").mkdir()
    save(folder / "inside" / "deeper.png", drawing())
    return folder


NAMES = {"pagé 0.png", "pagé 1.png", "pagé 2.png", "日本.PNG", "gray.jpeg", "deep.png"}


def test_a_folder_of_pictures(
    pictures: Path, same: list[str], tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    output = tmp_path / "made" / "öut"
    assert process(pictures, output, *same) == 1
    assert {path.name for path in output.iterdir()} == NAMES
    for name in NAMES - {"gray.jpeg"}:
        np.testing.assert_array_equal(read(output / name), read(pictures / name))
    assert np.abs(read(output / "gray.jpeg").astype(int) - read(pictures / "gray.jpeg")).mean() < 2
    summary, *listed = [line for line in capfd.readouterr().err.splitlines() if "a second" not in line]
    assert summary == f"vsanime: 6 pictures written to {output}, 2 could not be done:"
    assert listed[0] == "vsanime:   text.webp: it is no picture, or of a kind that is not known"
    assert re.fullmatch(r"vsanime:   page 1 cut\.png: it cannot be read: .*truncated.*", listed[1])
    # What macOS leaves behind is no user's file.
    assert listed[2].startswith("vsanime: 2 files left out, of a kind that is not written (.png, .jpg, ")
    assert listed[3:] == ["vsanime:   drawing.ppm", "vsanime:   notes.txt"]


long_names = pytest.mark.skipif(
    sys.platform == "win32", reason="Windows has paths of 260 characters at most, by default"
)


@pytest.mark.parametrize(
    ("stem", "reason"),
    [
        ("n", "{made} is a folder, where its result would go"),
        pytest.param("n" * 251, "its result cannot be written: .*", marks=long_names, id="long"),
    ],
)
@pytest.mark.parametrize("more", [[], ["--overwrite"]], ids=["", "overwrite"])
def test_what_cannot_be_written_stops_no_other_picture(
    more: list[str], stem: str, reason: str, same: list[str], tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    folder, output = tmp_path / "in", tmp_path / "out"
    folder.mkdir()
    for name in ("a", stem, "z"):
        save(folder / f"{name}.png", drawing())
    (output / "n.webp").mkdir(parents=True)
    assert process(folder, output, *same, "--format", "webp", *more) == 1
    summary, *listed = [line for line in capfd.readouterr().err.splitlines() if "a second" not in line]
    assert summary == f"vsanime: 2 pictures written to {output}, 1 could not be done:"
    assert len(listed) == 1
    said, expected = listed[0], reason.format(made=re.escape(str(output / "n.webp")))
    assert re.fullmatch(rf"vsanime:   {stem}\.png: {expected}", said)
    assert {path.name for path in output.iterdir()} == {"a.webp", "n.webp", "z.webp"}


@long_names
def test_a_folder_with_names_as_long_as_can_be(
    same: list[str], tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    folder, name = tmp_path / "in", "n" * 251 + ".png"
    folder.mkdir()
    save(folder / name, drawing())
    assert process(folder, tmp_path / "out", *same) == 0
    assert [path.name for path in (tmp_path / "out").iterdir()] == [name]
    assert "vsanime: 1 picture written to" in capfd.readouterr().err


def test_a_folder_goes_on_where_it_stopped(
    pictures: Path, same: list[str], tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    for name in ("page 1 cut.png", "text.webp"):
        (pictures / name).unlink()
    output = tmp_path / "out"
    output.mkdir()
    (output / "pagé 1.png").write_text("mine")
    assert process(pictures, output, *same) == 0
    assert (output / "pagé 1.png").read_text() == "mine"
    assert {path.name for path in output.iterdir()} == NAMES
    assert "5 pictures written to" in (err := capfd.readouterr().err)
    assert "1 was there already (--overwrite)" in err
    assert process(pictures, output, *same) == 0
    assert "0 pictures written" in capfd.readouterr().err
    assert process(pictures, output, *same, "--overwrite") == 0
    np.testing.assert_array_equal(read(output / "pagé 1.png"), drawing())


def test_pictures_of_one_size_share_an_engine(
    pictures: Path, same: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    sizes = []
    compile_ = Backend.OpenVINO.compile

    def counted(self: Backend.OpenVINO, graph: object, *rest: object) -> object:
        sizes.append(1)
        return compile_(self, graph, *rest)  # type: ignore[arg-type]

    monkeypatch.setattr(Backend.OpenVINO, "compile", counted)
    assert process(pictures, tmp_path / "out", *same) == 1
    # Three pages and a cut one; two of 40x30, of which one is gray; one of 16 bits.
    assert len(sizes) == 4


def test_the_kind_of_all_files_can_be_chosen(pictures: Path, same: list[str], tmp_path: Path) -> None:
    output = tmp_path / "out"
    assert process(pictures, output, *same, "--format", "webp", "--quality", "50") == 1
    assert {path.name for path in output.iterdir()} == {f"{Path(name).stem}.webp" for name in NAMES}
    with Image.open(output / "日本.webp") as picture:
        assert (picture.format, picture.size) == ("WEBP", (40, 30))


def test_depth_and_quality_are_for_those_that_have_them(pictures: Path, same: list[str], tmp_path: Path) -> None:
    output = tmp_path / "out"
    assert process(pictures, output, *same, "--depth", "8", "--quality", "20") == 1
    assert {path.name for path in output.iterdir()} == NAMES
    assert read_header(output / "deep.png").bits == 8
    assert (output / "gray.jpeg").stat().st_size < (pictures / "gray.jpeg").stat().st_size


def test_names_that_become_one_are_told_before_anything_is_done(
    same: list[str], tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / "in"
    folder.mkdir()
    save(folder / "a.jpg", drawing())
    save(folder / "A.bmp", drawing())
    assert process(folder, tmp_path / "out", *same, "--format", "png") == 1
    assert "A.bmp and a.jpg would both become a.png; rename one of them" in capfd.readouterr().err
    assert not (tmp_path / "out").exists()


def test_what_the_filter_refuses_of_all_pictures_is_told_once(
    pictures: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    for name in ("page 1 cut.png", "text.webp"):
        (pictures / name).unlink()
    assert process(pictures, tmp_path / "out", "--filter", "waifu2x", "--set", "noise=9") == 1
    last = capfd.readouterr().err.splitlines()[-1]
    assert last == "vsanime: none of 6 pictures can be done: waifu2x: noise=9; -1, 0, 1, 2 or 3 is needed"
    assert not (tmp_path / "out").exists()


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no way to interrupt just one process")
def test_an_interrupted_folder_keeps_whole_files_only(same: list[str], tmp_path: Path) -> None:
    folder, output = tmp_path / "in", tmp_path / "out"
    folder.mkdir()
    for n in range(60):
        save(folder / f"{n:02d}.png", drawing(3, 300, 200))
    command = [sys.executable, "-m", "vsanime", "process", str(folder), str(output), *same, "--tiles", "4"]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as running:
        deadline = time.monotonic() + BUSY_SECONDS
        while not list(output.glob("[!.]*.png")):  # those with a dot are being written
            assert running.poll() is None
            assert time.monotonic() < deadline
            time.sleep(0.01)
        running.send_signal(signal.SIGTERM)
        _, err = running.communicate(timeout=BUSY_SECONDS)
    assert running.returncode == 130
    assert err.splitlines()[-1] == "vsanime: interrupted"
    made = list(output.iterdir())
    assert 0 < len(made) < 60
    for path in made:
        np.testing.assert_array_equal(read(path), drawing(3, 300, 200))


# --- Errors ---


def _wrong(name: str, video: Path, picture: Path, folder: Path) -> list[str]:
    out = folder / "out"
    waifu2x, artcnn = ["--filter", "waifu2x"], ["--filter", "artcnn"]
    return {
        "missing": [f"{folder / 'no.png'}", f"{out}.png", *waifu2x],
        "suffix": [f"{picture}", f"{out}.gif", *waifu2x],
        "no suffix": [f"{picture}", f"{out}", *waifu2x],
        "no folder": [f"{picture}", f"{folder / 'nowhere' / 'out.png'}", *waifu2x],
        "same": [f"{picture}", f"{picture}", *waifu2x, "--overwrite"],
        "same video": [f"{video}", f"{video}", *artcnn, "--overwrite"],
        "same folder": [f"{picture.parent}", f"{picture.parent}", *waifu2x, "--overwrite"],
        "file for folder": [f"{picture.parent}", f"{picture}", *waifu2x],
        "film for folder": [f"{picture.parent}", f"{folder / 'film.MKV'}", *waifu2x],
        "picture for folder": [f"{picture.parent}", f"{out}.png", *waifu2x],
        "there": [f"{picture}", f"{picture.parent / 'other.png'}", *waifu2x],
        "no pictures": [f"{folder}", f"{out}", *waifu2x],
        "video as picture": [f"{video}", f"{out}.png", *waifu2x],
        "filter": [f"{picture}", f"{out}.png", "--filter", "sharpen"],
        "argument": [f"{picture}", f"{out}.png", *waifu2x, "--set", "nose=1"],
        "value": [f"{video}", f"{out}.mkv", *artcnn, "--set", "width=wide"],
        "style": [f"{video}", f"{out}.mkv", *artcnn, "--style", "hay"],
        "model": [f"{picture}", f"{out}.png", *artcnn, "--set", "model=C4F999"],
        "tiles": [f"{picture}", f"{out}.png", *waifu2x, "--set", "tiles=2"],
        "chroma": [f"{picture}", f"{out}.png", "--filter", "artcnn_chroma"],
        "crf": [f"{picture}", f"{out}.png", *waifu2x, "--crf", "0"],
        "encoder": [f"{picture.parent}", f"{out}", *waifu2x, "--encoder-params", "qp=0"],
        "format": [f"{picture}", f"{out}.png", *waifu2x, "--format", "png"],
        "quality": [f"{video}", f"{out}.mkv", *artcnn, "--quality", "90"],
        "lossless": [f"{picture}", f"{out}.png", *waifu2x, "--quality", "90"],
        "lossless folder": [f"{picture.parent}", f"{out}", *waifu2x, "--quality", "90"],
        "depth": [f"{picture}", f"{out}.png", *waifu2x, "--depth", "10"],
        "shallow": [f"{picture}", f"{out}.jpg", *waifu2x, "--depth", "16"],
        "video depth": [f"{video}", f"{out}.mkv", *artcnn, "--depth", "16"],
        "device": [f"{picture}", f"{out}.png", *waifu2x, "--backend", "onnxruntime", "--device", "CPU"],
    }[name]


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("missing", "no.png is no file or folder; the path of a video or of pictures is needed"),
        ("suffix", "ends in '.gif'; .mkv, .mp4, .m4v, .mov are needed for a video, .png, .jpg,"),
        ("no suffix", "ends in ''; .mkv,"),
        ("no folder", "is in a folder that does not exist"),
        ("same", "INPUT and OUTPUT are both"),
        ("same video", "INPUT and OUTPUT are both"),
        ("same folder", "INPUT and OUTPUT are both"),
        ("file for folder", "is a folder and OUTPUT"),
        ("film for folder", "film.MKV ends as a file does; a folder is needed, whose name does not end in .mkv"),
        ("picture for folder", "out.png ends as a file does; a folder is needed"),
        ("there", "other.png exists; give --overwrite to overwrite it, or another name"),
        ("no pictures", "holds no picture; files that end in .png, .jpg,"),
        ("video as picture", "in put.mp4: it is no picture, or of a kind that is not known"),
        ("filter", "--filter sharpen: there is no such filter; did you mean artcnn, artcnn_chroma or "),
        ("argument", "--set nose=1: waifu2x has no argument nose; did you mean noise, scale or model?"),
        ("value", "--set width=wide: width is 'wide'; a whole number or none is needed; artcnn takes model="),
        ("style", "--style hay: artcnn has no argument style; leave --style out"),
        ("model", "C4F999"),
        ("tiles", "--set tiles=2: tiles is chosen by --tiles"),
        ("chroma", "in.png: artcnn_chroma: "),
        ("crf", "--crf is for videos; leave it out for OUTPUT"),
        ("encoder", "--encoder-params is for videos; leave it out"),
        ("format", "--format is for folders; leave it out"),
        ("quality", "--quality is for pictures; leave it out"),
        ("lossless", "--quality 90: .png is written without loss; leave it out"),
        ("lossless folder", "--quality 90: .png is written without loss; leave it out"),
        ("depth", "--depth 10: pictures have 8 or 16 bits"),
        ("shallow", "--depth 16: .jpg holds 8 bits; .png holds 16"),
        ("video depth", "--depth 16: x264 encodes 8 or 10 bits"),
        ("device", "--device CPU: the number of a card"),
    ],
)
def test_bad_input_is_told_in_one_line(
    name: str, message: str, video: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / "pictures"
    folder.mkdir()
    picture = save(folder / "in.png", drawing())
    save(folder / "other.png", drawing())
    before = picture.read_bytes()
    assert main(["process", *_wrong(name, video, picture, tmp_path)]) == 1
    captured = capfd.readouterr()
    lines = [line for line in captured.err.splitlines() if "a second" not in line]
    assert len(lines) == 1
    assert lines[0].startswith("vsanime: ")
    assert message in lines[0]
    assert captured.out == ""
    assert picture.read_bytes() == before
    assert [path.name for path in tmp_path.iterdir()] == ["pictures"]
    assert {path.name for path in folder.iterdir()} == {"in.png", "other.png"}


@pytest.mark.parametrize("text", ["0", "101", "high"])
def test_quality_is_a_percentage(text: str, tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as stopped:
        process(tmp_path, tmp_path, "--filter", "waifu2x", "--quality", text)
    assert stopped.value.code == 2
    assert "a number from 1 to 100 is needed" in capfd.readouterr().err


def test_help_lists_every_filter_with_its_arguments(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as stopped:
        main(["process", "--help"])
    assert stopped.value.code == 0
    said = capsys.readouterr().out
    for expected in (
        "  waifu2x: Double a clip, remove JPEG-like noise, or both, with a waifu2x network.\n    noise=-1 (a whole",
        "  artcnn_chroma: Reconstruct",
        "    width=none (a whole number or none)\n",
        "--set KEY=VALUE",
        "Exit codes: 0 done",
    ):
        assert expected in said
    assert max(map(len, said.splitlines())) <= 120


def test_commands_are_listed_without_loading_vapoursynth() -> None:
    program = (
        "import sys; from vsanime.cli import _parser; _parser(['--help']); assert 'vapoursynth' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", program], check=True)
