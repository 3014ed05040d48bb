"""Wrap CUDA's runtime API thinly: devices, memory, streams, events and graphs, each with an owner that releases it.

The current device belongs to a thread, and VapourSynth calls from any: call `Device.activate` before a frame's work.
Every failing call raises `CudaError`. After some of them (`sticky`) the process's context on the card is dead; the next
`Device` opened on that card resets it and continues.
"""

from __future__ import annotations

import ctypes
import logging
import mmap
import sys
import weakref
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from threading import RLock, local
from typing import Any, Protocol

import numpy as np
from numpy.typing import DTypeLike

from vsanime.arrays import Array
from vsanime.errors import TooLittleMemory, VsanimeError

log = logging.getLogger("vsanime")

# Errors after which every call on the context fails: from the texts of cudaError_t that ask for "the process must be
# terminated and relaunched", and those of a lost card. By name: CUDA 12 lacks some of them.
_STICKY = frozenset(
    {
        "cudaErrorECCUncorrectable",
        "cudaErrorNvlinkUncorrectable",
        "cudaErrorContained",
        "cudaErrorIllegalAddress",
        "cudaErrorLaunchTimeout",
        "cudaErrorContextIsDestroyed",
        "cudaErrorAssert",
        "cudaErrorHardwareStackError",
        "cudaErrorIllegalInstruction",
        "cudaErrorMisalignedAddress",
        "cudaErrorInvalidAddressSpace",
        "cudaErrorInvalidPc",
        "cudaErrorLaunchFailure",
        "cudaErrorTensorMemoryLeak",
        "cudaErrorExternalDevice",
        "cudaErrorUnknown",
    }
)


_DRIVER = "nvcuda.dll" if sys.platform == "win32" else "libcuda.so.1"


class CudaError(VsanimeError):
    """A call that CUDA refused.

    Attributes:
        code: CUDA's name of the error, such as "cudaErrorIllegalAddress".
        sticky: whether the context is dead: nothing runs on the card until it is opened again.
    """

    def __init__(self, action: str, code: str, text: str) -> None:
        self.code = code
        self.sticky = code in _STICKY
        advice = "; the card has to be opened anew: evaluate the script again" if self.sticky else ""
        super().__init__(f"CUDA could not {action}: {code} ({text}){advice}")


@dataclass(frozen=True)
class DeviceFacts:
    """The properties of a card.

    Attributes:
        index: CUDA's index of the card, from 0.
        name: such as "NVIDIA GeForce RTX 4090".
        compute_capability: major and minor.
        memory: total memory in bytes.
        driver_version: the newest CUDA version that the driver supports, such as "13.0".
        runtime_version: CUDA version of the runtime in use.
    """

    index: int
    name: str
    compute_capability: tuple[int, int]
    memory: int
    driver_version: str
    runtime_version: str


@cache
def cudart() -> Any:
    """Import and return the module `cuda.bindings.runtime`.

    Raises:
        VsanimeError: there is no driver, or the module is not installed or cannot be loaded.
    """
    # First, because it is cheap: importing the bindings takes half a second and starts a process.
    if not has_driver():
        raise VsanimeError(f"no NVIDIA card can be used; install NVIDIA's driver ({_DRIVER} cannot be loaded)")
    try:
        from cuda.bindings import runtime
    except ImportError as error:
        raise VsanimeError(
            f"CUDA's Python bindings cannot be loaded ({error}); "
            '`pip install "vsanime[tensorrt-rtx]"` for GeForce and RTX cards, `pip install "vsanime[tensorrt]"` for '
            "other NVIDIA cards, or `pip install cuda-python`"
        ) from error
    return runtime


def has_driver() -> bool:
    """Return whether NVIDIA's driver is installed: whether its library can be loaded."""
    try:
        ctypes.CDLL(_DRIVER)
    except OSError:
        return False
    return True


def device_count() -> int:
    """Return the number of cards; 0 without a driver or without CUDA's Python bindings."""
    try:
        status, count = cudart().cudaGetDeviceCount()
    except Exception:  # a missing package raises VsanimeError, one without the driver's library may raise anything
        return 0
    return int(count) if int(status) == 0 else 0


