"""animegan on every kind of clip, with random weights, against plain ONNX in ONNX Runtime and conversions by zimg."""

from __future__ import annotations

import random
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import vapoursynth as vs

import vsanime
from tests.filters.test_bad_input import one_line
from tests.pipeline.test_frames import bf16_is_native
from tests.support.clips import clip_of, format_of, noise, noise_clip, planes_of, props_of
from tests.support.generators import as_pytorch, as_tensorflow, random_generator, random_weights
from tests.support.networks import artcnn_like
from tests.support.reference import assert_codes_match, psnr, run_plain
from vsanime import Backend
from vsanime.video.brightness import GAIN

F32 = Backend.OpenVINO(precision="f32")
# Is ready in half the time, for tests of what is around the network.
FAST = Backend.ONNXRuntime()
CATMULL_ROM = {"filter_param_a_uv": 0.0, "filter_param_b_uv": 0.5, "resample_filter_uv": "bicubic"}
PLAIN = random_generator().SerializeToString()

# zimg and the network around it sum in f32 in other orders than one graph does, and norms spread the difference over
# the frame: codes at a rounding edge.
CODES_DIFFER = {8: 0.003, 10: 0.01, 16: 0.5}
LARGEST = {8: 1, 10: 1, 16: 6}
FLOATS = {16: 1.5e-3, 32: 3e-5}

# Random weights let errors grow more than trained ones do: 53.9 dB were measured, less 3 for other CPUs.
BF16_PSNR = 50.9


@pytest.fixture(scope="module")
def net(tmp_path_factory: pytest.TempPathFactory) -> str:
    path = tmp_path_factory.mktemp("Stil ö") / "net.onnx"
    path.write_bytes(PLAIN)
    return str(path)


def picture(name: str, width: int = 44, height: int = 36, **props: int) -> vs.VideoNode:
    form = vs.core.get_video_format(getattr(vs, name)) if name.startswith("RGB") else format_of(name)
    return clip_of(noise(form, width, height, seed=3), form, **props)


def reference(clip: vs.VideoNode) -> list[np.ndarray]:
    """zimg to RGB, clamped; reflected by NumPy; the plain network; cropped; zimg back."""
    form = clip.format
    source = clip
    if form.color_family == vs.GRAY:
        source = clip.std.RemoveFrameProps("_Matrix").std.ShufflePlanes([0, 0, 0], vs.RGB)
    rgb = np.clip(np.stack(planes_of(source.resize.Bicubic(format=vs.RGBS, **CATMULL_ROM)))[None], 0, 1)
    more = [(0, -side % 4) for side in (clip.height, clip.width)]
    result = run_plain(PLAIN, np.pad(rgb, ((0, 0), (0, 0), *more), mode="reflect"))[0]
    result = result[:, : clip.height, : clip.width]
    made = clip_of([list(np.clip(result, 0, 1))], vs.core.get_video_format(vs.RGBS))
    if form.color_family == vs.RGB:
        return planes_of(made.resize.Bicubic(format=form.id))
    tags = {"matrix": 1, "range": int(props_of(clip)["_Range"])}
    if form.subsampling_w:
        tags["chromaloc"] = int(props_of(clip).get("_ChromaLocation", 0))
    return planes_of(made.resize.Bicubic(format=form.id, **tags, **CATMULL_ROM))


def check(clip: vs.VideoNode, net: str, backend: Any = F32) -> None:
    made = vsanime.animegan(clip, net, backend=backend)
    assert (made.width, made.height, made.format.id) == (clip.width, clip.height, clip.format.id)
    bits = clip.format.bits_per_sample
    for found, expected in zip(planes_of(made), reference(clip), strict=True):
        if clip.format.sample_type == vs.FLOAT:
            np.testing.assert_allclose(found, expected, atol=FLOATS[bits])
        else:
            assert_codes_match(found, expected, CODES_DIFFER[bits] + 2 / expected.size, LARGEST[bits])


