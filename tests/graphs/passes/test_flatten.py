"""Local functions and branches of a constant condition become a flat graph; what decides while it runs is refused."""

from __future__ import annotations

import time
from collections.abc import Callable

import numpy as np
import onnx
import pytest
from onnx import helper, numpy_helper

from tests.support.exported import as_exported
from tests.support.networks import artcnn_like, layers
from tests.support.reference import run_plain
from vsanime.errors import VsanimeError
from vsanime.graphs.inspect import inspect
from vsanime.graphs.passes.flatten import flatten
from vsanime.models.store import load

Node = onnx.NodeProto
node = helper.make_node


def value(name: str) -> onnx.ValueInfoProto:
    return onnx.ValueInfoProto(name=name)


def branch(*nodes: Node, output: str) -> onnx.GraphProto:
    return helper.make_graph(nodes, "branch", [], [value(output)])


def decide(condition: str, output: str, yes: onnx.GraphProto, no: onnx.GraphProto, name: str = "") -> Node:
    return node("If", [condition], [output], name=name, then_branch=yes, else_branch=no)


def network(*nodes: Node, functions: list[onnx.FunctionProto] | None = None, **weights: np.ndarray) -> onnx.ModelProto:
    """A network from `input` to `output`, unchecked; functions are of the domain "f"."""
    proto = layers(node("Relu", ["input"], ["output"]), channels=(1, 1), **weights)
    del proto.graph.node[:]
    proto.graph.node.extend(nodes)
    proto.functions.extend(functions or [])
    proto.opset_import.append(helper.make_opsetid("f", 1))
    return proto


def function(name: str, *nodes: Node, opset: int = 17) -> onnx.FunctionProto:
    return helper.make_function(
        "f", name, ["a"], ["b"], nodes, [helper.make_opsetid("", opset), helper.make_opsetid("f", 1)]
    )


def call(name: str, given: str, made: str) -> Node:
    return node(name, [given], [made], domain="f")


def bomb(depth: int, width: int) -> list[onnx.FunctionProto]:
    """Functions of which each calls the one before `width` times."""
    functions = [function("f0", node("Relu", ["a"], ["b"]))]
    for level in range(1, depth):
        names = ["a", *(f"v{i}" for i in range(1, width)), "b"]
        calls = [call(f"f{level - 1}", names[i], names[i + 1]) for i in range(width)]
        functions.append(function(f"f{level}", *calls))
    return functions


def test_a_flat_network_is_left_alone() -> None:
    proto = artcnn_like()
    assert flatten(proto) is proto


def test_an_exported_network_is_the_plain_one() -> None:
    plain = load("C4F16_VA").proto
    exported = as_exported(plain)
    assert {n.domain for n in exported.graph.node} > {""}
    flat = flatten(exported)
    assert not flat.functions
    kinds = [n.op_type for n in flat.graph.node if n.op_type not in ("Constant", "Shape", "Size", "Cast", "Equal")]
    assert kinds == [n.op_type for n in plain.graph.node]
    assert inspect(exported) == inspect(plain)
    assert inspect(exported).linear_path
    picture = np.random.default_rng(0).random((1, 1, 40, 48), np.float32)
    expected = run_plain(plain.SerializeToString(), picture)
    np.testing.assert_array_equal(run_plain(flat.SerializeToString(), picture), expected)


@pytest.mark.parametrize("taken", [True, False])
def test_the_branch_of_a_constant_condition_is_taken(taken: bool) -> None:
    proto = network(
        node("Not", ["flag"], ["condition"]),
        decide(
            "condition",
            "output",
            branch(node("Relu", ["input"], ["r"]), output="r"),
            branch(node("Neg", ["input"], ["s"]), output="s"),
        ),
        flag=np.array(not taken),
    )
    kinds = [n.op_type for n in flatten(proto).graph.node]
    assert kinds == ["Not", "Relu" if taken else "Neg"]


def test_branches_within_branches_keep_their_tensors_apart() -> None:
    """Each defines a `t`; an inner one reads what an outer one made."""
    inner = decide(
        "yes", "u", branch(node("Mul", ["t", "two"], ["w"]), output="w"), branch(node("Neg", ["t"], ["w"]), output="w")
    )
    outer = branch(node("Add", ["input", "two"], ["t"]), inner, output="u")
    other = branch(node("Neg", ["input"], ["t"]), output="t")
    again = branch(node("Add", ["first", "two"], ["t"]), output="t")
    proto = network(
        decide("yes", "first", outer, other),
        decide("yes", "output", again, other),
        yes=np.array(True),
        two=np.float32(2),
    )
    picture = np.ones((1, 1, 4, 4), np.float32)
    np.testing.assert_array_equal(run_plain(flatten(proto).SerializeToString(), picture), (picture + 2) * 2 + 2)


