"""Every limit and condition of what reads graphs, at its edge: the last value that is taken, the first that is not."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper
from onnx.reference import ReferenceEvaluator

from tests.support.networks import layers
from tests.support.refusals import check, refused
from vsanime.graphs import inspect as inspecting
from vsanime.graphs import limits
from vsanime.graphs.builders import style
from vsanime.graphs.inspect import _Line, _radius, _SizeError, _Step, _Trace, _WholeFrameError, _works, inspect
from vsanime.graphs.network import clip_bounds, read_network, read_same_conv, read_tail
from vsanime.graphs.passes import attention, ensemble, flatten
from vsanime.graphs.passes.linear import find_linear_path
from vsanime.graphs.resample import area_matrix, bilinear, catmull_rom, mirror, resize_matrix

node = helper.make_node

# Networks up to these sizes have to stay readable, and no larger ones take a machine's time: whoever moves a limit says
# so here as well.
LIMITS: list[tuple[Any, str, object]] = [
    (limits, "MAX_NODES", 100_000),
    (limits, "MAX_NESTING", 8),
    (limits, "MAX_LAYERS", 10_000),
    (limits, "MAX_CONVOLUTIONS", 2_000),
    (limits, "MAX_ELEMENTWISE_RUN", 256),
    (limits, "_MAX_INPUTS", 256),
    (limits, "_MAX_ENDS", 1_000),
    (limits, "_MAX_ATTRIBUTES", 100),
    (limits, "_MAX_RANK", 16),
    (limits, "_MAX_NAME", 1_000),
    (limits, "_MAX_SHOWN", 60),
    (limits, "_MAX_EXPLAINED", 200),
    (limits, "_MAX_COMPUTED_BYTES", 67_108_864),
    (limits, "_ASSUMED_MEMORY", 8_589_934_592),
    (limits, "_FRAME_PIXELS", 65_536),
    (limits, "_MEMORY_PART", 4),
    (limits, "_VALUE_BYTES", 4),
    (limits, "_MAX_SMALL", 256),
    (limits, "_PADS", {"Pad": (-4096, 4096)}),
    (
        limits,
        "_SETTINGS",
        {
            "kernel_shape": (1, 512),
            "strides": (1, 4096),
            "dilations": (1, 4096),
            "blocksize": (1, 4096),
            "output_padding": (0, 4096),
            "group": (1, 1_048_576),
        },
    ),
    (inspecting, "_LINE", 1536),
    (inspecting, "_MAX_LINE", 262_144),
    (inspecting, "_MULTIPLES", (1, 2, 4, 8, 16, 32, 64)),
    (attention, "WHOLE_BYTES", 268_435_456),
    (attention, "LEAST_ROWS", 1000),
    (ensemble, "_MAX_NODES", 20_000),
    (flatten, "_MAX_VALUES", 64),
    (flatten, "_MAX_STEPS", 32),
]


@pytest.mark.parametrize(("module", "limit", "expected"), LIMITS, ids=[limit for _, limit, _ in LIMITS])
def test_limits_are_what_they_were(module: Any, limit: str, expected: object) -> None:
    assert getattr(module, limit) == expected


def relus(count: int, source: str = "input") -> list[onnx.NodeProto]:
    names = [source, *(f"{source}{i}" for i in range(count))]
    return [node("Relu", [a], [b]) for a, b in pairwise(names)]


def model(*nodes: onnx.NodeProto, weights: int = 0, inputs: int = 1, opset: int = 17) -> onnx.ModelProto:
    """A graph that nothing but its structure is looked at."""
    ends = [helper.make_tensor_value_info(f"i{i}", 1, [1]) for i in range(inputs)]
    tensors = [numpy_helper.from_array(np.ones(1, np.float32), f"w{i}") for i in range(weights)]
    graph = helper.make_graph(list(nodes), "net", ends, [], tensors)
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)], ir_version=8)


# Structure


NEWEST = onnx.defs.onnx_opset_version()


@pytest.mark.parametrize(
    ("proto", "message"),
    [
        (model(opset=1), ""),
        (model(opset=NEWEST), ""),
        (model(opset=0), f"version 0 of ONNX's operators; 1 to {NEWEST} are known"),
        (model(opset=NEWEST + 1), "of ONNX's operators"),
        (model(inputs=1000), ""),
        (model(inputs=1001), "has 1001 inputs and outputs; 1000 are read"),
        (model(inputs=1003, weights=3), ""),
        (model(inputs=1004, weights=3), "has 1004 inputs and outputs"),
        (model(node("Sum", ["a"] * 256, ["b"])), ""),
        (model(node("Sum", ["a"] * 257, ["b"])), "has more than 256 inputs or outputs"),
        (model(node("Split", ["a"], ["b"] * 256)), ""),
        (model(node("Split", ["a"], ["b"] * 257)), "has more than 256 inputs or outputs"),
        (model(node("F", ["a"], ["b"], **{f"k{i}": 1 for i in range(100)})), ""),
        (model(node("F", ["a"], ["b"], **{f"k{i}": 1 for i in range(101)})), "has 101 attributes"),
        (model(node("Relu", ["a" * 1000], ["b"])), ""),
        (model(node("Relu", ["a" * 1001], ["b"])), "has 1001 letters"),
        (model(node("Relu", ["a"], ["b\n"])), "holds control characters"),
        (model(node("Relu", ["a"], ["b"], **{"k\t": 1})), "holds control characters"),
    ],
)
def test_structures_within_their_limits(proto: onnx.ModelProto, message: str) -> None:
    check(lambda: limits.check_structure(proto), message)


@pytest.mark.parametrize(
    ("dims", "fine"), [([1] * 16, True), ([1] * 17, False), ([0], True), ([-1], False), ([2, -1], False)]
)
@pytest.mark.parametrize("place", ["initializer", "attribute", "attributes"])
def test_tensors_have_a_shape(dims: list[int], fine: bool, place: str) -> None:
    proto = model(node("Constant", [], ["c"]))
    tensor = TensorProto(name="t", data_type=1, dims=dims)
    if place == "initializer":
        proto.graph.initializer.append(tensor)
    else:
        values = tensor if place == "attribute" else [tensor]
        proto.graph.node[0].attribute.append(helper.make_attribute("value", values))
    check(lambda: limits.check_structure(proto), "" if fine else "its tensor 't' has the shape .*; no tensor can")


def test_sparse_values_are_refused() -> None:
    proto = model(node("Constant", [], ["c"]))
    proto.graph.node[0].attribute.add(name="v", type=onnx.AttributeProto.SPARSE_TENSORS).sparse_tensors.add()
    refused(lambda: limits.check_structure(proto), "holds sparse values")
    proto = model(node("Constant", [], ["c"]))
    proto.graph.node[0].attribute.add(name="v", type=onnx.AttributeProto.SPARSE_TENSOR).sparse_tensor.dims.append(1)
    refused(lambda: limits.check_structure(proto), "holds sparse values")


def branches(depth: int) -> onnx.NodeProto:
    if not depth:
        return node("Relu", ["a"], ["b"])
    inner = helper.make_graph([branches(depth - 1)], "branch", [], [])
    return node("If", ["c"], ["b"], then_branch=inner)


def function(name: str, *nodes: onnx.NodeProto) -> onnx.FunctionProto:
    return helper.make_function("f", name, ["a"], ["b"], list(nodes), [helper.make_opsetid("", 17)])


def call(name: str) -> onnx.NodeProto:
    return node(name, ["a"], ["b"], domain="f")


def with_functions(*functions: onnx.FunctionProto, calls: int = 1) -> onnx.ModelProto:
    proto = model(*[call("f0")] * calls)
    proto.functions.extend(functions)
    return proto


def nested(depth: int) -> onnx.ModelProto:
    inner = [function(f"f{i}", call(f"f{i + 1}")) for i in range(depth - 1)]
    return with_functions(*inner, function(f"f{depth - 1}", *relus(1, "a")))


@pytest.mark.parametrize(
    ("limit", "proto", "least", "message"),
    [
        ("MAX_NESTING", model(branches(3)), 3, "nested more than 2 deep, or call themselves"),
        ("MAX_NESTING", nested(3), 3, "nested more than 2 deep"),
        ("MAX_NODES", model(*relus(3)), 3, "more than 2 nodes"),
        ("MAX_NODES", model(branches(2)), 3, "more than 2 nodes"),
        ("MAX_NODES", model(weights=3), 3, "holds more than 2 tensors"),
        ("MAX_NODES", with_functions(function("f0", *relus(2, "a")), calls=3), 9, "its functions inlined"),
    ],
)
def test_structures_are_counted(
    limit: str, proto: onnx.ModelProto, least: int, message: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(limits, limit, least)
    limits.check_structure(proto)
    monkeypatch.setattr(limits, limit, least - 1)
    refused(lambda: limits.check_structure(proto), message)


def test_functions_have_names_of_their_own() -> None:
    one = function("f0", *relus(1, "a"))
    refused(lambda: limits.check_structure(with_functions(one, one)), "two local functions of one name")
    refused(lambda: limits.check_structure(with_functions(function("f0", call("f0")))), "nested more than 8 deep")


def test_words_are_shown_up_to_a_length() -> None:
    assert limits.describe(node("A" * 60, [], ["y"], name="n")) == f"{'A' * 60} 'n'"
    assert limits.describe(node("A" * 61, [], ["y"])).startswith("'AAA")
    assert limits.describe(node("A b", [], ["y"])) == "'A b' 'y'"
    assert limits.describe(node("Relu", [], [])) == "Relu"
    assert limits.explain(ValueError("x" * 200)) == "x" * 200
    assert limits.explain(ValueError("x" * 201)) == "x" * 200 + "..."
    assert limits.explain(ValueError("\n a\tb \nc")) == "a b"
    assert limits.explain(ValueError()) == "ValueError"


# Settings


SETTINGS = [
    *(("Conv", "strides", 1, 4096), ("Conv", "dilations", 1, 4096), ("Conv", "kernel_shape", 1, 512)),
    *(("Conv", "pads", 0, 4096), ("Pad", "pads", -4096, 4096), ("ConvTranspose", "output_padding", 0, 4096)),
    *(("Conv", "group", 1, 1 << 20), ("DepthToSpace", "blocksize", 1, 4096)),
]


@pytest.mark.parametrize(("op", "key", "least", "most"), SETTINGS)
def test_settings_within_their_limits(op: str, key: str, least: int, most: int) -> None:
    for value in (least, most, [least, most], []):
        limits.check_settings(model(node(op, ["x"], ["y"], **({key: value} if value != [] else {}))))
    for wrong in (least - 1, most + 1, [least, most + 1], [least - 1, most]):
        proto = model(node(op, ["x"], ["y"], **{key: wrong}))
        refused(lambda proto=proto: limits.check_settings(proto), f"{key} of .*{least} to {most} are needed")  # type: ignore[misc]
    refused(lambda: limits.check_settings(model(node(op, ["x"], ["y"], **{key: 1.5}))), "of no whole numbers")


INF, NAN = float("inf"), float("nan")


@pytest.mark.parametrize(
    ("op", "value", "fine"),
    [
        ("Clip", -INF, True),
        ("Clip", NAN, False),
        ("Constant", [1.0, INF], True),
        ("Constant", [NAN, 1.0], False),
        ("Elu", INF, False),
        ("Elu", [1.0, -INF], False),
        ("Elu", 1e38, True),
        ("Elu", b"a" * 1000, True),
        ("Elu", b"a" * 1001, False),
        ("Elu", b"a\n", False),
        ("Elu", [b"a", b"\x00"], False),
    ],
)
def test_settings_are_numbers_and_words(op: str, value: object, fine: bool) -> None:
    proto = model(node(op, ["x"], ["y"], alpha=value))
    check(lambda: limits.check_settings(proto), "" if fine else "finite values are needed|a word is needed")


# Layers


CONV = node("Conv", ["a", "w"], ["b"])


@pytest.mark.parametrize(
    ("limit", "nodes", "least"),
    [
        ("MAX_LAYERS", relus(3), 3),
        ("MAX_CONVOLUTIONS", [CONV, *relus(2), CONV, node("ConvTranspose", ["a", "w"], ["b"])], 3),
        ("MAX_ELEMENTWISE_RUN", relus(3), 3),
        ("MAX_ELEMENTWISE_RUN", [node("Relu", [], ["input"]), *relus(2)], 3),
        ("MAX_ELEMENTWISE_RUN", [*relus(2), node("Conv", ["input1", "w"], ["x"]), *relus(3, "x")], 3),
        ("MAX_ELEMENTWISE_RUN", [*relus(2), *relus(1, "q"), node("Add", ["q0", "input1"], ["s"])], 3),
    ],
)
def test_layers_are_counted(
    limit: str, nodes: list[onnx.NodeProto], least: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(limits, limit, least)
    limits.check_layers(nodes, ["Relu", "Add"])
    monkeypatch.setattr(limits, limit, least - 1)
    refused(lambda: limits.check_layers(nodes, ["Relu", "Add"]), "has .*operations|has 3 convolutions; 2 at most")


# Memory


def test_memory_of_layers_is_a_part_of_the_machines(monkeypatch: pytest.MonkeyPatch) -> None:
    """For a frame of 256x256 a quarter of it, for one with half as many pixels half of that."""
    monkeypatch.setattr(limits, "machine_memory", lambda: 4096)
    one = node("Relu", ["x"], ["y"])

    def sized(values: int, pixels: int | None, name: str = "y") -> None:
        sizes: dict[str, tuple[int, ...] | None] = {"x": (1,), "y": (1,)}
        limits.check_sizes([one], sizes | {name: (values,)}, ["x"], pixels)

    for pixels, most in ((None, 1024), (65_536, 256), (32_768, 128), (131_072, 512)):
        for name, what in (("y", "Relu 'y' gives"), ("x", "the input 'x' has")):
            sized(most, pixels, name)
            refused(lambda p=pixels, m=most, n=name: sized(m + 1, p, n), f"{what} {most + 1} values, 0 MiB")  # type: ignore[misc]


def test_constants_are_computed_up_to_a_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "machine_memory", lambda: 1 << 40)
    half = (8 << 20,)  # of 64 MiB, four bytes a value
    nodes = [node("Tile", ["a"], ["b"]), node("Tile", ["a"], ["c"]), node("Constant", [], ["d"])]
    moving = [node("Relu", ["x"], ["y"]), node("Relu", ["y"], ["z"])]
    sizes: dict[str, tuple[int, ...] | None] = dict.fromkeys("bcdyz", half)
    limits.check_sizes([*nodes, *moving], sizes, ["x"])
    more = [*nodes, node("Exp", ["b"], ["e"])]
    refused(lambda: limits.check_sizes(more, sizes | {"e": (1 << 18,)}, ["x"]), "65 MiB from constants alone, .*64 MiB")
    for small in ((0,), (), None):
        limits.check_sizes(more, sizes | {"e": small}, ["x"])


def test_sizes_that_are_not_known_beforehand() -> None:
    grown = [node("Tile", ["x", "n"], ["y", ""])]
    refused(lambda: limits.check_sizes(grown, {"x": (1,)}, ["x"]), "Tile 'y' gives is not known before it runs")
    limits.check_sizes(grown, {"x": (1,)}, ["x"], all_known=False)
    limits.check_sizes([node("Relu", ["x"], ["y"])], {"x": (1,)}, ["x"])


@pytest.mark.parametrize("error", [AttributeError, ValueError, OSError])
def test_memory_of_a_machine_that_does_not_tell(error: type[Exception], monkeypatch: pytest.MonkeyPatch) -> None:
    def silent(_: str) -> int:
        raise error

    monkeypatch.setattr(limits.os, "sysconf", silent)
    assert limits.machine_memory() == 8 << 30
    monkeypatch.setattr(limits.os, "sysconf", {"SC_PHYS_PAGES": 3, "SC_PAGE_SIZE": 5}.__getitem__)
    assert limits.machine_memory() == 15


def gathered(index: object) -> dict[str, tuple[int, ...] | None]:
    """Sizes of a Range as long as one of a picture's sides."""
    nodes = [
        node("Shape", ["x"], ["s"]),
        node("Gather", ["s", "i"], ["n"]),
        node("Range", ["zero", "n", "one"], ["r"]),
    ]
    ends = [helper.make_tensor_value_info("x", 1, [4, 5]), helper.make_tensor_value_info("r", 7, None)]
    values = {"i": index, "zero": 0, "one": 1}
    stored = [numpy_helper.from_array(np.array(value, np.int64), name) for name, value in values.items()]
    graph = helper.make_graph(nodes, "net", ends[:1], ends[1:], stored)
    return limits.infer_sizes(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=3))


