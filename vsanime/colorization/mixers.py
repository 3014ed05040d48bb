"""A network that colours line art on a backend: what keys are worth, computed once a key, and mixtures from that."""

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

# Keys whose features are kept: those of two spans side by side, and of the next.
_KEYS_KEPT = 4
# Networks learn from motion in one leap and from misfit, which does not tell them what is hidden. Where motion leads
# astray by as much as this they have 1/e of a say; the prior, which knows of it, has the rest.
_BELIEVED = np.float32(0.02)
# Channels of the temporal network's widest layer, at full width.
_TEMPORAL_FEATURES = 256


@dataclass(frozen=True)
class Compiled:
    """A graph and its engine."""

    graph: PlanesGraph
    engine: Engine


def usable(backend: BackendProtocol | None) -> BackendProtocol:
    """The backend to run on.

    Raises:
        VsanimeError: it is none.
    """
    check_backend(backend)
    return backend if backend is not None else Backend.auto()


class ColourEngine:
    """Both halves of a network, compiled for one size of picture, and what is known of the last keys.

    Attributes:
        size: width and height of the pictures it sees.
        worth: what goes through the cut, by a key's number; made by `computed`.
    """

    def __init__(self, model: Model, size: Size, backend: BackendProtocol, lanes: int, threads: int) -> None:
        """Compiles both.

        Args:
            model: the network.
            size: width and height of the pictures it sees.
            backend: where it runs.
            lanes: how many frames are coloured at once.
            threads: of the frame server.

        Raises:
            VsanimeError: it is no such network, the runtime refuses it, or SciPy is missing and it takes distances.
        """
        self.size = size
        padded = _padded(size)
        self._cut = _cut(model)
        if self._cut.kind is DOCUMENT:
            ndimage()  # which its distances are found by
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
        """A lane of the network."""
        kind = NetworkMixer if self._cut.kind is MIXING else DocumentMixer
        return kind(self, BoundLane(self._frames))

    def kept(self) -> int:
        """Of how many keys the features are kept."""
        return len(self.worth)

    def close(self) -> None:
        """Gives back what the engines hold, and forgets the keys."""
        self._keys.engine.close()
        self._frames.engine.close()
        self.worth.close()

    def computed(self, key: Key) -> dict[str, Array]:
        """What goes through the cut of a key."""
        with self._key_lock:
            lane = self._key_lane
            lane.show("key_lines", key.drawing.line[None, None])
            if "key_distances" in lane.inputs:
                lane.show("key_distances", field(key.drawing.line)[None, None])
            lane.show("key_colours", planar(key.colours)[None])
            lane.run()
            return {name: output.copy() for name, output in zip(self._cut.kind.cut, lane.outputs, strict=True)}


class TemporalEngine:
    """A network that refines a frame between two keys, compiled for one size of picture."""

    def __init__(self, model: Model, size: Size, backend: BackendProtocol, lanes: int, threads: int) -> None:
        """Compiles it; see `ColourEngine`."""
        self.size = size
        padded = _padded(size)
        try:
            check_temporal_network(model.proto)
        except VsanimeError as error:
            raise VsanimeError(f"temporal={quote(model.name)} refines no frame between keys: {error}") from None
        precision = backend.precision_for(_workload(padded, _TEMPORAL_FEATURES))
        graph = temporal_graph(model.proto, padded, backend.traits(precision))
        self._compiled = Compiled(graph, backend.compile(graph, precision, lanes, threads))

    def new_refiner(self) -> NetworkRefiner:
        """A lane of the network."""
        return NetworkRefiner(self.size, BoundLane(self._compiled))

    def close(self) -> None:
        """Gives back what the engine holds."""
        self._compiled.engine.close()


class NetworkRefiner:
    """Refines frames between two keys; belongs to one lane."""

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
        return _interleaved(self._lane.outputs[0][0, :, :height, :width])


class BoundLane:
    """A lane with its arrays.

    Attributes:
        inputs: by name, to be filled.
        outputs: in order, filled by `run`.
    """

    def __init__(self, compiled: Compiled) -> None:
        self._lane: Lane = compiled.engine.new_lane()
        self.inputs = {spec.name: self._lane.buffer(spec) for spec in compiled.graph.inputs}
        self.outputs = [self._lane.buffer(spec) for spec in compiled.graph.outputs]
        self._arrays = list(self.inputs.values())

    def show(self, name: str, pictures: Array) -> None:
        """Fills an input with pictures, count, channels, height, width, perhaps smaller ones."""
        fill(self.inputs[name], pictures)

    def run(self) -> None:
        """From inputs to outputs."""
        self._lane.run(self._arrays, self.outputs)


class HeldKeys:
    """What keys are worth, in a lane's arrays; between the same keys it stays there."""

    def __init__(self, engine: ColourEngine, lane: BoundLane) -> None:
        self._engine = engine
        self._lane = lane
        self._held: tuple[int, ...] = ()

    def hold(self, keys: Sequence[Key]) -> None:
        """Has these keys there."""
        numbers = tuple(key.number for key in keys)
        if numbers == self._held:
            return
        self._held = ()
        for i, key in enumerate(keys):
            for name, part in self._engine.worth.get(key.number, partial(self._engine.computed, key)).items():
                self._lane.inputs[name][i] = part[0]
        self._held = numbers


class NetworkMixer:
    """Mixes keys as a network says; belongs to one lane of frames."""

    def __init__(self, engine: ColourEngine, lane: BoundLane) -> None:
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
        return Mix(prior + say * (weights - prior), _interleaved(copied), _interleaved(say * residual))


class DocumentMixer:
    """Takes the colours of the Color Transform Network after Shi et al., which knows nothing of moved keys.

    It belongs to one lane.
    """

    def __init__(self, engine: ColourEngine, lane: BoundLane) -> None:
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
        return Mix(None, residual=_interleaved(lane.outputs[0][0, :, :height, :width]))


def planar(picture: Array) -> Array:
    """Height, width, 3 as 3, height, width."""
    return picture.transpose(2, 0, 1)


def fill(target: Array, source: Array) -> None:
    """Copies pictures into larger ones, whose border goes on to the right and below."""
    height, width = source.shape[-2:]
    target[..., :height, :width] = source
    target[..., :height, width:] = source[..., -1:]
    target[..., height:, :] = target[..., height - 1 : height, :]


def _interleaved(planes: Array) -> Array:
    """3, height, width as height, width, 3, as its own array."""
    return np.ascontiguousarray(planes.transpose(1, 2, 0))


def _padded(size: Size) -> Size:
    width, height = (-(-side // MULTIPLE) * MULTIPLE for side in size)
    return width, height


def _cut(model: Model) -> Cut:
    try:
        return cut_of(model.proto, color_kinds())
    except VsanimeError as error:
        raise VsanimeError(f"model={quote(model.name)} does not colour line art: {error}") from None


def _workload(size: Size, features: int) -> Workload:
    """What the network is to a backend: it sees whole pictures, and makes what pictures of 8 bits are mixed by."""
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