def test_the_style_that_travels_is_taken_by_itself() -> None:
    clip = picture("RGB24")
    found, named = (vsanime.animegan(clip, *style, backend=F32) for style in ((), ("Pepper_VA",)))
    for one, other in zip(planes_of(found), planes_of(named), strict=True):
        np.testing.assert_array_equal(one, other)
    assert any((one != other).any() for one, other in zip(planes_of(found), planes_of(clip), strict=True))


FORMATS = ("YUV420P8", "YUV420P10", "YUV422P8", "YUV444P16", "YUV420PS", "YUV444PH", "RGB24", "RGB48", "RGBS", "GRAY8")


@pytest.mark.parametrize("name", FORMATS)
@pytest.mark.parametrize("backend", [F32, Backend.ONNXRuntime()], ids=["openvino", "onnxruntime"])
def test_every_format_matches_conversions_around_the_plain_network(net: str, name: str, backend: Any) -> None:
    tags = {} if name.startswith("RGB") else {"_Range": 0, "_Matrix": 1}
    check(picture(name, **tags), net, backend)


@pytest.mark.parametrize("size", [(42, 38), (46, 36), (44, 34), (6, 6), (90, 10)])
def test_sizes_that_are_no_multiple_of_4(net: str, size: tuple[int, int]) -> None:
    check(picture("YUV420P8", *size, _Range=1, _Matrix=1), net)
    odd = (size[0] - 1, size[1] - 1)
    check(picture("RGB24", *odd), net)


@pytest.mark.parametrize("location", range(6))
def test_every_siting(net: str, location: int) -> None:
    clip = picture("YUV420P8", _Range=0, _Matrix=1, _ChromaLocation=location)
    check(clip, net)
    assert props_of(vsanime.animegan(clip, net, backend=F32))["_ChromaLocation"] == location


@pytest.mark.parametrize(
    "name", ["YUV420P8", "YUV410P8", "YUV422P10", "YUV420P16", "YUV444PS", "YUV420PH", "GRAY8", "RGB24"]
)
def test_strength_0_gives_the_codes_back(net: str, name: str) -> None:
    clip = picture(name, 44, 36)
    for more in ({}, {"work_size": (22, 18)}):
        same = vsanime.animegan(clip, net, strength=0, backend=FAST, **more)
        for found, given in zip(planes_of(same), planes_of(clip), strict=True):
            np.testing.assert_array_equal(found, given)


def test_strength_lies_between(net: str) -> None:
    clip = picture("YUV420P8", _Matrix=1)
    made = [planes_of(vsanime.animegan(clip, net, strength=s, depth="single", backend=FAST)) for s in (0, 0.25, 1)]
    for first, between, last in zip(*made, strict=True):
        np.testing.assert_allclose(between, 0.75 * first + 0.25 * last, atol=1e-6)


@pytest.mark.parametrize("depth", [8, 10, 16, "half", "single"])
def test_depth_is_the_outputs(net: str, depth: int | str) -> None:
    made = vsanime.animegan(picture("YUV420P8", _Matrix=1), net, depth=depth, backend=FAST)
    whole = vsanime.animegan(picture("YUV420P8", _Matrix=1), net, depth="single", backend=FAST)
    bits = {"half": 16, "single": 32}.get(depth, depth)  # type: ignore[call-overload]
    assert made.format.bits_per_sample == bits
    if isinstance(depth, int):
        expected = whole.resize.Point(format=made.format.id)
        for found, wanted in zip(planes_of(made), planes_of(expected), strict=True):
            assert_codes_match(found, wanted, CODES_DIFFER.get(depth, 0.5), 1)


