"""lineart on every kind of clip: luma by zimg's definition, lines by SciPy; SketchKeras around its plain network."""

from __future__ import annotations

import random
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
import vapoursynth as vs
from scipy.ndimage import gaussian_filter

import vsanime
from tests.filters.test_bad_input import one_line
from tests.support.clips import clip_of, dtype_of, format_of, noise, noise_clip, planes_of, props_of
from tests.support.planesgraphs import run
from tests.support.reference import assert_codes_match, decode, encode
from tests.support.sketches import random_sketch
from vsanime import Backend
from vsanime.graphs.builders.sketchkeras import Sketch, sketch_graph
from vsanime.models.store import search_path
from vsanime.spec import GraphTraits
from vsanime.video.clips import frame_spec

F32 = Backend.OpenVINO(precision="f32")
# Is ready sooner with a network of 75 MB.
FAST = Backend.ONNXRuntime()
# A gain of 20 on f32 sums: a code at a rounding edge, at 16 bits two; a half float's last digit.
CODES_DIFFER, LARGEST = {8: 0.002, 10: 0.005, 16: 0.3}, {8: 1, 10: 1, 16: 2}
FLOATS = {16: 1e-3, 32: 2e-5}
GRAY = format_of("GRAY8")


def picture(name: str, width: int = 44, height: int = 36, frames: int = 1, **props: int) -> vs.VideoNode:
    form = vs.core.get_video_format(getattr(vs, name)) if name.startswith("RGB") else format_of(name)
    return clip_of(noise(form, width, height, frames, seed=3), form, **props)


def by_formula(luma: np.ndarray, sigma: float, threshold: float = 0.015, gain: float = 20) -> np.ndarray:
    narrow, wide = (
        gaussian_filter(luma, s, mode="nearest", radius=int(np.ceil(round(7.5 * sigma, 6))))
        for s in (sigma, 2.5 * sigma)
    )
    return 1 - np.tanh(gain * np.maximum(wide - narrow - threshold, 0))


def luma_of(clip: vs.VideoNode) -> np.ndarray:
    form = clip.format
    full = bool(props_of(clip).get("_Range", form.color_family == vs.RGB))
    values = [decode(plane, form, full) for plane in planes_of(clip)]
    weights = (0.2126, 0.7152, 0.0722) if form.color_family == vs.RGB else (1.0,)
    return np.clip(sum(w * v for w, v in zip(weights, values, strict=False)), 0, 1)


def check(clip: vs.VideoNode, made: vs.VideoNode, expected: np.ndarray) -> None:
    assert (made.width, made.height, made.num_frames) == (clip.width, clip.height, clip.num_frames)
    assert made.format.color_family == vs.GRAY
    found = planes_of(made)[0]
    assert found.dtype == dtype_of(made.format)
    bits = made.format.bits_per_sample
    if made.format.sample_type == vs.FLOAT:
        np.testing.assert_allclose(found, expected, atol=FLOATS[bits])
    else:
        codes = encode(expected, made.format, full=True)
        assert_codes_match(found, codes, CODES_DIFFER[bits] + 2 / codes.size, LARGEST[bits])


FORMATS = ("YUV420P8", "YUV420P10", "YUV422P8", "YUV444P16", "YUV410P8", "YUV420PS", "YUV444PH", "RGB24", "RGB48",
           "RGBS", "GRAY8", "GRAY16", "GRAYS")  # fmt: skip


@pytest.mark.parametrize("name", FORMATS)
@pytest.mark.parametrize("backend", [F32, Backend.ONNXRuntime()], ids=["openvino", "onnxruntime"])
@pytest.mark.parametrize("full", [0, 1])
def test_every_format(name: str, backend: Any, full: int) -> None:
    clip = picture(name, _Range=full)
    made = vsanime.lineart(clip, sigma=0.8, backend=backend)
    check(clip, made, by_formula(luma_of(clip), 0.8))
    assert props_of(made)["_Range"] == 1
    assert "_ChromaLocation" not in props_of(made)
    assert made.format.bits_per_sample == clip.format.bits_per_sample
    assert made.format.sample_type == clip.format.sample_type


@pytest.mark.parametrize("size", [(1, 1), (3, 40), (41, 7), (63, 35)])
def test_every_size(size: tuple[int, int]) -> None:
    clip = picture("GRAY8", *size)
    check(clip, vsanime.lineart(clip, sigma=1.3, backend=F32), by_formula(luma_of(clip), 1.3))


