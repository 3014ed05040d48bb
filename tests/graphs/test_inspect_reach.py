"""Which input samples each output sample depends on, node by node: against ONNX Runtime with one row perturbed."""

from __future__ import annotations

import numpy as np
import onnx
import pytest
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

from tests.support.networks import layers
from tests.support.reference import run_plain
from vsanime.errors import VsanimeError
from vsanime.graphs.inspect import NetFacts, _SizeError, _Trace, inspect
from vsanime.graphs.network import read_network

RNG = np.random.default_rng(2)
SIZE = (13, 18)  # rows, columns


def kernel(*shape: int) -> np.ndarray:
    """Positive weights, so that no two paths cancel."""
    return (0.5 + RNG.random(shape)).astype(np.float32)


def one(op: str, *more: str, channels: tuple[int, int] = (1, 1), opset: int = 17, **rest: object) -> onnx.ModelProto:
    """A network of one node; arrays are its weights, all else its attributes."""
    weights = {name: value for name, value in rest.items() if isinstance(value, np.ndarray)}
    given = {name: value for name, value in rest.items() if name not in weights}
    node = helper.make_node(op, ["input", *more], ["output"], **given)
    if opset == 17:
        return layers(node, channels=channels, **weights)
    ends = [
        helper.make_tensor_value_info(name, TensorProto.FLOAT, ["n", count, f"{name}_h", f"{name}_w"])
        for name, count in zip(("input", "output"), channels, strict=True)
    ]
    graph = helper.make_graph(
        [node], "net", ends[:1], ends[1:], [numpy_helper.from_array(value, name) for name, value in weights.items()]
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)], ir_version=8)


EXACT = {
    "conv": one("Conv", "w", w=kernel(1, 1, 3, 5), pads=[2, 1, 0, 4]),
    "conv without pads": one("Conv", "w", w=kernel(1, 1, 3, 2)),
    "conv of stride": one("Conv", "w", w=kernel(1, 1, 3, 5), strides=[2, 3], pads=[1, 0, 2, 1]),
    "dilated conv": one("Conv", "w", w=kernel(1, 1, 3, 2), dilations=[2, 5], pads=[2, 3, 1, 0]),
    "conv of the same size": one("Conv", "w", w=kernel(1, 1, 4, 3), auto_pad="SAME_UPPER"),
    "conv of the same size, lower": one("Conv", "w", w=kernel(1, 1, 2, 6), auto_pad="SAME_LOWER"),
    "conv of stride and padding by size": one(
        "Conv", "w", w=kernel(1, 1, 4, 5), strides=[3, 4], auto_pad="SAME_UPPER"
    ),
    "conv of stride beyond its kernel": one("Conv", "w", w=kernel(1, 1, 1, 2), strides=[3, 5], auto_pad="SAME_UPPER"),
    "transposed conv": one("ConvTranspose", "w", w=kernel(1, 1, 4, 3), strides=[2, 3], pads=[1, 0, 2, 1]),
    "transposed conv with more": one("ConvTranspose", "w", w=kernel(1, 1, 3, 4), strides=[2, 2], output_padding=[1, 0]),
    "transposed conv without stride": one("ConvTranspose", "w", w=kernel(1, 1, 3, 2)),
    "average pooling": one("AveragePool", kernel_shape=[3, 2], strides=[2, 1], pads=[1, 0, 0, 1]),
    "average pooling of all": one("AveragePool", kernel_shape=[2, 4]),
    "edge": one("Pad", "p", p=np.array([0, 0, 2, 3, 0, 0, 1, 4]), mode="edge"),
    "reflection": one("Pad", "p", p=np.array([0, 0, 2, 3, 0, 0, 1, 4]), mode="reflect"),
    "zeros": one("Pad", "p", p=np.array([0, 0, 2, 3, 0, 0, 1, 4])),
    "zeros by attribute": one("Pad", opset=10, pads=[0, 0, 2, 3, 0, 0, 1, 4]),
    "crop": one("Pad", "p", p=np.array([0, 0, -2, 0, 0, 0, -1, -4]), mode="edge"),
    "depth to space": one("DepthToSpace", channels=(4, 1), blocksize=2),
    "nearest": one(
        "Resize", "", "s", s=np.float32([1, 1, 2, 3]), coordinate_transformation_mode="asymmetric", nearest_mode="floor"
    ),
    "nearest, smaller": one(
        *("Resize", "", "s"), s=np.float32([1, 1, 0.5, 0.25]), coordinate_transformation_mode="asymmetric",
        nearest_mode="floor",
    ),
    "upsample": one("Upsample", "s", opset=9, s=np.float32([1, 1, 3, 2]), mode="nearest"),
    "resize of two inputs": one("Resize", "s", opset=10, s=np.float32([1, 1, 2, 4]), mode="nearest"),
    "slice of rows": one("Slice", "a", "b", "c", a=np.array([2]), b=np.array([-1]), c=np.array([2])),
    "slice of columns by steps": one(
        *("Slice", "a", "b", "c", "d"),
        a=np.array([1]), b=np.array([1 << 40]), c=np.array([-1]), d=np.array([3]),
    ),
    "slice of all axes": one("Slice", "a", "b", a=np.array([0, 0, 1, 2]), b=np.array([1, 1, 9, 9])),
    "slice of channels": one(
        "Slice", "a", "b", "c", channels=(3, 1), a=np.array([1]), b=np.array([2]), c=np.array([1])
    ),
    "mean of channels": one("ReduceMean", channels=(3, 1), axes=[-3]),
    "sum of channels by input": one("ReduceSum", "a", channels=(3, 1), a=np.array([1])),
    "both": layers(
        helper.make_node("Conv", ["input", "w"], ["a"], pads=[0, 0, 4, 4]),
        helper.make_node("Conv", ["input", "w"], ["b"], pads=[4, 4, 0, 0]),
        helper.make_node("Concat", ["a", "b"], ["c"], axis=-3),
        helper.make_node("Conv", ["c", "v"], ["output"]),
        channels=(1, 1), w=kernel(1, 1, 5, 5), v=kernel(1, 2, 1, 1),
    ),
    "one more or less": layers(
        helper.make_node("Conv", ["input", "w"], ["a"], pads=[1, 1, 1, 1]),
        helper.make_node("Add", ["a", "k"], ["output"]),
        channels=(1, 1), w=kernel(1, 1, 3, 3), k=kernel(1, 1, 1, 1),
    ),
}  # fmt: skip
# Every convention for where samples lie is covered, so that more is allowed for than one convention needs.
CAUTIOUS = {
    ("linear", 1): one(
        *("Resize", "", "s"), s=np.float32([1, 1, 2, 3]), mode="linear", coordinate_transformation_mode="asymmetric"
    ),
    ("cubic", 2): one(
        *("Resize", "", "s"), s=np.float32([1, 1, 3, 2]), mode="cubic", coordinate_transformation_mode="asymmetric"
    ),
}