def test_a_branch_may_give_what_was_there_before_it() -> None:
    proto = network(
        node("Relu", ["input"], ["a"]),
        decide(
            "yes",
            "b",
            branch(node("Identity", ["a"], ["c"]), output="c"),
            branch(node("Neg", ["a"], ["c"]), output="c"),
        ),
        node("Add", ["a", "b"], ["output"]),
        yes=np.array(True),
    )
    flat = flatten(proto)
    assert [n.op_type for n in flat.graph.node] == ["Relu", "Add"]
    picture = np.ones((1, 1, 4, 4), np.float32)
    np.testing.assert_array_equal(run_plain(flat.SerializeToString(), picture), picture * 2)


def test_a_branch_with_weights_of_its_own() -> None:
    inner = branch(node("Mul", ["input", "k"], ["r"]), output="r")
    inner.initializer.append(numpy_helper.from_array(np.float32(3), "k"))
    proto = network(
        decide("yes", "output", inner, branch(node("Neg", ["input"], ["s"]), output="s")), yes=np.array(True)
    )
    picture = np.ones((1, 1, 4, 4), np.float32)
    np.testing.assert_array_equal(run_plain(flatten(proto).SerializeToString(), picture), picture * 3)


LOOP = helper.make_graph(
    [node("Identity", ["c"], ["d"]), node("Relu", ["v"], ["w"])],
    "body",
    [helper.make_tensor_value_info(n, t, None) for n, t in (("i", 7), ("c", 9), ("v", 1))],
    [helper.make_tensor_value_info(n, t, None) for n, t in (("d", 9), ("w", 1))],
)
RUNNING: dict[str, tuple[Callable[[], onnx.ModelProto], str]] = {
    "computed condition": (
        lambda: network(
            node("ReduceMax", ["input"], ["m"], keepdims=0),
            node("Greater", ["m", "zero"], ["bright"]),
            decide(
                "bright",
                "output",
                branch(node("Relu", ["input"], ["r"]), output="r"),
                branch(node("Neg", ["input"], ["s"]), output="s"),
                name="choose",
            ),
            zero=np.float32(0),
        ),
        "its If 'choose' decides by 'bright' while it runs",
    ),
    "loop": (
        lambda: network(node("Loop", ["n", "", "input"], ["output"], name="again", body=LOOP), n=np.array(3)),
        "its Loop 'again' runs nodes in a loop",
    ),
    "scan": (
        lambda: network(
            node(
                "Scan",
                ["input"],
                ["output"],
                num_scan_inputs=1,
                body=helper.make_graph([node("Relu", ["v"], ["w"])], "body", [value("v")], [value("w")]),
            )
        ),
        "its Scan 'output' runs nodes in a loop",
    ),
    "other version": (
        lambda: network(
            call("old", "input", "output"), functions=[function("old", node("Relu", ["a"], ["b"]), opset=12)]
        ),
        "its old 'output' is written for another version|version",
    ),
    "condition of two values": (
        lambda: network(
            decide(
                "both",
                "output",
                branch(node("Relu", ["input"], ["r"]), output="r"),
                branch(node("Neg", ["input"], ["s"]), output="s"),
            ),
            both=np.array([True, False]),
        ),
        "decides by 'both'",
    ),
    "recursion": (
        lambda: network(call("f", "input", "output"), functions=[function("f", call("f", "a", "b"))]),
        "nested more than 8 deep, or call themselves",
    ),
    "deep functions": (
        lambda: network(call("f29", "input", "output"), functions=bomb(30, 2)),
        "nested more than 8 deep",
    ),
    "wide functions": (
        lambda: network(call("f6", "input", "output"), functions=bomb(7, 100)),
        "more than 100000 nodes",
    ),
}


@pytest.mark.parametrize("name", RUNNING)
def test_what_cannot_be_flattened_is_refused_by_name(name: str) -> None:
    make, message = RUNNING[name]
    proto = make()
    started = time.process_time()
    for read in (flatten, inspect):
        with pytest.raises(VsanimeError, match=message) as error:
            read(proto)
        assert "\n" not in str(error.value)
    # Functions are counted, not expanded.
    assert time.process_time() - started < 2


def test_deep_branches_are_refused() -> None:
    nodes = [node("Relu", ["input"], ["r"])]
    for _ in range(20):
        nodes = [decide("yes", "r", branch(*nodes, output="r"), branch(node("Neg", ["input"], ["r"]), output="r"))]
    with pytest.raises(VsanimeError, match="nested more than 8 deep"):
        flatten(network(*nodes, node("Identity", ["r"], ["output"]), yes=np.array(True)))
