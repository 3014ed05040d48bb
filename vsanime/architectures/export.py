"""Writes a torch network as plain ONNX, node by node, without torch's exporter."""

from __future__ import annotations

from typing import TYPE_CHECKING

import onnx

from vsanime.architectures import ARCHITECTURES, architecture_of
from vsanime.errors import VsanimeError, list_words

if TYPE_CHECKING:
    from torch import nn


def to_onnx(net: nn.Module) -> onnx.ModelProto:
    """Return a torch network as plain ONNX.

    Input `input` is 1, planes, height, width and output `output` is 1, planes, scale * height, scale * width, both f32
    with free height and width; the output is clipped to [0, 1], before depth-to-space if there is one. That also holds
    for AnimeGANv2's generator, whose torch module works on [-1, 1]. The networks of colorization have several inputs
    and outputs, named in their writers (`vsanime.architectures.colornet.onnx` and its neighbors).

    Args:
        net: network, whose weights are copied.

    Raises:
        VsanimeError: if the class of `net` belongs to no architecture.
    """
    row = architecture_of(net)
    if row is None or row.load_module is None:
        known = list(dict.fromkeys(row.family for row in ARCHITECTURES.values() if row.load_module is not None))
        raise VsanimeError(f"export: writes {list_words(known, 'and')}, not {type(net).__name__}")
    return row.load_module().to_onnx(net)
