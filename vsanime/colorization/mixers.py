"""Run networks that color line art on a backend: key features once per key, then mixtures for each frame."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from threading import Lock

import numpy as np

from vsanime.architectures import color_kinds
from vsanime.architectures.color_transform import DOCUMENT
from vsanime.architectures.colornet import MIXING
from vsanime.arrays import Array, Bytes, Floats
from vsanime.backends import Backend, BackendProtocol, Engine, Lane
from vsanime.backends.base import Workload
from vsanime.colorization.painter import Key, Mix, Mixer, Motion
from vsanime.errors import VsanimeError, quote
from vsanime.graphs.builders.colorize import (
    MULTIPLE,
    Cut,
    check_temporal_network,
    cut_of,
    frame_graph,
    key_graph,
    temporal_graph,
)
from vsanime.models.store import Model
from vsanime.motion.distance import field
from vsanime.optional import ndimage
from vsanime.pipeline.arguments import check_backend
from vsanime.pipeline.once import Once
from vsanime.spec import PlanesGraph

type Size = tuple[int, int]

# Keys whose features are cached: those of two adjacent spans, and of the next.
_KEYS_KEPT = 4
# Networks learn from direct flow and line error, which do not show what is hidden. At a forward-backward error (as in
# `Matched.astray`) of this size their weights count 1/e; the prior, which includes that error, has the rest.
_BELIEVED = np.float32(0.02)
# Channels of the temporal network's widest layer, at full width.
_TEMPORAL_FEATURES = 256


@dataclass(frozen=True)
class Compiled:
    """A graph and the engine compiled from it."""

    graph: PlanesGraph
    engine: Engine


def usable(backend: BackendProtocol | None) -> BackendProtocol:
    """Return the backend to run on, or the automatic choice for None.

    Raises:
        VsanimeError: the value is not a backend.
    """
    check_backend(backend)
    return backend if backend is not None else Backend.auto()


class ColorEngine:
    """Both halves of a colorization network, compiled for one picture size, and the cached features of the last keys.

    Attributes:
        size: width and height in pixels of the pictures that the network sees.
        worth: key features by number of the key, as `computed` returns them.
    """

    def __init__(self, model: Model, size: Size, backend: BackendProtocol, lanes: int, threads: int) -> None:
        """Compile both halves.

        Args:
            model: the network.
            size: width and height in pixels of the pictures that it sees.
            backend: where it runs.
            lanes: number of frames that are colored at once.
            threads: number of threads of the frame server.

        Raises:
            VsanimeError: the model is not a colorization network, the runtime refuses it, or SciPy is missing and the
                network needs distances.
        """
        self.size = size
        padded = _pad_size(size)
        self._cut = _cut(model)
        if self._cut.kind is DOCUMENT:
            ndimage()  # fails now if SciPy, which computes its distances, is missing
        precision = backend.precision_for(_workload(padded, max(self._cut.channels)))
        traits = backend.traits(precision)
        graph = key_graph(model.proto, self._cut, padded, traits)
        self._keys = Compiled(graph, backend.compile(graph, precision, 1, threads))
        graph = frame_graph(model.proto, self._cut, padded, traits)
        self._frames = Compiled(graph, backend.compile(graph, precision, lanes, threads))
        self._key_lane = BoundLane(self._keys)
        self._key_lock = Lock()
        self.worth: Once[int, dict[str, Array]] = Once(_KEYS_KEPT)

    def new_mixer(self) -> Mixer:
        """Return a mixer with a lane of its own."""
        kind = NetworkMixer if self._cut.kind is MIXING else DocumentMixer
        return kind(self, BoundLane(self._frames))

    def kept(self) -> int:
        """Return the number of keys whose features are cached."""
        return len(self.worth)

    def close(self) -> None:
        """Release the engines and the cached key features."""
        self._keys.engine.close()
        self._frames.engine.close()
        self.worth.close()

    def computed(self, key: Key) -> dict[str, Array]:
        """Compute the features of a key: the tensors that pass from the key half to the frame half."""
        with self._key_lock:
            lane = self._key_lane
            lane.show("key_lines", key.drawing.line[None, None])
            if "key_distances" in lane.inputs:
                lane.show("key_distances", field(key.drawing.line)[None, None])
            lane.show("key_colours", planar(key.colours)[None])
            lane.run()
            return {name: output.copy() for name, output in zip(self._cut.kind.cut, lane.outputs, strict=True)}


class TemporalEngine:
    """A network that refines a frame between two keys, compiled for one picture size."""

    def __init__(self, model: Model, size: Size, backend: BackendProtocol, lanes: int, threads: int) -> None:
        """Compile the network; see `ColorEngine`."""
        self.size = size
        padded = _pad_size(size)
        try:
            check_temporal_network(model.proto)
        except VsanimeError as error:
            raise VsanimeError(f"temporal={quote(model.name)} refines no frame between keys: {error}") from None
        precision = backend.precision_for(_workload(padded, _TEMPORAL_FEATURES))
        graph = temporal_graph(model.proto, padded, backend.traits(precision))
        self._compiled = Compiled(graph, backend.compile(graph, precision, lanes, threads))

    def new_refiner(self) -> NetworkRefiner:
        """Return a refiner with a lane of its own."""
        return NetworkRefiner(self.size, BoundLane(self._compiled))

    def close(self) -> None:
        """Release the engine."""
        self._compiled.engine.close()


class NetworkRefiner:
    """A refiner of frames between two keys, for one lane."""

    def __init__(self, size: Size, lane: BoundLane) -> None:
        self._size = size
        self._lane = lane

    def refine(self, line: Bytes, keys: Sequence[Key], colours: Floats) -> Floats:
        """See `Refiner`."""
        white = np.float32(255)
        before, after = keys
        in_time = (before.drawing.line, line, after.drawing.line)
        pictures = (before.colours / white, colours, after.colours / white)
        lines, planes = self._lane.inputs["lines"], self._lane.inputs["colours"]
        for i in range(len(in_time)):
            fill(lines[i], in_time[i][None])
            fill(planes[i], planar(pictures[i]))
        self._lane.run()
        width, height = self._size
        return _interleave(self._lane.outputs[0][0, :, :height, :width])


class BoundLane:
    """A lane together with its input and output arrays.

    Attributes:
        inputs: arrays by name, to be filled.
        outputs: arrays in order, filled by `run`.
    """

    def __init__(self, compiled: Compiled) -> None:
        self._lane: Lane = compiled.engine.new_lane()
        self.inputs = {spec.name: self._lane.buffer(spec) for spec in compiled.graph.inputs}
        self.outputs = [self._lane.buffer(spec) for spec in compiled.graph.outputs]
        self._arrays = list(self.inputs.values())

    def show(self, name: str, pictures: Array) -> None:
        """Fill an input with pictures of shape count, channels, height, width; smaller ones are padded."""
        fill(self.inputs[name], pictures)

    def run(self) -> None:
        """Run the network on the inputs and write the outputs."""
        self._lane.run(self._arrays, self.outputs)


class HeldKeys:
    """The key features in a lane's arrays, which stay there between frames that have the same keys."""

    def __init__(self, engine: ColorEngine, lane: BoundLane) -> None:
        self._engine = engine
        self._lane = lane
        self._held: tuple[int, ...] = ()

    def hold(self, keys: Sequence[Key]) -> None:
        """Write the features of these keys into the lane's arrays, unless they are there already."""
        numbers = tuple(key.number for key in keys)
        if numbers == self._held:
            return
        self._held = ()
        for i, key in enumerate(keys):
            for name, part in self._engine.worth.get(key.number, partial(self._engine.computed, key)).items():
                self._lane.inputs[name][i] = part[0]
        self._held = numbers