def test_a_smaller_work_size_keeps_detail(net: str) -> None:
    """The network is fixed, so what changes with the input's finest detail alone is that detail put back."""
    smooth = picture("RGBS", 48, 48)
    fine = np.tile(np.float32([[0.02, -0.02], [-0.02, 0.02]]), (24, 24))
    planes = [np.clip(p, 0.1, 0.9) for p in planes_of(smooth.resize.Bicubic(12, 12).resize.Bicubic(48, 48))]
    base = clip_of([planes], smooth.format)
    detailed = clip_of([[p + fine for p in planes]], smooth.format)
    options: dict[str, Any] = {"work_size": (24, 24), "backend": FAST}
    made = [np.stack(planes_of(vsanime.animegan(c, net, **options))) for c in (base, detailed)]
    inside = (made[0] > 0.03) & (made[0] < 0.97)
    inside[:, :4] = inside[:, -4:] = inside[:, :, :4] = inside[:, :, -4:] = False
    change = (made[1] - made[0])[inside]
    np.testing.assert_allclose(change, np.broadcast_to(fine, made[0].shape)[inside], atol=2e-3)
    none = [np.stack(planes_of(vsanime.animegan(c, net, detail=0, **options))) for c in (base, detailed)]
    assert np.abs(none[1] - none[0]).max() < 2e-3


def test_bf16(net: str) -> None:
    """Convolutions alone are lowered; random weights on noise are the worst that can be."""
    if not bf16_is_native():
        pytest.skip("this CPU has no bf16 arithmetic")
    clip = picture("RGBS", 96, 72)
    low = planes_of(vsanime.animegan(clip, net, backend=Backend.OpenVINO(precision="bf16")))
    exact = planes_of(vsanime.animegan(clip, net, backend=F32))
    assert psnr(np.stack(low), np.stack(exact)) >= BF16_PSNR
    assert not np.array_equal(low, exact)


def test_frames_do_not_depend_on_the_order_of_requests(net: str) -> None:
    clip = noise_clip("YUV420P8", 24, 20, frames=12, _Matrix=1)
    linear = vsanime.animegan(clip, net, backend=F32)
    expected = [planes_of(linear, n) for n in range(12)]
    shuffled = vsanime.animegan(clip, net, backend=Backend.OpenVINO(precision="f32", num_streams=3))
    order = list(range(12))
    random.Random(4).shuffle(order)
    for n in order:
        for found, wanted in zip(planes_of(shuffled, n), expected[n], strict=True):
            np.testing.assert_array_equal(found, wanted)


def test_properties_length_and_duration_are_kept(net: str) -> None:
    clip = noise_clip("YUV420P8", 24, 20, frames=3, _Matrix=6, _Mine=7)
    made = vsanime.animegan(clip, net, backend=FAST)
    assert (made.num_frames, made.fps) == (clip.num_frames, clip.fps)
    assert props_of(made, 2) == props_of(clip, 2) | {"_Range": 0, "_ChromaLocation": 0}
    gray = vsanime.animegan(noise_clip("GRAY8", 24, 20), net, backend=FAST)
    assert "_Matrix" in props_of(gray)


def test_transparency_is_kept_in_the_outputs_depth(net: str) -> None:
    alpha = noise_clip("GRAY8", 24, 20, seed=9)
    clip = picture("RGB24", 24, 20).std.ClipToProp(alpha)
    for depth, form in ((None, vs.GRAY8), (16, vs.GRAY16)):
        made = vsanime.animegan(clip, net, depth=depth, backend=FAST)
        found = made.std.PropToClip()
        assert found.format.id == form
        expected = planes_of(alpha)[0].astype(np.uint16) * (257 if depth else 1)
        np.testing.assert_array_equal(planes_of(found)[0], expected)


def test_later_frames_without_transparency_are_opaque(net: str) -> None:
    clear, opaque = picture("RGB24", 24, 20).std.ClipToProp(noise_clip("GRAY8", 24, 20)), picture("RGB24", 24, 20)
    for depth, white in ((None, 255), (10, 1023)):
        made = vsanime.animegan(clear + opaque, net, depth=depth, backend=FAST)
        assert (planes_of(made.std.PropToClip(), 1)[0] == white).all()
    # The first frame decides: a clip of which only later frames have any would not be a clip of one kind.
    assert "_Alpha" not in vsanime.animegan(opaque + clear, net, backend=FAST).get_frame(1).props


