"""Every model card builds in TensorRT-RTX, and what was built is what was meant.

A build proves that TensorRT takes the graph, not that it computes the right thing: no card is needed for it. So each
network is inspected as TensorRT parsed it, and the very bytes that it parsed are run by ONNX Runtime, against plain
networks with conversions by NumPy and zimg.
"""

from __future__ import annotations

from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
import vapoursynth as vs

from tests.support import halfprecision, tolerances
from tests.support.allcards import SEVERAL_PICTURES, network, networks
from tests.support.clips import clip_of, format_of, planes_of
from tests.support.pictures import drawn_and_photographed, painted_drawn_rendered
from tests.support.planesgraphs import feed_for, from_bytes, planes_graph, run
from tests.support.reference import assert_codes_match, decode, encode, run_plain
from tests.support.rtx import CAPABILITY, rtx
from vsanime.architectures import color_kinds
from vsanime.backends.tensorrt import TensorRT
from vsanime.backends.tensorrt.building import Build, BuildSettings
from vsanime.backends.tensorrt.sizes import profile, resolve_shape
from vsanime.graphs.builders.colorize import cut_of, frame_graph, key_graph
from vsanime.graphs.builders.rgb import rgb_graph
from vsanime.graphs.inspect import inspect
from vsanime.graphs.passes.transposed import rewrite_transposed
from vsanime.models.cards import variants
from vsanime.models.store import available
from vsanime.spec import Family, FrameSpec, PlaneFormat, PlanesGraph, Range, SampleType

type Array = np.ndarray[Any, Any]

NETWORKS = networks()
FULL_HD = (1920, 1080)
# Three pictures side by side; more than the small networks see, less than the large ones do.
SMALL = (96, 24)

KINDS = rtx().module.LayerType
CONVOLUTIONS = (KINDS.CONVOLUTION, KINDS.DECONVOLUTION)
CASTS = (KINDS.CAST, KINDS.IDENTITY)

PRECISIONS = ("fp16", "f32")
BITS = (8, 10, 16)
BODY = {"fp16": "HALF", "bf16": "BF16", "f32": "FLOAT"}

# Cards whose networks stand for all in what is not tried with every one: luma, chroma, RGB.
FEW = ("C4F16_VA", "C16F64_Chroma", "vgg_7_art_noise0")

# fp16 on a picture this small, which is edges to a larger part than those of tolerances.HALF_PSNR: up to 3.8 dB less.
SMALL_LOSS = 5.0
# Networks of random weights amplify errors more than trained ones: 65 dB were measured at worst, less 2 dB.
RANDOM_PSNR = 63.0


def graph_of(name: str, bits: int, size: tuple[int, int], precision: str, subsampling: tuple[int, int] = (1, 1),
             *, open_sizes: bool = False) -> PlanesGraph:  # fmt: skip
    """The planes graph that a filter gives to TensorRT for a YUV clip."""
    sizes = (size, size, size) if open_sizes else None
    traits = TensorRT(precision=precision, sizes=sizes).traits(precision)
    return planes_graph(network(name), bits, size, traits, subsampling=subsampling)


def inspected(graph: PlanesGraph, precision: str, settings: BuildSettings | None = None) -> Build:
    """A network as TensorRT parsed it; tensors, types, shapes and flags are what they have to be."""
    build = Build(rtx(), graph, settings or BuildSettings(capability=CAPABILITY))
    trt, found = rtx().module, build.network
    inputs = [found.get_input(i) for i in range(found.num_inputs)]
    outputs = [found.get_output(i) for i in range(found.num_outputs)]
    for tensors, specs in ((inputs, graph.inputs), (outputs, graph.outputs)):
        assert [tensor.name for tensor in tensors] == [spec.name for spec in specs]
        for tensor, spec in zip(tensors, specs, strict=True):
            kind = {"uint8": "UINT8", "uint16": "UINT8", "float16": "HALF", "float32": "FLOAT"}[spec.dtype]
            pairs = (2,) if spec.dtype == "uint16" else ()
            sides = (-1, -1) if graph.any_size else spec.shape[2:]
            assert tensor.dtype == getattr(trt.DataType, kind)
            assert tuple(tensor.shape) == (*spec.shape[:2], *sides, *pairs)
    assert_types(build, precision)
    assert found.get_flag(trt.NetworkDefinitionCreationFlag.STRONGLY_TYPED)
    assert not build.config.get_flag(trt.BuilderFlag.TF32)
    assert build.config.get_flag(trt.BuilderFlag.REQUIRE_USER_ALLOCATION)
    assert build.config.num_compute_capabilities == 1
    assert build.config.get_compute_capability(0) == rtx().member(CAPABILITY)
    return build


