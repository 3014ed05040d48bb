"""A graph whose size is open is one graph, and gives at each size what the graph built for that size gives."""

from __future__ import annotations

import numpy as np
import onnx
import pytest
from onnx import helper

from tests.support.networks import artcnn_like, layers
from tests.support.planesgraphs import noise_for, planes_graph, run
from vsanime.spec import ChromaLocation, GraphTraits

SIZES = [(32, 24), (48, 32), (16, 64)]
WEIGHT = np.random.default_rng(3).standard_normal((3, 3, 3, 3)).astype(np.float32) / 9
NETS = {
    "luma": artcnn_like(seed=1),
    "chroma": artcnn_like(channels=3, planes=2, scale=1, seed=2),
    "rgb": layers(
        helper.make_node("Conv", ["input", "w"], ["c"], kernel_shape=[3, 3], pads=[1] * 4),
        helper.make_node("Clip", ["c", "low", "high"], ["output"]),
        channels=(3, 3),
        w=WEIGHT,
        low=np.float32(0),
        high=np.float32(1),
    ),
}
FIXED, OPEN = GraphTraits(exact_linear=True), GraphTraits(exact_linear=True, any_size=True)


@pytest.mark.parametrize("kind", NETS)
@pytest.mark.parametrize("subsampling", [(1, 1), (1, 0), (0, 1), (2, 0), (2, 2)])
@pytest.mark.parametrize("siting", [ChromaLocation.LEFT, ChromaLocation.CENTER, ChromaLocation.BOTTOM])
def test_an_open_graph_is_the_same_for_every_size(
    kind: str, subsampling: tuple[int, int], siting: ChromaLocation
) -> None:
    if kind == "luma" and subsampling != (1, 1):
        subsampling = (1, 1)
    built = [
        planes_graph(NETS[kind], 8, size, OPEN, subsampling=subsampling, siting=siting, tint=kind == "rgb")
        for size in SIZES
    ]
    assert built[0].any_size
    assert len({graph.onnx for graph in built}) == 1
    for graph, size in zip(built, SIZES, strict=True):
        fixed = planes_graph(NETS[kind], 8, size, FIXED, subsampling=subsampling, siting=siting, tint=kind == "rgb")
        planes = noise_for(graph, 8)
        for found, expected in zip(run(graph, planes), run(fixed, planes), strict=True):
            assert np.array_equal(found, expected)


def test_open_sizes_have_names() -> None:
    graph = onnx.load_from_string(planes_graph(NETS["luma"], 10, (32, 24), GraphTraits(any_size=True)).onnx).graph
    dims = [(d.dim_param or d.dim_value) for d in graph.input[0].type.tensor_type.shape.dim]
    assert dims == [1, 1, "luma_height", "luma_width"]
