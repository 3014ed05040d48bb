"""Knows which tests run which lines, and for how long: made once, then brought up to date test file by test file."""

from __future__ import annotations

import difflib
import hashlib
import json
import re
import subprocess
import sys
import tempfile
from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path, PurePosixPath
from typing import Any

from tools.mutants.changes import Change
from tools.mutants.project import Project, set_environment
from tools.mutants.recording import FOLDER, PACKAGE


@dataclass
class MappedTest:
    """One test that passes.

    Attributes:
        name: pytest's name for it.
        seconds: how long it took when the map was made.
        lines: the lines that it runs, by file.
    """

    name: str
    seconds: float
    lines: dict[str, frozenset[int]]

    @property
    def file(self) -> str:
        """The file that holds it."""
        return self.name.partition("::")[0]

    @property
    def function(self) -> str:
        """Its name without parameters."""
        return self.name.partition("[")[0]


@dataclass
class LineMap:
    """Which tests run which lines.

    Attributes:
        files: digests of the files that the map was made from.
        tests: all tests that pass, by name.
        failed: names of tests that fail without any change.
        imported: lines that ran while tests were collected, by file.
        sources: the package's files, as lists of lines.
        test_texts: the files of tests.
    """

    files: dict[str, str]
    tests: dict[str, MappedTest]
    failed: list[str]
    imported: dict[str, frozenset[int]]
    sources: dict[str, list[str]] = field(default_factory=dict)
    test_texts: dict[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self._by_line: dict[tuple[str, int], list[str]] = defaultdict(list)
        self._by_file: dict[str, list[str]] = defaultdict(list)
        for test in self.tests.values():
            for path, lines in test.lines.items():
                self._by_file[path].append(test.name)
                for line in lines:
                    self._by_line[path, line].append(test.name)

    @property
    def fingerprint(self) -> str:
        """What a result depends on that says that nothing has noticed."""
        return hashlib.sha256(json.dumps(self.files, sort_keys=True).encode()).hexdigest()[:16]

    def rank_tests(self, change: Change) -> list[MappedTest]:
        """Return the tests that may notice a change, those first that say most about it.

        Outside of the module's own tests, one test of every function comes before the second of any, which differs from
        it in parameters alone. Then tests of the room and the module come first, and those that run few lines of the
        package in little time.
        """
        names = self._find_covering(change)
        by_function: dict[str, list[MappedTest]] = defaultdict(list)
        for test in sorted((self.tests[name] for name in names), key=lambda test: (test.seconds, test.name)):
            by_function[test.function].append(test)
        turns = {test.name: turn for tests in by_function.values() for turn, test in enumerate(tests)}
        module = PurePosixPath(change.path)

        def key(name: str) -> tuple[bool, float, str]:
            test = self.tests[name]
            size = sum(len(lines) for lines in test.lines.values()) + 50
            own = len(test.lines.get(change.path, ())) + 5
            distance = _distance(module, PurePosixPath(test.file))
            again = turns[name] / 8 if distance == 0 else turns[name]
            return distance > 0 and again > 0, (1 + again) * (1 + distance) * size / own * (0.3 + test.seconds), name

        return [self.tests[name] for name in sorted(names, key=key)]

    def _find_covering(self, change: Change) -> set[str]:
        """Return the names of the tests that run a changed line, or what depends on it if it runs once for all."""
        here = set(self._by_line.get((change.path, change.line), ()))
        if not here:
            first, last = change.lines
            here = {name for line in range(first, last + 1) for name in self._by_line.get((change.path, line), ())}
        if change.names:
            here |= self._find_users(set(change.names), change.path)
        if change.at_import and change.names:
            here |= self._find_mentions(set(change.names))
        ran_at_import = change.line in self.imported.get(change.path, ())
        if change.at_import or ran_at_import or (change.names and not here):
            here |= set(self._by_file.get(change.path, ()))
        return here

    def _find_mentions(self, names: set[str]) -> set[str]:
        """Return the tests in files that mention one of the names, such as a class whose defaults they look at."""
        # Of a class and its field the class tells more.
        named = {name for name in names if name != name.lower()} or names
        pattern = re.compile(rf"\b({'|'.join(map(re.escape, sorted(named)))})\b")
        files = {file for file, text in self.test_texts.items() if pattern.search(text)}
        return {test.name for test in self.tests.values() if test.file in files}

    def _find_users(self, names: set[str], path: str) -> set[str]:
        """Return the tests that run a line which mentions one of the names."""
        pattern = re.compile(rf"\b({'|'.join(map(re.escape, sorted(names)))})\b")
        module = PurePosixPath(path).stem
        found: set[str] = set()
        for file, lines in self.sources.items():
            if file != path and not any(module in line for line in lines):
                continue
            for number, line in enumerate(lines, 1):
                if pattern.search(line):
                    found.update(self._by_line.get((file, number), ()))
        return found


def _distance(module: PurePosixPath, test: PurePosixPath) -> int:
    """Return 0 for a module's own tests, 1 for those of its room, 3 for others, 9 for those of whole programs."""
    room = module.parts[1:-1]
    same_room = bool(room) and test.parts[1 : 1 + len(room)] == room
    if module.stem in test.stem and (same_room or not room):
        return 0
    if "e2e" in test.parts or "cli" in test.parts:
        return 9
    return 1 if test.parts[1:2] == room[:1] else 3


def load_map(project: Project) -> LineMap | None:
    """Return the stored map, also one that files have changed since; None if there is none that can be read."""
    try:
        stored = json.loads((project.store / "map.json").read_text(encoding="utf-8"))
        sets = [(path, frozenset(lines)) for path, lines in stored["sets"]]
        tests = {
            name: MappedTest(name, seconds, dict(sets[index] for index in indices))
            for name, seconds, indices in stored["tests"]
        }
        imported = {path: frozenset(lines) for path, lines in stored["imported"].items()}
        return LineMap(stored["files"], tests, stored["failed"], imported, stored["sources"])
    except (OSError, ValueError, KeyError, TypeError, IndexError):
        return None


def save_map(project: Project, found: LineMap) -> None:
    """Store a map; sets of lines that tests share are stored once."""
    numbers: dict[tuple[str, frozenset[int]], int] = {}
    tests = [
        (test.name, test.seconds, [numbers.setdefault(pair, len(numbers)) for pair in test.lines.items()])
        for test in found.tests.values()
    ]
    stored = {
        "files": found.files,
        "failed": found.failed,
        "imported": {path: sorted(lines) for path, lines in found.imported.items()},
        "sources": found.sources,
        "sets": [(path, sorted(lines)) for path, lines in numbers],
        "tests": tests,
    }
    project.store.mkdir(exist_ok=True)
    new = project.store / "map.json.new"
    new.write_text(json.dumps(stored), encoding="utf-8")
    new.replace(project.store / "map.json")


def update_map(project: Project, say: Callable[[str], None], jobs: int, *, fresh: bool = False) -> LineMap:
    """Return a map of the files as they are; run only the test files that have changed.

    Args:
        project: what to map.
        say: takes lines about the progress.
        jobs: how many tests run at once.
        fresh: run all test files.
    """
    old = None if fresh else load_map(project)
    files = project.hash_files()
    if old is not None and old.files == files:
        return replace(old, test_texts=_read_test_texts(project, old))
    test_files = sorted(path for path in files if _is_test_file(path, project))
    wanted = test_files if old is None else _find_stale(old, files, test_files, project)
    say(f"mapping lines to tests: {len(wanted)} of {len(test_files)} test files run")
    with tempfile.TemporaryDirectory(prefix="vsanime-mutants-") as name:
        copy = Path(name).resolve() / "copy"
        project.copy_to(copy)
        copied = Project(copy, project.package, project.tests)
        files, sources = copied.hash_files(), _read_sources(copied)
        records = _run_recorded(copy, project, wanted, jobs) if wanted else []
    found = _merge(old, records, files, set(wanted), sources)
    save_map(project, found)
    if found.failed:
        say(f"{len(found.failed)} tests fail without any change and are left out, such as {found.failed[0]}")
    return replace(found, test_texts=_read_test_texts(project, found))


def _is_test_file(path: str, project: Project) -> bool:
    pure = PurePosixPath(path)
    return pure.parts[0] == project.tests and pure.match("test_*.py")


def _find_stale(old: LineMap, files: dict[str, str], test_files: list[str], project: Project) -> list[str]:
    """Return the test files to run again: changed ones, and those that mention a module of the tests that changed.

    Lines of changed source files are carried over; see `_carry_lines`.
    """
    changed = {path for path in files.keys() | old.files.keys() if files.get(path) != old.files.get(path)}
    helpers = {path for path in changed - set(test_files) if path in old.files and path not in old.sources}
    if any(not path.endswith(".py") or path.endswith(("conftest.py", "__init__.py")) for path in helpers):
        return test_files
    texts = {path: (project.root / path).read_text(encoding="utf-8") for path in files if path.endswith(".py")}
    stale = changed & texts.keys() - old.sources.keys()
    while helpers:
        stems = "|".join(re.escape(PurePosixPath(path).stem) for path in helpers)
        users = {path for path, text in texts.items() if re.search(rf"\b({stems})\b", text)} - old.sources.keys()
        helpers = users - stale
        stale |= users
    return sorted(stale & set(test_files))


def _carry_lines(before: list[str], after: list[str]) -> dict[int, set[int]]:
    """Return where each line of a changed file is now; what replaces lines, or follows one, belongs to their tests."""
    carried: dict[int, set[int]] = defaultdict(set)
    matcher = difflib.SequenceMatcher(None, before, after, autojunk=False)
    for kind, start, end, new_start, new_end in matcher.get_opcodes():
        if kind == "equal":
            for i in range(end - start):
                carried[start + i + 1].add(new_start + i + 1)
        elif kind in ("replace", "insert"):
            for i in range(start, end) if kind == "replace" else [start - 1]:
                carried[i + 1].update(range(new_start + 1, new_end + 1))
    return carried


def _run_recorded(copy: Path, project: Project, wanted: list[str], jobs: int) -> list[dict[str, Any]]:
    """Run test files in a copy and return what the recorder has written."""
    folder = copy.parent / "records"
    folder.mkdir()
    environment = set_environment(copy) | {FOLDER: str(folder), PACKAGE: str(copy / project.package)}
    command = [sys.executable, "-m", "pytest", "-q", "-p", "tools.mutants.recording", "-p", "no:cacheprovider"]
    command += ["-n", str(jobs), "--dist", "worksteal"] if jobs > 1 else ["-p", "no:xdist"]
    done = subprocess.run([*command, *wanted], cwd=copy, env=environment, stdout=subprocess.PIPE, check=False)
    if done.returncode not in (0, 1):
        output = done.stdout.decode(errors="replace")[-2000:]
        raise RuntimeError(f"pytest ended with {done.returncode} while lines were mapped to tests:\n{output}")
    records = [
        json.loads(line)
        for path in sorted(folder.glob("tests-*.jsonl"))
        for line in path.read_text(encoding="utf-8").splitlines()
    ]
    by_name = {record["test"]: record for record in records}
    for path in sorted(folder.glob("program-*.txt")):
        name, *lines = path.read_text(encoding="utf-8").splitlines()
        if name in by_name:
            for file, _, line in (entry.rpartition(":") for entry in lines):
                if line.isdigit():
                    by_name[name]["lines"].setdefault(file, []).append(int(line))
    return records


def _merge(
    old: LineMap | None,
    records: list[dict[str, Any]],
    files: dict[str, str],
    run: set[str],
    sources: dict[str, list[str]],
) -> LineMap:
    """Return the old map with what was run put in place of what it replaces."""
    tests: dict[str, MappedTest] = {}
    failed: list[str] = []
    imported: dict[str, frozenset[int]] = {}
    if old is not None:
        lasting = files.keys() - run
        moved = {
            path: _carry_lines(old.sources[path], sources.get(path, []))
            for path in old.sources
            if old.files.get(path) != files.get(path)
        }

        def carry(lines: dict[str, frozenset[int]]) -> dict[str, frozenset[int]]:
            if moved.keys().isdisjoint(lines):
                return lines
            return {
                path: frozenset(n for line in held for n in moved[path].get(line, ())) if path in moved else held
                for path, held in lines.items()
            }

        tests = {t.name: replace(t, lines=carry(t.lines)) for t in old.tests.values() if t.file in lasting}
        failed = [name for name in old.failed if name.partition("::")[0] in lasting]
        imported = carry(old.imported)
    for record in records:
        lines = {path: frozenset(numbers) for path, numbers in record["lines"].items()}
        if not record["test"]:
            for path, numbers in lines.items():
                imported[path] = imported.get(path, frozenset()) | numbers
        elif record["outcome"] == "passed":
            tests[record["test"]] = MappedTest(record["test"], record["seconds"], lines)
        elif record["outcome"] == "failed":
            failed.append(record["test"])
    return LineMap(files, tests, failed, imported, sources)


def _read_test_texts(project: Project, found: LineMap) -> dict[str, str]:
    files = {test.file for test in found.tests.values()}
    return {name: (project.root / name).read_text(encoding="utf-8") for name in files}


def _read_sources(project: Project) -> dict[str, list[str]]:
    return {name: (project.root / name).read_text(encoding="utf-8").splitlines() for name in project.find_sources([])}
