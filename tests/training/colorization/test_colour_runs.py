"""Whole runs of line colorization by the command line: what they leave, going on, and both stages."""

from __future__ import annotations

import csv
import shutil
from pathlib import Path

import numpy as np
import onnxruntime
import pytest
from PIL import Image

torch = pytest.importorskip("torch")
pytest.importorskip("h5py")

from tests.training.colorization.recipes import call  # noqa: E402
from tests.training.helpers import Called  # noqa: E402
from tests.training.style.helpers import random_vgg16  # noqa: E402
from vsanime.architectures.colornet.module import ColorNet  # noqa: E402
from vsanime.models.torchfiles import load, save  # noqa: E402
from vsanime.training.run import checkpoint  # noqa: E402

pytestmark = pytest.mark.torch


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("Zeichnungen für alle")
    random_vgg16(folder / "vgg16.h5")
    return folder


@pytest.fixture(scope="module")
def whole_run(root: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Called]:
    """Three steps by the first losses and three by all, without a break."""
    out = tmp_path_factory.mktemp("ein Lauf") / "whole"
    return out, call(root, out)


def tensors(out: Path) -> dict[str, torch.Tensor]:
    found = checkpoint.newest(out / "checkpoints")
    assert found is not None
    return found.tensors


def rows(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def test_a_run_leaves_everything(whole_run: tuple[Path, Called]) -> None:
    out, done = whole_run
    assert done.stdout == f"{out / 'tiny.onnx'}\n"
    log = rows(out / "log.csv")
    assert [row["step"] for row in log] == ["3", "6"]  # the turn from one phase to the other, and the end
    assert log[0]["critic"] == log[0]["perceptual"] == ""
    assert all(float(log[1][name]) for name in ("l1", "latent", "adversarial", "perceptual", "style", "critic"))
    assert [row["step"] for row in rows(out / "validation.csv")] == ["3", "6"]
    with Image.open(out / "samples" / "step-000006.png") as sheet:
        assert sheet.size == (6 * 64, 2 * 48)  # line, two keys, blend, result, truth of two targets
    assert all((out / f"{name}.png").is_file() for name in ("losses", "critic", "psnr", "gain"))
    assert "both keys moved and blended" in done.stderr


def test_the_average_is_what_is_exported(whole_run: tuple[Path, Called]) -> None:
    net, found = load(whole_run[0] / "tiny.onnx").state_dict(), tensors(whole_run[0])
    assert all(torch.equal(value, found[f"mean.{name}"]) for name, value in net.items())


def test_a_run_that_was_stopped_goes_on_to_the_same_weights(
    whole_run: tuple[Path, Called], root: Path, tmp_path: Path
) -> None:
    """Both networks, their optimizers, and where spectral norms stand; the break is inside the second phase."""
    out = tmp_path / "stopped"
    call(root, out)
    shutil.rmtree(out / "checkpoints" / "step-00000006")
    assert "going on after step 4" in call(root, out, "--resume").stderr
    one, other = tensors(whole_run[0]), tensors(out)
    assert one.keys() == other.keys()
    assert [name for name in one if not torch.equal(one[name], other[name])] == []


def test_a_second_stage_refines_what_the_first_gives(
    whole_run: tuple[Path, Called], root: Path, tmp_path: Path
) -> None:
    first = (whole_run[0] / "tiny.onnx").as_posix()
    out = tmp_path / "temporal"
    call(root, out, architecture="colour_temporal", colours=first, residual=True, steps=2, late=0.0)
    session = onnxruntime.InferenceSession(out / "tiny.onnx", providers=["CPUExecutionProvider"])
    frames = {"lines": np.zeros((3, 1, 32, 48), np.float32), "colours": np.zeros((3, 3, 32, 48), np.float32)}
    (found,) = session.run(None, frames)
    assert found.shape == (1, 3, 32, 48)


def test_the_network_of_the_specification_trains_and_is_exported_without_its_norms(root: Path, tmp_path: Path) -> None:
    out = tmp_path / "document"
    call(root, out, architecture="document", steps=2)
    net = load(out / "tiny.onnx")
    assert not [name for name in net.state_dict() if "parametrizations" in name]


def test_a_run_can_begin_with_another_s_weights(whole_run: tuple[Path, Called], root: Path, tmp_path: Path) -> None:
    out = tmp_path / "continued"
    call(root, out, start=(whole_run[0] / "tiny.onnx").as_posix(), steps=1, late=0.0, rate=1e-8, ema=0.0)
    one, other = (load(path / "tiny.onnx").state_dict() for path in (whole_run[0], out))
    assert all(torch.allclose(one[name], other[name], atol=1e-6) for name in one)


def test_weights_of_another_width_are_refused(whole_run: tuple[Path, Called], root: Path, tmp_path: Path) -> None:
    start = (whole_run[0] / "tiny.onnx").as_posix()
    said = call(root, tmp_path / "wide", start=start, width=10, fails=True).stderr
    assert "is 'colour' of width 8; the recipe's network is 'colour' of width 10" in said


def test_drawings_that_came_or_went_stop_a_resumed_run(root: Path, tmp_path: Path) -> None:
    out = tmp_path / "run"
    call(root, out, steps=1, late=0.0)
    (out / "material.json").write_text('{"drawings": ["gone.png"], "shots": [], "held_out": []}', encoding="utf-8")
    assert "began with other drawings: gone.png" in call(root, out, "--resume", steps=1, late=0.0, fails=True).stderr


def test_another_first_stage_stops_a_resumed_run(whole_run: tuple[Path, Called], root: Path, tmp_path: Path) -> None:
    """Its file may have been trained anew in the meantime."""
    first, out = tmp_path / "first.onnx", tmp_path / "run"
    shutil.copy(whole_run[0] / "tiny.onnx", first)
    second = {"architecture": "colour_temporal", "colours": first.as_posix(), "steps": 1, "late": 0.0}
    call(root, out, **second)
    save(ColorNet(8), first)
    assert "began with other networks: first.onnx" in call(root, out, "--resume", fails=True, **second).stderr


def test_other_features_stop_a_resumed_run(root: Path, tmp_path: Path) -> None:
    """`auto` may find another network than before; the losses would be others from there on."""
    out = tmp_path / "run"
    call(root, out, steps=1)
    path = out / "material.json"
    path.write_text(path.read_text("utf-8").replace("vgg16 (vgg16.h5)", "vgg19 (other.pth)"), encoding="utf-8")
    said = call(root, out, "--resume", steps=1, fails=True).stderr
    assert "began with other features: vgg16 (vgg16.h5) and 1 more" in said
