"""Color frames from line art and keys: the state that lanes share, and the work of each lane."""

from __future__ import annotations

import os
from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from functools import partial
from hashlib import blake2b
from typing import Any

import vapoursynth as vs

from vsanime.backends import BackendProtocol
from vsanime.backends.base import count_lanes
from vsanime.colorization.keys import Window, longest
from vsanime.colorization.mixers import ColorEngine, TemporalEngine, usable
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
# Keys whose pictures are cached: those of two adjacent spans, and of the next.
_KEYS_KEPT = 4
# Chained motions that are cached: from both sides in two spans, and more if frames in progress cover more spans.
_WAYS_KEPT = 4
# Colored frames are cached for the next use of their drawing: a mouth alternates between three of them, and animation
# on twos shows each twice.
_KEPT_BYTES = 1 << 28
_MOST_KEPT = 64
# Above this a network has layers of gigabytes, and one lane unless the user asked for several.
_SMALL_PIXELS = 1280 * 720


@dataclass(frozen=True)
class Work:
    """The clips that frames are colored from, all of one length.

    Attributes:
        clips: the line art in its own format; its lines at the frame's and at the work size; then for the key before
            and for the key after: lines and colors at the frame's size, and both at the work size; last the lines of
            both windows, each stacked vertically.
        befores: index of the key before, for every frame.
        afters: index of the key after, for every frame.
        windows: search windows of every frame toward both keys, None where motion is not chained.
        form: format of the results, RGB.
    """

    clips: Sequence[vs.VideoNode]
    befores: Sequence[int]
    afters: Sequence[int]
    windows: Sequence[tuple[Window | None, Window | None]]
    form: vs.VideoFormat


@dataclass(frozen=True)
class Coloring:
    """The options that the user chose.

    Attributes:
        size: width and height in pixels of the pictures that networks see and in which motion is searched.
        large_motion: search motion in pictures of the frame's size as well.
        model: name or path of a network, or "flow".
        temporal: whether a second network refines the result, or its name or path.
        segments: whether closed regions get one color where motion fails.
        doubts: whether frames carry the uncertainty of their colors.
        backend: where networks run; None to choose automatically.
    """

    size: Size
    large_motion: bool
    model: str | os.PathLike[str]
    temporal: bool | str | os.PathLike[str]
    segments: bool
    doubts: bool
    backend: BackendProtocol | None


def run(name: str, work: Work, spec: FrameSpec, colouring: Coloring) -> vs.VideoNode:
    """Return every frame of line art in color, including frames whose result is not used: each is computed on request.

    Args:
        name: name of the filter, for messages.
        work: the source clips.
        spec: format and color properties of the line art.
        colouring: the user's options.

    Raises:
        VsanimeError: OpenCV or SciPy is missing, or the model, the backend or an option is not available.
    """
    # Report missing packages here and not with the first frame.
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
    """The compiled networks of a filter.

    Attributes:
        lanes: number of frames that are colored at once.
        colour: engine that mixes keys; None to mix them by motion.
        temporal: engine that refines frames; None for none.
    """

    lanes: int
    colour: ColorEngine | None
    temporal: TemporalEngine | None

    def close(self) -> None:
        """Release the engines."""
        for engine in (self.colour, self.temporal):
            if engine is not None:
                engine.close()


def _engines(colouring: Coloring, frames: int) -> Engines:
    colour, temporal = _color_model(colouring.model), _temporal_model(colouring.temporal)
    backend = usable(colouring.backend)
    threads = vs.core.num_threads
    lanes = min(_lanes(backend, colouring.size, bare=colour is None and temporal is None), frames)
    options = colouring.size, backend, lanes, threads
    return Engines(
        lanes,
        ColorEngine(colour, *options) if colour is not None else None,
        TemporalEngine(temporal, *options) if temporal is not None else None,
    )


def is_flow(model: str | os.PathLike[str]) -> bool:
    """Return whether a model stands for motion alone."""
    return isinstance(model, str) and model.lower() == FLOW


def _color_model(model: str | os.PathLike[str]) -> Model | None:
    """Return the colorization network; None for motion alone."""
    if is_flow(model):
        return None
    return _load("model", model, TASK, "one that colours line art, or 'flow', is needed")


def _temporal_model(temporal: bool | str | os.PathLike[str]) -> Model | None:
    """Return the temporal network, which sees three frames; None for none."""
    if temporal is False:
        return None
    if temporal is True:
        known = [name for name, variant in variants().items() if variant.task == TEMPORAL_TASK and available(name)]
        if not known:
            raise VsanimeError(
                "temporal=True: no temporal network comes with the package; leave it out, or give the path of one"
            )
        temporal = known[0]
    return _load("temporal", temporal, TEMPORAL_TASK, "one that refines frames between keys is needed")


def _load(argument: str, model: str | os.PathLike[str], task: str, advice: str) -> Model:
    given = f"{argument}={quote(str(model))}"
    try:
        if as_path(model) is not None or (card := find(str(model), (task,))).task == task:
            return load(model)
    except VsanimeError as error:
        raise VsanimeError(f"{given}: {error}") from None
    raise VsanimeError(f"{given} is for another task ({card.task}); {advice} (see `vsanime models list`)")


def _lanes(backend: BackendProtocol, size: Size, *, bare: bool) -> int:
    """Return the number of frames to color at once; `bare` means without networks."""
    threads = vs.core.num_threads
    if bare:
        return count_lanes(None, threads)
    if size[0] * size[1] > _SMALL_PIXELS and getattr(backend, "num_streams", 1) is None:
        return 1
    return backend.lanes_for(threads)


class Shared:
    """State that lanes share: the networks' engines, keys, chained motion and cached frames.

    Attributes:
        engines: the compiled networks.
    """

    def __init__(self, work: Work, spec: FrameSpec, engines: Engines, colouring: Coloring) -> None:
        """Start with empty caches.

        Args:
            work: the source clips.
            spec: format and color properties of the line art.
            engines: the compiled networks.
            colouring: the user's options.
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
        """Return a function that colors frames one after the other."""
        colour, temporal = self.engines.colour, self.engines.temporal
        mixer: Mixer = ByMotion() if colour is None else colour.new_mixer()
        refiner = None if temporal is None else temporal.new_refiner()
        asked = self._colouring
        painter = Painter(mixer, self._peak, refiner, asked.large_motion, asked.segments, asked.doubts)

        return partial(self._coloured, painter)

    def kept(self) -> int:
        """Return the number of cached keys, chained motions and colored frames."""
        return len(self._keys) + len(self._ways) + len(self._results)

    def close(self) -> None:
        """Release the engines and the cached keys, motions and frames."""
        self.engines.close()
        self._keys.close()
        self._ways.close()
        self._results.close()

    def _known(self, frame: vs.VideoFrame) -> dict[str, Any]:
        """Return a frame's properties, with the clip's range where the frame has none."""
        return {"_Range": int(self._spec.range)} | read_all(frame.props)

    def _coloured(self, painter: Painter, number: int, frames: Sequence[vs.VideoFrame], frame: vs.VideoFrame) -> None:
        """Fill a frame with its colors, from the cache if the same drawing was colored from the same keys."""
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
        """Return the chained motion from a frame to the key of a window, whose lines are stacked vertically."""
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
