"""A plain ONNX is taken apart rightly: weights wherever they stand, channels, the last layers, plain convolutions."""

from __future__ import annotations

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper, parser

from tests.support.networks import artcnn_like, layers
from vsanime.errors import VsanimeError
from vsanime.graphs.network import attributes, clip_bounds, find_needed, read_network, read_same_conv, read_tail


def conv(name: str, source: str, result: str, **given: object) -> onnx.NodeProto:
    return helper.make_node("Conv", [source, name], [result], **given)


def weight(out: int, into: int, side: int = 3, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).random((out, into, side, side)).astype(np.float32)


def test_weights_are_found_wherever_they_stand() -> None:
    proto = parser.parse_model("""
        <ir_version: 8, opset_import: ["" : 17]>
        net (float[N,1,H,W] input) => (float[N,1,H,W] output) <float[1,1,1,1] stored = {3.0}>
        { tensor = Constant <value = float[1] {2.0}> ()
          single = Constant <value_float = 0.5> ()
          many = Constant <value_ints = [1, 2, 3]> ()
          again = Identity (stored)
          unused = Relu (input)
          a = Conv (input, again)
          b = Mul (a, tensor)
          c = Mul (b, single)
          d = Tile (c, many)
          output = Identity (d) }
    """)
    net = read_network(proto)
    assert {name: array.tolist() for name, array in net.weights.items()} == {
        "stored": [[[[3.0]]]],
        "again": [[[[3.0]]]],
        "tensor": [2.0],
        "single": 0.5,
        "many": [1, 2, 3],
    }
    assert [node.op_type for node in net.nodes] == ["Conv", "Mul", "Mul", "Tile", "Identity"]
    assert (net.input, net.output, net.opset) == ("input", "output", 17)
    producer = net.producer("b")
    assert producer is not None
    assert producer.input[0] == "a"
    assert net.producer("input") is None
    assert [node.output[0] for node in net.consumers("a")] == ["b"]


def test_only_nodes_that_a_result_needs_are_kept_in_their_order() -> None:
    nodes = [
        helper.make_node("Relu", ["x"], ["a"]),
        helper.make_node("Relu", ["x"], ["beside"]),
        helper.make_node("Split", ["a"], ["b", "c"]),
        helper.make_node("Add", ["c", "x"], ["d"]),
        helper.make_node("Relu", ["d"], ["later"]),
    ]
    assert [node.output[0] for node in find_needed(nodes, "d")] == ["a", "b", "d"]


@pytest.mark.parametrize(("declared", "group", "channels"), [(3, 1, 3), (0, 1, 3), (0, 2, 6)])
def test_channels_are_declared_or_told_by_the_first_convolution(declared: int, group: int, channels: int) -> None:
    proto = layers(
        helper.make_node("Conv", ["w", "v"], ["beside"]),
        conv("w", "input", "a", group=group),
        helper.make_node("Add", ["a", "beside"], ["output"]),
        channels=(3 * group, 4), w=weight(4, 3), v=weight(4, 3),
    )  # fmt: skip
    size = proto.graph.input[0].type.tensor_type.shape.dim[1]
    size.Clear()
    if declared:
        size.dim_value = declared
    assert read_network(proto).in_channels == channels


def test_channels_that_nothing_tells_are_zero() -> None:
    proto = layers(helper.make_node("Relu", ["input"], ["output"]), channels=(1, 1))
    proto.graph.input[0].type.tensor_type.shape.dim[1].Clear()
    assert read_network(proto).in_channels == 0


def test_trained_values_are_those_of_layers_and_of_norms_that_are_written_out() -> None:
    proto = layers(
        conv("w", "input", "a"),
        helper.make_node("Add", ["a", "offset"], ["b"]),
        helper.make_node("Mul", ["b", "one"], ["c"]),
        helper.make_node("Mul", ["c", "flat"], ["d"]),
        helper.make_node("Max", ["d", "floor"], ["output"]),
        channels=(2, 4),
        w=weight(4, 2),
        offset=weight(1, 4, 1),
        one=weight(1, 1, 1),
        flat=np.ones(4, np.float32)[:, None, None],
        floor=weight(1, 4, 1),
    )
    assert read_network(proto).parameters() == 4 * 2 * 9 + 4


