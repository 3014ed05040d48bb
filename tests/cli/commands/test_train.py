"""`vsanime train` without torch: recipes are named and shown, and what is missing is told."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.training.helpers import TINY, command, environment
from vsanime.cli import main
from vsanime.training.recipes import reader as recipe


def test_recipes_are_named(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["train", "--list"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[0] for line in lines] == recipe.names()


def test_a_recipe_is_shown_and_works_as_ones_own(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["train", "C4F32_VA", "--show"]) == 0
    text = capsys.readouterr().out
    assert "# the cosine ends at half a percent" in text  # comments and all
    (tmp_path / "mine.toml").write_text(text, encoding="utf-8")
    assert recipe.load(str(tmp_path / "mine.toml")) == recipe.load("C4F32_VA")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "no recipe was given; `vsanime train --list`"),
        (["C4F31_VA"], "no recipe is called 'C4F31_VA'; did you mean C4F32_VA, "),
        (["gone.toml"], "the recipe gone.toml cannot be read"),
    ],
)
def test_wrong_recipe_is_one_line(arguments: list[str], message: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["train", *arguments]) == 1
    captured = capsys.readouterr()
    assert message in captured.err
    assert len(captured.err.splitlines()) == 1
    assert captured.out == ""


def test_without_torch_the_extra_is_named(tmp_path: Path) -> None:
    """An interpreter that finds no torch; reading recipes needs none."""
    hide = (
        "import sys, importlib.abc\n"
        "class Hide(importlib.abc.MetaPathFinder):\n"
        "    def find_spec(self, name, path=None, target=None):\n"
        "        if name.partition('.')[0] == 'torch': raise ModuleNotFoundError(name)\n"
        "import importlib.util as u; found = u.find_spec\n"
        "u.find_spec = lambda name, *a: None if name == 'torch' else found(name, *a)\n"
        "sys.meta_path.insert(0, Hide())\n"
        "from vsanime.cli import main; sys.exit(main(sys.argv[1:]))\n"
    )
    arguments = command(tmp_path, tmp_path / "run", TINY)[3:]
    for line, code, said in ((arguments, 1, '`pip install "vsanime[train]"`'), (["train", "--list"], 0, "")):
        done = subprocess.run(
            [sys.executable, "-c", hide, *line], capture_output=True, text=True, check=False, env=environment()
        )
        assert done.returncode == code
        assert said in done.stderr
    assert "C4F32_VA" in done.stdout


def test_without_onnxruntime_nothing_is_trained(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """It checks what a run exports; after days would be late to miss it."""
    monkeypatch.setattr("vsanime.optional.find_spec", lambda name: None if name == "onnxruntime" else object())
    assert main(command(tmp_path, tmp_path / "run", TINY)[3:]) == 1
    message = capsys.readouterr().err
    assert message.startswith("vsanime: training needs onnxruntime, ")
    assert '`pip install "vsanime[train]"`' in message


def test_the_command_line_loads_no_torch_before_it_trains() -> None:
    script = "import sys; from vsanime.cli import _parser; _parser([]).format_help(); assert 'torch' not in sys.modules"
    subprocess.run([sys.executable, "-c", script], check=True, env={**os.environ, **environment()})
