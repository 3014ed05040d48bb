"""`vsanime prepare colorization`: cuts found, held frames dropped, folders paired by name."""

from __future__ import annotations

import json
from pathlib import Path

import cv2
import numpy as np
import pytest
import vapoursynth as vs
from PIL import Image

import vsanime
from tests.training.colorization.helpers import write_video
from vsanime.cli import main
from vsanime.errors import VsanimeError
from vsanime.motion.distance import field
from vsanime.training.colorization.prepare import Cutting, Source, draw, prepare
from vsanime.training.data.shots import find_shots


def scene(
    paper: tuple[int, int, int], ink: tuple[int, int, int], frames: int, hold: int = 1, scale: int = 1
) -> np.ndarray:
    """A disc with an outline that moves: frames, 64, 96, 3, times the scale."""
    made = np.empty((frames, 64 * scale, 96 * scale, 3), np.uint8)
    for number in range(frames):
        made[number] = paper
        centre = ((24 + 6 * (number // hold)) * scale, 32 * scale)
        cv2.circle(made[number], centre, 16 * scale, ink, -1)
        cv2.circle(made[number], centre, 16 * scale, (10, 10, 10), 2)
    return made


def numbers(folder: Path) -> list[int]:
    return [int(path.stem) for path in sorted(folder.iterdir())]


def test_a_cut_is_found_and_folders_are_paired_by_name(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    red, yellow = ((230, 220, 200), (200, 30, 30)), ((40, 60, 90), (220, 220, 40))
    frames = np.concatenate([scene(*red, 11, scale=5), scene(*yellow, 5, scale=5)])
    video = write_video(tmp_path / "Die Aufnahmen", frames)
    out = tmp_path / "shots für später"
    assert main(["prepare", "colorization", str(video), "--out", str(out), "--size", "0"]) == 0
    assert sorted(p.name for p in out.iterdir()) == ["shot-0001", "shot-0002"]
    for kind in ("line", "distance", "colour"):
        assert numbers(out / "shot-0001" / kind) == list(range(1, 12))  # 10.png came after 9.png
        assert numbers(out / "shot-0002" / kind) == list(range(1, 6))
    assert json.loads((out / "shot-0002" / "shot.json").read_text("utf-8")) == {
        "source": "Die Aufnahmen",
        "first_frame": 11,
    }
    said = capsys.readouterr().out
    assert "2 shots, 16 frames in" in said
    first = find_shots([out])[0]
    line, colours = first.frame(3)
    assert np.array_equal(colours, frames[3])
    assert np.abs(first.distance(3) / 255 - field(line)).max() <= 0.5 / 255 + 1e-6
    # The outline is ink, both surfaces are paper.
    ys, xs = np.mgrid[:320, :480]
    ring = abs(np.hypot(xs - 5 * (24 + 18), ys - 160) - 80) < 4
    assert (line[ring] < 128).sum() > 100
    assert (line[~ring] == 255).all()


def test_held_frames_are_dropped_and_numbers_tell(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    video = write_video(tmp_path / "in", scene((230, 220, 200), (200, 30, 30), 10, hold=2))
    assert main(["prepare", "colorization", str(video), "--out", str(tmp_path / "out")]) == 0
    assert numbers(tmp_path / "out" / "shot-0001" / "line") == [1, 3, 5, 7, 9]
    assert "5 held frames" in capsys.readouterr().out


def test_held_frames_are_told_under_grain(tmp_path: Path) -> None:
    frames = scene((220, 210, 200), (200, 30, 30), 10, hold=2).astype(np.float32)
    grain = np.random.default_rng(0).normal(0, 4, frames.shape)
    noisy = np.clip(frames + grain, 0, 255).astype(np.uint8)
    prepared = prepare([Source(write_video(tmp_path / "in", noisy))], tmp_path / "out", Cutting())
    assert (prepared.frames, prepared.held) == (5, 5)


def test_a_pan_over_a_busy_picture_is_no_cut(tmp_path: Path) -> None:
    wide = np.random.default_rng(0).integers(0, 256, (8, 60, 3)).astype(np.uint8)
    wide = cv2.resize(wide, (480, 64), interpolation=cv2.INTER_NEAREST)
    frames = np.stack([wide[:, 12 * n : 12 * n + 320] for n in range(8)])
    luma_change = np.abs(np.diff(frames.astype(int).mean(-1), axis=0)).mean() / 255
    assert luma_change > 0.1  # as much as a cut
    prepared = prepare([Source(write_video(tmp_path / "in", frames))], tmp_path / "out", Cutting())
    assert (prepared.shots, prepared.frames) == (1, 8)


def test_shots_that_are_too_short_are_left_out(tmp_path: Path) -> None:
    frames = np.concatenate([scene((230, 220, 200), (200, 30, 30), 3), scene((40, 60, 90), (220, 220, 40), 6)])
    prepared = prepare([Source(write_video(tmp_path / "in", frames))], tmp_path / "out", Cutting())
    assert (prepared.shots, prepared.frames, prepared.short) == (1, 6, 1)
    with pytest.raises(VsanimeError, match="no shot has 9 frames"):
        prepare([Source(tmp_path / "in")], tmp_path / "other", Cutting(least=9))


@pytest.mark.parametrize("after", [3, 14])
def test_a_run_that_is_stopped_leaves_whole_shots_alone(tmp_path: Path, after: int) -> None:
    frames = np.concatenate([scene((230, 220, 200), (200, 30, 30), 9), scene((40, 60, 90), (220, 220, 40), 9)])
    source = Source(write_video(tmp_path / "in", frames))
    seen = 0

    def stop() -> None:
        nonlocal seen
        seen += 1
        if seen > after:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        prepare([source], tmp_path / "out", Cutting(), stop)
    shots = sorted(folder.name for folder in (tmp_path / "out").glob("*"))
    assert shots == (["shot-0001"] if after > 9 else [])
    for kind in ("line", "distance", "colour") if shots else ():
        assert numbers(tmp_path / "out" / "shot-0001" / kind) == list(range(1, 10))


def test_lines_are_those_of_the_filter() -> None:
    frame = scene((230, 220, 200), (200, 30, 30), 1, scale=5)[0]
    blank = vs.core.std.BlankClip(format=vs.RGB24, width=480, height=320, length=1)

    def put(n: int, f: vs.VideoFrame) -> vs.VideoFrame:  # noqa: ARG001  # VapourSynth names its arguments
        made = f.copy()
        for plane in range(3):
            np.asarray(made[plane])[:] = frame[..., plane]
        return made

    clip = blank.std.ModifyFrame(blank, put)
    with vsanime.lineart(clip).get_frame(0) as filtered:
        expected = np.asarray(filtered[0]).astype(int)
    got = draw(frame, 0)[0].astype(int)
    # One code of rounding: the filter's graph sums in another order.
    assert np.abs(got - expected).max() <= 1
    assert (expected < 128).sum() > 100


def test_smaller_frames_are_made_smaller_after_their_lines_were_drawn() -> None:
    frame = scene((230, 220, 200), (200, 30, 30), 1, scale=5)[0]
    line, colours = draw(frame, 160)
    assert line.shape == (160, 240)
    assert colours.shape == (160, 240, 3)
    whole, _ = draw(frame, 0)
    assert np.abs(line.astype(int) - whole.reshape(160, 2, 240, 2).mean((1, 3))).max() <= 1
    assert draw(frame, 999)[0].shape == (320, 480)  # nothing is enlarged


def test_what_is_in_the_way_or_wrong_is_told(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    video = write_video(tmp_path / "in", scene((230, 220, 200), (200, 30, 30), 6))
    full = tmp_path / "full"
    full.mkdir()
    (full / "notes.txt").write_text("mine", "utf-8")

    def said(*arguments: str) -> str:
        assert main(["prepare", "colorization", *arguments]) == 1
        return capsys.readouterr().err

    assert "is there and not empty" in said(str(video), "--out", str(full))
    assert "is not there" in said(str(tmp_path / "no.mkv"), "--out", str(tmp_path / "o"))
    assert "is no video that is known" in said(str(full / "notes.txt"), "--out", str(tmp_path / "o"))
    assert "holds no pictures" in said(str(full), "--out", str(tmp_path / "o"))
    assert "--least 2" in said(str(video), "--out", str(tmp_path / "o"), "--least", "2")
    assert "--threshold 1;" in said(str(video), "--out", str(tmp_path / "o"), "--threshold", "1")
    assert "--size 8;" in said(str(video), "--out", str(tmp_path / "o"), "--size", "8")
    Image.new("RGB", (20, 20)).save(video / "7.png")
    assert "frame 6 is 20x20, those before are 96x64" in said(str(video), "--out", str(tmp_path / "o"))


@pytest.mark.parametrize("folder", ["prologue_kid", "clips/prologue_kid/png"])
def test_what_is_for_evaluation_is_not_prepared(folder: str, tmp_path: Path) -> None:
    video = write_video(tmp_path / folder, scene((230, 220, 200), (200, 30, 30), 6))
    with pytest.raises(VsanimeError, match="measured by"):
        Source(video)


def test_pictures_as_the_tool_renders_synfig_s_are_not_prepared(tmp_path: Path) -> None:
    video = write_video(tmp_path / "eye", scene((230, 220, 200), (200, 30, 30), 6))
    Source(video)
    (video / "3.png").rename(video / "synfig_eye.0060.png")
    with pytest.raises(VsanimeError, match=r"synfig_eye.0060.png is what colorization is measured by"):
        Source(video)


def test_a_folder_has_its_name_wherever_one_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(write_video(tmp_path / "film", scene((230, 220, 200), (200, 30, 30), 6)))
    prepare([Source(Path())], tmp_path / "out", Cutting())
    assert json.loads((tmp_path / "out" / "shot-0001" / "shot.json").read_text("utf-8"))["source"] == "film"


def test_digits_that_are_no_numbers_are_parts_of_names(tmp_path: Path) -> None:
    video = write_video(tmp_path / "film", scene((230, 220, 200), (200, 30, 30), 6))
    (video / "1.png").rename(video / "1²0.png")
    assert Source(video).frames == 6


@pytest.mark.media
def test_a_lossless_run_cycle_on_twos_is_one_shot(media: Path, tmp_path: Path) -> None:
    (video,) = (media / "sequences").glob("pepper_run_pan_*.mkv")
    prepared = prepare([Source(video)], tmp_path / "out", Cutting(size=72))
    assert prepared.shots == 1  # for all its fast pan
    assert prepared.frames + prepared.held == 48
