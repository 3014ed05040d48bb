"""waifu2x on every kind of clip, with real weights, against plain ONNX in ONNX Runtime and conversions by zimg."""

from __future__ import annotations

import itertools
import random
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
import vapoursynth as vs

import vsanime
from tests.filters.test_bad_input import one_line
from tests.pipeline.test_frames import bf16_is_native
from tests.support import tolerances
from tests.support.clips import clip_of, format_of, noise, planes_of, props_of
from tests.support.networks import artcnn_like
from tests.support.pictures import drawn_and_photographed, painted_drawn_rendered
from tests.support.planesgraphs import planes_graph
from tests.support.reference import assert_codes_match, dihedral_mean, psnr, run_plain
from vsanime import Backend
from vsanime.architectures.drrn.onnx import DrrnLayers, drrn
from vsanime.architectures.espcn.onnx import espcn
from vsanime.architectures.layers import Layer
from vsanime.architectures.waifu2x.onnx import vgg
from vsanime.graphs.inspect import inspect
from vsanime.models.store import load
from vsanime.spec import GraphTraits

F32 = Backend.OpenVINO(precision="f32")
CATMULL_ROM = {"filter_param_a_uv": 0.0, "filter_param_b_uv": 0.5, "resample_filter_uv": "bicubic"}

# zimg and the network around it sum in f32 in other orders than one graph does: codes at a rounding edge.
CODES_DIFFER = {8: 0.002, 10: 0.004, 16: 0.35}
LARGEST = {8: 1, 10: 1, 16: 6}

# How far a flat colour drifts on average, in codes of 8 bits: 4.6 were measured, and 0.1 with the tint corrected.
TINT_KEPT = 5.0
TINT_CORRECTED = 0.2

# bf16 with the tint taken off, on real pictures: 57.5 to 62 dB were measured, less 3 for other CPUs.
BF16_PSNR = 54.5


@cache
def plain(name: str) -> bytes:
    return load(name).proto.SerializeToString()


def picture(name: str, width: int = 64, height: int = 48, **props: int) -> vs.VideoNode:
    form = format_of(name)
    return clip_of(noise(form, width, height, seed=3), form, **props)


def reference(clip: vs.VideoNode, name: str) -> list[np.ndarray]:
    """zimg to RGB, clamped; the plain network; zimg back."""
    form = clip.format
    source = clip.std.ShufflePlanes([0, 0, 0], vs.RGB) if form.color_family == vs.GRAY else clip
    rgb = planes_of(source.resize.Bicubic(format=vs.RGBS, **CATMULL_ROM))
    result = run_plain(plain(name), np.clip(np.stack(rgb)[None], 0, 1))[0]
    made = clip_of([list(np.clip(result, 0, 1))], vs.core.get_video_format(vs.RGBS))
    if form.color_family == vs.RGB:
        return planes_of(made.resize.Bicubic(format=form.id))
    tags = {"matrix": 1, "range": int(props_of(clip)["_Range"])}
    if form.subsampling_w:
        tags["chromaloc"] = int(props_of(clip).get("_ChromaLocation", 0))
    return planes_of(made.resize.Bicubic(format=form.id, **tags, **CATMULL_ROM))


def check(clip: vs.VideoNode, backend: Any = F32, **arguments: Any) -> None:
    up = vsanime.waifu2x(clip, backend=backend, **arguments)
    assert (up.width, up.height, up.format.id) == (2 * clip.width, 2 * clip.height, clip.format.id)
    noise_level = arguments.get("noise", -1)
    name = "upconv_7_art" + ("" if noise_level < 0 else f"_noise{noise_level}")
    for found, expected in zip(planes_of(up), reference(clip, name), strict=True):
        if clip.format.sample_type == vs.FLOAT:
            np.testing.assert_allclose(found, expected, atol=2e-5 if clip.format.bits_per_sample == 32 else 1.5e-3)
        else:
            bits = clip.format.bits_per_sample
            assert_codes_match(found, expected, CODES_DIFFER[bits], LARGEST[bits])


