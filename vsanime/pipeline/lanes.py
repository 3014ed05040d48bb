"""Runs a function over the frames of one or more clips in several parallel lanes.

`std.ModifyFrame` never runs its callback concurrently, so N lanes are N such nodes, each over every N-th frame, whose
outputs are interleaved. The graph is static and needs no lock, and frame n depends on n alone, not on the order of
requests.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import vapoursynth as vs

from vsanime.arrays import Array
from vsanime.errors import VsanimeError

type Work = Callable[[Sequence[Array], Sequence[Array]], None]
type Check = Callable[[int, vs.VideoFrame], None]
type FrameWork = Callable[[int, Sequence[vs.VideoFrame], vs.VideoFrame], None]


def run_lanes(
    name: str,
    clip: vs.VideoNode,
    works: Sequence[Work],
    check: Check,
    output: tuple[vs.VideoFormat, int, int],
    planes: tuple[Sequence[int], Sequence[int]],
) -> vs.VideoNode:
    """Return a clip whose frames `works` compute from the frames of `clip`; frame properties are copied.

    Args:
        name: name of the filter, for messages.
        clip: source clip.
        works: one function for each lane; it fills target planes from source planes.
        check: function that refuses a frame that does not fit, by raising `VsanimeError`.
        output: format, width and height of the new frames.
        planes: indices of the source planes and of the new planes to hand to `works`. Other planes of the new frames
            are left undefined; the caller must not use them.
    """
    read, made = planes

    def over_planes(work: Work) -> FrameWork:
        def filled(number: int, frames: Sequence[vs.VideoFrame], frame: vs.VideoFrame) -> None:
            check(number, frames[0])
            work([np.asarray(frames[0][p]) for p in read], [np.asarray(frame[p]) for p in made])

        return filled

    return run_frames(name, [clip], [over_planes(work) for work in works], output)


def run_frames(
    name: str,
    clips: Sequence[vs.VideoNode],
    works: Sequence[FrameWork],
    output: tuple[vs.VideoFormat, int, int],
    told: Sequence[str] = (),
) -> vs.VideoNode:
    """Return a clip whose frames `works` compute from the frames of several clips, with the first clip's properties.

    Args:
        name: name of the filter, for messages.
        clips: source clips of equal length.
        works: one function for each lane, called with the frame number, the source frames and the new frame to fill.
        output: format, width and height of the new frames.
        told: names of properties that `works` set on new frames, to be kept in addition to the first clip's.
    """
    form, width, height = output
    count = len(works)
    template = vs.core.std.BlankClip(clips[0], width, height, form.id, keep=True)
    lanes = []
    for i, work in enumerate(works):
        sources = [_every(clip, count, i) for clip in clips]
        lanes.append(_every(template, count, i).std.ModifyFrame(sources, _callback(name, (i, count), work, output)))
    joined = vs.core.std.Interleave(lanes, extend=True, modify_duration=False)[: clips[0].num_frames]
    made = joined.std.CopyFrameProps(clips[0])
    return made.std.CopyFrameProps(joined, props=list(told)) if told else made


def _every(clip: vs.VideoNode, count: int, offset: int) -> vs.VideoNode:
    if count == 1:
        return clip
    return clip.std.SelectEvery(count, [offset], modify_duration=False)


def _callback(
    name: str, lane: tuple[int, int], work: FrameWork, output: tuple[vs.VideoFormat, int, int]
) -> Callable[[int, vs.VideoFrame | list[vs.VideoFrame]], vs.VideoFrame]:
    offset, count = lane

    def render(n: int, f: vs.VideoFrame | list[vs.VideoFrame]) -> vs.VideoFrame:
        frame = vs.core.create_video_frame(*output)
        try:
            # VapourSynth passes a bare frame instead of a list if there is only one clip.
            work(n * count + offset, f if isinstance(f, list) else [f], frame)
        except VsanimeError as error:
            raise vs.Error(f"{name}: {error}") from None
        return frame

    return render