def perturb(proto: onnx.ModelProto, axis: int) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """First and last row (or column) of the input that each one of the output depends on."""
    channels = read_network(proto).in_channels
    blob = proto.SerializeToString()
    base = RNG.random((1, channels, *SIZE)).astype(np.float32)
    result = run_plain(blob, base)
    others = tuple(n for n in range(4) if n != 2 + axis)
    seen = []
    for i in range(SIZE[axis]):
        changed = base.copy()
        changed.swapaxes(0, 2 + axis)[i] += 1
        seen.append((run_plain(blob, changed) != result).any(others))
    touched = np.array(seen)
    index = np.arange(SIZE[axis], dtype=np.float64)[:, None]
    return np.where(touched, index, np.inf).min(0), np.where(touched, index, -np.inf).max(0)


@pytest.mark.parametrize("axis", [0, 1], ids=["rows", "columns"])
@pytest.mark.parametrize("name", EXACT)
def test_reach_of_every_sample_is_what_a_perturbed_row_shows(name: str, axis: int) -> None:
    low, high = perturb(EXACT[name], axis)
    line = _Trace(read_network(EXACT[name])).follow(axis, SIZE[axis])
    np.testing.assert_array_equal(line.low, low)
    np.testing.assert_array_equal(line.high, high)


@pytest.mark.parametrize("axis", [0, 1], ids=["rows", "columns"])
@pytest.mark.parametrize(("mode", "spare"), CAUTIOUS)
def test_reach_of_interpolation_is_wide_enough(mode: str, spare: int, axis: int) -> None:
    low, high = perturb(CAUTIOUS[mode, spare], axis)
    line = _Trace(read_network(CAUTIOUS[mode, spare])).follow(axis, SIZE[axis])
    assert (line.low <= low).all()
    assert (line.high >= high).all()
    factor = {"linear": (2, 3), "cubic": (3, 2)}[mode][axis]
    cells = np.arange(SIZE[axis] * factor) // factor
    np.testing.assert_array_equal(line.low, np.maximum(cells - spare, 0))
    np.testing.assert_array_equal(line.high, np.minimum(cells + spare, SIZE[axis] - 1))


