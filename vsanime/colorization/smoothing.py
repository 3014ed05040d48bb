"""Smooth colored frames over time with those of neighboring drawings; see `vsanime.motion.smooth`."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import vapoursynth as vs

from vsanime.arrays import Array, Bytes, Floats
from vsanime.backends.base import count_lanes
from vsanime.colorization.neighbors import AFTER, BEFORE, HELD, Drawings
from vsanime.colorization.painter import codes
from vsanime.motion.flow import small_flow
from vsanime.motion.smooth import Neighbor, smooth_colors
from vsanime.optional import opencv
from vsanime.pipeline.lanes import run_frames
from vsanime.pipeline.once import Once
from vsanime.video.clips import peak_of
from vsanime.video.framearrays import picture_of, plane_of, put
from vsanime.video.lifetime import close_with_script

# Frame property with the uncertainty of colors: height, width and the map, row by row. Absent where all is certain.
DOUBTS = "_VsanimeDoubts"
# A second round smooths with the first round's results; a third changes little more.
_ROUNDS = 2
# Smoothed frames that are cached for other frames of the same drawing.
_KEPT = 8
# Drawings whose motion is cached for the next round, which waits for the drawing after, beside those in lanes.
_AHEAD = 3


def with_doubts(frame: vs.VideoFrame, doubts: Bytes) -> None:
    """Store an uncertainty map in a frame's properties, unless it is all 0."""
    if doubts.any():
        frame.props[DOUBTS] = np.array(doubts.shape, "<u4").tobytes() + doubts.tobytes()


def doubts_of(frame: vs.VideoFrame) -> Bytes:
    """Return a frame's uncertainty map at the frame's size; all 0 if it has none."""
    told = frame.props.get(DOUBTS)
    if told is None:
        return np.zeros((frame.height, frame.width), np.uint8)
    bare = bytes(told)
    height, width = np.frombuffer(bare[:8], "<u4")
    small = np.frombuffer(bare[8:], np.uint8).reshape(int(height), int(width))
    cv2 = opencv()
    large: Bytes = cv2.resize(small, (frame.width, frame.height), interpolation=cv2.INTER_LINEAR)
    return large


def agreeing(name: str, shown: vs.VideoNode, lines: vs.VideoNode, starts: Sequence[int]) -> vs.VideoNode:
    """Return frames averaged with those of the neighboring drawings where their colors are uncertain.

    Args:
        name: name of the filter, for messages.
        shown: colored frames, RGB of any depth, with uncertainty maps; frames without a map are returned unchanged.
        lines: their line art, GRAY8.
        starts: number of each scene's first frame, ascending, 0 first.
    """
    drawings = Drawings(lines, starts)
    beside = [drawings.before(lines), drawings.after(lines)]
    lanes = min(count_lanes(None, vs.core.num_threads), shown.num_frames)
    flows: Once[tuple[int, int], Floats] = Once(2 * (lanes + _AHEAD))
    close_with_script(flows)
    for _ in range(_ROUNDS):
        work = Smoother(shown.format, flows)
        close_with_script(work)
        clips = [shown, drawings.told, lines, *beside, drawings.before(shown), drawings.after(shown)]
        shown = run_frames(name, clips, [work.steadied] * lanes, (shown.format, shown.width, shown.height))
    return shown


class Smoother:
    """State that lanes share: smoothed frames, cached while their drawing is held, and motion to neighbors."""

    def __init__(self, form: vs.VideoFormat, flows: Once[tuple[int, int], Floats]) -> None:
        """Start with empty caches.

        Args:
            form: format of the frames, RGB.
            flows: cache of motion by the first frame that holds a drawing, and -1 for the drawing before or 1 for the
                one after; shared with other rounds.
        """
        self._peak = peak_of(form)
        self._flows = flows
        self._made: Once[int, Array] = Once(_KEPT)  # by the first frame that holds a drawing

    def kept(self) -> int:
        """Return the number of cached frames and motions."""
        return len(self._made) + len(self._flows)

    def close(self) -> None:
        """Release cached frames."""
        self._made.close()

    def steadied(self, number: int, frames: Sequence[vs.VideoFrame], frame: vs.VideoFrame) -> None:
        """Fill a frame with smoothed colors.

        Args:
            number: number of the frame.
            frames: the colored frame; the frame of `Drawings.told`; its lines; lines of the drawings before and after;
                colors of the drawings before and after.
            frame: new frame to fill.
        """
        shown, told = frames[0], frames[1].props
        away = [int(told[BEFORE]), int(told[AFTER])]
        if DOUBTS not in shown.props or not any(away):
            for plane in range(3):
                np.asarray(frame[plane])[:] = np.asarray(shown[plane])
            return
        first = number - int(told[HELD])

        def made() -> Array:
            line, colours = plane_of(frames[2]), picture_of(shown)
            sides = zip((-1, 1), away, frames[3:5], frames[5:7], strict=True)
            around = [self._neighbour((first, side), line, *pair) for side, by, *pair in sides if by]
            return codes(smooth_colors(line, colours, doubts_of(shown), around), self._peak, colours.dtype)

        put(self._made.get(first, made), frame)

    def _neighbour(self, place: tuple[int, int], line: Bytes, lines: vs.VideoFrame, shown: vs.VideoFrame) -> Neighbor:
        """Return the drawing on one side of a frame's drawing.

        Args:
            place: first frame that holds the frame's drawing, and -1 for the drawing before it or 1 for the one after.
            line: line art of the frame.
            lines: line art of the neighbor.
            shown: colors of the neighbor.
        """
        beside = plane_of(lines)
        found = self._flows.get(place, lambda: small_flow(line, beside))
        return Neighbor(beside, picture_of(shown), doubts_of(shown), found)