def test_a_work_size_of_numpys_integers(net: str) -> None:
    clip = picture("RGBS")
    size = (np.int64(20), np.uint8(16))
    for found, wanted in zip(
        planes_of(vsanime.animegan(clip, net, work_size=size, backend=FAST)),  # type: ignore[arg-type]
        planes_of(vsanime.animegan(clip, net, work_size=(20, 16), backend=FAST)),
        strict=True,
    ):
        np.testing.assert_array_equal(found, wanted)


def scenes(name: str = "YUV420P8", prop: str = "_SceneChangePrev") -> vs.VideoNode:
    """Twelve frames in three scenes of their own brightness, which flickers; marked as `prop` marks them."""
    form = vs.core.get_video_format(getattr(vs, name)) if name.startswith("RGB") else format_of(name)
    rng = np.random.default_rng(5)
    frames = noise(form, 24, 20, frames=12, seed=2)
    level = [0.3] * 5 + [0.9] * 4 + [0.6] * 3
    peak = (1 << form.bits_per_sample) - 1 if form.sample_type == vs.INTEGER else 1
    for n, planes in enumerate(frames):
        share = level[n] * rng.uniform(0.9, 1.1)
        for p in range(1 if form.color_family == vs.YUV else form.num_planes):
            planes[p] = (planes[p] * share).clip(0, peak).astype(planes[p].dtype)
    clip = clip_of(frames, form, **({} if name.startswith("RGB") else {"_Matrix": 1, "_Range": 0}))
    marks = {"_SceneChangePrev": (0, 5, 9), "_SceneChangeNext": (4, 8, 11)}[prop]

    def marked(n: int, f: vs.VideoFrame) -> vs.VideoFrame:
        frame = f.copy()
        frame.props[prop] = int(n in marks)
        return frame

    return clip.std.ModifyFrame(clip, marked)


def luma(clip: vs.VideoNode, n: int) -> float:
    """Mean luma of a frame, black 0 and white 1."""
    planes = [p.astype(np.float64) for p in planes_of(clip, n)]
    if clip.format.color_family == vs.RGB:
        return float(sum(w * p.mean() for w, p in zip((0.2126, 0.7152, 0.0722), planes, strict=True)) / 255)
    return float((planes[0].mean() - 16) / 219)


@pytest.mark.parametrize("name", ["YUV420P8", "RGB24"])
def test_scenes_get_their_brightness_back_by_one_gain(net: str, name: str) -> None:
    clip = scenes(name)
    plain = vsanime.animegan(clip, net, depth=16, backend=FAST)
    eight = vsanime.animegan(clip, net, backend=FAST)
    made = vsanime.animegan(clip, net, brightness="scene", backend=FAST)
    assert made.format.id == clip.format.id
    # The middles of thirds.
    for start, measured, end in ((0, (0, 2, 4), 5), (5, (5, 7, 8), 9), (9, (9, 10, 11), 12)):
        gain = sum(luma(clip, n) for n in measured) / sum(luma(eight, n) for n in measured)
        gains = [props_of(made, n)[GAIN] for n in range(start, end)]
        assert len(set(gains)) == 1
        assert gains[0] == pytest.approx(np.clip(gain, 0.5, 2), rel=5e-3)  # the measured result has 16 bits
        for n in range(start, end):
            for p, (found, given) in enumerate(zip(planes_of(made, n), planes_of(plain, n), strict=True)):
                zero = 0 if name == "RGB24" else 128 if p else 16
                share = 255 / 65535 if name == "RGB24" else 1 / 256
                white = 255 if name == "RGB24" or p else 235
                expected = (given.astype(np.float64) * share - zero) * gains[0] + zero
                assert np.abs(found - expected.clip(0, white)).max() <= 0.51


@pytest.mark.parametrize("length", [1, 5])
def test_a_clip_may_be_one_scene(net: str, length: int) -> None:
    clip = (picture("YUV420P8") * length).std.SetFrameProps(_SceneChangePrev=0)
    made = vsanime.animegan(clip, net, brightness="scene", backend=FAST)
    assert made.num_frames == length
    for n in range(length):
        assert luma(made, n) == pytest.approx(luma(clip, n), abs=0.01)  # codes are rounded, what is white stays


