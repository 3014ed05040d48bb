"""Whole runs by the command line: they learn, end anyhow, go on, and end in the same weights."""

from __future__ import annotations

import contextlib
import csv
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime
import pytest

from tests.training.helpers import TINY, call, changed, command, draw, drawings, environment, film, run

torch = pytest.importorskip("torch")

from vsanime.models.torchfiles import load  # noqa: E402
from vsanime.training.run import checkpoint  # noqa: E402

pytestmark = pytest.mark.torch


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return drawings(tmp_path_factory.mktemp("Bilder für alle"))


@pytest.fixture(scope="module")
def whole_run(root: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, subprocess.CompletedProcess[str]]:
    """A run of 30 steps that nothing interrupted."""
    out = tmp_path_factory.mktemp("ein Lauf") / "whole"
    return out, run(root, out)


def weights(out: Path) -> dict[str, torch.Tensor]:
    found = checkpoint.newest(out / "checkpoints")
    assert found is not None
    return found.tensors


def assert_same_weights(one: Path, other: Path) -> None:
    """Bit for bit: same machine, same number of threads."""
    first, second = weights(one), weights(other)
    assert first.keys() == second.keys()
    assert all(torch.equal(first[name], second[name]) for name in first)


def rows(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def test_a_run_learns_and_leaves_everything(whole_run: tuple[Path, subprocess.CompletedProcess[str]]) -> None:
    out, done = whole_run
    assert done.stdout == f"{out / 'tiny.onnx'}\n"  # nothing else: the rest is stderr's
    model = onnx.load(out / "tiny.onnx")
    session = onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    (doubled,) = session.run(None, {"input": np.full((1, 1, 7, 9), 0.5, np.float32)})
    assert doubled.shape == (1, 1, 14, 18)
    log, validation = rows(out / "log.csv"), rows(out / "validation.csv")
    assert [row["step"] for row in log] == ["25", "30"]
    assert [row["step"] for row in validation] == ["10", "20", "30"]
    assert list(validation[0]) == ["step", "box", "lanczos3"]
    # The mean of steps 26 to 30 against that of the first 25, which had learnt something at their end.
    assert float(log[1]["loss"]) < 0.85 * float(log[0]["loss"])
    assert float(validation[2]["box"]) > float(validation[0]["box"]) + 1
    assert all((out / name).read_bytes().startswith(b"\x89PNG") for name in ("loss.png", "psnr.png"))
    # What is exported is the average, not the weights of the last step.
    net, found = load(out / "tiny.onnx").state_dict(), weights(out)
    assert all(torch.equal(value, found[f"mean.{name}"]) for name, value in net.items())
    assert not torch.equal(found["mean.last.weight"], found["net.last.weight"])
    assert list((out / "events").glob("events.out.tfevents.*"))
    assert "held-out pictures, box:" in done.stderr
    assert "bf16 with the linear path exact" in done.stderr
    assert json.loads((out / "recipe.json").read_text(encoding="utf-8"))["training"]["steps"] == 30
    assert len(json.loads((out / "pictures.json").read_text(encoding="utf-8"))["pictures"]) == 12


def test_worker_processes_change_nothing(
    root: Path, tmp_path: Path, whole_run: tuple[Path, subprocess.CompletedProcess[str]]
) -> None:
    run(root, tmp_path / "workers", TINY, "--workers", "2")
    assert_same_weights(tmp_path / "workers", whole_run[0])


def start_and_kill(root: Path, out: Path, table: dict[str, Any], *options: str, after: int) -> None:
    """Kills a run as soon as its checkpoint of a step is there."""
    process = subprocess.Popen(
        command(root, out, table, *options), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, env=environment()
    )
    deadline = time.monotonic() + 120
    while not list((out / "checkpoints").glob(f"step-{after:08d}")):
        assert process.poll() is None, "the run ended before it could be killed"
        assert time.monotonic() < deadline
        time.sleep(0.01)
    process.kill()
    process.wait()


def test_a_killed_run_goes_on_to_the_same_weights(
    root: Path, tmp_path: Path, whole_run: tuple[Path, subprocess.CompletedProcess[str]]
) -> None:
    """Killed twice: once on the way, once after it was resumed."""
    out = tmp_path / "killed"
    start_and_kill(root, out, SLOW, after=5)
    start_and_kill(root, out, SLOW, "--resume", after=15)
    done = run(root, out, SLOW, "--resume")
    assert "going on after step" in done.stderr
    assert_same_weights(out, whole_run[0])
    for name in ("log.csv", "validation.csv"):
        steps = [int(row["step"]) for row in rows(out / name)]
        assert steps == sorted(set(steps))
    assert [int(row["step"]) for row in rows(out / "validation.csv")] == list(range(1, 31))


def test_ctrl_c_writes_a_checkpoint_and_the_run_goes_on(
    root: Path, tmp_path: Path, whole_run: tuple[Path, subprocess.CompletedProcess[str]]
) -> None:
    if sys.platform == "win32":
        pytest.skip("a test cannot send Ctrl-C to one process of a console")
    out = tmp_path / "stopped"
    # No checkpoint of its own accord, so that the one there is must be that of Ctrl-C.
    table = changed(SLOW, training__checkpoint_every=1000)
    process = subprocess.Popen(command(root, out, table), stderr=subprocess.PIPE, text=True, env=environment())
    deadline = time.monotonic() + 120
    while not (out / "validation.csv").exists() or len(rows(out / "validation.csv")) < 2:
        assert time.monotonic() < deadline
        time.sleep(0.01)
    process.send_signal(signal.SIGINT)
    said = process.communicate(timeout=120)[1]
    assert process.returncode == 130
    assert "stopped after step" in said
    found = checkpoint.newest(out / "checkpoints")
    assert found is not None
    assert 2 <= found.step < 30
    run(root, out, table, "--resume")
    assert_same_weights(out, whole_run[0])


def children(pid: int) -> set[int]:
    """Processes that a process has started, on Linux."""
    found: set[int] = set()
    for path in Path(f"/proc/{pid}/task").glob("*/children"):
        with contextlib.suppress(OSError):  # a thread that has just ended
            found |= {int(child) for child in path.read_text().split()}
    return found


@pytest.mark.skipif(not Path("/proc/self/task").exists(), reason="children are found as Linux lists them")
def test_ctrl_c_while_workers_start_is_a_stop_like_any_other(root: Path, tmp_path: Path) -> None:
    """A terminal sends it to the whole group: to workers, too, which have only begun to load Python."""
    out = tmp_path / "early"
    process = subprocess.Popen(
        command(root, out, SLOW, "--workers", "2"),
        stderr=subprocess.PIPE,
        text=True,
        env=environment(),
        start_new_session=True,
    )
    deadline = time.monotonic() + 120
    while not [child for child in children(process.pid) if b"spawn_main" in commandline(child)]:
        assert process.poll() is None
        assert time.monotonic() < deadline
        time.sleep(0.002)
    os.killpg(process.pid, signal.SIGINT)
    said = process.communicate(timeout=120)[1]
    assert process.returncode == 130
    assert "Traceback" not in said
    assert checkpoint.newest(out / "checkpoints") is not None


def commandline(pid: int) -> bytes:
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes()
    except OSError:  # it has just ended
        return b""


@pytest.mark.skipif(not Path("/proc/self/task").exists(), reason="children are found as Linux lists them")
def test_a_worker_that_is_killed_is_one_line(root: Path, tmp_path: Path) -> None:
    out = tmp_path / "run"
    table = changed(SLOW, training__steps=2000)
    process = subprocess.Popen(
        command(root, out, table, "--workers", "1"), stderr=subprocess.PIPE, text=True, env=environment()
    )
    deadline = time.monotonic() + 120
    while not list((out / "checkpoints").glob("step-*")):
        assert process.poll() is None
        assert time.monotonic() < deadline
        time.sleep(0.01)
    (worker,) = [child for child in children(process.pid) if b"spawn_main" in commandline(child)]
    os.kill(worker, signal.SIGKILL)
    said = process.communicate(timeout=120)[1]
    assert process.returncode == 1
    assert "Traceback" not in said
    assert "a process that makes patches was ended" in said.splitlines()[-1]


def test_a_finished_run_may_be_resumed(root: Path, tmp_path: Path) -> None:
    table = changed(TINY, training__steps=4, training__checkpoint_every=2)
    call(root, tmp_path / "run", table)
    (tmp_path / "run" / "tiny.onnx").unlink()
    call(root, tmp_path / "run", table, "--resume")
    assert (tmp_path / "run" / "tiny.onnx").exists()


# The same weights, and slow enough to be stopped in the middle: validation after every step takes longer than learning.
SLOW = changed(TINY, training__validate_every=1, validation__patches=60)
SHORT = changed(TINY, training__steps=3, validation__patches=1)


@pytest.mark.parametrize(
    "changes",
    [
        {"training__mixed": "bf16", "rounding": {"dtype": "bf16", "share": 0.4}, "training__late_batch": 6},
        {"training__late_share": 0.5, "training__late_batch": 6, "training__clip_gradient": 1.0},
        {"network__variant": "R1F8", "training__recompute": True, "rounding": {"dtype": "fp16", "share": 1.0}},
        {"rounding": {"dtype": "int8", "share": 0.5}},
        {"network__variant": "C2F8_Chroma", "data__planes": "chroma", "degradation__sitings": {"left": 1, "center": 1}},
        {
            "network": {"architecture": "espcn_7", "widths": [8] * 6},
            "data__planes": "rgb",
            "training__loss": "weighted_mse",
        },
        {
            **{"network": {"architecture": "upconv_7", "widths": [4, 4, 8, 8, 8, 8]}, "data__planes": "rgb"},
            **{"training__loss": "clipped_huber", "training__optimizer": "adam", "training__schedule": "inverse"},
            **{"validation__degraded": True, "degradation__jpeg": {"share": 1.0, "levels": {"1": 1.0}}},
        },
        {"network": {"architecture": "vgg_7", "widths": [4] * 6}, "data__planes": "rgb"},
        {"network": {"architecture": "drrn", "units": 2, "filters": 8, "low": True}, "data__planes": "rgb"},
        {"degradation__h264": {"share": 0.5, "clips": 2, "frames": 2, "width": 64}, "validation__degraded": True},
    ],
    ids=["bf16", "late batch", "R", "int8", "chroma", "ESPCN", "UpConv", "VGG", "DRRN", "H.264"],
)
def test_every_kind_of_recipe_runs(root: Path, tmp_path: Path, changes: dict[str, Any]) -> None:
    """In this process: the command line's own work is tested above."""
    from vsanime.training.pairs.task import PairsTask
    from vsanime.training.recipes.reader import from_table
    from vsanime.training.run.loop import train
    from vsanime.training.run.task import Order

    order = Order(from_table(changed(SHORT, **changes)), tmp_path / "run", (root,), torch.device("cpu"), False)
    path = train(PairsTask(order), lambda _: None)
    onnx.checker.check_model(onnx.load(path), full_check=True)


# What users get wrong


def test_wrong_calls_are_one_line(root: Path, tmp_path: Path) -> None:
    out = tmp_path / "run"
    call(root, out, SHORT)
    cases = {
        ("--resume", "--steps", "5"): "began with another recipe: training.steps is 5 where it was 3",
        (): "holds a run; give --resume to go on with it, or another --out",
    }
    for options, message in cases.items():
        done = call(root, out, SHORT, *options, fails=True)
        assert message in done.stderr
        assert len(done.stderr.splitlines()) == 1
    wide = changed(SHORT, network__variant="C2F12")
    assert "network.variant is 'C2F12' where it was 'C2F8'" in call(root, out, wide, "--resume", fails=True).stderr


def test_checkpoint_of_another_network_is_refused(root: Path, tmp_path: Path) -> None:
    """The recipe agrees and the checkpoint does not: a folder was mixed up."""
    one, other = tmp_path / "one", tmp_path / "other"
    wide = changed(SHORT, network__variant="C2F12")
    call(root, one, SHORT)
    call(root, other, wide)
    for path in (one / "checkpoints").iterdir():
        path.replace(other / "checkpoints" / "step-00000099")
    said = call(root, other, wide, "--resume", fails=True).stderr
    assert "the checkpoint is of another network: net.first.weight has the shape (8, 1, 3, 3)" in said


def test_a_run_learns_from_a_single_video(tmp_path: Path) -> None:
    """Of which the middle is measured."""
    film(tmp_path / "film.mkv", 120)
    table = changed(SHORT, sources=[{"path": "film.mkv", "every": 6}])
    said = call(tmp_path, tmp_path / "run", table).stderr
    assert "film.mkv: of one film, 4 of 20 pictures in a row are held out for validation" in said
    pictures = json.loads((tmp_path / "run" / "pictures.json").read_text(encoding="utf-8"))["pictures"]
    assert [picture["frame"] for picture in pictures if picture["held_out"]] == [48, 54, 60, 66]
    assert {picture["frame"] for picture in pictures}.isdisjoint({42, 72})
    assert rows(tmp_path / "run" / "validation.csv")
    call(tmp_path, tmp_path / "run", table, "--resume")


def test_a_run_learns_from_pictures_named_by_numbers(tmp_path: Path) -> None:
    for i in range(24):
        draw(tmp_path / "drawings" / f"{i + 1:04d}.png", i, (64, 48))
    call(tmp_path, tmp_path / "run", SHORT)
    pictures = json.loads((tmp_path / "run" / "pictures.json").read_text(encoding="utf-8"))["pictures"]
    assert sum(picture["held_out"] for picture in pictures) == 5


def test_failed_beginning_is_no_run(tmp_path: Path) -> None:
    """Too few pictures; with more of them the same command works."""
    for i, name in enumerate(("owl", "fox")):
        draw(tmp_path / "drawings" / f"{name}.png", i)
    (tmp_path / "drawings" / "bad.png").write_bytes(b"")
    said = call(tmp_path, tmp_path / "run", SHORT, fails=True).stderr
    assert "2 pictures, 1 of them held out; 8 are needed" in said
    drawings(tmp_path)
    said = call(tmp_path, tmp_path / "run", SHORT).stderr
    assert "skipped 1 files that cannot be used" in said
    assert "bad.png" in said


def test_resume_of_nothing_and_unknown_devices(root: Path, tmp_path: Path) -> None:
    assert "holds no run to go on with" in call(root, tmp_path / "none", SHORT, "--resume", fails=True).stderr
    assert "--device warp cannot be used" in call(root, tmp_path / "x", SHORT, "--device", "warp", fails=True).stderr
    assert not (tmp_path / "x").exists()


def test_picture_that_vanishes_in_a_worker_is_one_line(tmp_path: Path) -> None:
    own = drawings(tmp_path / "own")
    out = tmp_path / "run"
    start_and_kill(own, out, SLOW, after=5)
    for path in (own / "drawings").glob("*.png"):
        path.write_bytes(b"gone")
    done = run(own, out, SLOW, "--resume", "--workers", "1", fails=True)
    assert "could be read when the run began and cannot now" in done.stderr
    assert "Traceback" not in done.stderr


def test_loss_that_runs_away_is_told(root: Path, tmp_path: Path) -> None:
    """A rate of 1 moves every weight by 1 a step."""
    table = changed(SHORT, training__rate=1.0, training__warm_up=0, network__variant="R8F8", training__steps=200)
    done = call(root, tmp_path / "run", table, fails=True)
    assert "at step 5, and will not come back; begin a new run with a lower training.rate" in done.stderr
