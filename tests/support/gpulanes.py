"""What lanes on a card have to do, simulated or real: graphs, frames, and checks of an engine."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from typing import Any

import numpy as np
import onnxruntime
from numpy.typing import NDArray

from vsanime.backends.base import Engine
from vsanime.backends.cuda.runtime import Device
from vsanime.coding import luma_coding
from vsanime.graphs.builders.luma_chroma import luma_graph
from vsanime.graphs.inspect import inspect
from vsanime.models.store import load
from vsanime.spec import Family, GraphTraits, PlaneFormat, PlanesGraph, Range, SampleType

type Array = NDArray[Any]
type Compare = Callable[[Array, Array], None]


PLAIN = GraphTraits(block=2)


@cache
def luma_doubler(bits: int = 8, width: int = 40, height: int = 24, traits: GraphTraits = PLAIN) -> PlanesGraph:
    """C4F16_VA, whose weights come with the package, from a luma plane to a luma plane."""
    proto = load("C4F16_VA").proto
    coding = luma_coding(PlaneFormat(Family.GRAY, SampleType.INTEGER, bits), Range.LIMITED)
    return luma_graph(proto, inspect(proto), coding, coding, width, height, traits)


def frames_for(graph: PlanesGraph, count: int, seed: int = 0) -> list[list[Array]]:
    """Noise for every input, frame by frame."""
    rng = np.random.default_rng(seed)
    top = {"uint8": 255, "uint16": 1023}
    return [[rng.integers(0, top[t.dtype], t.shape, t.dtype) for t in graph.inputs] for _ in range(count)]


def expected_of(graph: PlanesGraph, frames: Sequence[Sequence[Array]]) -> list[list[Array]]:
    """The same graph in ONNX Runtime on the CPU, directly."""
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    options.intra_op_num_threads = 1  # as many as the simulated network takes: sums in the same order
    session = onnxruntime.InferenceSession(graph.onnx, options, providers=["CPUExecutionProvider"])
    names = [t.name for t in graph.outputs]
    return [session.run(names, {t.name: a for t, a in zip(graph.inputs, f, strict=True)}) for f in frames]


def identical(found: Array, expected: Array) -> None:
    assert np.array_equal(found, expected)


def check_recording(device: Device, size: int) -> None:
    """Copies that were recorded run when they are launched, each time anew."""
    stream, memory = device.stream(), device.buffer(size)
    source, target = device.pinned((size,), "uint8"), device.pinned((size,), "uint8")

    def queue() -> None:
        stream.upload(memory, source)
        stream.download(target, memory)

    graph = stream.capture(queue)
    assert not target.array.any()
    for value in (3, 4):
        source.array[:] = value
        graph.launch(stream)
        stream.wait()
        assert (target.array == value).all()
    for resource in (graph, stream, memory, source, target):
        resource.close()


def check_frames(engine: Engine, graph: PlanesGraph, count: int = 12, compare: Compare = identical) -> None:
    """Every lane from a thread of its own, in its own arrays and in foreign ones: the right result for every frame."""
    frames = frames_for(graph, count)
    expected = expected_of(graph, frames)
    lanes = [engine.new_lane() for _ in range(engine.lanes())]

    def work(index: int) -> None:
        lane = lanes[index]
        own = [lane.buffer(t) for t in graph.inputs], [lane.buffer(t) for t in graph.outputs]
        foreign = (
            [np.zeros(t.shape, t.dtype) for t in graph.inputs],
            [np.zeros(t.shape, t.dtype) for t in graph.outputs],
        )
        for n in range(index, count, len(lanes)):
            inputs, outputs = own if n % 3 else foreign
            for array, plane in zip(inputs, frames[n], strict=True):
                np.copyto(array, plane)
            lane.run(inputs, outputs)
            for array, plane in zip(outputs, expected[n], strict=True):
                compare(array, plane)

    with ThreadPoolExecutor(len(lanes)) as pool:
        list(pool.map(work, range(len(lanes))))