@pytest.mark.parametrize(
    "name", ["YUV420P8", "YUV420P10", "YUV422P8", "YUV444P10", "YUV444P16", "YUV420PS", "YUV444PH"]
)
@pytest.mark.parametrize("full", [0, 1])
@pytest.mark.parametrize("backend", [F32, Backend.ONNXRuntime()], ids=["openvino", "onnxruntime"])
def test_yuv_matches_conversions_around_the_plain_network(name: str, full: int, backend: Any) -> None:
    check(picture(name, _Range=full, _Matrix=1), backend)


@pytest.mark.parametrize("location", range(6))
def test_every_siting(location: int) -> None:
    clip = picture("YUV420P8", _Range=0, _Matrix=1, _ChromaLocation=location)
    check(clip, noise=1)
    assert props_of(vsanime.waifu2x(clip, backend=F32))["_ChromaLocation"] == location


@pytest.mark.parametrize("form", [vs.RGB24, vs.RGB30, vs.RGB48, vs.RGBS])
def test_rgb(form: int) -> None:
    video = vs.core.get_video_format(form)
    frames = [[np.clip(p, 0, 1) if video.sample_type == vs.FLOAT else p for p in noise(video, 40, 30)[0]]]
    check(clip_of(frames, video), noise=0)


@pytest.mark.parametrize("matrix", [1, 5, 0])
def test_gray_is_the_luma_of_three_equal_channels(matrix: int) -> None:
    clip = picture("GRAY8", _Range=1, _Matrix=matrix)
    (found,) = planes_of(vsanime.waifu2x(clip, backend=F32))
    value = planes_of(clip)[0][None, None].repeat(3, 1) / np.float32(255)
    red, green, blue = run_plain(plain("upconv_7_art"), value)[0].astype(np.float64)
    # 64x48 untagged (0 means RGB, which gray cannot be) is taken for BT.601.
    weights = (0.2126, 0.7152, 0.0722) if matrix == 1 else (0.299, 0.587, 0.114)
    luma = weights[0] * red + weights[1] * green + weights[2] * blue
    expected = np.floor(np.clip(luma, 0, 1) * 255 + 0.5).astype(np.uint8)
    assert_codes_match(found, expected, CODES_DIFFER[8])


@pytest.mark.parametrize("size", [(2, 2), (6, 4), (34, 18)])
def test_small_frames(size: tuple[int, int]) -> None:
    check(picture("YUV420P8", *size, _Range=0, _Matrix=1))


# Every two of precision, format and tint meet once.
@pytest.mark.parametrize(("precision", "name", "location", "tint"), [
    ("f32", "YUV420P8", 0, "keep"), ("bf16", "YUV420P8", 0, "correct"),
    ("f32", "YUV420P10", 3, "correct"), ("bf16", "YUV420P10", 3, "keep"),
    ("f32", "YUV422P8", 0, "keep"), ("bf16", "YUV422P8", 0, "correct"),
    ("f32", "GRAY8", 0, "correct"), ("bf16", "GRAY8", 0, "keep"),
])  # fmt: skip
def test_tiled_equals_whole(precision: str, name: str, location: int, tint: str) -> None:
    if precision == "bf16" and not bf16_is_native():
        pytest.skip("this CPU has no bf16 arithmetic")
    props = {"_ChromaLocation": location} if "42" in name else {}
    clip = picture(name, 146, 110, _Range=0, _Matrix=1, **props)
    backend = Backend.OpenVINO(precision=precision)
    whole = planes_of(vsanime.waifu2x(clip, backend=backend, tiles=1, tint=tint))
    for tiling in ({"tiles": 2}, {"tiles": (3, 1)}, {"tilesize": (80, 68)}, {"tilesize": 61}):
        tiled = planes_of(vsanime.waifu2x(clip, backend=backend, **tiling, tint=tint))
        assert all(np.array_equal(a, b) for a, b in zip(tiled, whole, strict=True)), tiling


