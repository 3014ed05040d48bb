"""`vsanime bench style` on what a run left: photographs and frames that it held out, and a clip."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("h5py")

from tests.training.style.helpers import call, root  # noqa: E402
from vsanime.cli import main  # noqa: E402

pytestmark = pytest.mark.torch


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return root(tmp_path_factory.mktemp("Fotos"))


@pytest.fixture(scope="module")
def out(folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("Lauf") / "run"
    call(folder, out, steps=1, init_steps=1)
    return out


def clip(path: Path) -> Path:
    """Six frames that move to the right, as a lossless video."""
    import imageio_ffmpeg

    rng = np.random.default_rng(1)
    wide = rng.integers(0, 256, (8, 12, 3), np.uint8).repeat(8, 0).repeat(8, 1)
    writer = imageio_ffmpeg.write_frames(str(path), (64, 64), fps=12, codec="ffv1", macro_block_size=1)
    writer.send(None)
    for i in range(6):
        writer.send(np.ascontiguousarray(wide[:, 2 * i : 2 * i + 64]))
    writer.close()
    return path


def test_it_measures_what_a_run_held_out(
    folder: Path, out: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    line = ["bench", "style", "--model", str(out / "tiny.onnx"), "--run", str(out), "--data", str(folder)]
    line += ["--perceptual", "vgg16.h5", "--size", "64", "--layers", "conv1_2,conv3_3", "--threads", "1"]
    assert main([*line, "--clip", str(clip(tmp_path / "clip.mkv")), "--frames", "3"]) == 0
    said = capsys.readouterr().out.splitlines()
    assert said[0] == "16 pictures of the style, by vgg16 (vgg16.h5)"
    photos = [row for row in said if ".png: conv1_2 " in row]
    assert len(photos) == 2  # a fifth of twelve
    assert all("conv3_3 " in row and "; edges " in row and "; look-up " in row for row in photos)
    assert any(row.startswith("all 2: nearer conv1_2 ") for row in said)
    assert said[-1].startswith("clip.mkv, 3 frames: warp error 0.")


def test_wrong_calls_are_one_line(folder: Path, out: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    model = ["--model", str(out / "tiny.onnx")]
    (tmp_path / "bad.onnx").write_bytes(b"no")
    photos = ["--photos", str(folder / "photos")]
    cases = {
        (*model,): "there is nothing to measure; give --photos and --styles",
        (*model, *photos): "no picture was given with --styles",
        (*model, "--photos", str(tmp_path / "gone")): "gone is not there",
        (*model, *photos, "--size", "8"): "--size 8 --frames 12",
        ("--model", str(tmp_path / "bad.onnx"), *photos, "--styles", str(folder / "photos")): "bad.onnx cannot be run",
        (*model, "--run", str(tmp_path)): "holds no run to go on with",
    }
    for arguments, message in cases.items():
        assert main(["bench", "style", *arguments]) == 1
        said = capsys.readouterr().err
        assert message in said
        assert len(said.splitlines()) == 1