class NetworkMixer:
    """A mixer that lets a network decide, for one lane."""

    def __init__(self, engine: ColorEngine, lane: BoundLane) -> None:
        self._size = engine.size
        self._lane = lane
        self._keys = HeldKeys(engine, lane)

    def mix(self, line: Bytes, keys: Sequence[Key], motion: Motion) -> Mix:
        """See `Mixer`."""
        lane, matched = self._lane, motion.small
        lane.show("line", line[None, None])
        lane.show("warped", matched.warped.transpose(0, 3, 1, 2))
        lane.show("errors", matched.misfit[:, None])
        lane.show("prior", matched.prior[:, None])
        self._keys.hold(keys)
        lane.run()
        width, height = self._size
        weights, copied, residual = (output[0, :, :height, :width] for output in lane.outputs)
        say = np.exp(-np.square(matched.astray.max(axis=0) / _BELIEVED))
        prior = np.concatenate([matched.prior, np.zeros_like(weights[2:])])
        return Mix(prior + say * (weights - prior), _interleave(copied), _interleave(say * residual))


class DocumentMixer:
    """A mixer by the Color Transform Network after Shi et al., which takes no moved keys; for one lane."""

    def __init__(self, engine: ColorEngine, lane: BoundLane) -> None:
        self._size = engine.size
        self._lane = lane
        self._keys = HeldKeys(engine, lane)

    def mix(self, line: Bytes, keys: Sequence[Key], motion: Motion) -> Mix:  # noqa: ARG002 - see `Mixer`
        """See `Mixer`."""
        lane = self._lane
        lane.show("line", line[None, None])
        lane.show("distance", field(line)[None, None])
        self._keys.hold(keys)
        lane.run()
        width, height = self._size
        return Mix(None, residual=_interleave(lane.outputs[0][0, :, :height, :width]))


def planar(picture: Array) -> Array:
    """Return an array of height, width, 3 as 3, height, width."""
    return picture.transpose(2, 0, 1)


def fill(target: Array, source: Array) -> None:
    """Copy pictures into larger arrays, repeating their right and bottom edges."""
    height, width = source.shape[-2:]
    target[..., :height, :width] = source
    target[..., :height, width:] = source[..., -1:]
    target[..., height:, :] = target[..., height - 1 : height, :]


def _interleave(planes: Array) -> Array:
    """Return planes of 3, height, width as a contiguous array of height, width, 3."""
    return np.ascontiguousarray(planes.transpose(1, 2, 0))


def _pad_size(size: Size) -> Size:
    width, height = (-(-side // MULTIPLE) * MULTIPLE for side in size)
    return width, height


def _cut(model: Model) -> Cut:
    try:
        return cut_of(model.proto, color_kinds())
    except VsanimeError as error:
        raise VsanimeError(f"model={quote(model.name)} does not colour line art: {error}") from None


def _workload(size: Size, features: int) -> Workload:
    """Return the job as backends see it: whole pictures in, outputs for mixing 8-bit pictures."""
    return Workload(
        width=size[0],
        height=size[1],
        radius=None,
        features=features,
        anchored=False,
        out_channels=3,
        output_bits=8,
        output_float=False,
    )
