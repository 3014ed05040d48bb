"""Tries the drawn changes on all cores, each against the tests that run its line, and journals the results."""

from __future__ import annotations

import hashlib
import json
import os
import queue
import tempfile
import threading
import time
from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from tools.mutants.changes import Change
from tools.mutants.linemap import LineMap, MappedTest
from tools.mutants.project import Project
from tools.mutants.trial import StoppedError, run_trial

_FIRST_SECONDS = 5.0  # of the tests that are tried first, without importing the files of all others
_FIRST_FILES = 3


@dataclass(frozen=True)
class Result:
    """What came of a change.

    Attributes:
        verdict: "failed", "timeout" or "crash" if a test noticed it; "survived"; "uncovered" if no test runs its line.
        test: the test that noticed it.
        seconds: how long that took.
        ran: how many tests were run at most.
        covering: how many tests run its line.
    """

    verdict: str
    test: str
    seconds: float
    ran: int
    covering: int

    @property
    def noticed(self) -> bool:
        """Whether a test noticed the change."""
        return self.verdict in ("failed", "timeout", "crash")


class Journal:
    """Results on disk, a line each, so that an interrupted run goes on."""

    def __init__(self, project: Project, line_map: LineMap) -> None:
        self._path = project.store / "journal.jsonl"
        self._map = line_map
        self._lock = threading.Lock()
        self._known: dict[str, dict[str, Any]] = {}
        if self._path.exists():
            for line in self._path.read_text(encoding="utf-8").splitlines():
                try:
                    entry = json.loads(line)
                    self._known[json.dumps(entry["change"])] = entry
                except (ValueError, KeyError):  # the run ended while it was written
                    continue

    def find(self, change: Change, planned: list[MappedTest]) -> Result | None:
        """Return the result of an earlier run, unless files that it depends on have changed."""
        entry = self._known.get(json.dumps(change.identity))
        if entry is None:
            return None
        result = Result(**entry["result"])
        if result.noticed:
            lasts = entry["source"] == self._map.files[change.path] and (
                result.test in self._map.tests or result.test.endswith("(import)")
            )
        else:
            lasts = entry["depends"] == self._digest(planned)
        return result if lasts else None

    def add(self, change: Change, planned: list[MappedTest], result: Result) -> None:
        """Write a result down."""
        entry = {
            "change": change.identity,
            "source": self._map.files[change.path],
            "depends": self._digest(planned),
            "result": asdict(result),
        }
        with self._lock:
            self._known[json.dumps(change.identity)] = json.loads(json.dumps(entry))
            self._path.parent.mkdir(exist_ok=True)
            with self._path.open("a", encoding="utf-8") as file:
                file.write(f"{json.dumps(entry)}\n")

    def _digest(self, planned: list[MappedTest]) -> str:
        """Return what "nothing notices it" depends on: the package, and the tests that were run."""
        files = {path: self._map.files[path] for path in self._map.sources}
        files |= {test.file: self._map.files.get(test.file, "") for test in planned}
        return hashlib.sha256(json.dumps([sorted(files.items()), sorted(t.name for t in planned)]).encode()).hexdigest()


