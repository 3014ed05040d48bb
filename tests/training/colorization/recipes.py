"""A run of line colorization small enough for a test: made-up scenes, a slim network, random features."""

from __future__ import annotations

import io
import tomllib
from contextlib import redirect_stderr, redirect_stdout
from pathlib import Path
from typing import Any

from tests.training.helpers import Called, changed
from vsanime.training.recipes.colorization import ColorRecipe
from vsanime.training.recipes.reader import from_table

RECIPE = """
name = "tiny"
[network]
architecture = "colour"
width = 8
residual = false
colours = ""
start = ""
[data]
size = [64, 48]
span = 8
[losses]
style = 10
normalisation = "measured"
network = "vgg16.h5"
layers = ["conv1_1", "conv2_1"]
style_layers = ["conv1_2"]
[training]
steps = 6
late = 0.5
batch = 2
rate = 1e-3
critic_rate = 1e-4
ema = 0.5
workers = 0
validate_every = 3
sample_every = 3
checkpoint_every = 2
[validation]
samples = 3
shown = 2
"""
TABLE = tomllib.loads(RECIPE)


def recipe(**values: Any) -> ColorRecipe:
    made = from_table(changed(TABLE, **values))
    assert isinstance(made, ColorRecipe)
    return made


def write_recipe(folder: Path, **values: str | float) -> Path:
    """The recipe as a file, keys of it replaced."""
    text = RECIPE
    for key, value in values.items():
        lines = text.splitlines()
        assert any(line.startswith(f"{key} = ") for line in lines), key
        shown = f'"{value}"' if isinstance(value, str) else str(value).lower()
        text = "\n".join(f"{key} = {shown}" if line.startswith(f"{key} = ") else line for line in lines)
    path = folder / "tiny colours.toml"
    path.write_text(text, encoding="utf-8")
    return path


def call(root: Path, out: Path, *options: str, fails: bool = False, **values: str | float) -> Called:
    """A run by the command line, in this process."""
    from vsanime.cli import main

    stdout, stderr = io.StringIO(), io.StringIO()
    line = ["train", str(write_recipe(out.parent, **values)), "--data", str(root), "--out", str(out)]
    with redirect_stdout(stdout), redirect_stderr(stderr):
        code = main([*line, "--device", "cpu", "--threads", "1", *options])
    assert (code != 0) == fails, stderr.getvalue()
    return Called(stdout.getvalue(), stderr.getvalue())
