"""Where scenes of line art begin: lists that are read, and cuts that are found."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from tests.support.clips import clip_of, format_of
from vsanime.colorization.linescenes import cuts, scene_starts
from vsanime.errors import VsanimeError


def drawn(*columns: int, width: int = 32, height: int = 16) -> Any:
    """A clip of frames, each with a stroke of two columns."""
    frames = []
    for column in columns:
        line = np.full((height, width), 255, np.uint8)
        line[:, column : column + 2] = 0
        frames.append([line])
    return clip_of(frames, format_of("GRAY8"), _Range=1)


@pytest.mark.parametrize(
    ("scenes", "starts"),
    [
        (None, [0]),
        (0, [0]),
        (3, [0, 3]),
        ("3", [0, 3]),
        ([3, 1], [0, 1, 3]),
        ("1,2", [0, 1, 2]),
        ([0, 1, 2, 3], [0, 1, 2, 3]),
        ([], [0]),
        ("detect", [0, 2]),
        (4, None),
        (-1, None),
        ([1, 4], None),
        ([-1, 1], None),
        ([0, 1, 2, 3, 3], None),
        ("all", None),
        ("marked", None),
    ],
)
def test_scenes_are_listed_or_found(scenes: Any, starts: list[int] | None) -> None:
    clip = drawn(4, 4, 20, 20)
    if starts is not None:
        assert scene_starts(clip, scenes) == starts
        return
    needed = r"the numbers of first frames, from 0 to 3, 'marked', 'detect' or None is needed"
    with pytest.raises(VsanimeError, match="needs line art that tells" if scenes == "marked" else needed):
        scene_starts(clip, scenes)


def test_marked_scenes_are_those_of_the_marks() -> None:
    clip = drawn(4, 4, 4)
    marked = clip[0].std.SetFrameProps(_SceneChangePrev=0) + clip[1].std.SetFrameProps(_SceneChangePrev=1) + clip[2]
    assert scene_starts(marked, "marked") == [0, 1]


@pytest.mark.parametrize(
    ("size", "small"),
    [((32, 16), (32, 16)), ((64, 16), (32, 8)), ((16, 64), (8, 32)), ((640, 9), (32, 1)), ((20, 10), (20, 10)),
     ((33, 33), (32, 32))],
)  # fmt: skip
def test_pictures_are_compared_at_32_pixels(size: tuple[int, int], small: tuple[int, int]) -> None:
    asked = []

    def resized(width: int, height: int) -> Any:
        asked.append((width, height))
        return SimpleNamespace(frames=lambda close: iter(()))  # noqa: ARG005 - as VapourSynth's

    clip: Any = SimpleNamespace(width=size[0], height=size[1], resize=SimpleNamespace(Bilinear=resized))
    assert cuts(clip) == [0]
    assert asked == [small]


@pytest.mark.parametrize(
    ("pictures", "starts"),
    [
        # Of ten pixels' ink so many lie elsewhere; more than 0.35 of both is a cut.
        ([range(10), range(3, 13)], [0]),
        ([range(10), range(4, 14)], [0, 1]),
        ([range(20), range(7, 27)], [0]),
        ([range(10), range(10), range(20, 30), range(20, 30)], [0, 2]),
        ([range(0), range(0)], [0]),
        ([range(0), range(10), range(0)], [0, 1, 2]),
        ([range(10), range(5)], [0]),  # a third
        ([range(10), range(4)], [0, 1]),
    ],
)
def test_cuts_are_where_ink_is_elsewhere(pictures: list[range], starts: list[int]) -> None:
    frames = []
    for columns in pictures:
        line = np.full((1, 32), 255, np.uint8)
        line[0, list(columns)] = 0
        frames.append([line])
    assert cuts(clip_of(frames, format_of("GRAY8"), _Range=1)) == starts