def test_sizes_are_inferred_through_ranges() -> None:
    for index, length in ((0, 4), (1, 5), (-1, 5), (-2, 4)):
        sizes = gathered(index)
        assert (sizes["r"], sizes["x"], sizes["i"]) == ((length,), (4, 5), ())
    for index in (2, -3):
        refused(lambda index=index: infer(index), "cannot be told")  # type: ignore[misc]


def test_sizes_are_inferred_from_parts_of_shapes() -> None:
    nodes = [
        node("Shape", ["x"], ["s"]),
        node("Slice", ["s", "from", "to"], ["part"]),
        node("ConstantOfShape", ["part"], ["y"]),
    ]
    ends = [helper.make_tensor_value_info("x", 1, [4, 5, 6]), helper.make_tensor_value_info("y", 1, None)]
    stored = [numpy_helper.from_array(np.array([value]), name) for name, value in (("from", 1), ("to", 3))]
    graph = helper.make_graph(nodes, "net", ends[:1], ends[1:], stored)
    proto = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    assert limits.infer_sizes(proto)["y"] == (5, 6)


@limits.guard("cannot be told")
def infer(index: int) -> None:
    if gathered(index)["r"] is None:
        raise ValueError("not known")


@pytest.mark.parametrize(
    ("shape", "size"),
    [([1, 0, 3], (1, 0, 3)), ([], ()), ([1, "w"], None), ([1, None], None), (None, None)],
)
def test_sizes_are_known_or_not(shape: list[Any] | None, size: tuple[int, ...] | None) -> None:
    assert limits._known_size(helper.make_tensor_value_info("x", 1, shape)) == size


