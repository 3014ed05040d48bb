"""From line art and keys to frames in colours: what lanes share, and what each of them does."""

from __future__ import annotations

import os
from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from functools import partial
from hashlib import blake2b
from typing import Any

import vapoursynth as vs

from vsanime.backends import BackendProtocol
from vsanime.backends.base import lanes_wanted
from vsanime.colorization.keys import Window, longest
from vsanime.colorization.mixers import ColourEngine, TemporalEngine, usable
from vsanime.colorization.neighbors import REACH
from vsanime.colorization.painter import ByMotion, Drawing, Key, Mixer, Painted, Painter
from vsanime.colorization.smoothing import DOUBTS, with_doubts
from vsanime.errors import VsanimeError, quote
from vsanime.models.cards import find, variants
from vsanime.models.store import Model, as_path, available, load
from vsanime.motion.chained import Led, Steps
from vsanime.optional import ndimage, opencv
from vsanime.pipeline.lanes import FrameWork, run_frames
from vsanime.pipeline.once import Once
from vsanime.spec import FrameSpec
from vsanime.video.clips import check_same, peak_of
from vsanime.video.framearrays import picture_of, plane_of, put
from vsanime.video.frameprops import read_all
from vsanime.video.lifetime import close_with_script

type Size = tuple[int, int]

FLOW = "flow"
TASK, TEMPORAL_TASK = "colorize", "colorize_temporal"
# Keys whose pictures are kept: those of two spans side by side, and of the next.
_KEYS_KEPT = 4
# Ways to a key that are kept: from both sides in two spans, and in as many more as the frames in hand go over.
_WAYS_KEPT = 4
# Coloured frames are kept for the next time that their drawing comes: a mouth goes through three of them again and
# again, and animation on twos shows each twice.
_KEPT_BYTES = 1 << 28
_MOST_KEPT = 64
# A network that sees more than this has layers of gigabytes, and one lane unless the user asked for several.
_SMALL_PIXELS = 1280 * 720


@dataclass(frozen=True)
class Work:
    """The clips that frames are coloured from, all of one length.

    Attributes:
        clips: the line art as it came; its lines at the frame's and at the work size; then of the key before and of
            that after: lines and colours at the frame's size, and both at the work size; and last the lines of the
            window of either, one above the other.
        befores: for every frame the place of the key before it.
        afters: of that after it.
        windows: for every frame the frames between it and either key, None for no look at them.
        form: RGB of the depth that results have.
    """

    clips: Sequence[vs.VideoNode]
    befores: Sequence[int]
    afters: Sequence[int]
    windows: Sequence[tuple[Window | None, Window | None]]
    form: vs.VideoFormat


@dataclass(frozen=True)
class Colouring:
    """What the user asked for.

    Attributes:
        size: width and height of the pictures that networks see, and that motion is looked for in.
        large_motion: look for motion in pictures of the frame's size all the same.
        model: a network, or "flow".
        temporal: whether a second network refines the result, or which.
        segments: whether closed regions get one colour where motion fails.
        doubts: whether frames tell where their colours are doubtful.
        backend: where networks run.
    """

    size: Size
    large_motion: bool
    model: str | os.PathLike[str]
    temporal: bool | str | os.PathLike[str]
    segments: bool
    doubts: bool
    backend: BackendProtocol | None


def run(name: str, work: Work, spec: FrameSpec, colouring: Colouring) -> vs.VideoNode:
    """Every frame of line art in colours, also those for which that is of no use: they are made when asked for.

    Args:
        name: the filter's, for messages.
        work: see there.
        spec: what the line art's frames are.
        colouring: how.

    Raises:
        VsanimeError: OpenCV or SciPy is missing, or the model, the backend or an option cannot be had.
    """
    # Said now what would otherwise be said of the first frame.
    opencv()
    if colouring.segments:
        ndimage()
    clip = work.clips[0]
    engines = _engines(colouring, clip.num_frames)
    shared = Shared(work, spec, engines, colouring)
    close_with_script(shared)
    works = [shared.new_lane() for _ in range(engines.lanes)]
    told = [DOUBTS] if colouring.doubts else []
    return run_frames(name, work.clips, works, (work.form, clip.width, clip.height), told)


@dataclass(frozen=True)
class Engines:
    """The networks of a filter.

    Attributes:
        lanes: frames that are coloured at once.
        colour: mixes keys; None to mix them by motion.
        temporal: refines frames; None for nothing.
    """

    lanes: int
    colour: ColourEngine | None
    temporal: TemporalEngine | None

    def close(self) -> None:
        """Gives back what they hold."""
        for engine in (self.colour, self.temporal):
            if engine is not None:
                engine.close()


def _engines(colouring: Colouring, frames: int) -> Engines:
    colour, temporal = _colour_model(colouring.model), _temporal_model(colouring.temporal)
    backend = usable(colouring.backend)
    threads = vs.core.num_threads
    lanes = min(_lanes(backend, colouring.size, bare=colour is None and temporal is None), frames)
    options = colouring.size, backend, lanes, threads
    return Engines(
        lanes,
        ColourEngine(colour, *options) if colour is not None else None,
        TemporalEngine(temporal, *options) if temporal is not None else None,
    )


def is_flow(model: str | os.PathLike[str]) -> bool:
    """Whether a model is motion alone."""
    return isinstance(model, str) and model.lower() == FLOW


