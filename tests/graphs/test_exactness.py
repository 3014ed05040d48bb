"""What a graph adds around a network is marked to stay in f32, whatever precision the network runs in."""

from __future__ import annotations

from collections.abc import Callable

import onnx
import pytest

from tests.graphs.builders.test_colorize import CUT
from tests.support.colornets import colour_network, temporal_network
from tests.support.generators import random_generator
from tests.support.networks import artcnn_like
from tests.support.planesgraphs import planes_graph
from tests.support.sketches import small_sketch
from vsanime.graphs.builders.colorize import frame_graph, key_graph, temporal_graph
from vsanime.graphs.builders.lineart import Pen, line_graph
from vsanime.graphs.builders.sketchkeras import Sketch, sketch_graph
from vsanime.spec import Family, FrameSpec, GraphTraits, PlaneFormat, PlanesGraph, Range, SampleType

SIZE = (50, 41)
RGB8, GRAY8 = (PlaneFormat(family, SampleType.INTEGER, 8) for family in (Family.RGB, Family.GRAY))
PLAIN = GraphTraits()
DOUBLER, CHROMA, RGB = (
    artcnn_like(channels=channels, planes=planes, scale=scale)
    for channels, planes, scale in ((1, 1, 2), (3, 2, 1), (3, 3, 2))
)


def spec(form: PlaneFormat) -> FrameSpec:
    return FrameSpec(form, *SIZE, Range.FULL, 1 if form is GRAY8 else None, None)


def rewritten(proto: onnx.ModelProto, traits: GraphTraits = PLAIN, *, tint: bool = False) -> list[PlanesGraph]:
    return [planes_graph(proto, bits, (24, 16), traits, tint=tint) for bits in (8, 16, "half", "single")]


SKETCHES = [Sketch(64), Sketch(32, 1.5, 0.18), Sketch(64, gain=None)]
GRAPHS: dict[str, tuple[onnx.ModelProto | None, Callable[[], list[PlanesGraph]]]] = {
    "luma": (DOUBLER, lambda: rewritten(DOUBLER)),
    "luma in blocks": (DOUBLER, lambda: rewritten(DOUBLER, GraphTraits(block=2))),
    "luma with its linear path": (DOUBLER, lambda: rewritten(DOUBLER, GraphTraits(exact_linear=True))),
    "luma of any size": (DOUBLER, lambda: rewritten(DOUBLER, GraphTraits(exact_linear=True, any_size=True))),
    "chroma": (CHROMA, lambda: rewritten(CHROMA)),
    "chroma of any size": (CHROMA, lambda: rewritten(CHROMA, GraphTraits(exact_linear=True, any_size=True))),
    "RGB": (RGB, lambda: rewritten(RGB)),
    "RGB with its tint": (RGB, lambda: rewritten(RGB, tint=True)),
    "style": (random_generator(), lambda: rewritten(random_generator())),
    "line art": (
        None,
        lambda: [line_graph(spec(form), GRAY8, *SIZE, PLAIN, Pen(0.72)) for form in (RGB8, GRAY8)],
    ),
    "sketch": (
        small_sketch(),
        lambda: [sketch_graph(small_sketch(), spec(f), GRAY8, PLAIN, s) for f in (RGB8, GRAY8) for s in SKETCHES],
    ),
    "key": (colour_network(), lambda: [key_graph(colour_network(), CUT, (64, 48), PLAIN)]),
    "frame": (colour_network(), lambda: [frame_graph(colour_network(), CUT, (64, 48), PLAIN)]),
    "temporal": (temporal_network(), lambda: [temporal_graph(temporal_network(), (64, 48), PLAIN)]),
}  # fmt: skip


@pytest.mark.parametrize("kind", GRAPHS)
def test_everything_but_the_network_is_exact(kind: str) -> None:
    """The network's last convolution is written anew, and shapes at a cut hold no values of their own."""
    proto, build = GRAPHS[kind]
    own = {name for node in proto.graph.node for name in node.output} if proto else set()
    for graph in build():
        nodes = onnx.load_from_string(graph.onnx).graph.node
        inexact = [
            node
            for node in nodes
            if not node.name.startswith(("exact/", "net/"))
            and own.isdisjoint(node.output)
            and node.op_type != "Reshape"
        ]
        assert [node.op_type for node in inexact] in ([], ["Conv"]), [node.name for node in inexact]
        assert all(node.name.startswith(("last", "rest")) for node in inexact)


@pytest.mark.parametrize("kind", ["luma", "chroma", "RGB", "style", "sketch"])
def test_the_network_itself_is_not_exact(kind: str) -> None:
    proto, build = GRAPHS[kind]
    assert proto is not None
    own = {name for node in proto.graph.node for name in node.output}
    for graph in build():
        nodes = onnx.load_from_string(graph.onnx).graph.node
        convolutions = [node for node in nodes if node.op_type == "Conv" and not own.isdisjoint(node.output)]
        assert convolutions
        assert not any(node.name.startswith("exact/") for node in convolutions)


@pytest.mark.parametrize("kind", GRAPHS)
def test_graphs_say_whether_their_linear_path_is_split_off(kind: str) -> None:
    split = {graph.linear_split for graph in GRAPHS[kind][1]()}
    assert split == {kind in ("luma with its linear path", "luma of any size", "chroma of any size")}
