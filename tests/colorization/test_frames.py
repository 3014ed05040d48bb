"""What lanes that color frames share, and which networks and how many lanes there are."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import vapoursynth as vs

from tests.support.clips import clip_of, format_of
from vsanime.colorization import frames as module
from vsanime.colorization.frames import Coloring, Engines, Shared, Work, is_flow
from vsanime.colorization.keys import Window
from vsanime.errors import VsanimeError
from vsanime.spec import ChromaLocation, Family, FrameSpec, PlaneFormat, Range, SampleType

SPEC = FrameSpec(PlaneFormat(Family.GRAY, SampleType.INTEGER, 8), 64, 48, Range.FULL, 1, ChromaLocation.LEFT)


@pytest.mark.parametrize(
    ("model", "flow"), [("flow", True), ("Flow", True), ("flows", False), (Path("flow"), False), ("Line_VA", False)]
)
def test_motion_alone_has_a_name(model: Any, flow: bool) -> None:
    assert is_flow(model) == flow
    if flow:
        assert module._color_model(model) is None


@pytest.mark.parametrize(
    ("size", "streams", "bare", "lanes"),
    [
        ((1280, 720), None, False, 9),
        ((1281, 720), None, False, 1),
        ((720, 1281), None, False, 1),
        ((1281, 720), 3, False, 9),
        ((1281, 720), "none", False, 9),
        ((1281, 720), None, True, min(max(vs.core.num_threads - 1, 1), 4)),
    ],
)
def test_large_networks_run_in_one_lane_unless_several_are_asked_for(
    size: tuple[int, int], streams: Any, bare: bool, lanes: int
) -> None:
    backend: Any = SimpleNamespace(lanes_for=lambda threads: 9 if threads == vs.core.num_threads else 0)
    if streams != "none":
        backend.num_streams = streams
    assert module._lanes(backend, size, bare=bare) == lanes


def test_temporal_networks_are_taken_where_there_are_any(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[Any] = []
    monkeypatch.setattr(module, "_load", lambda *arguments: asked.append(arguments) or "loaded")
    kinds = {
        "other": "colorize",
        "gone": "colorize_temporal",
        "there": "colorize_temporal",
        "more": "colorize_temporal",
    }
    monkeypatch.setattr(module, "variants", lambda: {name: SimpleNamespace(task=task) for name, task in kinds.items()})
    monkeypatch.setattr(module, "available", lambda name: name != "gone")
    assert module._temporal_model(False) is None
    assert asked == []
    assert module._temporal_model(True) == module._temporal_model("mine") == "loaded"
    assert [arguments[:3] for arguments in asked] == [
        ("temporal", name, "colorize_temporal") for name in ("there", "mine")
    ]
    monkeypatch.setattr(module, "available", lambda _: False)
    with pytest.raises(VsanimeError, match=r"^temporal=True: no temporal network comes with the package; leave it out"):
        module._temporal_model(True)


def test_networks_for_another_task_are_refused_by_name() -> None:
    message = r"^model='C4F16_VA' is for another task \(.+\); one that colours line art, or 'flow', is needed \(see"
    with pytest.raises(VsanimeError, match=message):
        module._color_model("C4F16_VA")
    with pytest.raises(VsanimeError, match=r"^model='nobody': "):
        module._color_model("nobody")


class Closing:
    """An engine."""

    def __init__(self) -> None:
        self.closed = 0

    def close(self) -> None:
        self.closed += 1


@pytest.mark.parametrize("which", [(), (0,), (1,), (0, 1)])
def test_engines_there_are_get_closed(which: tuple[int, ...]) -> None:
    both: list[Any] = [Closing() if number in which else None for number in range(2)]
    Engines(1, *both).close()
    assert all(engine is None or engine.closed == 1 for engine in both)


def shared(name: str = "RGB24", size: tuple[int, int] = (64, 48), lanes: int = 2, length: int = 10) -> Shared:
    windows = [(None, Window(0, length, 0, cut=False))] if length else [(None, None)]
    work = Work([], [0], [0], windows, format_of(name))
    spec = FrameSpec(SPEC.format, *size, Range.FULL, 1, None)
    colouring = Coloring((32, 24), False, "flow", False, False, False, None)
    return Shared(work, spec, Engines(lanes, None, None), colouring)


@pytest.mark.parametrize(
    ("lanes", "length", "ways"),
    [
        (2, 10, 4 + 2),  # twice the ten frames in hand, in windows of ten
        (2, 0, 4 + 20),
        (2, 1, 4 + 20),
        (2, 7, 4 + 2),
        (2, 20, 4 + 1),
        (2, 21, 4 + 0),
        (4, 8, 4 + 3),
    ],
)
def test_ways_are_kept_for_all_frames_in_hand(lanes: int, length: int, ways: int) -> None:
    made = shared(lanes=lanes, length=length)
    assert (made._ways._limit, made._keys._limit) == (ways, 4)
    assert made.kept() == 0


@pytest.mark.parametrize(
    ("name", "size", "kept"),
    [
        ("RGB24", (64, 48), 64),
        ("RGB24", (2048, 1024), 42),
        ("RGB48", (2048, 1024), 21),
        ("RGBS", (2048, 1024), 10),
        ("RGBS", (8192, 4096), 2),
        ("RGBS", (4096, 2048), 2),
        ("RGB24", (1024, 1366), 63),
        ("RGB24", (1024, 1365), 64),
    ],
)
def test_frames_are_kept_within_a_quarter_of_a_gigabyte(name: str, size: tuple[int, int], kept: int) -> None:
    assert shared(name, size)._results._limit == kept


def stack(count: int, key: int) -> vs.VideoFrame:
    """Lines of a stroke that moves on by a pixel a frame, one drawing above the other."""
    lines = np.full((count, 24, 40), 255, np.uint8)
    for n in range(count):
        lines[n, 4:20, 10 + n : 12 + n] = 0
    assert 0 <= key < count
    return clip_of([[lines.reshape(-1, 40)]], format_of("GRAY8")).get_frame(0)


def test_ways_lead_from_a_frame_to_the_windows_key() -> None:
    """Frames 5 to 8 of the clip, of which 8 is the key; the whole way is kept."""
    made = shared()
    window = Window(5, 9, 8, cut=False)
    assert made._led(6, None, stack(4, 3)) is None
    ends = [made._led(number, window, stack(4, 3)) for number in (8, 7, 5)]
    assert made.kept() == 1
    lengths = []
    for led in ends:
        assert led is not None
        assert led.flow.shape == (24, 40, 2)
        lengths.append(led.flow[10, 12:14, 0].mean())
    assert lengths[0] == 0
    assert lengths[2] > lengths[1] > 0
    cut = Window(5, 9, 8, cut=True)
    assert made._led(5, cut, stack(4, 3)) is None  # the drawing at the cut end may be held beyond it
    assert made._led(6, cut, stack(4, 3)) is not None
    made.close()
    assert made.kept() == 0


def test_properties_that_a_frame_does_not_have_are_those_of_the_clip() -> None:
    made = shared()
    clip = clip_of([[np.zeros((4, 6), np.uint8)]], format_of("GRAY8"))
    bare = clip.std.RemoveFrameProps(["_Range"])
    assert made._known(bare.get_frame(0))["_Range"] == 1
    assert made._known(clip.std.SetFrameProps(_Range=0).get_frame(0))["_Range"] == 0
