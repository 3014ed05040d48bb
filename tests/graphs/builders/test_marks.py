"""Whatever is written around a network keeps f32: every node of it is marked, and none of the network's own is."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import onnx
import pytest
from onnx import helper

from tests.support.networks import artcnn_like, layers
from tests.support.planesgraphs import planes_graph
from vsanime.graphs.builders.lineart import Pen, line_graph
from vsanime.graphs.builders.sketchkeras import Sketch, sketch_graph
from vsanime.graphs.builders.style import Look, style_graph
from vsanime.graphs.writer import EXACT, IR_VERSION, OPSET
from vsanime.spec import ChromaLocation, Family, FrameSpec, GraphTraits, PlaneFormat, PlanesGraph, Range, SampleType

F32 = GraphTraits()
OPEN = GraphTraits(any_size=True)
SPLIT = GraphTraits(exact_linear=True)


def named(proto: onnx.ModelProto) -> onnx.ModelProto:
    """The network with names for its nodes."""
    for number, node in enumerate(proto.graph.node):
        node.name = f"own {number}"
    return proto


def plain(into: int, out: int, *after: onnx.NodeProto) -> onnx.ModelProto:
    """One convolution, and what follows it."""
    kernel = np.ones((out, into, 3, 3), np.float32)
    bounds = {"low": np.float32(0), "high": np.float32(1)}
    conv = helper.make_node("Conv", ["input", "w"], ["a" if after else "output"], pads=[1] * 4)
    return layers(conv, *after, channels=(into, out), w=kernel, **bounds)


LUMA = artcnn_like(features=4, inner=1)
CHROMA = artcnn_like(features=4, inner=1, channels=3, planes=2, scale=1)
RGB = plain(3, 3, helper.make_node("Clip", ["a", "low", "high"], ["output"]))
LARGER = artcnn_like(features=4, inner=1, channels=3, planes=3)
OTHER = plain(1, 1, helper.make_node("Tanh", ["a"], ["output"]))
YUV = PlaneFormat(Family.YUV, SampleType.INTEGER, 8, 1, 1)
RGB8, GRAY8 = PlaneFormat(Family.RGB, SampleType.INTEGER, 8), PlaneFormat(Family.GRAY, SampleType.INTEGER, 8)
SPEC = FrameSpec(YUV, 48, 48, Range.LIMITED, 1, ChromaLocation.LEFT)
SPECS = {
    "YUV": SPEC,
    "RGB": FrameSpec(RGB8, 48, 48, Range.FULL, None, None),
    "GRAY": FrameSpec(GRAY8, 48, 48, Range.LIMITED, 1, None),
}


def luma(traits: GraphTraits, net: onnx.ModelProto = LUMA) -> PlanesGraph:
    return planes_graph(net, 8, (9, 7), traits)


def chroma(subsampling: tuple[int, int], traits: GraphTraits) -> PlanesGraph:
    return planes_graph(CHROMA, 8, (16, 16), traits, subsampling=subsampling)


def rgb(net: onnx.ModelProto, traits: GraphTraits, tint: bool = False, sub: tuple[int, int] = (1, 1)) -> PlanesGraph:
    return planes_graph(net, 8, (16, 16), traits, subsampling=sub, tint=tint)


def lines(kind: str, traits: GraphTraits) -> PlanesGraph:
    return line_graph(SPECS[kind], GRAY8, 48, 48, traits, Pen(1.0))


def sketch(kind: str, **how: float | None) -> PlanesGraph:
    return sketch_graph(plain(1, 1), SPECS[kind], GRAY8, F32, replace(Sketch(), **how))  # type: ignore[arg-type]


def style(look: Look, kind: str = "YUV") -> PlanesGraph:
    return style_graph(plain(3, 3), SPECS[kind], SPECS[kind].format, (48, 48), F32, look)


GRAPHS: dict[str, tuple[Callable[[], PlanesGraph], bool]] = {
    "luma": (lambda: luma(F32), False),
    "luma in blocks": (lambda: luma(GraphTraits(block=2, quantize_first=True)), False),
    "luma, split": (lambda: luma(SPLIT), True),
    "luma, split, in blocks": (lambda: luma(replace(SPLIT, block=2)), True),
    "luma, split, any size": (lambda: luma(replace(SPLIT, any_size=True)), True),
    "luma of another end": (lambda: luma(SPLIT, OTHER), False),
    "chroma": (lambda: chroma((1, 1), F32), False),
    "chroma of odd blocks": (lambda: chroma((1, 0), SPLIT), True),
    "chroma of wide blocks": (lambda: chroma((2, 0), OPEN), False),
    "rgb": (lambda: rgb(RGB, F32), False),
    "rgb, any size": (lambda: rgb(RGB, OPEN, sub=(1, 0)), False),
    "rgb, tint": (lambda: rgb(RGB, SPLIT, tint=True), False),
    "rgb, larger, tint": (lambda: rgb(LARGER, F32, tint=True), False),
    "rgb, another end": (lambda: rgb(plain(3, 3, helper.make_node("Tanh", ["a"], ["output"])), F32), False),
    "lines": (lambda: lines("YUV", F32), False),
    "lines of RGB": (lambda: lines("RGB", OPEN), False),
    "sketch": (lambda: sketch("YUV"), False),
    "sketch of gray": (lambda: sketch("GRAY", gain=None, threshold=0.1), False),
    "smaller sketch": (lambda: sketch("RGB", long_side=24), False),
    "style": (lambda: style(Look()), False),
    "reflected style": (lambda: style(Look(multiple=32, strength=0.5)), False),
    "smaller style": (lambda: style(Look(work_size=(24, 20), detail=0.5)), False),
    "no style": (lambda: style(Look(strength=0.0), "RGB"), False),
}


@pytest.mark.parametrize("kind", GRAPHS)
def test_all_around_a_network_is_marked(kind: str) -> None:
    for net in (LUMA, CHROMA, RGB, LARGER, OTHER):
        named(net)
    make, split = GRAPHS[kind]
    graph = make()
    model = onnx.load_from_string(graph.onnx)
    names = [node.name for node in model.graph.node]
    # The network's last convolution is written anew, for blocks or without the linear path.
    others = {name.rstrip("0123456789") for name in names if not name.startswith((EXACT, "own "))}
    assert others <= {"", "last_", "rest_"}
    assert graph.linear_split is split
    assert (IR_VERSION, OPSET) == (8, 17)
    assert (model.ir_version, model.opset_import[0].version) == (8, 17)
