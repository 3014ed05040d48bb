"""Numbers behind lanes on a card: memory that is counted, versions, flags, and what a session is bound to."""

from __future__ import annotations

import io
import logging
import mmap
import sys
from collections.abc import Callable
from contextlib import redirect_stdout
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from tests.support.cudasim import MIB, CudaSim, cudaError_t
from tests.support.gpulanes import luma_doubler
from vsanime.backends.cuda import lanes, onnxruntime, runtime
from vsanime.backends.cuda.lanes import RESERVE_BYTES, buffer_bytes, card_numbers
from vsanime.backends.cuda.onnxruntime import SessionProgram, compile_cuda, peak_bytes
from vsanime.backends.cuda.runtime import CudaError, Device, device_count
from vsanime.errors import TooLittleMemory, VsanimeError
from vsanime.spec import PlanesGraph, TensorSpec

type Simulate = Callable[..., CudaSim]


@pytest.mark.parametrize(
    ("number", "text"), [(12090, "12.9"), (13000, "13.0"), (12010, "12.1"), (11080, "11.8"), (12120, "12.12")]
)
def test_versions_are_read_from_cudas_numbers(number: int, text: str) -> None:
    assert runtime._version(number) == text


@pytest.mark.parametrize(
    ("tensors", "size"),
    [
        ([((1, 1, 1, 1), "uint8")], 2),
        ([((1, 1, 1024, 2048), "uint8")], 2),
        ([((1, 1, 1024, 2049), "uint8")], 4),
        ([((1, 1, 1024, 1025), "uint16")], 4),
        ([((1, 3, 1024, 1024), "float32")], 12),
        ([((1, 1, 1, 1), "uint8"), ((1, 1, 1024, 2049), "uint8")], 6),
    ],
)
def test_buffers_are_counted_in_pieces_of_two_mebibytes(tensors: Any, size: int) -> None:
    specs = tuple(TensorSpec(str(n), dtype, shape) for n, (shape, dtype) in enumerate(tensors))
    for inputs, outputs in ((specs, ()), ((), specs)):
        assert buffer_bytes(PlanesGraph(b"", inputs, outputs, linear_split=False)) == size * MIB