def test_any_order_and_any_number_of_lanes_give_the_same_frames() -> None:
    form = format_of("YUV420P8")
    clip = clip_of(noise(form, 48, 32, frames=11), form, _Range=0, _Matrix=1)
    results = []
    for lanes in (1, 2, 4):
        up = vsanime.waifu2x(clip, backend=Backend.OpenVINO(precision="f32", num_streams=lanes))
        order = list(range(11))
        random.Random(lanes).shuffle(order)
        frames = {n: planes_of(up, n) for n in order}
        results.append([np.concatenate([p.ravel() for p in frames[n]]) for n in range(11)])
    assert all(np.array_equal(a, b) for other in results[1:] for a, b in zip(results[0], other, strict=True))
    assert not np.array_equal(results[0][0], results[0][1])


def test_a_centred_pattern_stays_centred() -> None:
    """A picture that is its own mirror image comes out as its own mirror image, on an even and an odd size."""
    for size in (32, 33):
        distance = np.hypot(*np.meshgrid(*[np.arange(size) - (size - 1) / 2] * 2))
        blob = (235 - 200 * np.exp(-(distance**2) / 40)).astype(np.uint8)
        clip = clip_of([[blob] * 3], vs.core.get_video_format(vs.RGB24))
        for plane in planes_of(vsanime.waifu2x(clip, backend=F32, depth="single")):
            dark = 1 - plane.astype(np.float64)
            dark[dark < 0.2] = 0
            for axis in (0, 1):
                centre = (dark.sum(axis) * np.arange(2 * size)).sum() / dark.sum()
                assert abs(centre - (2 * size - 1) / 2) < 0.05


COLOURS = [(0.9, 0.1, 0.1), (0.1, 0.9, 0.1), (0.1, 0.1, 0.9), (0.8, 0.8, 0.1), (0.5, 0.5, 0.5), (0.02, 0.02, 0.02)]


@pytest.mark.parametrize("colour", COLOURS)
@pytest.mark.parametrize("level", [-1, 0, 1, 2, 3])
@pytest.mark.parametrize("style", ["art", "photo"])
def test_flat_colours_keep_their_channels_and_nearly_their_value(
    colour: tuple[float, float, float], level: int, style: str
) -> None:
    clip = vs.core.std.BlankClip(None, 32, 32, vs.RGBS, 1, color=list(colour))
    errors = {}
    for tint in ("keep", "correct"):
        up = vsanime.waifu2x(clip, level, model=f"upconv_7_{style}", tint=tint, backend=F32)
        errors[tint] = max(
            abs(float(np.mean(plane)) - value) * 255 for plane, value in zip(planes_of(up), colour, strict=True)
        )
    assert errors["keep"] < TINT_KEPT
    assert errors["correct"] < TINT_CORRECTED


def in_rgb(rgb: np.ndarray) -> vs.VideoNode:
    return clip_of([[rgb[:, :, c] for c in range(3)]], vs.core.get_video_format(vs.RGB24))


@pytest.mark.parametrize("level", [-1, 1])
def test_bf16_with_the_tint_corrected_stays_within_its_bound(level: int) -> None:
    assert_bf16_stays_within_its_bound(in_rgb(drawn_and_photographed((128, 192), "RGB")), level)


@pytest.mark.media
def test_bf16_stays_within_its_bound_on_real_pictures(media: Path) -> None:
    assert_bf16_stays_within_its_bound(in_rgb(painted_drawn_rendered(media, (128, 192), "RGB")), level=1)


def assert_bf16_stays_within_its_bound(clip: vs.VideoNode, level: int) -> None:
    if not bf16_is_native():
        pytest.skip("this CPU has no bf16 arithmetic")
    arguments: dict[str, Any] = {"noise": level, "tint": "correct", "depth": "single"}
    low = np.stack(planes_of(vsanime.waifu2x(clip, **arguments, backend=Backend.OpenVINO(precision="bf16"))))
    high = np.stack(planes_of(vsanime.waifu2x(clip, **arguments, backend=F32)))
    assert psnr(low, high) > BF16_PSNR
    assert np.abs(np.mean(low.astype(np.float64) - high, axis=(1, 2))).max() < tolerances.BF16_BIAS["chroma"]


