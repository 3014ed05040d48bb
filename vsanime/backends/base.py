"""Define what a runtime provides (the `Backend`, `Engine` and `Lane` protocols), and size tiles."""

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
    """The properties of a job by which a backend chooses precision and tile size.

    Attributes:
        width: width of the network's input frame in pixels.
        height: height of the network's input frame in pixels.
        radius: receptive-field radius in pixels, or None for networks that need the whole frame.
        features: channels of the widest layer.
        anchored: whether low precision leaves the network's averages unchanged: its linear path can stay exact, or its
            tint is corrected.
        out_channels: planes that the network returns: 1 for luma, 2 for chroma, 3 for RGB.
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
    """A queue in which frames run one after another; two lanes run side by side.

    Attributes:
        writes_anywhere: whether `run` writes into any array at no cost; if not, the arrays of `buffer` are faster.
    """

    writes_anywhere: bool

    def buffer(self, spec: TensorSpec) -> Array:
        """Return an array for one of the graph's tensors, which `run` uses without copying it.

        It may be the same array at every call, and remains valid memory after the engine is closed.
        """

    def run(self, inputs: Sequence[Array], outputs: Sequence[Array]) -> None:
        """Run the engine on `inputs` and write the results into `outputs`.

        The arrays are C-contiguous and have the graph's shapes and types. Passing the same arrays again costs nothing.
        """


class Engine(Protocol):
    """A compiled graph."""

    def lanes(self) -> int:
        """Return the number of lanes that it was compiled to serve at once."""

    def new_lane(self) -> Lane:
        """Return a lane with buffers of its own."""

    def close(self) -> None:
        """Wait for running frames where necessary, and release what the engine and its lanes own.

        A frame that is run afterwards raises `VsanimeError`; closing twice is harmless.
        """


# Message for a frame that is requested after `Engine.close`.
CLOSED = "the engine was closed: the script was unloaded"


class HostLane:
    """A base class of lanes on the CPU, where any array is as fast as another."""

    writes_anywhere = True

    def buffer(self, spec: TensorSpec) -> Array:
        """See `Lane`."""
        return np.zeros(spec.shape, spec.dtype)


class Backend(Protocol):
    """A runtime and its options."""

    def precision_for(self, work: Workload) -> str:
        """Return the precision of inner layers, "f32", "bf16" or "fp16"; this resolves "auto".

        Raises:
            VsanimeError: the requested precision is not available.
        """

    def traits(self, precision: str) -> GraphTraits:
        """Return the properties that graphs for this backend should have."""

    def tile_for(self, work: Workload, precision: str, *, fit: bool = False) -> tuple[int, int]:
        """Return the best width and height of tiles in pixels, overlap included; the frame's own size for whole frames.

        Args:
            work: the job.
            precision: result of `precision_for`.
            fit: cut frames to fit memory, even if the backend would not do so by default.
        """

    def lanes_for(self, threads: int) -> int:
        """Return the number of lanes to run when the frame server has `threads` threads."""

    def compile(self, graph: PlanesGraph, precision: str, lanes: int, threads: int) -> Engine:
        """Compile a graph.

        Args:
            graph: graph from planes to planes.
            precision: result of `precision_for`.
            lanes: number of lanes that run at once.
            threads: number of threads of the frame server, the budget that inference shares.

        Raises:
            VsanimeError: the runtime is missing or refuses the graph.
        """


type Reader = Callable[[str, object], Any]

# More lanes or threads than any machine can use; each takes memory.
_MOST_STREAMS = 256
_MOST_THREADS = 1024


@dataclass(frozen=True)
class Options:
    """A base class for the options of backends, which are read as the arguments of filters are.

    Constructing a backend never fails: convertible values are replaced by their meaning ("2" by 2), and wrong values
    are refused when the backend is used, so that the message comes from the filter.

    Attributes:
        READERS: function that reads an option's value, by the option's name.
    """

    READERS: ClassVar[Mapping[str, Reader]] = {}

    def __post_init__(self) -> None:
        """Convert the values that can be read."""
        for name, read in self.READERS.items():
            with suppress(VsanimeError):
                object.__setattr__(self, name, read(name, getattr(self, name)))

    def check_options(self) -> None:
        """Refuse wrong values.

        Raises:
            VsanimeError: a value could not be read.
        """
        for name, read in self.READERS.items():
            read(name, getattr(self, name))


def optional(read: Reader) -> Reader:
    """Return a reader that leaves None as it is."""
    return lambda name, value: None if value is None else read(name, value)


def read_word(name: str, value: object) -> str:
    """Return text that only the runtime can interpret.

    Raises:
        VsanimeError: the value is not text.
    """
    text = parse_text(value)
    if text is None:
        raise VsanimeError(f"{name}={quote(value)}; text is needed")
    return text


def read_streams(name: str, value: object) -> int:
    """Return a number of lanes.

    Raises:
        VsanimeError: the value is not a whole number from 1 to 256.
    """
    return read_whole(name, value, 1, _MOST_STREAMS, f"1 or more is needed, {_MOST_STREAMS} at most")


def read_threads(name: str, value: object) -> int:
    """Return a number of threads.

    Raises:
        VsanimeError: the value is not a whole number from 1 to 1024.
    """
    return read_whole(name, value, 1, _MOST_THREADS, f"1 or more is needed, {_MOST_THREADS} at most")


def read_cards(name: str, value: object) -> int | tuple[int, ...]:
    """Return CUDA's index of a card, or several in the order given.

    Raises:
        VsanimeError: there is none, one is not a whole number from 0 up, or one is named twice.
    """
    one = parse_whole(value)
    cards = [one] if one is not None else parse_wholes(value, _MOST_STREAMS)
    if not cards or min(cards) < 0 or len(set(cards)) < len(cards):
        raise VsanimeError(f"{name}={quote(value)}; a card's number from 0 up, or different ones, is needed")
    return tuple(cards) if one is None else one


def count_lanes(num_streams: int | None, threads: int) -> int:
    """Return the user's number of lanes, or one less than there are threads, at most 4.

    Raises:
        VsanimeError: see `read_streams`.
    """
    if num_streams is None:
        return max(1, min(threads - 1, 4))
    return read_streams("num_streams", num_streams)


def inference_threads(num_threads: int | None, threads: int) -> int:
    """Return the user's number of inference threads, or the frame server's, limited to the number of processors.

    Raises:
        VsanimeError: see `read_threads`.
    """
    if num_threads is None:
        return min(threads, os.cpu_count() or 1)
    return read_threads("num_threads", num_threads)


# Most bytes for one layer's output: a 1080p frame in 96 channels of f32 fits, and a 720p frame in 256. Two to three
# layers are alive at once, in every lane.
LAYER_BYTES = 1 << 30


def tile_within(
    work: Workload, bytes_per_value: int, rows: int | None = None, layer_bytes: int = LAYER_BYTES
) -> tuple[int, int]:
    """Return the size of a full-width strip as tall as memory and `rows` (a hint) allow, narrower if it must be."""
    if work.radius is None:
        return work.width, work.height
    budget = layer_bytes // (bytes_per_value * work.features)
    least = 2 * work.radius + 16
    height = max(least, min(work.height, budget // work.width, rows or work.height))
    width = work.width
    if height * width > budget:
        width = max(least, min(width, budget // height))
    return width, min(height, work.height)