def assert_types(build: Build, precision: str) -> None:
    """Convolutions of the network itself are in the precision asked for, and those named `exact/` in f32."""
    trt = rtx().module
    body = getattr(rtx().module.DataType, BODY[precision])
    layers = [build.network.get_layer(i) for i in range(build.network.num_layers)]
    convolutions = [layer for layer in layers if layer.type in CONVOLUTIONS]
    exact = [layer for layer in convolutions if layer.name.startswith("exact/")]
    inner = [layer for layer in convolutions if layer not in exact]
    assert len(inner) >= 4
    for those, kind in ((exact, trt.DataType.FLOAT), (inner, body)):
        assert {layer.get_input(0).dtype for layer in those} <= {kind}
        assert {layer.get_output(0).dtype for layer in those} <= {kind}
    # Plane arithmetic is never half precision: casts alone lead to it and back.
    arithmetic = [one for one in layers if one.name.startswith("exact/") and one.type not in CASTS]
    assert not {one.get_output(0).dtype for one in arithmetic} & {trt.DataType.HALF, trt.DataType.BF16}


@pytest.mark.parametrize(("bits", "precision"), [*product(BITS, PRECISIONS), (10, "bf16")])
@pytest.mark.parametrize("name", NETWORKS)
def test_every_card_builds_at_full_hd(name: str, bits: int, precision: str) -> None:
    build = inspected(graph_of(name, bits, FULL_HD, precision), precision)
    engine, timing = build.serialized()
    assert len(engine) > 50_000
    assert timing is None


def test_every_card_has_a_network_and_it_is_the_cards() -> None:
    one = [name for name, variant in variants().items() if variant.task not in SEVERAL_PICTURES]
    assert sorted(name for names in NETWORKS.values() for name in names) == sorted(one)
    for first, names in NETWORKS.items():
        facts = inspect(network(first))
        for variant in map(variants().__getitem__, names):
            assert facts.scale == variant.scale
            assert (facts.in_channels, facts.out_channels) == {
                "double_luma": (1, 1), "chroma": (3, 2), "rgb": (3, 3), "style": (3, 3)
            }[variant.task]  # fmt: skip
            if variant.family in ("waifu2x", "animegan"):
                assert f"{facts.parameters:,} weights" in variant.description


@pytest.mark.parametrize("half", [key_graph, frame_graph])
@pytest.mark.parametrize("precision", ["fp16", "bf16", "f32"])
def test_both_halves_of_the_network_that_colours_build(half: Any, precision: str) -> None:
    proto = network("Line_VA")
    traits = TensorRT(precision=precision).traits(precision)
    graph = half(proto, cut_of(proto, color_kinds()), (512, 288), traits)
    build = Build(rtx(), graph, BuildSettings(capability=CAPABILITY))
    assert build.network.num_inputs == len(graph.inputs)
    assert build.network.num_outputs == len(graph.outputs)
    assert len(build.serialized()[0]) > 50_000


@pytest.mark.parametrize("name", FEW)
@pytest.mark.parametrize("subsampling", [(1, 0), (0, 0)], ids=["422", "444"])
@pytest.mark.parametrize("precision", ["bf16", "fp16"])
def test_other_subsamplings_build(name: str, subsampling: tuple[int, int], precision: str) -> None:
    assert inspected(graph_of(name, 10, FULL_HD, precision, subsampling), precision).serialized()[0]


@pytest.mark.parametrize("name", FEW)
@pytest.mark.parametrize("bits", ["half", "single"])
def test_float_planes_build(name: str, bits: Any) -> None:
    assert inspected(graph_of(name, bits, FULL_HD, "fp16"), "fp16").serialized()[0]


@pytest.mark.parametrize("bits", BITS)
def test_rgb_planes_build(bits: int) -> None:
    assert inspected(rgb_planes("vgg_7_art_noise0", bits, FULL_HD, "fp16"), "fp16").serialized()[0]


