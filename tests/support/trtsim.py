"""TensorRT-RTX with its real parser and builder, and a runtime on simulated cards.

What it is: engines are really built; behind each its ONNX travels along, which ONNX Runtime computes on the simulated
card's memory when the stream gets there (half precision rounded layer by layer). The runtime's rules that its
documentation states are checked: every tensor bound, every open shape set, memory given, large enough and there as long
as the context is, kernels taken by the card alone that they were compiled for.

What it is not: the runtime. That `execute_async_v3` on a real card computes what the ONNX says is not shown by it.
"""

from __future__ import annotations

import struct
from collections.abc import Callable
from typing import Any

import numpy as np
import onnx
import onnxruntime

from tests.support.cudasim import CudaSim, Refused
from tests.support.halfprecision import emulated
from tests.support.rtx import tensorrt_rtx

_MARK = b"simulated"


class TensorRTSim:
    """Stands in for the module `tensorrt_rtx`: what it does not define is the module's own.

    Attributes:
        sim: the cards.
        builds: how many engines were built.
        context_bytes: memory that a context wants for each pixel of the first input.
        refuse: how many engines the runtime refuses from now on, `refusal` being what it says.
        fail: how many executions fail from now on.
        capturable: whether contexts allow recordings.
        compiled: contexts that found no kernels compiled before.
        alive: engines and contexts that are still there.
    """

    def __init__(self, sim: CudaSim) -> None:
        self.sim = sim
        self.builds = 0
        self.context_bytes = 64
        self.refuse = 0
        self.refusal = "the engine plan file is not compatible"
        self.say: Callable[[str], None] = lambda _: None  # has the runtime report an error
        self.fail = 0
        self.capturable = True
        self.compiled = 0
        self.alive = 0
        self.Builder = lambda logger: _Builder(self, logger)
        self.OnnxParser = lambda network, logger: _Parser(network, logger)
        self.Runtime = lambda logger: _Runtime(self, logger)

    def __getattr__(self, name: str) -> Any:
        return getattr(tensorrt_rtx, name)


# By identity of the network: what was parsed into it.
_parsed: dict[int, bytes] = {}


class _Parser:
    def __init__(self, network: Any, logger: Any) -> None:
        self._parser = tensorrt_rtx.OnnxParser(network, logger)
        self._network = network

    def parse(self, serialized: bytes) -> bool:
        _parsed[id(self._network)] = serialized
        return bool(self._parser.parse(serialized))

    def __getattr__(self, name: str) -> Any:
        return getattr(self._parser, name)


class _Builder:
    def __init__(self, owner: TensorRTSim, logger: Any) -> None:
        self._owner = owner
        self._builder = tensorrt_rtx.Builder(logger)

    def build_serialized_network(self, network: Any, config: Any) -> bytes | None:
        engine = self._builder.build_serialized_network(network, config)
        if engine is None:
            return None
        self._owner.builds += 1
        model = _parsed[id(network)]
        return bytes(engine) + model + struct.pack("<q", len(model)) + _MARK

    def __getattr__(self, name: str) -> Any:
        return getattr(self._builder, name)


class _Runtime:
    def __init__(self, owner: TensorRTSim, logger: Any) -> None:
        self._owner = owner
        self._logger = logger
        owner.say = lambda text: logger.log(tensorrt_rtx.ILogger.ERROR, text)

    def deserialize_cuda_engine(self, serialized: bytes) -> _Engine | None:
        if self._owner.refuse or not serialized.endswith(_MARK):
            self._owner.refuse = max(0, self._owner.refuse - 1)
            self._logger.log(tensorrt_rtx.ILogger.ERROR, self._owner.refusal)
            return None
        end = len(serialized) - len(_MARK) - 8
        (length,) = struct.unpack("<q", serialized[end : end + 8])
        return _Engine(self._owner, serialized[end - length : end], self._logger)


class _Engine:
    def __init__(self, owner: TensorRTSim, serialized: bytes, logger: Any) -> None:
        self.owner = owner
        self.logger = logger
        self.model = onnx.load_from_string(serialized)
        options = onnxruntime.SessionOptions()
        options.log_severity_level = 3
        options.intra_op_num_threads = 1
        model = emulated(serialized).SerializeToString()
        self.session = onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])
        owner.alive += 1

    def __del__(self) -> None:
        self.owner.alive -= 1

    @property
    def device_memory_size_v2(self) -> int:
        # Of open sizes the largest that there are in these tests.
        dims = [d.dim_value for d in self.model.graph.input[0].type.tensor_type.shape.dim]
        return int(np.prod([d or 256 for d in dims[2:4]])) * self.owner.context_bytes

    def create_runtime_config(self) -> _Config:
        return _Config(b"compiled on card %d" % self.owner.sim._device)

    def create_execution_context(self, config: _Config) -> _Context:
        assert config.strategy == tensorrt_rtx.ExecutionContextAllocationStrategy.USER_MANAGED
        return _Context(self, config.cache)


