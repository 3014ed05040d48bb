"""Codes are decoded and encoded as the standard says; chroma reaches the luma grid where its siting puts it."""

from __future__ import annotations

import itertools

import numpy as np
import onnxruntime
import pytest
from onnx import helper

from tests.support.networks import layers
from tests.support.reference import run_plain
from vsanime.coding import chroma_coding, luma_coding
from vsanime.errors import VsanimeError
from vsanime.graphs.builders.luma_chroma import chroma_graph, luma_graph
from vsanime.graphs.inspect import inspect
from vsanime.spec import ChromaLocation, Family, GraphTraits, PlaneFormat, Range, SampleType

IDENTITY = layers(helper.make_node("Relu", ["input"], ["output"]), channels=(1, 1))


def form(bits: int, sample: SampleType = SampleType.INTEGER) -> PlaneFormat:
    return PlaneFormat(Family.YUV, sample, bits, 1, 1)


def through(codes: np.ndarray, source: PlaneFormat, target: PlaneFormat, full: Range) -> np.ndarray:
    graph = luma_graph(
        IDENTITY,
        inspect(IDENTITY),
        luma_coding(source, full),
        luma_coding(target, full),
        codes.shape[1],
        codes.shape[0],
        GraphTraits(),
    )
    session = onnxruntime.InferenceSession(graph.onnx, providers=["CPUExecutionProvider"])
    return session.run(None, {"luma": codes[None, None]})[0][0, 0]


@pytest.mark.parametrize("bits", range(8, 17))
@pytest.mark.parametrize("full", Range)
def test_every_code_survives_an_identity_network(bits: int, full: Range) -> None:
    # Below black an identity through ReLU clips to 0, as a network that clips would.
    black = 0 if full is Range.FULL else 16 << (bits - 8)
    codes = np.arange(1 << bits).astype(np.uint8 if bits == 8 else np.uint16).reshape(16, -1)
    assert np.array_equal(through(codes, form(bits), form(bits), full), np.maximum(codes, black))


@pytest.mark.parametrize(("source", "target"), list(itertools.permutations([8, 10, 16], 2)))
@pytest.mark.parametrize("full", Range)
def test_depths_convert_as_the_standard_says(source: int, target: int, full: Range) -> None:
    step = 1 << (source - 8)
    low, high = (0, (1 << source) - 1) if full is Range.FULL else (16 * step, 235 * step)
    codes = np.arange(low, high + 1).astype(np.uint8 if source == 8 else np.uint16)[None]
    if full is Range.FULL:
        exact = codes * (((1 << target) - 1) / ((1 << source) - 1))
    else:
        exact = codes * 2.0 ** (target - source)
    found = through(codes, form(source), form(target), full)
    # Halves may go either way after a multiplication in f32.
    assert np.abs(found - exact).max() <= 0.5 + 1e-2


@pytest.mark.parametrize("bits", [16, 32])
def test_floats_pass_unchanged(bits: int) -> None:
    values = np.linspace(0, 1, 64).reshape(8, 8).astype(f"float{bits}")
    assert np.array_equal(
        through(values, form(bits, SampleType.FLOAT), form(bits, SampleType.FLOAT), Range.FULL), values
    )


def test_codes_beyond_the_peak_are_clipped() -> None:
    double = layers(
        helper.make_node("Mul", ["input", "two"], ["output"]), channels=(1, 1), two=np.float32(2)
    )  # fmt: skip
    codings = [luma_coding(form(10), Range.FULL)] * 2
    graph = luma_graph(double, inspect(double), *codings, 3, 1, GraphTraits())
    session = onnxruntime.InferenceSession(graph.onnx, providers=["CPUExecutionProvider"])
    found = session.run(None, {"luma": np.array([[[[0, 500, 900]]]], np.uint16)})[0]
    assert found.tolist() == [[[[0, 1000, 1023]]]]