@pytest.mark.parametrize("depth", [8, 12, 16, "half", "single"])
def test_every_depth(depth: int | str) -> None:
    clip = picture("YUV420P8")
    made = vsanime.lineart(clip, depth=depth, backend=F32)
    expected = (vs.FLOAT, {"half": 16, "single": 32}[depth]) if isinstance(depth, str) else (vs.INTEGER, depth)
    assert (made.format.sample_type, made.format.bits_per_sample) == expected
    deep = planes_of(vsanime.lineart(clip, depth="single", backend=F32))[0]
    peak = 1 if isinstance(depth, str) else 2**depth - 1
    tolerance = 1e-3 if isinstance(depth, str) else 0.5 / peak + 1e-5
    np.testing.assert_allclose(planes_of(made)[0] / peak, deep, atol=tolerance)


def test_arguments_are_those_of_the_formula() -> None:
    clip = picture("GRAYS", _Range=1)
    made = vsanime.lineart(clip, sigma=1.1, threshold=0.05, gain=7, backend=F32)
    check(clip, made, by_formula(luma_of(clip), 1.1, 0.05, 7))


def test_the_same_drawing_has_the_same_lines_at_twice_the_size() -> None:
    """The usual sigma follows the height."""
    rng = np.random.default_rng(0)
    small = np.full((360, 480), 0.9, np.float32)
    for y, x in rng.integers(20, 300, (12, 2)):
        small[y : y + 3, x : x + 150] = 0.2
    form = vs.core.get_video_format(vs.GRAYS)
    lines = [
        planes_of(vsanime.lineart(clip_of([[luma.repeat(n, 0).repeat(n, 1)]], form), backend=F32))[0]
        for luma, n in ((small, 2), (small, 4))
    ]
    means = lines[1].reshape(720, 2, 960, 2).mean((1, 3))
    ink = 1 - lines[0].mean()
    assert ink > 0.02
    # Sigmas of 0.72 and 1.44 are sampled at other places of a pixel.
    assert np.abs(means - lines[0]).mean() < 0.1 * ink


@pytest.mark.parametrize("name", ["YUV420P8", "RGB24", "GRAY16"])
@pytest.mark.parametrize("tiling", [{"tiles": 3}, {"tiles": (2, 1)}, {"tilesize": (32, 34)}, {"tilesize": 41}], ids=str)
def test_tiles_change_nothing(name: str, tiling: dict[str, Any]) -> None:
    clip = picture(name, 74, 62)
    whole = planes_of(vsanime.lineart(clip, sigma=1.2, backend=F32))[0]
    assert np.array_equal(planes_of(vsanime.lineart(clip, sigma=1.2, backend=F32, **tiling))[0], whole)


def test_any_order_of_requests() -> None:
    clip = picture("YUV420P8", frames=9)
    lines = vsanime.lineart(clip, backend=F32)
    expected = [planes_of(lines, n)[0] for n in range(9)]
    assert not np.array_equal(expected[0], expected[1])
    order = [*random.Random(1).sample(range(9), 9), 4, 4, 0]
    fresh = vsanime.lineart(clip, backend=Backend.OpenVINO(precision="f32", num_streams=2))
    for n in order:
        assert np.array_equal(planes_of(fresh, n)[0], expected[n])


