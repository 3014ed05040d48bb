"""The whole bench: its progress ends where it said it would, and what is measured is kept picture by picture."""

from __future__ import annotations

from pathlib import Path

import pytest
import vapoursynth as vs

from tests.support.counter import Counter
from tests.support.drawings import save, video
from vsanime.bench.doubling import methods, run
from vsanime.bench.doubling.methods import Method
from vsanime.bench.doubling.sources import find
from vsanime.errors import VsanimeError


def plan_of(folder: Path, doublers: list[Method], truth: Path | None = None) -> run.Plan:
    places, skipped = find([folder], 1, None)
    return run.Plan(
        places=places,
        skipped=skipped,
        kernels=["box", "lanczos3"],
        methods=doublers,
        chroma=methods.chroma_resampling(),
        crops=1,
        truth=truth,
        compressed=None,
        crf=30,
        restoring=doublers,
        every=2,
    )


def test_progress_ends_at_its_total(tmp_path: Path) -> None:
    """Gray pictures have no chroma and unreadable ones nothing at all: those steps are taken back."""
    save(tmp_path / "art" / "colour.png", 40, 40)
    save(tmp_path / "art" / "gray.png", 40, 40, mode="L")
    (tmp_path / "art" / "broken.png").write_bytes(b"no picture")
    truth = video(tmp_path / "truth.mkv", 48, 40, 3)
    counter = Counter()
    run.run(plan_of(tmp_path / "art", methods.resampling(), truth), tmp_path / "out", counter)
    # Three methods on two pictures and on two frames, three for the chroma of one, and three frames that are coded.
    assert counter.done == counter.total == 3 * 2 + 3 * 2 + 3 + 3


def test_what_was_measured_before_an_error_is_kept(tmp_path: Path) -> None:
    for number in (1, 2):
        save(tmp_path / "art" / f"{number}.png", 40, 40, number)
    calls = 0

    def fails_at_the_second(clip: vs.VideoNode) -> vs.VideoNode:
        nonlocal calls
        calls += 1
        return clip if calls > 1 else methods.resampling()[0].run(clip)

    plan = plan_of(tmp_path / "art", [Method("mine", "luma", fails_at_the_second)])
    with pytest.raises(VsanimeError, match="mine made 20x20 of 20x20; twice the size is needed"):
        run.run(plan, tmp_path / "out", Counter())
    lines = (tmp_path / "out" / "quality.csv").read_text(encoding="utf-8").splitlines()
    assert {line.split(",")[1] for line in lines[1:]} == {"1.png"}