@pytest.mark.parametrize(
    ("kind", "shape", "message"),
    [
        (TensorProto.FLOAT, [1, 1, 8], "input is float with 3 axes; float with 4"),
        (TensorProto.UINT8, [1, 1, 8, 8], "input is uint8 with 4 axes; float with 4"),
    ],
)
def test_input_that_is_no_picture_is_refused(kind: int, shape: list[int], message: str) -> None:
    ends = [helper.make_tensor_value_info(name, kind, shape) for name in ("input", "output")]
    graph = helper.make_graph([helper.make_node("Identity", ["input"], ["output"])], "net", ends[:1], ends[1:])
    with pytest.raises(VsanimeError, match=message):
        read_network(helper.make_model(graph))


def test_two_outputs_are_refused() -> None:
    proto = artcnn_like()
    proto.graph.output.append(helper.make_tensor_value_info("sum", 1, None))
    with pytest.raises(VsanimeError, match="1 inputs and 2 outputs"):
        read_network(proto)


# How networks end


@pytest.mark.parametrize("clip_last", [False, True])
@pytest.mark.parametrize("mode", ["CRD", "DCR"])
def test_tail_is_a_convolution_clipping_and_a_shuffle(mode: str, clip_last: bool) -> None:
    tail = read_tail(read_network(artcnn_like(mode=mode, clip_last=clip_last)))
    assert tail is not None
    assert (tail.conv.output[0], tail.low, tail.high, tail.scale, tail.mode) == ("last", 0.0, 1.0, 2, mode)


def test_tail_without_clipping_or_shuffle_is_a_convolution() -> None:
    tail = read_tail(read_network(layers(conv("w", "input", "output"), channels=(1, 1), w=weight(1, 1))))
    assert tail is not None
    assert (tail.low, tail.high, tail.scale, tail.mode) == (None, None, 1, "DCR")


def clip(source: str, result: str, *bounds: str) -> onnx.NodeProto:
    return helper.make_node("Clip", [source, *bounds], [result])


SHUFFLES = [helper.make_node("DepthToSpace", [a], [b], blocksize=2) for a, b in (("a", "b"), ("b", "output"))]
BOUNDS = {"low": np.float32(0), "high": np.float32(1), "w": weight(16, 1)}
OTHER_ENDS = {
    "two clips": [conv("w", "input", "a"), clip("a", "b", "low"), clip("b", "output", "", "high")],
    "two shuffles": [conv("w", "input", "a"), *SHUFFLES],
    "another activation": [conv("w", "input", "a"), helper.make_node("Tanh", ["a"], ["output"])],
    "bounds that are computed": [
        conv("w", "input", "a"),
        helper.make_node("ReduceMin", ["a"], ["least"], keepdims=0),
        clip("a", "output", "least"),
    ],
    "a convolution that is read twice": [
        conv("w", "input", "a"),
        clip("a", "b", "low", "high"),
        helper.make_node("ReduceSum", ["a"], ["sum"]),
        helper.make_node("Add", ["b", "sum"], ["c"]),
        clip("c", "output", "low", "high"),
    ],
    "nothing but clipping": [clip("input", "output", "low", "high")],
}


@pytest.mark.parametrize("name", OTHER_ENDS)
def test_networks_that_end_otherwise_have_no_tail(name: str) -> None:
    proto = layers(*OTHER_ENDS[name], channels=(1, 16), **BOUNDS)
    assert read_tail(read_network(proto)) is None


def test_clipped_result_that_is_read_beside_its_end_is_no_tail() -> None:
    """The convolution is read once; the clipped tensor by the output and by a node that the output needs."""
    nodes = [
        conv("w", "input", "a"),
        clip("a", "b", "low", "high"),
        helper.make_node("DepthToSpace", ["b"], ["output"], blocksize=4),
    ]
    net = read_network(layers(*nodes, channels=(1, 1), **BOUNDS))
    assert read_tail(net) is not None
    beside = helper.make_node("Relu", ["b"], ["c"])
    assert read_tail(type(net)(**{**vars(net), "nodes": (*net.nodes, beside)})) is None


