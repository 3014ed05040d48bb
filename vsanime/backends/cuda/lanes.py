"""Run frames in lanes on a card, each with pinned arrays, copies and a network on one stream, so that lanes overlap.

A frame is uploaded, goes through the network and is downloaded on its lane's stream while the thread sleeps; another
lane's copies run meanwhile on the card's copy engines. The network is a `Program`: an execution context of TensorRT or
a session of ONNX Runtime.
"""

from __future__ import annotations

import logging
import weakref
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from math import prod
from threading import Lock
from typing import Protocol

import numpy as np

from vsanime.arrays import Array
from vsanime.backends.base import CLOSED, read_cards
from vsanime.backends.cuda.runtime import CudaError, Device, DeviceBuffer, Event, Graph, PinnedArray, Stream, finalize
from vsanime.errors import TooLittleMemory, VsanimeError
from vsanime.spec import PlanesGraph, TensorSpec

log = logging.getLogger("vsanime")

# Left free on a card: kernels are loaded when they first run, libraries keep work space, and a desktop needs memory.
RESERVE_BYTES = 256 << 20

# cudaMalloc allocates memory in multiples of this size.
_GRAIN_BYTES = 2 << 20


class Program(Protocol):
    """One lane's instance of a compiled network; it is called by one thread at a time, while its card is current."""

    def bind(self, addresses: Mapping[str, int], stream: int) -> None:
        """Set the device address of every input and output tensor, once, before the first `enqueue`.

        Raises:
            VsanimeError: the runtime refuses an address.
        """

    def capturable(self, stream: int) -> bool:
        """Return whether the work of `enqueue` may be recorded into a CUDA graph; called after one `enqueue`."""

    def enqueue(self, stream: int) -> None:
        """Put the network's work on the stream and return without waiting for it.

        Raises:
            VsanimeError: the runtime refuses.
        """

    def close(self) -> None:
        """Free what it owns, on the card too; none of its work may be running."""


type MakeProgram = Callable[[Device, int], Program]


class GpuEngine:
    """A compiled network on one or several cards, with the lanes that run it.

    The engine keeps no lane alive: an unreferenced lane frees what it owns, and `close` frees all lanes.
    """

    def __init__(
        self,
        graph: PlanesGraph,
        devices: Sequence[Device],
        lanes: int,
        make_program: MakeProgram,
        *,
        program_bytes: int = 0,
        cuda_graph: bool = False,
    ) -> None:
        """Create the lanes, lane i on device i % len(devices).

        Args:
            graph: graph whose inputs and outputs are the tensors of the network.
            devices: opened cards.
            lanes: number of lanes.
            make_program: returns a lane's program, given its device, which is current, and its stream's address.
            program_bytes: memory in bytes that each program will take on its card.
            cuda_graph: record a frame's work into a graph, where the program allows it.

        Raises:
            TooLittleMemory: a card has too little free memory; nothing was allocated.
            VsanimeError: a buffer or a program could not be created; everything created before it was freed.
        """
        placed = [devices[i % len(devices)] for i in range(lanes)]
        buffers = buffer_bytes(graph)
        for device in dict.fromkeys(placed):
            _check_memory(device, placed.count(device), buffers + program_bytes)
        self._count = lanes
        self._lock = Lock()
        self._closed = False
        made: list[GpuLane] = []
        try:
            for device in placed:
                made.append(GpuLane(device, graph, make_program, cuda_graph))
        except BaseException:
            for lane in reversed(made):
                lane.close()
            raise
        self._waiting = made[::-1]
        self._lanes = weakref.WeakSet(made)
        for device in placed:
            device.hold(self)

    def lanes(self) -> int:
        """See `Engine`."""
        return self._count

    def new_lane(self) -> GpuLane:
        """See `Engine`."""
        with self._lock:
            if self._closed:
                raise VsanimeError(CLOSED)
            if not self._waiting:
                raise VsanimeError(f"the engine was compiled for {self._count} lanes and all are taken")
            lane = self._waiting.pop()
        lane.engine = self  # the engine lives as long as its lanes, so that it can be closed
        return lane

    def close(self) -> None:
        """See `Engine`."""
        with self._lock:
            self._closed = True
            self._waiting.clear()
            lanes = list(self._lanes)
        for lane in lanes:
            lane.close()


