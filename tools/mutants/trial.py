"""Runs chosen tests in a copy of the repository, in a process of its own, and says which one failed."""

from __future__ import annotations

import contextlib
import multiprocessing
import os
import signal
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import pytest

# What most tests import, for the process that all others are forked from.
PRELOADED = ["numpy", "onnx", "openvino", "onnxruntime", "vapoursynth", "cv2", "scipy.ndimage", "hypothesis", "pytest"]
PRELOADED += ["asyncio", "filelock", "platformdirs", "rich.progress"]
_SPARE_SECONDS = 60.0  # what a test may take beside twenty times its usual time, on a busy machine
_START_SECONDS = 180.0  # for imports and collection


@dataclass(frozen=True)
class Outcome:
    """How a trial ended.

    Attributes:
        verdict: "passed", "failed", "timeout" or "crash".
        test: the test that failed, did not end or took the process with it.
    """

    verdict: str
    test: str = ""


class StoppedError(Exception):
    """The user has interrupted the run."""


def run_trial(
    copy: Path, tests: dict[str, float], stopped: Callable[[], bool], *, all_of_them: bool = False
) -> list[Outcome]:
    """Run tests in a copy of the repository until one fails.

    Args:
        copy: the copy; its package is the one that is tested.
        tests: names of the tests in the order of the files to run, with their usual seconds.
        stopped: whether to give up.
        all_of_them: go on after a failure, and return every one.

    Returns:
        What failed, or one outcome that says that all passed.

    Raises:
        StoppedError: `stopped` said so.
        RuntimeError: pytest could not run the tests at all.
    """
    context: Any = multiprocessing.get_context("forkserver" if os.name == "posix" else "spawn")
    if os.name == "posix":
        context.set_forkserver_preload(PRELOADED)
    here, there = context.Pipe(duplex=False)
    process = context.Process(target=_run_tests, args=(str(copy), tests, all_of_them, there))
    process.start()
    there.close()
    try:
        return _follow(here, tests, stopped)
    finally:
        _kill(process)
        here.close()


def _follow(here: Connection, tests: dict[str, float], stopped: Callable[[], bool]) -> list[Outcome]:
    """Return what a process reports, or what its silence means."""
    test, limit, since = "", _START_SECONDS, time.monotonic()
    failed: list[Outcome] = []
    while True:
        if stopped():
            raise StoppedError
        if time.monotonic() - since > limit:
            return [*failed, Outcome("timeout", test)]
        if not here.poll(0.2):
            continue
        try:
            kind, text = here.recv()
        except EOFError:
            return [*failed, Outcome("crash", test)]
        if kind == "start":
            test, limit, since = text, 20 * tests.get(text, 1.0) + _SPARE_SECONDS, time.monotonic()
        elif kind == "failed":
            failed.append(Outcome("failed", text))
        elif text in ("0", "5"):  # 5: the change has given all of the tests other names
            return failed or [Outcome("passed")]
        elif text in ("1", "2", "4"):  # 4: a `conftest.py` cannot be imported
            return failed or [Outcome("failed", test or "(import)")]
        else:
            raise RuntimeError(
                f"pytest ended with {text} in {', '.join(sorted({name.partition('::')[0] for name in tests}))}"
            )


def _kill(process: Any) -> None:
    """End a process and all that it has started."""
    if process.pid is not None and os.name == "posix":
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(process.pid, signal.SIGKILL)
    process.kill()
    process.join()


def _run_tests(copy: str, tests: dict[str, float], all_of_them: bool, there: Connection) -> None:
    """Run pytest; the process belongs to it alone."""
    if os.name == "posix":
        os.setsid()
        # Memory that a change wastes is its own.
        with contextlib.suppress(OSError):
            Path("/proc/self/oom_score_adj").write_text("1000")
    log = os.open(f"{copy}.log", os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
    for descriptor in (1, 2):
        os.dup2(log, descriptor)
    os.chdir(copy)
    os.environ["PYTHONPATH"] = copy
    os.environ["PYTHONDONTWRITEBYTECODE"] = "1"
    sys.dont_write_bytecode = True
    root = str(Path(__file__).parents[2])
    sys.path[:] = [copy, *(entry for entry in sys.path if entry not in ("", root, copy))]
    files = list(dict.fromkeys(name.partition("::")[0] for name in tests))
    options = ["-q", "-p", "no:cacheprovider", "-p", "no:xdist", "--tb=line", *([] if all_of_them else ["-x"])]
    code = pytest.main([*options, *files], plugins=[_Reporter(list(tests), there)])
    there.send(("end", str(int(code))))
    there.close()
    os._exit(0)  # what a changed engine does when it is torn down is nobody's concern


class _Reporter:
    """Runs the chosen tests alone, in their order, and reports on a pipe."""

    def __init__(self, names: list[str], there: Connection) -> None:
        self._order = {name: index for index, name in enumerate(names)}
        self._there = there

    @pytest.hookimpl(trylast=True)
    def pytest_collection_modifyitems(self, config: pytest.Config, items: list[pytest.Item]) -> None:
        """Keep the chosen tests."""
        chosen = sorted(
            (item for item in items if item.nodeid in self._order), key=lambda item: self._order[item.nodeid]
        )
        config.hook.pytest_deselected(items=[item for item in items if item.nodeid not in self._order])
        items[:] = chosen

    def pytest_runtest_logstart(self, nodeid: str) -> None:
        """Report which test begins."""
        self._there.send(("start", nodeid))

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Report a failure."""
        if report.failed:
            self._there.send(("failed", report.nodeid))

    def pytest_collectreport(self, report: pytest.CollectReport) -> None:
        """Report a file that cannot be imported."""
        if report.failed:
            self._there.send(("failed", f"{report.nodeid} (import)"))
