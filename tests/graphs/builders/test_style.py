"""The graph round a network that sees the whole picture: reflection, work size, blending, and what stays in f32."""

from __future__ import annotations

import numpy as np
import onnx
import pytest
import vapoursynth as vs
from onnx import TensorProto, helper

from tests.pipeline.test_frames import bf16_is_native
from tests.support import halfprecision
from tests.support.clips import clip_of, planes_of
from tests.support.generators import random_generator
from tests.support.networks import layers
from tests.support.planesgraphs import feed_for, noise_for, run, yuv
from tests.support.reference import psnr, run_plain
from vsanime import Backend
from vsanime.errors import VsanimeError
from vsanime.graphs.builders.style import Look, check_size, style_graph
from vsanime.graphs.resample import resize_matrix
from vsanime.spec import ChromaLocation, Family, FrameSpec, GraphTraits, PlaneFormat, PlanesGraph, Range, SampleType

RGB32 = PlaneFormat(Family.RGB, SampleType.FLOAT, 32)
F32 = GraphTraits()

# The same f32 sums in other orders, through 24 norms.
SAME_SUMS = 2e-5

# Random weights, which let errors grow more than trained ones; 74.2 and 55.3 dB were measured, less 2.
HALF_PSNR = {"float16": 72.2, "bfloat16": 53.3}


def rgb_graph(
    size: tuple[int, int], look: Look, traits: GraphTraits = F32, net: onnx.ModelProto | None = None
) -> PlanesGraph:
    spec = FrameSpec(RGB32, *size, Range.FULL, None, None)
    return style_graph(net or random_generator(), spec, RGB32, size, traits, look)


def yuv_graph(bits: int | str, target: int | str, look: Look, size: tuple[int, int] = (44, 36)) -> PlanesGraph:
    spec = FrameSpec(yuv(bits), *size, Range.LIMITED, 1, ChromaLocation.LEFT)
    return style_graph(random_generator(), spec, yuv(target), size, F32, look)


def identity() -> onnx.ModelProto:
    """A network that changes nothing."""
    ends = [helper.make_tensor_value_info(n, TensorProto.FLOAT, [1, 3, "h", "w"]) for n in ("input", "output")]
    node = helper.make_node("Identity", ["input"], ["output"])
    graph = helper.make_graph([node], "identity", ends[:1], ends[1:])
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)


def picture(size: tuple[int, int], seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).random((1, 3, size[1], size[0]), np.float32)


def computed(graph: PlanesGraph, rgb: np.ndarray) -> np.ndarray:
    return np.concatenate(run(graph, [rgb[:, i : i + 1] for i in range(3)]), axis=1)


@pytest.mark.parametrize("size", [(44, 36), (41, 36), (44, 38), (43, 39), (5, 9), (6, 7)])
def test_a_picture_is_reflected_and_cropped(size: tuple[int, int]) -> None:
    rgb = picture(size)
    more = [(0, -side % 4) for side in (size[1], size[0])]
    reflected = np.pad(rgb, ((0, 0), (0, 0), *more), mode="reflect")
    expected = run_plain(random_generator().SerializeToString(), reflected)[..., : size[1], : size[0]]
    np.testing.assert_allclose(computed(rgb_graph(size, Look()), rgb), expected, atol=SAME_SUMS)


@pytest.mark.parametrize("size", [(44, 36), (45, 37)])
@pytest.mark.parametrize("work", [(20, 12), (23, 17), (44, 36)])
def test_detail_comes_back_whatever_the_work_size(size: tuple[int, int], work: tuple[int, int]) -> None:
    """A network that changes nothing changes nothing, with all detail; without any the picture is only softer."""
    # No further from gray than that resampling does not leave [0, 1].
    rgb = (0.3 + 0.4 * picture(size)).astype(np.float32)
    whole = computed(rgb_graph(size, Look(1, work_size=work), net=identity()), rgb)
    np.testing.assert_allclose(whole, rgb, atol=2e-6)
    soft = computed(rgb_graph(size, Look(1, work_size=work, detail=0), net=identity()), rgb)
    if work != size:
        assert soft.std() < 0.8 * rgb.std()
        half = computed(rgb_graph(size, Look(1, work_size=work, detail=0.5), net=identity()), rgb)
        np.testing.assert_allclose(half, (soft + rgb) / 2, atol=2e-6)


def test_the_network_sees_the_smaller_picture() -> None:
    size, work = (60, 44), (29, 22)
    rgb = (0.2 + 0.6 * picture(size)).astype(np.float32)
    down = [resize_matrix(n, m) for n, m in zip(size, work, strict=True)]
    up = [resize_matrix(m, n) for n, m in zip(size, work, strict=True)]
    small = np.clip(down[1] @ rgb @ down[0].T, 0, 1)
    reflected = np.pad(small, ((0, 0), (0, 0), (0, 2), (0, 3)), mode="reflect").astype(np.float32)
    made = run_plain(random_generator().SerializeToString(), reflected)[..., :22, :29]
    expected = up[1] @ made @ up[0].T + 0.25 * (rgb - up[1] @ small @ up[0].T)
    found = computed(rgb_graph(size, Look(work_size=work, detail=0.25)), rgb)
    np.testing.assert_allclose(found, np.clip(expected, 0, 1), atol=SAME_SUMS)


