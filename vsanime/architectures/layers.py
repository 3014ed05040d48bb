"""Defines convolution layers as arrays, and checks that they fit together."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import isqrt

import numpy as np

from vsanime.arrays import Array
from vsanime.errors import VsanimeError


@dataclass(frozen=True)
class Layer:
    """A convolution.

    Attributes:
        weight: [out, in, height, width]; [in, out, height, width] for a transposed convolution.
        bias: [out]; None for no bias.
    """

    weight: Array
    bias: Array | None = None


def find_ends(layers: Sequence[Layer], least: int) -> tuple[tuple[int, int], int]:
    """Return the input and output channels, and the scale.

    The scale s is above 1 if the last layer has exactly s * s channels for each input channel, which a pixel shuffle
    arranges. Otherwise (a chroma network has 3 in, 2 out) it is 1.
    """
    if len(layers) < least:
        raise VsanimeError(f"{len(layers)} convolutions; {least} or more are needed")
    check_chain(layers)
    into, out = int(layers[0].weight.shape[1]), int(layers[-1].weight.shape[0])
    scale = isqrt(out // into)
    if scale > 1 and scale * scale * into == out:
        return (into, into), scale
    return (into, out), 1


def check_chain(layers: Sequence[Layer]) -> None:
    """Check that each layer accepts the channels of the one before, and has valid biases and finite weights."""
    for i, layer in enumerate(layers):
        if layer.weight.ndim != 4 or 0 in layer.weight.shape:
            raise VsanimeError(
                f"layer {i} has weights of shape {layer.weight.shape}; [out, in, height, width] is needed"
            )
        out, into = layer.weight.shape[:2]
        if i and into != layers[i - 1].weight.shape[0]:
            raise VsanimeError(f"layer {i} takes {into} channels where {layers[i - 1].weight.shape[0]} come")
        if layer.bias is not None and layer.bias.shape != (out,):
            raise VsanimeError(f"layer {i} has biases of shape {layer.bias.shape}; ({out},) is needed")
        finite = np.isfinite(layer.weight).all() and (layer.bias is None or np.isfinite(layer.bias).all())
        if not finite:
            raise VsanimeError(f"layer {i} has weights that are not finite")
