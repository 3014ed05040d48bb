"""The split network equals the unsplit one in f32, ring and corners included, and is found by its shape alone."""

from __future__ import annotations

import numpy as np
import onnx
import pytest

from tests.support.networks import artcnn_like
from tests.support.reference import run_plain
from tests.support.tolerances import F32_REORDERED
from tests.support.weightfiles import RANDOM_R, path_of, third_party
from vsanime.coding import Coding
from vsanime.graphs.builders.luma_chroma import luma_graph
from vsanime.graphs.inspect import inspect
from vsanime.spec import GraphTraits, PlanesGraph

FLOAT = Coding("float32", zero=0, span=1, bias=0, peak=None)
SIZES = [(1, 1), (1, 6), (7, 1), (2, 2), (3, 2), (5, 4), (8, 9), (33, 50)]


def graph(proto: onnx.ModelProto, width: int, height: int, traits: GraphTraits) -> PlanesGraph:
    return luma_graph(proto, inspect(proto), FLOAT, FLOAT, width, height, traits)


def difference(proto: onnx.ModelProto, width: int, height: int, traits: GraphTraits) -> float:
    picture = np.random.default_rng(width).random((1, 1, height, width), np.float32)
    expected = run_plain(proto.SerializeToString(), picture)
    found = run_plain(graph(proto, width, height, traits).onnx, picture)
    return float(np.abs(found[:, :, : expected.shape[2], : expected.shape[3]] - expected).max())


@pytest.mark.parametrize("name", ["C4F16_VA", "C4F32_DS_VA", RANDOM_R])
@pytest.mark.parametrize(("width", "height"), SIZES)
@pytest.mark.parametrize("block", [1, 2, 3])
def test_split_equals_whole(name: str, width: int, height: int, block: int) -> None:
    proto = onnx.load(path_of(name))
    assert difference(proto, width, height, GraphTraits(block=block, exact_linear=True)) < F32_REORDERED


@pytest.mark.parametrize("name", third_party("C4F16", "C4F32_DS", "R8F64"))
@pytest.mark.parametrize("block", [1, 2, 3])
def test_split_equals_whole_on_third_party_networks(name: str, block: int) -> None:
    proto = onnx.load(path_of(name))
    assert difference(proto, 33, 50, GraphTraits(block=block, exact_linear=True)) < F32_REORDERED


@pytest.mark.parametrize("seed", [0, 1])
@pytest.mark.parametrize("swap", [False, True])
@pytest.mark.parametrize("clip_last", [False, True])
@pytest.mark.parametrize("mode", ["CRD", "DCR"])
def test_split_is_found_by_shape(seed: int, swap: bool, clip_last: bool, mode: str) -> None:
    proto = artcnn_like(swap=swap, clip_last=clip_last, seed=seed, mode=mode)
    assert graph(proto, 9, 7, GraphTraits(exact_linear=True)).linear_split
    for block in (1, 2):
        assert difference(proto, 9, 7, GraphTraits(block=block, exact_linear=True)) < F32_REORDERED


@pytest.mark.parametrize(("planes", "scale", "mode"), [(3, 2, "CRD"), (3, 2, "DCR"), (2, 1, "DCR"), (1, 3, "CRD")])
@pytest.mark.parametrize("block", [1, 2, 3])
@pytest.mark.parametrize("split", [False, True])
def test_blocks_keep_channel_order(planes: int, scale: int, mode: str, block: int, split: bool) -> None:
    proto = artcnn_like(planes=planes, scale=scale, mode=mode)
    assert difference(proto, 11, 8, GraphTraits(block=block, exact_linear=split)) < F32_REORDERED


def test_the_ring_needs_its_correction() -> None:
    """The test above would see a missing ring: the bare 5x5 convolution is far off at the edge and right inside."""
    proto = artcnn_like(inner=0)
    whole = onnx.load_from_string(graph(proto, 16, 16, GraphTraits(exact_linear=True)).onnx)
    bare = onnx.ModelProto()
    bare.CopyFrom(whole)
    names: dict[str, str] = {}
    del bare.graph.node[:]
    for node in whole.graph.node:
        for i, name in enumerate(node.input):
            node.input[i] = names.get(name, name)
        if node.name.startswith("exact/edges"):
            names[node.output[0]] = node.input[0]
        else:
            bare.graph.node.append(node)
    picture = np.random.default_rng(0).random((1, 1, 16, 16), np.float32)
    error = np.abs(run_plain(bare.SerializeToString(), picture) - run_plain(proto.SerializeToString(), picture))[0, 0]
    assert error[2:-2, 2:-2].max() < F32_REORDERED
    assert error.max() > 0.01


def test_a_net_without_the_skip_is_left_whole() -> None:
    proto = artcnn_like()
    joint = next(n for n in proto.graph.node if n.op_type == "Add")
    joint.input[1] = "relu0"
    assert not graph(proto, 8, 8, GraphTraits(exact_linear=True)).linear_split
    assert difference(proto, 8, 8, GraphTraits(block=2, exact_linear=True)) < F32_REORDERED
