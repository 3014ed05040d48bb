"""Which drawing comes before and after each frame's, against a search through the whole clip."""

from __future__ import annotations

import random
from bisect import bisect_right
from itertools import groupby

import numpy as np
import pytest
import vapoursynth as vs

from tests.support.clips import clip_of, planes_of
from vsanime.colorization.neighbors import AFTER, BEFORE, HELD, REACH, Drawings


def clip_with(drawings: list[int]) -> vs.VideoNode:
    """A clip of frames that are gray all over; equal numbers are the same drawing."""
    form = vs.core.get_video_format(vs.GRAY8)
    return clip_of([[np.full((4, 6), number, np.uint8)] for number in drawings], form)


def searched(drawings: list[int], starts: list[int]) -> list[tuple[int, int, int]]:
    """For every frame (steps back, steps on, frames held before it), scene by scene and hold by hold."""
    found = []
    for start, end in zip(starts, [*starts[1:], len(drawings)], strict=True):
        holds = [len(list(same)) for _, same in groupby(drawings[start:end])]
        first = start
        for i, length in enumerate(holds):
            for n in range(first, first + length):
                if length > REACH:
                    found.append((0, 0, 0))
                    continue
                back = n - first + 1 if i > 0 else 0
                on = first + length - n if i < len(holds) - 1 else 0
                found.append((back, on, n - first))
            first += length
    return found


@pytest.mark.parametrize("seed", range(6))
def test_neighbours_are_those_that_a_search_finds(seed: int) -> None:
    rng = random.Random(seed)
    drawings: list[int] = []
    while len(drawings) < 40:
        drawings += [rng.choice([n for n in range(5) if n != (drawings or [9])[-1]])] * rng.choice(
            [1, 1, 2, 3, 4, 5, 7]
        )
    starts = sorted({0, *rng.sample(range(1, len(drawings)), 3)})
    clip = clip_with(drawings)
    around = Drawings(clip, starts)
    before, after = around.before(clip), around.after(clip)
    expected = searched(drawings, starts)
    order = list(range(len(drawings)))
    rng.shuffle(order)
    for n in order:
        with around.told.get_frame(n) as frame:
            told = tuple(frame.props[name] for name in (BEFORE, AFTER, HELD))
        assert told == expected[n], n
        assert planes_of(before, n)[0][0, 0] == drawings[n - told[0]]
        assert planes_of(after, n)[0][0, 0] == drawings[n + told[1]]
        if told[0]:
            scene = bisect_right(starts, n) - 1
            assert n - told[0] >= starts[scene]


def test_all_frames_of_a_hold_have_the_same_neighbours() -> None:
    drawings = [0] * 2 + [1] * REACH + [2] * (REACH + 1) + [3] * 3
    clip = clip_with(drawings)
    around = Drawings(clip, [0])
    pairs = [
        (planes_of(around.before(clip), n)[0][0, 0], planes_of(around.after(clip), n)[0][0, 0])
        for n in range(len(drawings))
    ]
    assert pairs[2 : 2 + REACH] == [(0, 2)] * REACH
    assert pairs[2 + REACH : 3 + 2 * REACH] == [(2, 2)] * (REACH + 1)  # held too long: itself
    assert pairs[-3:] == [(2, 3)] * 3  # nothing comes after


@pytest.mark.parametrize("count", [1, 2, REACH])
def test_clips_shorter_than_what_is_looked_at(count: int) -> None:
    clip = clip_with(list(range(count)))
    around = Drawings(clip, [0])
    for n in range(count):
        assert planes_of(around.before(clip), n)[0][0, 0] == max(0, n - 1)
        assert planes_of(around.after(clip), n)[0][0, 0] == min(count - 1, n + 1)


def test_line_art_is_asked_for_once_whatever_is_looked_at() -> None:
    """Nine frames are looked at around each one; they stay in the cache meanwhile."""
    asked: list[int] = []

    def count(n: int, f: vs.VideoFrame) -> vs.VideoFrame:
        asked.append(n)
        return f

    lines = clip_with(list(range(30)))
    around = Drawings(lines.std.ModifyFrame(lines, count), [0])
    for n in range(30):
        around.told.get_frame(n).close()
    assert sorted(asked) == list(range(30))
