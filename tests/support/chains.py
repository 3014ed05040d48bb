"""ArtCNN C networks of random weights, and how two of them are compared."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import onnx

from vsanime.models.architectures import Layer, artcnn_c
from vsanime.models.chain import read_artcnn_c


def random_layers(features: int = 8, inner: int = 2, *, luma: bool = True, seed: int = 0) -> list[Layer]:
    """Layers of a doubler or of a chroma network, scaled so that values neither vanish nor explode."""
    rng = np.random.default_rng(seed)
    ends = (1, 4) if luma else (3, 2)
    widths = [ends[0], *[features] * (inner + 2), ends[1]]
    return [
        Layer(
            (rng.standard_normal((out, into, 3, 3)) / np.sqrt(9 * into)).astype(np.float32),
            (0.1 * rng.standard_normal(out)).astype(np.float32),
        )
        for into, out in pairwise(widths)
    ]


def random_net(features: int = 8, inner: int = 2, *, luma: bool = True, seed: int = 0) -> onnx.ModelProto:
    """The same as plain ONNX."""
    return artcnn_c(random_layers(features, inner, luma=luma, seed=seed))


def assert_same_weights(found: onnx.ModelProto, expected: onnx.ModelProto) -> None:
    """Bit for bit, layer by layer."""
    ours, theirs = read_artcnn_c(found), read_artcnn_c(expected)
    assert ours.scale == theirs.scale
    assert len(ours.layers) == len(theirs.layers)
    for one, other in zip(ours.layers, theirs.layers, strict=True):
        assert one.bias is not None
        assert other.bias is not None
        assert one.weight.tobytes() == other.weight.tobytes()
        assert one.weight.shape == other.weight.shape
        assert one.bias.tobytes() == other.bias.tobytes()