class GpuLane:
    """One stream with a program, an event, and a pinned array and a device buffer for every tensor.

    Attributes:
        engine: engine that the lane belongs to; None until `GpuEngine.new_lane` returns the lane.
        writes_anywhere: see `Lane`; a card copies fast from and to pinned memory only.
    """

    writes_anywhere = False

    def __init__(self, device: Device, graph: PlanesGraph, make_program: MakeProgram, cuda_graph: bool) -> None:
        """Allocate everything that a frame needs; see `GpuEngine`."""
        self.engine: GpuEngine | None = None
        self._device = device
        self._lock = Lock()
        self._closed = False
        self._record = cuda_graph
        self._warm = False
        self._graph: Graph | None = None
        # Freed in reverse order: the graph, which is recorded much later, before the program, and so on.
        with ExitStack() as owned:
            self._stream: Stream = _own(owned, device.stream())
            self._event: Event = _own(owned, device.event())
            self._uploads = [_tensor(owned, device, spec) for spec in graph.inputs]
            self._downloads = [_tensor(owned, device, spec) for spec in graph.outputs]
            specs = (*graph.inputs, *graph.outputs)
            tensors = (*self._uploads, *self._downloads)
            self._arrays = {spec.name: host.array for spec, (host, _) in zip(specs, tensors, strict=True)}
            device.activate()
            self._program = _own(owned, make_program(device, self._stream.address))
            addresses = {spec.name: memory.address for spec, (_, memory) in zip(specs, tensors, strict=True)}
            self._program.bind(addresses, self._stream.address)
            self._owned = owned.pop_all()

    def buffer(self, spec: TensorSpec) -> Array:
        """See `Lane`: pinned memory, which the card copies from and to directly."""
        return self._arrays[spec.name]

    def run(self, inputs: Sequence[Array], outputs: Sequence[Array]) -> None:
        """See `Lane`.

        Raises:
            VsanimeError: the card or the runtime failed on this frame, or the engine was closed.
        """
        with self._lock:
            if self._closed:
                raise VsanimeError(CLOSED)
            self._device.activate()
            for (host, _), array in zip(self._uploads, inputs, strict=True):
                if array is not host.array:
                    np.copyto(host.array, array)
            try:
                self._queue_frame()
                self._event.record(self._stream)
                self._event.wait()
            except BaseException:
                self._drain()
                raise
            self._warm = True
            for (host, _), array in zip(self._downloads, outputs, strict=True):
                if array is not host.array:
                    np.copyto(array, host.array)

    def close(self) -> None:
        """Wait for the running frame and free everything; later frames are errors."""
        with self._lock:
            if self._closed:
                return
            self._closed = True
            try:
                with self._device.current():
                    self._drain()
                    self._owned.close()  # continues to the end even if some of it fails
            except VsanimeError as error:
                log.debug("a lane was closed with an error: %s", error)
                self._owned.close()  # what is left on a dead card, whose memory its reset frees

    def __del__(self) -> None:
        if hasattr(self, "_owned"):
            finalize(self.close)

    def _queue_frame(self) -> None:
        # The first frame is not recorded: runtimes allocate and load kernels then, which a graph cannot record.
        if self._record and self._warm:
            self._record = False
            self._graph = self._recorded()
        if self._graph is not None:
            self._graph.launch(self._stream)
        else:
            self._queue_tensors()

    def _queue_tensors(self) -> None:
        for host, memory in self._uploads:
            self._stream.upload(memory, host)
        self._program.enqueue(self._stream.address)
        for host, memory in self._downloads:
            self._stream.download(host, memory)

    def _recorded(self) -> Graph | None:
        """Return a frame's work as a graph, or None if it cannot be recorded."""
        if not self._program.capturable(self._stream.address):
            log.info("CUDA graphs are off: the runtime says that this network cannot be recorded")
            return None
        try:
            return _own(self._owned, self._stream.capture(self._queue_tensors))
        except VsanimeError as error:
            if isinstance(error, CudaError) and error.sticky:
                raise
            log.info("CUDA graphs are off: %s", error)
            return None

    def _drain(self) -> None:
        """Wait until nothing is in flight, so that arrays and buffers can be reused or freed."""
        try:
            self._stream.wait()
        except CudaError as error:
            log.debug("the stream had failed: %s", error)


class _Closes(Protocol):
    def close(self) -> None: ...


def _own[T: _Closes](stack: ExitStack, resource: T) -> T:
    stack.callback(resource.close)
    return resource


def _tensor(stack: ExitStack, device: Device, spec: TensorSpec) -> tuple[PinnedArray, DeviceBuffer]:
    host = _own(stack, device.pinned(spec.shape, spec.dtype))
    return host, _own(stack, device.buffer(host.size))


def card_numbers(device_id: int | Sequence[int]) -> tuple[int, ...]:
    """Return the indices of the cards that a backend's `device_id` names.

    Raises:
        VsanimeError: there is none, one is not a whole number from 0 up, or one is named twice.
    """
    cards = read_cards("device_id", device_id)
    return (cards,) if isinstance(cards, int) else cards


def buffer_bytes(graph: PlanesGraph) -> int:
    """Return the size of one lane's device buffers in bytes."""
    sizes = (prod(spec.shape) * np.dtype(spec.dtype).itemsize for spec in (*graph.inputs, *graph.outputs))
    return sum(-(-size // _GRAIN_BYTES) * _GRAIN_BYTES for size in sizes)


def _check_memory(device: Device, lanes: int, lane_bytes: int) -> None:
    needed = lanes * lane_bytes
    available = max(0, device.free_bytes() - RESERVE_BYTES)
    if needed > available:
        streams = f"{lanes} stream{'s' if lanes > 1 else ''}"
        raise TooLittleMemory(f"the network with {streams} on card {device.index}", needed, available)