@pytest.mark.parametrize("location", ChromaLocation)
@pytest.mark.parametrize("subsampling", [(1, 1), (1, 0)])
def test_chroma_lands_on_the_luma_grid(location: ChromaLocation, subsampling: tuple[int, int]) -> None:
    """A network that hands its chroma through: a ramp comes out as the ramp over luma positions."""
    pick = layers(
        helper.make_node("Conv", ["input", "w"], ["output"], kernel_shape=[1, 1]),
        channels=(3, 2), w=np.array([[0, 1, 0], [0, 0, 1]], np.float32)[:, :, None, None],
    )  # fmt: skip
    float32 = PlaneFormat(Family.YUV, SampleType.FLOAT, 32, *subsampling)
    width, height = 32, 16
    across = 0.5 if location in (1, 3, 5) else 0.0
    down = {0: 0.5, 1: 0.5, 2: 0.0, 3: 0.0, 4: 1.0, 5: 1.0}[int(location)] if subsampling[1] else 0.0
    x = np.arange(width >> 1) * 2 + across
    y = np.arange(height >> subsampling[1]) * (1 << subsampling[1]) + down
    cb = np.broadcast_to(0.01 * x[None], (len(y), len(x))).astype(np.float32)
    cr = np.broadcast_to(0.01 * y[:, None], (len(y), len(x))).astype(np.float32)
    graph = chroma_graph(
        pick, inspect(pick), luma_coding(float32, Range.FULL), *[chroma_coding(float32, Range.FULL)] * 2,
        width, height, subsampling, location, GraphTraits(block=2),
    )  # fmt: skip
    session = onnxruntime.InferenceSession(graph.onnx, providers=["CPUExecutionProvider"])
    feeds = {"luma": np.zeros((1, 1, height, width), np.float32), "cb": cb[None, None], "cr": cr[None, None]}
    found = session.run(None, feeds)[0][0]
    inner = np.s_[2:-2, 2:-2]
    assert np.abs(found[0] - 0.01 * np.arange(width)[None])[inner].max() < 1e-6
    assert np.abs(found[1] - 0.01 * np.arange(height)[:, None])[inner].max() < 1e-6
    # Beyond the edge the outermost samples repeat: nothing overshoots.
    assert found[0].min() >= cb.min() - 1e-6
    assert found[0].max() <= cb.max() + 1e-6


@pytest.mark.parametrize("quantize_first", [False, True])
@pytest.mark.parametrize(
    ("bounds", "low", "high"),
    [([], -9, 9), (["low"], 0.25, 9), (["", "high"], -9, 0.75), (["low", "high"], 0.25, 0.75)],
    ids=["none", "low", "high", "both"],
)
def test_bounds_of_a_network_hold_in_its_graph(
    bounds: list[str], low: float, high: float, quantize_first: bool
) -> None:
    nodes = [helper.make_node("Conv", ["input", "w", "b"], ["a"], kernel_shape=[1, 1])]
    nodes.append(helper.make_node("Clip", ["a", *bounds], ["output"]))
    proto = layers(
        *nodes, channels=(1, 1), w=np.full((1, 1, 1, 1), 2, np.float32), b=np.float32([-0.5]), low=np.float32(0.25),
        high=np.float32(0.75),
    )  # fmt: skip
    float32 = luma_coding(form(32, SampleType.FLOAT), Range.FULL)
    traits = GraphTraits(quantize_first=quantize_first)
    graph = luma_graph(proto, inspect(proto), float32, float32, 16, 1, traits)
    values = np.linspace(0, 1, 16, dtype=np.float32)[None, None, None]
    session = onnxruntime.InferenceSession(graph.onnx, providers=["CPUExecutionProvider"])
    np.testing.assert_allclose(session.run(None, {"luma": values})[0], np.clip(2 * values - 0.5, low, high), atol=1e-6)


def test_channels_are_checked() -> None:
    coding = luma_coding(form(8), Range.LIMITED)
    rgb = layers(helper.make_node("Relu", ["input"], ["output"]), channels=(3, 3))
    with pytest.raises(VsanimeError, match="takes 3 channels; 1"):
        luma_graph(rgb, inspect(rgb), coding, coding, 8, 8, GraphTraits())


def test_the_reference_itself_is_an_identity() -> None:
    picture = np.random.default_rng(0).random((1, 1, 5, 6), np.float32)
    assert np.array_equal(run_plain(IDENTITY.SerializeToString(), picture), picture)
