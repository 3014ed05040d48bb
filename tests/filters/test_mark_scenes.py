"""mark_scenes on clips whose cuts are known, and brightness by its marks."""

from __future__ import annotations

from typing import Any

import pytest
import vapoursynth as vs

import vsanime
from tests.filters.test_bad_input import one_line
from tests.support.clips import noise_clip, planes_of, props_of

LEVELS = (0.1, 0.3, 0.35, 0.8)  # of one frame after another: cuts before the second and the last
FORMATS = (
    "GRAY8",
    "GRAY16",
    "GRAYH",
    "YUV420P8",
    "YUV422P10",
    "YUV444PS",
    "YUV444PH",
    "RGB24",
    "RGB30",
    "RGBS",
    "RGBH",
)


def levels(name: str) -> vs.VideoNode:
    """Flat frames, whose luma has these shares of the span."""
    form = vs.core.get_video_format(getattr(vs, name))
    peak = 1.0 if form.sample_type == vs.FLOAT else (1 << form.bits_per_sample) - 1
    neutral = 0.0 if form.sample_type == vs.FLOAT else (peak + 1) / 2
    clips = []
    for level in LEVELS:
        colour = [level * peak] * 3 if name.startswith("RGB") else [level * peak, neutral, neutral]
        clips.append(vs.core.std.BlankClip(None, 24, 20, form.id, 1, color=colour[: form.num_planes]))
    return vs.core.std.Splice(clips)


def starts(clip: vs.VideoNode) -> list[int]:
    return [n for n in range(clip.num_frames) if props_of(clip, n)["_SceneChangePrev"]]


@pytest.mark.parametrize("name", FORMATS)
def test_cuts_are_found_in_every_format(name: str) -> None:
    clip = levels(name)
    assert starts(vsanime.mark_scenes(clip)) == [0, 1, 3]
    assert starts(vsanime.mark_scenes(clip, threshold=0.3)) == [0, 3]
    assert starts(vsanime.mark_scenes(clip, threshold=0.04)) == [0, 1, 2, 3]
    assert starts(vsanime.mark_scenes(clip[2])) == [0]


def test_nothing_else_changes() -> None:
    clip = noise_clip("YUV420P8", 24, 20, frames=3, _Matrix=1, _Mine=7, _SceneChangePrev=1, _SceneChangeNext=1)
    made = vsanime.mark_scenes(clip)
    assert (made.num_frames, made.fps, made.format.id) == (clip.num_frames, clip.fps, clip.format.id)
    for n in range(3):
        for found, given in zip(planes_of(made, n), planes_of(clip, n), strict=True):
            assert (found == given).all()
    # An old _SceneChangeNext would go on to tell of other scenes.
    expected = {name: value for name, value in props_of(clip, 2).items() if name != "_SceneChangeNext"}
    assert props_of(made, 2).keys() == expected.keys()
    assert props_of(made, 2)["_Mine"] == 7


@pytest.mark.parametrize("threshold", [0, 1, -0.1, float("nan"), True, "much"])
def test_wrong_thresholds(threshold: Any) -> None:
    one_line(
        lambda: vsanime.mark_scenes(levels("GRAY8"), threshold=threshold), "mark_scenes: ", "threshold=", "above 0"
    )


def test_wrong_clips() -> None:
    one_line(lambda: vsanime.mark_scenes("clip.mkv"), "mark_scenes: ", "str")  # type: ignore[arg-type]
    varies = vs.core.std.Splice([levels("GRAY8"), levels("YUV420P8")], mismatch=True)
    one_line(lambda: vsanime.mark_scenes(varies), "mark_scenes: ", "the clip's format varies")
