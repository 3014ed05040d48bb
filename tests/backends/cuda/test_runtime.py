"""CUDA's owners and errors on a simulated card, and our calls against the real module's signatures."""

from __future__ import annotations

import mmap
import sys
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from tests.support.cudasim import MIB, CudaSim, cudaError_t
from tests.support.gpulanes import check_recording
from vsanime.backends.cuda import runtime as cuda
from vsanime.backends.cuda.runtime import CudaError, Device, check, device_count, device_facts
from vsanime.errors import TooLittleMemory, VsanimeError

type Simulate = Callable[..., CudaSim]


def test_facts_of_a_card(simulate: Simulate) -> None:
    simulate(cards=2, memory=512 * MIB)
    assert device_count() == 2
    facts = device_facts(1)
    assert (facts.index, facts.name, facts.compute_capability) == (1, "Simulated 1", (8, 6))
    assert (facts.memory, facts.driver_version, facts.runtime_version) == (512 * MIB, "13.0", "13.0")


@pytest.mark.parametrize("index", [2, -1])
def test_a_card_that_is_not_there_lists_those_that_are(simulate: Simulate, index: int) -> None:
    simulate(cards=2)
    with pytest.raises(
        VsanimeError, match=rf"device_id={index}: .*the cards are: 0 \(Simulated 0\), 1 \(Simulated 1\)"
    ):
        Device(index)


@pytest.mark.parametrize(
    ("opened", "before", "after"),
    [((0, 1), 1, 1), ((0, 1), 0, 0), ((1,), 0, 1), ((0, 1), 2, 2)],
    ids=["its own", "an opened one", "none chosen", "another program's"],
)
def test_card_is_current_meanwhile_and_the_one_before_afterwards(
    simulate: Simulate, opened: tuple[int, ...], before: int, after: int
) -> None:
    """CUDA says 0 for a thread that never chose a card: choosing that could make a context on it, for nothing."""
    sim = simulate(cards=3)
    devices = {index: Device(index) for index in opened}
    sim.cudaSetDevice(before)
    calls = sim.calls["cudaSetDevice"]
    with devices[1].current():
        assert sim.cudaGetDevice()[1] == 1
    assert sim.cudaGetDevice()[1] == after
    assert sim.calls["cudaSetDevice"] == calls + (1 if after == 1 else 2)


def test_without_a_driver_there_are_no_cards(simulate: Simulate, monkeypatch: pytest.MonkeyPatch) -> None:
    sim = simulate()
    sim.fail(cudaError_t.cudaErrorInsufficientDriver)
    assert device_count() == 0
    sim.fail(cudaError_t.cudaErrorInvalidValue)
    with pytest.raises(VsanimeError, match="no NVIDIA card can be used; install or update NVIDIA's driver"):
        Device(0)

    def missing() -> tuple[Any, ...]:
        raise RuntimeError("Failed to dlopen libcuda.so.1")  # as cuda-python 12 does it

    monkeypatch.setattr(sim, "cudaGetDeviceCount", missing)
    assert device_count() == 0
    with pytest.raises(VsanimeError, match="install NVIDIA's driver"):
        Device(0)


def test_without_the_bindings_the_error_names_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "cuda.bindings", None)
    monkeypatch.setattr(cuda, "has_driver", lambda: True)
    cuda.cudart.cache_clear()
    assert device_count() == 0
    with pytest.raises(VsanimeError, match=r"`pip install .vsanime\[tensorrt-rtx\].`"):
        Device(0)


def test_without_a_driver_the_bindings_are_not_even_imported(monkeypatch: pytest.MonkeyPatch) -> None:
    """They start a process to look around, which is not done for users without a card."""
    monkeypatch.setattr(cuda, "_DRIVER", "no such library")
    monkeypatch.setitem(sys.modules, "cuda.bindings", None)
    cuda.cudart.cache_clear()
    assert device_count() == 0
    with pytest.raises(VsanimeError, match=r"install NVIDIA's driver \(no such library cannot be loaded\)"):
        Device(0)


def test_too_little_memory_names_both_numbers(simulate: Simulate) -> None:
    sim = simulate(memory=10 * MIB)
    device = Device(0)
    held = device.buffer(4 * MIB)
    with pytest.raises(TooLittleMemory, match="needs 7 MiB of video memory; 6 MiB are available") as caught:
        device.buffer(6 * MIB + 1)
    assert (caught.value.needed, caught.value.available) == (6 * MIB + 1, 6 * MIB)
    assert not sim.error_left_behind()
    held.close()
    device.buffer(10 * MIB).close()


@pytest.mark.parametrize(("shape", "dtype"), [((1, 1, 3, 5), "uint16"), ((4097,), "uint8"), ((2, 3), "float32")])
def test_pinned_arrays_take_whole_pages(simulate: Simulate, shape: tuple[int, ...], dtype: str) -> None:
    simulate()
    pinned = Device(0).pinned(shape, dtype)
    assert (pinned.array.shape, pinned.array.dtype, pinned.size) == (shape, np.dtype(dtype), pinned.array.nbytes)
    assert pinned.array.flags.c_contiguous
    assert not pinned.array.any()
    assert pinned.address == pinned.array.ctypes.data
    assert pinned.address % mmap.PAGESIZE == 0
    pinned.close()
    pinned.array[...] = 1