def device_facts(index: int) -> DeviceFacts:
    """Return the properties of a card.

    Raises:
        VsanimeError: there is no card of that index (the message lists the cards), or no driver.
    """
    runtime = cudart()
    try:
        count = check(runtime.cudaGetDeviceCount(), "count the cards")
    except CudaError as error:
        raise VsanimeError(f"no NVIDIA card can be used; install or update NVIDIA's driver ({error})") from error
    except RuntimeError as error:  # older bindings raise where the driver's library is missing
        raise VsanimeError(f"no NVIDIA card can be used; install NVIDIA's driver ({error})") from error
    if not 0 <= index < count:
        listed = ", ".join(f"{i} ({_properties(i).name.decode()})" for i in range(count)) or "none"
        raise VsanimeError(f"device_id={index}: there is no such card; the cards are: {listed}")
    found = _properties(index)
    return DeviceFacts(
        index=index,
        name=found.name.decode(),
        compute_capability=(found.major, found.minor),
        memory=found.totalGlobalMem,
        driver_version=_version(check(runtime.cudaDriverGetVersion(), "read the driver's version")),
        runtime_version=_version(check(runtime.cudaRuntimeGetVersion(), "read the runtime's version")),
    )


def check(result: tuple[Any, ...], action: str) -> Any:
    """Return the result of a CUDA call without its error code.

    Args:
        result: error code first, as all of CUDA's Python functions return it.
        action: what was tried, to follow "could not" in the message.

    Raises:
        CudaError: the call failed. An error that is not sticky is cleared, so that later calls do not report it again.
    """
    status, *values = result
    if int(status) == 0:
        return values[0] if values else None
    runtime = cudart()
    error = CudaError(
        action, runtime.cudaGetErrorName(status)[1].decode(), runtime.cudaGetErrorString(status)[1].decode()
    )
    if not error.sticky:
        runtime.cudaGetLastError()
    raise error


def _properties(index: int) -> Any:
    return check(cudart().cudaGetDeviceProperties(index), f"read the properties of card {index}")


def _version(number: int) -> str:
    """Return a version as text; CUDA writes 12.9 as 12090."""
    return f"{number // 1000}.{number % 1000 // 10}"


class Holder(Protocol):
    """An object that uses a card and has to release it before the card is reset."""

    def close(self) -> None:
        """Release the card."""


# The lock allows one reset at a time. By index of the card: the number of its resets, and the objects that use it.
_reset_lock = RLock()
_resets: dict[int, int] = {}
_opened: set[int] = set()
_holders: dict[int, weakref.WeakSet[Any]] = {}


class Device:
    """One card, ready for work.

    Attributes:
        facts: properties of the card.
        index: CUDA's index of the card.
    """

    def __init__(self, index: int) -> None:
        """Open the card; reset it first if an earlier error left its context dead.

        Raises:
            VsanimeError: there is no such card or no driver, or a reset does not revive the card.
        """
        self.facts = device_facts(index)
        self.index = index
        _opened.add(index)
        self._runtime = cudart()
        _revive(self)

    @property
    def resets(self) -> int:
        """How often this process reset the card: what was made before the last reset is gone with its context."""
        return _resets.get(self.index, 0)

    def hold(self, holder: Holder) -> None:
        """Register `holder`, by a weak reference, to be closed before the card is reset."""
        with _reset_lock:
            _holders.setdefault(self.index, weakref.WeakSet()).add(holder)

    @contextmanager
    def current(self) -> Iterator[None]:
        """Make the card the calling thread's current device within the context, and restore the previous one after it.

        Objects that the garbage collector closes are closed in any thread, in the middle of another card's frame.
        """
        status, before = self._runtime.cudaGetDevice()
        self.activate()
        try:
            yield
        finally:
            # 0 is also the default of a thread that never chose a card: restoring it could make a useless context.
            if int(status) == 0 and before != self.index and (before or before in _opened):
                self._runtime.cudaSetDevice(before)

    def activate(self) -> None:
        """Make the card the calling thread's current device."""
        check(self._runtime.cudaSetDevice(self.index), f"use card {self.index}")

    def free_bytes(self) -> int:
        """Return the card's free memory in bytes."""
        self.activate()
        status, free, total = self._runtime.cudaMemGetInfo()
        check((status, free, total), f"ask card {self.index} for its free memory")
        return int(free)

    def buffer(self, size: int) -> DeviceBuffer:
        """Allocate memory on the card.

        Args:
            size: bytes to allocate.

        Raises:
            TooLittleMemory: the card has less free memory.
            CudaError: the allocation failed for another reason.
        """
        self.activate()
        try:
            address = check(self._runtime.cudaMalloc(size), f"allocate {size} bytes on card {self.index}")
        except CudaError as error:
            if error.code == "cudaErrorMemoryAllocation":
                raise TooLittleMemory(f"a buffer on card {self.index}", size, self.free_bytes()) from error
            raise
        return DeviceBuffer(self, int(address), size)

    def pinned(self, shape: tuple[int, ...], dtype: DTypeLike) -> PinnedArray:
        """Return an array of zeros that the card can copy from and to while the CPU does something else.

        Raises:
            CudaError: the system does not allow that much memory to be pinned.
        """
        self.activate()
        return PinnedArray(self, shape, dtype)

    def stream(self) -> Stream:
        """Create a queue of work that does not synchronize with the default stream."""
        self.activate()
        flags = self._runtime.cudaStreamNonBlocking
        return Stream(self, check(self._runtime.cudaStreamCreateWithFlags(flags), "make a stream"))

    def event(self) -> Event:
        """Create a mark in a stream that a thread can sleep on."""
        self.activate()
        flags = self._runtime.cudaEventBlockingSync | self._runtime.cudaEventDisableTiming
        return Event(self, check(self._runtime.cudaEventCreateWithFlags(flags), "make an event"))


