"""Run ONNX Runtime's CUDA provider: a session for every lane, on the lane's own stream and buffers."""

from __future__ import annotations

import contextlib
import io
import logging
from collections.abc import Mapping, Sequence
from math import prod
from typing import Any

import numpy as np
import onnx

from vsanime.backends.cuda.lanes import GpuEngine, card_numbers
from vsanime.backends.cuda.runtime import Device
from vsanime.errors import VsanimeError
from vsanime.spec import PlanesGraph

log = logging.getLogger("vsanime")

_PROVIDER = "CUDAExecutionProvider"

# Memory beside the tensors: cuDNN's and cuBLAS's handles, and their work space for one layer.
_LIBRARY_BYTES = 256 << 20


def compile_cuda(
    runtime: Any, graph: PlanesGraph, device_id: int | Sequence[int], precision: str, lanes: int
) -> GpuEngine:
    """Return an engine whose lanes are sessions on one or several cards.

    Args:
        runtime: the module `onnxruntime`.
        graph: graph from planes to planes.
        device_id: CUDA's index of the card, or several to spread the lanes over.
        precision: "f32" or "fp16".
        lanes: number of lanes.

    Raises:
        VsanimeError: the provider, the driver, the card or a library is missing, a card has too little memory, or the
            provider cannot run all of the graph.
    """
    if _PROVIDER not in runtime.get_available_providers():
        raise VsanimeError(
            "provider='CUDA': the ONNX Runtime that is installed has no CUDA provider; `pip uninstall onnxruntime`, "
            'then `pip install "vsanime[onnxruntime-cuda]"` (both packages hold the same module: only one can be there)'
        )
    devices = [Device(index) for index in card_numbers(device_id)]
    _load_libraries(runtime)

    def make(device: Device, stream: int) -> SessionProgram:
        return SessionProgram(open_session(runtime, graph.onnx, device.index, stream, precision), graph, device.index)

    return GpuEngine(graph, devices, lanes, make, program_bytes=_LIBRARY_BYTES + peak_bytes(graph.onnx))


class SessionProgram:
    """A session with its tensors bound to a lane's buffers; see `Program`."""

    def __init__(self, session: Any, graph: PlanesGraph, device: int) -> None:
        self._session = session
        self._graph = graph
        self._device = device
        self._binding: Any = session.io_binding()
        self._options: Any = _run_options()

    def bind(self, addresses: Mapping[str, int], stream: int) -> None:  # noqa: ARG002 - the session has its stream
        """See `Program`."""
        # bind_input and bind_output take name, device, type, shape and address.
        for specs, bind in (
            (self._graph.inputs, self._binding.bind_input),
            (self._graph.outputs, self._binding.bind_output),
        ):
            for spec in specs:
                bind(spec.name, "cuda", self._device, np.dtype(spec.dtype).type, spec.shape, addresses[spec.name])

    def capturable(self, stream: int) -> bool:  # noqa: ARG002 - it never is
        """See `Program`: the session's arena may allocate in any frame, which a recording does not survive."""
        return False

    def enqueue(self, stream: int) -> None:  # noqa: ARG002 - the session has its stream
        """See `Program`."""
        try:
            self._session.run_with_iobinding(self._binding, self._options)
        except Exception as error:  # its exceptions share no public base class
            raise VsanimeError(f"ONNX Runtime failed on a frame: {first_line(error)}") from error

    def close(self) -> None:
        """See `Program`: the last reference to a session frees its memory on the card."""
        self._binding = self._session = self._options = None


