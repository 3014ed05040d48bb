"""Gives every scene back the mean luma that it had, up to what clips at white, by one gain for all of its frames.

A gain of each frame's own would follow whatever the network does from frame to frame, and flicker. One of a scene is
measured on three of its frames, at fixed places: the middles of its first, second and last third, which spares fades at
either end. They are frames of clips that are put together when the script is evaluated, so the gain is the same
whichever frame is asked for first; and it is computed once, when the first frame of its scene is.
"""

from __future__ import annotations

from bisect import bisect_right
from dataclasses import dataclass, replace

import numpy as np
import vapoursynth as vs

from vsanime.arrays import Array
from vsanime.coding import Coding, plane_codings
from vsanime.errors import VsanimeError
from vsanime.spec import Family, FrameSpec, PlaneFormat, SampleType
from vsanime.video.clips import video_format
from vsanime.video.scenes import BEGINS, ENDS, marked_starts

GAIN = "AnimeGANGain"
# A scene that the network made this much darker or brighter is not to be had back by multiplication.
_LIMITS = (0.5, 2.0)
# The places of the measured frames, in sixths of a scene.
_PLACES = (1, 3, 5)
# Luma of RGB by BT.709: what a mean is compared by need not be the clip's own matrix, which RGB has none of.
_WEIGHTS = (0.2126, 0.7152, 0.0722)


@dataclass(frozen=True)
class Scenes:
    """A clip's scenes.

    Attributes:
        starts: number of each scene's first frame.
        length: frames of the clip.
    """

    starts: tuple[int, ...]
    length: int

    def measured(self, place: int) -> list[int]:
        """For every scene the number of the frame at a place, counted in sixths."""
        ends = (*self.starts[1:], self.length)
        return [start + (end - start) * place // 6 for start, end in zip(self.starts, ends, strict=True)]

    def of_frames(self) -> list[int]:
        """For every frame the number of its scene."""
        return [bisect_right(self.starts, n) - 1 for n in range(self.length)]


def scenes_of(clip: vs.VideoNode) -> Scenes:
    """The scenes that a clip's properties tell of; reads every frame.

    Raises:
        VsanimeError: the first frame has neither property.
    """
    starts = marked_starts(clip)
    if starts is None:
        raise VsanimeError(
            f"brightness='scene' needs frames that tell where scenes change, by {BEGINS} or {ENDS}: give it "
            "`vsanime.mark_scenes(clip)`, or a clip from another scene detector"
        )
    return Scenes(tuple(starts), clip.num_frames)


def widest(form: PlaneFormat) -> PlaneFormat:
    """The format in which results wait for their gain, so that they are rounded once."""
    if form.is_integer:
        return replace(form, bits=16)
    return replace(form, sample_type=SampleType.FLOAT, bits=32)


def matched(
    source: vs.VideoNode, result: vs.VideoNode, specs: tuple[FrameSpec, FrameSpec, FrameSpec], scenes: Scenes
) -> vs.VideoNode:
    """`result` with every scene's mean luma that of `source`, up to what clips at white.

    The gain is that of the means before they clip, so a scene with bright highlights ends a little darker than it was.
    What clips is every channel of RGB by itself, but luma alone of YUV, whose chroma gets the whole gain: there what
    ends at white keeps its chroma, and the two differ.

    Args:
        source: the clip that the network was given.
        result: what it made of it.
        specs: what the frames of `source`, of `result` and of the output are.
        scenes: of the clip.
    """
    before, made, after = specs
    gains = _gains(source, result, (before, made), scenes)
    # The network runs for a gain: each is kept for as long as the script lives.
    gains.std.SetVideoCache(mode=1, fixedsize=1, maxsize=len(scenes.starts), maxhistory=0)
    gain = _picked(gains, scenes.of_frames())
    codings = list(zip(plane_codings(made), plane_codings(after), strict=True))
    form = video_format(after.format)

    def multiplied(n: int, f: list[vs.VideoFrame]) -> vs.VideoFrame:  # noqa: ARG001 - VapourSynth calls it so
        frame = vs.core.create_video_frame(form, f[0].width, f[0].height)
        factor = float(f[1].props[GAIN])
        for plane, (coding, wanted) in enumerate(codings):
            np.asarray(frame[plane])[:] = scaled(np.asarray(f[0][plane]), factor, coding, wanted)
        return frame

    blank = vs.core.std.BlankClip(result, format=form.id, keep=True)
    bright = blank.std.ModifyFrame([result, gain], multiplied)
    return bright.std.CopyFrameProps(result).std.CopyFrameProps(gain, props=[GAIN])


def _gains(
    source: vs.VideoNode, result: vs.VideoNode, specs: tuple[FrameSpec, FrameSpec], scenes: Scenes
) -> vs.VideoNode:
    """A clip of one frame a scene, whose property is the scene's gain."""
    count = len(scenes.starts)
    blank = vs.core.std.BlankClip(width=1, height=1, format=vs.GRAY8, length=count, keep=True)
    numbers = [scenes.measured(place) for place in _PLACES]
    clips = [_picked(clip, places) for clip in (source, result) for places in numbers]

    def measured(n: int, f: list[vs.VideoFrame]) -> vs.VideoFrame:  # noqa: ARG001 - VapourSynth calls it so
        parts = f[1 : 1 + len(numbers)], f[1 + len(numbers) :]
        wanted, found = (
            sum(mean_luma([np.asarray(p) for p in frame], spec) for frame in frames)
            for frames, spec in zip(parts, specs, strict=True)
        )
        frame = f[0].copy()
        frame.props[GAIN] = float(np.clip(wanted / found, *_LIMITS)) if found > 0 else 1.0
        return frame

    return blank.std.ModifyFrame([blank, *clips], measured)


def _picked(clip: vs.VideoNode, numbers: list[int]) -> vs.VideoNode:
    """Those frames of a clip, one after the other."""
    if clip.num_frames == 1:
        return clip.std.Loop(len(numbers))  # SelectEvery wants two frames at least
    return clip.std.SelectEvery(clip.num_frames, numbers, modify_duration=False)


def mean_luma(planes: list[Array], spec: FrameSpec) -> float:
    """The mean luma of a frame's planes, 0 for black and 1 for white."""
    coding = plane_codings(spec)[0]
    weights = _WEIGHTS if spec.format.family is Family.RGB else (1.0,)
    means = [float(np.mean(plane, dtype=np.float64)) for plane in planes[: len(weights)]]
    return sum(w * (mean - coding.zero) / coding.span for w, mean in zip(weights, means, strict=True))


def scaled(plane: Array, gain: float, coding: Coding, wanted: Coding) -> Array:
    """A plane's codes in another depth, their distance from zero (black, or no colour) multiplied.

    What the gain brings above white ends there; what was above stays. Chroma ends where its codes do.
    """
    share = wanted.span / coding.span
    kept = (plane.astype(np.float32) - np.float32(coding.zero)) * np.float32(share) + np.float32(wanted.zero)
    values = (kept - np.float32(wanted.zero)) * np.float32(gain) + np.float32(wanted.zero)
    if gain > 1:
        white = np.float32(wanted.zero + wanted.span)
        values = np.minimum(values, np.maximum(kept, white))
    if wanted.peak is None:
        return values.astype(wanted.dtype)
    codes: Array = np.clip(values + np.float32(0.5), 0, wanted.peak).astype(wanted.dtype)
    return codes