# What a network does to sizes


@dataclass
class Fake:
    """A trace that gives any lines, and remembers which were asked for."""

    length: Callable[[int, int], int]
    asked: list[tuple[int, int]]

    def follow(self, axis: int, length: int) -> range:
        self.asked.append((axis, length))
        given = self.length(axis, length)
        if given < 0:
            raise _SizeError if given == -1 else _WholeFrameError
        return range(given)


@pytest.mark.parametrize(
    ("length", "works", "count"),
    [
        (lambda _, n: 2 * n, True, 6),
        (lambda axis, n: n * (1 + axis), False, 2),  # twice as wide and just as high
        (lambda _, n: n + (n == 72), False, 3),
        (lambda _, n: n + (n == 84), False, 5),
        (lambda axis, n: n + (n == 84 and axis), False, 6),
        (lambda *_: -1, False, 1),
        (lambda *_: -2, True, 1),
    ],
)  # fmt: skip
def test_multiples_are_tried_with_several_lengths(length: Callable[[int, int], int], works: bool, count: int) -> None:
    fake = Fake(length, [])
    assert _works(fake, 4) is works  # type: ignore[arg-type]  # it gives lines, which is all
    assert fake.asked == [(0, 68), (1, 68), (0, 72), (1, 72), (0, 84), (1, 84)][:count]


