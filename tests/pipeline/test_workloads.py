"""What filters tell a backend of their work, by which it chooses precision and tiles; and what users are warned of."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
import vapoursynth as vs

import vsanime
from tests.support.clips import noise_clip
from tests.support.sketches import random_sketch
from vsanime.backends.base import Workload
from vsanime.backends.onnxruntime import ONNXRuntime

_seen: list[Workload] = []


class Noting(ONNXRuntime):
    """Keeps what it is told."""

    def precision_for(self, work: Workload) -> str:
        _seen.append(work)
        return super().precision_for(work)


BACKEND = Noting(num_streams=1)
SLIM = "ESPCN_7_SLIM_VA"
# Filter, radius, channels of the widest layer, whether averages stay exact, channels made, bits.
CASES: dict[str, tuple[Callable[[vs.VideoNode], vs.VideoNode], int | None, int, bool, int, int]] = {
    "artcnn": (lambda clip: vsanime.artcnn(clip, "C4F16_VA", backend=BACKEND), 7, 16, True, 1, 10),
    "self-ensemble": (
        lambda clip: vsanime.artcnn(clip, "C4F16_VA", tta=True, depth="single", backend=BACKEND), 7, 16, False, 1, 32
    ),
    "chroma": (lambda clip: vsanime.artcnn_chroma(clip, backend=BACKEND), 7, 32, True, 2, 10),
    "waifu2x": (lambda clip: vsanime.waifu2x(clip, model=SLIM, depth=8, backend=BACKEND), 7, 64, False, 3, 8),
    "tint": (lambda clip: vsanime.waifu2x(clip, model=SLIM, tint="correct", backend=BACKEND), 7, 64, True, 3, 10),
    "animegan": (lambda clip: vsanime.animegan(clip, backend=BACKEND), None, 512, False, 3, 10),
    "line art": (lambda clip: vsanime.lineart(clip, backend=BACKEND), 3, 2, False, 1, 10),
}  # fmt: skip


def work_of(make: Callable[[vs.VideoNode], vs.VideoNode]) -> Workload:
    _seen.clear()
    make(noise_clip("YUV420P10", 64, 48))
    (work,) = _seen
    return work


@pytest.mark.parametrize("name", CASES)
def test_backends_are_told_what_the_work_is(name: str) -> None:
    make, radius, features, anchored, channels, bits = CASES[name]
    assert work_of(make) == Workload(
        width=64,
        height=48,
        radius=radius,
        features=features,
        anchored=anchored,
        out_channels=channels,
        output_bits=bits,
        output_float=bits == 32,
    )


def test_sketches_are_wide_and_see_the_whole_frame(tmp_path: Path) -> None:
    path = tmp_path / "sketchkeras.onnx"
    path.write_bytes(random_sketch().SerializeToString())
    work = work_of(lambda clip: vsanime.lineart(clip, str(path), backend=BACKEND))
    assert (work.radius, work.features, work.anchored, work.out_channels) == (None, 1024, False, 1)


@pytest.mark.parametrize(
    ("lanes", "threads", "advice"),
    [
        (2, 2, "set `vs.core.num_threads=3` or `num_streams=1`"),
        (4, 3, "set `vs.core.num_threads=5` or `num_streams=2`"),
        (2, 3, None),
        (1, 1, None),
    ],
)
def test_users_are_warned_of_as_many_lanes_as_threads(
    caplog: pytest.LogCaptureFixture, lanes: int, threads: int, advice: str | None
) -> None:
    core = vs.core.core
    before = core.num_threads
    try:
        core.num_threads = threads
        vsanime.artcnn(noise_clip("GRAY8", 32, 24, frames=9), "C4F16_VA", backend=ONNXRuntime(num_streams=lanes))
    finally:
        core.num_threads = before
    warned = [message for message in caplog.messages if "can keep every thread busy" in message]
    assert len(warned) == (advice is not None)
    assert all(f"artcnn: {lanes} lanes on core.num_threads={threads}" in message for message in warned)
    assert all(message.endswith(str(advice)) for message in warned)