class _Config:
    """How a context is made."""

    def __init__(self, signature: bytes) -> None:
        self.strategy: Any = None
        self.cache: _Kernels | None = None
        self._signature = signature

    def set_execution_context_allocation_strategy(self, strategy: Any) -> None:
        self.strategy = strategy

    def set_runtime_cache(self, cache: _Kernels) -> None:
        self.cache = cache

    def create_runtime_cache(self) -> _Kernels:
        return _Kernels(self._signature)


class _Kernels:
    """TensorRT-RTX's cache of what it compiled, which it takes back for the same kind of card alone."""

    def __init__(self, signature: bytes) -> None:
        self.signature = signature
        self.blob = b""

    def serialize(self) -> bytes:
        return self.blob

    def deserialize(self, blob: bytes) -> bool:
        if blob != self.signature:
            return False
        self.blob = blob
        return True


class _Context:
    def __init__(self, engine: _Engine, kernels: _Kernels) -> None:
        self._engine = engine
        self._owner = engine.owner
        self._kernels = kernels
        self._card = engine.owner.sim._device
        self._memory = 0
        self._addresses: dict[str, int] = {}
        self._shapes: dict[str, tuple[int, ...]] = {}
        for value in engine.model.graph.input:
            dims = [d.dim_value for d in value.type.tensor_type.shape.dim]
            if all(dims):
                self._shapes[value.name] = tuple(dims)
        self._owner.alive += 1

    def __del__(self) -> None:
        self._owner.alive -= 1
        memory = {address for card in self._owner.sim.cards for address in card.memory}
        if self._memory and not self._owner.sim.cards[self._card].resets and self._memory not in memory:
            self._owner.sim.violations.append("a context outlived the memory that it was given")

    def set_input_shape(self, name: str, shape: tuple[int, ...]) -> bool:
        self._shapes[name] = tuple(shape)
        return True

    def update_device_memory_size_for_shapes(self) -> int:
        (first, *_) = self._engine.model.graph.input
        return int(np.prod(self._shapes[first.name][2:4])) * self._owner.context_bytes

    def set_device_memory(self, address: int, size: int) -> None:
        assert size == self.update_device_memory_size_for_shapes()
        self._memory = address

    def set_tensor_address(self, name: str, address: int) -> bool:
        self._addresses[name] = address
        return name in {v.name for v in (*self._engine.model.graph.input, *self._engine.model.graph.output)}

    def is_stream_capturable(self, stream: int) -> bool:
        assert stream
        return self._owner.capturable

    def execute_async_v3(self, stream: int) -> bool:
        if self._owner.fail:
            self._owner.fail -= 1
            self._engine.logger.log(tensorrt_rtx.ILogger.ERROR, "Error Code 1: Cuda Runtime (out of memory)")
            return False
        graph = self._engine.model.graph
        assert set(self._addresses) == {v.name for v in (*graph.input, *graph.output)}
        assert set(self._shapes) == {v.name for v in graph.input}
        assert self._memory
        if not self._kernels.blob:
            self._kernels.blob = self._kernels.signature
            self._owner.compiled += 1
        device = self._owner.sim._device
        touches = (self._memory, *self._addresses.values())
        try:
            self._owner.sim.launch(stream, "kernel", lambda: self._run(device), touches)
        except Refused as refused:
            self._engine.logger.log(tensorrt_rtx.ILogger.ERROR, f"Error Code 1: Cuda Runtime ({refused})")
            return False
        return True

    def _run(self, device: int) -> None:
        feed = {}
        for value in self._engine.model.graph.input:
            feed[value.name] = self._view(value, self._shapes[value.name], device).copy()
        self._owner.sim.memory(self._memory, self.update_device_memory_size_for_shapes(), device)[:] = 0xEE
        self._store(self._engine.session.run(None, feed), device)

    def _store(self, results: list[np.ndarray], device: int) -> None:
        for value, result in zip(self._engine.model.graph.output, results, strict=True):
            self._view(value, result.shape, device)[...] = result

    def _view(self, value: onnx.ValueInfoProto, shape: tuple[int, ...], device: int) -> np.ndarray:
        dtype = np.dtype(onnx.helper.tensor_dtype_to_np_dtype(value.type.tensor_type.elem_type))
        size = int(np.prod(shape)) * dtype.itemsize
        return self._owner.sim.memory(self._addresses[value.name], size, device).view(dtype).reshape(shape)
