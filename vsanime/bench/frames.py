"""Converts NumPy arrays to VapourSynth clips, and frames to arrays."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import vapoursynth as vs

from vsanime.arrays import Array


def clip_of(frames: Sequence[Sequence[Array]], form: int, **props: int) -> vs.VideoNode:
    """Return a clip of the given planes.

    Args:
        frames: planes of each frame, height and width, in the sample type of the format; all frames of one size.
        form: id of the VapourSynth format.
        props: properties of every frame.
    """
    height, width = frames[0][0].shape
    blank = vs.core.std.BlankClip(width=width, height=height, format=form, length=len(frames))

    def fill(n: int, f: vs.VideoFrame) -> vs.VideoFrame:
        made = f.copy()
        for number, plane in enumerate(frames[n]):
            np.asarray(made[number])[:] = plane
        return made

    clip = blank.std.ModifyFrame(blank, fill)
    return clip.std.SetFrameProps(**props) if props else clip


def planes_of(clip: vs.VideoNode, number: int) -> Array:
    """Return a copy of a frame whose planes have one size: planes, height, width."""
    with clip.get_frame(number) as frame:
        return np.stack([np.asarray(frame[plane]) for plane in range(frame.format.num_planes)])
