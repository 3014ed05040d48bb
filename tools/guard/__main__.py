"""`python -m tools.guard --base COMMIT`: compares what this tree computes with what an earlier commit computes."""

from __future__ import annotations

import argparse
import sys
import time
from importlib.util import find_spec
from pathlib import Path

from tools.guard.comparison import compare
from tools.guard.trees import ProbeFailedError, check_out, find_root, new_folder, run_probes, unpack_files

GROUPS = {
    "frames": "planes and properties of every public filter",
    "graphs": "planes graphs of every model for every backend",
    "weights": "files that import and export write",
    "commands": "what the command line prints and returns",
    "training": "a short run of each trainer, killed and resumed (needs torch)",
}


def main(arguments: list[str], root: Path | None = None) -> int:
    """Compare two trees and print a report.

    Args:
        arguments: the command line without the program's name.
        root: the tree to compare with its past; the one that this program belongs to if None.

    Returns:
        0 if nothing differs, 1 if something does, 2 if a tree could not be examined, 130 after an interruption.
    """
    root = root or find_root()
    options = _parse(arguments)
    try:
        with new_folder() as name:
            folder = Path(name).resolve()
            with check_out(root, options.base, folder) as base:
                if options.speed:
                    from tools.guard.speed import compare_speed

                    return compare_speed(base, root, folder)
                return _compare_groups(base, root, folder, options.only, skipped=options.skipped)
    except ProbeFailedError as error:
        print(error, file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        return 130


def _parse(arguments: list[str]) -> argparse.Namespace:
    listed = "; ".join(f"{name}: {about}" for name, about in GROUPS.items())
    parser = argparse.ArgumentParser(
        prog="python -m tools.guard",
        description="Compare what this working tree computes with what an earlier commit computes, on this machine.",
        epilog=f"Groups are {listed}. Models are taken from VSANIME_MODEL_PATH as well, where that is set.",
    )
    parser.add_argument("--base", required=True, metavar="COMMIT", help="the commit to compare with")
    parser.add_argument(
        "--only", type=_read_groups, default=list(GROUPS), metavar="GROUP,GROUP", help="the groups to compare (all)"
    )
    parser.add_argument(
        "--skipped", action="store_true", help="list what could not run, such as models without weights"
    )
    parser.add_argument("--speed", action="store_true", help="measure frames and steps a second of both, nothing else")
    return parser.parse_args(arguments)


def _read_groups(text: str) -> list[str]:
    names = text.split(",")
    unknown = [name for name in names if name not in GROUPS]
    if unknown:
        raise argparse.ArgumentTypeError(f"no group is called {unknown[0]!r}; the groups are {', '.join(GROUPS)}")
    return names


def _compare_groups(base: Path, new: Path, folder: Path, groups: list[str], *, skipped: bool) -> int:
    """Run the groups on both trees; return the exit code."""
    files = unpack_files(find_root(), folder / "files")
    total = 0
    for group in groups:
        if group == "training" and find_spec("torch") is None:
            print("training: not compared, torch is not installed here")
            continue
        began = time.monotonic()
        observed = [
            run_probes(group, tree, files, folder / f"{group}-{name}") for name, tree in (("base", base), ("new", new))
        ]
        differences = compare(*observed)
        total += len(differences)
        seconds = time.monotonic() - began
        print(
            f"{group}: {len(observed[0].values)} observations compared, {len(differences)} differ; "
            f"{len(observed[0].skipped)} cases could not run ({seconds:.0f} s)",
            flush=True,
        )
        for difference in differences:
            print(f"  {difference.describe()}")
        if skipped:
            for name, reason in observed[0].skipped.items():
                print(f"  could not run in either tree: {name}: {reason}")
        for name, text in observed[0].crashed.items():
            print(f"  {name}:\n{text}", file=sys.stderr)
    print(f"{total} differences" if total else "no differences")
    return 1 if total else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