def test_gains_do_not_depend_on_the_order_of_requests_nor_on_which_property_marks(net: str) -> None:
    made = [vsanime.animegan(scenes(prop=p), net, brightness="scene", backend=F32) for p in PROPS]
    forward = [planes_of(made[0], n) for n in range(12)]
    for n in (11, 3, 7, 0, 9, 5, 4, 8):
        for found, wanted in zip(planes_of(made[1], n), forward[n], strict=True):
            np.testing.assert_array_equal(found, wanted)


PROPS = ("_SceneChangePrev", "_SceneChangeNext")


def test_brightness_of_the_input_itself_changes_nothing(net: str) -> None:
    for name in ("YUV420P8", "YUV420P16", "YUV420PH", "YUV444PS", "RGB24"):
        clip = scenes(name)
        made = vsanime.animegan(clip, net, strength=0, brightness="scene", backend=FAST)
        for found, given in zip(planes_of(made, 6), planes_of(clip, 6), strict=True):
            np.testing.assert_array_equal(found, given)
        assert props_of(made, 6)[GAIN] == pytest.approx(1, abs=1e-6)


def test_scenes_are_measured_once(net: str) -> None:
    """Twelve frames and three measured ones a scene; those that are both may be computed twice, not more often."""
    counted: list[int] = []
    clip = scenes()

    def count(n: int, f: vs.VideoFrame) -> vs.VideoFrame:
        counted.append(n)
        return f

    watched = clip.std.ModifyFrame(clip, count)
    watched.std.SetVideoCache(mode=0)
    made = vsanime.animegan(watched, net, brightness="scene", backend=FAST)
    counted.clear()
    for n in range(12):
        made.get_frame(n).close()
    # A frame is asked for by the network and by whoever copies its properties.
    most = max(counted.count(n) for n in range(12))
    assert most <= 8
    before = len(counted)
    made.get_frame(6).close()
    assert len(counted) - before <= 4


ARGUMENTS: dict[str, tuple[dict[str, Any], list[str]]] = {
    "unknown style": ({"style": "Hayoa"}, ["'Hayoa'", "did you mean Hayao"]),
    "another filter's": ({"style": "C4F16_VA"}, ["another task (double_luma)", "RGB to RGB"]),
    "no weights": ({"style": "Shinkai"}, ["AnimeGANv2_Shinkai.onnx", "vsanime import", "VSANIME_MODEL_PATH"]),
    "no name": ({"style": 3}, ["style=3", "path"]),
    "missing file": ({"style": "nowhere/net.onnx"}, ["net.onnx", "does not exist"]),
    "strength": ({"strength": 1.5}, ["strength=1.5", "0 to 1"]),
    "strength text": ({"strength": "full"}, ["strength='full'"]),
    "strength nan": ({"strength": float("nan")}, ["strength=nan"]),
    "strength truth": ({"strength": True}, ["strength=True"]),
    "detail": ({"detail": -0.1}, ["detail=-0.1", "0 to 1"]),
    "brightness": ({"brightness": "frame"}, ["brightness='frame'", "'none' or 'scene'"]),
    "tiles": ({"tiles": 2}, ["tiles=2", "layer norms", "whole frame", "work_size"]),
    "auto tiles": ({"tiles": "auto"}, ["tiles='auto'", "layer norms"]),
    "work size": ({"work_size": 20}, ["work_size=20", "(width, height)", "44x36"]),
    "large work size": ({"work_size": (60, 20)}, ["work_size=(60, 20)", "44x36"]),
    "work size of truths": ({"work_size": (True, 20)}, ["work_size=(True, 20)"]),
    "fractional": ({"work_size": (20.5, 20)}, ["work_size=(20.5, 20)"]),
    "tiny work size": ({"work_size": (4, 20)}, ["4x20", "5x5"]),
    "depth": ({"depth": 7}, ["depth=7", "8 to 16"]),
    "backend": ({"backend": "openvino"}, ["'openvino'", "Backend."]),
    "scene marks": ({"brightness": "scene"}, ["_SceneChangePrev", "`vsanime.mark_scenes(clip)`"]),
}


