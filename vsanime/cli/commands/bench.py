"""Runs `vsanime bench`, which times a filter and its peers on the same network and clip, in turns.

`vsanime bench quality`, `bench style` and `bench colorize` have modules of their own (`bench_quality` and so on).
"""

from __future__ import annotations

import argparse
import atexit
import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from vsanime import bench
from vsanime.cli.commands import bench_colorize, bench_quality, bench_style
from vsanime.errors import VsanimeError, shorten
from vsanime.terminal import print_line

if TYPE_CHECKING:
    from vsanime.graphs.inspect import NetFacts
    from vsanime.models.store import Model

_WORKER = Path(bench.__file__).with_name("worker.py")
_DESCRIPTION = """Times vsanime on a YUV420P8 clip doubled to YUV420P8, and with --peers the peers doing the same work.

Every timing is a process of its own; the cases take turns, so that a machine whose speed drifts drifts for all of them.
A run during which other programs used the processors is thrown away and done again (on Linux, where that can be seen).
The figures are medians over the rounds, in milliseconds a frame.

Peers live in an environment of their own, named by its Python:

    python -m venv peers
    peers/bin/pip install "vapoursynth>=81" vapoursynth-mlrt-ov vapoursynth-mlrt-ort numpy
    vsanime bench --peers peers/bin/python

How good the pictures are is what `vsanime bench quality` measures, `vsanime bench style` whether a style is one, and
`vsanime bench colorize` how near coloured line art comes to the truth.
"""

# Fraction of all processor time that other programs may use during a timing.
_DISTURBED = 0.08
_RETRIES = 3


