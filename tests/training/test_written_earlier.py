"""Runs that an earlier commit began, and recipes that were written for it, go on in this one."""

from __future__ import annotations

import csv
import json
import shutil
import tomllib
from pathlib import Path

import onnx
import pytest

from tests.support.writtenearlier import RECIPES, RUNS, unpack
from tools.guard.probes.training import draw_data
from vsanime.cli import main

torch = pytest.importorskip("torch")
pytest.importorskip("h5py")

from vsanime.models.torchfiles import load  # noqa: E402
from vsanime.training.recipes.reader import from_table, to_table  # noqa: E402
from vsanime.training.run import checkpoint  # noqa: E402

pytestmark = pytest.mark.torch


@pytest.fixture(scope="module")
def work(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder that runs were begun in: their data, what the second stage learns from, and they themselves."""
    folder = tmp_path_factory.mktemp("work")
    draw_data(folder / "data")
    unpack("runs", folder / "runs")
    (folder / "first").mkdir()
    shutil.move(folder / "runs" / "colorization" / "first.onnx", folder / "first" / "tiny.onnx")
    return folder


def train(name: str, *options: str) -> int:
    recipe = RECIPES / f"{name}.toml"
    out = Path("runs") / name
    line = ["train", str(recipe), "--data", "data", "--out", str(out), "--device", "cpu", "--threads", "1"]
    return main([*line, *options])


@pytest.mark.parametrize("name", RUNS)
def test_run_goes_on_to_a_finished_network(
    name: str, work: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(work)
    out = work / "runs" / name
    steps: int = json.loads((out / "recipe.json").read_text(encoding="utf-8"))["training"]["steps"]
    before = checkpoint.newest(out / "checkpoints")
    assert before is not None
    assert before.step == 4
    assert train(name) == 1  # without --resume it would begin anew
    assert "holds a run; give --resume" in capsys.readouterr().err
    assert train(name, "--resume") == 0
    assert "going on after step 4" in capsys.readouterr().err
    after = checkpoint.newest(out / "checkpoints")
    assert after is not None
    assert after.step == steps
    # Of a critic that had not begun by then, the optimizer remembers more now.
    shapes = {key: value.shape for key, value in after.tensors.items()}
    assert {key: shapes.get(key) for key in before.tensors} == {key: v.shape for key, v in before.tensors.items()}
    onnx.checker.check_model(onnx.load(out / "tiny.onnx"), full_check=True)
    averaged = {f"mean.{key}": value for key, value in load(out / "tiny.onnx").state_dict().items()}
    shared = averaged.keys() & after.tensors.keys()  # spectral norms give weights other names while they are trained
    assert 2 * len(shared) > len(averaged)
    assert [key for key in shared if not torch.equal(averaged[key], after.tensors[key])] == []
    with (out / "log.csv").open(encoding="utf-8", newline="") as file:
        assert [int(row["step"]) for row in csv.DictReader(file)][-1] == steps


@pytest.mark.parametrize("name", RUNS)
def test_recipe_means_what_it_meant(name: str, tmp_path: Path) -> None:
    """The folder of its run holds all keys of it, also those that the recipe leaves to their defaults."""
    recipe = from_table(tomllib.loads((RECIPES / f"{name}.toml").read_text(encoding="utf-8")))
    unpack("runs", tmp_path)
    table = json.loads((tmp_path / name / "recipe.json").read_text(encoding="utf-8"))
    assert json.loads(json.dumps(to_table(recipe))) == table
    assert from_table(table) == recipe