def test_bf16_is_chosen_only_where_the_tint_is_corrected() -> None:
    """Uncorrected, it would be off by up to a code of 8 bits on average."""
    clip = picture("YUV420P8", _Range=0, _Matrix=1)

    def codes(backend: Any, **options: Any) -> np.ndarray:
        return np.concatenate([p.ravel() for p in planes_of(vsanime.waifu2x(clip, backend=backend, **options))])

    auto, f32 = Backend.OpenVINO(), F32
    assert np.array_equal(codes(auto), codes(f32))
    assert np.array_equal(codes(auto, tint="correct", depth=10), codes(f32, tint="correct", depth=10))
    if bf16_is_native():
        bf16 = Backend.OpenVINO(precision="bf16")
        assert np.array_equal(codes(auto, tint="correct"), codes(bf16, tint="correct"))
        assert not np.array_equal(codes(auto, tint="correct"), codes(f32, tint="correct"))


def test_low_precision_ends_in_f32() -> None:
    """What OpenVINO says it runs from the last convolution on: a picture kept in bf16 would have 8 bits and no more."""
    if not bf16_is_native():
        pytest.skip("this CPU has no bf16 arithmetic")
    proto = load("upconv_7_art").proto
    for tint in (False, True):
        graph = planes_graph(proto, 8, (64, 48), GraphTraits(), tint=tint)
        engine = Backend.OpenVINO(precision="bf16").compile(graph, "bf16", 1, 2)
        nodes = [
            {k: v.astype(str) for k, v in node.get_rt_info().items()}
            for node in engine.model.get_runtime_model().get_ordered_ops()
        ]
        convolutions = [n for n in nodes if n["layerType"] == "Convolution"]
        inner = [n for n in convolutions if "exact/" not in n["originalLayersNames"]]
        assert [n["runtimePrecision"] for n in inner] == ["bf16"] * len(inner)
        assert len(inner) >= 5
        last = next(i for i, n in enumerate(nodes) if "blocks" in n["originalLayersNames"])
        assert nodes[last]["outputPrecisions"] == "f32"
        assert not [n["layerType"] for n in nodes[last + 1 :] if n["outputPrecisions"] == "bf16"]


