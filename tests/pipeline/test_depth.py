"""The frame path is short: few Python functions of ours stand between VapourSynth's callback and the engine."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import pytest
import vapoursynth as vs

import vsanime
from tests.support.clips import noise_clip
from tests.support.lineanimation import animation, colour_clip, line_clip
from vsanime.backends.openvino import OpenVINOLane

PACKAGE = str(Path(vsanime.__file__).parent)


@pytest.fixture
def depths(monkeypatch: pytest.MonkeyPatch) -> list[list[str]]:
    """For every run of a lane the functions of ours that led there, the callback first."""
    found: list[list[str]] = []
    run = OpenVINOLane.run

    def noted(lane: OpenVINOLane, inputs: Sequence[np.ndarray], outputs: Sequence[np.ndarray]) -> None:
        frame, names = sys._getframe(1), []
        while frame is not None:
            if frame.f_code.co_filename.startswith(PACKAGE):
                names.append(frame.f_code.co_qualname)
            frame = frame.f_back
        found.append(names[::-1])
        run(lane, inputs, outputs)

    monkeypatch.setattr(OpenVINOLane, "run", noted)
    return found


def doubled() -> vs.VideoNode:
    return vsanime.artcnn(noise_clip("YUV420P8", 64, 48, 2))


def doubled_in_tiles() -> vs.VideoNode:
    return vsanime.artcnn(noise_clip("YUV420P10", 64, 48, 2), tilesize=32)


def colored() -> vs.VideoNode:
    lines, pictures = animation((0, 1, 2))
    return vsanime.colorize(line_clip(lines), colour_clip([pictures[0], pictures[2]]), keys=[0, 2])


@pytest.mark.parametrize(("make", "most"), [(doubled, 4), (doubled_in_tiles, 4), (colored, 10)])
def test_few_functions_lead_to_the_engine(make: Callable[[], vs.VideoNode], most: int, depths: list[list[str]]) -> None:
    make().get_frame(1)
    assert depths
    assert all("render" in names[0] for names in depths), depths
    longest = max(depths, key=len)
    assert len(longest) <= most, longest
