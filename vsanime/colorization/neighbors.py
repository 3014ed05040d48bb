"""Find the drawings before and after each frame's drawing, however long each of them is held.

Animation is drawn on ones, twos or threes: the frame before often shows the same drawing. All frames that hold one
drawing have the same neighbors here, so that what is computed from neighbors is equal in all of them. A drawing that
is held for longer than `REACH` frames has no neighbors.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Sequence

import numpy as np
import vapoursynth as vs

# Frames that are compared on either side, and the longest hold, in frames, whose neighbors are found.
REACH = 4
BEFORE, AFTER, HELD = "_VsanimeBefore", "_VsanimeAfter", "_VsanimeHeld"


class Drawings:
    """The neighboring drawings of every frame within its scene.

    Attributes:
        told: 1x1 clip whose properties `BEFORE`, `AFTER` and `HELD` are numbers of frames: back to the drawing before,
            on to the one after, and since the drawing's first frame; 0 for none.
    """

    def __init__(self, lines: vs.VideoNode, starts: Sequence[int]) -> None:
        """Build the clips; frames are compared when they are requested.

        Args:
            lines: line art, GRAY8.
            starts: number of each scene's first frame, ascending, 0 first.
        """
        offsets = range(-REACH, REACH + 1)
        lines.std.SetVideoCache(mode=1, fixedsize=1, maxsize=2 * len(offsets), maxhistory=0)
        bounds = (*starts, lines.num_frames)
        small = vs.core.std.BlankClip(lines, 1, 1, vs.GRAY8, keep=True)
        seen = [small, *(_shift(lines, by) for by in offsets)]
        self.told = small.std.ModifyFrame(seen, _teller(bounds))

    def before(self, clip: vs.VideoNode) -> vs.VideoNode:
        """Return a clip that shows at each frame the drawing before; the frame itself where there is none."""
        return self._chosen(clip, BEFORE, -1)

    def after(self, clip: vs.VideoNode) -> vs.VideoNode:
        """Return a clip that shows at each frame the drawing after; the frame itself where there is none."""
        return self._chosen(clip, AFTER, 1)

    def _chosen(self, clip: vs.VideoNode, told: str, sign: int) -> vs.VideoNode:
        away = [_shift(clip, sign * by) for by in range(REACH + 1)]

        def choose(n: int, f: vs.VideoFrame) -> vs.VideoNode:  # noqa: ARG001 - as FrameEval calls it
            return away[int(f.props[told])]

        return clip.std.FrameEval(choose, prop_src=self.told, clip_src=away)


def _teller(bounds: Sequence[int]) -> Callable[[int, list[vs.VideoFrame]], vs.VideoFrame]:
    def told(n: int, f: list[vs.VideoFrame]) -> vs.VideoFrame:
        place = bisect_right(bounds, n)
        pictures = [np.asarray(frame[0]) for frame in f[1:]]
        away = neighbours(pictures, n - bounds[place - 1], bounds[place] - 1 - n)
        frame = f[0].copy()
        for name, by in zip((BEFORE, AFTER, HELD), away, strict=True):
            frame.props[name] = by
        return frame

    return told


def neighbours(pictures: Sequence[np.ndarray], behind: int, ahead: int) -> tuple[int, int, int]:
    """Return the distances in frames to the drawings before and after, and to the current drawing's start; 0 for none.

    Args:
        pictures: 2 * `REACH` + 1 consecutive frames, the current one in the middle.
        behind: number of frames of the scene before the current one.
        ahead: number of frames of the scene after it.
    """
    drawing = pictures[REACH]

    def same(by: int) -> bool:
        return -behind <= by <= ahead and np.array_equal(pictures[REACH + by], drawing)

    back = next((by for by in range(1, REACH + 1) if not same(-by)), REACH + 1)
    on = next((by for by in range(1, REACH + 1) if not same(by)), REACH + 1)
    if back + on - 1 > REACH:
        return 0, 0, 0
    return back if back <= behind else 0, on if on <= ahead else 0, back - 1


def _shift(clip: vs.VideoNode, by: int) -> vs.VideoNode:
    """Return a clip that shows frame n + `by` at frame n; its first or last frame is repeated at the ends."""
    if by == 0:
        return clip
    held = clip[0 if by < 0 else -1].std.Loop(abs(by))
    return (held + clip)[: clip.num_frames] if by < 0 else (clip + held)[by:]
