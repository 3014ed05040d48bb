"""Restores the mean luma of every scene with one gain for all of its frames, except for what clips at white.

A gain for every single frame would follow the network's changes from frame to frame, and flicker. The gain of a scene
is measured on three of its frames, the middles of its first, second and last third, which avoids fades at either end.
The clips of these frames are assembled when the script is evaluated, so the gain does not depend on which frame is
requested first; it is computed once, when the first frame of its scene is rendered.
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
# Limits of the gain: multiplication cannot restore a scene that the network made darker or brighter than this.
_LIMITS = (0.5, 2.0)
# Positions of the measured frames, in sixths of a scene.
_PLACES = (1, 3, 5)
# Luma weights of RGB by BT.709: RGB has no matrix of its own, and comparing means does not need the exact one.
_WEIGHTS = (0.2126, 0.7152, 0.0722)


@dataclass(frozen=True)
class Scenes:
    """The scenes of a clip.

    Attributes:
        starts: frame number of each scene's first frame.
        length: number of frames in the clip.
    """

    starts: tuple[int, ...]
    length: int

    def measured(self, place: int) -> list[int]:
        """Return for every scene the frame number at a position that is counted in sixths of the scene."""
        ends = (*self.starts[1:], self.length)
        return [start + (end - start) * place // 6 for start, end in zip(self.starts, ends, strict=True)]

    def of_frames(self) -> list[int]:
        """Return for every frame the index of its scene."""
        return [bisect_right(self.starts, n) - 1 for n in range(self.length)]


def scenes_of(clip: vs.VideoNode) -> Scenes:
    """Return the scenes that a clip's frame properties mark; read every frame.

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
    """Return the widest format of the same sample type, in which results wait for their gain; they are rounded once."""
    if form.is_integer:
        return replace(form, bits=16)
    return replace(form, sample_type=SampleType.FLOAT, bits=32)


def match_brightness(
    source: vs.VideoNode, result: vs.VideoNode, specs: tuple[FrameSpec, FrameSpec, FrameSpec], scenes: Scenes
) -> vs.VideoNode:
    """Return `result` with the mean luma of `source` restored for every scene, except for what clips at white.

    The gain is computed from the means before clipping, so a scene with bright highlights ends a little darker than it
    was. In RGB every channel clips on its own. In YUV luma alone clips, and chroma gets the whole gain; pixels that end
    at white keep their chroma, so the two families differ.

    Args:
        source: clip that was given to the network.
        result: clip that the network made of it.
        specs: facts about the frames of `source`, of `result` and of the output.
        scenes: scenes of the clip.
    """
    before, made, after = specs
    gains = _gains(source, result, (before, made), scenes)
    # A gain costs runs of the network, so each is cached for as long as the script lives.
    gains.std.SetVideoCache(mode=1, fixedsize=1, maxsize=len(scenes.starts), maxhistory=0)
    gain = _pick(gains, scenes.of_frames())
    codings = list(zip(plane_codings(made), plane_codings(after), strict=True))
    form = video_format(after.format)

    def multiplied(n: int, f: list[vs.VideoFrame]) -> vs.VideoFrame:  # noqa: ARG001 - VapourSynth passes it
        frame = vs.core.create_video_frame(form, f[0].width, f[0].height)
        factor = float(f[1].props[GAIN])
        for plane, (coding, wanted) in enumerate(codings):
            np.asarray(frame[plane])[:] = apply_gain(np.asarray(f[0][plane]), factor, coding, wanted)
        return frame

    blank = vs.core.std.BlankClip(result, format=form.id, keep=True)
    bright = blank.std.ModifyFrame([result, gain], multiplied)
    return bright.std.CopyFrameProps(result).std.CopyFrameProps(gain, props=[GAIN])


def _gains(
    source: vs.VideoNode, result: vs.VideoNode, specs: tuple[FrameSpec, FrameSpec], scenes: Scenes
) -> vs.VideoNode:
    """Return a clip with one frame for each scene, whose property is the scene's gain."""
    count = len(scenes.starts)
    blank = vs.core.std.BlankClip(width=1, height=1, format=vs.GRAY8, length=count, keep=True)
    numbers = [scenes.measured(place) for place in _PLACES]
    clips = [_pick(clip, places) for clip in (source, result) for places in numbers]

    def measured(n: int, f: list[vs.VideoFrame]) -> vs.VideoFrame:  # noqa: ARG001 - VapourSynth passes it
        parts = f[1 : 1 + len(numbers)], f[1 + len(numbers) :]
        wanted, found = (
            sum(mean_luma([np.asarray(p) for p in frame], spec) for frame in frames)
            for frames, spec in zip(parts, specs, strict=True)
        )
        frame = f[0].copy()
        frame.props[GAIN] = float(np.clip(wanted / found, *_LIMITS)) if found > 0 else 1.0
        return frame

    return blank.std.ModifyFrame([blank, *clips], measured)


def _pick(clip: vs.VideoNode, numbers: list[int]) -> vs.VideoNode:
    """Return a clip of the frames with these numbers, in that order."""
    if clip.num_frames == 1:
        return clip.std.Loop(len(numbers))  # SelectEvery needs at least two frames
    return clip.std.SelectEvery(clip.num_frames, numbers, modify_duration=False)


def mean_luma(planes: list[Array], spec: FrameSpec) -> float:
    """Return the mean luma of a frame's planes, 0 for black and 1 for white."""
    coding = plane_codings(spec)[0]
    weights = _WEIGHTS if spec.format.family is Family.RGB else (1.0,)
    means = [float(np.mean(plane, dtype=np.float64)) for plane in planes[: len(weights)]]
    return sum(w * (mean - coding.zero) / coding.span for w, mean in zip(weights, means, strict=True))


def apply_gain(plane: Array, gain: float, coding: Coding, wanted: Coding) -> Array:
    """Return a plane at another depth, with each sample's distance from black (or from no color) multiplied by a gain.

    Values that the gain raises above white are clipped to white; values that were above stay. Chroma is clipped to its
    code range.
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
