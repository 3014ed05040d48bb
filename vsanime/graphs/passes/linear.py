"""Splits the linear path off a network, so that it can stay in f32 while the rest is lowered.

In every ArtCNN network the long skip leaves the first convolution before any activation and meets the last convolution
after the sum. A convolution is linear, so

    last(first(x) + inner(x)) = last(first(x)) + last_without_bias(inner(x))

and the first term is one 5x5 convolution of the input: 100 multiplications a pixel that carry nearly all of the signal,
and in low precision nearly all of the error. One correction remains: outside the frame the last convolution sees
zeros, where the 5x5 convolution goes on computing `first` on the padded input. That ring, one pixel wide, depends on
the frame's outermost rows and columns alone; its contribution is computed by 1-D convolutions and subtracted.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import onnx

from vsanime.arrays import Doubles
from vsanime.graphs.network import Network, SameConv, Tail, read_same_conv


@dataclass(frozen=True)
class LinearPath:
    """The two 3x3 convolutions of the linear path.

    Attributes:
        first: convolution that reads the network's input.
        last: the network's last convolution.
        inner: tensor that is added to the output of `first` before `last`.
        sum: node that adds the two.
    """

    first: SameConv
    last: SameConv
    inner: str
    sum: onnx.NodeProto

    def kernel(self) -> tuple[Doubles, Doubles]:
        """Return the weight [out, in, 5, 5] and bias [out] of last(first(x)), away from the frame's edges."""
        first, last = self.first, self.last
        weight = np.zeros((last.weight.shape[0], first.weight.shape[1], 5, 5))
        for y, x in np.ndindex(3, 3):
            weight[:, :, y : y + 3, x : x + 3] += np.einsum("of,fchw->ochw", last.weight[:, :, y, x], first.weight)
        return weight, last.bias + np.einsum("ofhw,f->o", last.weight, first.bias)

    def row_ring(self, edge: str) -> tuple[Doubles, Doubles]:
        """Return what the ring row beyond the top or bottom edge adds to the outermost row, from that row alone.

        Returns:
            Weight [out, in, 1, 5] and bias [out]; the ring's corners are included.
        """
        tap, far = (0, 2) if edge == "top" else (2, 0)
        first, last = self.first.weight[:, :, far, :], self.last.weight[:, :, tap, :]
        weight = np.zeros((last.shape[0], first.shape[1], 1, 5))
        for x in range(3):
            weight[:, :, 0, x : x + 3] += np.einsum("of,fcw->ocw", last[:, :, x], first)
        return weight, np.einsum("ofw,f->o", last, self.first.bias)

    def column_ring(self, edge: str) -> tuple[SameConv, Doubles]:
        """Return the same for the left or right edge, in two steps because the corners belong to the rows.

        Returns:
            Convolution from the outermost column to the ring column, with weight [features, in, 3, 1], and the weight
                [out, features, 3, 1] that carries the ring column into the outermost column.
        """
        tap, far = (0, 2) if edge == "left" else (2, 0)
        ring = SameConv(weight=self.first.weight[:, :, :, far : far + 1], bias=self.first.bias)
        return ring, self.last.weight[:, :, :, tap : tap + 1]


def find_linear_path(net: Network, tail: Tail) -> LinearPath | None:
    """Return the linear path of a network, recognized by its structure and not by name; None if there is none."""
    last = read_same_conv(net, tail.conv)
    joint = net.producer(tail.conv.input[0])
    if (
        last is None
        or last.pad != 1
        or joint is None
        or joint.op_type != "Add"
        or len(net.consumers(joint.output[0])) > 1
    ):
        return None
    for skip, inner in (tuple(joint.input), tuple(reversed(joint.input))):
        source = net.producer(skip)
        if source is None or source.input[0] != net.input or net.producer(inner) is None:
            continue
        first = read_same_conv(net, source)
        if first is not None and first.pad == 1:
            return LinearPath(first=first, last=last, inner=inner, sum=joint)
    return None
