"""Load a serialized engine on a card once, and run it in an execution context for every lane."""

from __future__ import annotations

import logging
import re
from collections.abc import Callable, Mapping
from threading import Lock
from typing import Any

from vsanime.backends.cuda.runtime import Device, DeviceBuffer
from vsanime.backends.stdout import guard_stdout
from vsanime.backends.tensorrt.flavours import Flavour
from vsanime.backends.tensorrt.reports import Messages
from vsanime.errors import VsanimeError

log = logging.getLogger("vsanime.tensorrt")


class Refused(VsanimeError):  # noqa: N818 - it says what happened
    """An error for an engine that the runtime does not load: of another version, for another card, or damaged."""


# Messages that do not blame the engine: no memory for its weights, no driver, a failed card.
_NOT_THE_ENGINE = re.compile(r"out ?of ?memory|cuda ?(error|runtime|driver)", re.IGNORECASE)


class LoadedEngine:
    """An engine on a card, shared by the lanes there."""

    def __init__(
        self,
        flavour: Flavour,
        device: Device,
        serialized: bytes,
        *,
        kernels: bytes | None = None,
        keep_kernels: Callable[[bytes], None] | None = None,
    ) -> None:
        """Load the engine.

        Args:
            flavour: package that built it.
            device: the card.
            serialized: the serialized engine.
            kernels: kernels that TensorRT-RTX compiled for this engine on this card before, serialized.
            keep_kernels: called with newly compiled kernels, serialized.

        Raises:
            Refused: the runtime does not accept the engine.
            VsanimeError: the card has no memory for it, or failed.
        """
        self._flavour = flavour
        self._messages = Messages(flavour)
        self._keep_kernels = keep_kernels
        device.activate()
        with guard_stdout():
            self._runtime = flavour.module.Runtime(self._messages.logger)
            # Without a driver this returns None and does not raise.
            self._engine = self._runtime.deserialize_cuda_engine(serialized)
        if self._engine is None:
            reason = self._messages.reason()
            error = VsanimeError if _NOT_THE_ENGINE.search(reason) else Refused
            raise error(f"{flavour.name} cannot load the engine: {reason}")
        # Stored, because the configuration owns the cache of kernels that it creates.
        self._config = self._engine.create_runtime_config() if flavour.is_rtx else None
        self._kernels = self._kernel_cache(kernels)
        self._kept = kernels
        self._keeping = Lock()

    def new_context(self) -> Any:
        """Create an execution context that uses memory allocated by us.

        Raises:
            VsanimeError: it could not be created.
        """
        trt = self._flavour.module
        user_managed = trt.ExecutionContextAllocationStrategy.USER_MANAGED
        since = self._messages.mark()
        with guard_stdout():
            if self._kernels is not None:
                config = self._engine.create_runtime_config()
                config.set_execution_context_allocation_strategy(user_managed)
                config.set_runtime_cache(self._kernels)
                # For open sizes: compile for this size before the first frame and not in the background of later ones.
                config.dynamic_shapes_kernel_specialization_strategy = (
                    trt.DynamicShapesKernelSpecializationStrategy.EAGER
                )
                context = self._engine.create_execution_context(config)
            else:
                context = self._engine.create_execution_context(user_managed)
        if context is None:
            raise VsanimeError(f"{self._flavour.name} could not make a context: {self._messages.reason(since)}")
        return context

    def context_bytes(self, shapes: Mapping[str, tuple[int, ...]]) -> int:
        """Return the bytes of video memory that a lane's context needs.

        Args:
            shapes: shapes of the inputs whose sizes are open: smaller ones need less than the largest.
        """
        if not shapes:
            return int(self._engine.device_memory_size_v2)
        # A context that uses our memory allocates none, so a temporary one can be asked.
        return count_bytes(self, self.new_context(), shapes)

    def mark(self) -> int:
        """Return a mark of the current moment, for `reason`."""
        return self._messages.mark()

    def reason(self, since: int) -> str:
        """Return why a call failed that began at a mark, in the runtime's own words."""
        return self._messages.reason(since)

    def keep_kernels(self) -> None:
        """Pass on the compiled kernels if they changed since the last time."""
        if self._kernels is None or self._keep_kernels is None:
            return
        with self._keeping:  # otherwise two lanes could save an older state last
            compiled = self._kernels.serialize()
            if compiled is not None and (data := bytes(compiled)) != self._kept:
                self._kept = data
                self._keep_kernels(data)

    def _kernel_cache(self, kernels: bytes | None) -> Any:
        """Return TensorRT-RTX's cache of compiled kernels, filled with those of earlier runs; None for TensorRT."""
        if self._config is None:
            return None
        cache = self._config.create_runtime_cache()
        if kernels and not cache.deserialize(kernels):
            log.debug("the compiled kernels that were kept do not suit this driver; they are compiled again")
        return cache


def count_bytes(engine: LoadedEngine, context: Any, shapes: Mapping[str, tuple[int, ...]]) -> int:
    """Set the shapes of a context's inputs, and return the bytes of memory that it needs for them.

    Raises:
        VsanimeError: the runtime refuses a shape.
    """
    for name, shape in shapes.items():
        since = engine.mark()
        if not context.set_input_shape(name, shape):
            raise VsanimeError(f"the engine refuses {shape} for its input {name!r}: {engine.reason(since)}")
    return int(context.update_device_memory_size_for_shapes())


class ContextProgram:
    """One lane's execution context; see `Program`."""

    def __init__(self, engine: LoadedEngine, device: Device, shapes: Mapping[str, tuple[int, ...]]) -> None:
        """Create the context and its memory.

        Args:
            engine: engine to run.
            device: the card, which is current.
            shapes: shapes of the inputs whose sizes are open.

        Raises:
            VsanimeError: the runtime refuses a shape, or there is too little memory.
        """
        self._engine: LoadedEngine | None = engine
        self._context: Any = engine.new_context()
        self._memory: DeviceBuffer | None = None
        self._first = True
        try:
            self._prepare(engine, device, shapes)
        except BaseException:
            self.close()
            raise

    def _prepare(self, engine: LoadedEngine, device: Device, shapes: Mapping[str, tuple[int, ...]]) -> None:
        size = count_bytes(engine, self._context, shapes) if shapes else engine.context_bytes({})
        if size:
            self._memory = device.buffer(size)
            self._context.set_device_memory(self._memory.address, self._memory.size)

    def bind(self, addresses: Mapping[str, int], stream: int) -> None:  # noqa: ARG002 - contexts take any stream
        """See `Program`."""
        assert self._engine is not None
        for name, address in addresses.items():
            since = self._engine.mark()
            if not self._context.set_tensor_address(name, address):
                raise VsanimeError(f"the engine refuses the buffer of {name!r}: {self._engine.reason(since)}")

    def capturable(self, stream: int) -> bool:
        """See `Program`; versions without `is_stream_capturable` count as capturable."""
        asks = getattr(self._context, "is_stream_capturable", None)
        return asks is None or bool(asks(stream))

    def enqueue(self, stream: int) -> None:
        """See `Program`."""
        engine = self._engine
        assert engine is not None
        since = engine.mark()
        if not self._context.execute_async_v3(stream):
            raise VsanimeError(f"TensorRT failed on a frame: {engine.reason(since)}")
        if self._first:
            # The first frame compiles kernels.
            self._first = False
            engine.keep_kernels()

    def close(self) -> None:
        """See `Program`; no files are written here, since the garbage collector may be the caller."""
        # Release the context before its memory, and before the engine, which is released with the last lane.
        self._context = self._engine = None
        if self._memory is not None:
            self._memory.close()
