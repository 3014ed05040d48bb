"""Writes the Color Transform Network after Shi et al. 2020 (arXiv 2003.10685) as plain ONNX.

Inputs, all f32 in [0, 1], height and width multiples of 4: `line` and `distance` 1, 1, H, W; `key_lines` and
`key_distances` K, 1, H, W; `key_colours` K, 3, H, W. Outputs, 1, 3, H, W: `colour`, and `similar` and `middle` for the
latent losses. The graph can be cut at tensors that depend on one key alone: `key_features` and `key_values` K, C, N (N
= H * W / 16) and `key_style` K, S. Masks see target and key together, so what attention copies is computed behind the
cut.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import onnx

from vsanime.architectures.writer import NetWriter
from vsanime.arrays import Array

MULTIPLE = 4  # height and width are multiples of this
BLOCKS = 8
# Terms added to the variance: in the norms of encoders and decoder, and in those that the style sets.
NORM_EPSILON, STYLE_EPSILON = 1e-3, 1e-5


def colour_transform(weights: Mapping[str, Array]) -> onnx.ModelProto:
    """Return the network as plain ONNX.

    Args:
        weights: weights by the names of `vsanime.architectures.color_transform.module.ColorTransform`, without
            parametrizations.
    """
    return _Writer(weights).whole()


class _Writer(NetWriter):
    """A builder of the parts, in the order in which the network runs them."""

    @property
    def _channels(self) -> int:
        """Channels of features at a quarter of the size."""
        return int(self.arrays["out.weight"].shape[0])

    @property
    def _depth(self) -> int:
        """Channels of queries, keys and values."""
        return int(self.arrays["out.weight"].shape[1])

    def whole(self) -> onnx.ModelProto:
        """Return the whole network."""
        size = ("height", "width")
        for name, first, planes in (
            ("line", 1, 1),
            ("distance", 1, 1),
            ("key_lines", "keys", 1),
            ("key_distances", "keys", 1),
            ("key_colours", "keys", 3),
        ):
            self.input(name, first, planes, *size)
        self._keys()
        target = self._encoded("distances", "distance")
        similar = self._similar(target)
        x = self.node("Add", [self._encoded("lines", "line"), similar])
        shift, scale = self._style()
        for i in range(BLOCKS):
            x = self._block(f"blocks.{i}", x, shift, scale)
        self.node("Sigmoid", [self._decoded(x)], "colour")
        for name, features in (("similar", similar), ("middle", x)):
            self.nearest(self.layer(f"to_{name}", features), 4, name=name)
        for name in ("colour", "similar", "middle"):
            self.output(name, 1, 3, *size)
        return self.model()

    def _keys(self) -> None:
        """Add the part that depends on the keys alone."""
        self.reshaped(self._encoded("distances", "key_distances"), 0, 0, -1, name="key_features")
        self.reshaped(self._encoded("colours", "key_colours"), 0, 0, -1, name="key_values")
        x = self.joined("key_lines", "key_colours")
        for i in range(5):
            x = self.node("Relu", [self.layer(f"embedder.{i}", x, stride=2 if i else 1)])
        self.node("Flatten", [self.node("GlobalAveragePool", [x])], "key_style")

    def _encoded(self, name: str, x: str) -> str:
        for i in range(3):
            x = self._normed(f"{name}.{i}", x, stride=2 if i else 1)
        return x

    def _normed(self, name: str, x: str, stride: int = 1) -> str:
        """Add a convolution, instance norm and ReLU."""
        x = self.layer(f"{name}.conv", x, stride=stride)
        gains = [self.stored(f"{name}.norm.{kind}", self.arrays[f"{name}.norm.{kind}"]) for kind in ("weight", "bias")]
        return self.node("Relu", [self.node("InstanceNormalization", [x, *gains], epsilon=NORM_EPSILON)])

    def _similar(self, target: str) -> str:
        """Add the similarity color-transform layer, which arranges the keys' color features for the target."""
        shape = self.joined(self.integers(0, self._channels), self._plane(target), axis=0)
        distances = self.node("Reshape", ["key_features", shape])
        colours = self.node("Reshape", ["key_values", shape])
        beside = self._beside(target, distances)
        masked = self.node("Mul", [self.node("Sigmoid", [self.layer("mask_m", beside)]), colours])
        matched = self._matched(target, distances, masked)
        kept = self.node("Sigmoid", [self.layer("mask_n", beside)])
        rest = self.node("Sub", [self.number(1.0), kept])
        mixed = self.node("Add", [self.node("Mul", [kept, masked]), self.node("Mul", [rest, matched])])
        return self.node("ReduceMean", [mixed], axes=[0])

    def _plane(self, x: str) -> str:
        """Add height and width of a tensor as int64."""
        return self.sliced(self.node("Shape", [x]), 2, 4, axis=0)

    def _beside(self, target: str, keys: str) -> str:
        """Concatenate the target with every key along channels.

        A sum of separate convolutions would need fewer operations, but OpenVINO 2026 fuses it into one node and then
        refuses to run, since the batch is 1 in one and the number of keys in the other.
        """
        count = self.sliced(self.node("Shape", [keys]), 0, 1, axis=0)
        shape = self.joined(count, self.integers(1, 1, 1), axis=0)
        return self.joined(self.node("Expand", [target, shape]), keys)

    def _matched(self, target: str, distances: str, masked: str) -> str:
        """Add attention over all positions of all keys: 1, C, H / 4, W / 4."""
        flat = self.reshaped(self.layer("match", target), 0, 0, -1)
        scaled = self.node("Mul", [flat, self.number(self._depth**-0.5)])
        queries = self.node("Transpose", [scaled], "queries", perm=[0, 2, 1])
        keys = self.node("Transpose", [self.reshaped(self.layer("match", distances), 0, 0, -1)], perm=[1, 0, 2])
        found = self.node("Transpose", [self.reshaped(self.layer("value", masked), 0, 0, -1)], perm=[0, 2, 1])
        likeness = self.node("MatMul", [queries, self.reshaped(keys, self._depth, -1)])
        attention = self.node("Softmax", [likeness], "attention", axis=-1)
        attended = self.node("MatMul", [attention, self.reshaped(found, -1, self._depth)], "attended")
        shape = self.joined(self.integers(1, self._depth), self._plane(target), axis=0)
        planes = self.node("Reshape", [self.node("Transpose", [attended], perm=[0, 2, 1]), shape])
        return self.layer("out", planes)

    def _style(self) -> tuple[str, str]:
        """Return shift and scale for all norms that the style sets, each 1, C, 1, 1."""
        x = self.node("ReduceMean", ["key_style"], axes=[0])
        x = self._linear("style.1", self.node("Relu", [self._linear("style.0", x)]))
        count = self._channels
        halves = (self.sliced(x, 0, count), self.sliced(x, count, 2 * count))
        shift, scale = (self.reshaped(half, 1, count, 1, 1) for half in halves)
        return shift, scale

    def _linear(self, name: str, x: str) -> str:
        weights = [self.stored(f"{name}.{kind}", self.arrays[f"{name}.{kind}"]) for kind in ("weight", "bias")]
        return self.node("Gemm", [x, *weights], transB=1)

    def _block(self, name: str, x: str, shift: str, scale: str) -> str:
        """Add a residual block whose norms are set by the style."""
        y = x
        for i in range(3):
            y = self._styled(self.layer(f"{name}.{i}", y), shift, scale)
            y = self.node("Relu", [y]) if i < 2 else y
        return self.node("Relu", [self.node("Add", [x, y])])

    def _styled(self, x: str, shift: str, scale: str) -> str:
        ones = self.stored("ones", np.ones(self._channels))
        zeros = self.stored("zeros", np.zeros(self._channels))
        plain = self.node("InstanceNormalization", [x, ones, zeros], epsilon=STYLE_EPSILON)
        return self.node("Add", [self.node("Mul", [plain, scale]), shift])

    def _decoded(self, x: str) -> str:
        for i in range(3):
            x = self._normed(f"decoder.{i}", self.nearest(x, 2) if i else x)
        return self.layer("last", x)
