"""Arrays as clips of VapourSynth, and frames as arrays."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import vapoursynth as vs

from vsanime.arrays import Array


def clip_of(frames: Sequence[Sequence[Array]], form: int, **props: int) -> vs.VideoNode:
    """A clip that holds these planes.

    Args:
        frames: of each frame its planes, height and width, in the format's own type; all frames of one size.
        form: id of the format.
        props: of every frame.
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
    """Copies of the planes of a frame, all of one size: planes, height, width."""
    with clip.get_frame(number) as frame:
        return np.stack([np.asarray(frame[plane]) for plane in range(frame.format.num_planes)])
