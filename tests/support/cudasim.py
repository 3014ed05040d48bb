# ruff: noqa: N801, N802, N815, N818 - the names are CUDA's
"""A card without a card: the functions of `cuda.bindings.runtime` that we call, simulated as meanly as allowed.

What it is: a check of our ordering and of our bookkeeping. Device memory lies apart and only copies in a stream reach
it; work in a stream runs as late as CUDA allows, at once, or in threads of its own with random pauses, so that a wait
that is missing gives wrong pixels; every allocation is tracked, and what real CUDA would leave undefined (use after
free, a copy to memory that is not pinned, a stream used on another card, frees under way) is written to `violations`.

What it is not: the driver. It knows no kernels (networks run in ONNX Runtime on the CPU when their stream gets there),
no speed and no context that takes memory, and it believes in the documentation where a driver may do otherwise.
"""

from __future__ import annotations

import ctypes
import functools
import itertools
import random
import threading
import time
from collections import Counter, deque
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from enum import IntEnum
from types import SimpleNamespace
from typing import Any

import numpy as np
import onnxruntime
from numpy.typing import NDArray

from vsanime.backends.cuda.runtime import Device
from vsanime.errors import VsanimeError
from vsanime.spec import PlanesGraph

try:
    from cuda.bindings.runtime import cudaError_t, cudaMemcpyKind, cudaStreamCaptureMode
except ImportError:  # macOS, or an environment of `make test`: the same names and numbers, as far as they are used

    class cudaError_t(IntEnum):
        cudaSuccess = 0
        cudaErrorInvalidValue = 1
        cudaErrorMemoryAllocation = 2
        cudaErrorInsufficientDriver = 35
        cudaErrorInvalidDevice = 101
        cudaErrorInvalidResourceHandle = 400
        cudaErrorIllegalAddress = 700
        cudaErrorHostMemoryAlreadyRegistered = 712
        cudaErrorHostMemoryNotRegistered = 713
        cudaErrorLaunchFailure = 719
        cudaErrorStreamCaptureUnsupported = 900
        cudaErrorStreamCaptureInvalidated = 901
        cudaErrorStreamCaptureWrongThread = 908

    class cudaMemcpyKind(IntEnum):
        cudaMemcpyHostToDevice = 1
        cudaMemcpyDeviceToHost = 2

    class cudaStreamCaptureMode(IntEnum):
        cudaStreamCaptureModeThreadLocal = 1


type Bytes = NDArray[np.uint8]

OK = cudaError_t.cudaSuccess
MIB = 1 << 20

# What lies in memory that nobody has written: not zero, which would hide a copy that is missing.
_GARBAGE = 0xA5

# Errors that leave a card dead.
STICKY = (cudaError_t.cudaErrorIllegalAddress, cudaError_t.cudaErrorLaunchFailure)


class Refused(Exception):
    """A call that returns an error."""

    def __init__(self, code: cudaError_t) -> None:
        super().__init__(code.name)
        self.code = code


class Fault(Exception):
    """Work on the card that fails while it runs."""

    def __init__(self, code: cudaError_t) -> None:
        super().__init__(code.name)
        self.code = code


@dataclass
class Operation:
    """Work in a stream.

    Attributes:
        name: "upload", "kernel", "download" or "record".
        run: does it.
        touches: addresses of memory it uses, on the card and pinned.
    """

    name: str
    run: Callable[[], None]
    touches: tuple[int, ...] = ()
    done: bool = False


@dataclass
class Capture:
    """A recording under way."""

    thread: int
    operations: list[Operation] = field(default_factory=list)
    broken: bool = False


@dataclass
class SimStream:
    handle: int
    device: int
    queue: deque[Operation] = field(default_factory=deque)
    busy: bool = False
    alive: bool = True
    capture: Capture | None = None


@dataclass
class SimEvent:
    device: int
    flags: int
    last: Operation | None = None


@dataclass
class Card:
    """One card: its memory by address, and the error it died of."""

    limit: int
    capability: tuple[int, int] = (8, 6)
    memory: dict[int, Bytes] = field(default_factory=dict)
    dead: cudaError_t | None = None
    resets: int = 0
    reset_helps: bool = True

    @property
    def used(self) -> int:
        return sum(block.size for block in self.memory.values())