@pytest.mark.parametrize("case", ARGUMENTS)
def test_wrong_arguments(net: str, case: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("VSANIME_MODEL_PATH", "")
    given, parts = ARGUMENTS[case]
    arguments = {"style": net, "backend": FAST} | given
    one_line(lambda: vsanime.animegan(picture("YUV420P8", _Matrix=1), **arguments), "animegan: ", *parts)


@pytest.mark.parametrize(
    ("clip", "parts"),
    [
        (lambda: picture("YUV420P8", _Matrix=14), ["_Matrix=14", "resize"]),
        (lambda: picture("YUV420P8", _FieldBased=2), ["interlaced"]),
        (lambda: picture("RGB24", 4, 36), ["4x36", "5x5"]),
        (lambda: "clip.mkv", ["str", "clip"]),
        (lambda: vs.core.std.BlankClip(format=vs.GRAY32), ["32 bits"]),
    ],
    ids=["matrix", "interlaced", "small", "no clip", "32 bits"],
)
def test_wrong_clips(net: str, clip: Any, parts: list[str]) -> None:
    one_line(lambda: vsanime.animegan(clip(), net, backend=FAST), "animegan: ", *parts)


def test_files_that_are_not_plain(tmp_path: Path) -> None:
    """On [-1, 1], as others leave them, they would run and give a wrong picture."""
    path = tmp_path / "net.onnx"
    for foreign in (as_tensorflow(random_weights()), as_pytorch(random_weights())):
        path.write_bytes(foreign.SerializeToString())
        one_line(lambda: vsanime.animegan(picture("RGB24"), path, backend=FAST), "animegan: ", "[-1, 1]", "import")
    path.write_bytes(artcnn_like().SerializeToString())
    one_line(lambda: vsanime.animegan(picture("RGB24"), path, backend=FAST), "1 and gives 1 channels", "RGB to RGB")


def test_a_later_frame_that_means_something_else(net: str) -> None:
    clip = picture("YUV420P8", _Matrix=1) + picture("YUV420P8", _Matrix=5)
    made = vsanime.animegan(clip, net, backend=FAST)
    made.get_frame(0).close()
    with pytest.raises(vs.Error, match="animegan: frame 1 has _Matrix=5 where the first frame has 1"):
        made.get_frame(1)


def test_a_whole_frame_runs_in_one_lane_unless_asked(net: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each lane holds the layers of a whole frame."""
    found: list[int] = []
    compiled = Backend.OpenVINO.compile

    def watched(self: Any, graph: Any, precision: str, lanes: int, threads: int) -> Any:
        found.append(lanes)
        return compiled(self, graph, precision, lanes, threads)

    monkeypatch.setattr(Backend.OpenVINO, "compile", watched)
    clip = noise_clip("YUV420P8", 24, 20, frames=4, _Matrix=1)
    for core_threads in threads(4):
        assert core_threads == 4
        vsanime.animegan(clip, net, backend=Backend.OpenVINO())
        vsanime.animegan(clip, net, backend=Backend.OpenVINO(num_streams=2))
    assert found == [1, 2]


def threads(count: int) -> Iterator[int]:
    """So many threads of the frame server for a while."""
    before = vs.core.num_threads
    vs.core.num_threads = count
    try:
        yield count
    finally:
        vs.core.num_threads = before


def test_a_named_style_is_found_by_its_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("VSANIME_MODEL_PATH", str(tmp_path))
    (tmp_path / "AnimeGANv2_Hayao.onnx").write_bytes(PLAIN)
    clip = picture("YUV420P8", _Matrix=1)
    by_name = planes_of(vsanime.animegan(clip, "hayao", backend=FAST))
    by_path = planes_of(vsanime.animegan(clip, tmp_path / "AnimeGANv2_Hayao.onnx", backend=FAST))
    for one, other in zip(by_name, by_path, strict=True):
        np.testing.assert_array_equal(one, other)
