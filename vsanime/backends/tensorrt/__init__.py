"""TensorRT and TensorRT-RTX: engines for NVIDIA cards, built from ONNX and kept."""

from __future__ import annotations

import hashlib
import logging
import os
import platform
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from vsanime.backends.base import Engine, Workload, tile_within
from vsanime.backends.cache import JSON, EngineCache, cache_folder, key_of
from vsanime.backends.cuda import Device, device_count, device_facts
from vsanime.backends.gpulanes import RESERVE_BYTES, GpuEngine, card_numbers
from vsanime.backends.tensorrt.building import Build, BuildSettings, Shape
from vsanime.backends.tensorrt.flavours import (
    RTX,
    TENSORRT,
    Capability,
    Flavour,
    dotted,
    flavour_for,
    is_installed,
)
from vsanime.backends.tensorrt.running import ContextProgram, LoadedEngine, Refused
from vsanime.errors import VsanimeError
from vsanime.spec import GraphTraits, PlanesGraph

type Size = tuple[int, int]

log = logging.getLogger("vsanime.tensorrt")

_BODIES = {"f32": "float32", "fp16": "float16", "bf16": "bfloat16"}

# fp16 errs by some 80 dB, as much as codes of 12 bits round; see docs/tensorrt.md.
_COARSE_BITS = 12

# bf16 arithmetic came with Ampere.
_BF16_SINCE = (8, 0)

# To be raised when building changes in a way that options do not tell: engines that are kept are then built anew.
_REVISION = 1

# Layers of the network whose results are alive at once, with what convolutions need beside them: for an estimate.
_LAYERS_ALIVE = 4

# Graphs of open size mirror a few samples at the edges, more than tiny planes have.
_LEAST_SIDE = 64


