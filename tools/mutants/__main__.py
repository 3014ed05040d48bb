"""`python -m tools mutants`: changes the code in small ways, one at a time, and counts how many the tests notice."""

from __future__ import annotations

import argparse
import os
import sys
import time
from collections import Counter
from pathlib import Path

from tools.mutants.changes import Change
from tools.mutants.linemap import update_map
from tools.mutants.project import Project
from tools.mutants.sample import EQUIVALENT, Sample, draw_sample, find_all, read_equivalent
from tools.mutants.session import Result, Session

ROOMS = ["graphs", "video", "pipeline", "colorization", "motion", "architectures", "models", "filters", "backends"]
WANTED = 95.0  # percent


def main(arguments: list[str], project: Project | None = None, equivalent: Path = EQUIVALENT) -> int:
    """Draw changes, try them and report.

    Args:
        arguments: the command line without the program's name.
        project: what to measure; this repository's package otherwise.
        equivalent: the list of changes that change nothing that can be observed.

    Returns:
        0 if enough of them are noticed, 1 if not, 2 if tests could not be run, 130 after an interruption.
    """
    project = project or Project(Path(__file__).resolve().parents[2])
    options = _parse(arguments)
    known = read_equivalent(equivalent)
    changes = find_all(project, options.rooms)
    stale = known.keys() - {change.identity[:4] for change in find_all(project, [])}
    for path, function, before, _ in sorted(stale):
        _say(f"listed as equivalent, but no longer in the code: {path} {function}: {before}")
    sample = draw_sample(project, changes, options.seed, options.count, known)
    if options.list:
        for change in sample.changes:
            print(_describe(change))
        return 0
    began = time.monotonic()
    try:
        line_map = update_map(project, _say, options.jobs, fresh=options.fresh)

        def report(done: int, change: Change, result: Result) -> None:
            by = f" by {result.test}" if result.test else ""
            _say(f"[{done}/{len(sample.changes)}] {result.verdict}{by}, {result.seconds:.0f} s: {_describe(change)}")

        session = Session(project, line_map, options.jobs, options.seconds, options.fresh, report)
        results = session.run(sample.changes)
    except KeyboardInterrupt:
        _say("interrupted; the same command goes on from here")
        return 130
    except RuntimeError as error:
        _say(str(error))
        return 2
    return _report(sample, results, options.seed, time.monotonic() - began)


def _parse(arguments: list[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m tools mutants",
        description="Change the code in small ways, one at a time, and count how many of the changes the tests notice.",
    )
    parser.add_argument("--seed", type=int, default=1, help="decides which changes are drawn (1)")
    parser.add_argument("--count", type=int, default=200, help="how many are drawn (200)")
    parser.add_argument(
        "--rooms", type=lambda text: text.split(","), default=ROOMS, help=f"folders, with commas ({','.join(ROOMS)})"
    )
    parser.add_argument("--list", action="store_true", help="print the drawn changes and try none")
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1, help="how many to try at once (one a core)")
    parser.add_argument(
        "--seconds", type=float, default=90.0, help="usual time of the tests tried on one change, at most (90)"
    )
    parser.add_argument("--fresh", action="store_true", help="map lines anew, and leave earlier results aside")
    return parser.parse_args(arguments)


def _report(sample: Sample, results: dict[Change, Result], seed: int, seconds: float) -> int:
    """Print what no test notices and the figure; return the exit code."""
    verdicts = Counter(result.verdict for result in results.values())
    for change, result in results.items():
        if not result.noticed:
            how = (
                "no test runs it"
                if result.verdict == "uncovered"
                else f"{result.ran} of {result.covering} tests passed"
            )
            print(f"{change.path}:{change.line} {change.function or '(module)'}: {how}")
            print(f"    - {change.before}")
            print(f"    + {change.after}")
    noticed = sum(result.noticed for result in results.values())
    percent = 100 * noticed / len(results) if results else 100.0
    print(
        f"{noticed} of {len(results)} changes noticed, {percent:.1f} % (seed {seed}; {sample.places} places; "
        f"{verdicts['timeout']} by timeout, {verdicts['crash']} by a crash; {verdicts['uncovered']} run by no test; "
        f"{len(sample.equivalent)} equivalent ones drawn and replaced; {seconds / 60:.0f} min)"
    )
    return 0 if percent >= WANTED else 1


def _describe(change: Change) -> str:
    return f"{change.path}:{change.line} {change.function or '(module)'}: {change.before}  ->  {change.after}"


def _say(line: str) -> None:
    print(line, file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
