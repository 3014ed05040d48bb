"""Build a serialized engine from a planes graph."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import onnx
from google.protobuf.message import DecodeError  # type: ignore[import-untyped]

from vsanime.backends.stdout import guard_stdout
from vsanime.backends.tensorrt.flavours import Capability, Flavour, format_capability
from vsanime.backends.tensorrt.reports import Messages, open_monitor
from vsanime.backends.tensorrt.sizes import Shape
from vsanime.errors import VsanimeError
from vsanime.spec import PlanesGraph

_MIB = 1 << 20


@dataclass(frozen=True)
class BuildSettings:
    """The settings that determine an engine, beside its graph.

    Attributes:
        capability: compute capability of the card it is for; None for the card of this machine.
        profile: smallest, most usual and largest shape of each input, where sizes are open.
        workspace: MiB of video memory that a layer may use while it runs; None for what the card has.
        level: 0 to 5: how long to search for faster kernels; None for the package's own default.
        aux_streams: streams beside its own on which a lane may run branches of the network.
        capture: whether frames will be recorded into CUDA graphs.
    """

    capability: Capability | None = None
    profile: Mapping[str, tuple[Shape, Shape, Shape]] = field(default_factory=dict)
    workspace: int | None = None
    level: int | None = None
    aux_streams: int = 0
    capture: bool = True


class Build:
    """A parsed network and the configured builder of its engine.

    Attributes:
        network: TensorRT's network, parsed from the graph.
        config: the builder's settings.
    """

    def __init__(self, flavour: Flavour, graph: PlanesGraph, settings: BuildSettings) -> None:
        """Parse the graph and configure the builder.

        Raises:
            VsanimeError: TensorRT does not accept the graph; the message names the node.
        """
        trt = flavour.module
        self._flavour = flavour
        self._graph = graph
        self._messages = Messages(flavour)
        with guard_stdout():
            self._builder = self._made(trt.Builder(self._messages.logger), "start")
            flags = 1 << int(trt.NetworkDefinitionCreationFlag.STRONGLY_TYPED)
            self.network = self._made(self._builder.create_network(flags), "make a network")
            # Stored, because the network refers to weights that the parser owns.
            self._parser = trt.OnnxParser(self.network, self._messages.logger)
            if not self._parser.parse(graph.onnx):
                raise VsanimeError(f"{flavour.name} does not take the network: {self._parser_error()}")
            self.config = self._made(self._builder.create_builder_config(), "make a configuration")
            self._configure(settings)

    def serialized(self, timing: bytes | None = None) -> tuple[bytes, bytes | None]:
        """Build the engine, with a progress bar on stderr.

        Args:
            timing: kernel timings of earlier builds, for TensorRT.

        Returns:
            The engine, and the timings to cache, or None.

        Raises:
            VsanimeError: the builder failed; the message gives its reason.
            KeyboardInterrupt: the user interrupted the build.
        """
        since = self._messages.mark()
        title = f"building the engine {self._graph.title} with {self._flavour.name} {self._flavour.version}"
        cache = None if self._flavour.is_rtx else self._timing_cache(timing)
        with guard_stdout(), open_monitor(self._flavour, title) as (monitor, listener):
            if listener is not None:
                self.config.progress_monitor = listener
            engine = self._builder.build_serialized_network(self.network, self.config)
        if monitor.interrupted:
            raise KeyboardInterrupt
        if engine is None:
            reason = self._messages.reason(since)
            raise VsanimeError(f"{self._flavour.name} could not build an engine for {self._graph.title}: {reason}")
        return bytes(engine), bytes(cache.serialize()) if cache is not None else None

    def _configure(self, settings: BuildSettings) -> None:
        trt, config = self._flavour.module, self.config
        # f32 must be f32: TF32 keeps 10 of 23 bits.
        config.clear_flag(trt.BuilderFlag.TF32)
        config.max_aux_streams = settings.aux_streams
        if settings.workspace is not None:
            config.set_memory_pool_limit(trt.MemoryPoolType.WORKSPACE, settings.workspace * _MIB)
        if settings.level is not None:
            config.builder_optimization_level = settings.level
        if settings.capture and hasattr(trt.BuilderFlag, "REQUIRE_USER_ALLOCATION"):
            config.set_flag(trt.BuilderFlag.REQUIRE_USER_ALLOCATION)  # without it frames cannot be recorded
        if self._flavour.is_rtx:
            config.num_compute_capabilities = 1
            if not config.set_compute_capability(self._flavour.member(settings.capability), 0):
                wanted = format_capability(settings.capability) if settings.capability is not None else "this card"
                raise VsanimeError(f"{self._flavour.name} does not build for {wanted}: {self._messages.reason()}")
        if settings.profile:
            self._add_profile(settings.profile)

    def _add_profile(self, shapes: Mapping[str, tuple[Shape, Shape, Shape]]) -> None:
        profile = self._builder.create_optimization_profile()
        for name, (least, usual, most) in shapes.items():
            profile.set_shape(name, least, usual, most)
        if self.config.add_optimization_profile(profile) < 0:
            raise VsanimeError(f"{self._flavour.name} refuses the sizes {dict(shapes)}: {self._messages.reason()}")

    def _timing_cache(self, timing: bytes | None) -> Any:
        cache = self.config.create_timing_cache(timing or b"")
        # Timings of another version or card are refused; an empty cache is not.
        if cache is None or not self.config.set_timing_cache(cache, False):
            cache = self.config.create_timing_cache(b"")
            self.config.set_timing_cache(cache, False)
        return cache

    def _made(self, thing: Any, action: str) -> Any:
        if thing is None:
            raise VsanimeError(f"{self._flavour.name} could not {action}: {self._messages.reason()}")
        return thing

    def _parser_error(self) -> str:
        """Return the parser's first error, with the node that caused it."""
        if not self._parser.num_errors:
            return self._messages.reason()
        error = self._parser.get_error(0)
        text = " ".join(error.desc().split())
        if "UNSUPPORTED" in str(error.code()):
            text = f"an operator that it does not know, or not in this form ({text})"
        try:
            nodes = onnx.load_from_string(self._graph.onnx).graph.node
        except DecodeError:
            return text
        if not 0 <= error.node() < len(nodes):
            return text
        node = nodes[error.node()]
        return f"node {node.name or node.output[0]!r} ({node.op_type}): {text}"
