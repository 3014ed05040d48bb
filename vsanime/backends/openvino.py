"""Run graphs by OpenVINO, the default on CPUs and Intel GPUs."""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, ClassVar
from weakref import WeakSet
from xml.etree import ElementTree

from vsanime.arrays import Array
from vsanime.backends.base import (
    CLOSED,
    HostLane,
    Options,
    Reader,
    Workload,
    count_lanes,
    inference_threads,
    optional,
    read_streams,
    read_threads,
    read_word,
    tile_within,
)
from vsanime.errors import VsanimeError, quote
from vsanime.graphs.writer import EXACT
from vsanime.spec import GraphTraits, PlanesGraph
from vsanime.values import read_flag

# Strips of about this many rows keep a C net's layers in the caches of CPUs with matrix units (AMX), where memory is
# the limit; without them arithmetic is, and whole frames waste no overlap. See docs/benchmarks.md.
_STRIP_ROWS = 136
_STRIP_FEATURES = 32

# The deepest output of luma and of chroma nets where bf16, the linear path being exact, costs about half a code or less
# (root mean square). See docs/measurements/backends.md.
_COARSE_LUMA_BITS = 10
_COARSE_CHROMA_BITS = 8

# Kinds of devices that OpenVINO lists if the machine has them.
_HARDWARE = ("CPU", "GPU", "NPU")


@dataclass(frozen=True, kw_only=True)
class OpenVINO(Options):
    """OpenVINO on a CPU or an Intel GPU.

    Attributes:
        device: "CPU", or another device that OpenVINO lists, such as "GPU" (see `vsanime info`).
        precision: "f32"; "bf16" for the inner layers, with the linear path in f32; "auto" for bf16 where the CPU
            computes it natively, the network's averages stay exact (by its linear path, or its tint corrected) and the
            output has at most 10 bits (luma) or 8 bits (chroma, RGB), f32 otherwise.
        num_streams: lanes that run side by side; None for one less than the frame server's threads, at most 4.
        num_threads: number of threads for inference, shared by the lanes; None for as many as the frame server has.
        exact_linear: keep the linear path in f32 under bf16. False is for comparisons: it is biased and barely faster.
    """

    device: str = "CPU"
    precision: str = "auto"
    num_streams: int | None = None
    num_threads: int | None = None
    exact_linear: bool = True

    READERS: ClassVar[Mapping[str, Reader]] = {
        "device": read_word,
        "precision": read_word,
        "num_streams": optional(read_streams),
        "num_threads": optional(read_threads),
        "exact_linear": read_flag,
    }

    def precision_for(self, work: Workload) -> str:
        """See `Backend`."""
        self.check_options()
        native = "BF16" in _capabilities(self.device)
        if self.precision == "f32" or (self.precision == "bf16" and native):
            return self.precision
        if self.precision == "auto":
            coarse_bits = _COARSE_LUMA_BITS if work.out_channels == 1 else _COARSE_CHROMA_BITS
            coarse = not work.output_float and work.output_bits <= coarse_bits
            good = native and work.anchored and coarse and self.device.startswith("CPU")
            return "bf16" if good else "f32"
        if self.precision == "bf16":
            raise VsanimeError(
                f"OpenVINO device {self.device} does not compute in bf16; use `precision='f32'` or 'auto'"
            )
        raise VsanimeError(f"precision={quote(self.precision)} is not known to OpenVINO; 'f32', 'bf16' and 'auto' are")

    def traits(self, precision: str) -> GraphTraits:
        """See `Backend`."""
        return GraphTraits(quantize_first=True, block=2, exact_linear=precision != "f32" and self.exact_linear)

    def tile_for(self, work: Workload, precision: str, *, fit: bool = False) -> tuple[int, int]:  # noqa: ARG002 - always
        """See `Backend`."""
        strips = has_matrix_units(self.device) and work.features <= _STRIP_FEATURES
        return tile_within(work, 2 if precision == "bf16" else 4, rows=_STRIP_ROWS if strips else None)

    def lanes_for(self, threads: int) -> int:
        """See `Backend`."""
        self.check_options()
        return count_lanes(self.num_streams, threads)

    def compile(self, graph: PlanesGraph, precision: str, lanes: int, threads: int) -> OpenVINOEngine:
        """See `Backend`."""
        config: dict[str, Any] = {"INFERENCE_PRECISION_HINT": precision}
        if self.device.startswith("CPU"):
            config |= {
                "NUM_STREAMS": lanes,
                "INFERENCE_NUM_THREADS": inference_threads(self.num_threads, threads),
                # Decoder and encoder run on the same cores: let the system place threads.
                "ENABLE_CPU_PINNING": False,
            }
        core = _core()
        try:
            model = _read_exact(core, graph.onnx) if precision != "f32" else core.read_model(graph.onnx, b"")
            return OpenVINOEngine(core.compile_model(model, self.device, config), lanes, len(graph.inputs))
        except (RuntimeError, ValueError, TypeError) as error:  # its own, and those of Python's conversions
            raise VsanimeError(f"OpenVINO could not compile the network: {_last_line(error)}") from error


