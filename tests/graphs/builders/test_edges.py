"""What builders decide by numbers, at the edge of each."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import onnx
import pytest
from onnx import helper, numpy_helper

from tests.support.refusals import check
from vsanime.coding import LUMA_WEIGHTS, Coding
from vsanime.graphs.blocks import Blocks
from vsanime.graphs.builders import colorize, lineart, rgb, sketchkeras
from vsanime.graphs.builders.colorize import Kind, Picture
from vsanime.graphs.codes import decode, encode
from vsanime.graphs.writer import GraphWriter
from vsanime.spec import GraphTraits, TensorSpec

# Lines


def test_pens_unless_said() -> None:
    pen = lineart.Pen(1.0)
    assert (pen.threshold, pen.gain, pen.surround, pen.radius) == (0.015, 20.0, 2.5, 8)
    assert (lineart.LEAST_SIGMA, lineart.MOST_SIGMA) == (0.1, 20.0)


@pytest.mark.parametrize(
    ("sigma", "surround", "radius"), [(1, 1, 3), (1, 1.01, 4), (2.0000000001, 1, 6), (0.8, 2.5, 6), (0.1, 1, 1)]
)
def test_pens_see_three_sigmas(sigma: float, surround: float, radius: int) -> None:
    assert lineart.Pen(sigma, surround=surround).radius == radius


@pytest.mark.parametrize(
    ("height", "sigma"), [(1080, 1.08), (400, 0.4), (399, 0.4), (1, 0.4), (20_000, 20), (30_000, 20)]
)
def test_sigmas_follow_the_height(height: int, sigma: float) -> None:
    assert lineart.usual_sigma(height) == pytest.approx(sigma)


def test_gaussians_are_symmetrical_and_add_up() -> None:
    weights = lineart.gaussian(2.0, 3)
    assert weights.shape == (7,)
    np.testing.assert_allclose(weights / weights[3], np.exp(-np.array([9, 4, 1, 0, 1, 4, 9]) / 8))
    assert weights.sum() == pytest.approx(1)


# SketchKeras


def test_sketches_unless_said() -> None:
    sketch = sketchkeras.Sketch()
    assert (sketch.long_side, sketch.gain, sketch.threshold) == (512, 0.75, 0.0)
    assert (sketchkeras.MULTIPLE, sketchkeras.LEAST) == (16, 32)


@pytest.mark.parametrize(
    ("frame", "long_side", "work"),
    [
        ((512, 100), 512, (512, 100)),
        ((100, 513), 512, (100, 512)),
        ((1024, 512), 512, (512, 256)),
        ((10, 10), 512, (10, 10)),
        ((2000, 1), 512, (512, 1)),
        ((1, 2000), 512, (1, 512)),
    ],
)
def test_sketches_see_a_smaller_picture(frame: tuple[int, int], long_side: int, work: tuple[int, int]) -> None:
    assert sketchkeras.work_size(frame, long_side) == work


@pytest.mark.parametrize(
    ("size", "message"),
    [
        ((10, 10), ""),
        ((9, 10), "would see 9x10 pixels of a frame of 9x10; 10 or more each way"),
        ((10, 9), "would see 10x9 pixels"),
        ((1024, 20), ""),
        ((1024, 18), "would see 512x9 pixels of a frame of 1024x18"),
    ],
)
def test_sketches_need_something_to_blur(size: tuple[int, int], message: str) -> None:
    check(lambda: sketchkeras.check_size(size, 512), message)


# Colorization


def test_networks_of_colorization_unless_said() -> None:
    assert (colorize.MULTIPLE, colorize.KEYS, colorize.FRAMES) == (16, 2, 3)
    assert Picture("a", 1, 3).dtype == "uint8"


KIND = Kind((Picture("key", 1, 3),), (Picture("frame", 1, 1),), ("worth", "style"), 4, ("out",))


def test_specs_of_a_cut() -> None:
    cut = colorize.Cut(KIND, (5, 7), (False, True))
    assert cut.specs(2, (32, 64)) == (
        TensorSpec("worth", "float32", (2, 5, 16, 8)), TensorSpec("style", "float32", (2, 7, 1, 1))
    )  # fmt: skip
    assert KIND.inputs == ["frame", "key"]


def coloring(worth: str = "worth", output: str = "out") -> onnx.ModelProto:
    """A network whose key is averaged over cells of 4 pixels, and over all of them."""
    nodes = [
        helper.make_node("AveragePool", ["key"], ["cells"], kernel_shape=[4, 4], strides=[4, 4]),
        helper.make_node("Reshape", ["cells", "flat"], [worth]),
        helper.make_node("ReduceMean", ["key"], ["style"], axes=[2, 3], keepdims=0),
        helper.make_node("ReduceMean", ["style"], ["level"], axes=[0, 1], keepdims=1),
        helper.make_node("ReduceMean", [worth], ["mean"], axes=[0, 1, 2], keepdims=0),
        helper.make_node("Add", ["level", "mean"], ["sum"]),
        helper.make_node("Concat", ["frame", "frame", "frame"], ["three"], axis=1),
        helper.make_node("Add", ["three", "sum"], [output]),
    ]
    ends = [
        helper.make_tensor_value_info(name, 1, [1, channels, "h", "w"])
        for name, channels in (("key", 3), ("frame", 1), (output, 3))
    ]
    flat = numpy_helper.from_array(np.array([0, 0, -1]), "flat")
    graph = helper.make_graph(nodes, "net", ends[:2], ends[2:], [flat])
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)


def test_networks_are_cut_where_their_kind_says() -> None:
    cut = colorize.cut_of(coloring(), [KIND])
    assert (cut.channels, cut.flat) == ((3, 3), (False, True))
    for size in ((32, 48), (48, 32)):
        assert colorize.key_graph(coloring(), cut, size, GraphTraits()).outputs == cut.specs(1, size)
        graph = colorize.frame_graph(coloring(), cut, size, GraphTraits())
        assert [spec.shape for spec in graph.inputs] == [
            (1, 1, size[1], size[0]), (2, 3, size[1] // 4, size[0] // 4), (2, 3, 1, 1)
        ]  # fmt: skip
    check(lambda: colorize.cut_of(coloring(output="other"), [KIND]), "takes frame, key and gives other; one that takes")
    check(lambda: colorize.cut_of(coloring(worth="w"), [KIND]), "depend on worth; it cannot be cut there")
    traits = GraphTraits(any_size=True)
    check(lambda: colorize.key_graph(coloring(), cut, (32, 32), traits), "one engine a size")
    check(lambda: colorize.frame_graph(coloring(), cut, (32, 32), traits), "one engine a size")


@pytest.mark.parametrize(
    ("inputs", "outputs", "message"),
    [
        (["lines", "colours"], ["colour"], ""),
        (["lines", "colours"], ["colour", "more"], ""),
        (["lines"], ["colour"], "takes lines and gives colour; one that takes colours, lines and gives colour is"),
        (["lines", "colours", "more"], ["colour"], "takes colours, lines, more"),
        (["lines", "colours"], ["color"], "gives color; one"),
        ([], [], "takes nothing and gives nothing"),
    ],
)
def test_temporal_networks_are_told_by_their_ends(inputs: list[str], outputs: list[str], message: str) -> None:
    ends = [[helper.make_tensor_value_info(name, 1, None) for name in names] for names in (inputs, outputs)]
    proto = helper.make_model(helper.make_graph([], "net", *ends))
    check(lambda: colorize.check_temporal_network(proto), message)


# RGB, codes, blocks


def test_luma_and_differences_are_the_standards() -> None:
    """Of BT.601, whose weights are 0.299, 0.587 and 0.114."""
    matrix = next(key for key, value in LUMA_WEIGHTS.items() if value == (0.299, 0.114))
    spec = type("Spec", (), {"format": type("Form", (), {"family": rgb.Family.YUV}), "matrix": matrix})
    there, back = rgb._planes_of_rgb(spec), rgb._rgb_of_planes(spec)  # type: ignore[arg-type]
    np.testing.assert_allclose(
        there, [[0.299, 0.587, 0.114], [-0.168736, -0.331264, 0.5], [0.5, -0.418688, -0.081312]], atol=1e-6
    )
    np.testing.assert_allclose(there @ back, np.eye(3), atol=1e-12)


def ops(write: Callable[[GraphWriter], object]) -> list[str]:
    writer = GraphWriter()
    write(writer)
    return [f"{node.op_type}" for node in writer._nodes]


@pytest.mark.parametrize(
    ("coding", "decoding", "encoding"),
    [
        (Coding("uint8", 0.0, 255.0, 0.0, 255.0), ["Cast", "Mul"], ["Mul", "Add", "Clip", "Cast"]),
        (Coding("uint8", 16.0, 219.0, 0.0, 255.0), ["Cast", "Mul", "Add"], ["Mul", "Add", "Clip", "Cast"]),
        (Coding("float32", 0.0, 1.0, 0.0, None), [], []),
        (Coding("float32", 0.0, 1.0, 0.5, None), ["Add"], ["Add"]),
        (Coding("float32", 0.0, 2.0, 0.0, None), ["Mul"], ["Mul"]),
        (Coding("float16", 0.0, 1.0, 0.0, None), ["Cast"], ["Cast"]),
    ],
)
def test_codes_take_no_more_nodes_than_they_need(coding: Coding, decoding: list[str], encoding: list[str]) -> None:
    assert ops(lambda writer: decode(writer, "x", coding)) == decoding
    assert ops(lambda writer: encode(writer, "x", coding)) == encoding


@pytest.mark.parametrize(("side", "counts"), [(1, [1, 2, 3, 4]), (2, [1, 1, 2, 2]), (3, [1, 1, 1, 2])])
def test_blocks_cover_a_length(side: int, counts: list[int]) -> None:
    blocks = Blocks(planes=2, scale=3, mode="CRD", side=side)
    assert [blocks.count(length) for length in range(1, 5)] == counts
    assert (blocks.shuffle, blocks.channels) == (3 * side, 2 * 9 * side**2)


def test_kernels_for_blocks_move_with_their_pixel() -> None:
    blocks = Blocks(planes=1, scale=1, mode="CRD", side=2)
    weight = np.arange(1.0, 10).reshape(1, 1, 3, 3)
    kernel = blocks.kernel(weight)
    assert kernel.shape == (4, 1, 4, 4)
    for pixel, (y, x) in enumerate(np.ndindex(2, 2)):
        expected = np.zeros((4, 4))
        expected[y : y + 3, x : x + 3] = weight[0, 0]
        assert np.array_equal(kernel[pixel, 0], expected)
    below = blocks.kernel(weight[:, :, :1], rows=range(1, 2))
    assert below.shape == (4, 1, 1, 4)
    assert [below[pixel].any() for pixel in range(4)] == [False, False, True, True]
    right = blocks.kernel(weight[:, :, :, :1], columns=range(1, 2))
    assert right.shape == (4, 1, 4, 1)
    assert [right[pixel].any() for pixel in range(4)] == [False, True, False, True]
    assert blocks.bias(np.array([5.0])).tolist() == [5, 5, 5, 5]
    assert blocks.bias(np.array([5.0]), rows=range(1, 2)).tolist() == [0, 0, 5, 5]
    assert blocks.bias(np.array([5.0]), columns=range(1)).tolist() == [5, 0, 5, 0]


def test_outputs_for_blocks_keep_their_order() -> None:
    values = np.arange(8.0)
    found = {mode: Blocks(2, 2, mode, 1).place(values, 0, 0).tolist() for mode in ("CRD", "DCR")}
    assert found == {"CRD": [0, 1, 2, 3, 4, 5, 6, 7], "DCR": [0, 2, 4, 6, 1, 3, 5, 7]}
    placed = Blocks(1, 2, "CRD", 2).place(np.arange(1.0, 5), 1, 0).reshape(4, 4)
    assert placed.tolist() == [[0] * 4, [0] * 4, [1, 2, 0, 0], [3, 4, 0, 0]]
