"""Records which lines of the package every test runs: a pytest plugin, also for programs that tests start.

`sys.monitoring` sees every thread, also those of VapourSynth, which Python has not started; a line reports once a test
and costs nothing afterwards. A fixture of a module or a session counts for every test that uses it.
"""

from __future__ import annotations

import json
import os
import sys
import uuid
from collections import defaultdict
from collections.abc import Callable, Iterator
from pathlib import Path
from types import CodeType
from typing import Any

import pytest

FOLDER = "VSANIME_MUTANTS_RECORD"  # where records go; the plugin does nothing without it
PACKAGE = "VSANIME_MUTANTS_PACKAGE"  # the package's folder

_TOOL = 4  # of the six of `sys.monitoring`, one that neither debuggers nor coverage.py take
_monitoring = sys.monitoring


def start_in_subprocess() -> None:
    """Record a program that a test has started; lines are written at once, since programs may be killed."""
    test = os.environ.get("PYTEST_CURRENT_TEST")
    folder = os.environ.get(FOLDER)
    if not folder or not test:
        return
    out = (Path(folder) / f"program-{uuid.uuid4().hex}.txt").open("w", encoding="utf-8", buffering=1)
    out.write(f"{test.rpartition(' ')[0]}\n")
    _monitor(Path(os.environ[PACKAGE]), lambda path, line: out.write(f"{path}:{line}\n"))


def _monitor(package: Path, report: Callable[[str, int], object]) -> None:
    """Report every line of the package that runs, once until `sys.monitoring.restart_events`."""
    prefix = f"{package}{os.sep}"
    watch, line_event = _monitoring.set_local_events, _monitoring.events.LINE
    done = _monitoring.DISABLE  # modules lose their names while Python ends
    root = len(f"{package.parent}{os.sep}")

    def enter(code: CodeType, _offset: int) -> Any:
        if code.co_filename.startswith(prefix):
            watch(_TOOL, code, line_event)
        return done

    def run(code: CodeType, line: int) -> Any:
        report(code.co_filename[root:].replace(os.sep, "/"), line)
        return done

    _monitoring.use_tool_id(_TOOL, "mutants")
    _monitoring.register_callback(_TOOL, _monitoring.events.PY_START, enter)
    _monitoring.register_callback(_TOOL, _monitoring.events.LINE, run)
    _monitoring.set_events(_TOOL, _monitoring.events.PY_START)


type _Lines = set[tuple[str, int]]


class Recorder:
    """Writes a line of JSON for every test: its name, seconds, outcome, and the lines that it ran."""

    def __init__(self, folder: Path, package: Path) -> None:
        self._out = (folder / f"tests-{uuid.uuid4().hex}.jsonl").open("w", encoding="utf-8")
        self._imported: _Lines = set()
        self._lines = self._imported
        self._fixtures: dict[int, _Lines] = defaultdict(set)
        self._seconds = 0.0
        self._outcome = "passed"
        _monitor(package, lambda path, line: self._lines.add((path, line)))

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_protocol(self, item: pytest.Item) -> Iterator[None]:
        """Record one test."""
        self._seconds, self._outcome = 0.0, "passed"
        lines = self._record_to(set())
        began = _processor_time()
        result = yield
        own = self._record_to(lines)
        # What it takes by itself, on a machine that is busy with other things.
        self._seconds = min(self._seconds, _processor_time() - began)
        for fixture in _list_fixtures(item):
            own |= self._fixtures.get(id(fixture), set())
        self._write(item.nodeid, own)
        return result

    @pytest.hookimpl(wrapper=True)
    def pytest_fixture_setup(self, fixturedef: Any) -> Iterator[Any]:
        """Record a fixture that several tests share apart from the test that happens to come first."""
        if fixturedef.scope == "function":
            return (yield)
        lines = self._record_to(self._fixtures[id(fixturedef)])
        try:
            return (yield)
        finally:
            self._record_to(lines)

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Add up the time of a test's phases."""
        self._seconds += report.duration
        if not report.passed or hasattr(report, "wasxfail"):
            self._outcome = report.outcome

    def pytest_sessionfinish(self) -> None:
        """Write what ran outside of tests: imports."""
        self._seconds, self._outcome = 0.0, ""
        self._write("", self._imported)
        self._out.close()

    def _record_to(self, lines: _Lines) -> _Lines:
        before, self._lines = self._lines, lines
        _monitoring.restart_events()
        return before

    def _write(self, name: str, lines: _Lines) -> None:
        files: dict[str, list[int]] = defaultdict(list)
        for path, line in sorted(lines):
            files[path].append(line)
        record = {"test": name, "seconds": round(self._seconds, 4), "outcome": self._outcome, "lines": files}
        self._out.write(f"{json.dumps(record)}\n")
        self._out.flush()


def _processor_time() -> float:
    """Return the seconds that this process and those it has waited for have computed."""
    return sum(os.times()[:4])


def _list_fixtures(item: pytest.Item) -> list[object]:
    """Return the definitions of all fixtures that a test uses."""
    information = getattr(item, "_fixtureinfo", None)
    return [one for found in information.name2fixturedefs.values() for one in found] if information else []


def pytest_configure(config: pytest.Config) -> None:
    """Start to record in processes that run tests, not in the one that hands them out."""
    folder = os.environ.get(FOLDER)
    if folder and (hasattr(config, "workerinput") or not getattr(config.option, "numprocesses", None)):
        config.pluginmanager.register(Recorder(Path(folder), Path(os.environ[PACKAGE])))
