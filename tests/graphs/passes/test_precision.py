"""Half precision as it is written into a graph: what is lowered, what stays in f32, and what it costs per model."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest
from onnx import TensorProto, helper

from tests.support import halfprecision, tolerances
from tests.support.allcards import SEVERAL_PICTURES
from tests.support.networks import artcnn_like, layers
from tests.support.pictures import drawn_and_photographed, painted_drawn_rendered
from tests.support.planesgraphs import feed_for, noise_for, planes_graph
from tests.support.reference import psnr
from tests.support.weightfiles import bundled
from vsanime.errors import VsanimeError
from vsanime.graphs.passes.precision import bfloat16_bits, lower_precision
from vsanime.models.cards import find
from vsanime.models.store import load
from vsanime.spec import GraphTraits, PlanesGraph

# Our own networks that take one picture, and those of others that have a bound: they are installed with the tests.
ONE_PICTURE = dict.fromkeys(
    [
        *(name for name in bundled() if find(name).task not in SEVERAL_PICTURES),
        *(name for name, _ in tolerances.HALF_PSNR_DRAWN),
    ]
)
LOW = {"float16": TensorProto.FLOAT16, "bfloat16": TensorProto.BFLOAT16}
F32 = GraphTraits()


def types_of(model: onnx.ModelProto) -> dict[str, int]:
    graph = onnx.shape_inference.infer_shapes(model).graph
    found = {v.name: v.type.tensor_type.elem_type for v in (*graph.value_info, *graph.input, *graph.output)}
    return found | {i.name: i.data_type for i in graph.initializer}


@pytest.mark.parametrize("bits", [8, 16, "half", "single"])
def test_inner_layers_are_half_and_plane_arithmetic_is_f32(bits: int | str) -> None:
    net = artcnn_like(seed=1)
    graph = planes_graph(net, bits, (24, 16), GraphTraits(exact_linear=True, body="float16"))
    model = onnx.load_from_string(graph.onnx)
    types = types_of(model)
    inner = [n for n in model.graph.node if n.op_type in ("Conv", "Relu") and not n.name.startswith("exact/")]
    exact = [n for n in model.graph.node if n.name.startswith("exact/") and n.op_type in ("Conv", "Mul", "Add", "Clip")]
    assert len([n for n in inner if n.op_type == "Conv"]) == sum(n.op_type == "Conv" for n in net.graph.node)
    assert len(exact) > 4
    assert {types[name] for n in inner for name in (*n.input, *n.output)} == {TensorProto.FLOAT16}
    assert {types[name] for n in exact for name in (*n.input, *n.output)} == {TensorProto.FLOAT}


@pytest.mark.parametrize("body", LOW)
def test_inputs_and_outputs_keep_their_types(body: str) -> None:
    low = onnx.load_from_string(planes_graph(artcnn_like(), 10, (24, 16), GraphTraits(body=body)).onnx).graph
    plain = onnx.load_from_string(planes_graph(artcnn_like(), 10, (24, 16), F32).onnx).graph
    assert list(low.input) == list(plain.input)
    assert list(low.output) == list(plain.output)


@pytest.mark.parametrize(
    "op", ["ReduceMean", "Softmax", "InstanceNormalization", "Pow", "Sqrt", "Div", "GlobalAveragePool"]
)
def test_means_and_norms_stay_in_f32(op: str) -> None:
    inputs = {"Pow": ["c", "two"], "Div": ["c", "two"], "InstanceNormalization": ["c", "one", "zero"]}.get(op, ["c"])
    extra = {"ReduceMean": {"axes": [2, 3], "keepdims": 1}, "Softmax": {"axis": 3}}.get(op, {})
    net = layers(
        helper.make_node("Conv", ["input", "w"], ["c"], kernel_shape=[1, 1]),
        helper.make_node(op, inputs, ["n"], **extra),
        helper.make_node("Add", ["c", "n"], ["output"]),
        channels=(1, 1),
        w=np.ones((1, 1, 1, 1), np.float32),
        two=np.float32(2),
        one=np.ones(1, np.float32),
        zero=np.zeros(1, np.float32),
    )
    model = onnx.load_from_string(planes_graph(net, 8, (16, 16), GraphTraits(body="float16")).onnx)
    types = types_of(model)
    (node,) = (n for n in model.graph.node if n.op_type == op and not n.name.startswith("exact/"))
    assert {types[name] for name in (*node.input, *node.output) if name in types} == {TensorProto.FLOAT}
    (joint,) = (n for n in model.graph.node if n.op_type == "Add" and not n.name.startswith("exact/"))
    assert {types[name] for name in joint.input} == {TensorProto.FLOAT16}


def test_scales_of_a_resize_stay_in_f32() -> None:
    net = layers(
        helper.make_node("Resize", ["input", "", "scales"], ["r"], mode="nearest"),
        helper.make_node("Conv", ["r", "w"], ["output"], kernel_shape=[1, 1]),
        channels=(1, 1),
        scales=np.array([1, 1, 2, 2], np.float32),
        w=np.ones((1, 1, 1, 1), np.float32),
    )
    resize, conv = (n for n in lower_precision(net, "float16").graph.node if n.op_type in ("Resize", "Conv"))
    assert list(resize.input) == ["input/float16", "", "scales"]
    assert list(conv.input) == ["r", "w/float16"]


def test_a_weight_beyond_fp16_is_refused_and_bf16_takes_it() -> None:
    net = layers(
        helper.make_node("Conv", ["input", "big"], ["output"], kernel_shape=[1, 1]),
        channels=(1, 1),
        big=np.full((1, 1, 1, 1), 1e5, np.float32),
    )
    with pytest.raises(VsanimeError, match=r"a weight of 1e\+05, more than fp16 can hold; use `precision='bf16'`"):
        planes_graph(net, 8, (16, 16), GraphTraits(body="float16"))
    assert planes_graph(net, 8, (16, 16), GraphTraits(body="bfloat16")).onnx


def test_bf16_weights_are_rounded_as_onnx_runtime_rounds() -> None:
    values = np.random.default_rng(0).standard_normal(4096).astype(np.float32) * np.float32(2) ** np.arange(
        -20, 12, 1 / 128
    )
    values = values.astype(np.float32)
    nodes = [
        helper.make_node("Cast", ["x"], ["low"], to=TensorProto.BFLOAT16),
        helper.make_node("Cast", ["low"], ["y"], to=TensorProto.FLOAT),
    ]
    ends = [helper.make_tensor_value_info(n, TensorProto.FLOAT, [4096]) for n in "xy"]
    model = helper.make_model(
        helper.make_graph(nodes, "cast", ends[:1], ends[1:]), opset_imports=[helper.make_opsetid("", 17)], ir_version=8
    )
    session = onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    expected = session.run(None, {"x": values})[0]
    assert np.array_equal((bfloat16_bits(values).astype(np.uint32) << 16).view(np.float32), expected)


@pytest.mark.parametrize("body", LOW)
def test_the_emulation_rounds_every_layer(body: str) -> None:
    """The reference is worth something only if its layers hold nothing that half precision cannot."""
    graph = planes_graph(artcnn_like(seed=1), "single", (24, 16), GraphTraits(body=body))
    relu = next(n for n in onnx.load_from_string(graph.onnx).graph.node if n.op_type == "Relu")
    *_, layer = halfprecision.run(graph.onnx, feed_for(graph, noise_for(graph, "single")), watch=relu.output[0])
    # Digits below the half's last one are zero: 13 of f32's 23 for fp16 (in its normal range), 16 for bf16.
    bits = layer[np.abs(layer) > 1e-3].view(np.uint32)
    assert bits.size > 100
    assert not np.any(bits & ((1 << (13 if body == "float16" else 16)) - 1))


def planes_for(graph: PlanesGraph, picture: np.ndarray) -> list[np.ndarray]:
    """Y, Cb and Cr of a picture as single floats; chroma halved where the graph takes it so."""
    values = picture.astype(np.float32) / 255
    planes = list(np.moveaxis(values, 2, 0) - np.float32([0, 0.5, 0.5])[:, None, None])
    found = []
    for spec, plane in zip(graph.inputs, planes, strict=False):
        step = plane.shape[0] // spec.shape[2]
        mean = plane.reshape(spec.shape[2], step, spec.shape[3], step).mean((1, 3))
        found.append(np.ascontiguousarray(mean.reshape(spec.shape), np.float32))
    return found


def compared(
    picture: np.ndarray, name: str, body: str, *, split: bool = True
) -> tuple[list[np.ndarray], list[np.ndarray]]:
    """Results of half precision and of f32 on a picture, float output."""
    tint = name.startswith("upconv")
    proto = load(name).proto
    size = (picture.shape[1], picture.shape[0])
    low = planes_graph(proto, "single", size, GraphTraits(exact_linear=split, body=body), tint=tint)
    high = planes_graph(proto, "single", size, F32, tint=tint)
    feed = feed_for(low, planes_for(low, picture))
    return halfprecision.run(low.onnx, feed), halfprecision.run(high.onnx, feed)


def assert_within(least: float, picture: np.ndarray, name: str, body: str) -> None:
    low, high = compared(picture, name, body)
    bias = max(abs(float(np.mean(a.astype(np.float64) - b))) for a, b in zip(low, high, strict=True))
    worst = min(psnr(a, b) for a, b in zip(low, high, strict=True))
    assert least <= worst < 100, "too good to be half precision, or worse than measured"
    allowed = tolerances.HALF_BIAS_ESPCN if find(name).arch == "espcn_7" else tolerances.HALF_BIAS
    assert bias <= allowed[body]


def find_bound(name: str, body: str) -> float:
    """Return the bound that was measured of a card, or the lowest of all for one that was not measured yet."""
    lowest = min(bound for (_, other), bound in tolerances.HALF_PSNR_DRAWN.items() if other == body)
    return tolerances.HALF_PSNR_DRAWN.get((name, body), lowest)


@pytest.mark.parametrize("body", LOW)
@pytest.mark.parametrize("name", ONE_PICTURE)
def test_half_precision_stays_within_its_bounds(name: str, body: str) -> None:
    assert_within(find_bound(name, body), drawn_and_photographed((96, 96), "YCbCr"), name, body)


@pytest.mark.weights
@pytest.mark.media
@pytest.mark.parametrize(("name", "body"), tolerances.HALF_PSNR)
def test_half_precision_stays_within_its_bounds_on_real_pictures(media: Path, name: str, body: str) -> None:
    assert_within(tolerances.HALF_PSNR[name, body], painted_drawn_rendered(media, (176, 176), "YCbCr"), name, body)


def test_the_split_is_what_keeps_fp16_close() -> None:
    """Measured: 5.5 dB, and a bias of 0.00004 that is 0.000006."""
    picture = drawn_and_photographed((96, 96), "YCbCr")
    split, exact = compared(picture, "C4F32_DS_VA", "float16")
    plain, _ = compared(picture, "C4F32_DS_VA", "float16", split=False)
    assert psnr(split[0], exact[0]) > psnr(plain[0], exact[0]) + 4
