"""Importers: weights in other people's formats, read into plain ONNX."""

from __future__ import annotations

from dataclasses import dataclass

import onnx


@dataclass(frozen=True)
class Imported:
    """A network read from a foreign file.

    Attributes:
        proto: the network as plain ONNX.
        architecture: as `artcnn_c`.
        summary: one sentence on what was recognised.
        licence: what the file says of its licence; empty if it says nothing.
    """

    proto: onnx.ModelProto
    architecture: str
    summary: str
    licence: str
