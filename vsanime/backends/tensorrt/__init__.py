"""Run graphs by TensorRT or TensorRT-RTX on NVIDIA cards: build engines from ONNX and cache them."""

from __future__ import annotations

import hashlib
import logging
import os
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import ClassVar

from vsanime.backends.base import (
    Engine,
    Options,
    Reader,
    Workload,
    optional,
    read_cards,
    read_streams,
    tile_within,
)
from vsanime.backends.cache import JSON, EngineCache, key_of
from vsanime.backends.cuda.lanes import RESERVE_BYTES, GpuEngine, card_numbers
from vsanime.backends.cuda.runtime import Device, device_count, device_facts
from vsanime.backends.tensorrt.building import Build, BuildSettings
from vsanime.backends.tensorrt.flavours import (
    RTX,
    TENSORRT,
    Capability,
    flavour_for,
    format_capability,
    is_installed,
    read_flavour,
)
from vsanime.backends.tensorrt.running import ContextProgram, LoadedEngine, Refused
from vsanime.backends.tensorrt.sizes import Size, profile, read_sizes, shapes_at_hand
from vsanime.backends.tensorrt.targets import Target
from vsanime.errors import VsanimeError, quote
from vsanime.spec import GraphTraits, PlanesGraph
from vsanime.values import parse_text, read_flag, read_whole

log = logging.getLogger("vsanime.tensorrt")

_BODIES = {"f32": "float32", "fp16": "float16", "bf16": "bfloat16"}

# fp16 has an error of about 80 dB, as much as rounding to 12 bits; see docs/measurements/tensorrt.md.
_COARSE_BITS = 12

# bf16 arithmetic came with Ampere.
_BF16_SINCE = (8, 0)

# Raise it when building changes in a way that options do not show: cached engines are then built again.
_REVISION = 2

# More streams than any network has branches, and more MiB than any card has.
_MOST_AUX_STREAMS = 64
_MOST_WORKSPACE = 1 << 24

# Estimate of the layers whose results are alive at once, including the work space of convolutions.
_LAYERS_ALIVE = 4


def _read_precision(name: str, value: object) -> str:
    text = parse_text(value)
    if text is None or text not in ("auto", *_BODIES):
        raise VsanimeError(f"{name}={quote(value)}; 'fp16', 'bf16', 'f32' or 'auto' is needed for TensorRT")
    return text


def _read_workspace(name: str, value: object) -> int:
    return read_whole(name, value, 1, _MOST_WORKSPACE, f"a positive number of MiB is needed, {_MOST_WORKSPACE} at most")


def _read_level(name: str, value: object) -> int:
    return read_whole(name, value, 0, 5, "0 to 5 is needed")


def _read_aux_streams(name: str, value: object) -> int:
    return read_whole(name, value, 0, _MOST_AUX_STREAMS, f"0 or more is needed, {_MOST_AUX_STREAMS} at most")


