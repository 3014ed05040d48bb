"""Rewritten networks compute what they did, or what their rewriting is for."""

from __future__ import annotations

import itertools

import numpy as np
import onnx
import pytest
from onnx import helper

from tests.support.networks import artcnn_like, layers
from tests.support.reference import dihedral_mean, run_plain
from vsanime.architectures.layers import Layer
from vsanime.architectures.waifu2x.onnx import upconv
from vsanime.graphs.inspect import inspect
from vsanime.graphs.passes.ensemble import ensemble
from vsanime.graphs.passes.transposed import rewrite_transposed

# The same f32 sums in another order, of up to some hundred terms around 1.
REORDERED = 2e-5


def run(proto: onnx.ModelProto, picture: np.ndarray) -> np.ndarray:
    onnx.checker.check_model(proto)
    return run_plain(proto.SerializeToString(), picture)


def picture(channels: int, width: int = 30, height: int = 22) -> np.ndarray:
    return np.random.default_rng(1).random((1, channels, height, width), np.float32)


def transposed(kernel: int, stride: int, pad: int, *, bias: bool = True, clip: bool = False) -> onnx.ModelProto:
    rng = np.random.default_rng(kernel * 100 + stride * 10 + pad)
    weights = {"w": rng.standard_normal((3, 2, kernel, kernel)).astype(np.float32)}
    if bias:
        weights["b"] = rng.standard_normal(2).astype(np.float32)
    nodes = [
        helper.make_node(
            "ConvTranspose", ["input", *weights], ["t" if clip else "output"], kernel_shape=[kernel] * 2,
            strides=[stride] * 2, pads=[pad] * 4,
        )
    ]  # fmt: skip
    if clip:
        weights |= {"low": np.float32(0), "high": np.float32(1)}
        nodes.append(helper.make_node("Clip", ["t", "low", "high"], ["output"]))
    return layers(*nodes, channels=(3, 2), **weights)


def random_upconv(seed: int = 0) -> onnx.ModelProto:
    """UpConv_7 with few channels."""
    rng = np.random.default_rng(seed)
    widths = [3, 4, 6, 8, 8, 8, 12]
    convs = [
        Layer((rng.standard_normal((b, a, 3, 3)) / np.sqrt(9 * a)).astype(np.float32), np.full(b, 0.05, np.float32))
        for a, b in itertools.pairwise(widths)
    ]
    last = Layer((0.5 + rng.standard_normal((12, 3, 4, 4)) / np.sqrt(48)).astype(np.float32) / 12)
    return upconv([*convs, last])


@pytest.mark.parametrize(("kernel", "stride"), [(2, 2), (4, 2), (6, 2), (3, 3), (6, 3), (8, 4), (4, 4)])
@pytest.mark.parametrize("pad", [0, 1, 2, 3])
@pytest.mark.parametrize("bias", [True, False])
def test_a_transposed_convolution_is_a_convolution_of_blocks(kernel: int, stride: int, pad: int, bias: bool) -> None:
    if pad >= kernel:
        return
    proto = transposed(kernel, stride, pad, bias=bias)
    rewritten = rewrite_transposed(proto)
    assert "ConvTranspose" not in {node.op_type for node in rewritten.graph.node}
    np.testing.assert_allclose(run(rewritten, picture(3)), run(proto, picture(3)), atol=REORDERED)


@pytest.mark.parametrize(("kernel", "stride"), [(3, 2), (5, 2), (3, 1)])
def test_kernels_of_broken_strides_stay(kernel: int, stride: int) -> None:
    proto = transposed(kernel, stride, 1)
    assert rewrite_transposed(proto) is proto


