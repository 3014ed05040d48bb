"""Lanes on a real card, with ONNX Runtime's CUDA provider as the network: what the simulation cannot prove."""

from __future__ import annotations

import gc
import logging
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import onnxruntime
import pytest

from tests.support.gpulanes import check_frames, check_recording, luma_doubler
from tests.support.reference import assert_codes_match
from tests.support.tolerances import F32_CODES16_DIFFER, F32_CODES16_MAX, F32_CODES_DIFFER
from vsanime import Backend
from vsanime.arrays import Array
from vsanime.backends.base import Engine
from vsanime.backends.cuda.lanes import GpuEngine
from vsanime.backends.cuda.onnxruntime import SessionProgram, open_session
from vsanime.backends.cuda.runtime import CudaError, Device, device_count, device_facts
from vsanime.errors import TooLittleMemory
from vsanime.spec import PlanesGraph

pytestmark = [
    pytest.mark.gpu,
    pytest.mark.skipif(device_count() == 0, reason="there is no NVIDIA card"),
]

# The runtime and cuDNN keep some memory of their own for the process's life: handles, kernels, work space. What an
# engine of this size takes is more.
KEPT_BYTES = 64 << 20


def compiled(graph: PlanesGraph, lanes: int = 2) -> Engine:
    return Backend.ONNXRuntime(provider="CUDA", num_streams=lanes).compile(graph, "f32", lanes, 4)


def nearly(found: Array, expected: Array) -> None:
    """Another library sums in another order; TF32, which keeps 10 bits, would change far more codes."""
    if found.dtype == np.uint8:
        assert_codes_match(found, expected, F32_CODES_DIFFER)
    else:
        assert_codes_match(found, expected, F32_CODES16_DIFFER, F32_CODES16_MAX)


@pytest.fixture
def device() -> Iterator[Device]:
    yield Device(0)
    gc.collect()


def test_facts_of_the_card() -> None:
    facts = device_facts(0)
    assert facts.name
    assert facts.compute_capability >= (5, 0)
    assert facts.memory > 1 << 30
    assert float(facts.driver_version) >= 12


def test_copies_go_through_pinned_memory(device: Device) -> None:
    stream, event, memory = device.stream(), device.event(), device.buffer(3 << 20)
    source, target = device.pinned((3, 1 << 20), "uint8"), device.pinned((3, 1 << 20), "uint8")
    for value in range(1, 20):
        source.array[:] = value
        stream.upload(memory, source)
        stream.download(target, memory)
        event.record(stream)
        event.wait()
        assert (target.array == value).all()
    for resource in (stream, event, memory, source, target):
        resource.close()
    source.array[:] = 0


def test_copies_are_recorded_and_launched(device: Device) -> None:
    check_recording(device, 1 << 20)


def test_a_recording_that_fails_leaves_the_stream_usable(device: Device) -> None:
    stream, memory, source = device.stream(), device.buffer(16), device.pinned((16,), "uint8")

    def queue() -> None:
        stream.upload(memory, source)
        device.buffer(1 << 20).close()  # memory cannot be taken while a graph is recorded

    with pytest.raises(CudaError):
        stream.capture(queue)
    stream.upload(memory, source)
    stream.wait()
    for resource in (stream, memory, source):
        resource.close()


def test_more_memory_than_there_is(device: Device) -> None:
    with pytest.raises(TooLittleMemory) as caught:
        device.buffer(device.facts.memory * 2)
    assert caught.value.available <= device.facts.memory
    device.buffer(1 << 20).close()


@pytest.mark.parametrize("bits", [8, 10])
@pytest.mark.parametrize("lanes", [1, 2, 3])
def test_lanes_equal_the_cpu(bits: int, lanes: int) -> None:
    graph = luma_doubler(bits, 320, 180)
    engine = compiled(graph, lanes)
    check_frames(engine, graph, compare=nearly)
    engine.close()


def test_half_precision_is_close() -> None:
    """fp16 errs by less than a code of 8 bits: a tenth of the codes may fall to the other side of an edge."""
    half = Backend.ONNXRuntime(provider="CUDA", precision="fp16")
    exact, lowered = luma_doubler(8, 320, 180), luma_doubler(8, 320, 180, half.traits("fp16"))
    engine = half.compile(lowered, "fp16", 2, 4)
    check_frames(engine, exact, 4, lambda a, b: assert_codes_match(a, b, 0.1))
    engine.close()


def test_a_session_that_cannot_be_recorded_runs_plainly(device: Device, caplog: pytest.LogCaptureFixture) -> None:
    graph = luma_doubler(8, 320, 180)

    def make(where: Device, stream: int) -> SessionProgram:
        return SessionProgram(open_session(onnxruntime, graph.onnx, where.index, stream, "f32"), graph, where.index)

    engine = GpuEngine(graph, [device], 1, make, cuda_graph=True)
    with caplog.at_level(logging.INFO, "vsanime"):
        check_frames(engine, graph, 4, nearly)
    assert sum("CUDA graphs are off" in record.message for record in caplog.records) == 1
    engine.close()


def test_memory_is_back_after_every_reload(device: Device) -> None:
    graph = luma_doubler(8, 1280, 720)
    free = []
    for _ in range(21):
        engine = compiled(graph)
        check_frames(engine, graph, 2, nearly)
        engine.close()
        gc.collect()
        free.append(device.free_bytes())
    assert free[0] - free[-1] <= KEPT_BYTES, [f >> 20 for f in free]


def test_two_lanes_are_not_slower_than_one() -> None:
    """Copies of one frame overlap the network of another; printed, and only a loss is a failure."""
    graph = luma_doubler(8, 1920, 1080)
    seconds = {}
    for lanes in (1, 2):
        engine = compiled(graph, lanes)
        held = [engine.new_lane() for _ in range(lanes)]
        arrays = [([e.buffer(t) for t in graph.inputs], [e.buffer(t) for t in graph.outputs]) for e in held]
        frames = 60 // lanes

        def work(index: int, held: list = held, arrays: list = arrays, frames: int = frames) -> None:
            for _ in range(frames):
                held[index].run(*arrays[index])

        with ThreadPoolExecutor(lanes) as pool:
            list(pool.map(work, range(lanes)))  # libraries choose and load their kernels
            start = time.perf_counter()
            list(pool.map(work, range(lanes)))
        seconds[lanes] = (time.perf_counter() - start) / (frames * lanes)
        engine.close()
    print({lanes: f"{1000 * value:.2f} ms a frame" for lanes, value in seconds.items()})  # noqa: T201 - for the report
    # A tenth for the scatter of times on a busy machine.
    assert seconds[2] < 1.1 * seconds[1]
