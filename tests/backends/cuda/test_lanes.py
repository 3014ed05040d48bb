"""Lanes on a simulated card: right pixels whatever the order, nothing allocated per frame, everything given back.

The card is a simulation (see `tests/support/cudasim.py`): what is proved is our ordering and bookkeeping.
`tests/gpu` asks a real one.
"""

from __future__ import annotations

import gc
import logging
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import pytest

from tests.support.cudasim import MIB, CudaSim, SimProgram, cudaError_t
from tests.support.gpulanes import check_frames, expected_of, frames_for, luma_doubler
from vsanime.backends.cuda import lanes as gpulanes
from vsanime.backends.cuda import runtime
from vsanime.backends.cuda.lanes import RESERVE_BYTES, GpuEngine, GpuLane, buffer_bytes
from vsanime.backends.cuda.runtime import CudaError, Device
from vsanime.errors import TooLittleMemory, VsanimeError

type Simulate = Callable[..., CudaSim]

ORDERS = ["late", "eager", "threads"]


def engine_on(sim: CudaSim, lanes: int = 2, bits: int = 8, cards: Sequence[int] = (0,), **options: Any) -> GpuEngine:
    graph = luma_doubler(bits)
    records = options.pop("records", "yes")

    def make(device: Device, stream: int) -> SimProgram:  # noqa: ARG001 - it is told the stream by `bind`
        return SimProgram(sim, graph, device, records)

    return GpuEngine(graph, [Device(i) for i in cards], lanes, make, **options)


def run_once(lane: GpuLane, seed: int = 0) -> bool:
    """Runs a frame; whether the result is right."""
    graph = luma_doubler()
    frames = frames_for(graph, 1, seed)
    output = [np.zeros(t.shape, t.dtype) for t in graph.outputs]
    lane.run(frames[0], output)
    return all(np.array_equal(a, b) for a, b in zip(output, expected_of(graph, frames)[0], strict=True))


def uploads_during_kernels(sim: CudaSim) -> int:
    """How many uploads ran while another stream's network did."""
    running: set[int] = set()
    found = 0
    for _, phase, what, stream in sim.log:
        if what == "kernel" and phase != "queued":
            (running.add if phase == "begun" else running.remove)(stream)
        if (phase, what) == ("done", "upload"):
            found += bool(running - {stream})
    return found


@pytest.mark.parametrize("when", ORDERS)
@pytest.mark.parametrize("cuda_graph", [False, True])
@pytest.mark.parametrize("bits", [8, 10])
@pytest.mark.parametrize("lanes", [1, 2, 3])
def test_lanes_equal_onnx_runtime(simulate: Simulate, when: str, cuda_graph: bool, bits: int, lanes: int) -> None:
    sim = simulate(when=when, seed=lanes)
    engine = engine_on(sim, lanes, bits, cuda_graph=cuda_graph)
    check_frames(engine, luma_doubler(bits))
    assert sim.calls["cudaGraphLaunch"] == (12 - lanes if cuda_graph else 0)
    engine.close()


@pytest.mark.parametrize("cuda_graph", [False, True])
def test_a_frame_is_four_calls_or_one_and_allocates_nothing(simulate: Simulate, cuda_graph: bool) -> None:
    sim = simulate()
    engine = engine_on(sim, 1, cuda_graph=cuda_graph)
    lane = engine.new_lane()
    assert run_once(lane)
    assert run_once(lane, 1)
    before = sim.calls.copy()
    with sim.no_allocations():
        assert run_once(lane, 2)
    work = {"cudaGraphLaunch": 1} if cuda_graph else {"cudaMemcpyAsync": 2, "launch": 1}
    assert sim.calls - before == {"cudaSetDevice": 1, "cudaEventRecord": 1, "cudaEventSynchronize": 1} | work
    engine.close()