@pytest.mark.parametrize(
    ("free", "count", "message"),
    [
        (256 + 100, 1, None),
        (256 + 100, 2, None),
        (256 + 99, 1, "the network with 1 stream on card 5 needs 100 MiB of video memory; 99 MiB are available"),
        (256 + 99, 2, "the network with 2 streams on card 5 needs 100 MiB of video memory; 99 MiB are available"),
        (100, 1, "the network with 1 stream on card 5 needs 100 MiB of video memory; 0 MiB are available"),
    ],
)
def test_a_quarter_of_a_gigabyte_is_left_free(free: int, count: int, message: str | None) -> None:
    assert RESERVE_BYTES == 256 * MIB
    device: Any = SimpleNamespace(index=5, free_bytes=lambda: free * MIB)
    if message is None:
        lanes._check_memory(device, count, 100 * MIB // count)
        return
    with pytest.raises(TooLittleMemory, match=f"^{message}$"):
        lanes._check_memory(device, count, 100 * MIB // count)


@pytest.mark.parametrize(("device_id", "cards"), [(0, (0,)), ([2, 0], (2, 0)), ("1", (1,)), ("0,1", (0, 1))])
def test_cards_are_numbered(device_id: Any, cards: tuple[int, ...]) -> None:
    assert card_numbers(device_id) == cards


def test_events_sleep_and_take_no_time(simulate: Simulate, monkeypatch: pytest.MonkeyPatch) -> None:
    sim = simulate()
    given: list[int] = []
    make = sim.cudaEventCreateWithFlags
    monkeypatch.setattr(sim, "cudaEventCreateWithFlags", lambda flags: given.append(flags) or make(flags))
    Device(0).event().close()
    assert given == [sim.cudaEventBlockingSync | sim.cudaEventDisableTiming]


@pytest.mark.parametrize(("size", "pages"), [(0, 1), (1, 1), (mmap.PAGESIZE, 1), (mmap.PAGESIZE + 1, 2)])
def test_whole_pages_are_pinned(simulate: Simulate, monkeypatch: pytest.MonkeyPatch, size: int, pages: int) -> None:
    sim = simulate()
    given: list[int] = []
    register = sim.cudaHostRegister
    monkeypatch.setattr(
        sim, "cudaHostRegister", lambda start, count, flags: given.append(count) or register(start, count, flags)
    )
    pinned = Device(0).pinned((size,), "uint8")
    assert (pinned.size, pinned.array.size) == (size, size)
    assert given == [pages * mmap.PAGESIZE]
    pinned.close()


def test_cards_that_cannot_be_counted_are_none(simulate: Simulate) -> None:
    sim = simulate(cards=3)
    assert device_count() == 3
    sim.fail(cudaError_t.cudaErrorInvalidValue)
    assert device_count() == 0


@pytest.mark.parametrize(("code", "sticky"), [("cudaErrorIllegalAddress", True), ("cudaErrorInvalidValue", False)])
def test_errors_say_whether_the_card_is_dead(code: str, sticky: bool) -> None:
    error = CudaError("do it", code, "text")
    assert error.sticky == sticky
    advice = "; the card has to be opened anew: evaluate the script again" if sticky else ""
    assert str(error) == f"CUDA could not do it: {code} (text){advice}"


# ONNX Runtime


class Binding:
    """What a session's tensors are bound to."""

    def __init__(self) -> None:
        self.inputs: list[Any] = []
        self.outputs: list[Any] = []

    def bind_input(self, *arguments: Any) -> None:
        self.inputs.append(arguments)

    def bind_output(self, *arguments: Any) -> None:
        self.outputs.append(arguments)


class Session:
    """Runs what it is bound to."""

    def __init__(self) -> None:
        self.binding = Binding()
        self.ran: list[Any] = []
        self.error = ""

    def io_binding(self) -> Binding:
        return self.binding

    def run_with_iobinding(self, binding: Binding, options: Any) -> None:
        if self.error:
            raise RuntimeError(self.error)
        self.ran.append((binding, options))


def test_sessions_run_on_a_lanes_own_buffers() -> None:
    graph, session = luma_doubler(), Session()
    program = SessionProgram(session, graph, 3)
    (source,), (target,) = graph.inputs, graph.outputs
    program.bind({source.name: 11, target.name: 22}, 0)
    assert session.binding.inputs == [(source.name, "cuda", 3, np.uint8, source.shape, 11)]
    assert session.binding.outputs == [(target.name, "cuda", 3, np.uint8, target.shape, 22)]
    assert not program.capturable(0)
    program.enqueue(0)
    ((binding, options),) = session.ran
    assert binding is session.binding
    assert options.get_run_config_entry("disable_synchronize_execution_providers") == "1"
    session.error = "no memory\nand more"
    with pytest.raises(VsanimeError, match=r"^ONNX Runtime failed on a frame: no memory$"):
        program.enqueue(0)
    program.close()
    assert program._session is None


@pytest.mark.parametrize("preloads", [True, False])
def test_engines_are_for_cards_with_memory_for_libraries_too(
    simulate: Simulate, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, preloads: bool
) -> None:
    """What the runtime prints while it looks for libraries goes to the log."""
    simulate(cards=3)
    caplog.set_level(logging.DEBUG, logger="vsanime")
    made: list[Any] = []
    monkeypatch.setattr(onnxruntime, "GpuEngine", lambda *given, **more: made.append((given, more)) or "an engine")
    opened: list[Any] = []
    monkeypatch.setattr(onnxruntime, "open_session", lambda *given: opened.append(given) or Session())
    module: Any = SimpleNamespace(get_available_providers=lambda: ["CUDAExecutionProvider"])
    if preloads:
        module.preload_dlls = lambda: sys.stdout.write("libcudnn is missing")
    graph, said = luma_doubler(), io.StringIO()
    with redirect_stdout(said):
        assert compile_cuda(module, graph, (2, 0), "fp16", 4) == "an engine"
    assert said.getvalue() == ""
    assert ("libcudnn is missing" in caplog.text) == preloads
    (((same, devices, lanes_wanted, make), more),) = made
    assert same is graph
    assert ([device.index for device in devices], lanes_wanted) == ([2, 0], 4)
    assert more == {"program_bytes": (256 << 20) + peak_bytes(graph.onnx)}
    assert make(devices[0], 77)._device == 2
    assert opened == [(module, graph.onnx, 2, 77, "fp16")]