def test_brighter_and_darker_frames_of_one_scene_have_the_same_lines() -> None:
    base = (noise(format_of("GRAY8"), 60, 44)[0][0] // 2 + 40).astype(np.uint8)
    steps = (0, 25, 50, 3, 50)
    clip = clip_of([[base + np.uint8(step)] for step in steps], format_of("GRAY8"), _Range=1)
    lines = vsanime.lineart(clip, backend=F32)
    first = planes_of(lines, 0)[0]
    assert first.min() < 50
    for n in range(1, len(steps)):
        # f32 sums around another mean.
        assert_codes_match(planes_of(lines, n)[0], first, 0.002)


def test_properties() -> None:
    clip = picture("YUV420P8", _Matrix=6, _Range=0, _ChromaLocation=2).std.SetFrameProps(Scene="one")
    props = props_of(vsanime.lineart(clip, backend=F32))
    assert (props["_Matrix"], props["_Range"], props["Scene"]) == (6, 1, "one")
    # A matrix of no colour family that gray has would keep zimg from converting it.
    rgb = vsanime.lineart(picture("RGB24", _Matrix=0), backend=F32)
    assert "_Matrix" not in props_of(rgb)
    assert rgb.resize.Bicubic(format=vs.YUV420P8, matrix=1).get_frame(0).format.id == vs.YUV420P8


def test_transparency_is_kept_in_the_outputs_depth() -> None:
    alpha = noise_clip("GRAY8", 44, 36, seed=8, _Range=1)
    clip = picture("RGB24").std.ClipToProp(alpha, prop="_Alpha")
    kept = vsanime.lineart(clip, depth=16, backend=F32).std.PropToClip("_Alpha")
    assert kept.format.id == vs.GRAY16
    assert np.array_equal(planes_of(kept)[0], planes_of(alpha)[0].astype(np.uint16) * 257)


def test_a_frame_that_means_something_else_is_refused_when_asked_for() -> None:
    clip = picture("YUV420P8", _Range=0) + picture("YUV420P8", _Range=1)
    lines = vsanime.lineart(clip, backend=F32)
    planes_of(lines, 0)
    with pytest.raises(vs.Error, match=r"lineart: frame 1 has _Range=1 where the first frame has 0"):
        lines.get_frame(1)


@pytest.fixture(scope="module")
def net(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("Linien ö") / "sketchkeras.onnx"
    path.write_bytes(random_sketch().SerializeToString())
    return path


def test_sketchkeras_takes_every_format(net: Path) -> None:
    """What the graph computes is tests/graphs/builders/test_sketchkeras.py's; here that it is fed and read right."""
    rgb = picture("RGBS", 48, 32)
    codes = clip_of([[np.rint(p * 255).astype(np.float32) / 255 for p in planes_of(rgb)]], rgb.format)
    expected = planes_of(vsanime.lineart(codes, str(net), backend=FAST))[0]
    assert expected.std() > 0.05
    eight = codes.resize.Point(format=vs.RGB24)
    made = vsanime.lineart(eight, net, depth="single", backend=FAST)
    # Colours that differ by an f32's last digit, through 18 layers of random weights.
    np.testing.assert_allclose(planes_of(made)[0], expected, atol=1e-3)
    yuv = eight.resize.Bicubic(format=vs.YUV444P16, matrix=1, range=0)
    made = vsanime.lineart(yuv, net, backend=FAST)
    assert made.format.id == vs.GRAY16
    # Codes of 8 bits come back from 16-bit YUV but for those at a rounding edge.
    assert np.abs(planes_of(made)[0] / 65535 - expected).mean() < 0.01
    assert props_of(made)["_Range"] == 1
    gray = vsanime.lineart(picture("GRAY8", 33, 47), net, backend=FAST)
    assert (gray.width, gray.height, gray.format.id) == (33, 47, vs.GRAY8)
    assert planes_of(gray)[0].std() > 5


def test_sketchkeras_does_not_see_hidden_color(net: Path) -> None:
    """It works on the whole frame, and divides by its means."""
    alpha = clip_of([[np.where(np.arange(44) < 30, 255, 0).astype(np.uint8).repeat(36).reshape(44, 36).T]] * 2, GRAY)
    frames = noise(vs.core.get_video_format(vs.RGB24), 44, 36, seed=3) * 2
    frames[1] = [np.where(planes_of(alpha)[0] > 0, plane, 255 - plane).astype(np.uint8) for plane in frames[0]]
    clip = clip_of(frames, vs.core.get_video_format(vs.RGB24)).std.ClipToProp(alpha, prop="_Alpha")
    lines = vsanime.lineart(clip, str(net), backend=FAST)
    np.testing.assert_array_equal(planes_of(lines)[0], planes_of(lines, 1)[0])


def test_sketchkeras_is_found_by_its_name(net: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("VSANIME_MODEL_PATH", str(net.parent))
    clip = picture("GRAY8", 32, 32)
    found, given = (planes_of(vsanime.lineart(clip, name, backend=FAST))[0] for name in ("sketchkeras", str(net)))
    assert np.array_equal(found, given)
    assert search_path()[0] == net.parent


@pytest.mark.long
def test_sketchkeras_options_do_something(net: Path) -> None:
    clip = picture("GRAY8", 64, 48)
    usual = planes_of(vsanime.lineart(clip, net, backend=FAST))[0]
    # Those of the graph are its own tests' affair; every network that is run here takes seconds to be ready.
    for options in ({"long_side": 40, "threshold": 0.5}, {"padding": "zero", "gain": "frame"}):
        other = planes_of(vsanime.lineart(clip, net, backend=FAST, **options))[0]
        assert not np.array_equal(other, usual), options


def wrong(**arguments: Any) -> Any:
    return lambda: vsanime.lineart(picture("YUV420P8"), backend=FAST, **arguments)


ARGUMENTS = {
    "no clip": (lambda: vsanime.lineart("a.mkv"), ["str", "clip"]),
    "method": (wrong(method="canny"), ["method='canny'", "'dog'", "'sketchkeras'", ".onnx"]),
    "no method": (wrong(method=5), ["method=5", "'dog'"]),
    "sigma": (wrong(sigma=0), ["sigma=0", "0.1 to 20"]),
    "sigma's type": (wrong(sigma="thin"), ["sigma='thin'", "a number"]),
    "threshold": (wrong(threshold=-0.1), ["threshold=-0.1", "0 to 1"]),
    "not a number": (wrong(threshold=float("nan")), ["threshold=nan", "0 to 1"]),
    "gain": (wrong(gain=0), ["gain=0", "0.1 to 1000"]),
    "gain of the frame": (wrong(gain="frame"), ["gain='frame'", "a number"]),
    "long_side of dog": (wrong(long_side=512), ["long_side=512 is for SketchKeras", "leave it out"]),
    "padding of dog": (wrong(padding="zero"), ["padding='zero' is for SketchKeras"]),
    "depth": (wrong(depth=7), ["depth=7"]),
    "tiles": (wrong(tiles=0), ["tiles=0"]),
    "missing file": (wrong(method="nowhere/net.onnx"), ["net.onnx"]),
    "no weights": (wrong(method="sketchkeras"), ["sketchkeras.onnx", "vsanime import", "`method='dog'` needs none"]),
    "another matrix": (
        lambda: vsanime.lineart(picture("YUV444P8", 20, 20, _Matrix=14), "sketchkeras"), ["sketchkeras"]
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", ARGUMENTS)
def test_arguments(case: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("VSANIME_MODEL_PATH", raising=False)
    call, parts = ARGUMENTS[case]
    one_line(call, "lineart:", *parts)


def test_arguments_of_sketchkeras(net: Path, tmp_path: Path) -> None:
    clip = picture("YUV420P8")
    sketch: dict[str, tuple[dict[str, Any], str]] = {
        "sigma": ({"sigma": 1}, "sigma=1 is for 'dog'"),
        "tiles": ({"tiles": 2}, "sees a picture of long_side pixels as a whole"),
        "long_side": ({"long_side": 16}, "long_side=16; 32 pixels or more"),
        "its type": ({"long_side": True}, "long_side=True"),
        "gain": ({"gain": "scene"}, "'frame' for one over"),
        "padding": ({"padding": "edge"}, "padding='edge'; 'reflect' or 'zero'"),
        "threshold": ({"threshold": 2}, "threshold=2"),
    }
    for arguments, message in sketch.values():
        one_line(lambda arguments=arguments: vsanime.lineart(clip, net, backend=FAST, **arguments), "lineart:", message)
    one_line(lambda: vsanime.lineart(picture("RGB24", 44, 9), net, backend=FAST), "44x9", "10 or more")
    one_line(lambda: vsanime.lineart(picture("YUV444P8", _Matrix=14), net, backend=FAST), "_Matrix=14", "BT.709")
    other = tmp_path / "other.onnx"
    from tests.support.networks import artcnn_like

    other.write_bytes(artcnn_like().SerializeToString())
    one_line(lambda: vsanime.lineart(clip, other, backend=FAST), "other.onnx", "no SketchKeras", "command `import`")


def test_sketchkeras_sees_frames_of_odd_sizes_as_they_are(net: Path) -> None:
    """One tile of the frame's own size: what lies beyond is for the graph to make up."""
    clip = picture("GRAY8", 33, 47)
    spec = frame_spec(clip)
    graph = sketch_graph(onnx.load(net), spec, spec.format, GraphTraits(block=2), Sketch())
    expected = run(graph, [planes_of(clip)[0][None, None]])[0][0, 0]
    found = planes_of(vsanime.lineart(clip, str(net), backend=FAST))[0]
    assert np.abs(found.astype(int) - expected).max() <= 1
