"""Tests on a machine without third-party weights and pictures end in pass or skip, never in an error."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent


def run_bare(home: Path, *selection: str, **variables: str) -> subprocess.CompletedProcess[str]:
    """Run tests with nothing in the environment but PATH and an empty HOME, and what is given."""
    bare = {"PATH": os.environ["PATH"], "HOME": str(home), **variables}
    if os.name == "nt":
        bare |= {name: os.environ[name] for name in ("SYSTEMROOT", "TEMP") if name in os.environ}
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-p", "no:xdist", *selection]
    return subprocess.run(command, cwd=ROOT, env=bare, capture_output=True, text=True, check=False)


@pytest.mark.parametrize(
    "selection",
    [
        pytest.param(
            "tests/models/test_own_weights.py::test_rgb_comes_out_far_better_than_by_lanczos", id="by fixture"
        ),
        pytest.param(
            "tests/models/test_own_weights.py::test_against_the_public_network_of_the_same_size", id="by mark"
        ),
    ],
)
def test_without_the_folders_a_test_is_skipped_in_one_line(tmp_path: Path, selection: str) -> None:
    done = run_bare(tmp_path, selection)
    assert done.returncode == 0, done.stdout
    assert re.fullmatch(r"[1-9]\d* skipped in .*", done.stdout.strip().splitlines()[-1])
    assert done.stdout.count("which names no folder") == 1


def test_where_the_folders_are_required_their_absence_fails(tmp_path: Path) -> None:
    selection = "tests/models/test_own_weights.py::test_rgb_comes_out_far_better_than_by_lanczos"
    done = run_bare(tmp_path, selection, VSANIME_REQUIRE_SHARED="1")
    assert done.returncode == 1
    assert "VSANIME_TEST_MEDIA, which names no folder" in done.stdout


def test_folders_are_read_in_one_place() -> None:
    """Whoever reads the variables by hand raises where they are not set."""
    reading = re.compile(r"environ\[.VSANIME_(MODEL_PATH|TEST_MEDIA).\]|(getenv|environ\.get)\(.VSANIME_TEST_MEDIA")
    found = [path.name for path in (ROOT / "tests").rglob("*.py") if reading.search(path.read_text(encoding="utf-8"))]
    assert found == []


def test_cases_that_are_thinned_out_are_there() -> None:
    from tests.conftest import _EVERY

    for name, step in _EVERY.items():
        file, _, function = name.partition("::")
        assert f"def {function}(" in (ROOT / "tests" / file).read_text(encoding="utf-8")
        assert step > 1
