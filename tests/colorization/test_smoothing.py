"""Maps of doubt that travel with frames, and which frames are averaged with which neighbors."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import vapoursynth as vs

from tests.support.clips import clip_of, format_of, noise_clip
from vsanime.colorization import smoothing as module
from vsanime.colorization.neighbors import AFTER, BEFORE, HELD
from vsanime.colorization.smoothing import DOUBTS, Smoother, agreeing, doubts_of, with_doubts
from vsanime.motion.flow import small_flow
from vsanime.motion.smooth import Neighbor, smooth_colors
from vsanime.pipeline.once import Once

WIDTH, HEIGHT = 40, 24


def frame_of(value: int, **props: Any) -> vs.VideoFrame:
    """An RGB frame of one shade."""
    plane = np.full((HEIGHT, WIDTH), value, np.uint8)
    frame = clip_of([[plane, plane + 1, plane + 2]], format_of("RGB24")).get_frame(0).copy()
    for name, given in props.items():
        frame.props[name] = given
    return frame


def line_of(column: int, **props: int) -> vs.VideoFrame:
    line = np.full((HEIGHT, WIDTH), 255, np.uint8)
    line[:, column : column + 2] = 0
    frame = clip_of([[line]], format_of("GRAY8")).get_frame(0).copy()
    for name, given in props.items():
        frame.props[name] = given
    return frame


def array(frame: vs.VideoFrame) -> Any:
    return np.stack([np.asarray(frame[plane]) for plane in range(frame.format.num_planes)], axis=-1)


@pytest.mark.parametrize("shape", [(HEIGHT, WIDTH), (HEIGHT // 2, WIDTH // 2)])
def test_doubts_travel_with_a_frame(shape: tuple[int, int]) -> None:
    frame = frame_of(9)
    assert not doubts_of(frame).any()
    assert doubts_of(frame).shape == (HEIGHT, WIDTH)
    with_doubts(frame, np.zeros(shape, np.uint8))
    assert DOUBTS not in frame.props
    doubts = np.zeros(shape, np.uint8)
    doubts[:, shape[1] // 2 :] = 200
    doubts[-1] = 7
    with_doubts(frame, doubts)
    found = doubts_of(frame)
    assert found.shape == (HEIGHT, WIDTH)
    assert (found[:-4, -8:] == 200).all()
    assert (found[:-4, :8] == 0).all()
    assert (found[-1] == 7).all()
    if shape == found.shape:
        np.testing.assert_array_equal(found, doubts)


def shown(value: int, doubted: int = 0) -> vs.VideoFrame:
    frame = frame_of(value)
    with_doubts(frame, np.full((HEIGHT, WIDTH), doubted, np.uint8))
    return frame


@pytest.mark.parametrize(("before", "after"), [(0, 0), (1, 0), (0, 2), (3, 1)])
@pytest.mark.parametrize("doubted", [0, 90])
def test_doubtful_frames_are_averaged_with_the_drawings_there_are(before: int, after: int, doubted: int) -> None:
    flows: Once[tuple[int, int], Any] = Once(8)
    work = Smoother(format_of("RGB24"), flows)
    told = line_of(0, **{BEFORE: before, AFTER: after, HELD: 2})
    lines, sides = line_of(10), [line_of(11), line_of(9)]
    colors = [shown(60, 5), shown(120, 30)]
    frames = [shown(90, doubted), told, lines, *sides, *colors]
    result = frame_of(0)
    work.steadied(7, frames, result)
    if not doubted or not (before or after):
        np.testing.assert_array_equal(array(result), array(frames[0]))
        assert work.kept() == 0
        return
    line = array(lines)[..., 0]
    around = [
        Neighbor(array(side)[..., 0], array(color), doubts_of(color), small_flow(line, array(side)[..., 0]))
        for side, color, by in zip(sides, colors, (before, after), strict=True)
        if by
    ]
    expected = smooth_colors(line, array(frames[0]), doubts_of(frames[0]), around)
    np.testing.assert_array_equal(array(result), np.rint(expected).astype(np.uint8))
    asked = [place for place, by in (((5, -1), before), ((5, 1), after)) if by]
    assert list(flows._values) == asked  # by the first frame that holds the drawing
    assert work.kept() == 1 + len(asked)
    again = frame_of(0)
    work.steadied(6, [shown(1, 9), line_of(0, **{BEFORE: 1, AFTER: 1, HELD: 1}), *frames[2:]], again)
    np.testing.assert_array_equal(array(again), array(result))  # of the same drawing
    work.close()
    assert work.kept() == len(asked)


@pytest.mark.parametrize(("frames", "lanes"), [(1, 1), (2, 2), (9, 3)])
def test_frames_agree_in_two_rounds(monkeypatch: pytest.MonkeyPatch, frames: int, lanes: int) -> None:
    """The second sees what the first one made; both share the motion, of as many frames as lanes are at."""
    rounds: list[Any] = []

    class Beside:
        """Says what it was asked for."""

        told = "told"

        def __init__(self, _lines: Any, starts: Any) -> None:
            assert starts == [0]

        def before(self, clip: Any) -> Any:
            return "before", clip

        def after(self, clip: Any) -> Any:
            return "after", clip

    made = [noise_clip("RGB24", 8, 6, frames) for _ in range(2)]

    def noted(name: str, clips: Any, works: Any, output: Any) -> Any:
        rounds.append((name, clips, works, output))
        return made[len(rounds) - 1]

    monkeypatch.setattr(module, "Drawings", Beside)
    monkeypatch.setattr(module, "run_frames", noted)
    monkeypatch.setattr(module, "count_lanes", lambda wanted, threads: 3 if wanted is None and threads else 0)
    clip, lines = noise_clip("RGB24", 8, 6, frames), noise_clip("GRAY8", 8, 6, frames)
    assert agreeing("test", clip, lines, [0]) is made[1]
    assert len(rounds) == 2
    for (name, clips, works, output), source in zip(rounds, (clip, made[0]), strict=True):
        assert name == "test"
        assert clips == [
            source,
            "told",
            lines,
            ("before", lines),
            ("after", lines),
            ("before", source),
            ("after", source),
        ]
        assert len(works) == lanes
        assert (output[0].id, output[1], output[2]) == (vs.RGB24, 8, 6)
    flows = [works[0].__self__._flows for _, _, works, _ in rounds]
    assert flows[0] is flows[1]
    assert flows[0]._limit == 2 * (lanes + 3)
    assert rounds[0][2][0].__self__._made._limit == 8