def add_parser(subparsers: Any) -> None:
    """Add the `bench` command and its subcommands."""
    parser = subparsers.add_parser(
        "bench",
        help="time the filter, also against its peers; `bench quality`: how good its pictures are",
        description=_DESCRIPTION,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--models", default="C4F16,C4F32", help="names or paths, separated by commas (%(default)s)")
    parser.add_argument("--precisions", default="bf16,f32", help="separated by commas (%(default)s)")
    parser.add_argument("--size", default="1920x1080", help="size of the source (%(default)s)")
    parser.add_argument("--rounds", type=int, default=5, help="timings of each case (%(default)s)")
    parser.add_argument("--frames", type=int, default=6, help="frames of a timing, after one that is not counted")
    parser.add_argument("--keep-disturbed", action="store_true", help="keep runs disturbed by other programs")
    parser.add_argument("--peers", metavar="PYTHON", help="the Python of an environment with the peers")
    parser.set_defaults(func=run)
    # `bench` without a subcommand measures speed.
    others = parser.add_subparsers(title="other benches", metavar="[quality | style | colorize]")
    bench_quality.add_parser(others)
    bench_style.add_parser(others)
    bench_colorize.add_parser(others)


@dataclass
class Case:
    """A timed configuration, which is a row of the table."""

    label: str
    python: str
    options: dict[str, Any]
    times: list[float] = field(default_factory=list)

    @property
    def median(self) -> float:
        """The median of the timings in milliseconds per frame."""
        return statistics.median(self.times)


def run(args: argparse.Namespace) -> int:
    """Run the command."""
    width, height = _size(args.size)
    if args.rounds < 1 or args.frames < 1:
        raise VsanimeError(f"--rounds {args.rounds} --frames {args.frames}; both have to be 1 or more")
    for model in args.models.split(","):
        for precision in args.precisions.split(","):
            common = {"width": width, "height": height, "frames": args.frames, "precision": precision}
            cases = _cases(model, common, args.peers)
            for number in range(args.rounds):
                for case in cases:
                    print_line(f"{model} {precision}: round {number + 1} of {args.rounds}, {case.label}", stderr=True)
                    case.times.append(_once(case) if args.keep_disturbed else _run_undisturbed(case))
            _report(f"{model}, {precision}, {args.size}", cases)
    return 0


def _size(text: str) -> tuple[int, int]:
    try:
        width, height = (int(part) for part in text.lower().split("x"))
    except ValueError:
        raise VsanimeError(f"--size {shorten(text)}; two numbers such as 1920x1080 are needed") from None
    return width, height


def _cases(model: str, common: dict[str, Any], peers: str | None) -> list[Case]:
    from vsanime.graphs.inspect import inspect
    from vsanime.models.store import load

    found = load(model)
    facts = inspect(found.proto)
    if (facts.in_channels, facts.out_channels) == (3, 3):
        return _rgb_cases(found, facts, common, peers)
    own = {**common, "model": str(found.path)}
    rows = [Case("vsanime", sys.executable, {**own, "engine": "vsanime"})]
    if common["precision"] != "f32":
        rows.append(Case("vsanime, split off", sys.executable, {**own, "engine": "vsanime", "exact": False}))
    gray = {"engine": "vsanime", "luma_only": True, "cache": 64}
    rows.append(Case("vsanime, luma only", sys.executable, {**own, **gray}))
    rows.append(Case("raw inference, luma only", sys.executable, {**own, "engine": "raw"}))
    if peers:
        radius = facts.radius or 0
        rows.append(_tune(peers, {**own, "engine": "mlrt-ov", "radius": radius}))
        if common["precision"] == "f32":
            rows.append(_tune(peers, {**own, "engine": "mlrt-ort", "radius": radius}))
    return rows


def _rgb_cases(found: Model, facts: NetFacts, common: dict[str, Any], peers: str | None) -> list[Case]:
    """Return the cases for a network from RGB to RGB, which include color conversions."""
    # The weights may be stored in a format that peers cannot read.
    path = Path(tempfile.mkdtemp(prefix="vsanime-bench-")) / f"{found.name}.onnx"
    atexit.register(shutil.rmtree, path.parent, ignore_errors=True)
    path.write_bytes(found.proto.SerializeToString())
    own = {**common, "model": str(path), "rgb": True, "scale": facts.scale}
    rows = [Case("vsanime", sys.executable, {**own, "engine": "vsanime"})]
    rows.append(Case("vsanime, tint corrected", sys.executable, {**own, "engine": "vsanime", "tint": "correct"}))
    if peers:
        rows.append(_tune(peers, {**own, "engine": "mlrt-ov", "radius": facts.radius or 0}))
    return rows


def _tune(python: str, options: dict[str, Any]) -> Case:
    """Return the peer with its fastest settings, after trying each once."""
    width, height = options["width"], options["height"]
    tried = []
    for streams in (1, 2):
        for tile in (None, [width, 136], [width, height // 2 + 2 * options["radius"]]):
            case = Case("", python, {**options, "streams": streams, "tilesize": tile})
            case.label = f"{options['engine']}, {streams} streams, {f'tiles {tile[0]}x{tile[1]}' if tile else 'whole'}"
            print_line(f"trying {case.label}", stderr=True)
            tried.append((_once(case), case))
    return min(tried, key=lambda t: t[0])[1]


def _run_undisturbed(case: Case) -> float:
    """Return a timing during which other programs used little processor time; raise an error after three attempts."""
    for _ in range(_RETRIES):
        before = _processor_times()
        result = _once(case)
        if _others(before, _processor_times()) < _DISTURBED:
            return result
        print("disturbed by other programs; again", file=sys.stderr)
    raise VsanimeError("other programs kept the processors busy; close them and run again")


def _once(case: Case) -> float:
    done = subprocess.run(
        [case.python, str(_WORKER), json.dumps(case.options)], capture_output=True, text=True, check=False
    )
    if done.returncode:
        last = done.stderr.strip().splitlines()[-1:] or [f"exit code {done.returncode}"]
        raise VsanimeError(f"{case.label or case.options['engine']} failed: {last[0]}")
    return float(json.loads(done.stdout)["ms"])


def _processor_times() -> tuple[float, float, float] | None:
    """Return the seconds used by all programs and by child processes, and the clock; None if unknown."""
    try:
        import resource  # not on Windows

        ticks = [int(v) for v in Path("/proc/stat").read_text().split("\n", 1)[0].split()[1:]]
    except (ImportError, OSError):
        return None
    children = resource.getrusage(resource.RUSAGE_CHILDREN)
    # user, nice, system, (idle, iowait), irq, softirq, steal
    busy = (sum(ticks[:3]) + sum(ticks[5:8])) / os.sysconf("SC_CLK_TCK")
    return busy, children.ru_utime + children.ru_stime, time.perf_counter()


def _others(before: tuple[float, float, float] | None, after: tuple[float, float, float] | None) -> float:
    if before is None or after is None:
        return 0.0
    busy, own, clock = (b - a for a, b in zip(before, after, strict=True))
    return (busy - own) / (clock * (os.cpu_count() or 1))


def _report(title: str, cases: list[Case]) -> None:
    first = cases[0].median
    print(f"\n### {title}\n")
    print("| case | ms a frame | lowest | highest | vsanime is faster by |")
    print("|---|---|---|---|---|")
    for case in cases:
        ratio = f"{case.median / first:.2f}x"
        print_line(f"| {case.label} | {case.median:.1f} | {min(case.times):.1f} | {max(case.times):.1f} | {ratio} |")
    by_label = {case.label: case.median for case in cases}
    if "raw inference, luma only" in by_label:
        extra = by_label["vsanime, luma only"] - by_label["raw inference, luma only"]
        print(f"\nPipeline minus raw inference, luma only: {extra:.1f} ms a frame.", flush=True)
