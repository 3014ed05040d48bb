"""Coloured frames made to agree with those of the drawings before and after; see `vsanime.motion.smooth`."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import vapoursynth as vs

from vsanime.arrays import Array, Bytes, Floats
from vsanime.backends.base import lanes_wanted
from vsanime.colorization.neighbors import AFTER, BEFORE, HELD, Drawings
from vsanime.colorization.painter import codes
from vsanime.motion.flow import small_flow
from vsanime.motion.smooth import Neighbour, steadied
from vsanime.optional import opencv
from vsanime.pipeline.lanes import run_frames
from vsanime.pipeline.once import Once
from vsanime.video.clips import peak_of
from vsanime.video.framearrays import picture_of, plane_of, put
from vsanime.video.lifetime import close_with_script

# What coloured frames have on them that tell of doubts: height, width and the map, row by row. None without any doubt.
DOUBTS = "_VsanimeDoubts"
# A second round agrees with what the first one made; a third changes little more.
_ROUNDS = 2
# Frames kept for those of the same drawing.
_KEPT = 8
# Drawings whose motion is kept for the next round, beside those that lanes are at: it waits for the drawing after.
_AHEAD = 3


def with_doubts(frame: vs.VideoFrame, doubts: Bytes) -> None:
    """Put a map on a frame."""
    if doubts.any():
        frame.props[DOUBTS] = np.array(doubts.shape, "<u4").tobytes() + doubts.tobytes()


def doubts_of(frame: vs.VideoFrame) -> Bytes:
    """The map on a frame at the frame's size; all 0 where there is none."""
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
    """Every frame averaged with those of the drawings around it, where its colours are doubtful.

    Args:
        name: the filter's, for messages.
        shown: frames in colours, RGB of any depth, which tell of doubts; what tells of none stays.
        lines: their line art, GRAY8.
        starts: number of each scene's first frame, ascending, 0 first.
    """
    drawings = Drawings(lines, starts)
    beside = [drawings.before(lines), drawings.after(lines)]
    lanes = min(lanes_wanted(None, vs.core.num_threads), shown.num_frames)
    flows: Once[tuple[int, int], Floats] = Once(2 * (lanes + _AHEAD))
    close_with_script(flows)
    for _ in range(_ROUNDS):
        work = Steadying(shown.format, flows)
        close_with_script(work)
        clips = [shown, drawings.told, lines, *beside, drawings.before(shown), drawings.after(shown)]
        shown = run_frames(name, clips, [work.steadied] * lanes, (shown.format, shown.width, shown.height))
    return shown


class Steadying:
    """What lanes share: frames that were made, for as long as their drawing is held, and motion to neighbours."""

    def __init__(self, form: vs.VideoFormat, flows: Once[tuple[int, int], Floats]) -> None:
        """Keeps nothing yet.

        Args:
            form: of the frames, RGB.
            flows: by the first frame that holds a drawing, and -1 for the drawing before or 1 for that after; shared
                with other rounds.
        """
        self._peak = peak_of(form)
        self._flows = flows
        self._made: Once[int, Array] = Once(_KEPT)  # by the first frame that holds a drawing

    def kept(self) -> int:
        """How many frames and motions there are."""
        return len(self._made) + len(self._flows)

    def close(self) -> None:
        """Forgets them."""
        self._made.close()

    def steadied(self, number: int, frames: Sequence[vs.VideoFrame], frame: vs.VideoFrame) -> None:
        """Fills a frame: of the colours shown, what was told of the drawing, its lines, and lines and colours beside.

        Of the drawings before and after, as of lines and colours, in this order.
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
            return codes(steadied(line, colours, doubts_of(shown), around), self._peak, colours.dtype)

        put(self._made.get(first, made), frame)

    def _neighbour(self, place: tuple[int, int], line: Bytes, lines: vs.VideoFrame, shown: vs.VideoFrame) -> Neighbour:
        """The drawing on one side of a frame's.

        Args:
            place: first frame that holds the frame's drawing, and -1 for the drawing before it or 1 for that after.
            line: the frame's line art.
            lines: the neighbour's.
            shown: its colours.
        """
        beside = plane_of(lines)
        found = self._flows.get(place, lambda: small_flow(line, beside))
        return Neighbour(beside, picture_of(shown), doubts_of(shown), found)