@dataclass(frozen=True, kw_only=True)
class TensorRT(Options):
    """TensorRT on NVIDIA cards (extras `vsanime[tensorrt-rtx]` and `vsanime[tensorrt]`).

    An engine is built for the first clip of a size and format, and cached (see `vsanime cache`).

    Attributes:
        device_id: CUDA's index of the card, or several, over which the lanes are spread.
        precision: "fp16" or "bf16" for the network's inner layers, with plane arithmetic and linear path in f32; "f32";
            "auto" for fp16 where the network's averages stay exact and the output has at most 12 bits, else f32.
        num_streams: number of lanes that run side by side on each card.
        cuda_graph: launch a frame's copies and kernels as one recorded graph, where the runtime allows it.
        engine_dir: folder of cached engines; None for VSANIME_CACHE_DIR or the user's cache folder.
        flavour: "tensorrt" or "tensorrt_rtx"; None for what is installed and suits the card.
        sizes: smallest, most usual and largest (width, height) in pixels that one engine serves; None builds one for
            each size, which is faster.
        workspace: MiB of video memory that a layer may use while it runs; None for what the card has.
        optimization_level: 0 to 5: how long TensorRT searches for faster kernels; None for its default, 3.
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

    # engine_dir has no reader: `cache` checks it when an engine is looked up.
    READERS: ClassVar[Mapping[str, Reader]] = {
        "device_id": read_cards,
        "precision": _read_precision,
        "num_streams": read_streams,
        "cuda_graph": read_flag,
        "flavour": optional(read_flavour),
        "sizes": optional(read_sizes),
        "workspace": optional(_read_workspace),
        "optimization_level": optional(_read_level),
        "aux_streams": _read_aux_streams,
    }

    def precision_for(self, work: Workload) -> str:
        """See `Backend`."""
        self.check_options()
        if self.precision == "auto":
            coarse = not work.output_float and work.output_bits <= _COARSE_BITS
            return "fp16" if work.anchored and coarse else "f32"
        return self.precision

    def traits(self, precision: str) -> GraphTraits:
        """See `Backend`."""
        return GraphTraits(
            exact_linear=precision != "f32",
            body=_BODIES[precision],
            bytewise=True,
            any_size=self.sizes is not None,
            least_tile=self.sizes[0] if self.sizes is not None else (1, 1),
        )

    def tile_for(self, work: Workload, precision: str, *, fit: bool = False) -> Size:
        """See `Backend`: whole frames, or with `fit` what the card's free memory allows."""
        if not fit:
            return work.width, work.height
        free = min(Device(index).free_bytes() for index in card_numbers(self.device_id))
        layer = (free - RESERVE_BYTES) // (self.num_streams * _LAYERS_ALIVE)
        return tile_within(work, 4 if precision == "f32" else 2, layer_bytes=max(layer, 1))

    def lanes_for(self, threads: int) -> int:  # noqa: ARG002 - cards decide, not processors
        """See `Backend`."""
        self.check_options()
        return self.num_streams * len(card_numbers(self.device_id))

    def compile(self, graph: PlanesGraph, precision: str, lanes: int, threads: int) -> Engine:  # noqa: ARG002
        """See `Backend`."""
        shapes = shapes_at_hand(graph, self.sizes)
        devices = [Device(index) for index in card_numbers(self.device_id)][:lanes]
        loaded = {device.index: self._loaded(graph, precision, device) for device in devices}

        def make(device: Device, stream: int) -> ContextProgram:  # noqa: ARG001 - contexts take any stream
            return ContextProgram(loaded[device.index], device, shapes)

        return GpuEngine(
            graph,
            devices,
            lanes,
            make,
            program_bytes=max(engine.context_bytes(shapes) for engine in loaded.values()),
            cuda_graph=self.cuda_graph,
        )

    def build(self, graph: PlanesGraph, precision: str, capability: Capability) -> int:
        """Cache an engine for cards of a compute capability, whether the machine has one or not.

        Returns:
            Size of the cached engine in bytes.

        Raises:
            VsanimeError: the package builds only on the card itself or not for that capability, the builder refuses, or
                the cache cannot be written.
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
                f"{', '.join(map(format_capability, served))}, not for {format_capability(capability)}"
            )
        _check_computes(precision, capability, "such a card")
        return self._surely_kept(Target(flavour, capability), graph, precision)

    def prepare(self, graph: PlanesGraph, precision: str, device: Device) -> int:
        """Cache the engine that a script will run on a card of this machine.

        Returns:
            Size of the cached engine in bytes.

        Raises:
            VsanimeError: no package supports the card, the builder refuses, or the cache cannot be written.
        """
        return self._surely_kept(self._target(device, precision), graph, precision)

    def _target(self, device: Device, precision: str) -> Target:
        capability = device.facts.compute_capability
        _check_computes(precision, capability, device.facts.name)
        return Target(flavour_for(self.flavour, capability), capability, device)

    def _loaded(self, graph: PlanesGraph, precision: str, device: Device) -> LoadedEngine:
        """Load the engine on a card; if the runtime refuses it, build it again, once."""
        target = self._target(device, precision)
        try:
            return self._load(target, graph, precision)
        except Refused as error:
            # Keep only the text: an exception, in a log record or pending, keeps everything in its traceback alive.
            reason = str(error)
        log.warning("%s; it is built again", reason)
        self.cache().discard(self._facts(target, graph, precision))
        return self._load(target, graph, precision)

    def _load(self, target: Target, graph: PlanesGraph, precision: str) -> LoadedEngine:
        device, cache = target.device, self.cache()
        assert device is not None
        try:
            serialized = zlib.decompress(self._kept(target, graph, precision))
        except zlib.error as error:
            raise Refused(f"the engine that is kept for {graph.title} is damaged: {error}") from error
        name = target.kernels_name(key_of(self._facts(target, graph, precision)))
        return LoadedEngine(
            target.flavour,
            device,
            serialized,
            kernels=cache.load_blob(name) if target.flavour.is_rtx else None,
            keep_kernels=partial(cache.save_blob, name),
        )

    def _surely_kept(self, target: Target, graph: PlanesGraph, precision: str) -> int:
        size = len(self._kept(target, graph, precision))
        cache = self.cache()
        if not cache.holds(self._facts(target, graph, precision)):
            raise VsanimeError(f"the engine was built, but {cache.folder} cannot be written: choose another folder")
        return size

    def _kept(self, target: Target, graph: PlanesGraph, precision: str) -> bytes:
        """Return the cached engine, compressed: engines for older cards are a hundred MB, mostly zeros."""
        height, width = graph.inputs[0].shape[2:]
        notes: dict[str, JSON] = {
            "model": graph.title,
            "size": f"{width}x{height}" if self.sizes is None else "-".join(f"{w}x{h}" for w, h in self.sizes),
            "precision": precision,
            "card": target.card,
        }
        facts = self._facts(target, graph, precision)
        return self.cache().fetch(facts, notes, lambda: zlib.compress(self._built(target, graph), level=1))

    def _built(self, target: Target, graph: PlanesGraph) -> bytes:
        if target.device is not None:
            target.device.activate()
        cache, name = self.cache(), target.timing_name
        build = Build(target.flavour, graph, self._settings(target, graph))
        engine, timing = build.serialized(None if target.flavour.is_rtx else cache.load_blob(name))
        if timing is not None:
            cache.save_blob(name, timing)
        return engine

    def _settings(self, target: Target, graph: PlanesGraph) -> BuildSettings:
        return BuildSettings(
            capability=target.named_capability,
            profile=profile(graph, self.sizes),
            workspace=self.workspace,
            level=self.optimization_level,
            aux_streams=self.aux_streams,
            capture=self.cuda_graph,
        )

    def _facts(self, target: Target, graph: PlanesGraph, precision: str) -> Mapping[str, JSON]:
        """Return everything that determines the engine and the machines on which it runs."""
        return {
            "revision": _REVISION,
            "graph": hashlib.sha256(graph.onnx).hexdigest(),
            "precision": precision,
            "sizes": [list(size) for size in self.sizes] if self.sizes is not None else None,
            "workspace": self.workspace,
            "optimization_level": self.optimization_level,
            "aux_streams": self.aux_streams,
            "cuda_graph": self.cuda_graph,
            **target.facts(),
        }

    def cache(self) -> EngineCache:
        """Return the cache of this backend's engines.

        Raises:
            VsanimeError: `engine_dir` names no folder.
        """
        if self.engine_dir is None:
            return EngineCache()
        try:
            folder = Path(os.fsdecode(self.engine_dir)).expanduser()
            os.fsencode(folder)  # fails for characters that no file name can have
            if "\0" in str(folder):
                raise ValueError("it has a NUL character")
        except Exception as error:  # not a path; the home of an unknown user; a class may raise anything
            raise VsanimeError(f"engine_dir={quote(self.engine_dir)} names no folder: {error}") from error
        return EngineCache(folder)


def _check_computes(precision: str, capability: Capability, card: str) -> None:
    if precision == "bf16" and capability < _BF16_SINCE:
        raise VsanimeError(
            f"precision='bf16': {card} (compute capability {format_capability(capability)}) computes no bf16, which "
            "came with 8.0; use `precision='fp16'`"
        )


def is_usable() -> bool:
    """Return whether there are a card and a package that supports it; checks no more than necessary."""
    if not any(map(is_installed, (RTX, TENSORRT))) or device_count() == 0:
        return False
    try:
        flavour_for(None, device_facts(0).compute_capability)
    except VsanimeError as error:
        log.info("TensorRT is not used: %s", error)
        return False
    return True


__all__: Sequence[str] = ["TensorRT", "is_usable"]
