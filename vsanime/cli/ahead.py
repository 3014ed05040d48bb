"""Builds TensorRT engines ahead of time, by calling the filters on a backend that builds engines and runs none.

A script finds an engine only if its graph is identical to the byte, so that only the filters themselves may make it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING

from rich.progress import Progress

from vsanime.arrays import Array
from vsanime.backends.base import HostLane, Workload
from vsanime.backends.cuda.runtime import Device
from vsanime.backends.tensorrt import TensorRT
from vsanime.backends.tensorrt.flavours import Capability, format_capability
from vsanime.backends.tensorrt.reports import watch_build
from vsanime.errors import VsanimeError, quote
from vsanime.filters.animegan import animegan, is_style
from vsanime.filters.artcnn import artcnn, artcnn_chroma
from vsanime.filters.waifu2x import is_rgb, waifu2x
from vsanime.graphs.inspect import inspect
from vsanime.models.cards import Variant, find
from vsanime.models.store import as_path, load
from vsanime.pipeline.arguments import Tiles
from vsanime.spec import GraphTraits, PlanesGraph

if TYPE_CHECKING:
    import vapoursynth as vs

type Target = Device | Capability


@dataclass(frozen=True)
class Outcome:
    """The result of building one engine.

    Attributes:
        model: name or path of the model.
        use: name of the filter, with the argument if the model is not its main one.
        size: size of the engine's input as text, or its smallest, usual and largest size.
        precision: precision of the inner layers.
        card: name of the card, or its compute capability.
        bytes: size of the engine; 0 if there is none.
        seconds: duration of the build; None if the engine was cached or could not be built.
        problem: why it could not be built, or empty.
    """

    model: str
    use: str
    size: str
    precision: str
    card: str
    bytes: int = 0
    seconds: float | None = None
    problem: str = ""


# Tasks whose engines depend on the clips of a script.
_OF_SCRIPTS = ("colorize", "colorize_temporal")
# Tasks by channels in and out, for the networks that filters take, except RGB.
_TASKS = {(1, 1): "double_luma", (3, 2): "chroma"}


@dataclass(frozen=True)
class Use:
    """A model in a filter that takes it.

    Attributes:
        model: name or path of the model.
        name: name of the filter, with the argument if the model is not its main one.
        call: filter with all arguments except the clip and the backend.
    """

    model: str
    name: str
    call: Callable[..., vs.VideoNode]


@dataclass(frozen=True, kw_only=True)
class Arguments:
    """The arguments that a script would give the filters.

    Attributes:
        depth: depth of the output, as filters take it; the clip's if None.
        noise: noise level for waifu2x, -1 to 3.
        scale: scale for waifu2x, 1 or 2; the model's if None.
        tint: tint for waifu2x, "keep" or "correct".
        tta: whether luma models and waifu2x average over eight orientations.
        tiles: number of tiles for all filters.
    """

    depth: int | str | None = None
    noise: int = -1
    scale: int | None = None
    tint: str = "keep"
    tta: bool = False
    tiles: Tiles = None


def uses_of(model: str, arguments: Arguments) -> list[Use]:
    """Return the filters that take a model, each with its arguments.

    Raises:
        VsanimeError: there is no such model or file, or no filter takes it.
    """
    depth, tiles = arguments.depth, arguments.tiles
    task = task_of(model)
    if task in _OF_SCRIPTS:
        raise VsanimeError(f"model={quote(model)} is for vsanime.colorize, whose engines are built with its script")
    if task == "rgb":
        scale = arguments.scale if arguments.scale is not None else _scale_of(model)
        network = partial(waifu2x, model=model, noise=arguments.noise, scale=scale, tint=arguments.tint)
        return [Use(model, "waifu2x", partial(network, tta=arguments.tta, depth=depth, tiles=tiles))]
    if task == "style":
        return [Use(model, "animegan", partial(animegan, style=model, depth=depth, tiles=tiles))]
    if task == "double_luma":
        # Without `chroma=`, chroma is resampled and needs no network.
        return [Use(model, "artcnn", partial(artcnn, model=model, tta=arguments.tta, depth=depth, tiles=tiles))]
    # `artcnn` has chroma written deep enough for resampling, `artcnn_chroma` at the clip's own depth, so that they need
    # different engines. Without plane 0, no luma network runs.
    return [
        Use(model, "artcnn(chroma=)", partial(artcnn, chroma=model, planes=(1, 2), depth=depth, tiles=tiles)),
        Use(model, "artcnn_chroma", partial(artcnn_chroma, model=model, tiles=tiles)),
    ]


def task_of(model: str) -> str:
    """Return the task of a model: of its card or its family of noise levels, or by a file's channels.

    Raises:
        VsanimeError: there is no such model or file, or no filter takes its channels.
    """
    if is_style(model):
        return "style"
    if is_rgb(model):
        return "rgb"
    if as_path(model) is None:
        return find(model).task
    facts = inspect(load(model).proto)
    channels = (facts.in_channels, facts.out_channels)
    if channels not in _TASKS:
        raise VsanimeError(
            f"model={quote(model)} takes {channels[0]} and gives {channels[1]} channels, which no filter does"
        )
    return _TASKS[channels]


def suits(variant: Variant, form: vs.VideoFormat) -> bool:
    """Return whether a filter runs a model of this task on clips of a format."""
    if variant.task in ("rgb", "style"):
        return True
    if variant.task in _OF_SCRIPTS:
        return False
    family = str(form.color_family.name)
    if variant.task == "chroma":
        return family == "YUV" and int(form.subsampling_w) == 1
    return family != "RGB"


def _scale_of(model: str) -> int:
    """Return the scale of a model; for a family of noise levels, that of its noise level 0."""
    if as_path(model) is not None:
        return inspect(load(model).proto).scale
    try:
        return find(model).scale
    except VsanimeError:
        # The name of a family whose networks all remove noise; `is_rgb` has found one.
        return find(f"{model}_noise0").scale


@dataclass
class Builder:
    """A backend that builds all that filters compile for every target, and runs nothing.

    Attributes:
        backend: TensorRT with the options that scripts will give, including the folder of the cache.
        targets: cards of this machine, or compute capabilities of others.
        bars: progress bars that show the builds.
        use: filter and model that are being built.
        outcomes: results of all engines so far.
    """

    backend: TensorRT
    targets: Sequence[Target]
    bars: Progress
    use: Use | None = None
    outcomes: list[Outcome] = field(default_factory=list)

    def run(self, use: Use, clip: vs.VideoNode) -> None:
        """Build what a filter compiles for a clip.

        Raises:
            VsanimeError: the filter rejects the clip or the model before it compiles anything.
            vs.Error: the same.
        """
        self.use = use
        use.call(clip, backend=self)

    def precision_for(self, work: Workload) -> str:
        """See `Backend`."""
        return self.backend.precision_for(work)

    def traits(self, precision: str) -> GraphTraits:
        """See `Backend`."""
        return self.backend.traits(precision)

    def tile_for(self, work: Workload, precision: str, *, fit: bool = False) -> tuple[int, int]:
        """See `Backend`."""
        return self.backend.tile_for(work, precision, fit=fit)

    def lanes_for(self, threads: int) -> int:  # noqa: ARG002 - none of them runs
        """See `Backend`."""
        return 1

    def compile(self, graph: PlanesGraph, precision: str, lanes: int, threads: int) -> Unrunnable:  # noqa: ARG002
        """See `Backend`; if a target fails, record the error and build the next one."""
        assert self.use is not None
        height, width = graph.inputs[0].shape[2:]
        sizes = self.backend.sizes or [(width, height)]
        what = (self.use.model, self.use.name, "-".join(f"{w}x{h}" for w, h in sizes), precision)
        for target in self.targets:
            card = target.facts.name if isinstance(target, Device) else format_capability(target)
            try:
                with watch_build(self.bars) as watch:
                    size = self._built(graph, precision, target)
                self.outcomes.append(Outcome(*what, card, size, next(iter(watch.seconds), None)))
            except VsanimeError as error:
                self.outcomes.append(Outcome(*what, card, problem=str(error)))
        return Unrunnable()

    def _built(self, graph: PlanesGraph, precision: str, target: Target) -> int:
        if isinstance(target, Device):
            return self.backend.prepare(graph, precision, target)
        return self.backend.build(graph, precision, target)


class Unrunnable:
    """An engine that is only built, possibly for another machine's card; see `Engine`."""

    def lanes(self) -> int:
        """See `Engine`."""
        return 1

    def new_lane(self) -> UnrunnableLane:
        """See `Engine`."""
        return UnrunnableLane()

    def close(self) -> None:
        """See `Engine`."""


class UnrunnableLane(HostLane):
    """A lane with buffers, which filters ask for, that refuses to run; see `Lane`."""

    def run(self, inputs: Sequence[Array], outputs: Sequence[Array]) -> None:  # noqa: ARG002
        """Raise an error.

        Raises:
            VsanimeError: always.
        """
        raise VsanimeError("this engine was built ahead of time and is not run here")