def _revive(device: Device) -> None:
    """Reset a card whose context is dead.

    Raises:
        VsanimeError: the context stays dead.
    """
    with _reset_lock:
        try:
            device.free_bytes()  # cheap, and reports a sticky error
            return
        except CudaError as error:
            if not error.sticky:
                raise
            first = error
        log.warning("card %d is reset after an error: %s", device.index, first.code)
        for holder in list(_holders.get(device.index, ())):
            try:
                holder.close()
            except Exception as error:  # the card has to be reset in any case
                log.debug("closing an engine of a card that is reset: %s", error)
        _resets[device.index] = device.resets + 1
        try:
            check(cudart().cudaDeviceReset(), "reset the card")
            device.free_bytes()
        except CudaError as error:
            raise VsanimeError(
                f"card {device.index} ({device.facts.name}) failed earlier ({first.code}) and a reset did not bring it "
                f"back ({error.code}); end the program that runs the script and start it again"
            ) from error


class _Recordings(local):
    """The calling thread's state while it records graphs: the depth of recordings, and the closes to run afterwards."""

    def __init__(self) -> None:
        self.depth = 0
        self.postponed: list[Callable[[], None]] = []


_recordings = _Recordings()


def finalize(close: Callable[[], None]) -> None:
    """Close an object that the garbage collector found, in any thread and at any moment.

    While the thread records a graph, which freeing would spoil, the close is postponed until afterwards. At the
    interpreter's end nothing is closed: the driver may be gone already, and releases everything.
    """
    if sys.is_finalizing():
        return
    if _recordings.depth:
        _recordings.postponed.append(close)
    else:
        close()


def _close_quietly(close: Callable[[], None]) -> None:
    try:
        close()
    except Exception as error:  # as in a finalizer, no caller could handle it
        log.debug("closing after a recording: %s", error)


class Resource:
    """A CUDA object: released once, by `close` or with the last reference to it."""

    def __init__(self, device: Device, release: str, handle: Any) -> None:
        """Take ownership of the object.

        Args:
            device: card that it belongs to.
            release: name of CUDA's function that releases it.
            handle: argument of that function.
        """
        self.device = device
        self._handle = handle
        self._release = getattr(cudart(), release)
        self._forget_error = cudart().cudaGetLastError
        self._made_after = device.resets
        self._open = True

    def close(self) -> None:
        """Release the object, once; a reset of the card has released it already."""
        if not self._open:
            return
        self._open = False
        if self.device.resets != self._made_after:
            return
        try:
            with self.device.current():
                self._give_back()
        except CudaError as error:
            log.debug("giving back on card %d: %s", self.device.index, error)
            if not error.sticky:  # a dead card's reset releases all that it owns
                self._give_back()

    def _give_back(self) -> None:
        (status,) = self._release(self._handle)
        if int(status) != 0:
            self._forget_error()
            log.debug("%s on card %d returned %s", self._release.__name__, self.device.index, status)

    def __del__(self) -> None:
        if getattr(self, "_open", False):
            finalize(self.close)


class DeviceBuffer(Resource):
    """Memory on the card.

    Attributes:
        address: device address of the first byte.
        size: size in bytes.
    """

    def __init__(self, device: Device, address: int, size: int) -> None:
        super().__init__(device, "cudaFree", address)
        self.address = address
        self.size = size


