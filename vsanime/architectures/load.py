"""Builds the torch network of a plain ONNX of any architecture of this project."""

from __future__ import annotations

from typing import TYPE_CHECKING

import onnx

from vsanime.architectures import ARCHITECTURES
from vsanime.architectures.base import TorchModule

if TYPE_CHECKING:
    from torch import nn


def from_onnx(proto: onnx.ModelProto) -> nn.Module:
    """Build the torch network of a plain ONNX: nodes decide which network it is, shapes give every size.

    Args:
        proto: network as this project writes it, or as the authors of ArtCNN publish it.

    Raises:
        VsanimeError: if the network is unknown; its nodes are compared with those that the built network would write.
    """
    net: nn.Module = _find_module(proto).from_onnx(proto)
    return net


def _find_module(proto: onnx.ModelProto) -> TorchModule:
    """Return the torch module of the architecture that a graph looks like: by its inputs, else by its nodes."""
    inputs = {entry.name for entry in proto.graph.input}
    rows = [row for row in ARCHITECTURES.values() if row.load_module is not None]
    alike = [row for row in rows if row.inputs and set(row.inputs) == inputs]
    alike += [row for row in rows if not row.inputs and row.matches is not None and row.matches(proto)]
    alike += [row for row in rows if not row.inputs and row.matches is None]
    load = alike[0].load_module
    assert load is not None
    return load()