def open_session(runtime: Any, model: bytes, device: int, stream: int, precision: str) -> Any:
    """Create a session that puts its work on a stream.

    Args:
        runtime: the module `onnxruntime`.
        model: serialized ONNX graph.
        device: index of the card.
        stream: address of the stream.
        precision: "f32" or "fp16".

    Raises:
        VsanimeError: the provider does not start, or cannot run all of the graph.
    """
    options = runtime.SessionOptions()
    options.log_severity_level = 3
    options.intra_op_num_threads = 1  # nothing is computed on the CPU
    options.use_deterministic_compute = True
    # A node without a CUDA kernel would run on the CPU, with two copies and a wait in every frame.
    options.add_session_config_entry("session.disable_cpu_ep_fallback", "1")
    provider = {
        "device_id": str(device),
        "user_compute_stream": str(stream),
        "do_copy_in_default_stream": "1",  # its copies go through our stream, in order
        # TF32 keeps 10 bits of 23: it is not f32. cuDNN gets tensor cores for both types or for neither, so that fp16
        # needs it on.
        "use_tf32": "1" if precision == "fp16" else "0",
        # By heuristic and not by measurement: two lanes must not choose algorithms that round differently.
        "cudnn_conv_algo_search": "HEURISTIC",
        "arena_extend_strategy": "kSameAsRequested",  # the default doubles the arena
    }
    try:
        return runtime.InferenceSession(model, options, providers=[(_PROVIDER, provider)])
    except Exception as error:  # its exceptions share no public base class
        if not _starts(runtime, device):
            raise VsanimeError(
                "ONNX Runtime could not start its CUDA provider: a library of CUDA or cuDNN is missing or of another "
                'version; `pip install "onnxruntime-gpu[cuda,cudnn]"`'
            ) from error
        raise VsanimeError(f"ONNX Runtime's CUDA provider could not load the network: {first_line(error)}") from error


def _starts(runtime: Any, device: int) -> bool:
    """Return whether the provider runs at all: if a library is missing, ONNX Runtime only logs it and uses the CPU."""
    value = [onnx.helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, [1]) for name in ("x", "y")]
    graph = onnx.helper.make_graph([onnx.helper.make_node("Relu", ["x"], ["y"])], "probe", value[:1], value[1:])
    model = onnx.helper.make_model(graph, opset_imports=[onnx.helper.make_opsetid("", 17)], ir_version=8)
    options = runtime.SessionOptions()
    options.log_severity_level = 4
    try:
        session = runtime.InferenceSession(
            model.SerializeToString(), options, providers=[(_PROVIDER, {"device_id": str(device)})]
        )
    except Exception:  # its exceptions share no public base class
        return False
    return _PROVIDER in session.get_providers()


def _run_options() -> Any:
    import onnxruntime

    options = onnxruntime.RunOptions()
    options.add_run_config_entry("disable_synchronize_execution_providers", "1")  # the lane waits, without spinning
    return options


def _load_libraries(runtime: Any) -> None:
    """Load CUDA's and cuDNN's libraries from the packages that pip installed, if there are any."""
    preload = getattr(runtime, "preload_dlls", None)
    if preload is not None:
        said = io.StringIO()
        with contextlib.redirect_stdout(said):  # it prints what it does not find, and stdout carries frames
            preload()
        log.debug("ONNX Runtime on CUDA's libraries: %s", said.getvalue().strip() or "found")


def peak_bytes(model: bytes) -> int:
    """Return the bytes of the weights plus those of the tensors alive at once when nodes run in order."""
    graph = onnx.shape_inference.infer_shapes(onnx.load_from_string(model)).graph
    sizes = {info.name: _bytes(info.type.tensor_type.elem_type, _shape(info)) for info in graph.value_info}
    weights = sum(_bytes(tensor.data_type, tensor.dims) for tensor in graph.initializer)
    last_use = {name: i for i, node in enumerate(graph.node) for name in node.input}
    alive: dict[str, int] = {}
    peak = 0
    for i, node in enumerate(graph.node):
        alive |= {name: sizes[name] for name in node.output if name in sizes}
        peak = max(peak, sum(alive.values()))
        alive = {name: size for name, size in alive.items() if last_use.get(name, i) > i}
    return weights + peak


def _shape(info: onnx.ValueInfoProto) -> list[int]:
    return [size.dim_value for size in info.type.tensor_type.shape.dim]


def _bytes(element: int, shape: Sequence[int]) -> int:
    return prod(shape) * int(onnx.helper.tensor_dtype_to_np_dtype(element).itemsize)


def first_line(error: Exception) -> str:
    """Return the first line of ONNX Runtime's message, or the error's class if it is empty."""
    return next(iter(str(error).splitlines()), type(error).__name__)
