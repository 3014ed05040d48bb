"""Colour conversion inside the graph is zimg's around it: every siting, range and matrix, borders and tiny frames."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache

import numpy as np
import onnx
import onnxruntime
import pytest
import vapoursynth as vs
from onnx import helper

from tests.support.clips import clip_of, format_of, noise, planes_of
from tests.support.lanes import FunctionLane
from tests.support.networks import layers
from tests.support.reference import assert_codes_match
from vsanime.coding import check_matrix
from vsanime.errors import VsanimeError
from vsanime.graphs.builders.rgb import reach, rgb_graph
from vsanime.graphs.inspect import inspect
from vsanime.pipeline.tiles import TileRunner, plan_tiles
from vsanime.spec import ChromaLocation, GraphTraits, Range
from vsanime.video.clips import frame_spec, plane_format

# zimg sums in f32 as well, in another order: a value on the edge between two codes may fall to either side. 16 bits
# leave f32 little more than the codes themselves.
CODES_DIFFER = {8: 0.001, 9: 0.001, 10: 0.001, 12: 0.003, 14: 0.012, 16: 0.05}

# A quarter of the 10-bit codes of limited range lie halfway between two of 8 bits, and may go either way.
HALFWAY = 0.25


def identity(scale: int) -> onnx.ModelProto:
    """RGB that stays as it is, every pixel repeated `scale` times each way."""
    weight = np.zeros((3 * scale**2, 3, 1, 1), np.float32)
    for channel in range(3):
        weight[channel * scale**2 : (channel + 1) * scale**2, channel] = 1
    nodes = [
        helper.make_node("Conv", ["input", "w"], ["c"], kernel_shape=[1, 1]),
        helper.make_node("DepthToSpace", ["c"], ["output"], blocksize=scale, mode="CRD"),
    ]
    return layers(*nodes, channels=(3, 3), w=weight)


@cache
def net(scale: int) -> onnx.ModelProto:
    return identity(scale)


def ours(clip: vs.VideoNode, target: vs.VideoFormat, scale: int) -> list[np.ndarray]:
    spec = frame_spec(clip)
    graph = rgb_graph(
        net(scale), inspect(net(scale)), spec, plane_format(target), clip.width, clip.height, GraphTraits()
    )
    session = onnxruntime.InferenceSession(graph.onnx, providers=["CPUExecutionProvider"])
    feed = {t.name: plane.reshape(t.shape) for t, plane in zip(graph.inputs, planes_of(clip), strict=True)}
    return [plane[0, 0] for plane in session.run([t.name for t in graph.outputs], feed)]


def zimg(clip: vs.VideoNode, target: vs.VideoFormat, scale: int) -> list[np.ndarray]:
    """The same by zimg, in single float, Catmull-Rom for chroma."""
    kernel = {"filter_param_a_uv": 0.0, "filter_param_b_uv": 0.5, "resample_filter_uv": "bicubic"}
    spec = frame_spec(clip)
    rgb = clip.resize.Bicubic(format=vs.RGBS, **kernel)
    rgb = rgb.std.Expr("x 0 max 1 min")
    rgb = rgb.resize.Point(clip.width * scale, clip.height * scale)
    known = {"range": int(spec.range)}
    if target.color_family == vs.YUV:
        known["matrix"] = spec.matrix
    if spec.chroma_location is not None:
        known["chromaloc"] = int(spec.chroma_location)
    return planes_of(rgb.resize.Bicubic(format=target.id, **known, **kernel))


def check(clip: vs.VideoNode, scale: int, target: vs.VideoFormat | None = None, share: float = 0) -> None:
    target = target or clip.format
    for found, expected in zip(ours(clip, target, scale), zimg(clip, target, scale), strict=True):
        if target.sample_type == vs.FLOAT:
            # Half floats have 11 bits.
            np.testing.assert_allclose(found, expected, atol=2e-6 if target.bits_per_sample == 32 else 1e-3)
        else:
            assert_codes_match(found, expected, share or CODES_DIFFER[target.bits_per_sample])


def picture(name: str, width: int = 64, height: int = 48, **props: int) -> vs.VideoNode:
    form = format_of(name)
    return clip_of(noise(form, width, height, seed=width + height), form, **props)


@pytest.mark.parametrize("bits", [8, 10])
@pytest.mark.parametrize("subsampling", ["420", "422"])
@pytest.mark.parametrize("location", ChromaLocation)
@pytest.mark.parametrize("full", Range)
@pytest.mark.parametrize("scale", [1, 2])
def test_every_siting_and_range(bits: int, subsampling: str, location: int, full: int, scale: int) -> None:
    check(picture(f"YUV{subsampling}P{bits}", _ChromaLocation=location, _Range=full, _Matrix=1), scale)


@pytest.mark.parametrize("matrix", [1, 4, 5, 6, 7, 9])
@pytest.mark.parametrize("name", ["YUV444P8", "YUV420P10", "YUV444P16"])
def test_every_matrix(matrix: int, name: str) -> None:
    check(picture(name, _Range=0, _Matrix=matrix), 2)


@pytest.mark.parametrize("subsampling", ["411", "440", "410"])
@pytest.mark.parametrize("bits", [8, 9, 12, 14])
@pytest.mark.parametrize("scale", [1, 2])
def test_rare_formats(subsampling: str, bits: int, scale: int) -> None:
    check(picture(f"YUV{subsampling}P{bits}", _Range=0, _Matrix=1), scale)


@pytest.mark.parametrize("size", [(2, 2), (4, 2), (2, 6), (6, 4), (8, 10), (34, 16)])
@pytest.mark.parametrize("location", ChromaLocation)
def test_frames_smaller_than_the_kernel(size: tuple[int, int], location: int) -> None:
    check(picture("YUV420P8", *size, _ChromaLocation=location, _Range=0, _Matrix=1), 2)


@pytest.mark.parametrize(
    ("name", "target"),
    [("YUV420P8", "YUV420P10"), ("YUV420P10", "YUV420P8"), ("YUV420P8", "YUV420PS"), ("YUV420PS", "YUV420P8"),
     ("YUV444PH", "YUV444PH"), ("YUV420P16", "YUV420P16")],
)  # fmt: skip
@pytest.mark.parametrize("full", Range)
def test_depths(name: str, target: str, full: int) -> None:
    share = HALFWAY if (name, target, full) == ("YUV420P10", "YUV420P8", Range.LIMITED) else 0
    check(picture(name, _Range=full, _Matrix=1), 2, format_of(target), share)


@pytest.mark.parametrize("form", [vs.RGB24, vs.RGB30, vs.RGB48, vs.RGBS, vs.RGBH])
def test_rgb_passes_every_code(form: int) -> None:
    video = vs.core.get_video_format(form)
    frames = noise(video, 64, 48)
    if video.sample_type == vs.FLOAT:
        frames = [[np.clip(p, 0, 1) for p in frames[0]]]
    clip = clip_of(frames, video)
    for found, expected in zip(ours(clip, video, 1), planes_of(clip), strict=True):
        assert np.array_equal(found, expected)


@pytest.mark.parametrize("matrix", [1, 5])
@pytest.mark.parametrize("full", Range)
def test_gray_is_three_equal_channels_and_their_luma(matrix: int, full: int) -> None:
    form = format_of("GRAY8")
    low, high = (0, 255) if full else (16, 235)
    codes = np.arange(low, high + 1, dtype=np.uint8).repeat(2)[:, None].repeat(4, 1)
    clip = clip_of([[codes]], form, _Range=full, _Matrix=matrix)
    assert np.array_equal(ours(clip, form, 1)[0], codes)


@pytest.mark.parametrize(("color", "loudest"), [((0.9, 0.1, 0.1), 0), ((0.1, 0.9, 0.1), 1), ((0.1, 0.1, 0.9), 2)])
def test_the_network_sees_red_green_and_blue_in_this_order(color: tuple[float, float, float], loudest: int) -> None:
    """A net that keeps one channel alone: the others come out black."""
    weight = np.zeros((3, 3, 1, 1), np.float32)
    weight[loudest, loudest] = 1
    only = layers(helper.make_node("Conv", ["input", "w"], ["output"], kernel_shape=[1, 1]), channels=(3, 3), w=weight)
    blank = vs.core.std.BlankClip(None, 16, 16, vs.RGBS, 1, color=list(color))
    clip = blank.resize.Bicubic(format=vs.YUV420P16, matrix=1)
    graph = rgb_graph(only, inspect(only), frame_spec(clip), plane_format(clip.format), 16, 16, GraphTraits())
    session = onnxruntime.InferenceSession(graph.onnx, providers=["CPUExecutionProvider"])
    feed = {t.name: plane.reshape(t.shape) for t, plane in zip(graph.inputs, planes_of(clip), strict=True)}
    found = clip_of([[p[0, 0] for p in session.run(None, feed)]], clip.format, _Matrix=1, _Range=0)
    rgb = planes_of(found.resize.Bicubic(format=vs.RGBS))
    for channel, plane in enumerate(rgb):
        assert np.allclose(plane, color[channel] if channel == loudest else 0, atol=1e-4)


def test_values_outside_are_clamped_before_the_network() -> None:
    """A net that doubles values: what was above white must not come out brighter than white made it."""
    weight = np.full((3, 3, 1, 1), 0, np.float32)
    weight[range(3), range(3)] = 0.5
    half = layers(helper.make_node("Conv", ["input", "w"], ["output"], kernel_shape=[1, 1]), channels=(3, 3), w=weight)
    form = format_of("GRAYS")
    clip = clip_of([[np.array([[-0.5, 0.0, 1.0, 1.5]], np.float32)]], form)
    graph = rgb_graph(half, inspect(half), frame_spec(clip), plane_format(form), 4, 1, GraphTraits())
    session = onnxruntime.InferenceSession(graph.onnx, providers=["CPUExecutionProvider"])
    (found,) = session.run(None, {graph.inputs[0].name: planes_of(clip)[0][None, None]})
    assert np.allclose(found[0, 0], [[0, 0, 0.5, 0.5]], atol=1e-6)


def test_a_matrix_that_is_no_matrix_is_refused() -> None:
    check_matrix(None)
    with pytest.raises(VsanimeError, match=r"_Matrix=0.*BT\.709"):
        check_matrix(0)


@pytest.mark.parametrize("scale", [1, 2, 3])
@pytest.mark.parametrize("location", ChromaLocation)
@pytest.mark.parametrize("subsampling", ["420", "422"])
def test_tiles_that_overlap_by_the_reach_change_nothing(scale: int, location: int, subsampling: str) -> None:
    clip = picture(f"YUV{subsampling}P16", 80, 60, _ChromaLocation=location, _Range=0, _Matrix=1)
    spec, form = frame_spec(clip), plane_format(clip.format)
    margin = reach(form, scale)
    overlap = (-(-margin[0] // 2) * 2, -(-margin[1] // 2) * 2)
    plan = plan_tiles((80, 60), (2 * overlap[0] + 12, 2 * overlap[1] + 12), overlap, (2, 2))
    assert len(plan.columns) > 2
    assert len(plan.rows) > 2
    graph = rgb_graph(net(scale), inspect(net(scale)), spec, form, plan.width, plan.height, GraphTraits())
    session = onnxruntime.InferenceSession(graph.onnx, providers=["CPUExecutionProvider"])

    def run(inputs: Sequence[np.ndarray], outputs: Sequence[np.ndarray]) -> None:
        feed = {t.name: plane for t, plane in zip(graph.inputs, inputs, strict=True)}
        for target, result in zip(outputs, session.run([t.name for t in graph.outputs], feed), strict=True):
            target[:] = result

    whole = ours(clip, clip.format, scale)
    tiled = [np.zeros_like(plane) for plane in whole]
    shrink = [(0, 0)] + [(form.subsampling_w, form.subsampling_h)] * 2
    TileRunner(FunctionLane(run), plan, graph.inputs, graph.outputs, scale, shrink)(planes_of(clip), tiled)
    for found, expected in zip(tiled, whole, strict=True):
        assert np.array_equal(found, expected)


def tinted(scale: int) -> onnx.ModelProto:
    """Repeats pixels, with a tint that depends on the colour."""
    weight = np.zeros((3 * scale**2, 3, 1, 1), np.float32)
    for channel in range(3):
        weight[channel * scale**2 : (channel + 1) * scale**2, channel] = 0.96
        weight[channel * scale**2 : (channel + 1) * scale**2, (channel + 1) % 3] = 0.03
    nodes = [
        helper.make_node("Conv", ["input", "w", "b"], ["c"], kernel_shape=[1, 1]),
        helper.make_node("DepthToSpace", ["c"], ["output"], blocksize=scale, mode="CRD"),
    ]
    bias = np.repeat(np.array([0.02, -0.01, 0.005], np.float32), scale**2)
    return layers(*nodes, channels=(3, 3), w=weight, b=bias)


def through_tinted(picture: np.ndarray, scale: int, *, correct: bool) -> np.ndarray:
    """[3, height, width] through the network, in single float."""
    proto = tinted(scale)
    spec = frame_spec(clip_of([list(picture)], vs.core.get_video_format(vs.RGBS)))
    height, width = picture.shape[1:]
    graph = rgb_graph(proto, inspect(proto), spec, spec.format, width, height, GraphTraits(), correct_tint=correct)
    session = onnxruntime.InferenceSession(graph.onnx, providers=["CPUExecutionProvider"])
    feed = {t.name: plane[None, None] for t, plane in zip(graph.inputs, picture, strict=True)}
    return np.concatenate(session.run([t.name for t in graph.outputs], feed), axis=1)[0]


@pytest.mark.parametrize("scale", [1, 2])
@pytest.mark.parametrize("colour", [(0.9, 0.1, 0.1), (0.1, 0.9, 0.1), (0.1, 0.1, 0.9), (0.5, 0.5, 0.5)])
def test_flat_colours_come_back_without_their_tint(scale: int, colour: tuple[float, float, float]) -> None:
    flat = np.tile(np.array(colour, np.float32)[:, None, None], (1, 24, 20))
    wanted = flat.repeat(scale, 1).repeat(scale, 2)
    assert np.abs(through_tinted(flat, scale, correct=False) - wanted).max() > 0.004
    np.testing.assert_allclose(through_tinted(flat, scale, correct=True), wanted, atol=1e-6)


def test_correcting_the_tint_leaves_detail_alone() -> None:
    """What changes is a mean over a neighbourhood: even where the picture is noise, a smooth field."""
    picture = np.random.default_rng(1).uniform(0.2, 0.8, (3, 48, 64)).astype(np.float32)
    change = through_tinted(picture, 2, correct=True) - through_tinted(picture, 2, correct=False)
    assert np.abs(change).max() > 0.005
    assert np.abs(np.diff(change, axis=2)).max() < 0.1 * np.abs(change).max()


@pytest.mark.parametrize(
    ("subsampling", "scale", "pixels"),
    [
        ("YUV444P8", 2, (0, 0)),
        ("YUV420P8", 2, (7, 7)),
        ("YUV420P8", 1, (8, 8)),
        ("YUV422P8", 2, (7, 0)),
        ("YUV410P8", 1, (18, 18)),
    ],
)
def test_conversions_see_two_chroma_samples_beyond_a_pixel(
    subsampling: str, scale: int, pixels: tuple[int, int]
) -> None:
    """And a tint two windows of nine pixels."""
    form = plane_format(format_of(subsampling))
    assert reach(form, scale) == pixels
    assert reach(form, scale, correct_tint=True) == (pixels[0] + 8, pixels[1] + 8)