def test_copies_of_one_lane_are_queued_while_the_others_network_runs(simulate: Simulate) -> None:
    sim = simulate(when="threads")
    sim.kernel_seconds = 0.05
    engine = engine_on(sim, 2)
    lanes = [engine.new_lane() for _ in range(2)]

    def work(lane: GpuLane) -> bool:
        time.sleep(0.03 * lanes.index(lane))  # out of step, as frames of real clips soon are
        return all(run_once(lane, seed) for seed in range(4))

    with ThreadPoolExecutor(2) as pool:
        assert all(pool.map(work, lanes))
    assert uploads_during_kernels(sim)
    engine.close()


@pytest.mark.parametrize(("records", "reason"), [("no", "cannot be recorded"), ("fails", "could not allocate")])
def test_without_graphs_where_the_network_cannot_be_recorded(
    simulate: Simulate, records: str, reason: str, caplog: pytest.LogCaptureFixture
) -> None:
    sim = simulate()
    engine = engine_on(sim, 1, cuda_graph=True, records=records)
    lane = engine.new_lane()
    with caplog.at_level(logging.INFO, "vsanime"):
        assert all(run_once(lane, seed) for seed in range(5))
    said = [r.message for r in caplog.records if "CUDA graphs are off" in r.message]
    assert len(said) == 1
    assert reason in said[0]
    assert sim.calls["cudaGraphLaunch"] == 0
    engine.close()


@pytest.mark.parametrize("name", ["cudaStreamBeginCapture", "cudaMemcpyAsync", "launch", "cudaGraphInstantiate"])
def test_a_recording_that_cuda_refuses_leaves_the_stream_usable(simulate: Simulate, name: str) -> None:
    sim = simulate()
    engine = engine_on(sim, 1, cuda_graph=True)
    lane = engine.new_lane()
    assert run_once(lane)
    sim.fail(cudaError_t.cudaErrorInvalidValue, name)
    assert all(run_once(lane, seed) for seed in range(1, 5))
    assert sim.calls["cudaGraphLaunch"] == 0
    assert not sim.error_left_behind()
    engine.close()


def test_lanes_spread_over_cards(simulate: Simulate) -> None:
    sim = simulate(cards=2)
    engine = engine_on(sim, 3, cards=[1, 0])
    used = [card.used for card in sim.cards]
    assert used[1] > used[0] > 0
    check_frames(engine, luma_doubler())
    engine.close()


def test_memory_is_counted_before_it_is_taken(simulate: Simulate) -> None:
    need = buffer_bytes(luma_doubler()) + 50 * MIB
    sim = simulate(memory=RESERVE_BYTES + 2 * need - 1)
    with pytest.raises(TooLittleMemory, match=r"2 streams on card 0 needs \d+ MiB .* \d+ MiB are available") as caught:
        engine_on(sim, 2, program_bytes=50 * MIB)
    assert (caught.value.needed, caught.value.available) == (2 * need, 2 * need - 1)
    assert sim.calls["cudaMalloc"] == sim.calls["cudaHostRegister"] == sim.calls["cudaStreamCreateWithFlags"] == 0
    engine_on(sim, 1, program_bytes=50 * MIB).close()


def test_memory_that_is_just_enough_is_taken(simulate: Simulate) -> None:
    need = buffer_bytes(luma_doubler()) + 50 * MIB
    engine_on(simulate(memory=RESERVE_BYTES + 2 * need), 2, program_bytes=50 * MIB).close()
    with pytest.raises(TooLittleMemory, match=r"the network with 1 stream on card 0 needs") as caught:
        engine_on(simulate(memory=RESERVE_BYTES - 1), 1, program_bytes=50 * MIB)
    assert caught.value.available == 0


def test_every_card_is_asked_before_any_memory_is_taken(simulate: Simulate) -> None:
    sim = simulate(cards=2)
    sim.cards[1].limit = 10 * MIB
    with pytest.raises(TooLittleMemory, match="on card 1"):
        engine_on(sim, 2, cards=[0, 1])
    assert sim.calls["cudaMalloc"] == 0


