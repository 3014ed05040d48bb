"""Which drawings come before and after each frame's, however long each of them is held.

Animation is drawn on ones, twos or threes: the frame before often shows the same drawing. All frames that hold one
drawing have the same neighbours here, so that what is made of neighbours holds as long. A drawing that is held for
longer than can be looked around has none.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Sequence

import numpy as np
import vapoursynth as vs

# Frames that are looked at on either side, and the longest hold whose neighbours are found.
REACH = 4
BEFORE, AFTER, HELD = "_VsanimeBefore", "_VsanimeAfter", "_VsanimeHeld"


class Drawings:
    """The neighbours of every frame, inside its scene."""

    def __init__(self, lines: vs.VideoNode, starts: Sequence[int]) -> None:
        """Looks at nothing yet.

        Args:
            lines: line art, GRAY8.
            starts: number of each scene's first frame, ascending, 0 first.
        """
        offsets = range(-REACH, REACH + 1)
        lines.std.SetVideoCache(mode=1, fixedsize=1, maxsize=2 * len(offsets), maxhistory=0)
        bounds = (*starts, lines.num_frames)
        small = vs.core.std.BlankClip(lines, 1, 1, vs.GRAY8, keep=True)
        seen = [small, *(_shifted(lines, by) for by in offsets)]
        # Frames with the numbers of frames to go: back to the drawing before, on to the one after, and since when the
        # drawing is held; 0 for none.
        self.told = small.std.ModifyFrame(seen, _teller(bounds))

    def before(self, clip: vs.VideoNode) -> vs.VideoNode:
        """For every frame that of the drawing before; its own where there is none."""
        return self._chosen(clip, BEFORE, -1)

    def after(self, clip: vs.VideoNode) -> vs.VideoNode:
        """For every frame that of the drawing after; its own where there is none."""
        return self._chosen(clip, AFTER, 1)

    def _chosen(self, clip: vs.VideoNode, told: str, sign: int) -> vs.VideoNode:
        away = [_shifted(clip, sign * by) for by in range(REACH + 1)]

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
    """How far the drawings before and after are, and since when the one in the middle is held; 0 for none.

    Args:
        pictures: `REACH` frames, the one at hand, and `REACH` more.
        behind: frames of the scene before the one at hand.
        ahead: likewise after it.
    """
    drawing = pictures[REACH]

    def same(by: int) -> bool:
        return -behind <= by <= ahead and np.array_equal(pictures[REACH + by], drawing)

    back = next((by for by in range(1, REACH + 1) if not same(-by)), REACH + 1)
    on = next((by for by in range(1, REACH + 1) if not same(by)), REACH + 1)
    if back + on - 1 > REACH:
        return 0, 0, 0
    return back if back <= behind else 0, on if on <= ahead else 0, back - 1


def _shifted(clip: vs.VideoNode, by: int) -> vs.VideoNode:
    """A clip that shows at frame n what the other does at n + by; its ends are held."""
    if by == 0:
        return clip
    held = clip[0 if by < 0 else -1].std.Loop(abs(by))
    return (held + clip)[: clip.num_frames] if by < 0 else (clip + held)[by:]
