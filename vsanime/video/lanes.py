"""Runs a function over the frames of a clip in several lanes at once.

`std.ModifyFrame` never runs its callback twice at once, so N lanes are N such nodes over every N-th frame, interleaved:
the graph is static, no lock is taken, and what frame n becomes depends on n alone, whatever the order of requests.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import vapoursynth as vs
from numpy.typing import NDArray

from vsanime.errors import VsanimeError

type Array = NDArray[Any]
type Work = Callable[[Sequence[Array], Sequence[Array]], None]
type Check = Callable[[int, vs.VideoFrame], None]


def run_lanes(
    name: str,
    clip: vs.VideoNode,
    works: Sequence[Work],
    check: Check,
    output: tuple[vs.VideoFormat, int, int],
    planes: tuple[Sequence[int], Sequence[int]],
) -> vs.VideoNode:
    """A clip whose frames `works` made from the frames of `clip`, with their properties.

    Args:
        name: the filter's, for messages.
        clip: source frames.
        works: one function a lane, filling target planes from source planes.
        check: refuses frames that do not fit, by raising `VsanimeError`.
        output: format, width and height of the new frames.
        planes: which planes of source and new frames to hand to `works`. Other planes of new frames are left
            undefined: the caller takes the made ones only.
    """
    form, width, height = output
    count = len(works)
    template = vs.core.std.BlankClip(clip, width, height, form.id, keep=True)
    lanes = []
    for i, work in enumerate(works):
        source = _every(clip, count, i)
        callback = _callback(name, (i, count), work, check, output, planes)
        lanes.append(_every(template, count, i).std.ModifyFrame(source, callback))
    joined = vs.core.std.Interleave(lanes, extend=True, modify_duration=False)[: clip.num_frames]
    return joined.std.CopyFrameProps(clip)


def _every(clip: vs.VideoNode, count: int, offset: int) -> vs.VideoNode:
    if count == 1:
        return clip
    return clip.std.SelectEvery(count, [offset], modify_duration=False)


def _callback(
    name: str,
    lane: tuple[int, int],
    work: Work,
    check: Check,
    output: tuple[vs.VideoFormat, int, int],
    planes: tuple[Sequence[int], Sequence[int]],
) -> Callable[[int, vs.VideoFrame], vs.VideoFrame]:
    read, made = planes
    offset, count = lane

    def render(n: int, f: vs.VideoFrame) -> vs.VideoFrame:
        number = n * count + offset
        try:
            check(number, f)
            frame = vs.core.create_video_frame(*output)
            work([np.asarray(f[p]) for p in read], [np.asarray(frame[p]) for p in made])
        except VsanimeError as error:
            raise vs.Error(f"{name}: {error}") from None
        return frame

    return render
