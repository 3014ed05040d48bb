"""Registers SketchKeras, which draws the lines of one color channel."""

from __future__ import annotations

from vsanime.architectures.base import Architecture
from vsanime.architectures.sketchkeras import reading
from vsanime.graphs.builders.sketchkeras import MULTIPLE

SKETCHKERAS = Architecture(
    name="sketchkeras", family="SketchKeras", title="SketchKeras", state=reading, multiple=MULTIPLE
)