class OpenVINOEngine:
    """A model compiled for one tile size."""

    def __init__(self, model: Any, lanes: int, inputs: int) -> None:
        self.model = model
        self._count = lanes
        self._inputs = inputs
        self._lanes: WeakSet[OpenVINOLane] = WeakSet()

    def lanes(self) -> int:
        """See `Engine`."""
        return self._count

    def new_lane(self) -> OpenVINOLane:
        """See `Engine`."""
        if self.model is None:
            raise VsanimeError(CLOSED)
        lane = OpenVINOLane(self, self.model.create_infer_request(), self._inputs)
        self._lanes.add(lane)
        return lane

    def close(self) -> None:
        """See `Engine`."""
        self.model = None
        for lane in list(self._lanes):
            lane.close()


class OpenVINOLane(HostLane):
    """An inference request bound to its caller's arrays."""

    def __init__(self, engine: OpenVINOEngine, request: Any, inputs: int) -> None:
        self._engine = engine  # lives as long as its lanes, so that it can be closed
        self._request = request
        self._inputs = inputs
        self._bound: tuple[int, ...] = ()
        self._arrays: tuple[Array, ...] = ()

    def run(self, inputs: Sequence[Array], outputs: Sequence[Array]) -> None:
        """See `Lane`."""
        request = self._request
        if request is None:
            raise VsanimeError(CLOSED)
        arrays = (*inputs, *outputs)
        if self._bound != tuple(map(id, arrays)):
            self._bind(request, arrays)
        try:
            request.infer()
        except RuntimeError as error:
            raise VsanimeError(f"OpenVINO failed on a frame: {_last_line(error)}") from error

    def close(self) -> None:
        """Drop the request; a running frame keeps it until it ends."""
        self._request = None

    def _bind(self, request: Any, arrays: tuple[Array, ...]) -> None:
        import openvino

        tensors = [openvino.Tensor(a, shared_memory=True) for a in arrays]
        for index, tensor in enumerate(tensors[: self._inputs]):
            request.set_input_tensor(index, tensor)
        for index, tensor in enumerate(tensors[self._inputs :]):
            request.set_output_tensor(index, tensor)
        self._arrays, self._bound = arrays, tuple(map(id, arrays))


def _read_exact(core: Any, onnx_bytes: bytes) -> Any:
    """Read a graph and mark its `exact/` nodes to stay in f32.

    The mark is a runtime attribute that only OpenVINO's own XML can carry, so the model is written to a file and read.
    """
    import openvino

    with tempfile.TemporaryDirectory(prefix="vsanime-") as folder:
        xml = Path(folder) / "graph.xml"
        openvino.serialize(core.read_model(onnx_bytes, b""), str(xml))
        tree = ElementTree.parse(xml)
        for layer in tree.iterfind("./layers/layer"):
            if not layer.get("name", "").startswith(EXACT) or layer.get("type") == "Const":
                continue
            info = layer.find("rt_info")
            if info is None:
                info = ElementTree.Element("rt_info")
                layer.insert(1 if layer.find("data") is not None else 0, info)
            ElementTree.SubElement(info, "attribute", name="precise", version="0")
        marked = ElementTree.tostring(tree.getroot(), encoding="utf-8")
        return core.read_model(marked, xml.with_suffix(".bin").read_bytes())


def has_matrix_units(device: str = "CPU") -> bool:
    """Return whether the CPU has matrix units (AMX): OpenVINO lists fp16 only for generations that have both."""
    return device.startswith("CPU") and "FP16" in _capabilities(device)


def import_openvino() -> Any:
    """Import OpenVINO without its telemetry and return the module.

    Where `openvino_telemetry` is installed, importing OpenVINO reports the import to its makers. We open no sockets.

    Raises:
        ImportError: it is not installed, or cannot be loaded.
    """
    sys.modules.setdefault("openvino_telemetry", None)  # type: ignore[arg-type]  # None: "cannot be imported"
    import openvino

    return openvino


@cache
def _core() -> Any:
    try:
        openvino = import_openvino()
    except ImportError as error:
        raise VsanimeError(f"OpenVINO cannot be loaded ({error}); `pip install --force-reinstall openvino`") from error
    return openvino.Core()


@cache
def _capabilities(device: str) -> tuple[str, ...]:
    """Return what a device computes natively, by OpenVINO's names.

    Raises:
        VsanimeError: there is no such device; the message lists the available ones.
    """
    core = _core()
    # A plugin may answer for absent hardware, as that of NPUs does.
    if not _is_there(device, core.available_devices):
        raise VsanimeError(_no_device(device))
    try:
        return tuple(core.get_property(device, "OPTIMIZATION_CAPABILITIES"))
    except (RuntimeError, TypeError) as error:  # TypeError: characters that UTF-8 cannot encode
        raise VsanimeError(_no_device(device)) from error


def _is_there(device: str, available: Sequence[str]) -> bool:
    """Return whether this machine may have a device; names that are not hardware, such as AUTO, are left to OpenVINO.

    Args:
        device: name of a device, such as "CPU", "GPU" or "GPU.1".
        available: names of the available devices: "GPU" if there is one, "GPU.0" and "GPU.1" if there are two.
    """
    kind, _, number = device.partition(".")
    alike = [one for one in available if one.partition(".")[0] == kind]
    return kind not in _HARDWARE or device in alike or (bool(alike) and number in ("", "0"))


def _no_device(device: str) -> str:
    return (
        f"device={quote(device)}; OpenVINO has no such device on this machine, it lists: "
        f"{', '.join(_core().available_devices)}"
    )


def _last_line(error: Exception) -> str:
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return lines[-1] if lines else type(error).__name__