def test_what_cuda_made_is_given_back_once(simulate: Simulate) -> None:
    sim = simulate()
    device = Device(0)
    made = [device.stream(), device.event(), device.buffer(100), device.pinned((100,), "uint8")]
    for _ in range(2):
        for resource in made:
            resource.close()
    assert sim.leaks() == []
    device.buffer(100)  # by the last reference
    assert sim.leaks() == []
    assert sim.calls["cudaFree"] == 2


def test_recorded_work_runs_when_it_is_launched(simulate: Simulate) -> None:
    simulate(when="eager")
    check_recording(Device(0), 10)


def test_what_was_made_before_a_reset_is_not_freed_after_it(simulate: Simulate) -> None:
    sim = simulate()
    before = Device(0)
    old = [before.stream(), before.event(), before.buffer(100), before.pinned((100,), "uint8")]
    sim.fail(cudaError_t.cudaErrorIllegalAddress)
    with pytest.raises(CudaError, match="cudaErrorIllegalAddress"):
        before.stream()
    device = Device(0)
    assert device.resets == sim.cards[0].resets == 1
    for resource in old:
        resource.close()
    assert sim.calls["cudaFree"] == sim.calls["cudaStreamDestroy"] == sim.calls["cudaHostUnregister"] == 0
    device.stream().close()


def test_an_error_says_what_was_tried_and_what_cuda_calls_it(simulate: Simulate) -> None:
    simulate()
    with pytest.raises(CudaError) as caught:
        check((cudaError_t.cudaErrorInvalidValue, None), "do this")
    assert str(caught.value) == "CUDA could not do this: cudaErrorInvalidValue (simulated 1)"
    assert caught.value.code == "cudaErrorInvalidValue"
    assert not caught.value.sticky


def test_the_simulation_has_cudas_signatures() -> None:
    """Every function that the simulation stands in for takes as many arguments in the real module."""
    runtime = pytest.importorskip("cuda.bindings.runtime", reason="CUDA's Python bindings do not exist for this system")
    names = [name for name in dir(CudaSim) if name.startswith("cuda") and callable(getattr(CudaSim, name))]
    functions = [name for name in names if name[4:5].isupper() and not isinstance(getattr(CudaSim, name), type)]
    assert len(functions) > 25
    for name in functions:
        signature = getattr(runtime, name).__doc__.splitlines()[0]
        inside = signature[signature.index("(") + 1 : signature.rindex(")")]
        real = len([part for part in inside.split(",") if part.strip()])
        function = getattr(CudaSim, name)
        code = getattr(function, "__wrapped__", function).__code__
        assert code.co_argcount - 1 == real, signature
    for name in ("cudaStreamNonBlocking", "cudaEventBlockingSync", "cudaEventDisableTiming", "cudaHostRegisterDefault"):
        assert getattr(runtime, name) == getattr(CudaSim, name)


@pytest.mark.skipif(device_count() > 0, reason="a card is there: tests/gpu makes the real calls")
def test_the_real_module_takes_our_arguments() -> None:
    """Without a driver every call returns an error; a wrong type of an argument would raise."""
    runtime = pytest.importorskip("cuda.bindings.runtime", reason="CUDA's Python bindings do not exist for this system")
    stream, event, graph = runtime.cudaStream_t(), runtime.cudaEvent_t(), runtime.cudaGraphExec_t()
    kind, mode = runtime.cudaMemcpyKind.cudaMemcpyHostToDevice, runtime.cudaStreamCaptureMode
    calls: dict[str, tuple[Any, ...]] = {
        "cudaSetDevice": (0,),
        "cudaMemGetInfo": (),
        "cudaMalloc": (16,),
        "cudaHostRegister": (4096, 4096, runtime.cudaHostRegisterDefault),
        "cudaStreamCreateWithFlags": (runtime.cudaStreamNonBlocking,),
        "cudaEventCreateWithFlags": (runtime.cudaEventBlockingSync | runtime.cudaEventDisableTiming,),
        "cudaEventRecord": (event, stream),
        "cudaEventSynchronize": (event,),
        "cudaStreamWaitEvent": (stream, event, 0),
        "cudaStreamSynchronize": (stream,),
        "cudaMemcpyAsync": (4096, 4096, 16, kind, stream),
        "cudaStreamBeginCapture": (stream, mode.cudaStreamCaptureModeThreadLocal),
        "cudaStreamEndCapture": (stream,),
        "cudaGraphInstantiate": (runtime.cudaGraph_t(), 0),
        "cudaGraphLaunch": (graph, stream),
    }
    for name, arguments in calls.items():
        status = getattr(runtime, name)(*arguments)[0]
        assert status != runtime.cudaError_t.cudaSuccess, name
        assert runtime.cudaGetErrorName(status)[1].startswith(b"cudaError")