@dataclass(frozen=True, kw_only=True)
class TensorRT:
    """TensorRT on NVIDIA cards (extras `vsanime[tensorrt-rtx]` and `vsanime[tensorrt]`).

    An engine is built when a clip's size and format are first met, and kept (see `vsanime cache`).

    Attributes:
        device_id: CUDA's number of the card, or several, over which the lanes are spread.
        precision: "fp16" or "bf16" for the network's inner layers, plane arithmetic and linear path staying f32; "f32";
            "auto" for fp16 where the network's averages stay exact and the output has at most 12 bits, else f32.
        num_streams: lanes that run side by side on each card.
        cuda_graph: launch a frame's copies and kernels as one recorded graph, where the runtime allows it.
        engine_dir: where engines are kept; None for VSANIME_CACHE_DIR or the user's cache folder.
        flavour: "tensorrt" or "tensorrt_rtx"; None for what is installed and suits the card.
        sizes: smallest, most usual and largest (width, height) that one engine is to serve; None builds one for each
            size, which is faster.
        workspace: MiB of video memory that a layer may use while it runs; None for what the card has.
        optimization_level: 0 to 5: how long TensorRT looks for faster kernels; None for its default, 3.
        aux_streams: streams beside its own on which a lane may run branches of the network.
    """

    device_id: int | Sequence[int] = 0
    precision: str = "fp16"
    num_streams: int = 2
    cuda_graph: bool = True
    engine_dir: str | os.PathLike[str] | None = None
    flavour: str | None = None
    sizes: tuple[Size, Size, Size] | None = None
    workspace: int | None = None
    optimization_level: int | None = None
    aux_streams: int = 0

    def precision_for(self, work: Workload) -> str:
        """See `Backend`."""
        self._check_options()
        if self.precision == "auto":
            coarse = not work.output_float and work.output_bits <= _COARSE_BITS
            return "fp16" if work.anchored and coarse else "f32"
        if self.precision not in _BODIES:
            raise VsanimeError(f"precision={self.precision!r}; 'fp16', 'bf16', 'f32' or 'auto' is needed for TensorRT")
        return self.precision

    def traits(self, precision: str) -> GraphTraits:
        """See `Backend`."""
        return GraphTraits(
            exact_linear=precision != "f32",
            body=_BODIES[precision],
            bytewise=True,
            any_size=self.sizes is not None,
        )

    def tile_for(self, work: Workload, precision: str, *, fit: bool = False) -> Size:
        """See `Backend`: whole frames, or what the card's free memory allows."""
        if not fit:
            return work.width, work.height
        free = min(Device(index).free_bytes() for index in card_numbers(self.device_id))
        layer = (free - RESERVE_BYTES) // (self.num_streams * _LAYERS_ALIVE)
        return tile_within(work, 4 if precision == "f32" else 2, layer_bytes=max(layer, 1))

    def lanes_for(self, threads: int) -> int:  # noqa: ARG002 - cards decide, not processors
        """See `Backend`."""
        self._check_options()
        return self.num_streams * len(card_numbers(self.device_id))

    def compile(self, graph: PlanesGraph, precision: str, lanes: int, threads: int) -> Engine:  # noqa: ARG002
        """See `Backend`."""
        devices = [Device(index) for index in card_numbers(self.device_id)][:lanes]
        loaded = {device.index: self._loaded(graph, precision, device) for device in devices}
        shapes = self._shapes(graph)

        def make(device: Device, stream: int) -> ContextProgram:  # noqa: ARG001 - contexts take any stream
            return ContextProgram(loaded[device.index], device, shapes)

        return GpuEngine(
            graph,
            devices,
            lanes,
            make,
            program_bytes=max(engine.context_bytes for engine in loaded.values()),
            cuda_graph=self.cuda_graph,
        )

    def build(self, graph: PlanesGraph, precision: str, capability: Capability) -> bytes:
        """An engine for cards of a compute capability, whether there is one here or not: from the cache, or built.

        Raises:
            VsanimeError: TensorRT builds on the card itself only; or the builder refuses.
        """
        flavour = flavour_for(self.flavour, capability)
        if not flavour.is_rtx:
            raise VsanimeError(
                "TensorRT builds engines on the card they are for and nowhere else; to build for another, "
                "flavour='tensorrt_rtx' is needed"
            )
        if capability not in (served := flavour.capabilities()):
            raise VsanimeError(
                f"{flavour.name} {flavour.version} builds for the compute capabilities "
                f"{', '.join(map(dotted, served))}, not for {dotted(capability)}"
            )
        _check_computes(precision, capability, "such a card")
        return self._kept(_Target(flavour, capability), graph, precision)

    def prepare(self, graph: PlanesGraph, precision: str, device: Device) -> bytes:
        """The engine that a script will run on a card at hand: from the cache, or built.

        Raises:
            VsanimeError: no package serves the card; or the builder refuses.
        """
        return self._kept(self._target(device, precision), graph, precision)

    def _target(self, device: Device, precision: str) -> _Target:
        capability = device.facts.compute_capability
        _check_computes(precision, capability, device.facts.name)
        return _Target(flavour_for(self.flavour, capability), capability, device)

    def _check_options(self) -> None:
        """Refuses what TensorRT would refuse later, or take for something else."""
        card_numbers(self.device_id)
        for name, value, least, most, what in (
            ("num_streams", self.num_streams, 1, None, "1 or more"),
            ("aux_streams", self.aux_streams, 0, None, "0 or more"),
            ("workspace", self.workspace, 1, None, "a positive number of MiB"),
            ("optimization_level", self.optimization_level, 0, 5, "0 to 5"),
        ):
            good = type(value) is int and value >= least and (most is None or value <= most)
            if not good and value is not None:
                raise VsanimeError(f"{name}={value!r}; {what} is needed")
        if self.sizes is not None:
            checked_sizes(self.sizes)

    def _loaded(self, graph: PlanesGraph, precision: str, device: Device) -> LoadedEngine:
        """The engine on a card; what the runtime refuses is built again, once."""
        target = self._target(device, precision)
        try:
            return self._load(target, graph, precision)
        except Refused as error:
            # Its text: an exception in a log record would keep everything alive that its traceback saw.
            log.warning("%s; it is built again", str(error))
            self._cache().discard(self._facts(target, graph, precision))
            return self._load(target, graph, precision)

    def _load(self, target: _Target, graph: PlanesGraph, precision: str) -> LoadedEngine:
        device, cache = target.device, self._cache()
        assert device is not None
        serialized = self._kept(target, graph, precision)
        name = f"{key_of(self._facts(target, graph, precision))}-driver{device.facts.driver_version}.jit"
        return LoadedEngine(
            target.flavour,
            device,
            serialized,
            kernels=cache.load_blob(name) if target.flavour.is_rtx else None,
            keep_kernels=partial(cache.save_blob, name),
        )

    def _kept(self, target: _Target, graph: PlanesGraph, precision: str) -> bytes:
        height, width = graph.inputs[0].shape[2:]
        notes: dict[str, JSON] = {
            "model": graph.title,
            "size": f"{width}x{height}" if self.sizes is None else "-".join(f"{w}x{h}" for w, h in self.sizes),
            "precision": precision,
            "card": target.card,
        }
        facts = self._facts(target, graph, precision)
        return self._cache().fetch(facts, notes, lambda: self._built(target, graph))

    def _built(self, target: _Target, graph: PlanesGraph) -> bytes:
        if target.device is not None:
            target.device.activate()
        cache, name = self._cache(), target.timing_name
        build = Build(target.flavour, graph, self._settings(target, graph))
        engine, timing = build.serialized(None if target.flavour.is_rtx else cache.load_blob(name))
        if timing is not None:
            cache.save_blob(name, timing)
        return engine

    def _settings(self, target: _Target, graph: PlanesGraph) -> BuildSettings:
        return BuildSettings(
            capability=target.capability,
            profile=self._profile(graph),
            workspace=self.workspace,
            level=self.optimization_level,
            aux_streams=self.aux_streams,
            capture=self.cuda_graph,
        )

    def _facts(self, target: _Target, graph: PlanesGraph, precision: str) -> Mapping[str, JSON]:
        """Everything that decides what the engine is, and on which machines it runs."""
        return {
            "revision": _REVISION,
            "graph": hashlib.sha256(graph.onnx).hexdigest(),
            "precision": precision,
            "sizes": [list(size) for size in self.sizes] if self.sizes is not None else None,
            "workspace": self.workspace,
            "optimization_level": self.optimization_level,
            "aux_streams": self.aux_streams,
            "cuda_graph": self.cuda_graph,
            "system": f"{sys.platform} {platform.machine().lower()}",
            **target.facts(),
        }

    def _cache(self) -> EngineCache:
        return EngineCache(Path(self.engine_dir).expanduser() if self.engine_dir is not None else cache_folder())

    def _profile(self, graph: PlanesGraph) -> Mapping[str, tuple[Shape, Shape, Shape]]:
        """Shapes of each input at the three sizes, as the graph declares it: byte pairs have an axis more."""
        if self.sizes is None:
            return {}
        least, usual, most = checked_sizes(self.sizes)
        return {
            spec.name: (
                declared_shape(graph, index, least),
                declared_shape(graph, index, usual),
                declared_shape(graph, index, most),
            )
            for index, spec in enumerate(graph.inputs)
        }

    def _shapes(self, graph: PlanesGraph) -> Mapping[str, Shape]:
        """Shapes of the inputs of this clip, where the engine serves several sizes."""
        if self.sizes is None:
            return {}
        height, width = graph.inputs[0].shape[2:]
        least, _, most = checked_sizes(self.sizes)
        if not (least[0] <= width <= most[0] and least[1] <= height <= most[1]):
            raise VsanimeError(
                f"the clip's frames (or tiles) are {width}x{height}; sizes={self.sizes!r} serves {least[0]}x{least[1]} "
                f"to {most[0]}x{most[1]}"
            )
        return {spec.name: declared_shape(graph, i, (width, height)) for i, spec in enumerate(graph.inputs)}