def test_scale_1_denoises_at_the_same_size(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without VGG_7 at hand: doubled by the plain network, halved by zimg."""
    monkeypatch.delenv("VSANIME_MODEL_PATH", raising=False)
    clip = picture("YUV420P8", 66, 50, _Range=0, _Matrix=1)
    found = vsanime.waifu2x(clip, 2, 1, backend=F32)
    assert (found.width, found.height, found.format.id) == (66, 50, clip.format.id)
    rgb = planes_of(clip.resize.Bicubic(format=vs.RGBS, **CATMULL_ROM))
    result = run_plain(plain("upconv_7_art_noise2"), np.clip(np.stack(rgb)[None], 0, 1))[0]
    made = clip_of([list(result)], vs.core.get_video_format(vs.RGBS))
    large = made.resize.Bicubic(format=vs.YUV420P16, matrix=1, range=0, chromaloc=0, **CATMULL_ROM)
    halved = large.resize.Spline36(66, 50, format=clip.format.id)
    for a, b in zip(planes_of(found), planes_of(halved), strict=True):
        assert_codes_match(a, b, 0.01)  # two roundings, at 16 and at 8 bits


def test_halving_floats_stays_within_range() -> None:
    form = vs.core.get_video_format(vs.RGBS)
    edge = np.zeros((32, 32), np.float32)
    edge[:, 16:] = 1
    for plane in planes_of(vsanime.waifu2x(clip_of([[edge] * 3], form), 1, 1, backend=F32)):
        assert plane.min() >= 0
        assert plane.max() <= 1


def small_layers(widths: list[int], kernel: int = 3) -> list[Layer]:
    rng = np.random.default_rng(0)
    return [
        Layer((rng.standard_normal((b, a, kernel, kernel)) / np.sqrt(9 * a)).astype(np.float32), np.full(b, 0.1, "f4"))
        for a, b in itertools.pairwise(widths)
    ]


def test_files_of_either_scale(tmp_path: Path) -> None:
    """ESPCN_7 doubles, VGG_7 keeps the size; a doubler is halved where the same size is wanted."""
    clip = picture("YUV420P8", 40, 30, _Range=0, _Matrix=1)
    double, same = str(tmp_path / "doppelt ä.onnx"), str(tmp_path / "same.onnx")
    onnx.save(espcn(small_layers([3, 8, 8, 12])), double)
    onnx.save(vgg(small_layers([3, 4, 4, 4, 4, 4, 4, 3])), same)
    assert vsanime.waifu2x(clip, model=double, backend=F32).width == 80
    assert vsanime.waifu2x(clip, model=double, scale=1, backend=F32).width == 40
    assert vsanime.waifu2x(clip, model=same, scale=1, backend=F32).width == 40
    rgb = planes_of(clip.resize.Bicubic(format=vs.RGBS, **CATMULL_ROM))
    expected = run_plain(Path(double).read_bytes(), np.clip(np.stack(rgb)[None], 0, 1))[0]
    made = clip_of([list(expected)], vs.core.get_video_format(vs.RGBS))
    codes = planes_of(made.resize.Bicubic(format=vs.YUV420P8, matrix=1, range=0, chromaloc=0, **CATMULL_ROM))
    for plane, wanted in zip(planes_of(vsanime.waifu2x(clip, model=double, backend=F32)), codes, strict=True):
        assert_codes_match(plane, wanted, CODES_DIFFER[8])


def small_drrn(low: bool) -> onnx.ModelProto:
    """Three recursions of 8 filters; what it adds to the bicubic picture is seen."""
    first, one, other, last = small_layers([3, 8, 8, 8, 12 if low else 3])
    return drrn(DrrnLayers(first, (one, Layer(0.3 * other.weight, other.bias)), Layer(0.2 * last.weight), units=3))


@pytest.mark.parametrize("backend", [F32, Backend.ONNXRuntime()], ids=["openvino", "onnxruntime"])
@pytest.mark.parametrize("low", [False, True], ids=["drrn", "drrn_low"])
def test_drrn_by_path_and_by_name(low: bool, backend: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As `vsanime train` leaves it: a file in the folder of its run, which may be named in VSANIME_MODEL_PATH."""
    name = "drrn_low" if low else "drrn"
    path = tmp_path / "runs" / name.upper() / f"{name.upper()}.onnx"
    path.parent.mkdir(parents=True)
    onnx.save(small_drrn(low), path)
    monkeypatch.setenv("VSANIME_MODEL_PATH", str(path.parent))
    clip = picture("YUV420P8", 40, 30, _Range=0, _Matrix=1)
    rgb = planes_of(clip.resize.Bicubic(format=vs.RGBS, **CATMULL_ROM))
    expected = run_plain(path.read_bytes(), np.clip(np.stack(rgb)[None], 0, 1))[0]
    made = clip_of([list(expected)], vs.core.get_video_format(vs.RGBS))
    codes = planes_of(made.resize.Bicubic(format=vs.YUV420P8, matrix=1, range=0, chromaloc=0, **CATMULL_ROM))
    for model in (str(path), name):
        found = planes_of(vsanime.waifu2x(clip, model=model, backend=backend))
        for plane, wanted in zip(found, codes, strict=True):
            assert_codes_match(plane, wanted, CODES_DIFFER[8])


@pytest.mark.parametrize("precision", ["f32", "bf16"])
@pytest.mark.parametrize("low", [False, True], ids=["drrn", "drrn_low"])
def test_tiled_drrn_equals_whole(low: bool, precision: str, tmp_path: Path) -> None:
    """The picture that it is added to is doubled inside each tile, edges and all."""
    if precision == "bf16" and not bf16_is_native():
        pytest.skip("this CPU has no bf16 arithmetic")
    path = tmp_path / "net.onnx"
    onnx.save(small_drrn(low), path)
    facts = inspect(onnx.load(path))
    # 2 for the first pixels of Catmull-Rom; at the doubled size every two convolutions see one source pixel.
    assert (facts.scale, facts.radius, facts.multiple, facts.linear_path) == (2, 8 if low else 6, 1, False)
    backend = Backend.OpenVINO(precision=precision)
    for form in ("YUV420P8", "YUV444P16"):
        clip = picture(form, 90, 70, _Range=0, _Matrix=1)
        whole = planes_of(vsanime.waifu2x(clip, model=path, backend=backend, tiles=1))
        for tiling in ({"tiles": 2}, {"tiles": (3, 1)}, {"tilesize": (51, 47)}):
            tiled = planes_of(vsanime.waifu2x(clip, model=path, backend=backend, **tiling))
            assert all(np.array_equal(a, b) for a, b in zip(tiled, whole, strict=True)), (form, tiling)


def test_restorers_of_one_size_need_no_noise_level(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """ArtCNN's JPEG networks and a denoiser by its full name, both files of the user's own."""
    for name in ("ArtCNN_R8F64_JPEG444.onnx", "waifu2x_vgg_7_art_noise2.onnx"):
        onnx.save(vgg(small_layers([3, 4, 4, 4, 4, 4, 4, 3])), tmp_path / name)
    monkeypatch.setenv("VSANIME_MODEL_PATH", str(tmp_path))
    clip = picture("YUV420P8", 40, 30, _Range=0, _Matrix=1)
    results = [
        planes_of(vsanime.waifu2x(clip, noise, 1, model, backend=F32))
        for model, noise in (("R8F64_JPEG444", -1), ("vgg_7_art_noise2", -1), ("vgg_7_art", 2), ("Upconv_7_Art", 2))
    ]
    assert results[0][0].shape == (30, 40)
    for other in results[1:]:
        assert all(np.array_equal(a, b) for a, b in zip(other, results[0], strict=True))


def test_tta_is_the_mean_of_eight() -> None:
    clip = clip_of(noise(vs.core.get_video_format(vs.RGBS), 24, 16), vs.core.get_video_format(vs.RGBS))
    clip = clip.std.Expr("x 0 max 1 min")
    source = np.stack(planes_of(clip))[None]
    expected = dihedral_mean(lambda turned: run_plain(plain("upconv_7_art"), turned), source)
    found = np.stack(planes_of(vsanime.waifu2x(clip, tta=True, backend=F32)))
    np.testing.assert_allclose(found, expected[0], atol=2e-5)


def test_properties() -> None:
    given = {"_Range": 1, "_Matrix": 9, "_ChromaLocation": 2, "_Transfer": 16, "_Primaries": 9, "_SARNum": 8,
             "_SARDen": 9, "_DurationNum": 1, "_DurationDen": 24, "_FieldBased": 0, "custom": 7}  # fmt: skip
    up = vsanime.waifu2x(picture("YUV420P10", **given), backend=F32)
    assert {key: int(props_of(up)[key]) for key in given} == given
    untagged = picture("YUV420P8", 64, 48).std.RemoveFrameProps(["_Range", "_Matrix", "_ChromaLocation"])
    found = props_of(vsanime.waifu2x(untagged, backend=F32))
    assert [int(found[k]) for k in ("_Matrix", "_Range", "_ChromaLocation")] == [6, 0, 0]


def transparent(bits: int = 8) -> tuple[vs.VideoNode, vs.VideoNode]:
    """Red in the left half, opaque; black in the right, fully transparent."""
    peak = (1 << bits) - 1
    kind = np.uint8 if bits == 8 else np.uint16
    alpha = np.zeros((48, 64), kind)
    alpha[:, :32] = peak
    planes = [np.where(alpha > 0, value, 0).astype(kind) for value in (peak * 4 // 5, peak // 8, peak // 8)]
    clip = clip_of([planes], vs.core.query_video_format(vs.RGB, vs.INTEGER, bits))
    mask = clip_of([[alpha]], vs.core.query_video_format(vs.GRAY, vs.INTEGER, bits))
    return clip.std.ClipToProp(mask, prop="_Alpha"), mask


def alpha_plane(clip: vs.VideoNode, n: int = 0) -> np.ndarray:
    return planes_of(clip.std.PropToClip("_Alpha"), n)[0]


@pytest.mark.parametrize("style", ["art", "photo"])
@pytest.mark.parametrize("bits", [8, 16])
def test_transparency_is_scaled_and_does_not_bleed(style: str, bits: int) -> None:
    clip, _ = transparent(bits)
    up = vsanime.waifu2x(clip, 1, model=f"upconv_7_{style}", backend=F32)
    peak = (1 << bits) - 1
    red = planes_of(up)[0]
    # Black from under the transparent half would darken the edge by half.
    assert red[8:-8, 60:72].min() > 0.7 * peak
    found = alpha_plane(up)
    assert found.shape == (96, 128)
    # A network may shift a flat area by a code; an opaque picture stays opaque all the same.
    assert (found[:, :62] == peak).all()
    assert (found[:, 66:] == 0).all()
    assert 0.3 * peak < found[:, 62:66].mean() < 0.7 * peak


@pytest.mark.parametrize("name", ["YUV420P8", "GRAY8", "YUV444PS"])
def test_transparency_of_other_clips_keeps_step_with_the_size(name: str) -> None:
    """Decoders attach it to YUV as well."""
    _, mask = transparent()
    clip = picture(name, _Range=0, _Matrix=1).std.ClipToProp(mask, prop="_Alpha")
    for up in (vsanime.waifu2x(clip, backend=F32), vsanime.artcnn(clip, "C4F16_VA", backend=F32)):
        found = alpha_plane(up)
        assert found.shape == (96, 128)
        assert (found[8:-8, 8:56] == 255).all()
        assert (found[8:-8, 72:120] == 0).all()


def test_a_frame_without_transparency_among_others_is_opaque() -> None:
    clip, _ = transparent()
    up = vsanime.waifu2x(clip + clip.std.RemoveFrameProps(["_Alpha"]), backend=F32)
    assert (alpha_plane(up, 1) == 255).all()
    later = vsanime.waifu2x(clip.std.RemoveFrameProps(["_Alpha"]) + clip, backend=F32)
    assert "_Alpha" not in props_of(later, 1)


@pytest.mark.parametrize("depth", [16, "single"])
def test_denoising_leaves_transparency_alone_but_for_its_depth(depth: int | str) -> None:
    clip, mask = transparent()
    assert np.array_equal(alpha_plane(vsanime.waifu2x(clip, 1, 1, backend=F32)), planes_of(mask)[0])
    found = alpha_plane(vsanime.waifu2x(clip, 1, 1, depth=depth, backend=F32))
    assert found.dtype == (np.uint16 if depth == 16 else np.float32)
    assert np.array_equal(found > 0, planes_of(mask)[0] > 0)
    assert found.max() == (65535 if depth == 16 else 1)


def test_transparency_that_cannot_be_used_is_told() -> None:
    clip, mask = transparent()
    small, colour = mask.std.Crop(0, 32), clip.std.RemoveFrameProps(["_Alpha"])
    cases = {
        "_Alpha is 32x48; the frame's own 64x48": clip.std.ClipToProp(small, prop="_Alpha"),
        "_Alpha is RGB24; a gray frame": clip.std.ClipToProp(colour, prop="_Alpha"),
        "_Alpha is int; a gray frame": colour.std.SetFrameProps(_Alpha=3),
    }
    for part, bad in cases.items():
        one_line(lambda bad=bad: vsanime.waifu2x(bad, backend=F32), "waifu2x: frame 0: ", part)
        up = vsanime.waifu2x(clip + bad, backend=F32)
        with pytest.raises(vs.Error) as caught:
            up.get_frame(1)
        last = str(caught.value).strip().splitlines()[-1]
        assert "waifu2x: frame 1: " in last
        assert part in last
    deep = clip.std.ClipToProp(mask.resize.Point(format=vs.GRAY16), prop="_Alpha")
    with pytest.raises(vs.Error, match=r"frame 1: _Alpha is Gray16 where the first frame's is Gray8"):
        vsanime.waifu2x(clip + deep, backend=F32).get_frame(1)


RGB = "upconv_7_art"
BAD = {
    "noise": ({"noise": 4}, ["noise=4", "-1", "3"]),
    "scale": ({"scale": 3}, ["scale=3", "1 or 2"]),
    "nothing to do": ({"scale": 1}, ["scale=1 with noise=-1", "noise=0"]),
    "tint": ({"tint": "fix"}, ["tint='fix'", "'correct'"]),
    "noise of a fraction": ({"noise": 1.5}, ["noise=1.5", "3"]),
    "noise of several": ({"noise": np.array([1, 2])}, ["noise=array([1, 2])", "3"]),
    "scale of a truth": ({"scale": True}, ["scale=True", "1 or 2"]),
    "denoiser without noise": ({"model": "vgg_7_art"}, ["vgg_7_art", "noise=0 to 3", "scale=1"]),
    "noise twice": ({"model": "upconv_7_art_noise1", "noise": 1}, ["noise=1", "names its noise level"]),
    "backend's class": ({"backend": Backend.OpenVINO}, ["backend=", "Backend.OpenVINO()"]),
    "denoiser at 2x": ({"model": "vgg_7_art", "noise": 1}, ["vgg_7_art", "does not scale", "scale=1"]),
    "restorer at 2x": ({"model": "R8F64_JPEG444"}, ["R8F64_JPEG444", "does not scale", "scale=1"]),
    "no name": ({"model": 7}, ["model=7", "ESPCN_7_SLIM_VA"]),
    "weights that are nowhere": ({"model": "espcn_7"}, ["espcn_7", "VSANIME_MODEL_PATH", "vsanime import"]),
    "luma network": ({"model": "C4F16_VA"}, ["C4F16_VA", "double_luma", "upconv_7_art"]),
    "unknown": ({"model": "upconv_7_arr"}, ["upconv_7_arr", "upconv_7_art"]),
    "depth": ({"depth": 7}, ["depth=7"]),
    "tiles": ({"tiles": 0}, ["tiles=0"]),
}


@pytest.mark.parametrize("case", BAD)
def test_bad_arguments(case: str) -> None:
    arguments, parts = BAD[case]
    one_line(lambda: vsanime.waifu2x(picture("YUV420P8"), **arguments), "waifu2x:", *parts)


@pytest.mark.parametrize("bits", [17, 24, 32])
@pytest.mark.parametrize("name", ["artcnn", "waifu2x"])
def test_integers_deeper_than_16_bits_are_refused(bits: int, name: str) -> None:
    deep = vs.core.std.BlankClip(None, 16, 16, vs.core.query_video_format(vs.GRAY, vs.INTEGER, bits).id, 1)
    one_line(lambda: getattr(vsanime, name)(deep), f"{name}:", f"{bits} bits", "8 to 16")


def test_numbers_of_numpy_are_numbers() -> None:
    clip = picture("YUV420P8", 16, 12, _Range=0, _Matrix=1)
    up = vsanime.waifu2x(clip, np.int64(1), np.int32(2), depth=np.int64(10), backend=F32)  # type: ignore[arg-type]
    assert (up.width, up.format.bits_per_sample) == (32, 10)


def test_bad_clips(tmp_path: Path) -> None:
    one_line(lambda: vsanime.waifu2x("clip"), "waifu2x:", "str")  # type: ignore[arg-type]
    one_line(lambda: vsanime.waifu2x(picture("YUV420P8", _FieldBased=1)), "waifu2x:", "SetFieldBased(0)")
    one_line(lambda: vsanime.waifu2x(picture("YUV444P8", _Matrix=0)), "waifu2x:", "_Matrix=0", "BT.709")
    luma, rgb = str(tmp_path / "luma.onnx"), str(tmp_path / "rgb.onnx")
    onnx.save(artcnn_like(), luma)
    onnx.save(vgg(small_layers([3, 4, 4, 4, 4, 4, 4, 3])), rgb)
    one_line(lambda: vsanime.waifu2x(picture("YUV420P8"), model=luma), "waifu2x:", "takes 1", "3 and 3")
    one_line(lambda: vsanime.waifu2x(picture("YUV420P8"), model=rgb), "waifu2x:", "does not scale", "scale=1")
    one_line(lambda: vsanime.waifu2x(picture("YUV420P8"), 1, model=rgb), "waifu2x:", "noise=1", "leave noise out")


def test_a_frame_that_means_something_else_is_named() -> None:
    clip = picture("YUV420P8", 16, 12, _Range=0, _Matrix=1)
    up = vsanime.waifu2x(clip + clip.std.SetFrameProps(_Matrix=9), backend=F32)
    up.get_frame(0).close()
    with pytest.raises(vs.Error, match=r"waifu2x: frame 1 has _Matrix=9"):
        up.get_frame(1)
