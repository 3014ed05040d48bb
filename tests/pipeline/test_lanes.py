"""Frames that pass through several lanes: which frame goes where, and what comes out on it."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import vapoursynth as vs

from tests.support.clips import clip_of, format_of, noise_clip, planes_of, props_of
from vsanime.errors import VsanimeError
from vsanime.models.store import load
from vsanime.pipeline.lanes import run_frames, run_lanes
from vsanime.pipeline.network import Network, network_for

OUTPUT = (format_of("GRAY16"), 12, 6)


def counted(count: int, step: int) -> vs.VideoNode:
    """A clip whose frames are of one shade, and know their number."""
    clip = clip_of([[np.full((4, 8), n * step, np.uint8)] for n in range(count)], format_of("GRAY8"))

    def number(n: int, f: vs.VideoFrame) -> vs.VideoFrame:
        frame = f.copy()
        frame.props["number"], frame.props["of"] = n, step
        return frame

    return clip.std.ModifyFrame(clip, number)


@pytest.mark.parametrize(("lanes", "frames"), [(1, 1), (1, 4), (2, 2), (2, 7), (3, 7), (5, 5)])
@pytest.mark.parametrize("told", [[], ["mine"]])
def test_each_lane_has_every_nth_frame(lanes: int, frames: int, told: list[str]) -> None:
    """There are no more lanes than frames."""
    seen: list[tuple[int, int]] = []

    def work(lane: int) -> Any:
        def fill(number: int, sources: Any, frame: Any) -> None:
            seen.append((lane, number))
            values = [int(np.asarray(source[0])[0, 0]) for source in sources]
            np.asarray(frame[0])[:] = 1000 * number + sum(values)
            frame.props["mine"] = lane

        return fill

    clips = [counted(frames, 1), counted(frames, 10)]
    made = run_frames("test", clips, [work(lane) for lane in range(lanes)], OUTPUT, told)
    assert (made.num_frames, made.width, made.height, made.format.id) == (frames, 12, 6, vs.GRAY16)
    assert made.fps == clips[0].fps
    for n in range(frames):
        assert (planes_of(made, n)[0] == 1011 * n).all()
        props = props_of(made, n)
        assert (props["number"], props["of"], props.get("mine")) == (n, 1, n % lanes if told else None)
    assert set(seen) == {(n % lanes, n) for n in range(frames)}


def test_chosen_planes_are_handed_over_after_a_look_at_the_frame() -> None:
    clip = noise_clip("YUV420P8", 16, 12, frames=3)
    checked: list[int] = []

    def work(sources: Any, targets: Any) -> None:
        assert [source.shape for source in sources] == [(6, 8), (12, 16)]
        assert [target.shape for target in targets] == [(6, 12)]
        targets[0][:] = sources[0][0, 0]

    def check(number: int, frame: vs.VideoFrame) -> None:
        checked.append(number)
        if number == 2:
            raise VsanimeError(f"frame {number} of {frame.width} pixels does not fit")

    made = run_lanes("test", clip, [work, work], check, OUTPUT, ((1, 0), (0,)))
    for n in (1, 0):
        assert (planes_of(made, n)[0] == planes_of(clip, n)[1][0, 0]).all()
    with pytest.raises(vs.Error, match="test: frame 2 of 16 pixels does not fit"):
        made.get_frame(2)
    assert checked == [1, 0, 2]


@pytest.mark.parametrize(
    ("channels", "scales", "message"),
    [
        ((1, 1), (2,), None),
        ((1, 1), (1, 2), None),
        ((3, 1), (2,), "3 and 1 at 2x are needed: take another"),
        ((1, 3), (2,), "1 and 3 at 2x are needed: take another"),
        ((1, 1), (1, 4), "1 and 1 at 1 or 4x are needed: take another"),
    ],
)
def test_networks_do_what_the_filter_needs(
    channels: tuple[int, int], scales: tuple[int, ...], message: str | None
) -> None:
    if message is None:
        found = network_for("C4F16_VA", "double_luma", channels, scales, "take another")
        assert (found.facts.scale, found.tint, found.steady) == (2, False, False)
        assert (Network(found.model, found.facts).tint, found.model.name) == (False, "C4F16_VA")
        return
    with pytest.raises(VsanimeError, match=f"^net='C4F16_VA' takes 1 and gives 1 channels at 2x; {message}$"):
        network_for("C4F16_VA", "double_luma", channels, scales, "take another", "net")


def test_networks_for_another_task_are_refused_before_they_are_loaded() -> None:
    with pytest.raises(VsanimeError, match=r"^model='C4F16_VA' is for another task \(double_luma\); take another$"):
        network_for("C4F16_VA", "lines", (1, 1), (2,), "take another")
    assert load("C4F16_VA").name == "C4F16_VA"
