"""Layers of a network as arrays, and what has to hold of them."""

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
        weight: [out, in, kernel, kernel]; of a transposed convolution [in, out, kernel, kernel].
        bias: [out]; None for none.
    """

    weight: Array
    bias: Array | None = None


def find_ends(layers: Sequence[Layer], least: int) -> tuple[tuple[int, int], int]:
    """Channels in and out, and the scale: the last layer has scale squared channels for each that comes in.

    Where that is no square (a chroma network: 3 in, 2 out) nothing is shuffled.
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
    """Every layer takes as many channels as the one before gives, and has as many biases as channels."""
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