@dataclass
class Reaching:
    """A trace of lines of which one sample depends on another far away."""

    at: int
    low: float
    high: float
    scale: int = 1

    def follow(self, axis: int, length: int) -> _Line:
        assert (axis, length) == (0, 1536)
        own = np.arange(length * self.scale) // self.scale
        low, high = own.astype(float), own.astype(float)
        low[self.at] -= self.low
        high[self.at] += self.high
        return _Line(low, high)


@pytest.mark.parametrize(
    ("trace", "radius"),
    [
        (Reaching(384, 9, 9), 0),
        (Reaching(385, 9, 0), 9),
        (Reaching(700, 0, 9), 9),
        (Reaching(700, 7, 9), 9),
        (Reaching(1151, 8, 3), 8),
        (Reaching(1152, 9, 9), 0),
        (Reaching(769, 9, 9, scale=2), 0),
        (Reaching(770, 9, 9, scale=2), 9),
        (Reaching(2303, 9, 9, scale=2), 9),
        (Reaching(2304, 9, 9, scale=2), 0),
    ],
)
def test_radius_is_that_of_the_middle(trace: Reaching, radius: int) -> None:
    assert _radius(trace, 0, trace.scale) == radius  # type: ignore[arg-type]
    trace.low = trace.high = np.inf
    if radius:
        with pytest.raises(_WholeFrameError):
            _radius(trace, 0, trace.scale)  # type: ignore[arg-type]


