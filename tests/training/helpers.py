"""Small drawings, small recipes and short runs."""

from __future__ import annotations

import copy
import io
import os
import subprocess
import sys
import tomllib
from collections.abc import Callable, Mapping
from contextlib import redirect_stderr, redirect_stdout
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from unittest import mock

import numpy as np
import pytest
from PIL import Image, ImageDraw

from vsanime.arrays import Bytes
from vsanime.training.data.entries import Picture
from vsanime.training.data.pictures import Library, find_sources, survey
from vsanime.training.recipes.pairs import Recipe
from vsanime.training.recipes.reader import from_table

TINY = tomllib.loads("""
name = "tiny"
[network]
architecture = "artcnn"
variant = "C2F8"
[data]
planes = "luma"
patch = 32
crops = 2
flat = 0.2
shrink_share = 0.3
shrink_most = 2.0
invert = 0.1
held_out = 0.2
cache = 16
[[sources]]
path = "drawings"
[degradation]
kernels = { box = 0.5, catmull_rom = 0.5 }
[training]
steps = 30
batch = 4
rate = 3e-3
warm_up = 3
ema = 0.9
workers = 0
validate_every = 10
checkpoint_every = 5
[validation]
kernels = ["box", "lanczos3"]
patches = 3
patch = 32
""")


def changed(table: Mapping[str, Any], **values: Any) -> dict[str, Any]:
    """A copy of a table with values at paths such as `training__steps`."""
    copied = copy.deepcopy(dict(table))
    for path, value in values.items():
        *sections, key = path.split("__")
        inner = copied
        for section in sections:
            inner = inner.setdefault(section, {})
        inner[key] = value
    return copied


def recipe(**values: Any) -> Recipe:
    return from_table(changed(TINY, **values))


def toml(table: Mapping[str, Any]) -> str:
    """A table as TOML; only what recipes hold."""
    plain = {key: value for key, value in table.items() if not isinstance(value, dict) and key != "sources"}
    lines = [f"{key} = {_literal(value)}" for key, value in plain.items()]
    for section in (key for key, value in table.items() if isinstance(value, dict)):
        lines += [f"[{section}]", *(f"{key} = {_literal(value)}" for key, value in table[section].items())]
    for source in table["sources"]:
        lines += ["[[sources]]", *(f"{key} = {_literal(value)}" for key, value in source.items())]
    return "\n".join(lines)


def _literal(value: Any) -> str:
    if isinstance(value, dict):
        return "{ " + ", ".join(f'"{key}" = {_literal(item)}' for key, item in value.items()) + " }"
    if isinstance(value, list | tuple):
        return "[" + ", ".join(map(_literal, value)) + "]"
    return str(value).lower() if isinstance(value, bool) else repr(value)


def draw(path: Path, seed: int, size: tuple[int, int] = (144, 128), mode: str = "RGB") -> None:
    """Filled shapes with outlines; in mode RGBA on nothing."""
    rng = np.random.default_rng(seed)
    width, height = size
    picture = Image.new(mode, size, (*rng.integers(0, 256, 3).tolist(), *([0] if mode == "RGBA" else [])))
    pen = ImageDraw.Draw(picture)
    for _ in range(24):
        x, y = int(rng.integers(-20, width)), int(rng.integers(-20, height))
        corner = (x + int(rng.integers(8, 60)), y + int(rng.integers(8, 60)))
        shape = pen.ellipse if rng.random() < 0.5 else pen.rectangle
        shape((x, y, *corner), fill=tuple(rng.integers(0, 256, 3).tolist()), outline="black", width=2)
    path.parent.mkdir(parents=True, exist_ok=True)
    picture.save(path)


def film(path: Path, frames: int, seed: int = 1, size: tuple[int, int] = (64, 48)) -> None:
    """A video of one drawing after another, lossless."""
    imageio_ffmpeg = pytest.importorskip("imageio_ffmpeg")
    pytest.importorskip("vapoursynth")
    path.parent.mkdir(parents=True, exist_ok=True)
    rng = np.random.default_rng(seed)
    writer = imageio_ffmpeg.write_frames(str(path), size, fps=24, codec="ffv1", macro_block_size=1)
    writer.send(None)
    for _ in range(frames):
        writer.send(rng.integers(0, 256, (size[1], size[0], 3), np.uint8).tobytes())
    writer.close()


# No two are of one animation by their names.
NAMES = ("owl", "fox", "cat", "elk", "bee", "ant", "cow", "emu", "ram", "sow", "yak", "ape")


def drawings(root: Path) -> Path:
    """A root folder with a source called `drawings`."""
    for i, name in enumerate(NAMES):
        draw(root / "drawings" / f"{name}.png", i, mode="RGBA" if i % 4 == 0 else "RGB")
    return root


def surveyed(root: Path, tiny: Recipe) -> tuple[list[Picture], list[Path]]:
    """The pictures below a root, and the places of the sources."""
    places = find_sources(tiny.sources, [root])
    return survey(places, tiny, lambda _: None)[0], places


def pictures_read(work: Callable[[], object]) -> list[Picture]:
    """Return the pictures that samples are cut from meanwhile, in order."""
    found = []
    read = Library.read

    def note(library: Library, picture: Picture) -> Bytes:
        found.append(picture)
        return read(library, picture)

    with mock.patch.object(Library, "read", note):
        work()
    return found


def names_read(work: Callable[[], object]) -> set[str]:
    """Return the names of the pictures that samples are cut from meanwhile."""
    return {picture.name for picture in pictures_read(work)}


def command(root: Path, out: Path, table: Mapping[str, Any], *options: str) -> list[str]:
    """The command line of a run; writes its recipe beside the root."""
    path = root / "tiny recipe.toml"
    path.write_text(toml(table), encoding="utf-8")
    arguments = [str(path), "--data", str(root), "--out", str(out), "--device", "cpu", "--threads", "1"]
    return [sys.executable, "-m", "vsanime", "train", *arguments, *options]


def environment() -> dict[str, str]:
    return {**os.environ, "PYTHONPATH": str(Path(__file__).parents[2]), "PYTHONUTF8": "1"}


@dataclass(frozen=True)
class Called:
    """What a command line gave.

    Attributes:
        stdout: its text.
        stderr: its text.
    """

    stdout: str
    stderr: str


def call(root: Path, out: Path, table: Mapping[str, Any] = TINY, *options: str, fails: bool = False) -> Called:
    """A run in this process, which saves the seconds that torch takes to load."""
    from vsanime.cli import main

    stdout, stderr = io.StringIO(), io.StringIO()
    with redirect_stdout(stdout), redirect_stderr(stderr):
        code = main(command(root, out, table, *options)[3:])
    assert (code != 0) == fails, stderr.getvalue()
    return Called(stdout.getvalue(), stderr.getvalue())


def run(
    root: Path, out: Path, table: Mapping[str, Any] = TINY, *options: str, fails: bool = False
) -> subprocess.CompletedProcess[str]:
    """A run in a process of its own."""
    line = command(root, out, table, *options)
    done = subprocess.run(
        line, capture_output=True, text=True, encoding="utf-8", check=False, timeout=300, env=environment()
    )
    assert (done.returncode != 0) == fails, done.stderr
    return done