@dataclass
class Session:
    """One run over a sample.

    Attributes:
        project: what is measured.
        line_map: which tests run which lines.
        jobs: how many changes are tried at once.
        seconds: how long the tests of one change may take, by their usual times; those that say least are left out.
        fresh: whether to leave earlier results aside.
        report: takes every change with its result and the number of those done.
    """

    project: Project
    line_map: LineMap
    jobs: int
    seconds: float
    fresh: bool
    report: Callable[[int, Change, Result], None]

    def run(self, changes: list[Change]) -> dict[Change, Result]:
        """Return the result of every change.

        Raises:
            KeyboardInterrupt: the user has had enough; what is done stands in the journal.
            RuntimeError: tests could not be run at all.
        """
        self._journal = Journal(self.project, self.line_map)
        self._results: dict[Change, Result] = {}
        self._stop = threading.Event()
        self._lock = threading.Lock()
        waiting: queue.SimpleQueue[Change] = queue.SimpleQueue()
        for change in changes:
            known = None if self.fresh else self._journal.find(change, self._plan(change)[0])
            if known is None:
                waiting.put(change)
            else:
                self._results[change] = known
                self.report(len(self._results), change, known)
        if not waiting.empty():
            with tempfile.TemporaryDirectory(prefix="vsanime-mutants-", ignore_cleanup_errors=True) as folder:
                self._run_all(waiting, Path(folder).resolve())
        return {change: self._results[change] for change in changes}

    def _run_all(self, waiting: queue.SimpleQueue[Change], folder: Path) -> None:
        failures: list[BaseException] = []

        def work(copy: Path) -> None:
            try:
                self.project.copy_to(copy)
                while not self._stop.is_set():
                    try:
                        change = waiting.get_nowait()
                    except queue.Empty:
                        break
                    self._try_change(copy, change)
                self._confirm(copy)
            except StoppedError:
                pass
            except BaseException as error:
                failures.append(error)
                self._stop.set()

        self._unconfirmed: queue.SimpleQueue[Change] = queue.SimpleQueue()
        threads = [threading.Thread(target=work, args=(folder / f"copy-{job}",)) for job in range(self.jobs)]
        try:
            for thread in threads:
                thread.start()
            for thread in threads:
                while thread.is_alive():
                    thread.join(0.5)
        finally:
            self._stop.set()
            for thread in threads:
                thread.join()
        if failures:
            raise failures[0]

    def _try_change(self, copy: Path, change: Change) -> None:
        planned, covering = self._plan(change)
        began = time.monotonic()
        verdict, test = "survived" if planned else "uncovered", ""
        path = copy / change.path
        source = path.read_bytes()
        status = path.stat()
        path.write_bytes(change.apply(source))
        # Python takes compiled modules by the whole second in which their sources were written.
        os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns + 7_000_000_000))
        try:
            for tests in _split(planned):
                outcome = run_trial(copy, {one.name: one.seconds for one in tests}, self._stop.is_set)[0]
                if outcome.verdict != "passed":
                    verdict, test = outcome.verdict, outcome.test
                    break
        finally:
            path.write_bytes(source)
            os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))
        self._add(change, planned, Result(verdict, test, round(time.monotonic() - began, 1), len(planned), covering))
        if verdict != "survived" and test in self.line_map.tests:
            self._unconfirmed.put(change)

    def _confirm(self, copy: Path) -> None:
        """Run the tests that have noticed changes once more without any, and try those changes again that fail now."""
        changes = []
        while True:
            try:
                changes.append(self._unconfirmed.get_nowait())
            except queue.Empty:
                break
        noticing = {self._results[change].test: change for change in changes}
        if not noticing:
            return
        tests = _by_file(self.line_map.tests[name] for name in noticing)
        outcomes = run_trial(copy, {one.name: one.seconds for one in tests}, self._stop.is_set, all_of_them=True)
        wrong = {outcome.test for outcome in outcomes if outcome.verdict != "passed"}
        for change in changes:
            if self._results[change].test in wrong:
                planned, covering = self._plan(change)
                self._add(change, planned, Result("survived", "", 0.0, 0, covering))

    def _add(self, change: Change, planned: list[MappedTest], result: Result) -> None:
        with self._lock:
            self._journal.add(change, planned, result)
            self._results[change] = result
            self.report(len(self._results), change, result)

    def _plan(self, change: Change) -> tuple[list[MappedTest], int]:
        """Return the tests to run, those first that say most, and how many run the line."""
        ranked = self.line_map.rank_tests(change)
        planned: list[MappedTest] = []
        total = 0.0
        for test in ranked:
            if planned and total + test.seconds > self.seconds:
                continue
            planned.append(test)
            total += test.seconds
        return planned, len(ranked)


def _split(planned: list[MappedTest]) -> list[list[MappedTest]]:
    """Return the tests to run first and all others, each file's together."""
    first: list[MappedTest] = []
    files: set[str] = set()
    total = 0.0
    for test in planned:
        if first and (total + test.seconds > _FIRST_SECONDS or len(files | {test.file}) > _FIRST_FILES):
            continue
        first.append(test)
        files.add(test.file)
        total += test.seconds
    names = {test.name for test in first}
    others = [test for test in planned if test.name not in names]
    return [_by_file(tests) for tests in (first, others) if tests]


def _by_file(tests: Iterable[MappedTest]) -> list[MappedTest]:
    """Return tests file by file, so that fixtures which they share are made once."""
    files: dict[str, list[MappedTest]] = {}
    for test in tests:
        files.setdefault(test.file, []).append(test)
    return [test for one in files.values() for test in one]
