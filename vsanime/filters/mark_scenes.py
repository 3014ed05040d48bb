"""Marks where scenes begin, for filters that go by scenes."""

from __future__ import annotations

import vapoursynth as vs

from vsanime.values import read_number
from vsanime.video.alpha import alpha_of, fill_hidden
from vsanime.video.clips import first_frame
from vsanime.video.errors import raises_vs_error
from vsanime.video.scenes import BEGINS, ENDS

_DIFFERENCE = "VsanimeScene"  # PlaneStats adds Diff, Min and others to the name
_BT709 = 1


@raises_vs_error
def mark_scenes(clip: vs.VideoNode, *, threshold: float = 0.1) -> vs.VideoNode:
    """Marks where scenes begin, by how much each frame differs from the one before it.

    Nothing else of the frames is changed. Fades and dissolves are no cuts; flashes are.

    Args:
        clip: any format but integers of more than 16 bits; progressive.
        threshold: the mean difference of luma that makes a cut, as a share of the whole span of codes, above 0 and
            below 1. Less finds more scenes.

    Returns:
        The clip with `_SceneChangePrev` on every frame: 1 where a scene begins, as it does on the first, 0 elsewhere. A
        `_SceneChangeNext` that was there is taken away.

    Raises:
        vs.Error: a threshold or a clip that cannot be used, with what would be right.

    Example:
        ```python
        drawn = vsanime.animegan(vsanime.mark_scenes(clip), "Hayao", brightness="scene")
        ```
    """
    _, props = first_frame(clip)
    limit = read_number("threshold", threshold, 0, 1, above=True, below=True, example="0.1")
    luma = _luma(fill_hidden(clip, alpha_of("mark_scenes", clip, props)))
    before = luma if luma.num_frames == 1 else luma[0] + luma[:-1]
    compared = luma.std.PlaneStats(before, prop=_DIFFERENCE)

    def marked(n: int, f: list[vs.VideoFrame]) -> vs.VideoFrame:
        frame = f[0].copy()
        frame.props[BEGINS] = int(n == 0 or f[1].props[f"{_DIFFERENCE}Diff"] > limit)
        if ENDS in frame.props:
            del frame.props[ENDS]
        return frame

    return clip.std.ModifyFrame([clip, compared], marked)


def _luma(clip: vs.VideoNode) -> vs.VideoNode:
    """What is compared, in a format that PlaneStats takes."""
    if clip.format.color_family == vs.RGB:
        deep = (
            vs.GRAY8 if clip.format.id == vs.RGB24 else vs.GRAYS if clip.format.sample_type == vs.FLOAT else vs.GRAY16
        )
        return clip.resize.Point(format=deep, matrix=_BT709, range=vs.RANGE_FULL)
    if clip.format.sample_type == vs.FLOAT and clip.format.bits_per_sample < 32:
        return clip.std.ShufflePlanes(0, vs.GRAY).resize.Point(format=vs.GRAYS)
    return clip