def _colour_model(model: str | os.PathLike[str]) -> Model | None:
    """The network; None for motion alone."""
    if is_flow(model):
        return None
    return _loaded("model", model, TASK, "one that colours line art, or 'flow', is needed")


def _temporal_model(temporal: bool | str | os.PathLike[str]) -> Model | None:
    """The network over three frames; None for none."""
    if temporal is False:
        return None
    if temporal is True:
        known = [name for name, variant in variants().items() if variant.task == TEMPORAL_TASK and available(name)]
        if not known:
            raise VsanimeError(
                "temporal=True: no temporal network comes with the package; leave it out, or give the path of one"
            )
        temporal = known[0]
    return _loaded("temporal", temporal, TEMPORAL_TASK, "one that refines frames between keys is needed")


def _loaded(argument: str, model: str | os.PathLike[str], task: str, advice: str) -> Model:
    given = f"{argument}={quote(str(model))}"
    try:
        if as_path(model) is not None or (card := find(str(model), (task,))).task == task:
            return load(model)
    except VsanimeError as error:
        raise VsanimeError(f"{given}: {error}") from None
    raise VsanimeError(f"{given} is for another task ({card.task}); {advice} (see `vsanime models list`)")


def _lanes(backend: BackendProtocol, size: Size, *, bare: bool) -> int:
    """Frames to colour at once; `bare` is without networks."""
    threads = vs.core.num_threads
    if bare:
        return lanes_wanted(None, threads)
    if size[0] * size[1] > _SMALL_PIXELS and getattr(backend, "num_streams", 1) is None:
        return 1
    return backend.lanes_for(threads)


class Shared:
    """What lanes have in common: the networks' engines, keys, and frames that were coloured before.

    Attributes:
        engines: the networks.
    """

    def __init__(self, work: Work, spec: FrameSpec, engines: Engines, colouring: Colouring) -> None:
        """Keeps nothing yet.

        Args:
            work: the clips.
            spec: what the line art's frames are.
            engines: the networks.
            colouring: what the user asked for.
        """
        self._work = work
        self._spec = spec
        self.engines = engines
        self._colouring = colouring
        form = work.form
        self._peak = peak_of(form)
        self._keys: Once[int, Key] = Once(_KEYS_KEPT)
        in_hand = engines.lanes + 2 * REACH
        self._ways: Once[Window, Steps] = Once(_WAYS_KEPT + 2 * in_hand // max(1, longest(work.windows)))
        frame_bytes = 3 * form.bytes_per_sample * spec.width * spec.height
        self._results: Once[Hashable, Painted] = Once(max(2, min(_KEPT_BYTES // frame_bytes, _MOST_KEPT)))

    def new_lane(self) -> FrameWork:
        """Colours frames, one after the other."""
        colour, temporal = self.engines.colour, self.engines.temporal
        mixer: Mixer = ByMotion() if colour is None else colour.new_mixer()
        refiner = None if temporal is None else temporal.new_refiner()
        asked = self._colouring
        painter = Painter(mixer, self._peak, refiner, asked.large_motion, asked.segments, asked.doubts)

        return partial(self._coloured, painter)

    def kept(self) -> int:
        """How many keys, ways to them and coloured frames are kept."""
        return len(self._keys) + len(self._ways) + len(self._results)

    def close(self) -> None:
        """Gives back what the engines hold, and forgets keys, ways to them and frames."""
        self.engines.close()
        self._keys.close()
        self._ways.close()
        self._results.close()

    def _known(self, frame: vs.VideoFrame) -> dict[str, Any]:
        """A frame's properties; its range where it does not say."""
        return {"_Range": int(self._spec.range)} | read_all(frame.props)

    def _coloured(self, painter: Painter, number: int, frames: Sequence[vs.VideoFrame], frame: vs.VideoFrame) -> None:
        """Fill a frame with its colours, from before if the same drawing was there between the same keys."""
        check_same(number, self._known(frames[0]), self._spec)
        pair = self._work.befores[number], self._work.afters[number]
        windows = self._work.windows[number]
        drawing = Drawing(plane_of(frames[2]), plane_of(frames[1]))
        seen = blake2b(drawing.full, digest_size=16).digest()

        def made() -> Painted:
            keys = [self._key(place, side) for place, side in zip(pair, (frames[3:7], frames[7:11]), strict=True)]
            return painter.paint(drawing, keys, led)

        def led() -> list[Led | None]:
            return [self._led(number, window, stack) for window, stack in zip(windows, frames[11:13], strict=True)]

        result = self._results.get((*pair, *windows, seen), made)
        put(result.colours, frame)
        if result.doubts is not None:
            with_doubts(frame, result.doubts)

    def _led(self, number: int, window: Window | None, stack: vs.VideoFrame) -> Led | None:
        """Where steps lead from a frame to the key of a window, whose lines are one above the other."""
        if window is None:
            return None
        count = window.end - window.start

        def way() -> Steps:
            lines = plane_of(stack).reshape(count, stack.height // count, stack.width)
            return Steps(lines, window.key - window.start, cut=window.cut)

        return self._ways.get(window, way).to(number - window.start)

    def _key(self, place: int, frames: Sequence[vs.VideoFrame]) -> Key:
        lines, colours, small_lines, small_colours = frames
        return self._keys.get(
            place,
            lambda: Key(
                place, Drawing(plane_of(small_lines), plane_of(lines)), picture_of(small_colours), picture_of(colours)
            ),
        )