@pytest.mark.parametrize("code", [cudaError_t.cudaErrorMemoryAllocation, cudaError_t.cudaErrorIllegalAddress])
def test_a_failure_at_any_call_of_the_construction_frees_everything(simulate: Simulate, code: cudaError_t) -> None:
    counting = simulate()
    engine = engine_on(counting, 2)
    calls = counting.calls.total()
    engine.close()
    failed = 0
    for nth in range(1, calls + 1):
        sim = simulate()
        sim.fail(code, nth=nth)
        try:
            engine_on(sim, 2).close()
        except VsanimeError:  # while it is handled, nothing is freed by chance
            failed += 1
            assert sim.leaks() == [] or sim.cards[0].dead is not None
        assert sim.violations == []
        # The next engine finds a card in order, after a reset where one is needed.
        engine = engine_on(sim, 1)
        assert run_once(engine.new_lane())
        engine.close()
        assert sim.leaks() == []
    assert failed > calls // 2


def test_everything_is_given_back_after_every_reload(simulate: Simulate) -> None:
    sim = simulate()
    for _ in range(20):
        engine = engine_on(sim, 2, cuda_graph=True)
        check_frames(engine, luma_doubler(), 6)
        engine.close()
        assert sim.leaks() == []
        engine.close()


def test_a_failure_at_any_call_of_the_close_leaves_nothing_else_behind(
    simulate: Simulate, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What the failing call should have given back stays; all the rest is freed, and nothing is raised."""
    counting = simulate()
    engine = engine_on(counting, 2, cuda_graph=True)
    check_frames(engine, luma_doubler(), 6)
    before = counting.calls.total()
    engine.close()
    for nth in range(1, counting.calls.total() - before + 1):
        sim = CudaSim()
        monkeypatch.setattr(runtime, "cudart", lambda sim=sim: sim)
        engine = engine_on(sim, 2, cuda_graph=True)
        check_frames(engine, luma_doubler(), 6)
        sim.fail(cudaError_t.cudaErrorInvalidValue, nth=nth)
        engine.close()
        engine.close()
        assert sim.violations == []
        assert len(sim.leaks()) <= 1


def test_two_threads_that_find_a_card_dead_reset_it_once(simulate: Simulate) -> None:
    sim = simulate()
    sim.fail(cudaError_t.cudaErrorLaunchFailure)
    with pytest.raises(VsanimeError):
        Device(0).stream()
    with ThreadPoolExecutor(4) as pool:
        devices = list(pool.map(Device, [0] * 4))
    assert sim.cards[0].resets == 1
    assert {device.resets for device in devices} == {1}


def test_an_engine_that_nobody_holds_gives_everything_back(simulate: Simulate) -> None:
    sim = simulate()
    engine = engine_on(sim, 2, cuda_graph=True)
    lane = engine.new_lane()
    del engine
    assert run_once(lane)
    del lane
    gc.collect()
    assert sim.leaks() == []


def test_arrays_outlive_the_engine(simulate: Simulate) -> None:
    sim = simulate()
    engine = engine_on(sim, 1)
    lane = engine.new_lane()
    array = lane.buffer(luma_doubler().inputs[0])
    engine.close()
    array[:] = 7
    with pytest.raises(VsanimeError, match="the engine was closed: the script was unloaded"):
        lane.run([array], [array])
    with pytest.raises(VsanimeError, match="was closed"):
        engine.new_lane()
    assert (array == 7).all()


def test_there_are_no_more_lanes_than_were_wanted(simulate: Simulate) -> None:
    engine = engine_on(simulate(), 1)
    lane = engine.new_lane()
    with pytest.raises(VsanimeError, match="compiled for 1 lanes and all are taken"):
        engine.new_lane()
    assert run_once(lane)
    engine.close()


@pytest.mark.parametrize("when", ["late", "threads"])
@pytest.mark.parametrize("slow", ["kernel_seconds", "queue_seconds"])
def test_close_waits_for_the_frame_that_is_running(simulate: Simulate, when: str, slow: str) -> None:
    sim = simulate(when=when)
    setattr(sim, slow, 0.1)
    engine = engine_on(sim, 1)
    lane = engine.new_lane()
    started = threading.Event()
    results: list[bool] = []

    def work() -> None:
        with pytest.raises(VsanimeError, match="was closed"):  # noqa: PT012 - it ends with the frame after the close
            while True:
                started.set()
                results.append(run_once(lane))

    thread = threading.Thread(target=work)
    thread.start()
    started.wait()
    time.sleep(0.05)
    engine.close()
    assert sim.leaks() == []
    thread.join()
    assert results
    assert all(results)


def test_a_frame_that_the_runtime_refuses_is_one_error_and_the_next_one_works(simulate: Simulate) -> None:
    sim = simulate()
    engine = engine_on(sim, 1)
    lane = engine.new_lane()
    assert run_once(lane)
    lane._program.refuses = 1  # type: ignore[attr-defined]
    with pytest.raises(VsanimeError, match="refused a frame"):
        run_once(lane, 1)
    assert sim.in_flight() == 0  # the caller may fill its arrays for the next frame
    assert all(run_once(lane, seed) for seed in (2, 3))
    engine.close()


@pytest.mark.parametrize("cuda_graph", [False, True])
@pytest.mark.parametrize("name", ["cudaMemcpyAsync", "cudaEventRecord", "cudaEventSynchronize", "cudaSetDevice"])
def test_a_call_that_fails_costs_one_frame(simulate: Simulate, name: str, cuda_graph: bool) -> None:
    sim = simulate()
    engine = engine_on(sim, 1, cuda_graph=cuda_graph)
    lane = engine.new_lane()
    assert all(run_once(lane, seed) for seed in range(3))
    if name == "cudaMemcpyAsync" and cuda_graph:
        name = "cudaGraphLaunch"
    for nth in (1, 2) if name == "cudaMemcpyAsync" else (1,):
        sim.fail(cudaError_t.cudaErrorInvalidValue, name, nth)
        with pytest.raises(CudaError, match="cudaErrorInvalidValue") as caught:
            run_once(lane, 1)
        assert not caught.value.sticky
        assert not sim.error_left_behind()
        assert all(run_once(lane, seed) for seed in range(3, 6))
    engine.close()


@pytest.mark.parametrize("when", ORDERS)
@pytest.mark.parametrize("cuda_graph", [False, True])
def test_a_dead_card_fails_its_frames_and_the_next_engine_recovers(
    simulate: Simulate, when: str, cuda_graph: bool
) -> None:
    sim = simulate(when=when)
    engine = engine_on(sim, 2, cuda_graph=cuda_graph)
    lanes = [engine.new_lane() for _ in range(2)]
    assert all(run_once(lane, seed) for lane in lanes for seed in range(3))
    sim.fail_kernel(cudaError_t.cudaErrorIllegalAddress)
    for _ in range(2):
        with pytest.raises(CudaError, match=r"cudaErrorIllegalAddress.*evaluate the script again") as caught:
            run_once(lanes[0])
        assert caught.value.sticky
    with pytest.raises(CudaError, match="cudaErrorIllegalAddress"):
        run_once(lanes[1])
    after = engine_on(sim, 2, cuda_graph=cuda_graph)
    assert sim.cards[0].resets == 1
    # The old engine was closed by the reset; its handles are not freed a second time, among the new ones.
    with pytest.raises(VsanimeError, match="was closed"):
        run_once(lanes[0])
    engine.close()
    del lanes, engine
    gc.collect()
    check_frames(after, luma_doubler(), 6)
    after.close()
    assert sim.cards[0].resets == 1


def test_only_the_card_that_died_is_reset(simulate: Simulate) -> None:
    sim = simulate(cards=2)
    one, two = engine_on(sim, 1, cards=[0]), engine_on(sim, 1, cards=[1])
    lanes = [one.new_lane(), two.new_lane()]
    sim.fail_kernel(cudaError_t.cudaErrorLaunchFailure)
    with pytest.raises(CudaError, match="cudaErrorLaunchFailure"):
        run_once(lanes[0])
    assert run_once(lanes[1])
    again = engine_on(sim, 2, cards=[0, 1])
    assert [card.resets for card in sim.cards] == [1, 0]
    assert run_once(lanes[1])
    check_frames(again, luma_doubler(), 4)
    for engine in (one, two, again):
        engine.close()


def test_a_card_that_a_reset_does_not_bring_back_is_one_clear_error(simulate: Simulate) -> None:
    sim = simulate()
    engine = engine_on(sim, 1)
    lane = engine.new_lane()
    sim.fail_kernel(cudaError_t.cudaErrorLaunchFailure)
    with pytest.raises(CudaError):
        run_once(lane)
    sim.cards[0].reset_helps = False
    with pytest.raises(VsanimeError, match=r"a reset did not bring it back.*end the program"):
        engine_on(sim, 1)
    del lane, engine


def test_the_simulation_sees_a_missing_wait(simulate: Simulate, monkeypatch: pytest.MonkeyPatch) -> None:
    """The tests above can fail: without the event, the results are not there yet."""
    sim = simulate()
    engine = engine_on(sim, 1)
    lane = engine.new_lane()
    monkeypatch.setattr(gpulanes.Event, "wait", lambda _: None)
    assert not run_once(lane)
    engine.close()


def test_the_simulation_sees_a_missing_copy_and_a_wrong_order(
    simulate: Simulate, monkeypatch: pytest.MonkeyPatch
) -> None:
    sim = simulate()
    engine = engine_on(sim, 1)
    lane = engine.new_lane()
    monkeypatch.setattr(gpulanes.Stream, "upload", lambda *_: None)
    assert not run_once(lane)
    engine.close()


class Cycle:
    """Garbage that only the collector finds."""

    def __init__(self, thing: object) -> None:
        self.thing, self.me = thing, self


class Collecting(SimProgram):
    """A program in whose middle the garbage collector runs."""

    recordings_only = True

    def enqueue(self, stream: int) -> None:
        if self._sim._recordings or not self.recordings_only:
            gc.collect()
        super().enqueue(stream)


@pytest.fixture
def no_automatic_collection() -> Iterator[None]:
    gc.collect()
    gc.disable()
    yield
    gc.enable()


@pytest.mark.usefixtures("no_automatic_collection")
def test_garbage_found_while_a_graph_is_recorded_is_freed_afterwards(simulate: Simulate) -> None:
    sim = simulate()
    graph, device = luma_doubler(), Device(0)
    engine = GpuEngine(graph, [device], 1, lambda d, _: Collecting(sim, graph, d), cuda_graph=True)
    lane = engine.new_lane()
    Cycle(GpuEngine(graph, [device], 1, lambda d, _: SimProgram(sim, graph, d)))
    assert all(run_once(lane, seed) for seed in range(3))
    assert sim.calls["cudaGraphLaunch"] > 0, "the recording was lost"
    engine.close()
    assert sim.leaks() == []


@pytest.mark.usefixtures("no_automatic_collection")
def test_garbage_of_another_card_leaves_the_current_card_alone(simulate: Simulate) -> None:
    sim = simulate(cards=2)
    graph = luma_doubler()

    class Always(Collecting):
        recordings_only = False

    engine = GpuEngine(graph, [Device(1)], 1, lambda d, _: Always(sim, graph, d))
    lane = engine.new_lane()
    Cycle(GpuEngine(graph, [Device(0)], 1, lambda d, _: SimProgram(sim, graph, d)))
    assert run_once(lane)
    engine.close()
