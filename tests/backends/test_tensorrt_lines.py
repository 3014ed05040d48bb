"""Line art's graphs build in TensorRT-RTX, and what was parsed computes the same."""

from __future__ import annotations

import numpy as np
import pytest

from tests.support.planesgraphs import noise_for, run, yuv
from tests.support.rtx import CAPABILITY, rtx
from tests.support.sketches import random_sketch, small_sketch
from vsanime.backends.tensorrt import TensorRT
from vsanime.backends.tensorrt.building import Build, BuildSettings
from vsanime.backends.tensorrt.sizes import profile
from vsanime.graphs.builders.lineart import Pen, line_graph
from vsanime.graphs.builders.sketchkeras import Sketch, sketch_graph
from vsanime.spec import ChromaLocation, Family, FrameSpec, GraphTraits, PlaneFormat, PlanesGraph, Range

SIZE = (96, 48)
BITS = (8, 10, "half", "single")


def formats(bits: int | str) -> tuple[FrameSpec, PlaneFormat]:
    """A YUV clip's frames, and gray of its depth."""
    source = yuv(bits)
    return (
        FrameSpec(source, *SIZE, Range.LIMITED, 1, ChromaLocation.LEFT),
        PlaneFormat(Family.GRAY, source.sample_type, source.bits),
    )


def traits(precision: str) -> GraphTraits:
    return TensorRT(precision=precision).traits(precision)


def engine(graph: PlanesGraph, settings: BuildSettings | None = None) -> bytes:
    return Build(rtx(), graph, settings or BuildSettings(capability=CAPABILITY)).serialized()[0]


@pytest.mark.parametrize("bits", BITS)
@pytest.mark.parametrize("precision", ["fp16", "bf16", "f32"])
def test_a_difference_of_gaussians_builds_and_stays_in_f32(bits: int | str, precision: str) -> None:
    spec, form = formats(bits)
    graph = line_graph(spec, form, *SIZE, traits(precision), Pen(1.1))
    assert len(engine(graph)) > 1000
    plain = line_graph(spec, form, *SIZE, GraphTraits(), Pen(1.1))
    planes = noise_for(plain, bits)
    np.testing.assert_array_equal(run(graph, planes)[0], run(plain, planes)[0])


@pytest.mark.parametrize("bits", BITS)
@pytest.mark.parametrize("sketch", [Sketch(64), Sketch(512, gain=None, threshold=0.1)], ids=str)
def test_sketchkerass_surroundings_build(bits: int | str, sketch: Sketch) -> None:
    spec, form = formats(bits)
    assert len(engine(sketch_graph(small_sketch(), spec, form, traits("fp16"), sketch))) > 1000


def test_sketchkeras_builds() -> None:
    spec, form = formats(8)
    # Three quarters of its 37 MB at the least, which a build without its weights would not have.
    assert len(engine(sketch_graph(random_sketch(), spec, form, traits("fp16"), Sketch(64)))) > 28e6


def test_one_engine_draws_lines_of_many_sizes() -> None:
    spec, form = formats(8)
    sizes = ((64, 64), (192, 128), (192, 128))
    graph = line_graph(spec, form, *sizes[1], TensorRT(precision="fp16", sizes=sizes).traits("fp16"), Pen(0.7))
    assert graph.any_size
    assert len(engine(graph, BuildSettings(capability=CAPABILITY, profile=profile(graph, sizes)))) > 1000
