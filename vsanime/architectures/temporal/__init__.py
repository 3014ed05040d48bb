"""Registers the temporal constraint network, which refines the colors of a frame between two others."""

from __future__ import annotations

from vsanime.architectures.base import Architecture, TorchModule
from vsanime.architectures.temporal.onnx import MULTIPLE
from vsanime.graphs.builders.colorize import TEMPORAL_INPUTS


def _load_module() -> TorchModule:
    from vsanime.architectures.temporal import module

    return module


TEMPORAL = Architecture(
    name="colour_temporal",
    family="the networks of colorization",
    load_module=_load_module,
    inputs=TEMPORAL_INPUTS,
    task="colorization",
    multiple=MULTIPLE,
)
