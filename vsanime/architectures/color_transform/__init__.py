"""Registers the color transform network at full width, which matches line art by distance maps."""

from __future__ import annotations

from vsanime.architectures.base import Architecture, TorchModule
from vsanime.architectures.color_transform.onnx import MULTIPLE
from vsanime.graphs.builders.colorize import Kind, Picture

# As in the paper: line art and distances to the nearest line in, color out.
DOCUMENT = Kind(
    key=(Picture("key_lines", 1, 1), Picture("key_distances", 1, 1, "float32"), Picture("key_colours", 1, 3)),
    frame=(Picture("line", 1, 1), Picture("distance", 1, 1, "float32")),
    cut=("key_features", "key_values", "key_style"),
    cell=4,
    outputs=("colour",),
)


def _load_module() -> TorchModule:
    from vsanime.architectures.color_transform import module

    return module


COLOR_TRANSFORM = Architecture(
    name="document",
    family="the networks of colorization",
    load_module=_load_module,
    inputs=("line", "distance", "key_lines", "key_distances", "key_colours"),
    task="colorization",
    multiple=MULTIPLE,
    kind=DOCUMENT,
)
