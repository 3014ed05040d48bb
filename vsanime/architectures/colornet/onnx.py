"""Writes the bundled Color Transform Network as plain ONNX, and names its layers.

It modifies the network of Shi et al. (arXiv 2003.10685): it matches at 1/8 of the size with line features of wide
context and known position, copies absolute color, has line features in every level of the decoder, and receives two
keys already warped onto the target by flow, which it only has to select and to correct.

Inputs, all f32 in [0, 1], height and width multiples of 16: `line` 1, 1, H, W; `key_lines` K, 1, H, W; `key_colours` K,
3, H, W; `warped` 2, 3, H, W; `errors` and `prior` 2, 1, H, W. Outputs: `colour`, `weights`, `copied` and `residual`,
each 1, 3, H, W. The graph can be cut at `key_features` K, d, N and `key_values` K, c, N, which depend on one key alone.
Attention has `queries` 1, N, d, weights `attention` 1, N, K * N and the result `attended` 1, N, c (N = H * W / 64).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import pi

import numpy as np
import onnx
from onnx import TensorProto

from vsanime.architectures.writer import NetWriter
from vsanime.arrays import Array

LEAK = 0.1
CELL = 8  # width and height in pixels of a cell, the unit of matching
MULTIPLE = 16  # height and width are multiples of this
# Angular frequencies of the position encoding, in radians per half picture height.
WAVES = tuple(pi / 2 * 2**i for i in range(4))
# Added to the prior so that its logarithm is finite: a fortieth of an 8-bit code value.
LEAST_WEIGHT = 1e-4
# Initial logit of the copied color: exp(-7) is less than a quarter of an 8-bit code value.
UNASKED = -7.0
TAPS = 9  # the cell of an enlarged pixel and its eight neighbors


def colour(weights: Mapping[str, Array]) -> onnx.ModelProto:
    """Return the network as plain ONNX.

    Args:
        weights: weights by the names of `vsanime.architectures.colornet.module.ColorNet`.
    """
    return _Writer(weights, LEAK).whole()


class _Writer(NetWriter):
    """A builder of the parts, in the order in which the network runs them."""

    @property
    def _depth(self) -> int:
        """Channels of queries and key features."""
        return int(self.arrays["query.weight"].shape[0])

    @property
    def _copied(self) -> int:
        """Channels of a value: RGB and learned values."""
        return 3 + int(self.arrays["colours.by8.weight"].shape[0])

    def whole(self) -> onnx.ModelProto:
        """Return the whole network."""
        self._declare_inputs()
        features, values = self._keys()
        lines = self._lines("line")
        attended = self._attended(self._queries(lines[3]), features, values, lines[3])
        evidence = self._evidence()
        deep = self.chain("decoder.by8", self.joined(lines[3], attended, evidence[3]), 2)
        copied = self._enlarged(deep, attended)
        x = self._merged("by4", deep, lines[2], evidence[2])
        x = self._merged("by2", x, lines[1], evidence[1])
        x = self.node("Add", [lines[0], self.nearest(self.layer("decoder.to_full", x), 2)])
        x = self.chain("decoder.full", self.joined(x, evidence[0], copied), 2)
        self._mix(self.layer("decoder.head", x), copied)
        for name in ("colour", "weights", "copied", "residual"):
            self.output(name, 1, 3, "height", "width")
        return self.model()

    def _declare_inputs(self) -> None:
        size = ("height", "width")
        self.input("line", 1, 1, *size)
        self.input("key_lines", "keys", 1, *size)
        self.input("key_colours", "keys", 3, *size)
        for name, planes in (("warped", 3), ("errors", 1), ("prior", 1)):
            self.input(name, 2, planes, *size)

    def _lines(self, x: str) -> list[str]:
        """Add the line encoder: features at 1, 1/2, 1/4 and 1/8 of the size."""
        full = self.active("lines.stem", x)
        half = self.chain("lines.by2", full, 2, stride=2)
        quarter = self.chain("lines.by4", half, 2, stride=2)
        eighth = self.chain("lines.by8", quarter, 2, stride=2)
        deep = self.chain("lines.by16", eighth, 3, stride=2)
        joined = self.node("Add", [eighth, self.nearest(self.layer("lines.back", deep), 2)])
        return [full, half, quarter, self.active("lines.last", joined)]

    def _keys(self) -> tuple[str, str]:
        """Return features and values of the keys, each independent of the others."""
        eighth = self._lines("key_lines")[3]
        features = self.reshaped(self._placed("key", eighth), 0, 0, -1, name="key_features")
        x = self.active("colours.by2", self.joined("key_colours", "key_lines"), stride=2)
        x = self.chain("colours.by4", x, 2, stride=2)
        x = self.layer("colours.by8", x, stride=2)
        mean = self.node("AveragePool", ["key_colours"], kernel_shape=[CELL] * 2, strides=[CELL] * 2)
        return features, self.reshaped(self.joined(mean, x), 0, 0, -1, name="key_values")

    def _queries(self, eighth: str) -> str:
        flat = self.reshaped(self._placed("query", eighth), 0, 0, -1)
        scaled = self.node("Mul", [flat, self.number(self._depth**-0.5)])
        return self.node("Transpose", [scaled], "queries", perm=[0, 2, 1])

    def _placed(self, kind: str, eighth: str) -> str:
        """Add the projected features plus the projected positions."""
        height, width = self.size(eighth, 2), self.size(eighth, 3)
        down = self.node("Unsqueeze", [self._place(f"{kind}_down", height, height), self.integers(0, 3)])
        across = self.node("Unsqueeze", [self._place(f"{kind}_across", width, height), self.integers(0, 2)])
        return self.node("Add", [self.node("Add", [self.layer(kind, eighth), down]), across])

    def _place(self, name: str, count: str, height: str) -> str:
        """Add the projected position encoding of the cells along one axis: d, count."""
        numbers = self.node("Range", [self.integer(0), count, self.integer(1)])
        place, many, high = (self.node("Cast", [x], to=TensorProto.FLOAT) for x in (numbers, count, height))
        middle = self.node("Add", [self.node("Add", [place, place]), self.number(1.0)])
        centred = self.node("Div", [self.node("Sub", [middle, many]), high])
        waves = self.stored("waves", np.array(WAVES).reshape(-1, 1))
        phases = self.node("Mul", [waves, self.node("Unsqueeze", [centred, self.integers(0)])])
        phases = self.joined(self.node("Sin", [phases]), self.node("Cos", [phases]), axis=0)
        return self.node("MatMul", [self.stored(f"{name}.weight", self.arrays[f"{name}.weight"]), phases])

    def _attended(self, queries: str, features: str, values: str, eighth: str) -> str:
        """Add attention over all cells of all keys: 1, c, H / 8, W / 8."""
        keys = self.reshaped(self.node("Transpose", [features], perm=[1, 0, 2]), self._depth, -1)
        found = self.reshaped(self.node("Transpose", [values], perm=[0, 2, 1]), -1, self._copied)
        attention = self.node("Softmax", [self.node("MatMul", [queries, keys])], "attention", axis=-1)
        attended = self.node("MatMul", [attention, found], "attended")
        size = self.sliced(self.node("Shape", [eighth]), 2, 4, axis=0)
        shape = self.joined(self.integers(1, self._copied), size, axis=0)
        return self.node("Reshape", [self.node("Transpose", [attended], perm=[0, 2, 1]), shape])

    def _evidence(self) -> list[str]:
        """Add warped keys, line errors, prior and key difference, at 1, 1/2, 1/4 and 1/8 of the size."""
        self.reshaped("warped", 1, 6, 0, 0, name="both_warped")
        self.reshaped("prior", 1, 2, 0, 0, name="both_priors")
        errors = self.reshaped("errors", 1, 2, 0, 0)
        difference = self.node("Sub", [self.sliced("both_warped", 0, 3), self.sliced("both_warped", 3, 6)])
        full = self.joined("both_warped", errors, "both_priors", self.node("Abs", [difference]))
        half = self.active("evidence.by2", self.joined("line", full), stride=2)
        quarter = self.active("evidence.by4", half, stride=2)
        return [full, half, quarter, self.active("evidence.by8", quarter, stride=2)]

    def _merged(self, level: str, x: str, lines: str, evidence: str) -> str:
        """Add features at twice the size, joined with lines and evidence of that size."""
        large = self.nearest(self.layer(f"decoder.to_{level}", x), 2)
        return self.active(f"decoder.{level}", self.joined(large, lines, evidence))

    def _enlarged(self, deep: str, attended: str) -> str:
        """Add the copied color at full size; each pixel is a convex mixture of its cell and the eight around it."""
        logits = self.layer("enlargement.1", self.active("enlargement.0", deep))
        shares = self.node("Softmax", [self.node("DepthToSpace", [logits], blocksize=CELL, mode="CRD")], axis=1)
        cells = self.node("Pad", [self.sliced(attended, 0, 3), self.integers(0, 0, 1, 1, 0, 0, 1, 1)], mode="edge")
        one_hot = np.tile(np.eye(TAPS).reshape(TAPS, 1, 3, 3), (3, 1, 1, 1))
        around = self.node("Conv", [cells, self.stored("neighbours", one_hot)], group=3, kernel_shape=[3, 3])
        large = self.nearest(around, CELL)
        planes = []
        for i in range(3):
            product = self.node("Mul", [shares, self.sliced(large, TAPS * i, TAPS * i + TAPS)])
            planes.append(self.node("ReduceSum", [product, self.integers(1)]))
        return self.joined(*planes, name="copied")

    def _mix(self, head: str, copied: str) -> None:
        """Blend the three pictures and add the residual."""
        prior = self.node("Log", [self.node("Add", ["both_priors", self.number(LEAST_WEIGHT)])])
        unasked = self.node("Pad", [prior, self.integers(0, 0, 0, 0, 0, 1, 0, 0), self.number(UNASKED)])
        logits = self.node("Add", [self.sliced(head, 0, 3), unasked])
        self.node("Softmax", [logits], "weights", axis=1)
        total = self.sliced(head, 3, 6, name="residual")
        pictures: Sequence[str] = (self.sliced("both_warped", 0, 3), self.sliced("both_warped", 3, 6), copied)
        for i, picture in enumerate(pictures):
            total = self.node("Add", [total, self.node("Mul", [self.sliced("weights", i, i + 1), picture])])
        self.node("Clip", [total, self.number(0.0), self.number(1.0)], "colour")
