"""Marks where scenes begin, as `misc.SCDetect` does, for filters that go by scenes."""

from __future__ import annotations

import vapoursynth as vs

BEGINS = "_SceneChangePrev"
MARKS = (BEGINS, "_SceneChangeNext")
# Mean difference between a frame and the one before it, of the whole span of codes: what `misc.SCDetect` takes.
_THRESHOLD = 0.1


def with_scenes(clip: vs.VideoNode) -> vs.VideoNode:
    """The clip with `_SceneChangePrev` on every frame, unless its first frame says that somebody has looked already."""
    with clip.get_frame(0) as frame:
        if any(mark in frame.props for mark in MARKS):
            return clip
    before = clip if clip.num_frames == 1 else clip[0] + clip[:-1]
    compared = clip.std.PlaneStats(before, prop="Scene")

    def marked(n: int, f: list[vs.VideoFrame]) -> vs.VideoFrame:
        frame = f[0].copy()
        frame.props[BEGINS] = int(n == 0 or f[1].props["SceneDiff"] > _THRESHOLD)
        return frame

    return clip.std.ModifyFrame([clip, compared], marked)