def one(op: str, *more: str, channels: tuple[int, int] = (1, 1), **rest: object) -> onnx.ModelProto:
    weights = {name: value for name, value in rest.items() if isinstance(value, np.ndarray)}
    given = {name: value for name, value in rest.items() if name not in weights}
    return layers(node(op, ["input", *more], ["output"], **given), channels=channels, **weights)


def padded(before: int, after: int, mode: str = "constant") -> onnx.ModelProto:
    return one("Pad", "p", p=np.array([0, 0, 7, before, 0, 0, 7, after]), mode=mode)


@pytest.mark.parametrize(
    ("before", "after", "mode", "low"),
    [
        (0, -9, "constant", [0]),
        (0, -10, "constant", None),
        (-9, 0, "constant", [9]),
        (-10, 0, "constant", None),
        (-4, -5, "edge", [4]),
        (-4, -6, "edge", None),
        (-8, 1, "edge", [8, 9, 9]),
        (2, -8, "edge", [0, 0, 0, 1]),
        (2, -8, "constant", [np.inf, np.inf, 0, 1]),
        (1, -8, "reflect", [1, 0, 1]),
        (2, -8, "reflect", None),
        (-8, 1, "reflect", [8, 9, 8]),
        (-8, 2, "reflect", None),
    ],
)
def test_lines_are_cut_and_padded(before: int, after: int, mode: str, low: list[float] | None) -> None:
    trace = _Trace(read_network(padded(before, after, mode)))
    if low is None:
        with pytest.raises(_SizeError):
            trace.follow(1, 10)
    else:
        assert trace.follow(1, 10).low.tolist() == low


