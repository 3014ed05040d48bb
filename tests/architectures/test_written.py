"""Networks written anew from weights that come with the package are the files that came with them, node for node."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import onnx
import pytest
from onnx import numpy_helper

from tests.support.generators import random_generator
from tests.support.weightfiles import bundled
from vsanime.architectures.artcnn.chain import read_artcnn_c
from vsanime.architectures.artcnn.onnx import artcnn_c
from vsanime.architectures.colornet.onnx import colour
from vsanime.models.store import load


def weights_of(proto: onnx.ModelProto) -> dict[str, np.ndarray]:
    return {tensor.name: numpy_helper.to_array(tensor) for tensor in proto.graph.initializer}


def write_artcnn(proto: onnx.ModelProto) -> onnx.ModelProto:
    return artcnn_c(read_artcnn_c(proto).layers)


@pytest.mark.parametrize(
    ("name", "write"),
    [
        ("Line_VA", lambda proto: colour(weights_of(proto))),
        *((name, write_artcnn) for name in bundled(arch="artcnn_c")),
    ],
)
def test_networks_are_written_as_they_were(name: str, write: Callable[[onnx.ModelProto], onnx.ModelProto]) -> None:
    proto = load(name).proto
    found = write(proto)
    assert found.graph.node == proto.graph.node
    assert found.graph.input == proto.graph.input
    assert found.graph.output == proto.graph.output
    before, after = weights_of(proto), weights_of(found)
    assert after.keys() == before.keys()
    assert all(np.array_equal(after[key], before[key]) for key in before)


def test_the_generator_is_written_as_it_was() -> None:
    """Its weights, stored in half precision, aside: nodes, ends, and the shapes of all weights."""
    proto, found = load("Pepper_VA").proto, random_generator("tf")
    assert found.graph.node == proto.graph.node
    assert found.graph.input == proto.graph.input
    assert found.graph.output == proto.graph.output
    shapes = {name: array.shape for name, array in weights_of(proto).items()}
    assert {name: array.shape for name, array in weights_of(found).items()} == shapes
