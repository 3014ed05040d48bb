"""Planes as bytes at the graph's ends give the very codes that plain integers give."""

from __future__ import annotations

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper

from tests.support.networks import artcnn_like, layers
from tests.support.planesgraphs import noise_for, planes_graph, run
from vsanime.spec import GraphTraits

SIZE = (24, 16)
LUMA = artcnn_like(seed=1)
CHROMA = artcnn_like(channels=3, planes=2, scale=1, seed=2)
WEIGHT = np.random.default_rng(3).standard_normal((3, 3, 3, 3)).astype(np.float32) / 9
RGB = layers(
    helper.make_node("Conv", ["input", "w"], ["output"], kernel_shape=[3, 3], pads=[1] * 4), channels=(3, 3), w=WEIGHT
)


@pytest.mark.parametrize("bits", [8, 9, 10, 12, 16, "half", "single"])
@pytest.mark.parametrize("net", [LUMA, CHROMA, RGB], ids=["luma", "chroma", "rgb"])
@pytest.mark.parametrize("body", ["float32", "float16"])
def test_bytewise_planes_hold_the_same_codes(net: onnx.ModelProto, bits: int | str, body: str) -> None:
    plain = planes_graph(net, bits, SIZE, GraphTraits(body=body))
    bytewise = planes_graph(net, bits, SIZE, GraphTraits(body=body, bytewise=True))
    planes = noise_for(plain, bits)
    for found, expected in zip(run(bytewise, planes), run(plain, planes), strict=True):
        assert found.dtype == expected.dtype
        assert np.array_equal(found, expected)


@pytest.mark.parametrize("bits", [10, 16])
def test_every_code_survives_the_way_through_bytes(bits: int) -> None:
    identity = layers(helper.make_node("Identity", ["input"], ["output"]), channels=(1, 1))
    codes = np.arange(1 << bits, dtype=np.uint16).reshape(1, 1, 32, -1)
    graph = planes_graph(identity, bits, codes.shape[:1:-1], GraphTraits(bytewise=True))
    assert np.array_equal(run(graph, [codes])[0], codes)


@pytest.mark.parametrize("bits", [8, 10])
@pytest.mark.parametrize("net", [LUMA, CHROMA, RGB], ids=["luma", "chroma", "rgb"])
def test_integers_are_bytes_between_a_cast_and_the_end(net: onnx.ModelProto, bits: int) -> None:
    """What TensorRT asks for: uint8 goes into a cast first, comes out of one last, and is nowhere else."""
    model = onnx.load_from_string(planes_graph(net, bits, SIZE, GraphTraits(bytewise=True)).onnx)
    inferred = onnx.shape_inference.infer_shapes(model, strict_mode=True).graph
    ends = {v.name: v.type.tensor_type.elem_type for v in (*inferred.input, *inferred.output)}
    assert set(ends.values()) == {TensorProto.UINT8}
    inner = {v.type.tensor_type.elem_type for v in inferred.value_info}
    assert not inner & {TensorProto.UINT8, TensorProto.UINT16}
    readers = [n.op_type for n in model.graph.node if set(n.input) & {i.name for i in model.graph.input}]
    makers = [n.op_type for n in model.graph.node if set(n.output) & {o.name for o in model.graph.output}]
    assert readers == ["Cast"] * len(model.graph.input)
    assert makers == ["Cast"] * len(model.graph.output)
