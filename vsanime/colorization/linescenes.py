"""Find where scenes of line art begin: as the user lists them, by marks on frames, or by cuts in the drawings."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import vapoursynth as vs
from numpy.typing import NDArray

from vsanime.errors import VsanimeError, quote
from vsanime.values import parse_text, parse_whole, parse_wholes
from vsanime.video.scenes import BEGINS, ENDS, marked_starts

type Scenes = Sequence[int] | str | None

# Pictures are compared at this size, in pixels, so that a line that moves a little still overlaps itself.
_LONG_SIDE = 32
# Fraction of the ink of two small pictures that does not lie on ink of the other. Frames of a shot differ by less than
# 0.06, also where the camera pans fast; frames of different shots by more than 0.6.
_CUT = 0.35


def scene_starts(lineart: vs.VideoNode, scenes: Scenes) -> list[int]:
    """Return the number of each scene's first frame.

    Args:
        lineart: line art, GRAY8, full range.
        scenes: numbers of first frames; "marked" to read the frames' marks, "detect" to find cuts, None for one scene.

    Raises:
        VsanimeError: `scenes` is something else, a number is outside the clip, or frames have no marks.
    """
    if scenes is None:
        return [0]
    text = parse_text(scenes)
    if text == "detect":
        return cuts(lineart)
    if text == "marked":
        return _find_marks(lineart)
    one = parse_whole(scenes)
    numbers = [one] if one is not None else parse_wholes(scenes, lineart.num_frames)
    last = lineart.num_frames - 1
    if numbers is None or any(not 0 <= number <= last for number in numbers):
        raise VsanimeError(
            f"scenes={quote(scenes)}; the numbers of first frames, from 0 to {last}, 'marked', 'detect' or None is "
            "needed"
        )
    return sorted({0, *numbers})


def _find_marks(lineart: vs.VideoNode) -> list[int]:
    """Return where scenes begin according to the marks on frames.

    Raises:
        VsanimeError: the frames have no marks.
    """
    starts = marked_starts(lineart)
    if starts is None:
        raise VsanimeError(
            f"scenes='marked' needs line art that tells where scenes change, by {BEGINS} or {ENDS}: make it of "
            "`vsanime.mark_scenes(clip)`, list the scenes, or take `scenes='detect'`"
        )
    return starts


def cuts(lineart: vs.VideoNode) -> list[int]:
    """Return frame 0 and every frame whose lines lie elsewhere than those of the frame before; reads each frame once.

    Args:
        lineart: line art, GRAY8, full range.
    """
    share = _LONG_SIDE / max(lineart.width, lineart.height)
    size = [max(1, round(side * min(share, 1.0))) for side in (lineart.width, lineart.height)]
    small = lineart.resize.Bilinear(*size)
    starts = [0]
    before: NDArray[np.float64] | None = None
    for number, frame in enumerate(small.frames(close=True)):
        ink = 255.0 - np.asarray(frame[0])
        if before is not None and _apart(before, ink) > _CUT:
            starts.append(number)
        before = ink
    return starts


def _apart(first: NDArray[np.float64], second: NDArray[np.float64]) -> float:
    """Return the fraction of both pictures' ink that does not lie on ink of the other: 0 if equal, 1 if disjoint."""
    both = float(first.sum() + second.sum())
    return float(np.abs(first - second).sum()) / both if both else 0.0
