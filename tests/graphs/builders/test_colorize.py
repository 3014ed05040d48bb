"""A colouring network cut in two, and attention in chunks, against the whole plain network in ONNX Runtime."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import onnx
import onnxruntime
import pytest
from numpy.typing import NDArray
from onnx import helper, numpy_helper, parser

from tests.support.colornets import FEATURES, LEARNT, colour_network, document_network, temporal_network
from tests.support.networks import artcnn_like
from tests.support.tolerances import F32_REORDERED
from vsanime.architectures import color_kinds
from vsanime.architectures.color_transform import DOCUMENT
from vsanime.architectures.colornet import MIXING
from vsanime.errors import VsanimeError
from vsanime.graphs.builders.colorize import (
    Cut,
    check_temporal_network,
    cut_of,
    frame_graph,
    key_graph,
    temporal_graph,
)
from vsanime.graphs.passes.attention import chunk_attention
from vsanime.spec import GraphTraits, PlanesGraph

type Array = NDArray[Any]

CUT = Cut(MIXING, (FEATURES, 3 + LEARNT), (False, False))
OUTPUTS = MIXING.outputs
PLAIN = GraphTraits()
# Sums in another order, through a softmax whose logits are of the order of ten.
ATTENDED = 1e-5


@dataclass(frozen=True)
class Pictures:
    line: Array
    key_lines: Array
    key_colours: Array
    warped: Array
    errors: Array
    prior: Array


def pictures(width: int, height: int, seed: int = 0) -> Pictures:
    rng = np.random.default_rng(seed)

    def codes(*shape: int) -> Array:
        return rng.integers(0, 256, (*shape, height, width), dtype=np.uint8)

    prior = rng.random((1, 1, height, width)).astype(np.float32)
    errors = rng.random((2, 1, height, width)).astype(np.float32)
    return Pictures(codes(1, 1), codes(2, 1), codes(2, 3), codes(2, 3), errors, np.concatenate([prior, 1 - prior]))


def run(model: onnx.ModelProto | bytes, **inputs: Array) -> dict[str, Array]:
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    data = model if isinstance(model, bytes) else model.SerializeToString()
    session = onnxruntime.InferenceSession(data, options, providers=["CPUExecutionProvider"])
    return dict(zip([o.name for o in session.get_outputs()], session.run(None, inputs), strict=True))


def plain(proto: onnx.ModelProto, given: Pictures, keys: tuple[int, ...] = (0, 1)) -> dict[str, Array]:
    chosen = list(keys)
    return run(
        proto,
        line=given.line / np.float32(255),
        key_lines=given.key_lines[chosen] / np.float32(255),
        key_colours=given.key_colours[chosen] / np.float32(255),
        warped=given.warped / np.float32(255),
        errors=given.errors,
        prior=given.prior,
    )


def cut(
    proto: onnx.ModelProto, given: Pictures, keys: tuple[int, int] = (0, 1), traits: GraphTraits = PLAIN
) -> dict[str, Array]:
    """By the two graphs, each key by itself."""
    size = (given.line.shape[3], given.line.shape[2])
    first = key_graph(proto, CUT, size, traits)
    worth = [
        run(first.onnx, key_lines=given.key_lines[k : k + 1], key_colours=given.key_colours[k : k + 1]) for k in keys
    ]
    second = frame_graph(proto, CUT, size, traits)
    inner = {name: np.concatenate([w[name] for w in worth]) for name in worth[0]}
    return run(second.onnx, line=given.line, warped=given.warped, errors=given.errors, prior=given.prior, **inner)


@pytest.mark.parametrize("size", [(16, 16), (64, 48), (32, 80)])
def test_the_two_halves_equal_the_whole(size: tuple[int, int]) -> None:
    given = pictures(*size)
    whole, halves = plain(colour_network(), given), cut(colour_network(), given)
    assert set(halves) == set(OUTPUTS)
    for name in OUTPUTS:
        np.testing.assert_allclose(halves[name], whole[name], atol=F32_REORDERED, err_msg=name)


def test_a_single_key_equals_itself_twice() -> None:
    given = pictures(64, 48)
    single, doubled = plain(colour_network(), given, (1,)), cut(colour_network(), given, (1, 1))
    for name in OUTPUTS:
        np.testing.assert_allclose(doubled[name], single[name], atol=F32_REORDERED, err_msg=name)


def test_graphs_say_what_goes_through_the_cut() -> None:
    assert cut_of(colour_network(), color_kinds()) == CUT
    graph = key_graph(colour_network(), CUT, (64, 48), PLAIN)
    assert [t.shape for t in graph.inputs] == [(1, 1, 48, 64), (1, 3, 48, 64)]
    assert [t.shape for t in graph.outputs] == [(1, FEATURES, 6, 8), (1, 3 + LEARNT, 6, 8)]
    # What depends on the keys alone is not computed again for every frame, and the rest not for keys.
    frame = frame_graph(colour_network(), CUT, (64, 48), PLAIN)
    assert operators(graph.onnx).count("MatMul") == 0
    assert operators(frame.onnx).count("AveragePool") == 0


def operators(model: bytes | onnx.ModelProto) -> list[str]:
    proto = onnx.load_from_string(model) if isinstance(model, bytes) else model
    return [node.op_type for node in proto.graph.node]


def whole_and_chunks(least: int, matrix: int, size: tuple[int, int]) -> tuple[PlanesGraph, onnx.ModelProto]:
    graph = frame_graph(colour_network(), CUT, size, PLAIN)
    return graph, chunk_attention(onnx.load_from_string(graph.onnx), whole_bytes=matrix, least_rows=least)


@pytest.mark.parametrize("rows", [1000, 9])
def test_chunks_of_queries_equal_all_at_once(rows: int) -> None:
    """Chunks of 1,000 rows are bit for bit what the whole is; short ones are multiplied in another order."""
    size = (752, 256) if rows == 1000 else (64, 48)  # neither makes chunks that fit without overlap
    cells = size[0] * size[1] // 64
    graph, cut_graph = whole_and_chunks(rows, 4 * 2 * cells * rows, size)
    count = cells // rows
    assert cells % count
    assert operators(graph.onnx).count("MatMul") == 2
    assert operators(cut_graph).count("MatMul") == 2 * count
    given = pictures(*size)
    worth = np.random.default_rng(1)
    inner = {t.name: worth.random(t.shape).astype(np.float32) for t in graph.inputs[4:]}
    inputs = {"line": given.line, "warped": given.warped, "errors": given.errors, "prior": given.prior, **inner}
    whole, parts = run(graph.onnx, **inputs), run(cut_graph, **inputs)
    for name in OUTPUTS:
        np.testing.assert_allclose(parts[name], whole[name], atol=0 if rows == 1000 else ATTENDED, err_msg=name)


def attention(between: onnx.NodeProto, queries: int, keys: int, values: int, **constants: Array) -> onnx.ModelProto:
    """softmax(between(queries x keys)) x values."""
    nodes = [
        helper.make_node("MatMul", ["queries", "keys"], ["products"]),
        between,
        helper.make_node("Softmax", ["scores"], ["shares"], axis=-1),
        helper.make_node("MatMul", ["shares", "values"], ["found"]),
    ]
    shapes = {"queries": (1, queries, 4), "keys": (1, 4, keys), "values": (1, values, 3)}
    inputs = [helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, shape) for name, shape in shapes.items()]
    output = helper.make_tensor_value_info("found", onnx.TensorProto.FLOAT, None)
    weights = [numpy_helper.from_array(value, name) for name, value in constants.items()]
    graph = helper.make_graph(nodes, "attention", inputs, [output], weights)
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)


def test_attention_that_is_built_otherwise_stays_whole() -> None:
    """A mask has rows of its own, and after a transposition rows are keys."""
    scale = helper.make_node("Mul", ["products", "scale"], ["scores"])
    mask = helper.make_node("Add", ["products", "mask"], ["scores"])
    turned = helper.make_node("Transpose", ["products"], ["scores"], perm=[0, 2, 1])
    cases = {
        4: attention(scale, 64, 48, 48, scale=np.array([0.5], np.float32)),
        1: attention(mask, 64, 48, 48, mask=np.zeros((1, 64, 48), np.float32)),
        -1: attention(turned, 64, 48, 64),
    }
    for count, model in cases.items():
        cut_model = chunk_attention(model, whole_bytes=4 * 64 * 48 // 4, least_rows=4)
        assert operators(cut_model).count("Softmax") == max(1, count)


@pytest.mark.parametrize(("axis", "count"), [(-1, 4), (2, 4), (1, 1)])
def test_attention_is_cut_where_its_softmax_runs_over_keys(axis: int, count: int) -> None:
    model = attention(helper.make_node("Identity", ["products"], ["scores"]), 64, 48, 48)
    model.graph.node[2].attribute[0].i = axis
    assert operators(chunk_attention(model, whole_bytes=4 * 64 * 48 // 4, least_rows=4)).count("Softmax") == count


def test_small_attention_stays_whole() -> None:
    graph, same = whole_and_chunks(1000, 1 << 28, (400, 352))
    assert operators(same) == operators(graph.onnx)


def test_large_attention_is_cut_by_itself() -> None:
    """At 1080p its products would take 8.5 GiB."""
    graph = frame_graph(colour_network(), CUT, (1920, 1088), PLAIN)
    assert operators(graph.onnx).count("Softmax") == 1 + 32


def test_the_temporal_graph_is_the_network() -> None:
    rng = np.random.default_rng(2)
    lines = rng.integers(0, 256, (3, 1, 32, 48), dtype=np.uint8)
    colours = rng.random((3, 3, 32, 48)).astype(np.float32)
    graph = temporal_graph(temporal_network(), (48, 32), PLAIN)
    found = run(graph.onnx, lines=lines, colours=colours)["colour"]
    expected = run(temporal_network(), lines=lines / np.float32(255), colours=colours)["colour"]
    np.testing.assert_allclose(found, expected, atol=F32_REORDERED)


@pytest.mark.parametrize("size", [(16, 16), (64, 48)])
def test_the_documents_network_is_cut_as_well(size: tuple[int, int]) -> None:
    """Its style is one for all cells of a key."""
    proto = document_network()
    cut_there = cut_of(proto, color_kinds())
    assert (cut_there.kind, cut_there.flat) == (DOCUMENT, (False, False, True))
    given = pictures(*size)
    rng = np.random.default_rng(3)
    distance = rng.random((1, 1, *size[::-1])).astype(np.float32)
    key_distances = rng.random((2, 1, *size[::-1])).astype(np.float32)
    white = np.float32(255)
    codes = {"key_lines": given.key_lines / white, "key_colours": given.key_colours / white}
    whole = run(proto, line=given.line / white, distance=distance, key_distances=key_distances, **codes)
    first = key_graph(proto, cut_there, size, PLAIN)
    worth = [
        run(
            first.onnx,
            key_lines=given.key_lines[k : k + 1],
            key_distances=key_distances[k : k + 1],
            key_colours=given.key_colours[k : k + 1],
        )
        for k in (0, 1)
    ]
    inner = {name: np.concatenate([w[name] for w in worth]) for name in worth[0]}
    second = frame_graph(proto, cut_there, size, PLAIN)
    made = run(second.onnx, line=given.line, distance=distance, **inner)
    np.testing.assert_allclose(made["colour"], whole["colour"], atol=F32_REORDERED)


def test_half_precision_is_written_into_both_halves() -> None:
    """As TensorRT and ONNX Runtime on cards have it; 4e-4 was measured, and a code of 8 bits is 4e-3."""
    given = pictures(64, 48)
    low = GraphTraits(body="float16", bytewise=True)
    exact, lowered = cut(colour_network(), given), cut(colour_network(), given, traits=low)
    for name in OUTPUTS:
        difference = np.abs(exact[name] - lowered[name]).max()
        assert 0 < difference < 2e-3


def test_other_networks_are_refused() -> None:
    other = artcnn_like(1, 4)
    with pytest.raises(
        VsanimeError, match=r"takes .*; one that takes .*key_lines.*and gives copied, residual, weights"
    ):
        cut_of(other, color_kinds())
    with pytest.raises(VsanimeError, match="one that takes colours, lines and gives colour"):
        check_temporal_network(colour_network())


def test_a_network_whose_keys_know_the_frame_cannot_be_cut() -> None:
    proto = colour_network()
    for node in proto.graph.node:
        if node.output[0] == "asked":
            node.output[0] = "asked_of_frame"
            mixed = parser.parse_node("asked = Add (asked_of_frame, first_key)")
        if node.output[0] == "cells":
            pooled = parser.parse_node("first_cells = Conv <kernel_shape = [8, 8], strides = [8, 8]> (key_lines, find)")
            taken = parser.parse_node("first_flat = Reshape (first_cells, flat)")
            first = parser.parse_node("first_key = Slice (first_flat, zero, one, zero)")
    nodes = [pooled, taken, first]
    for node in proto.graph.node:
        nodes += [node, mixed] if node.output[0] == "asked_of_frame" else [node]
    del proto.graph.node[:]
    proto.graph.node.extend(nodes)
    onnx.checker.check_model(proto, full_check=True)
    with pytest.raises(VsanimeError, match=r"depend on key_lines; it cannot be cut there"):
        frame_graph(proto, CUT, (64, 48), PLAIN)


def test_engines_for_several_sizes_are_refused() -> None:
    with pytest.raises(VsanimeError, match=r"sizes: .*one engine a size"):
        key_graph(colour_network(), CUT, (64, 48), GraphTraits(any_size=True))