@dataclass(frozen=True)
class _Target:
    """What an engine is built for: a card at hand, or the compute capability of cards elsewhere."""

    flavour: Flavour
    capability: Capability
    device: Device | None = None

    @property
    def card(self) -> str:
        """For people."""
        if self.device is not None and not self.flavour.is_rtx:
            return self.device.facts.name
        return f"compute {dotted(self.capability)}"

    @property
    def timing_name(self) -> str:
        """Under which timings of kernels are kept."""
        card = hashlib.sha256(self.card.encode()).hexdigest()[:8]
        return f"timing-{self.flavour.version}-{dotted(self.capability)}-{card}.cache"

    def facts(self) -> Mapping[str, JSON]:
        """An engine of TensorRT-RTX serves every card of its capability; one of TensorRT the card it was timed on."""
        facts: dict[str, JSON] = {
            "flavour": self.flavour.name,
            "version": self.flavour.version,
            "capability": dotted(self.capability),
        }
        if self.device is not None and not self.flavour.is_rtx:
            facts |= {"card": self.device.facts.name, "driver": self.device.facts.driver_version}
        return facts


def _check_computes(precision: str, capability: Capability, card: str) -> None:
    if precision == "bf16" and capability < _BF16_SINCE:
        raise VsanimeError(
            f"precision='bf16': {card} (compute capability {dotted(capability)}) computes no bf16, which came with "
            "8.0; use 'fp16'"
        )


def declared_shape(graph: PlanesGraph, index: int, size: Size) -> Shape:
    """The shape that an input is declared with when the frame is of a size.

    Raises:
        VsanimeError: a size that the chroma subsampling does not divide.
    """
    height, width = graph.inputs[0].shape[2:]
    spec = graph.inputs[index]
    steps = width // spec.shape[3], height // spec.shape[2]
    if size[0] % steps[0] or size[1] % steps[1]:
        raise VsanimeError(
            f"a size of {size[0]}x{size[1]} does not suit chroma subsampled by {steps[0]} and {steps[1]}"
        )
    pairs = (2,) if spec.dtype == "uint16" else ()
    return (*spec.shape[:2], size[1] // steps[1], size[0] // steps[0], *pairs)


def checked_sizes(sizes: tuple[Size, Size, Size]) -> tuple[Size, Size, Size]:
    """Three sizes in order.

    Raises:
        VsanimeError: they are not.
    """
    try:
        (w1, h1), (w2, h2), (w3, h3) = sizes
        good = _LEAST_SIDE <= w1 <= w2 <= w3 and _LEAST_SIDE <= h1 <= h2 <= h3
    except (TypeError, ValueError):
        good = False
    if not good:
        raise VsanimeError(
            f"sizes={sizes!r}; the smallest, the most usual and the largest (width, height) are needed, from "
            f"{_LEAST_SIDE} pixels up"
        )
    return sizes


def is_usable() -> bool:
    """Whether there are a card and a package that serves it; looks at no more than it has to."""
    if not any(map(is_installed, (RTX, TENSORRT))) or device_count() == 0:
        return False
    try:
        flavour_for(None, device_facts(0).compute_capability)
    except VsanimeError as error:
        log.info("TensorRT is not used: %s", error)
        return False
    return True


__all__: Sequence[str] = ["TensorRT", "is_usable"]
