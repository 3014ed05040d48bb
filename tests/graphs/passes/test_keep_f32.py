"""Arithmetic between convolutions keeps its values and is marked, in forms that OpenVINO leaves as they are."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import onnx
import pytest
from onnx import helper, numpy_helper

from tests.support.networks import layers
from tests.support.reference import run_plain
from vsanime.graphs.network import Network, read_network
from vsanime.graphs.passes.keep_f32 import with_exact_arithmetic


def mean(source: str, result: str, axes: list[int], **given: int) -> onnx.NodeProto:
    return helper.make_node("ReduceMean", [source], [result], axes=axes, **given)


def rewritten(*nodes: onnx.NodeProto, **weights: np.ndarray) -> tuple[onnx.ModelProto, Network]:
    proto = layers(*nodes, channels=(2, 2), **weights)
    return proto, with_exact_arithmetic(read_network(proto))


def compute(proto: onnx.ModelProto, net: Network, picture: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The network's result before and after."""
    other = onnx.ModelProto()
    other.CopyFrom(proto)
    del other.graph.node[:], other.graph.initializer[:]
    other.graph.node.extend(net.nodes)
    other.graph.initializer.extend(numpy_helper.from_array(np.asarray(v), k) for k, v in net.weights.items())
    return run_plain(proto.SerializeToString(), picture), run_plain(other.SerializeToString(), picture)


PICTURE = np.random.default_rng(4).random((1, 2, 6, 8)).astype(np.float32)
WEIGHT = np.random.default_rng(5).random((2, 2, 1, 1)).astype(np.float32)
CONV = helper.make_node("Conv", ["input", "w"], ["a"])


def test_a_norm_keeps_its_values_and_loses_its_patterns() -> None:
    """Mean over space, then over channels; difference from it; its square's mean; division."""
    proto, net = rewritten(
        CONV,
        mean("a", "rows", [2, 3]),
        mean("rows", "middle", [1]),
        helper.make_node("Sub", ["a", "middle"], ["apart"]),
        helper.make_node("Mul", ["apart", "apart"], ["square"]),
        mean("square", "variance", [2, 3], keepdims=1),
        helper.make_node("Sqrt", ["variance"], ["spread"]),
        helper.make_node("Div", ["apart", "spread"], ["normed"]),
        helper.make_node("Relu", ["normed"], ["b"]),
        helper.make_node("Sub", ["b", "shift"], ["output"]),
        w=WEIGHT,
        shift=np.float32(0.25),
    )
    before, after = compute(proto, net, PICTURE)
    np.testing.assert_allclose(after, before, atol=1e-6)
    kinds = [(node.op_type, node.name.startswith("exact/")) for node in net.nodes]
    assert kinds == [
        ("Conv", False),
        ("ReduceMean", True),
        ("Reshape", True),
        ("ReduceMean", True),
        ("Sub", True),
        ("Mul", True),
        ("Mul", True),
        ("ReduceMean", True),
        ("Sqrt", True),
        ("Div", True),
        ("Relu", False),
        ("Sub", True),
    ]
    names = [node.name for node in net.nodes if node.name]
    assert len(names) == len(set(names))
    # Of x - mean the mean comes first; a constant is subtracted as it was.
    assert list(net.nodes[4].input) == ["middle", "a"]
    assert list(net.nodes[11].input) == ["b", "shift"]


@pytest.mark.parametrize(
    ("first", "second", "reshaped"),
    [
        (([2, 3], 1), ([1], 1), True),
        (([2, 3], 0), ([1], 1), False),
        (([2, 3], 1), ([1], 0), False),
        (([1], 1), ([2, 3], 1), False),
        (([3], 1), ([1], 1), False),
        (([2, 3], 1), ([1, 2], 1), False),
    ],
)
def test_only_a_mean_of_channels_of_a_mean_over_space_is_written_otherwise(
    first: tuple[list[int], int], second: tuple[list[int], int], reshaped: bool
) -> None:
    nodes = [mean("input", "a", first[0], keepdims=first[1]), mean("a", "b", second[0], keepdims=second[1])]
    net = read_network(layers(*nodes, helper.make_node("Relu", ["b"], ["output"]), channels=(2, 2)))
    found = with_exact_arithmetic(net)
    assert ("Reshape" in [node.op_type for node in found.nodes]) is reshaped


def test_a_mean_of_the_picture_itself_stays() -> None:
    net = read_network(layers(mean("input", "a", [1]), helper.make_node("Relu", ["a"], ["output"]), channels=(2, 2)))
    found = with_exact_arithmetic(net)
    assert [node.op_type for node in found.nodes] == ["ReduceMean", "Relu"]
    assert replace(found, nodes=net.nodes, weights=net.weights) == net
