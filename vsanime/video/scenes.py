"""Reads the frame properties that mark where scenes begin."""

from __future__ import annotations

import vapoursynth as vs

from vsanime.errors import VsanimeError
from vsanime.video.frameprops import read_integer

BEGINS, ENDS = "_SceneChangePrev", "_SceneChangeNext"
MARKS = (BEGINS, ENDS)


def is_marked(clip: vs.VideoNode) -> bool:
    """Return whether a clip's first frame has a scene mark, so that scenes have been detected already."""
    with clip.get_frame(0) as frame:
        return any(mark in frame.props for mark in MARKS)


def marked_starts(clip: vs.VideoNode) -> list[int] | None:
    """Return the frame number of each scene's first frame, from the marks of all frames, or None if the first has none.

    Raises:
        VsanimeError: a mark is not a number.
    """
    starts = [0]
    last = False
    for number, frame in enumerate(clip.frames(close=True)):
        props = frame.props
        if number == 0 and not any(mark in props for mark in MARKS):
            return None
        try:
            begins, ends = (read_integer(props, mark, 0) for mark in MARKS)
        except VsanimeError as error:
            raise VsanimeError(f"frame {number}: {error}") from None
        if number and (last or begins):
            starts.append(number)
        last = bool(ends)
    return starts
