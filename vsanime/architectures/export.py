"""A trained network written as plain ONNX, node by node, with no exporter between."""

from __future__ import annotations

from typing import TYPE_CHECKING

import onnx

from vsanime.architectures import ARCHITECTURES, architecture_of
from vsanime.errors import VsanimeError, list_words

if TYPE_CHECKING:
    from torch import nn


def to_onnx(net: nn.Module) -> onnx.ModelProto:
    """Write a network as plain ONNX.

    Input `input` is 1, planes, height, width and output `output` 1, planes, scale * height, scale * width, both f32
    with height and width free; the output is clipped to [0, 1], before depth-to-space where there is one. AnimeGANv2's
    generator, whose torch module works on [-1, 1], takes and gives [0, 1] there too. The networks of colorization have
    several inputs and outputs, named where each is written (`vsanime.architectures.colornet.onnx` and its neighbours).

    Args:
        net: the network; its weights are copied.

    Raises:
        VsanimeError: the class of `net` is not known here.
    """
    row = architecture_of(net)
    if row is None or row.load_module is None:
        known = list(dict.fromkeys(row.family for row in ARCHITECTURES.values() if row.load_module is not None))
        raise VsanimeError(f"export: writes {list_words(known, 'and')}, not {type(net).__name__}")
    return row.load_module().to_onnx(net)
