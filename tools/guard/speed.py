"""Measures frames and steps a second of two trees that take turns, and reports the ratios of their medians."""

from __future__ import annotations

import csv
import os
import shutil
import statistics
import subprocess
import sys
from collections.abc import Callable
from functools import partial
from importlib.util import find_spec
from pathlib import Path

from tools.guard.trees import PROBES, ProbeFailedError, set_environment

_ROUNDS = 7
_ROUND_SECONDS = 1.0
_MOST_FRAMES = 400
_LEAST_RATIO = 0.95

_FIRST_FRAMES = 9
_RECIPES = ("pairs", "style", "colorization")
_STEPS = 60

# By the clock and by CPU time, which other programs on the machine disturb less.
type Rate = tuple[float, float]
type Measure = Callable[[], Rate]


class _Server:
    """A process that measures the filters of one tree on request."""

    def __init__(self, tree: Path, folder: Path) -> None:
        work, home = folder / "work", folder / "home"
        for made in (work, home):
            made.mkdir(parents=True)
        line = [sys.executable, "-m", f"{PROBES}.speed"]
        self._process = subprocess.Popen(
            line,
            cwd=work,
            env=set_environment(tree, folder.parent / "path", home),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        self._read()

    def measure(self, case: str, frames: int) -> tuple[float, float]:
        """Return the seconds, and those of the processor, that some frames of a case take."""
        assert self._process.stdin is not None
        self._process.stdin.write(f"{case} {frames}\n")
        self._process.stdin.flush()
        seconds, busy = map(float, self._read().split())
        return seconds, busy

    def rate(self, case: str, frames: int) -> Rate:
        """Return frames a second, and a second of the processor."""
        seconds, busy = self.measure(case, frames)
        return frames / seconds, frames / busy

    def close(self) -> None:
        """End the process."""
        self._process.kill()
        self._process.wait()

    def _read(self) -> str:
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if not line:
            raise ProbeFailedError(f"a process that measures ended with exit code {self._process.wait()}")
        return line


def compare_speed(base: Path, new: Path, folder: Path) -> int:
    """Measure both trees and print a line for each filter and trainer.

    Returns:
        0, or 1 if the new tree is slower than the base by more than a twentieth somewhere.
    """
    shutil.copytree(Path(__file__).parent / "probes", folder / "path" / PROBES)
    slower = 0
    servers = [_Server(tree, folder / f"filters-{name}") for name, tree in (("base", base), ("new", new))]
    try:
        for case in _list_cases(base, folder):
            # Both measure the same frames: what is computed may differ from one to the next.
            first = [server.measure(case, _FIRST_FRAMES)[0] for server in servers]
            frames = max(1, min(_MOST_FRAMES, round(_FIRST_FRAMES * _ROUND_SECONDS / max(min(first), 1e-4))))
            one, other = (partial(server.rate, case, frames) for server in servers)
            slower += _report(case, "frames", *take_turns(one, other))
    finally:
        for server in servers:
            server.close()
    if find_spec("torch") is None:
        print("trainers: not measured, torch is not installed here")
    else:
        for trainer in _RECIPES:
            trainers = [
                _Trainer(trainer, tree, folder / f"{trainer}-{name}", folder / "path")
                for name, tree in (("base", base), ("new", new))
            ]
            slower += _report(trainer, "steps", *take_turns(trainers[0].rate, trainers[1].rate))
    print(f"{slower} slower by more than 5 %" if slower else "none is slower by more than 5 %")
    return 1 if slower else 0


def take_turns(base: Measure, new: Measure, rounds: int = _ROUNDS) -> tuple[list[Rate], list[Rate]]:
    """Return what two measurements found that took turns, without a first round that does not count.

    Args:
        base: measures the one; it begins every other round.
        new: measures the other.
        rounds: how often each is measured.
    """
    found: tuple[list[Rate], list[Rate]] = ([], [])
    for number in range(-1, rounds):
        for index in (0, 1) if number % 2 else (1, 0):
            rate = (base, new)[index]()
            if number >= 0:
                found[index].append(rate)
    return found


def _report(name: str, unit: str, base: list[Rate], new: list[Rate]) -> bool:
    """Print the medians of two lists of rates and of their ratios; return whether the second is too slow."""
    ratios = [statistics.median(b[i] / a[i] for a, b in zip(base, new, strict=True)) for i in (0, 1)]
    medians = [statistics.median(rate for rate, _ in rates) for rates in (base, new)]
    slower = ratios[0] < _LEAST_RATIO
    print(
        f"{name}: {medians[0]:.2f} and {medians[1]:.2f} {unit}/s, ratio {ratios[0]:.3f}, by CPU time {ratios[1]:.3f}"
        f"{' (slower)' if slower else ''}",
        flush=True,
    )
    return slower


def _list_cases(tree: Path, folder: Path) -> list[str]:
    home = folder / "home"
    home.mkdir()
    line = [sys.executable, "-c", f"from {PROBES}.speed import CASES; print(*CASES, sep='\\n')"]
    environment = set_environment(tree, folder / "path", home)
    done = subprocess.run(line, cwd=home, env=environment, capture_output=True, text=True, check=False)
    if done.returncode:
        raise ProbeFailedError(f"the filters cannot be measured: {done.stderr.strip()}")
    return done.stdout.split("\n")[:-1]


class _Trainer:
    """Runs of one trainer of one tree."""

    def __init__(self, trainer: str, tree: Path, folder: Path, probes: Path) -> None:
        self._folder = folder
        folder.mkdir()
        self._environment = set_environment(tree, probes, folder / "home")
        code = (
            f"import sys; from pathlib import Path; from {PROBES} import training as t\n"
            "root = Path.cwd() / 'data'; t.draw_data(root)\n"
            f"options = t.RECIPES[{trainer!r}], '--steps', '{_STEPS}'\n"
            "print(*t.make_command(Path.cwd(), root, Path.cwd() / 'run', *options), sep='\\n')"
        )
        line = [sys.executable, "-c", code]
        done = subprocess.run(line, cwd=folder, env=self._environment, capture_output=True, text=True, check=False)
        if done.returncode:
            raise ProbeFailedError(f"{trainer}: the data cannot be drawn: {done.stderr.strip()}")
        self._line = done.stdout.split("\n")[:-1]

    def rate(self) -> Rate:
        """Return the steps a second of one run as its log has them, and those of a second of its process."""
        run = self._folder / "run"
        shutil.rmtree(run, ignore_errors=True)
        before = os.times()
        done = subprocess.run(self._line, env=self._environment, capture_output=True, text=True, check=False)
        after = os.times()
        if done.returncode:
            raise ProbeFailedError(f"a run to be measured failed: {done.stderr.strip()}")
        busy = after.children_user + after.children_system - before.children_user - before.children_system
        with (run / "log.csv").open(encoding="utf-8", newline="") as file:
            steps = statistics.median(float(row["steps_per_second"]) for row in csv.DictReader(file))
        return steps, _STEPS / max(busy, 1e-3)