def test_upconv_without_its_transposed_convolution() -> None:
    proto = random_upconv()
    rewritten = rewrite_transposed(proto)
    assert {n.op_type for n in rewritten.graph.node} == {"Pad", "Conv", "LeakyRelu", "DepthToSpace", "Slice", "Clip"}
    np.testing.assert_allclose(run(rewritten, picture(3)), run(proto, picture(3)), atol=REORDERED)
    before, after = inspect(proto), inspect(rewritten)
    assert (before.scale, before.radius, before.multiple) == (after.scale, after.radius, after.multiple) == (2, 7, 1)


@pytest.mark.parametrize("proto", [artcnn_like(seed=3), rewrite_transposed(random_upconv())], ids=["luma", "rgb"])
def test_an_ensemble_is_the_mean_of_eight(proto: onnx.ModelProto) -> None:
    x = picture(proto.graph.input[0].type.tensor_type.shape.dim[1].dim_value)
    found, once = run(ensemble(proto), x), run(proto, x)
    np.testing.assert_allclose(found, dihedral_mean(lambda turned: run(proto, turned), x), atol=REORDERED)
    assert np.abs(found - once).max() > 0.01, "a net that turns with its input shows nothing"


def test_an_ensemble_carries_its_weights_once() -> None:
    proto = artcnn_like(features=32)
    assert len(ensemble(proto).SerializeToString()) < 1.5 * len(proto.SerializeToString())


OTHER_KINDS = {
    "groups": ({"strides": [2, 2], "group": 2}, (2, 2, 4, 4)),
    "dilations": ({"strides": [2, 2], "dilations": [2, 2]}, (2, 2, 4, 4)),
    "padding of the output": ({"strides": [2, 2], "output_padding": [1, 1]}, (2, 2, 4, 4)),
    "a size of the output": ({"strides": [2, 2], "output_shape": [16, 16]}, (2, 2, 4, 4)),
    "padding by size": ({"strides": [2, 2], "auto_pad": "SAME_UPPER"}, (2, 2, 4, 4)),
    "two strides": ({"strides": [2, 4]}, (2, 2, 4, 4)),
    "two kernels": ({"strides": [2, 2]}, (2, 2, 4, 2)),
    "paddings that differ": ({"strides": [2, 2], "pads": [1, 1, 0, 0]}, (2, 2, 4, 4)),
    "no stride": ({}, (2, 2, 4, 4)),
}


@pytest.mark.parametrize("kind", OTHER_KINDS)
def test_other_kinds_of_transposed_convolutions_stay(kind: str) -> None:
    given, shape = OTHER_KINDS[kind]
    node = helper.make_node("ConvTranspose", ["input", "w"], ["output"], **given)
    proto = layers(node, channels=(2, 2), w=np.ones(shape, np.float32))
    assert rewrite_transposed(proto) is proto


def test_all_that_is_said_of_a_plain_one_may_be_said() -> None:
    given = {"strides": [2, 2], "pads": [1] * 4, "dilations": [1, 1], "output_padding": [0, 0], "group": 1}
    node = helper.make_node("ConvTranspose", ["input", "w"], ["output"], kernel_shape=[4, 4], **given)
    proto = layers(node, channels=(2, 3), w=np.random.default_rng(0).random((2, 3, 4, 4)).astype(np.float32))
    assert "ConvTranspose" not in [n.op_type for n in rewrite_transposed(proto).graph.node]


def test_weights_that_are_computed_and_old_versions_stay() -> None:
    node = helper.make_node("ConvTranspose", ["input", "computed"], ["output"], strides=[2, 2])
    computed = layers(
        helper.make_node("Relu", ["w"], ["computed"]), node, channels=(2, 2), w=np.ones((2, 2, 4, 4), np.float32)
    )
    assert rewrite_transposed(computed) is computed
    for opset, stays in ((10, True), (11, False)):
        plain = helper.make_node("ConvTranspose", ["input", "w"], ["output"], strides=[2, 2])
        proto = layers(plain, channels=(2, 2), w=np.ones((2, 2, 4, 4), np.float32))
        proto.opset_import[0].version = opset
        assert (rewrite_transposed(proto) is proto) is stays
