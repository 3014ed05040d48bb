"""Run graphs by ONNX Runtime: the reference engine on the CPU, and one of two backends for NVIDIA cards."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar
from weakref import WeakSet

from vsanime.arrays import Array
from vsanime.backends.base import (
    CLOSED,
    Engine,
    HostLane,
    Options,
    Reader,
    Workload,
    count_lanes,
    inference_threads,
    optional,
    read_cards,
    read_streams,
    read_threads,
    read_word,
    tile_within,
)
from vsanime.backends.cuda.lanes import card_numbers
from vsanime.backends.cuda.onnxruntime import compile_cuda, first_line
from vsanime.errors import VsanimeError, quote
from vsanime.spec import GraphTraits, PlanesGraph

# Precisions of each provider.
_PRECISIONS = {"CPU": ("f32",), "CUDA": ("f32", "fp16")}

_CPU = "CPUExecutionProvider"

# Two lanes of a card keep it busy: while one frame is computed, another is copied.
_CUDA_LANES = 2


@dataclass(frozen=True, kw_only=True)
class ONNXRuntime(Options):
    """ONNX Runtime on the CPU (extra `vsanime[onnxruntime]`) or on NVIDIA cards (`vsanime[onnxruntime-cuda]`).

    Attributes:
        provider: "CPU" or "CUDA".
        precision: "f32" or "auto", which is f32. For "CUDA" also "fp16": the network's inner layers in fp16, the linear
            path in TF32, which keeps 10 bits as well: cuDNN gets tensor cores for both or for neither.
        num_streams: number of lanes that run side by side: on each card, where None is 2; on the CPU None is one less
            than the frame server's threads, at most 4.
        num_threads: number of threads for inference on the CPU, shared by the lanes; None for as many as the frame
            server has.
        device_id: CUDA's index of the card, or several to spread the lanes over; for "CUDA" only.
    """

    provider: str = "CPU"
    precision: str = "auto"
    num_streams: int | None = None
    num_threads: int | None = None
    device_id: int | Sequence[int] = 0

    READERS: ClassVar[Mapping[str, Reader]] = {
        "provider": read_word,
        "precision": read_word,
        "num_streams": optional(read_streams),
        "num_threads": optional(read_threads),
        "device_id": read_cards,
    }

    def precision_for(self, work: Workload) -> str:  # noqa: ARG002 - the answer is the same for every job
        """See `Backend`."""
        self.check_options()
        if self.provider not in _PRECISIONS:
            listed = ", ".join(map(repr, _PRECISIONS))
            raise VsanimeError(f"provider={quote(self.provider)} is not supported by this version; {listed} are")
        offered = _PRECISIONS[self.provider]
        if self.precision not in ("auto", *offered):
            names = " and ".join(map(repr, offered))
            raise VsanimeError(
                f"precision={quote(self.precision)}: ONNX Runtime's {self.provider} provider computes in {names} only "
                "here; use one of them or 'auto'"
            )
        return "f32" if self.precision == "auto" else self.precision

    def traits(self, precision: str) -> GraphTraits:
        """See `Backend`."""
        lowered = precision == "fp16"
        return GraphTraits(block=2, exact_linear=lowered, body="float16" if lowered else "float32")

    def tile_for(self, work: Workload, precision: str, *, fit: bool = False) -> tuple[int, int]:  # noqa: ARG002
        """See `Backend`: layers are always limited to fit memory, so `fit` changes nothing."""
        return tile_within(work, bytes_per_value=2 if precision == "fp16" else 4)

    def lanes_for(self, threads: int) -> int:
        """See `Backend`."""
        self.check_options()
        if self.provider == "CUDA":
            each = _CUDA_LANES if self.num_streams is None else count_lanes(self.num_streams, threads)
            return each * len(card_numbers(self.device_id))
        return count_lanes(self.num_streams, threads)

    def compile(self, graph: PlanesGraph, precision: str, lanes: int, threads: int) -> Engine:
        """See `Backend`."""
        runtime = _runtime(self.provider)
        if self.provider == "CUDA":
            return compile_cuda(runtime, graph, self.device_id, precision, lanes)
        options = runtime.SessionOptions()
        options.log_severity_level = 3
        total = inference_threads(self.num_threads, threads)
        options.intra_op_num_threads = max(1, total // lanes)
        # Idle threads must not spin: the decoder and the encoder need the cores.
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")
        try:
            sessions = [runtime.InferenceSession(graph.onnx, options, providers=[_CPU]) for _ in range(lanes)]
        except Exception as error:  # its exceptions share no public base class
            raise VsanimeError(f"ONNX Runtime could not load the network: {first_line(error)}") from error
        return ONNXRuntimeEngine(sessions, graph)


class ONNXRuntimeEngine:
    """The sessions of a graph, one per lane: sessions share no threads, so lanes do not wait for one another."""

    def __init__(self, sessions: list[Any], graph: PlanesGraph) -> None:
        self._count = len(sessions)
        self._free = sessions
        self._graph = graph
        self._closed = False
        self._lanes: WeakSet[ONNXRuntimeLane] = WeakSet()

    def lanes(self) -> int:
        """See `Engine`."""
        return self._count

    def new_lane(self) -> ONNXRuntimeLane:
        """See `Engine`."""
        if self._closed:
            raise VsanimeError(CLOSED)
        if not self._free:
            raise VsanimeError(f"the engine was compiled for {self._count} lanes and all are taken")
        lane = ONNXRuntimeLane(self, self._free.pop(), self._graph)
        self._lanes.add(lane)
        return lane

    def close(self) -> None:
        """See `Engine`."""
        self._closed = True
        self._free = []
        for lane in list(self._lanes):
            lane.close()


class ONNXRuntimeLane(HostLane):
    """A session bound to its caller's arrays."""

    def __init__(self, engine: ONNXRuntimeEngine, session: Any, graph: PlanesGraph) -> None:
        self._engine = engine  # lives as long as its lanes, so that it can be closed
        self._session = session
        self._graph = graph
        self._binding = session.io_binding()
        self._bound: tuple[int, ...] = ()
        self._arrays: tuple[Array, ...] = ()

    def run(self, inputs: Sequence[Array], outputs: Sequence[Array]) -> None:
        """See `Lane`."""
        session, binding = self._session, self._binding
        if session is None or binding is None:
            raise VsanimeError(CLOSED)
        arrays = (*inputs, *outputs)
        if self._bound != tuple(map(id, arrays)):
            self._bind(binding, arrays)
        try:
            session.run_with_iobinding(binding)
        except Exception as error:  # its exceptions share no public base class
            raise VsanimeError(f"ONNX Runtime failed on a frame: {first_line(error)}") from error

    def close(self) -> None:
        """Drop the session; a running frame keeps it until it ends."""
        self._session = self._binding = None

    def _bind(self, binding: Any, arrays: tuple[Array, ...]) -> None:
        binding.clear_binding_inputs()
        binding.clear_binding_outputs()
        count = len(self._graph.inputs)
        for spec, array in zip(self._graph.inputs, arrays[:count], strict=True):
            binding.bind_input(spec.name, "cpu", 0, array.dtype.type, array.shape, array.ctypes.data)
        for spec, array in zip(self._graph.outputs, arrays[count:], strict=True):
            binding.bind_output(spec.name, "cpu", 0, array.dtype.type, array.shape, array.ctypes.data)
        self._arrays, self._bound = arrays, tuple(map(id, arrays))


def _runtime(provider: str) -> Any:
    try:
        import onnxruntime
    except ImportError as error:
        extra = "onnxruntime-cuda" if provider == "CUDA" else "onnxruntime"
        raise VsanimeError(f'ONNX Runtime is not installed; `pip install "vsanime[{extra}]"`') from error
    return onnxruntime