@pytest.mark.parametrize(("length", "wanted"), [(40, 20), (40, 27), (27, 40), (33, 33), (7, 64)])
def test_resizing_is_zimgs(length: int, wanted: int) -> None:
    line = np.random.default_rng(1).random(length).astype(np.float32)
    clip = clip_of([[np.repeat(line[None], 16, axis=0)]], vs.core.get_video_format(vs.GRAYS))
    expected = planes_of(clip.resize.Bicubic(width=wanted, filter_param_a=0, filter_param_b=0.5))[0][0]
    np.testing.assert_allclose(resize_matrix(length, wanted) @ line, expected, atol=1e-5)


@pytest.mark.parametrize(("bits", "target"), [(8, 8), (10, 10), (16, 16), ("half", "half"), ("single", "single")])
def test_strength_0_is_the_input(bits: int | str, target: int | str) -> None:
    graph = yuv_graph(bits, target, Look(strength=0))
    planes = noise_for(graph, bits)
    for found, given in zip(run(graph, planes), planes, strict=True):
        np.testing.assert_array_equal(found, given)
    assert "LeakyRelu" not in {node.op_type for node in onnx.load_from_string(graph.onnx).graph.node}


@pytest.mark.parametrize(("bits", "target"), [(8, 16), (8, "single"), (10, 8), ("single", 16), (8, 8)])
def test_strength_blends_input_and_result(bits: int | str, target: int | str) -> None:
    nothing, half, all_of_it = (yuv_graph(bits, target, Look(strength=s)) for s in (0.0, 0.5, 1.0))
    planes = noise_for(nothing, bits)
    if bits == "single":
        planes[1:] = [plane * np.float32(0.5) for plane in planes[1:]]  # within what codes hold
    ends = zip(run(nothing, planes), run(half, planes), run(all_of_it, planes), strict=True)
    for first, middle, last in ends:
        mean = (first.astype(np.float64) + last) / 2
        # Both ends are rounded, and the middle of their unrounded values.
        np.testing.assert_allclose(middle, mean, atol=1.01 if middle.dtype.kind == "u" else 1e-5)


def test_arithmetic_between_convolutions_stays_in_f32() -> None:
    graph = rgb_graph((44, 36), Look(), GraphTraits(body="float16"))
    model = onnx.load_from_string(graph.onnx)
    inferred = onnx.shape_inference.infer_shapes(model).graph
    types = {v.name: v.type.tensor_type.elem_type for v in (*inferred.value_info, *inferred.output)}
    low = {node.op_type for node in model.graph.node if types[node.output[0]] == TensorProto.FLOAT16}
    assert low == {"Cast", "Conv", "LeakyRelu", "Pad", "Resize"}
    # Those of the colours apart, every convolution is low.
    inner = [n for n in model.graph.node if n.op_type == "Conv" and not n.name.startswith("exact/")]
    assert len(inner) == 25
    assert {types[node.output[0]] for node in inner} == {TensorProto.FLOAT16}


@pytest.mark.parametrize("body", HALF_PSNR)
def test_what_half_precision_costs(body: str) -> None:
    size = (96, 72)
    rgb = picture(size)
    rgb = np.cumsum(rgb - 0.5, axis=3)
    rgb = ((rgb - rgb.min()) / np.ptp(rgb)).astype(np.float32)
    planes = [rgb[:, i : i + 1] for i in range(3)]
    exact = np.concatenate(run(rgb_graph(size, Look()), planes), axis=1)
    graph = rgb_graph(size, Look(), GraphTraits(body=body))
    low = np.concatenate(halfprecision.run(graph.onnx, feed_for(graph, planes)), axis=1)
    assert psnr(low, exact) >= HALF_PSNR[body]


def test_openvino_computes_every_mean_in_f32() -> None:
    """It replaces some nodes by its own, which lose the mark: what was compiled is looked at."""
    if not bf16_is_native():
        pytest.skip("this CPU has no bf16 arithmetic")
    backend = Backend.OpenVINO(precision="bf16")
    graph = rgb_graph((48, 36), Look(), backend.traits("bf16"))
    found: dict[str, set[str]] = {}
    for node in backend.compile(graph, "bf16", 1, 1).model.get_runtime_model().get_ordered_ops():
        info = {key: node.get_rt_info()[key].astype(str) for key in ("layerType", "outputPrecisions")}
        found.setdefault(info["layerType"], set()).add(info["outputPrecisions"])
    assert found["Convolution"] == {"bf16", "f32"}  # f32: those of the colours
    assert found["Reduce"] == {"f32"}
    assert found.get("Subgraph", {"f32"}) == {"f32"}
    assert not {"Eltwise", "Math"} & {kind for kind, types in found.items() if "bf16" in types}


def test_pictures_too_small_to_be_reflected() -> None:
    check_size((5, 5), 4)
    with pytest.raises(VsanimeError, match="4x9 is too small for the network; 5x5 or more"):
        check_size((4, 9), 4)


def test_open_sizes_are_refused() -> None:
    with pytest.raises(VsanimeError, match=r"sizes: .* leave it out"):
        rgb_graph((44, 36), Look(), GraphTraits(any_size=True))


def test_other_whole_frame_networks_run_as_well() -> None:
    """Nothing here knows AnimeGANv2 by name."""
    mean = helper.make_node("ReduceMean", ["input"], ["mean"], axes=[2, 3])
    net = layers(mean, helper.make_node("Sub", ["input", "mean"], ["output"]), channels=(3, 3))
    rgb = picture((9, 7))
    expected = np.clip(rgb - rgb.mean((2, 3), keepdims=True), 0, 1)
    np.testing.assert_allclose(computed(rgb_graph((9, 7), Look(1), net=net), rgb), expected, atol=1e-6)