def api(values: int = 0, *, card: bool = True, recordable: bool = True) -> Callable[..., Any]:
    """Makes a method a call of CUDA's: a tuple with an error code first, injected errors, a dead card's error.

    Args:
        values: how many values follow the code; None each in case of an error.
        card: whether it fails on a dead card.
        recordable: whether a thread that records a graph may call it.
    """

    def wrap(function: Callable[..., Any]) -> Callable[..., tuple[Any, ...]]:
        @functools.wraps(function)
        def called(self: CudaSim, *args: Any) -> tuple[Any, ...]:
            try:
                self._enter(function.__name__, card, recordable)
                result = function(self, *args)
            except Refused as refused:
                self._thread.error = refused.code
                return (refused.code, *[None] * values)
            return (OK, *result) if isinstance(result, tuple) else (OK, result) if values else (OK,)

        return called

    return wrap


class CudaSim:
    """Stands in for the module `cuda.bindings.runtime`.

    Attributes:
        violations: what a correct program does not do.
        log: (moment, phase, operation, stream) with the phases "queued", "begun" and "done".
        calls: how often each function was called.
        kernel_seconds: how long a network runs, beside what it really takes.
        queue_seconds: how long it takes to queue one.
    """

    cudaError_t = cudaError_t
    cudaMemcpyKind = cudaMemcpyKind
    cudaStreamCaptureMode = cudaStreamCaptureMode
    cudaStreamNonBlocking = 1
    cudaEventBlockingSync = 1
    cudaEventDisableTiming = 2
    cudaHostRegisterDefault = 0

    def __init__(self, cards: int = 1, memory: int = 2048 * MIB, when: str = "late", seed: int = 0) -> None:
        """Makes the cards.

        Args:
            cards: how many.
            memory: bytes on each.
            when: work runs "late" (when somebody waits for it), "eager" (at once) or in "threads".
            seed: of the order between streams, and of the threads' pauses.
        """
        self.cards = [Card(memory) for _ in range(cards)]
        self.when = when
        self.violations: list[str] = []
        self.log: list[tuple[int, str, str, int]] = []
        self.calls: Counter[str] = Counter()
        self.kernel_seconds = 0.0
        self.queue_seconds = 0.0
        self._random = random.Random(seed)
        self._changed = threading.Condition(threading.RLock())
        self._thread = threading.local()
        self._numbers = itertools.count(0x5000, 8)  # handles; no two things ever share one
        self._addresses = itertools.count(0x7A00_0000_0000, 1 << 36)  # no process has its own memory there
        self._pinned: dict[int, tuple[int, int]] = {}  # address -> bytes, device
        self._streams: dict[int, SimStream] = {}
        self._events: dict[int, SimEvent] = {}
        self._graphs: dict[int, tuple[int, list[Operation]]] = {}
        self._launchable: dict[int, tuple[int, list[Operation]]] = {}
        self._failures: list[tuple[str | None, int, cudaError_t]] = []
        self._kernel_failures: deque[cudaError_t] = deque()

    # What tests ask and set.

    def leaks(self) -> list[str]:
        """What was made and not given back."""
        found = [f"{card.used} bytes on card {i}" for i, card in enumerate(self.cards) if card.memory]
        for what in ("pinned", "streams", "events", "graphs", "launchable"):
            found += [f"{len(held)} {what}"] if (held := getattr(self, f"_{what}")) else []
        return found

    def fail(self, code: cudaError_t, name: str | None = None, nth: int = 1) -> None:
        """Lets the nth call from now fail, of one function or of any that can."""
        self._failures.append((name, nth, code))

    def fail_kernel(self, code: cudaError_t) -> None:
        """Lets the next network fail while it runs."""
        self._kernel_failures.append(code)

    @contextmanager
    def no_allocations(self) -> Iterator[None]:
        """Checks that nothing is made or given back meanwhile."""
        before = self._made()
        yield
        assert self._made() == before

    def in_flight(self) -> int:
        """How much work is queued and not done."""
        return sum(len(stream.queue) for stream in self._streams.values())

    def error_left_behind(self) -> bool:
        """Whether the calling thread has an error that nobody has cleared."""
        return getattr(self._thread, "error", OK) != OK

    def launch(self, stream: int, name: str, run: Callable[[], None], touches: tuple[int, ...]) -> None:
        """Queues a kernel, as a runtime's library would.

        Raises:
            Refused: the stream is not of the current card, or the card is dead.
        """
        self._enter("launch", True, True)
        found = self._stream(stream)

        def kernel() -> None:
            time.sleep(self.kernel_seconds)
            if self._kernel_failures:
                raise Fault(self._kernel_failures.popleft())
            run()

        self._queue(found, Operation(name, kernel, touches))

    def memory(self, address: int, size: int, device: int) -> Bytes:
        """A view of device memory.

        Raises:
            Fault: it is not, or no longer, allocated on that card, or too small.
        """
        for start, block in list(self.cards[device].memory.items()):
            if start <= address and address + size <= start + block.size:
                return block[address - start : address - start + size]
        self._violate(f"{size} bytes at {address:#x} are not memory of card {device}")
        raise Fault(cudaError_t.cudaErrorIllegalAddress)

    # CUDA's functions.

    @api(1, card=False)
    def cudaGetDeviceCount(self) -> int:
        return len(self.cards)

    @api(1, card=False)
    def cudaGetDeviceProperties(self, index: int) -> SimpleNamespace:
        card = self._card(index)
        major, minor = card.capability
        return SimpleNamespace(name=f"Simulated {index}".encode(), major=major, minor=minor, totalGlobalMem=card.limit)

    @api(1, card=False)
    def cudaDriverGetVersion(self) -> int:
        return 13000

    @api(1, card=False)
    def cudaRuntimeGetVersion(self) -> int:
        return 13000

    @api(card=False)
    def cudaSetDevice(self, index: int) -> None:
        card = self._card(index)
        self._thread.device = index
        if card.dead is not None:
            raise Refused(card.dead)

    @api(1, card=False)
    def cudaGetDevice(self) -> int:
        return self._device

    @api(2)
    def cudaMemGetInfo(self) -> tuple[int, int]:
        card = self.cards[self._device]
        return card.limit - card.used, card.limit

    @api(card=False, recordable=False)
    def cudaDeviceReset(self) -> None:
        device = self._device
        card = self.cards[device]
        with self._changed:
            if any(s.queue for s in self._streams.values() if s.device == device) and card.dead is None:
                self._violate("a card was reset with work under way")
            card.memory.clear()
            card.resets += 1
            if card.reset_helps:
                card.dead = None
            for stream in self._streams.values():
                stream.alive = stream.alive and stream.device != device
            self._streams = {k: v for k, v in self._streams.items() if v.device != device}
            self._events = {k: v for k, v in self._events.items() if v.device != device}
            self._pinned = {k: v for k, v in self._pinned.items() if v[1] != device}
            self._graphs = {k: v for k, v in self._graphs.items() if v[0] != device}
            self._launchable = {k: v for k, v in self._launchable.items() if v[0] != device}
            self._changed.notify_all()

    @api(1, recordable=False)
    def cudaMalloc(self, size: int) -> int:
        card = self.cards[self._device]
        with self._changed:
            if card.used + size > card.limit:
                raise Refused(cudaError_t.cudaErrorMemoryAllocation)
            address = next(self._addresses)
            card.memory[address] = np.full(size, _GARBAGE, np.uint8)
        return address

    @api(recordable=False)
    def cudaFree(self, address: int) -> None:
        for card in self.cards:
            if address in card.memory:
                self._check_idle(address, "freed")
                del card.memory[address]
                return
        self._violate(f"{address:#x} was freed but is not allocated")
        raise Refused(cudaError_t.cudaErrorInvalidValue)

    @api(recordable=False)
    def cudaHostRegister(self, address: int, size: int, flags: int) -> None:
        assert flags == self.cudaHostRegisterDefault
        if any(a < address + size and address < a + n for a, (n, _) in self._pinned.items()):
            raise Refused(cudaError_t.cudaErrorHostMemoryAlreadyRegistered)
        self._pinned[address] = (size, self._device)

    @api(recordable=False)
    def cudaHostUnregister(self, address: int) -> None:
        if address not in self._pinned:
            self._violate(f"{address:#x} was unpinned but is not pinned")
            raise Refused(cudaError_t.cudaErrorHostMemoryNotRegistered)
        self._check_idle(address, "unpinned")
        del self._pinned[address]

    @api(1)
    def cudaStreamCreateWithFlags(self, flags: int) -> int:
        if flags != self.cudaStreamNonBlocking:
            self._violate("a stream waits for the default stream")
        stream = SimStream(next(self._numbers), self._device)
        self._streams[stream.handle] = stream
        if self.when == "threads":
            threading.Thread(target=self._work, args=(stream,), daemon=True).start()
        return stream.handle

    @api()
    def cudaStreamDestroy(self, handle: int) -> None:
        stream = self._stream(handle)
        if stream.queue:
            self._violate("a stream was destroyed with work under way")
        with self._changed:
            del self._streams[handle]
            stream.alive = False
            self._changed.notify_all()

    @api(recordable=False)
    def cudaStreamSynchronize(self, handle: int) -> None:
        stream = self._stream(handle)
        if stream.queue:
            self._wait(stream.queue[-1])
        self._raise_if_dead(stream.device)

    @api(1)
    def cudaEventCreateWithFlags(self, flags: int) -> int:
        handle = next(self._numbers)
        self._events[handle] = SimEvent(self._device, flags)
        return handle

    @api()
    def cudaEventDestroy(self, handle: int) -> None:
        event = self._event(handle)
        if event.last is not None and not event.last.done:
            self._violate("an event was destroyed before it was reached")
        del self._events[handle]

    @api()
    def cudaEventRecord(self, event: int, stream: int) -> None:
        mark, queue = self._event(event), self._stream(stream)
        if mark.device != queue.device:
            raise Refused(cudaError_t.cudaErrorInvalidResourceHandle)
        mark.last = Operation("record", lambda: None)
        self._queue(queue, mark.last)

    @api(recordable=False)
    def cudaEventSynchronize(self, handle: int) -> None:
        event = self._event(handle)
        if not event.flags & self.cudaEventBlockingSync:
            self._violate("a thread spins on an event")
        if event.last is not None:
            self._wait(event.last)
        self._raise_if_dead(event.device)

    @api()
    def cudaMemcpyAsync(self, target: int, source: int, size: int, kind: Any, handle: int) -> None:
        stream = self._stream(handle)
        up = kind == cudaMemcpyKind.cudaMemcpyHostToDevice
        host, device = (source, target) if up else (target, source)
        pinned = self._pinned_start(host, size)

        def copy() -> None:
            memory = self.memory(device, size, stream.device)
            if self._pinned_start(host, size) != pinned:
                self._violate("a copy ran after its memory was unpinned")
                raise Fault(cudaError_t.cudaErrorIllegalAddress)
            array = _host(host, size)
            np.copyto(*((memory, array) if up else (array, memory)))

        if not up and stream.capture is None and self.when != "eager":
            _host(host, size)[:] = _GARBAGE  # until the copy is done, nothing is known of it
        self._queue(stream, Operation("upload" if up else "download", copy, (device, pinned)))

    @api()
    def cudaStreamBeginCapture(self, handle: int, mode: Any) -> None:
        if mode != cudaStreamCaptureMode.cudaStreamCaptureModeThreadLocal:
            self._violate("a recording is disturbed by what other threads do")
        stream = self._stream(handle)
        if stream.capture is not None:
            raise Refused(cudaError_t.cudaErrorStreamCaptureUnsupported)
        stream.capture = Capture(threading.get_ident())
        self._recordings.append(stream.capture)

    @api(1)
    def cudaStreamEndCapture(self, handle: int) -> int:
        stream = self._stream(handle)
        capture, stream.capture = stream.capture, None
        if capture is None or capture.thread != threading.get_ident():
            raise Refused(cudaError_t.cudaErrorStreamCaptureWrongThread)
        self._recordings.remove(capture)
        if capture.broken:
            raise Refused(cudaError_t.cudaErrorStreamCaptureInvalidated)
        graph = next(self._numbers)
        self._graphs[graph] = (stream.device, capture.operations)
        return graph

    @api(1)
    def cudaGraphInstantiate(self, graph: int, flags: int) -> int:
        assert flags == 0
        handle = next(self._numbers)
        self._launchable[handle] = self._graphs[graph]
        return handle

    @api()
    def cudaGraphDestroy(self, graph: int) -> None:
        del self._graphs[graph]

    @api()
    def cudaGraphExecDestroy(self, graph: int) -> None:
        if graph not in self._launchable:
            self._violate("a graph was destroyed twice")
            raise Refused(cudaError_t.cudaErrorInvalidValue)
        del self._launchable[graph]

    @api()
    def cudaGraphLaunch(self, graph: int, handle: int) -> None:
        stream = self._stream(handle)
        for operation in self._launchable[graph][1]:
            self._queue(stream, Operation(operation.name, operation.run, operation.touches))

    def cudaGetLastError(self) -> tuple[cudaError_t]:
        code = getattr(self._thread, "error", OK)
        self._thread.error = OK
        return (self.cards[self._device].dead or code,)

    def cudaGetErrorName(self, code: cudaError_t) -> tuple[cudaError_t, bytes]:
        return OK, code.name.encode()

    def cudaGetErrorString(self, code: cudaError_t) -> tuple[cudaError_t, bytes]:
        return OK, f"simulated {int(code)}".encode()

    # How it works inside.

    @property
    def _device(self) -> int:
        """The calling thread's current device, 0 until it says otherwise."""
        return int(getattr(self._thread, "device", 0))

    @property
    def _recordings(self) -> list[Capture]:
        """What the calling thread is recording."""
        if not hasattr(self._thread, "recordings"):
            self._thread.recordings = []
        recordings: list[Capture] = self._thread.recordings
        return recordings

    def _enter(self, name: str, card: bool, recordable: bool) -> None:
        self.calls[name] += 1
        if card:
            self._raise_if_dead(self._device)
        failures = [(wanted, nth - (wanted in (None, name)), code) for wanted, nth, code in self._failures]
        self._failures = [failure for failure in failures if failure[1] > 0]
        for _, nth, code in failures:
            if nth == 0:
                if code in STICKY:
                    self._die(self._device, code)
                raise Refused(code)
        if not recordable and self._recordings:
            for capture in self._recordings:
                capture.broken = True
            raise Refused(cudaError_t.cudaErrorStreamCaptureUnsupported)

    def _card(self, index: int) -> Card:
        if not 0 <= index < len(self.cards):
            raise Refused(cudaError_t.cudaErrorInvalidDevice)
        return self.cards[index]

    def _stream(self, handle: int) -> SimStream:
        stream = self._streams.get(int(handle))
        if stream is None:
            self._violate("a stream was used that does not exist")
            raise Refused(cudaError_t.cudaErrorInvalidResourceHandle)
        if stream.device != self._device:
            self._violate(f"a stream of card {stream.device} was used with card {self._device} current")
            raise Refused(cudaError_t.cudaErrorInvalidResourceHandle)
        return stream

    def _event(self, handle: int) -> SimEvent:
        if handle not in self._events:
            self._violate("an event was used that does not exist")
            raise Refused(cudaError_t.cudaErrorInvalidResourceHandle)
        return self._events[handle]

    def _pinned_start(self, address: int, size: int) -> int:
        for start, (length, _) in list(self._pinned.items()):
            if start <= address and address + size <= start + length:
                return start
        self._violate("a copy from or to memory that is not pinned")
        raise Refused(cudaError_t.cudaErrorInvalidValue)

    def _check_idle(self, address: int, verb: str) -> None:
        for stream in list(self._streams.values()):
            if any(address in operation.touches for operation in list(stream.queue)):
                self._violate(f"memory was {verb} that work under way uses")

    def _made(self) -> dict[str, int]:
        return {name: n for name, n in self.calls.items() if any(w in name for w in _MAKING)}

    def _violate(self, what: str) -> None:
        self.violations.append(what)

    def _note(self, phase: str, operation: str, stream: int) -> None:
        self.log.append((len(self.log), phase, operation, stream))

    def _queue(self, stream: SimStream, operation: Operation) -> None:
        if stream.capture is not None:
            if stream.capture.thread != threading.get_ident():
                stream.capture.broken = True
                raise Refused(cudaError_t.cudaErrorStreamCaptureWrongThread)
            stream.capture.operations.append(operation)
            return
        with self._changed:
            self._note("queued", operation.name, stream.handle)
            stream.queue.append(operation)
            self._changed.notify_all()
        if self.when == "eager":
            self._wait(operation)

    def _step(self, stream: SimStream) -> bool:
        """Runs a stream's next operation, if there is one that may run."""
        with self._changed:
            if stream.busy or not stream.queue:
                return False
            operation = stream.queue[0]
            stream.busy = True
            self._note("begun", operation.name, stream.handle)
        try:
            if self.cards[stream.device].dead is None:
                operation.run()
        except Fault as fault:
            self._die(stream.device, fault.code)
        finally:
            with self._changed:
                self._note("done", operation.name, stream.handle)
                stream.queue.popleft()
                operation.done = True
                stream.busy = False
                self._changed.notify_all()
        return True

    def _wait(self, operation: Operation) -> None:
        while not operation.done:
            moved = False
            if self.when != "threads":
                streams = list(self._streams.values())
                self._random.shuffle(streams)
                moved = any(self._step(stream) for stream in streams)
            if not moved:
                with self._changed:
                    self._changed.wait(0.002)

    def _work(self, stream: SimStream) -> None:
        while stream.alive:
            with self._changed:
                if not stream.queue and stream.alive:
                    self._changed.wait(0.1)
            time.sleep(self._random.random() * 0.002)
            self._step(stream)

    def _die(self, device: int, code: cudaError_t) -> None:
        self.cards[device].dead = code

    def _raise_if_dead(self, device: int) -> None:
        dead = self.cards[device].dead
        if dead is not None:
            raise Refused(dead)


