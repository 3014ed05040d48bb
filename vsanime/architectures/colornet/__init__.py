"""Registers the bundled color transform network, which colors line art from two keys."""

from __future__ import annotations

from vsanime.architectures.base import Architecture, TorchModule
from vsanime.architectures.colornet.onnx import CELL, MULTIPLE
from vsanime.graphs.builders.colorize import KEYS, Kind, Picture

# Outputs: blend weights of the two warped keys and of the color that attention copied, that color, and the residual.
MIXING = Kind(
    key=(Picture("key_lines", 1, 1), Picture("key_colours", 1, 3)),
    frame=(
        Picture("line", 1, 1),
        Picture("warped", KEYS, 3),
        Picture("errors", KEYS, 1, "float32"),
        Picture("prior", KEYS, 1, "float32"),
    ),
    cut=("key_features", "key_values"),
    cell=CELL,
    outputs=("weights", "copied", "residual"),
)


def _load_module() -> TorchModule:
    from vsanime.architectures.colornet import module

    return module


COLORNET = Architecture(
    name="colour",
    family="the networks of colorization",
    load_module=_load_module,
    inputs=("line", "key_lines", "key_colours", "warped", "errors", "prior"),
    task="colorization",
    multiple=MULTIPLE,
    kind=MIXING,
)
