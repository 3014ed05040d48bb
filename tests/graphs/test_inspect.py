"""Scale, radius and multiple are read right: against the published table, and against perturbing one pixel."""

from __future__ import annotations

import numpy as np
import onnx
import pytest
from onnx import helper

from tests.support.networks import artcnn_like, layers
from tests.support.reference import run_plain
from tests.support.weightfiles import RANDOM_R, path_of, third_party
from vsanime.errors import VsanimeError
from vsanime.graphs.inspect import inspect

RNG = np.random.default_rng(1)


def kernel(out: int, into: int, side: int) -> np.ndarray:
    """Positive weights, so that no two paths cancel."""
    return RNG.random((out, into, side, side)).astype(np.float32)


def reach(proto: onnx.ModelProto, size: int, scale: int) -> int:
    """How far an output pixel sees, by perturbing one input pixel."""
    net = inspect(proto)
    base = np.full((1, net.in_channels, size, size), 0.4, np.float32)
    touched = base.copy()
    middle = size // 2
    touched[:, :, middle, middle] += 0.3
    blob = proto.SerializeToString()
    changed = np.abs(run_plain(blob, touched) - run_plain(blob, base)).max((0, 1)) > 0
    rows, columns = np.nonzero(changed)
    return int(max(abs(rows // scale - middle).max(), abs(columns // scale - middle).max()))


FACTS = {
    "C4F16": (2, 7, (1, 1), 12_340),
    "C4F32_DS": (2, 7, (1, 1), 47_716),
    "R8F64": (2, 27, (1, 1), 926_148),
    "C4F32_Chroma": (1, 7, (3, 2), 47_714),
}
OF_THE_SAME_SIZE = {
    "C4F16_VA": "C4F16", "C4F32_DS_VA": "C4F32_DS", RANDOM_R: "R8F64", "C4F32_Chroma_VA": "C4F32_Chroma"
}  # fmt: skip


@pytest.mark.parametrize("name", [*OF_THE_SAME_SIZE, *third_party(*FACTS)])
def test_networks_have_the_published_facts(name: str) -> None:
    scale, radius, channels, parameters = FACTS[OF_THE_SAME_SIZE.get(name, name)]
    facts = inspect(onnx.load(path_of(name)))
    assert (facts.scale, facts.radius, facts.multiple) == (scale, radius, 1)
    assert (facts.in_channels, facts.out_channels) == channels
    assert facts.parameters == parameters
    assert facts.linear_path


@pytest.mark.parametrize("name", ["C4F16_VA", "C4F32_Chroma_VA", *third_party("C4F16", "C4F32_Chroma")])
def test_no_pixel_beyond_the_radius_matters(name: str) -> None:
    proto = onnx.load(path_of(name))
    facts = inspect(proto)
    assert facts.radius is not None
    # ReLU can only hide a dependence, so what is seen is a lower bound; every real pixel within it counts.
    assert reach(proto, 64, facts.scale) <= facts.radius


CASES = {
    "dilated": layers(
        helper.make_node("Conv", ["input", "w"], ["output"], kernel_shape=[3, 3], dilations=[4, 4], pads=[4] * 4),
        channels=(1, 2), w=kernel(2, 1, 3),
    ),
    "transposed": layers(
        helper.make_node("Conv", ["input", "w"], ["a"], kernel_shape=[3, 3], pads=[1] * 4),
        helper.make_node("ConvTranspose", ["a", "t"], ["output"], kernel_shape=[4, 4], strides=[2, 2], pads=[1] * 4),
        channels=(1, 3), w=kernel(4, 1, 3), t=kernel(4, 3, 4),
    ),
    "down and up": layers(
        helper.make_node("Conv", ["input", "w"], ["a"], kernel_shape=[3, 3], strides=[2, 2], pads=[1] * 4),
        helper.make_node("Conv", ["a", "m"], ["b"], kernel_shape=[3, 3], pads=[1] * 4),
        helper.make_node("DepthToSpace", ["b"], ["c"], blocksize=2),
        helper.make_node("Add", ["c", "input"], ["output"]),
        channels=(1, 1), w=kernel(4, 1, 3), m=kernel(4, 4, 3),
    ),
    "split": layers(
        helper.make_node("SpaceToDepth", ["input"], ["a"], blocksize=2),
        helper.make_node("Conv", ["a", "w"], ["b"], kernel_shape=[3, 3], pads=[1] * 4),
        helper.make_node("DepthToSpace", ["b"], ["output"], blocksize=2),
        channels=(1, 1), w=kernel(4, 4, 3),
    ),
    "replicated": layers(
        helper.make_node("Pad", ["input", "p"], ["a"], mode="edge"),
        helper.make_node("Conv", ["a", "w"], ["output"], kernel_shape=[5, 5]),
        channels=(1, 1), w=kernel(1, 1, 5), p=np.array([0, 0, 2, 2, 0, 0, 2, 2]),
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", CASES)
def test_radius_and_scale_equal_a_perturbed_pixel(name: str) -> None:
    proto = CASES[name]
    facts = inspect(proto)
    expected = {"dilated": 1, "transposed": 2, "down and up": 1, "split": 1, "replicated": 1}
    assert facts.scale == expected[name]
    assert facts.radius is not None
    # Nets that step over pixels treat even and odd ones differently: the radius covers the worse of two neighbours.
    seen = max(reach(proto, 64, facts.scale), reach(proto, 66, facts.scale))
    assert seen <= facts.radius <= seen + 1


@pytest.mark.parametrize(("name", "multiple"), [("dilated", 1), ("transposed", 1), ("down and up", 2), ("split", 2)])
def test_size_multiple(name: str, multiple: int) -> None:
    assert inspect(CASES[name]).multiple == multiple


GLOBAL = {
    "norm": layers(
        helper.make_node("InstanceNormalization", ["input", "s", "b"], ["output"]),
        channels=(1, 1), s=np.ones(1, np.float32), b=np.zeros(1, np.float32),
    ),
    "squeeze": layers(
        helper.make_node("GlobalAveragePool", ["input"], ["a"]),
        helper.make_node("Conv", ["a", "w"], ["b"], kernel_shape=[1, 1]),
        helper.make_node("Sigmoid", ["b"], ["c"]),
        helper.make_node("Mul", ["input", "c"], ["output"]),
        channels=(2, 2), w=kernel(2, 2, 1),
    ),
    "mean": layers(
        helper.make_node("ReduceMean", ["input"], ["a"], axes=[2, 3], keepdims=1),
        helper.make_node("Sub", ["input", "a"], ["output"]),
        channels=(1, 1),
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", GLOBAL)
def test_global_operations_need_the_whole_frame(name: str) -> None:
    assert inspect(GLOBAL[name]).radius is None


def test_a_mean_over_channels_leaves_the_radius_alone() -> None:
    proto = layers(
        helper.make_node("ReduceMean", ["input"], ["a"], axes=[1], keepdims=1),
        helper.make_node("Conv", ["a", "w"], ["output"], kernel_shape=[3, 3], pads=[1] * 4),
        channels=(3, 1), w=kernel(1, 1, 3),
    )  # fmt: skip
    assert inspect(proto).radius == 1


def test_two_inputs_are_refused() -> None:
    proto = artcnn_like()
    proto.graph.input.append(helper.make_tensor_value_info("mask", 1, ["n", 1, "h", "w"]))
    with pytest.raises(VsanimeError, match="2 inputs and 1 outputs"):
        inspect(proto)