@pytest.mark.parametrize(
    ("bounds", "expected"),
    [((), (None, None)), (("low",), (-1.0, None)), (("", "high"), (None, 2.0)), (("low", "high"), (-1.0, 2.0))],
)
def test_bounds_are_inputs(bounds: tuple[str, ...], expected: tuple[float | None, float | None]) -> None:
    node = clip("input", "output", *bounds)
    net = read_network(layers(node, channels=(1, 1), low=np.float32(-1), high=np.float32(2)))
    assert clip_bounds(net, node) == expected


@pytest.mark.parametrize(
    ("given", "expected"), [({"min": -1.0, "max": 2.0}, (-1.0, 2.0)), ({"max": 2.0}, (None, 2.0)), ({}, (None, None))]
)
@pytest.mark.parametrize("opset", [6, 10])
def test_bounds_are_attributes_in_old_files(
    opset: int, given: dict[str, float], expected: tuple[float | None, float | None]
) -> None:
    node = helper.make_node("Clip", ["input"], ["output"], **given)
    ends = [helper.make_tensor_value_info(name, 1, [1, 1, "h", "w"]) for name in ("input", "output")]
    graph = helper.make_graph([node], "net", ends[:1], ends[1:])
    proto = helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)])
    assert clip_bounds(read_network(proto), node) == expected


# Plain convolutions


PLAIN = {
    "no bias": ({"pads": [1] * 4}, 3, False),
    "a bias": ({"pads": [1] * 4}, 3, True),
    "all said": ({"pads": [2] * 4, "strides": [1, 1], "dilations": [1, 1], "group": 1}, 5, True),
    "the same size": ({"auto_pad": "SAME_UPPER"}, 3, False),
    "the same size, lower": ({"auto_pad": "SAME_LOWER"}, 5, False),
    "one tap": ({}, 1, False),
}


@pytest.mark.parametrize("name", PLAIN)
def test_plain_convolutions_are_read(name: str) -> None:
    given, side, has_bias = PLAIN[name]
    kernel, bias = weight(3, 3, side), np.arange(3, dtype=np.float32)
    node = helper.make_node("Conv", ["input", "w", *(["b"] if has_bias else [])], ["output"], **given)
    found = read_same_conv(read_network(layers(node, channels=(3, 3), w=kernel, b=bias)), node)
    assert found is not None
    assert np.array_equal(found.weight, kernel)
    assert np.array_equal(found.bias, bias if has_bias else np.zeros(3))
    assert found.weight.dtype == found.bias.dtype == np.float64
    assert found.pad == side // 2


OTHERS = {
    "no padding": ({}, (3, 3, 3, 3)),
    "less padding": ({"pads": [1] * 4}, (3, 3, 5, 5)),
    "padding on one side": ({"pads": [2, 2, 0, 0]}, (3, 3, 3, 3)),
    "stride": ({"pads": [1] * 4, "strides": [1, 2]}, (3, 3, 3, 3)),
    "dilation": ({"pads": [1] * 4, "dilations": [2, 1]}, (3, 3, 3, 3)),
    "groups": ({"pads": [1] * 4, "group": 3}, (3, 1, 3, 3)),
    "an even kernel": ({"auto_pad": "SAME_UPPER"}, (3, 3, 2, 2)),
    "a kernel that is not square": ({"auto_pad": "SAME_UPPER"}, (3, 3, 3, 1)),
}


@pytest.mark.parametrize("name", OTHERS)
def test_other_convolutions_are_none(name: str) -> None:
    given, shape = OTHERS[name]
    node = conv("w", "input", "output", **given)
    net = read_network(layers(node, channels=(3, 3), w=np.ones(shape, np.float32)))
    assert read_same_conv(net, node) is None


def test_other_nodes_and_computed_weights_are_no_plain_convolution() -> None:
    relu, other = helper.make_node("Relu", ["input"], ["a"]), conv("a", "input", "output")
    net = read_network(layers(relu, other, channels=(3, 3)))
    assert read_same_conv(net, relu) is None
    assert read_same_conv(net, other) is None


def test_attributes_are_python_values() -> None:
    node = helper.make_node("Conv", ["x"], ["y"], pads=[1, 2], group=3, auto_pad="VALID")
    assert attributes(node) == {"pads": [1, 2], "group": 3, "auto_pad": b"VALID"}
    held = numpy_helper.from_array(np.array([1.5]))
    assert numpy_helper.to_array(attributes(helper.make_node("Constant", [], ["y"], value=held))["value"]) == [1.5]
