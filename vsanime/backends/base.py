"""What a runtime has to offer: the `Backend`, `Engine` and `Lane` protocols, and how tiles are sized."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, ClassVar, Protocol

import numpy as np

from vsanime.arrays import Array
from vsanime.errors import VsanimeError, quote
from vsanime.spec import GraphTraits, PlanesGraph, TensorSpec
from vsanime.values import parse_text, parse_whole, parse_wholes, read_whole


@dataclass(frozen=True)
class Workload:
    """What a backend needs to know of a job to choose precision and tile size.

    Attributes:
        width: width of the network's input frame.
        height: its height.
        radius: receptive-field radius, or None for nets that need the whole frame.
        features: channels of the widest layer.
        anchored: whether low precision leaves the net's averages alone: its linear path can stay exact, or its tint is
            taken off.
        out_channels: planes that the net puts out: 1 for luma, 2 for chroma.
        output_bits: bits of an integer output sample, 16 or 32 for floats.
        output_float: whether the output is float.
    """

    width: int
    height: int
    radius: int | None
    features: int
    anchored: bool
    out_channels: int
    output_bits: int
    output_float: bool


class Lane(Protocol):
    """One place where frames run one after another; two lanes run side by side.

    Attributes:
        writes_anywhere: whether `run` writes into any array at no cost; if not, the arrays of `buffer` are faster.
    """

    writes_anywhere: bool

    def buffer(self, spec: TensorSpec) -> Array:
        """An array for one of the graph's tensors, which `run` takes without copying it.

        It may be the same array at every call, and is still good memory after the engine was closed.
        """

    def run(self, inputs: Sequence[Array], outputs: Sequence[Array]) -> None:
        """Runs the engine on `inputs` and writes the results into `outputs`.

        The arrays are C-contiguous, of the graph's shapes and types. Passing the same arrays again costs nothing.
        """


class Engine(Protocol):
    """A compiled graph."""

    def lanes(self) -> int:
        """How many lanes it was compiled to serve at once."""

    def new_lane(self) -> Lane:
        """A lane with buffers of its own."""

    def close(self) -> None:
        """Waits for running frames where it has to, and gives back what the engine and its lanes hold.

        A frame that is run afterwards is a `VsanimeError`; closing twice is harmless.
        """


# What a frame gets that is asked for after `Engine.close`.
CLOSED = "the engine was closed: the script was unloaded"


class HostLane:
    """What lanes on the CPU have in common: one array is as good as another."""

    writes_anywhere = True

    def buffer(self, spec: TensorSpec) -> Array:
        """See `Lane`."""
        return np.zeros(spec.shape, spec.dtype)


class Backend(Protocol):
    """A runtime and its options."""

    def precision_for(self, work: Workload) -> str:
        """The precision that inner layers will run in: "f32", "bf16", "fp16"; what "auto" means is decided here.

        Raises:
            VsanimeError: the precision asked for is not to be had here.
        """

    def traits(self, precision: str) -> GraphTraits:
        """What graphs for this backend should look like."""

    def tile_for(self, work: Workload, precision: str, *, fit: bool = False) -> tuple[int, int]:
        """Width and height of the tiles that suit it best, overlap included; the frame's own size for whole frames.

        Args:
            work: the job.
            precision: what `precision_for` said.
            fit: cut frames to what memory allows, where the backend would not do so by itself.
        """

    def lanes_for(self, threads: int) -> int:
        """How many lanes to run when the frame server has `threads` threads."""

    def compile(self, graph: PlanesGraph, precision: str, lanes: int, threads: int) -> Engine:
        """Compiles a graph.

        Args:
            graph: planes in, planes out.
            precision: what `precision_for` said.
            lanes: lanes wanted at once.
            threads: threads of the frame server, the budget that inference shares.

        Raises:
            VsanimeError: the runtime is missing or refuses the graph.
        """


type Reader = Callable[[str, object], Any]

# More lanes or threads than any machine has use for; each takes memory.
_MOST_STREAMS = 256
_MOST_THREADS = 1024


@dataclass(frozen=True)
class Options:
    """What the options of all backends have in common: they are read as the arguments of filters are.

    Making a backend never fails: what stands for another value is replaced by it ("2" by 2), and what is wrong is
    refused when the backend is used, so that the message is the filter's.

    Attributes:
        READERS: reads an option's value, by the option's name.
    """

    READERS: ClassVar[Mapping[str, Reader]] = {}

    def __post_init__(self) -> None:
        """Read what can be read."""
        for name, read in self.READERS.items():
            with suppress(VsanimeError):
                object.__setattr__(self, name, read(name, getattr(self, name)))

    def check_options(self) -> None:
        """Refuse wrong values.

        Raises:
            VsanimeError: what could not be read when the backend was made.
        """
        for name, read in self.READERS.items():
            read(name, getattr(self, name))


def optional(read: Reader) -> Reader:
    """Return a reader that leaves None as it is."""
    return lambda name, value: None if value is None else read(name, value)


def read_word(name: str, value: object) -> str:
    """Return text that names something which only the runtime knows.

    Raises:
        VsanimeError: it is no text.
    """
    text = parse_text(value)
    if text is None:
        raise VsanimeError(f"{name}={quote(value)}; text is needed")
    return text


def read_streams(name: str, value: object) -> int:
    """Return a number of lanes.

    Raises:
        VsanimeError: it is none.
    """
    return read_whole(name, value, 1, _MOST_STREAMS, f"1 or more is needed, {_MOST_STREAMS} at most")


def read_threads(name: str, value: object) -> int:
    """Return a number of threads.

    Raises:
        VsanimeError: it is none.
    """
    return read_whole(name, value, 1, _MOST_THREADS, f"1 or more is needed, {_MOST_THREADS} at most")


def read_cards(name: str, value: object) -> int | tuple[int, ...]:
    """Return CUDA's number of a card, or several in the order given.

    Raises:
        VsanimeError: none, no number, or one named twice.
    """
    one = parse_whole(value)
    cards = [one] if one is not None else parse_wholes(value, _MOST_STREAMS)
    if not cards or min(cards) < 0 or len(set(cards)) < len(cards):
        raise VsanimeError(f"{name}={quote(value)}; a card's number from 0 up, or different ones, is needed")
    return tuple(cards) if one is None else one


def lanes_wanted(num_streams: int | None, threads: int) -> int:
    """The user's number of lanes, or one less than there are threads, at most 4.

    Raises:
        VsanimeError: less than 1.
    """
    if num_streams is None:
        return max(1, min(threads - 1, 4))
    return read_streams("num_streams", num_streams)


def inference_threads(num_threads: int | None, threads: int) -> int:
    """The user's number of inference threads, or as many as the frame server has and the machine can run at once.

    Raises:
        VsanimeError: less than 1.
    """
    if num_threads is None:
        return min(threads, os.cpu_count() or 1)
    return read_threads("num_threads", num_threads)


# One layer's output may take this much memory: a 1080p frame in 96 channels of f32 fits, and a 720p frame in 256.
# Two to three layers are alive at once, in every lane.
LAYER_BYTES = 1 << 30


def tile_within(
    work: Workload, bytes_per_value: int, rows: int | None = None, layer_bytes: int = LAYER_BYTES
) -> tuple[int, int]:
    """A full-width strip as tall as memory allows, at most `rows` (a hint), the whole frame where that is enough."""
    if work.radius is None:
        return work.width, work.height
    budget = layer_bytes // (bytes_per_value * work.features)
    least = 2 * work.radius + 16
    height = max(least, min(work.height, budget // work.width, rows or work.height))
    width = work.width
    if height * width > budget:
        width = max(least, min(width, budget // height))
    return width, min(height, work.height)
