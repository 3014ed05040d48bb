"""Records what the command line prints, writes and returns where that does not depend on the clock."""

from __future__ import annotations

import re
from functools import partial

import numpy as np

from .facts import Facts
from .graphs import read_cards
from .networks import call

_WORDS = ("", "bench", "build", "cache", "export", "import", "info", "models", "prepare", "process", "train", "upscale")
_SUBCOMMANDS = ("bench quality", "bench colorize", "models list", "models show", "models fetch", "prepare animegan")
_LINES = (
    *(["models", "list"], ["models", "show", "C4F16_VA"], ["models", "show", "nothing"], ["models"], ["nothing"]),
    *(["train", "--list"], ["train", "nothing"], ["train"], ["process"], ["upscale", "missing.png", "out.png"]),
    *(["export", "nothing", "--format", "mpv"], ["cache", "list"], ["build", "nothing"], ["--version"]),
)


def collect(facts: Facts) -> None:
    """Record help, lists, refusals, and processed pictures."""
    lines = [[*word.split(), "--help"] for word in (*_WORDS, *_SUBCOMMANDS)] + [list(line) for line in _LINES]
    kinds = {(task, scale, "_noise" in name): name for name, task, scale in read_cards(facts.tree)}
    lines += [["models", "show", name] for name in kinds.values()]
    done = call(facts, "train", "--list")
    lines += [["train", name, "--show"] for name in re.findall(r"^(\w+)", done.stdout, re.MULTILINE)]
    for line in {tuple(line): None for line in lines}:
        facts.attempt(" ".join(line), partial(_print, facts, line))
    facts.attempt("process a picture", partial(_process, facts))


def _print(facts: Facts, line: tuple[str, ...], name: str) -> None:
    done = call(facts, *line)
    facts.add(f"{name}: exit code", done.returncode)
    facts.add(f"{name}: stdout", done.stdout)
    facts.add(f"{name}: stderr", done.stderr)


def _process(facts: Facts, name: str) -> None:
    from PIL import Image

    rng = np.random.default_rng(3)
    picture = rng.integers(0, 256, (12, 16, 3), np.uint8).repeat(3, 0).repeat(3, 1)
    Image.fromarray(picture).save(facts.work / "small.png")
    for filter_, option in (
        ("artcnn", "model=C4F16_VA"),
        ("waifu2x", "model=ESPCN_7_SLIM_VA"),
        ("animegan", "strength=0.5"),
        ("lineart", "sigma=1"),
    ):
        output = facts.work / f"{filter_}.png"
        line = ["process", str(facts.work / "small.png"), str(output), "--filter", filter_, "--set", option]
        done = call(facts, *line, "--precision", "f32")
        facts.add(f"{name}, {filter_}: exit code", done.returncode)
        if output.exists():
            facts.add_bytes(f"{name}, {filter_}: file", output.read_bytes())
        else:
            facts.add(f"{name}, {filter_}: messages", done.stderr)