KERNEL = np.ones((1, 1, 2, 2), np.float32)
WHOLE: dict[str, tuple[onnx.ModelProto, bool]] = {
    "transposed to the same size": (
        one("ConvTranspose", "w", w=KERNEL, strides=[2, 2], auto_pad="SAME_UPPER"), True
    ),
    "transposed without padding": (one("ConvTranspose", "w", w=KERNEL, strides=[2, 2], auto_pad="VALID"), False),
    "transposed": (one("ConvTranspose", "w", w=KERNEL, strides=[2, 2]), False),
    "transposed to a size": (
        one("ConvTranspose", "w", w=KERNEL, strides=[2, 2], output_shape=[128, 160]), True
    ),
    "a mean of channels": (one("ReduceMean", axes=[1], channels=(2, 1)), False),
    "a mean of channels and batch": (one("ReduceMean", axes=[0, 1], channels=(2, 1)), True),
    "concatenated channels": (one("Concat", "input", axis=1, channels=(1, 2)), False),
}  # fmt: skip


@pytest.mark.parametrize("name", WHOLE)
def test_some_operations_need_the_whole_frame(name: str) -> None:
    proto, whole = WHOLE[name]
    trace = _Trace(read_network(proto))
    if not whole:
        assert np.isfinite(trace.follow(0, 20).low).all()
        return
    try:
        line = trace.follow(0, 20)
    except _WholeFrameError:
        return
    assert (line.low == -np.inf).all()
    assert (line.high == np.inf).all()


@pytest.mark.parametrize(
    ("starts", "ends", "axes", "steps", "found"),
    [
        ([1], [4], [3], [2], [1, 3]),
        ([1], [4], [-1], None, [1, 2, 3]),
        ([1], [4], [2], None, list(range(8))),
        ([0], [1], [-4], None, list(range(8))),
        ([0, 1], [1, 3], [1, 3], [1, 1], [1, 2]),
        ([0, 0, 0, 6], [1, 1, 9, 9], None, None, [6, 7]),
        ([0], [1], [4], None, None),
        ([0], [1], [-5], None, None),
        ([0], [1], [3], [0], None),
        ([0], [1], [3], [1, 1], None),
        ([0, 0], [1], [3], [1], None),
        ([0], [1, 1], [3], [1], None),
        ([0], [1], [2, 3], [1], None),
    ],
)
def test_slices(
    starts: list[int], ends: list[int], axes: list[int] | None, steps: list[int] | None, found: list[int] | None
) -> None:
    given = {"a": starts, "b": ends, "c0": axes, "d": steps}
    arrays = {name: np.array(value) for name, value in given.items() if value is not None}
    names = [name if given[name] is not None else "" for name in given]
    proto = layers(node("Relu", ["input"], ["output"]), channels=(1, 1), **arrays)
    proto.graph.node[0].CopyFrom(node("Slice", ["input", *names], ["output"]))
    trace = _Trace(read_network(proto))
    if found is None:
        refused(lambda: trace.follow(1, 8), "one of each for an axis is needed")
    else:
        assert trace.follow(1, 8).low.tolist() == found


def test_lines_are_followed_up_to_a_length() -> None:
    net = read_network(one("Relu"))
    step = _Step(net, net.nodes[0], {"k": "x" * 200}, 0)
    assert step.bounded(1 << 18) == 1 << 18
    refused(lambda: step.bounded((1 << 18) + 1), "an output of 262145 samples for a line of at most 1536; 262144 at")
    assert str(step.refuse("x" * 101, "y")) == f"the network's Relu 'output' has {'x' * 100}; y is needed"


@pytest.mark.parametrize(("scale", "fine"), [(1 << 18, True), ((1 << 18) + 1, False), (0, False), (0.5, True)])
def test_scales_are_positive(scale: float, fine: bool) -> None:
    proto = one("Resize", "", "s", s=np.array([1, 1, 1, scale], np.float32))
    trace = _Trace(read_network(proto))
    check(lambda: len(trace.follow(1, 1 if scale > 1 else 4)), "" if fine else "a positive one is needed")


@pytest.mark.parametrize("scale", [1, 2, 3, 4, 5])
def test_scales_of_frames_that_are_not_square(scale: int) -> None:
    shuffle = one("DepthToSpace", channels=(scale**2, 1), blocksize=scale)
    assert (inspect(shuffle).scale, inspect(shuffle).out_channels) == (scale, 1)


def test_networks_without_convolutions_have_one_feature() -> None:
    facts = inspect(one("Relu", channels=(3, 3)))
    assert (facts.features, facts.parameters, facts.radius, facts.multiple) == (1, 0, 0, 1)


# Networks taken apart


def ended(*nodes: onnx.NodeProto, channels: tuple[int, int] = (1, 4), **weights: np.ndarray) -> Any:
    kernel = np.ones((4, 1, 3, 3), np.float32)
    first = node("Conv", ["input", "w"], ["a"], pads=[1] * 4)
    return read_network(layers(first, *nodes, channels=channels, w=kernel, **weights))