_MAKING = ("Malloc", "Free", "HostRegister", "HostUnregister", "Create", "Destroy", "Instantiate", "Capture")


def _host(address: int, size: int) -> Bytes:
    return np.frombuffer((ctypes.c_uint8 * size).from_address(address), np.uint8)


class SimProgram:
    """A network that runs in ONNX Runtime on the CPU when its stream gets there; see `Program`.

    It allocates its weights at once and work space when it first runs, as the real ones do.
    """

    def __init__(
        self, sim: CudaSim, graph: PlanesGraph, device: Device, records: str = "yes", weights: int = MIB
    ) -> None:
        """Loads it.

        Args:
            sim: the card.
            graph: planes to planes.
            device: where its memory is.
            records: whether its work can be recorded: "yes", "no" (and it says so) or "fails".
            weights: bytes it takes on the card.
        """
        self._sim = sim
        self._graph = graph
        self._device = device.index
        self._records = records
        self._addresses: Mapping[str, int] = {}
        self._blocks = [self._take(weights)]
        self.refuses = 0
        options = onnxruntime.SessionOptions()
        options.log_severity_level = 3
        options.intra_op_num_threads = 1
        self._session = onnxruntime.InferenceSession(graph.onnx, options, providers=["CPUExecutionProvider"])

    def bind(self, addresses: Mapping[str, int], stream: int) -> None:
        assert sorted(addresses) == sorted(t.name for t in (*self._graph.inputs, *self._graph.outputs))
        self._sim._stream(stream)
        self._addresses = dict(addresses)

    def capturable(self, stream: int) -> bool:
        self._sim._stream(stream)
        return self._records != "no"

    def enqueue(self, stream: int) -> None:
        if self.refuses:
            self.refuses -= 1
            raise VsanimeError("the simulated network refused a frame")
        if len(self._blocks) == 1 or (self._records == "fails" and self._sim._recordings):
            self._blocks.append(self._take(MIB))
        time.sleep(self._sim.queue_seconds)
        try:
            self._sim.launch(stream, "kernel", self._run, tuple(self._addresses.values()))
        except Refused as error:
            raise VsanimeError(f"the simulated network could not be queued: {error}") from error

    def close(self) -> None:
        for block in self._blocks:
            self._sim.cudaFree(block)
        self._blocks = []

    def _take(self, size: int) -> int:
        status, address = self._sim.cudaMalloc(size)
        if status != OK:
            raise VsanimeError(f"the simulated network could not allocate {size} bytes: {status.name}")
        return int(address)

    def _run(self) -> None:
        feed = {t.name: self._tensor(t).copy() for t in self._graph.inputs}
        outputs = [self._tensor(t) for t in self._graph.outputs]
        for output in outputs:
            output.view(np.uint8)[...] = _GARBAGE
        for output, result in zip(outputs, self._session.run([t.name for t in self._graph.outputs], feed), strict=True):
            output[...] = result

    def _tensor(self, spec: Any) -> NDArray[Any]:
        size = int(np.prod(spec.shape)) * np.dtype(spec.dtype).itemsize
        return self._sim.memory(self._addresses[spec.name], size, self._device).view(spec.dtype).reshape(spec.shape)
