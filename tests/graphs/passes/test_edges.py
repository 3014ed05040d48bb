"""What passes follow and what they leave, at the edge of each condition."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from tests.support.networks import layers
from tests.support.refusals import check
from vsanime.graphs.network import read_network
from vsanime.graphs.passes import attention, flatten
from vsanime.graphs.passes.keep_f32 import with_exact_arithmetic
from vsanime.graphs.passes.precision import bfloat16_bits, lower_precision
from vsanime.graphs.passes.transposed import rewrite_transposed

node = helper.make_node


# Conditions


def values(*nodes: onnx.NodeProto, inputs: tuple[str, ...] = ("x",), **stored: Any) -> flatten._Values:
    tensors = [numpy_helper.from_array(np.asarray(value), name) for name, value in stored.items()]
    ends = [helper.make_tensor_value_info(name, 1, [1, 2, 3]) for name in inputs]
    graph = helper.make_graph([], "net", ends, [], tensors)
    found = flatten._Values(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8))
    for one in nodes:
        found.add(one)
    return found


def test_constants_of_a_few_values_are_known() -> None:
    given = values(
        node("Constant", [], ["i"], value_int=3),
        node("Constant", [], ["f"], value_floats=[1.5, 2.5]),
        node("Constant", [], ["s"], value_string="a"),
        node("Constant", [], ["t"], value=numpy_helper.from_array(np.ones(64))),
        node("Constant", [], ["u"], value=numpy_helper.from_array(np.ones(65))),
        node("Constant", [], ["n"]),
        node("Relu", ["few"], ["r"]),
        node("Not", ["x"], ["d"]),
        node("Not", ["few"], ["o"], domain="com.others"),
        inputs=("x", "default"), few=np.ones((8, 8)), many=np.ones((5, 13)), default=True,
    )  # fmt: skip
    known = {name: given.find(name) is not None for name in [*"ifstunrdox", "few", "many", "default", "missing"]}
    assert known == {
        "i": True, "f": True, "s": False, "t": True, "u": False, "n": False, "r": False, "d": False, "o": False,
        "x": False, "few": True, "many": False, "default": False, "missing": False,
    }  # fmt: skip


@pytest.mark.parametrize(("length", "known"), [(31, True), (32, True), (33, False)])
def test_conditions_are_followed_for_some_steps(length: int, known: bool) -> None:
    names = ["c", *(f"n{i}" for i in range(length))]
    found = values(*(node("Not", [a], [b]) for a, b in pairwise(names)), c=True).find(names[-1])
    assert (None if found is None else found.tolist()) == ((length % 2 == 0) if known else None)


@pytest.mark.parametrize(
    ("op", "results"),
    [
        ("And", [False, False, False, True]),
        ("Or", [False, True, True, True]),
        ("Xor", [False, True, True, False]),
        ("Equal", [True, False, False, True]),
        ("Greater", [False, False, True, False]),
        ("GreaterOrEqual", [True, False, True, True]),
        ("Less", [False, True, False, False]),
        ("LessOrEqual", [True, True, False, True]),
    ],
)
def test_conditions_are_computed(op: str, results: list[bool]) -> None:
    kind = np.bool_ if op in ("And", "Or", "Xor") else np.int64
    found = []
    for a in (0, 1):
        for b in (0, 1):
            result = values(node(op, ["a", "b"], ["c"]), a=kind(a), b=kind(b)).find("c")
            found.append(result is not None and result.item())
    assert found == results
    assert values(node(op, ["a", "x"], ["c"]), a=kind(1)).find("c") is None


def test_sizes_and_ranks_are_known_where_shapes_are() -> None:
    given = values(
        node("Relu", ["x"], ["r"]), node("Shape", ["r"], ["shape"]), node("Size", ["shape"], ["rank"]),
        node("Shape", ["r"], ["part"], start=1), node("Size", ["part"], ["less"]), node("Size", ["few"], ["count"]),
        node("Shape", ["few"], ["sides"]), node("Size", ["r"], ["pixels"]), node("Cast", ["count"], ["floats"], to=1),
        node("Unsqueeze", ["count", "axes"], ["list"]), node("CastLike", ["count", "axes"], ["like"]),
        few=np.ones((2, 3), np.float32), axes=np.array([0]),
    )  # fmt: skip
    found = {name: given.find(name) for name in ("rank", "less", "count", "sides", "pixels", "floats", "list", "like")}
    assert {name: None if value is None else value.tolist() for name, value in found.items()} == {
        "rank": 3, "less": None, "count": 6, "sides": [2, 3], "pixels": None, "floats": 6.0, "list": 6, "like": 6
    }  # fmt: skip
    assert found["floats"] is not None
    assert found["floats"].dtype == np.float32


def branch(*nodes: onnx.NodeProto, outputs: tuple[str, ...] = ("r",), inputs: tuple[str, ...] = ()) -> onnx.GraphProto:
    ends = [[onnx.ValueInfoProto(name=name) for name in names] for names in (inputs, outputs)]
    return helper.make_graph(list(nodes), "branch", *ends)


@pytest.mark.parametrize(
    ("condition", "message"),
    [
        (True, ""),
        ([[True]], ""),
        ([True, True], "decides by 'c' while it runs"),
        (1, "decides by 'c' while it runs"),
    ],
)
def test_conditions_are_one_truth_value(condition: Any, message: str) -> None:
    then = branch(node("Relu", ["x"], ["r"]))
    one = node("If", ["c"], ["y"], then_branch=then, else_branch=branch(node("Neg", ["x"], ["r"])))
    check(lambda: flatten._take_branch(one, values(c=condition), 0), message)
    if not message:
        nodes, _ = flatten._take_branch(one, values(c=condition), 7)
        assert [(n.op_type, list(n.input), list(n.output)) for n in nodes] == [
            ("Relu", ["x"], ["then_branch7/r"]), ("Identity", ["then_branch7/r"], ["y"])
        ]  # fmt: skip


@pytest.mark.parametrize(
    ("one", "message"),
    [
        (node("If", [], ["y"]), "decides by nothing while it runs"),
        (node("If", ["c"], ["y"], else_branch=branch(node("Relu", ["x"], ["r"]))), "no then_branch that gives its 1"),
        (
            node("If", ["c"], ["y", "z"], then_branch=branch(node("Relu", ["x"], ["r"]))),
            "no then_branch that gives its 2",
        ),
        (
            node("If", ["c"], ["y"], then_branch=branch(node("Relu", ["x"], ["r"]), inputs=("i",))),
            "no then_branch that gives its 1",
        ),
        (node("If", ["c"], [""], then_branch=branch(node("Relu", ["x"], ["r"]))), ""),
    ],
)
def test_branches_give_what_is_wanted(one: onnx.NodeProto, message: str) -> None:
    check(lambda: flatten._take_branch(one, values(c=True), 0), message)
    if not message:
        assert [n.op_type for n in flatten._take_branch(one, values(c=True), 0)[0]] == ["Relu"]


@pytest.mark.parametrize(
    ("nodes", "outputs", "expected"),
    [
        ([("Relu", "x", "a"), ("Identity", "a", "y")], "y", ["Relu x y"]),
        ([("Relu", "x", "a"), ("Identity", "a", "y"), ("Neg", "a", "b")], "y", ["Relu x y", "Neg y b"]),
        ([("Relu", "x", "a"), ("Identity", "a", "b"), ("Neg", "b", "y")], "y", ["Relu x a", "Neg a y"]),
        ([("Identity", "x", "y")], "y", ["Identity x y"]),
        ([("Relu", "x", "a"), ("Identity", "a", "y"), ("Neg", "a", "z")], "yz",
         ["Relu x a", "Identity a y", "Neg a z"]),
        ([("Relu", "x", "y"), ("Identity", "y", "a"), ("Neg", "a", "b")], "y", ["Relu x y", "Neg y b"]),
        ([("Relu", "x", "a"), ("Neg", "a", "b"), ("Identity", "a", "y")], "y", ["Relu x y", "Neg y b"]),
    ],
)  # fmt: skip
def test_copies_are_dropped(nodes: list[tuple[str, str, str]], outputs: str, expected: list[str]) -> None:
    made = [node(op, [a], [b]) for op, a, b in nodes]
    graph = helper.make_graph(made, "net", [], [onnx.ValueInfoProto(name=name) for name in outputs])
    flatten._drop_identities(graph)
    assert [f"{n.op_type} {n.input[0]} {n.output[0]}" for n in graph.node] == expected


# Precision


@pytest.mark.parametrize(
    ("largest", "fine"), [(65_504.0, True), (65_504.1, False), (-65_504.0, True), (-70_000.0, False)]
)
def test_weights_within_half_precision(largest: float, fine: bool) -> None:
    kernel = np.array([1.0, largest], np.float64).astype(np.float32).reshape(2, 1, 1, 1)
    kernel[1] = np.nextafter(kernel[1], np.float32(np.inf * np.sign(largest))) if not fine else kernel[1]
    proto = layers(node("Conv", ["input", "w"], ["output"], name="own"), channels=(1, 2), w=kernel)
    check(lambda: lower_precision(proto, "float16"), "" if fine else "more than fp16 can hold")
    stored = [t.data_type for t in lower_precision(proto, "bfloat16").graph.initializer]
    assert stored == [TensorProto.BFLOAT16]


def test_bfloat16_rounds_ties_to_even() -> None:
    bits = np.array([0x3F800000, 0x3F808000, 0x3F818000, 0x3F807FFF, 0x3F808001, 0xBF818000], np.uint32)
    assert [hex(n) for n in bfloat16_bits(bits.view(np.float32))] == [
        "0x3f80", "0x3f80", "0x3f82", "0x3f80", "0x3f81", "0xbf82"
    ]  # fmt: skip


def test_casts_are_written_once() -> None:
    nodes = [
        node("Conv", ["input", "w"], ["a"]), node("Exp", ["a"], ["b"], name="exact/b"),
        node("Relu", ["b"], ["c"]), node("Neg", ["b"], ["d"]), node("Sqrt", ["a"], ["e"]),
        node("Add", ["c", "d"], ["f"]), node("Add", ["f", "e"], ["output"], name="exact/out"),
    ]  # fmt: skip
    proto = layers(*nodes, channels=(1, 1), w=np.ones((1, 1, 1, 1), np.float32))
    made = lower_precision(proto, "float16")
    casts = [(n.input[0], n.output[0], n.attribute[0].i) for n in made.graph.node if n.op_type == "Cast"]
    assert casts == [
        ("input", "input/float16", 10), ("a", "a/float32", 1), ("b", "b/float16", 10), ("f", "f/float32", 1)
    ]  # fmt: skip
    assert [t.name for t in made.graph.initializer] == ["w/float16"]


# Means and differences


def test_arithmetic_is_marked_by_its_number() -> None:
    nodes = [
        node("ReduceMean", ["input"], ["m"], axes=[2, 3]), node("ReduceMean", ["m"], ["n"], axes=[1]),
        node("Sub", ["input", "n"], ["c"]), node("Sub", ["c", "k"], ["d"]), node("Relu", ["d"], ["e"]),
        node("ReduceMean", ["e"], ["f"], axes=[1]), node("Mul", ["e", "f"], ["output"]),
    ]  # fmt: skip
    net = with_exact_arithmetic(read_network(layers(*nodes, channels=(2, 2), k=np.float32(1))))
    assert [f"{n.op_type} {n.name} {' '.join(n.input)}" for n in net.nodes] == [
        "ReduceMean exact/net_reducemean_0 input",
        "Reshape exact/net_reducemean_1_rows m exact/rows",
        "ReduceMean exact/net_reducemean_1 exact/net_reducemean_1_rows",
        "Sub exact/net_sub_2_minus n input",
        "Mul exact/net_sub_2 exact/net_sub_2_minus exact/minus",
        "Sub exact/net_sub_3 c k",
        "Relu  d",
        "ReduceMean exact/net_reducemean_5 e",
        "Mul exact/net_mul_6 e f",
    ]
    assert net.weights["exact/rows"].tolist() == [1, 1, -1, 1]
    assert net.weights["exact/minus"] == -1


# Attention

PRODUCT, SCALED = node("MatMul", ["x", "k"], ["p"]), node("Mul", ["p", "half"], ["q"])
RESULT = node("MatMul", ["s", "v"], ["y"])
SHAPES: dict[str, tuple[int, ...]] = {"s": (2, 5, 7), "half": (), "pair": (2,), "one": (1, 1)}


def softmax(source: str = "q", **given: int) -> onnx.NodeProto:
    return node("Softmax", [source], ["s"], **given)


FOUND = ["MatMul", "Mul", "Softmax"]
ATTENTIONS: dict[str, tuple[list[onnx.NodeProto], list[str] | None]] = {
    "usual": ([PRODUCT, SCALED, softmax(), RESULT], FOUND),
    "last axis": ([PRODUCT, SCALED, softmax(axis=2), RESULT], FOUND),
    "last axis from the end": ([PRODUCT, SCALED, softmax(axis=-1), RESULT], FOUND),
    "another axis": ([PRODUCT, SCALED, softmax(axis=1), RESULT], None),
    "an axis from the end": ([PRODUCT, SCALED, softmax(axis=-2), RESULT], None),
    "not scaled": ([PRODUCT, softmax("p"), RESULT], ["MatMul", "Softmax"]),
    "scaled by a list of one": (
        [PRODUCT, node("Div", ["p", "one"], ["q"]), softmax(), RESULT], ["MatMul", "Div", "Softmax"]
    ),
    "scaled by two": ([PRODUCT, node("Mul", ["p", "pair"], ["q"]), softmax(), RESULT], None),
    "scaled by what is not known": ([PRODUCT, node("Mul", ["p", "other"], ["q"]), softmax(), RESULT], None),
    "of another operator": ([PRODUCT, node("Relu", ["p"], ["q"]), softmax(), RESULT], None),
    "of no product": ([SCALED, softmax(), RESULT], None),
    "of the picture": ([softmax("x"), RESULT], None),
    "products that are read twice": ([PRODUCT, SCALED, softmax(), RESULT, node("Neg", ["p"], ["z"])], None),
    "scaled ones that are read twice": ([PRODUCT, SCALED, softmax(), RESULT, node("Neg", ["q"], ["z"])], None),
    "read twice": ([PRODUCT, SCALED, softmax(), RESULT, node("MatMul", ["s", "w"], ["z"])], None),
    "read by another": ([PRODUCT, SCALED, softmax(), node("Neg", ["s"], ["y"])], None),
    "read as values": ([PRODUCT, SCALED, softmax(), node("MatMul", ["v", "s"], ["y"])], None),
    "not read": ([PRODUCT, SCALED, softmax()], None),
}  # fmt: skip


@pytest.mark.parametrize("case", ATTENTIONS)
def test_attention_is_found_by_its_nodes(case: str) -> None:
    nodes, expected = ATTENTIONS[case]
    (one,) = (n for n in nodes if n.op_type == "Softmax")
    graph = helper.make_graph(nodes, "net", [], [])
    found = attention._attention(graph, one, SHAPES)
    assert (None if found is None else [n.op_type for n in found.inner]) == expected
    if found is not None:
        assert (found.outer.output[0], found.rows) == ("y", 5)
    for shape in ((5,), (), (0, 5, 7), (2, 5, 0)):
        assert attention._attention(graph, one, SHAPES | {"s": shape}) is None


# Transposed convolutions


@pytest.mark.parametrize("version", [10, 11])
def test_shuffles_need_version_11(version: int) -> None:
    one = node("ConvTranspose", ["x", "w"], ["y"], strides=[2, 2])
    ends = [helper.make_tensor_value_info(name, 1, [1, 1, None, None]) for name in "xy"]
    weight = numpy_helper.from_array(np.ones((1, 1, 2, 2), np.float32), "w")
    graph = helper.make_graph([one], "net", ends[:1], ends[1:], [weight])
    proto = helper.make_model(graph, opset_imports=[helper.make_opsetid("", version)], ir_version=5)
    assert (rewrite_transposed(proto) is proto) is (version < 11)
