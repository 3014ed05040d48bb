"""`python -m tools.guard` finds what differs between two trees, and nothing where nothing does."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest

from tools.guard import speed, trees
from tools.guard.__main__ import main
from tools.guard.comparison import compare
from tools.guard.trees import Observed, ProbeFailedError, check_out, run_probes

if shutil.which("git") is None:
    pytest.skip("trees are checked out by git", allow_module_level=True)

# Stands in for the package: what it prints is what the probe observes.
PACKAGE = """
GREETING = {greeting!r}


def greet(name):
    if name == "nobody":
        raise ValueError("a name is needed")
    return GREETING + name
"""
PROBE = """
import vsanime
from functools import partial


def collect(facts):
    for name in ("ann", "bob", "nobody"):
        facts.attempt(name, partial(greet, facts))
    facts.add("where", facts.tree / "vsanime")


def greet(facts, name):
    facts.add(f"{name}: greeting", vsanime.greet(name))
"""


def git(folder: Path, *arguments: str) -> None:
    named = ["-c", "user.name=a", "-c", "user.email=a@example.com", "-c", "commit.gpgsign=false"]
    subprocess.run(["git", *named, "-C", str(folder), *arguments], check=True, capture_output=True)


def write_package(root: Path, greeting: str = "hello ") -> None:
    (root / "vsanime").mkdir(parents=True, exist_ok=True)
    (root / "vsanime" / "__init__.py").write_text(PACKAGE.format(greeting=greeting), encoding="utf-8")


@pytest.fixture
def repository(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A repository of one commit, and a probe for what is in it."""
    for name in [name for name in os.environ if name.startswith("GIT_")]:
        monkeypatch.delenv(name)
    root = tmp_path / "ein Baum"
    write_package(root)
    git(tmp_path, "init", "--quiet", str(root))
    git(root, "add", "-A")
    git(root, "commit", "--quiet", "-m", "feat: greet")
    probes = tmp_path / "tool" / "probes"
    here = Path(trees.__file__).parent / "probes"
    probes.mkdir(parents=True)
    for name in ("__init__.py", "__main__.py", "facts.py"):
        shutil.copy(here / name, probes / name)
    (probes / "frames.py").write_text(PROBE, encoding="utf-8")
    monkeypatch.setattr(trees, "__file__", str(probes.parent / "trees.py"))
    return root


def test_trees_that_are_the_same_do_not_differ(repository: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--base", "HEAD", "--only", "frames"], repository) == 0
    said = capsys.readouterr().out
    assert "frames: 3 observations compared, 0 differ; 1 cases could not run" in said
    assert said.endswith("no differences\n")


def test_change_is_found_and_named(repository: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """It is not committed: the working tree is what is compared."""
    write_package(repository, "good day ")
    assert main(["--base", "HEAD", "--only", "frames"], repository) == 1
    said = capsys.readouterr().out
    assert "frames: 3 observations compared, 2 differ" in said
    assert "  ann: greeting\n    - hello ann\n    + good day ann\n" in said
    assert said.endswith("2 differences\n")


def test_another_message_is_found(repository: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = repository / "vsanime" / "__init__.py"
    path.write_text(path.read_text(encoding="utf-8").replace("is needed", "is missing"), encoding="utf-8")
    assert main(["--base", "HEAD", "--only", "frames"], repository) == 1
    assert "nobody: could not run" in capsys.readouterr().out


def test_what_could_not_run_is_listed_on_request(repository: Path, capsys: pytest.CaptureFixture[str]) -> None:
    main(["--base", "HEAD", "--only", "frames", "--skipped"], repository)
    assert "could not run in either tree: nobody: ValueError: a name is needed" in capsys.readouterr().out


def test_tree_that_cannot_be_examined_is_no_agreement(repository: Path) -> None:
    (repository / "vsanime" / "__init__.py").write_text("import nothing_of_this_name\n", encoding="utf-8")
    assert main(["--base", "HEAD", "--only", "frames"], repository) == 2


def test_unknown_commit_is_told(repository: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--base", "nowhere", "--only", "frames"], repository) == 2
    assert "commit nowhere cannot be checked out" in capsys.readouterr().err


def test_worktree_is_removed(repository: Path, tmp_path: Path) -> None:
    with check_out(repository, "HEAD", tmp_path) as tree:
        assert (tree / "vsanime" / "__init__.py").exists()
    assert not tree.exists()
    listed = subprocess.run(
        ["git", "-C", str(repository), "worktree", "list"], check=True, capture_output=True, text=True
    ).stdout
    assert len(listed.splitlines()) == 1


def test_another_package_is_refused(repository: Path, tmp_path: Path) -> None:
    """Of a tree without one, whatever is installed would be examined."""
    empty = tmp_path / "empty"
    empty.mkdir()
    with pytest.raises(ProbeFailedError, match="exit code"):
        run_probes("frames", empty, empty, tmp_path / "run")
    assert repository.exists()


def test_missing_observations_differ() -> None:
    base, new = Observed({"a": "1", "b": "2"}, {}, {}), Observed({"a": "1", "c": "3"}, {"b": "lost"}, {})
    found = {one.name: one.describe() for one in compare(base, new)}
    assert list(found) == ["b", "c", "b: could not run"]
    assert "only in the base tree: 2" in found["b"]
    assert "only in the new tree: 3" in found["c"]


def test_long_texts_are_shown_where_they_differ() -> None:
    base, new = Observed({"a": "x" * 500 + "1"}, {}, {}), Observed({"a": "x" * 500 + "2"}, {}, {})
    (difference,) = compare(base, new)
    assert "xx1" in difference.describe()
    assert len(difference.describe()) < 250


def test_measurements_take_turns() -> None:
    calls: list[str] = []

    def measure(name: str, rate: float) -> speed.Rate:
        calls.append(name)
        return rate, rate

    base, new = speed.take_turns(lambda: measure("base", 2.0), lambda: measure("new", 3.0), rounds=3)
    assert calls == ["base", "new", "new", "base", "base", "new", "new", "base"]
    assert (base, new) == ([(2.0, 2.0)] * 3, [(3.0, 3.0)] * 3)