def test_space_to_depth_sees_a_block() -> None:
    net = read_network(one("SpaceToDepth", channels=(1, 9), blocksize=3))
    line = _Trace(net).follow(1, 6)
    assert (line.low.tolist(), line.high.tolist()) == ([0, 3], [2, 5])
    with pytest.raises(_SizeError):
        _Trace(net).follow(1, 7)


def test_kernel_as_long_as_the_line_sees_all_of_it() -> None:
    net = read_network(one("Conv", "w", w=kernel(1, 1, 3, 3)))
    line = _Trace(net).follow(0, 3)
    assert (line.low.tolist(), line.high.tolist()) == ([0], [2])
    with pytest.raises(_SizeError):
        _Trace(net).follow(0, 2)


@pytest.mark.parametrize(
    "proto",
    [
        one("Concat", "input", axis=2),
        one("Softmax", axis=3),
        one("ReduceMax", axes=[1, 2]),
        one("ReduceSum"),
        one("GlobalMaxPool"),
        one("LpNormalization", axis=1),
        one("Pad", "p", p=np.array([0, 0, 1, 1, 0, 0, 1, 1]), mode="wrap", opset=19),
    ],
    ids=["concat of rows", "softmax", "maximum", "sum", "pooling", "unknown", "wrapped"],
)
def test_operations_that_mix_rows_or_are_not_known_need_the_whole_frame(proto: onnx.ModelProto) -> None:
    tail = helper.make_node("Mul", ["input", "mixed"], ["output"])
    proto = onnx.ModelProto.FromString(proto.SerializeToString())
    proto.graph.node[0].output[0] = "mixed"
    if proto.graph.node[0].op_type in ("Concat", "Pad"):
        tail = helper.make_node("Slice", ["mixed", "from", "to"], ["output"])
        for name, ends in (("from", [0, 0, 0, 0]), ("to", [1, 1, 64, 80])):
            proto.graph.initializer.append(numpy_helper.from_array(np.array(ends), name))
    proto.graph.node.append(tail)
    assert inspect(proto).radius is None


def test_facts_of_a_network_with_several_layers() -> None:
    """Three down to half the size, four of those up again to twice the size; 2 + 2 * 1 input pixels beyond its own."""
    proto = layers(
        helper.make_node("Conv", ["input", "a", "ab"], ["x"], strides=[2, 2], pads=[1, 1, 1, 1]),
        helper.make_node("Conv", ["x", "b"], ["y"], pads=[1, 1, 1, 1]),
        helper.make_node("ConvTranspose", ["y", "c"], ["z"], strides=[2, 2]),
        helper.make_node("DepthToSpace", ["z"], ["output"], blocksize=2),
        channels=(3, 2),
        a=kernel(5, 3, 3, 3),
        ab=kernel(5),
        b=kernel(7, 5, 3, 3),
        c=kernel(7, 8, 2, 2),
    )
    parameters = 5 * 3 * 9 + 5 + 7 * 5 * 9 + 7 * 8 * 4
    assert inspect(proto) == NetFacts(
        scale=2,
        radius=4,
        multiple=2,
        in_channels=3,
        out_channels=2,
        parameters=parameters,
        features=8,
        linear_path=False,
    )


@pytest.mark.parametrize(("stride", "multiple"), [(1, 1), (2, 2), (16, 16), (64, 64)])
def test_multiple_is_the_smallest_that_the_network_gives_back(stride: int, multiple: int) -> None:
    down = helper.make_node("Conv", ["input", "w"], ["small"], strides=[stride] * 2)
    up = helper.make_node("ConvTranspose", ["small", "w"], ["output"], strides=[stride] * 2)
    assert inspect(layers(down, up, channels=(1, 1), w=kernel(1, 1, stride, stride))).multiple == multiple


def test_network_of_a_larger_multiple_is_refused() -> None:
    down = helper.make_node("Conv", ["input", "w"], ["small"], strides=[128] * 2)
    up = helper.make_node("ConvTranspose", ["small", "w"], ["output"], strides=[128] * 2)
    with pytest.raises(VsanimeError, match="takes no frame size that is a multiple of 1 to 64"):
        inspect(layers(down, up, channels=(1, 1), w=kernel(1, 1, 128, 128)))


def test_output_that_is_no_multiple_of_the_size_is_refused() -> None:
    proto = one("Conv", "w", w=kernel(1, 1, 2, 2), strides=[2, 2])
    with pytest.raises(VsanimeError, match=r"a 160x128 frame gives an output of shape \[1, 1, 64, 80\]"):
        inspect(proto)
