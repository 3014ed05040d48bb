"""The layers of an ArtCNN C network are read back from any ONNX of that shape, and from no other."""

from __future__ import annotations

import numpy as np
import onnx
import pytest
from onnx import helper, numpy_helper

from tests.support.chains import random_layers, random_net
from tests.support.networks import artcnn_like
from tests.support.weightfiles import RANDOM_R, path_of, third_party
from vsanime.errors import VsanimeError
from vsanime.models.architectures import artcnn_c, artcnn_r
from vsanime.models.chain import read_artcnn_c


@pytest.mark.parametrize("luma", [True, False])
def test_layers_come_back_in_order(luma: bool) -> None:
    layers = random_layers(12, 3, luma=luma)
    chain = read_artcnn_c(artcnn_c(layers))
    assert (chain.features, chain.inner, chain.planes, chain.scale) == (12, 3, 1 if luma else 3, 2 if luma else 1)
    for found, expected in zip(chain.layers, layers, strict=True):
        assert np.array_equal(found.weight, expected.weight)
        assert np.array_equal(found.bias, expected.bias)


@pytest.mark.parametrize("details", [{}, {"swap": True}, {"clip_last": True}, {"seed": 1}, {"mode": "DCR"}])
def test_details_that_files_differ_in_do_not_matter(details: dict[str, object]) -> None:
    assert read_artcnn_c(artcnn_like(features=4, inner=1, **details)).features == 4  # type: ignore[arg-type]


def test_a_convolution_without_bias_has_zeros() -> None:
    net = random_net(4, 1)
    conv = next(node for node in net.graph.node if node.op_type == "Conv")
    del conv.input[2]
    (bias,) = {read_artcnn_c(net).layers[0].bias.tobytes()}  # type: ignore[union-attr]
    assert bias == bytes(16)


@pytest.mark.parametrize("name", ["C4F32_VA", *third_party("C4F32")])
def test_trained_networks_are_read(name: str) -> None:
    chain = read_artcnn_c(onnx.load(path_of(name)))
    assert (chain.features, chain.inner, chain.planes, chain.scale) == (32, 4, 1, 2)


@pytest.mark.parametrize("name", [RANDOM_R, *third_party("R8F64")])
def test_residual_networks_are_refused(name: str) -> None:
    with pytest.raises(VsanimeError, match=r"no ArtCNN C network .* Add .*stands where Relu should"):
        read_artcnn_c(onnx.load(path_of(name)))


def _with(net: onnx.ModelProto, kind: str, number: int, **changed: object) -> onnx.ModelProto:
    """The network with attributes of its `number`-th node of a kind set anew."""
    node = [node for node in net.graph.node if node.op_type == kind][number]
    kept = [a for a in node.attribute if a.name not in changed]
    del node.attribute[:]
    node.attribute.extend([*kept, *(helper.make_attribute(name, value) for name, value in changed.items())])
    return net


def _replaced(name: str, value: float) -> onnx.ModelProto:
    """The network with all values of one tensor replaced."""
    net = random_net(4, 1)
    for tensor in net.graph.initializer:
        if tensor.name == name:
            shape = tuple(tensor.dims)
            tensor.CopyFrom(numpy_helper.from_array(np.full(shape, value, np.float32), name))
    return net


@pytest.mark.parametrize(
    ("net", "message"),
    [
        (lambda: artcnn_r(random_layers(8, 3)), "Conv .*stands where Relu should|Add .*stands where"),
        (lambda: artcnn_c(random_layers(4, 1), "silu"), "Mul .*stands where Relu should"),
        (lambda: _with(random_net(4, 1), "Conv", 1, strides=[2, 2]), "no plain 3x3 convolution"),
        (lambda: _with(random_net(4, 1), "Conv", 1, pads=[0, 0, 0, 0]), "no plain 3x3 convolution"),
        (lambda: artcnn_like(4, 1, channels=3, planes=3), "3 planes come in, 12 leave"),
        (lambda: _replaced("clip.high", 0.9), r"clips to \(0.0, 0.89"),
        (lambda: _replaced("conv1.weight", np.nan), "infinities or NaN"),
    ],
)
def test_other_networks_are_refused_with_the_reason(net: object, message: str) -> None:
    with pytest.raises(VsanimeError, match=message):
        read_artcnn_c(net())  # type: ignore[operator]