@pytest.mark.parametrize("name", FEW)
@pytest.mark.parametrize("bits", [8, 10])
def test_open_sizes_build_with_their_profile(name: str, bits: int) -> None:
    sizes = ((640, 360), (1280, 720), (1920, 1080))
    graph = graph_of(name, bits, sizes[1], "fp16", open_sizes=True)
    shapes = profile(graph, sizes)
    build = inspected(graph, "fp16", BuildSettings(capability=CAPABILITY, profile=shapes))
    assert build.config.num_optimization_profiles == 1
    for index, spec in enumerate(graph.inputs):
        steps = (2, 2) if index else (1, 1)
        pairs = (2,) if bits > 8 else ()
        wanted = [(1, 1, height // steps[1], width // steps[0], *pairs) for width, height in sizes]
        assert list(shapes[spec.name]) == wanted == [resolve_shape(graph, index, size) for size in sizes]
    assert build.serialized()[0]


def rgb_planes(name: str, bits: int, size: tuple[int, int], precision: str) -> PlanesGraph:
    form = PlaneFormat(Family.RGB, SampleType.INTEGER, bits)
    plain = rewrite_transposed(network(name))
    spec = FrameSpec(form, *size, Range.FULL, None, None)
    return rgb_graph(plain, inspect(plain), spec, form, *size, TensorRT().traits(precision))


# What the same bytes compute


def picture(form: vs.VideoFormat, media: Path | None = None) -> list[Array]:
    """Drawings, a photograph or real art as codes of a format: limited YUV, or RGB. Between 256 levels lie others."""
    mode = "RGB" if form.color_family == vs.RGB else "YCbCr"
    size = (SMALL[0] // 3, SMALL[1])
    values = (painted_drawn_rendered(media, size, mode) if media else drawn_and_photographed(size, mode)) / 255
    values = np.clip(values + np.random.default_rng(0).uniform(-0.5, 0.5, values.shape) / 255, 0, 1)
    planes = list(np.moveaxis(values, 2, 0))
    if form.color_family == vs.RGB:
        return [encode(plane, form, full=True) for plane in planes]
    step = 1 << form.subsampling_w
    halves = [plane.reshape(SMALL[1] // step, step, -1, step).mean((1, 3)) for plane in planes[1:]]
    return [encode(planes[0], form), *(encode(half - 0.5, form, chroma=True) for half in halves)]


def expected_planes(name: str, planes: list[Array], form: vs.VideoFormat) -> list[Array]:
    """What the plain network makes of them, [0, 1] or around 0: conversions by NumPy in doubles and zimg in floats."""
    task, plain = variants()[name].task, network(name).SerializeToString()
    if task == "double_luma":
        return [run_plain(plain, decode(planes[0], form)[None, None])[0, 0]]
    if form.color_family == vs.RGB:
        return list(run_plain(plain, np.stack([decode(p, form, full=True) for p in planes])[None])[0])
    single = vs.core.query_video_format(vs.YUV, vs.FLOAT, 32, form.subsampling_w, form.subsampling_h)
    floats = [decode(plane, form, chroma=i > 0).astype(np.float32) for i, plane in enumerate(planes)]
    clip = clip_of([floats], single, _Matrix=1, _ChromaLocation=0)
    if task == "chroma":
        y, cb, cr = planes_of(clip.resize.Bilinear(format=vs.YUV444PS))
        return list(run_plain(plain, np.stack([y, cb + 0.5, cr + 0.5])[None])[0] - 0.5)
    chroma = {"filter_param_a_uv": 0.0, "filter_param_b_uv": 0.5, "resample_filter_uv": "bicubic"}
    rgb = np.stack(planes_of(clip.resize.Bicubic(format=vs.RGBS, **chroma)))
    made = run_plain(plain, np.clip(rgb, 0, 1)[None])[0]
    back = clip_of([list(np.clip(made, 0, 1))], vs.core.get_video_format(vs.RGBS))
    return planes_of(back.resize.Bicubic(format=single.id, matrix=1, chromaloc=0, **chroma))


def as_codes(name: str, values: list[Array], form: vs.VideoFormat) -> list[Array]:
    """The same in codes."""
    full = form.color_family == vs.RGB
    first_chroma = {"double_luma": 1, "chroma": 0}.get(variants()[name].task, 3 if full else 1)
    return [encode(value, form, full, chroma=i >= first_chroma) for i, value in enumerate(values)]


def cropped(tensors: list[Array], like: list[Array]) -> list[Array]:
    """Planes out of the tensors that hold one or more of them, a block too large perhaps."""
    planes = [plane for tensor in tensors for plane in tensor[0]]
    return [plane[: one.shape[0], : one.shape[1]] for plane, one in zip(planes, like, strict=True)]


def computed(graph: PlanesGraph, planes: list[Array], precision: str) -> list[Array]:
    """What ONNX Runtime makes of the graph; half precision is rounded layer by layer."""
    arrays = [plane[None, None] for plane, _ in zip(planes, graph.inputs, strict=False)]
    if precision == "f32":
        return run(graph, arrays)
    found = halfprecision.run(graph.onnx, feed_for(graph, arrays))
    return [from_bytes(t, spec) if t.ndim == 5 else t for t, spec in zip(found, graph.outputs, strict=True)]


def assert_exact(name: str, found: list[Array], expected: list[Array], bits: int) -> None:
    """The codes of f32: conversions in zimg and around it sum in another order than one graph does."""
    # As tests/filters has them for chroma and for RGB; luma has no zimg in it.
    zimg = variants()[name].task != "double_luma"
    share = {8: 0.002, 10: 0.004, 16: 0.35} if zimg else {8: tolerances.F32_CODES_DIFFER,
                                                          10: tolerances.F32_CODES_DIFFER,
                                                          16: tolerances.F32_CODES16_DIFFER}  # fmt: skip
    largest = 6 if zimg else tolerances.F32_CODES16_MAX
    for one, other in zip(found, expected, strict=True):
        # A picture this small has few codes: two of them are no share. Of 9,216 of luma four were seen (C4F32_BOX_VA).
        few = (2 if zimg else 4) / other.size
        assert_codes_match(one, other, share[bits] + few, largest if bits == 16 else 1)


def half_psnr(name: str) -> float:
    """What fp16 has to keep to: the card's own bound, for trained networks without one the lowest of all."""
    if not available(name):
        return RANDOM_PSNR
    lowest = min(bound for (_, body), bound in tolerances.HALF_PSNR.items() if body == "float16")
    return tolerances.HALF_PSNR.get((name, "float16"), lowest) - SMALL_LOSS


def assert_close(name: str, found: list[Array], expected: list[Array], bits: int) -> None:
    """The codes of fp16: an error of s codes (root mean square) before rounding is at most s^2 + s in squares after.

    An error of e becomes a whole number of codes; on average over where codes fall, its square is at most e^2 + |e|.
    """
    spread = 10 ** (-half_psnr(name) / 20) * (1 << bits)
    for one, other in zip(found, expected, strict=True):
        error = float(np.mean((one.astype(np.float64) - other) ** 2))
        assert error <= spread**2 + spread


@pytest.mark.parametrize("precision", PRECISIONS)
@pytest.mark.parametrize("bits", BITS)
@pytest.mark.parametrize("name", NETWORKS)
def test_the_same_bytes_compute_what_the_card_says(name: str, bits: int, precision: str) -> None:
    assert_computes(name, picture(format_of(f"YUV420P{bits}")), bits, precision)


@pytest.mark.media
@pytest.mark.parametrize("precision", PRECISIONS)
@pytest.mark.parametrize("name", FEW)
def test_the_same_bytes_compute_what_the_card_says_of_real_art(media: Path, name: str, precision: str) -> None:
    assert_computes(name, picture(format_of("YUV420P10"), media), 10, precision)


def assert_computes(name: str, planes: list[Array], bits: int, precision: str) -> None:
    form = format_of(f"YUV420P{bits}")
    graph = graph_of(name, bits, SMALL, precision)
    inspected(graph, precision)
    expected = as_codes(name, expected_planes(name, planes, form), form)
    found = cropped(computed(graph, planes, precision), expected)
    check = assert_exact if precision == "f32" else assert_close
    check(name, found, expected, bits)


@pytest.mark.parametrize("precision", PRECISIONS)
@pytest.mark.parametrize("bits", BITS)
def test_rgb_planes_compute_what_the_card_says(bits: int, precision: str) -> None:
    name = "vgg_7_art_noise0"
    form = vs.core.query_video_format(vs.RGB, vs.INTEGER, bits)
    planes = picture(form)
    graph = rgb_planes(name, bits, SMALL, precision)
    inspected(graph, precision)
    expected = as_codes(name, expected_planes(name, planes, form), form)
    found = cropped(computed(graph, planes, precision), expected)
    check = assert_exact if precision == "f32" else assert_close
    check(name, found, expected, bits)


def test_a_graph_that_computes_something_else_is_found_out() -> None:
    """The comparison above is worth something only if it fails on another network's graph."""
    form = format_of("YUV420P8")
    planes = picture(form)
    expected = as_codes("C4F16_VA", expected_planes("C4F16_VA", planes, form), form)
    other = onnx.load_from_string(graph_of("C4F16_VA", 8, SMALL, "f32").onnx)
    bias = next(i for i in other.graph.initializer if len(i.dims) == 1 and i.dims[0] == 16)
    bias.CopyFrom(onnx.numpy_helper.from_array(onnx.numpy_helper.to_array(bias) + np.float32(0.05), bias.name))
    graph = graph_of("C4F16_VA", 8, SMALL, "f32")
    changed = PlanesGraph(other.SerializeToString(), graph.inputs, graph.outputs, linear_split=False)
    found = cropped(computed(changed, planes, "f32"), expected)
    with pytest.raises(AssertionError):
        assert_exact("C4F16_VA", found, expected, 8)
    with pytest.raises(AssertionError):
        assert_close("C4F16_VA", found, expected, 8)
