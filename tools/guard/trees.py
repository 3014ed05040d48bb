"""Provides the tree of an earlier commit, and runs probes on trees."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import subprocess
import sys
import tarfile
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

PROBES = "vsanime_guard_probes"

# What the user has set up for themselves and no tree under test is to see.
_FOLDERS = ("XDG_DATA_HOME", "XDG_CACHE_HOME", "XDG_CONFIG_HOME", "VSANIME_CACHE_DIR")


class ProbeFailedError(Exception):
    """A group of probes could not be run on a tree at all."""


@dataclass(frozen=True)
class Observed:
    """What one group of probes observed in one tree.

    Attributes:
        values: observations by name.
        skipped: cases that could not run, with the reason.
        crashed: those of them whose reason is no message for a user, with the traceback.
    """

    values: Mapping[str, str]
    skipped: Mapping[str, str]
    crashed: Mapping[str, str]


@contextlib.contextmanager
def check_out(root: Path, commit: str, folder: Path) -> Iterator[Path]:
    """Provide a tree of a commit in a folder, and remove it afterwards.

    Raises:
        ProbeFailedError: git has no such commit.
    """
    tree = folder / "base"
    added = _git(root, "worktree", "add", "--detach", "--quiet", str(tree), f"{commit}^{{commit}}")
    if added.returncode:
        raise ProbeFailedError(f"commit {commit} cannot be checked out: {added.stderr.strip()}")
    try:
        yield tree
    finally:
        _git(root, "worktree", "remove", "--force", str(tree))


def run_probes(group: str, tree: Path, files: Path, folder: Path) -> Observed:
    """Run one group of probes on a tree, in a process of its own.

    Args:
        group: name of the group.
        tree: root of the tree under test; nothing of it has to be installed.
        files: folder of the files that an earlier commit wrote.
        folder: an empty folder, which the process works in.

    Raises:
        ProbeFailedError: the process ended without a result.
    """
    work, home, output = folder / "work", folder / "home", folder / "observed.json"
    for made in (work, home):
        made.mkdir(parents=True)
    shutil.copytree(Path(__file__).parent / "probes", folder / "path" / PROBES)
    line = [sys.executable, "-m", PROBES, group, str(tree), str(files), str(output)]
    done = subprocess.run(line, cwd=work, env=set_environment(tree, folder / "path", home), check=False)
    if done.returncode or not output.exists():
        raise ProbeFailedError(f"{group}: the probes ended with exit code {done.returncode} on {tree}")
    return Observed(**json.loads(output.read_text(encoding="utf-8")))


def set_environment(tree: Path, probes: Path, home: Path) -> dict[str, str]:
    """Return the variables by which a tree's own package is imported, and the user's settings are not."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("VSANIME_", "PYTEST_", "COV_"))}
    kept |= {name: str(home / name.lower()) for name in _FOLDERS}
    if "VSANIME_MODEL_PATH" in os.environ:
        folders = os.environ["VSANIME_MODEL_PATH"].split(os.pathsep)
        kept["VSANIME_MODEL_PATH"] = os.pathsep.join(str(Path(one).absolute()) for one in folders if one)
    return kept | {
        "PYTHONPATH": os.pathsep.join((str(tree), str(probes))),
        "PYTHONUTF8": "1",
        "PYTHONDONTWRITEBYTECODE": "1",
        "VSANIME_OFFLINE": "1",
        "COLUMNS": "120",
    }


def unpack_files(root: Path, folder: Path) -> Path:
    """Return a folder with the networks that an earlier commit wrote and the tests keep; it may be empty."""
    folder.mkdir()
    archive = root / "tests" / "data" / "written_earlier" / "networks.tar.xz"
    if archive.exists():
        with tarfile.open(archive) as packed:
            packed.extractall(folder / "networks", filter="data")
    return folder


def find_root() -> Path:
    """Return the root of the tree that this program belongs to."""
    return Path(__file__).resolve().parents[2]


def new_folder() -> tempfile.TemporaryDirectory[str]:
    """Return a temporary folder for everything that is written during a comparison."""
    return tempfile.TemporaryDirectory(prefix="vsanime-guard-", ignore_cleanup_errors=True)


def _git(root: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(["git", "-C", str(root), *arguments], capture_output=True, text=True, check=False)