def test_tails_are_plain() -> None:
    net = ended(node("DepthToSpace", ["a"], ["output"], blocksize=1))
    assert read_tail(net) is None
    tail = read_tail(ended(node("DepthToSpace", ["a"], ["output"], blocksize=2), channels=(1, 1)))
    assert tail is not None
    assert (tail.scale, tail.mode) == (2, "DCR")


def test_bounds_of_clips_are_inputs_from_version_11() -> None:
    low = numpy_helper.from_array(np.float32(-1), "low")
    for opset, expected in ((10, (0.5, None)), (11, (-1.0, None)), (12, (-1.0, None))):
        clip = node("Clip", ["x", "low"], ["y"], min=0.5)
        ends = [helper.make_tensor_value_info(name, 1, [1, 1, 4, 4]) for name in "xy"]
        graph = helper.make_graph([clip], "net", ends[:1], ends[1:], [low])
        proto = helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)], ir_version=5)
        assert clip_bounds(read_network(proto), clip) == expected


def test_biases_may_be_left_out_by_an_empty_name() -> None:
    conv = node("Conv", ["input", "w", ""], ["output"], pads=[1] * 4)
    net = read_network(layers(conv, channels=(1, 2), w=np.ones((2, 1, 3, 3), np.float32)))
    found = read_same_conv(net, conv)
    assert found is not None
    assert found.bias.tolist() == [0, 0]


@pytest.mark.parametrize(
    ("sides", "swap", "beside", "found"),
    [
        ((3, 3), False, False, True),
        ((3, 3), True, False, True),
        ((5, 3), False, False, False),
        ((3, 5), False, False, False),
        ((3, 3), False, True, False),
    ],
)
def test_linear_paths_are_of_3x3_convolutions(sides: tuple[int, int], swap: bool, beside: bool, found: bool) -> None:
    first, last = (np.ones((2, into, side, side), np.float32) for into, side in zip((1, 2), sides, strict=True))
    terms = ["r", "f"] if swap else ["f", "r"]
    nodes = [
        node("Conv", ["input", "w"], ["f"], auto_pad="SAME_UPPER"),
        node("Relu", ["f"], ["r"]),
        node("Add", terms, ["s"]),
        node("Conv", ["s", "v"], ["output"], auto_pad="SAME_UPPER"),
    ]
    net = read_network(layers(*nodes, channels=(1, 2), w=first, v=last))
    if beside:
        net = type(net)(**{**vars(net), "nodes": (*net.nodes, node("Relu", ["s"], ["t"]))})
    tail = read_tail(net)
    assert tail is not None
    path = find_linear_path(net, tail)
    assert (path is not None) is found
    if path is not None:
        assert (path.inner, path.sum.output[0]) == ("r", "s")


# Passes


@pytest.mark.parametrize(
    ("shape", "whole", "least", "chunks"),
    [
        ((1, 4, 8), 128, 1, 1),
        ((1, 4, 8), 127, 1, 2),
        ((1, 4, 8), 64, 1, 2),
        ((1, 4, 8), 63, 1, 3),
        ((1, 4, 8), 1, 1, 4),
        ((1, 4, 8), 1, 2, 2),
        ((1, 4, 8), 1, 3, 1),
        ((1, 4, 8), 1, 5, 1),
        ((2, 4, 8), 128, 1, 2),
    ],
)
def test_attention_is_cut_into_as_few_chunks_as_fit(
    shape: tuple[int, ...], whole: int, least: int, chunks: int
) -> None:
    found = attention._Attention([], onnx.NodeProto(), shape)
    assert attention._chunks(found, whole, least) == chunks