class PinnedArray(Resource):
    """An array in page-locked memory.

    The memory is NumPy's own and only registered with CUDA: after `close`, or after a reset of the card, references to
    the array stay valid (as pageable memory), where memory allocated by CUDA would be gone.

    Attributes:
        array: C-contiguous array of the requested shape and type.
        address: host address of the first byte.
        size: size of the array in bytes.
    """

    def __init__(self, device: Device, shape: tuple[int, ...], dtype: DTypeLike) -> None:
        page = mmap.PAGESIZE
        self.size = int(np.prod(shape)) * np.dtype(dtype).itemsize
        # Whole pages: two registered ranges must not meet on one.
        whole = max(page, -(-self.size // page) * page)
        memory = np.zeros(whole + page, np.uint8)
        start = -memory.ctypes.data % page
        self.array: Array = memory[start : start + self.size].view(dtype).reshape(shape)
        self.address = memory.ctypes.data + start
        runtime = cudart()
        flags = runtime.cudaHostRegisterDefault
        check(runtime.cudaHostRegister(self.address, whole, flags), f"pin {whole} bytes of memory")
        super().__init__(device, "cudaHostUnregister", self.address)


class Event(Resource):
    """A mark in a stream."""

    def __init__(self, device: Device, handle: Any) -> None:
        super().__init__(device, "cudaEventDestroy", handle)
        self._runtime = cudart()

    def record(self, stream: Stream) -> None:
        """Set the mark behind all work that the stream has queued."""
        check(self._runtime.cudaEventRecord(self._handle, stream.handle), "record an event")

    def wait(self) -> None:
        """Sleep until the mark is reached; other Python threads run meanwhile.

        Raises:
            CudaError: work before the mark failed.
        """
        check(self._runtime.cudaEventSynchronize(self._handle), "finish the work of a frame")


class Stream(Resource):
    """A queue of work on a card; work of two streams overlaps.

    Attributes:
        handle: CUDA's handle, for the calls of this module.
        address: the handle as an integer, for other libraries.
    """

    def __init__(self, device: Device, handle: Any) -> None:
        super().__init__(device, "cudaStreamDestroy", handle)
        self.handle = handle
        self.address = int(handle)
        self._runtime = cudart()

    def upload(self, target: DeviceBuffer, source: PinnedArray) -> None:
        """Queue a copy to the card."""
        kind = self._runtime.cudaMemcpyKind.cudaMemcpyHostToDevice
        result = self._runtime.cudaMemcpyAsync(target.address, source.address, source.size, kind, self.handle)
        check(result, "copy a frame to the card")

    def download(self, target: PinnedArray, source: DeviceBuffer) -> None:
        """Queue a copy from the card."""
        kind = self._runtime.cudaMemcpyKind.cudaMemcpyDeviceToHost
        result = self._runtime.cudaMemcpyAsync(target.address, source.address, target.size, kind, self.handle)
        check(result, "copy a frame from the card")

    def wait(self) -> None:
        """Wait until the queue is empty. The wait may spin; frames sleep on an event instead.

        Raises:
            CudaError: work in the queue failed.
        """
        check(self._runtime.cudaStreamSynchronize(self.handle), "finish a stream's work")

    def capture(self, queue: Callable[[], None]) -> Graph:
        """Record what `queue` puts on the stream, without running it.

        The stream is usable afterwards whether that succeeded or not.

        Raises:
            VsanimeError: something in it cannot be recorded.
        """
        _recordings.depth += 1
        try:
            return self._captured(queue)
        finally:
            _recordings.depth -= 1
            while _recordings.postponed and not _recordings.depth:
                _close_quietly(_recordings.postponed.pop(0))  # lanes before what they own

    def _captured(self, queue: Callable[[], None]) -> Graph:
        runtime = self._runtime
        # Thread-local: other threads may do anything meanwhile, including allocations.
        mode = runtime.cudaStreamCaptureMode.cudaStreamCaptureModeThreadLocal
        check(runtime.cudaStreamBeginCapture(self.handle, mode), "begin to record a graph")
        try:
            queue()
        except BaseException:
            status, graph = runtime.cudaStreamEndCapture(self.handle)
            if int(status) == 0:
                runtime.cudaGraphDestroy(graph)
            runtime.cudaGetLastError()
            raise
        graph = check(runtime.cudaStreamEndCapture(self.handle), "record a graph")
        try:
            return Graph(self.device, check(runtime.cudaGraphInstantiate(graph, 0), "prepare a graph"))
        finally:
            runtime.cudaGraphDestroy(graph)


class Graph(Resource):
    """Recorded work, launched with one call."""

    def __init__(self, device: Device, handle: Any) -> None:
        super().__init__(device, "cudaGraphExecDestroy", handle)
        self._runtime = cudart()

    def launch(self, stream: Stream) -> None:
        """Queue the recorded work."""
        check(self._runtime.cudaGraphLaunch(self._handle, stream.handle), "launch a graph")
