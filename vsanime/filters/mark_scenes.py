"""Mark the frames where scenes begin, for filters that work by scenes."""

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
    """Mark where scenes begin, by how much each frame differs from the one before it.

    Nothing else of the frames is changed. Fades and dissolves do not count as cuts; flashes do.

    Args:
        clip: source clip, any format except integers of more than 16 bits; progressive.
        threshold: mean difference of luma that makes a cut, as a fraction of the whole span of codes, above 0 and
            below 1. A lower threshold finds more scenes.

    Returns:
        The clip with `_SceneChangePrev` on every frame: 1 where a scene begins, including the first frame, and 0
        elsewhere. An existing `_SceneChangeNext` is removed.

    Raises:
        vs.Error: the threshold or the clip cannot be used; the message says what would be right.

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
    """Return the luma that is compared, in a format that PlaneStats accepts."""
    if clip.format.color_family == vs.RGB:
        deep = (
            vs.GRAY8 if clip.format.id == vs.RGB24 else vs.GRAYS if clip.format.sample_type == vs.FLOAT else vs.GRAY16
        )
        return clip.resize.Point(format=deep, matrix=_BT709, range=vs.RANGE_FULL)
    if clip.format.sample_type == vs.FLOAT and clip.format.bits_per_sample < 32:
        return clip.std.ShufflePlanes(0, vs.GRAY).resize.Point(format=vs.GRAYS)
    return clip