def test_attention_of_chunks_that_overlap() -> None:
    """Five rows in three chunks are 0-1, 2-3 and 3-4, of whose last the first row is there already."""
    nodes = [
        node("MatMul", ["x", "k"], ["p"]),
        node("Mul", ["p", "half"], ["q"]),
        node("Softmax", ["q"], ["s"], axis=-1),
        node("MatMul", ["s", "v"], ["y"]),
    ]
    rng = np.random.default_rng(0)
    weights = {"k": rng.random((1, 3, 4)), "v": rng.random((1, 4, 2)), "half": np.array(0.5)}
    ends = [helper.make_tensor_value_info(name, 1, [1, 5, size]) for name, size in (("x", 3), ("y", 2))]
    stored = [numpy_helper.from_array(value.astype(np.float32), name) for name, value in weights.items()]
    graph = helper.make_graph(nodes, "net", ends[:1], ends[1:], stored)
    whole = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    cut = attention.chunk_attention(whole, whole_bytes=32, least_rows=1)
    assert [n.op_type for n in cut.graph.node].count("Softmax") == 3
    bounds = {t.name: numpy_helper.to_array(t).tolist()[0] for t in cut.graph.initializer if t.name.startswith("y/")}
    rows = [(bounds[f"y/{i}/queries/start"], bounds[f"y/{i}/queries/end"]) for i in range(3)]
    assert rows == [(0, 2), (2, 4), (3, 5)]
    assert (bounds["y/2/new/start"], bounds["y/2/new/end"], bounds["y/2/new/axis"]) == (1, 2, -2)
    picture = rng.random((1, 5, 3)).astype(np.float32)
    results = [ReferenceEvaluator(proto).run(None, {"x": picture})[0] for proto in (whole, cut)]
    np.testing.assert_allclose(results[0], results[1], rtol=1e-6)
    assert attention.chunk_attention(whole, whole_bytes=80, least_rows=1) == whole
    for changed in ({"axis": 1}, {"axis": 0}):
        other = onnx.ModelProto()
        other.CopyFrom(whole)
        other.graph.node[2].attribute[0].i = changed["axis"]
        assert attention.chunk_attention(other, whole_bytes=32, least_rows=1) == other


def test_networks_are_run_eight_times_up_to_a_size(monkeypatch: pytest.MonkeyPatch) -> None:
    proto = one("Relu")
    monkeypatch.setattr(ensemble, "_MAX_NODES", 8)
    assert len(ensemble.ensemble(proto).graph.node) > 8
    monkeypatch.setattr(ensemble, "_MAX_NODES", 7)
    refused(lambda: ensemble.ensemble(proto), "has 1 operations, too many to run 8 times; leave tta out")


@pytest.mark.parametrize(
    ("size", "multiple", "fine"), [((5, 5), 4, True), ((4, 99), 4, False), ((99, 4), 4, False), ((17, 17), 16, True)]
)
def test_pictures_are_large_enough_to_be_reflected(size: tuple[int, int], multiple: int, fine: bool) -> None:
    least = multiple + 1
    check(lambda: style.check_size(size, multiple), "" if fine else f"too small for the network; {least}x{least} or")


def test_looks_are_whole_unless_said() -> None:
    look = style.Look()
    assert (look.multiple, look.strength, look.work_size, look.detail) == (4, 1.0, None, 1.0)


# Resampling


def test_kernels_at_their_knots() -> None:
    x = np.array([0, 0.5, 1, 1.5, 2, 2.5, -0.5, -1.5])
    assert catmull_rom(x).tolist() == [1, 0.5625, 0, -0.0625, 0, 0, 0.5625, -0.0625]
    assert bilinear(x).tolist() == [1, 0.5, 0, 0, 0, 0, 0.5, 0]


@pytest.mark.parametrize(
    ("length", "wanted", "expected"),
    [
        (3, 3, np.eye(3)),
        (4, 2, [[0.5, 0.5, 0, 0], [0, 0, 0.5, 0.5]]),
        (3, 2, [[2 / 3, 1 / 3, 0], [0, 1 / 3, 2 / 3]]),
        (3, 1, [[1 / 3] * 3]),
    ],
)
def test_areas_share_samples(length: int, wanted: int, expected: Any) -> None:
    np.testing.assert_allclose(area_matrix(length, wanted), expected, atol=1e-15)


@pytest.mark.parametrize(("length", "wanted"), [(8, 8), (8, 16), (8, 4), (9, 6), (6, 9), (2, 7), (1, 3)])
def test_resizing_takes_samples_by_their_distance(length: int, wanted: int) -> None:
    """Sample by sample, with mirrored ones written out."""
    found = resize_matrix(length, wanted)
    step = length / wanted
    wide = max(1.0, step)
    expected = np.zeros((wanted, length))
    for i in range(wanted):
        center = (i + 0.5) * step - 0.5
        for k in range(-3 * length - 8, 3 * length + 8):
            at = -1 - k if k < 0 else 2 * length - 1 - k if k >= length else k
            weight = catmull_rom(np.array([(k - center) / wide]))[0]
            expected[i, min(max(at, 0), length - 1)] += weight
    np.testing.assert_allclose(found, expected / expected.sum(axis=1, keepdims=True), atol=1e-12)


def test_numbers_beyond_the_ends_are_mirrored() -> None:
    assert mirror(np.arange(-4, 7), 3).tolist() == [2, 2, 1, 0, 0, 1, 2, 2, 1, 0, 0]
    assert mirror(np.arange(-2, 3), 1).tolist() == [0] * 5
