"""ONNX Runtime: the reference engine."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from vsanime.backends.base import Array, Workload, inference_threads, lanes_wanted, tile_within
from vsanime.errors import VsanimeError
from vsanime.spec import GraphTraits, PlanesGraph


@dataclass(frozen=True, kw_only=True)
class ONNXRuntime:
    """ONNX Runtime on the CPU, in f32 (extra `vsanime[onnxruntime]`).

    Attributes:
        provider: "CPU".
        precision: "f32" or "auto", which is f32: the CPU provider has no bf16 convolutions.
        num_streams: lanes that run side by side; None for one less than the frame server's threads, at most 4.
        num_threads: threads for inference, shared by the lanes; None for as many as the frame server has.
    """

    provider: str = "CPU"
    precision: str = "auto"
    num_streams: int | None = None
    num_threads: int | None = None

    def precision_for(self, work: Workload) -> str:  # noqa: ARG002 - the answer is the same for every job
        """See `Backend`."""
        if self.precision not in ("auto", "f32"):
            raise VsanimeError(
                f"precision={self.precision!r}: ONNX Runtime's CPU provider computes in f32 only; use 'f32' or 'auto'"
            )
        return "f32"

    def traits(self, precision: str) -> GraphTraits:  # noqa: ARG002 - one precision, one form
        """See `Backend`."""
        return GraphTraits(quantize_first=False, block=2, exact_linear=False)

    def tile_for(self, work: Workload, precision: str) -> tuple[int, int]:  # noqa: ARG002 - always f32
        """See `Backend`."""
        return tile_within(work, bytes_per_value=4)

    def lanes_for(self, threads: int) -> int:
        """See `Backend`."""
        return lanes_wanted(self.num_streams, threads)

    def compile(self, graph: PlanesGraph, precision: str, lanes: int, threads: int) -> ONNXRuntimeEngine:  # noqa: ARG002
        """See `Backend`."""
        runtime = _runtime()
        name = f"{self.provider}ExecutionProvider"
        if self.provider != "CPU":
            raise VsanimeError(f"provider={self.provider!r} is not supported by this version; 'CPU' is")
        options = runtime.SessionOptions()
        options.log_severity_level = 3
        total = inference_threads(self.num_threads, threads)
        options.intra_op_num_threads = max(1, total // lanes)
        # Idle threads must not spin: the decoder and the encoder need the cores.
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")
        try:
            sessions = [runtime.InferenceSession(graph.onnx, options, providers=[name]) for _ in range(lanes)]
        except Exception as error:  # its exceptions share no public base class
            raise VsanimeError(f"ONNX Runtime could not load the network: {_first_line(error)}") from error
        return ONNXRuntimeEngine(sessions, graph)


class ONNXRuntimeEngine:
    """One session a lane: sessions share no threads, so lanes do not wait for one another."""

    def __init__(self, sessions: list[Any], graph: PlanesGraph) -> None:
        self._sessions = sessions
        self._free = list(sessions)
        self._graph = graph

    def lanes(self) -> int:
        """See `Engine`."""
        return len(self._sessions)

    def new_lane(self) -> ONNXRuntimeLane:
        """See `Engine`."""
        if not self._free:
            raise VsanimeError(f"the engine was compiled for {len(self._sessions)} lanes and all are taken")
        return ONNXRuntimeLane(self._free.pop(), self._graph)


class ONNXRuntimeLane:
    """A session with its arrays bound."""

    def __init__(self, session: Any, graph: PlanesGraph) -> None:
        self._session = session
        self._graph = graph
        self._binding = session.io_binding()
        self._bound: tuple[int, ...] = ()
        self._arrays: tuple[Array, ...] = ()

    def run(self, inputs: Sequence[Array], outputs: Sequence[Array]) -> None:
        """See `Lane`."""
        arrays = (*inputs, *outputs)
        if self._bound != tuple(map(id, arrays)):
            self._bind(arrays)
        try:
            self._session.run_with_iobinding(self._binding)
        except Exception as error:  # its exceptions share no public base class
            raise VsanimeError(f"ONNX Runtime failed on a frame: {_first_line(error)}") from error

    def _bind(self, arrays: tuple[Array, ...]) -> None:
        self._binding.clear_binding_inputs()
        self._binding.clear_binding_outputs()
        count = len(self._graph.inputs)
        for spec, array in zip(self._graph.inputs, arrays[:count], strict=True):
            self._binding.bind_input(spec.name, "cpu", 0, array.dtype.type, array.shape, array.ctypes.data)
        for spec, array in zip(self._graph.outputs, arrays[count:], strict=True):
            self._binding.bind_output(spec.name, "cpu", 0, array.dtype.type, array.shape, array.ctypes.data)
        self._arrays, self._bound = arrays, tuple(map(id, arrays))


def _runtime() -> Any:
    try:
        import onnxruntime
    except ImportError as error:
        raise VsanimeError("ONNX Runtime is not installed; pip install 'vsanime[onnxruntime]'") from error
    return onnxruntime


def _first_line(error: Exception) -> str:
    return next(iter(str(error).splitlines()), type(error).__name__)
