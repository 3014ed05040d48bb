"""What TensorRT says while it works: its messages go to `logging`, its progress to a bar on stderr."""

from __future__ import annotations

import logging
import signal
import time
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from functools import cache
from threading import Lock, RLock, current_thread, get_ident, main_thread
from types import FrameType
from typing import Any
from weakref import WeakSet

from rich.progress import BarColumn, Progress, TaskID, TextColumn, TimeElapsedColumn

from vsanime.backends.tensorrt.flavours import Flavour
from vsanime.terminal import open_console

log = logging.getLogger("vsanime.tensorrt")

# As many of the last errors as a message may want to look through.
_KEPT = 20
_NO_REASON = "it gave no reason"


class Messages:
    """The errors among what TensorRT says, remembered: it reports to its logger what went wrong and returns nothing."""

    def __init__(self, flavour: Flavour) -> None:
        self._errors: deque[tuple[int, int, str]] = deque(maxlen=_KEPT)
        self._count = 0
        self._lock = RLock()  # collecting garbage may log
        self.logger = _logger(flavour.module.ILogger)
        self.logger.listen(self)

    def add(self, thread: int, text: str) -> None:
        """Takes an error; called from TensorRT's threads."""
        with self._lock:
            self._errors.append((self._count, thread, text))
            self._count += 1

    def mark(self) -> int:
        """A moment: how many errors there were."""
        return self._count

    def reason(self, since: int = 0) -> str:
        """The first error since a moment, which names the cause; later ones tell what it led to.

        Errors of other engines are heard as well: what this thread was told goes before them.
        """
        with self._lock:
            recent = [(thread, text) for number, thread, text in self._errors if number >= since]
        own = [text for thread, text in recent if thread == get_ident()]
        heard = own or [text for _, text in recent] or [_NO_REASON]
        return " ".join(heard[0].split())


@cache
def _logger(base: Any) -> Any:
    """The one logger of a package, which lives as long as the process.

    TensorRT keeps the first logger that it is given for all that comes after, and warns of every other.

    Args:
        base: the package's `ILogger`.
    """
    # Of the two severities above warnings, logging knows one.
    errors = {int(base.INTERNAL_ERROR), int(base.ERROR)}
    warning = int(base.WARNING)

    class PythonLogger(base):  # type: ignore[misc]  # the package is Any
        """Passes messages on to `logging`, and errors to those who listen."""

        def __init__(self) -> None:
            base.__init__(self)
            self._listeners: WeakSet[Messages] = WeakSet()
            self._lock = RLock()  # collecting garbage may log

        def listen(self, messages: Messages) -> None:
            """Hands errors on from now on, as long as somebody else holds `messages`."""
            with self._lock:
                self._listeners.add(messages)

        def log(self, severity: Any, msg: str) -> None:
            """Called by TensorRT."""
            if int(severity) in errors:
                with self._lock:
                    for messages in list(self._listeners):
                        messages.add(get_ident(), msg)
            # Errors are no more than noted: they become the texts of exceptions.
            log.log(logging.WARNING if int(severity) == warning else logging.DEBUG, "%s", msg)

    return PythonLogger()


class Monitor:
    """The phases of a build as bars, each below the phase it belongs to."""

    def __init__(self, bars: Progress) -> None:
        self._bars = bars
        self._tasks: dict[str, TaskID] = {}
        self._depths: dict[str, int] = {}
        self._lock = Lock()
        self.interrupted = False

    def start(self, name: str, parent: str | None, steps: int) -> None:
        """A phase of so many steps begins."""
        with self._lock:
            depth = self._depths[parent] + 1 if parent in self._depths else 0
            self._depths[name] = depth
            self._tasks[name] = self._bars.add_task("  " * depth + name, total=steps)

    def step(self, name: str, number: int) -> bool:
        """A step is done; whether to go on."""
        try:
            with self._lock:
                if name in self._tasks:
                    self._bars.update(self._tasks[name], completed=number + 1)
        except KeyboardInterrupt:
            # Of a handler of the program's own. It must not fly through native code: the build is told to stop, and
            # the interrupt raised after it.
            self.interrupted = True
        return not self.interrupted

    def finish(self, name: str) -> None:
        """A phase ends; the outermost one stays to be seen."""
        with self._lock:
            if name in self._tasks and self._depths[name] > 0:
                self._bars.remove_task(self._tasks[name])


@dataclass(frozen=True)
class Watch:
    """A command that builds one engine after another, and says itself what it builds.

    Attributes:
        bars: where the phases of a build are drawn, below what the command draws.
        seconds: how long each build took, in order.
    """

    bars: Progress
    seconds: list[float] = field(default_factory=list)


_watch: ContextVar[Watch | None] = ContextVar("_watch", default=None)


@contextmanager
def watched(bars: Progress) -> Iterator[Watch]:
    """Has what this thread builds meanwhile drawn in bars that are there already, and noted."""
    watch = Watch(bars)
    token = _watch.set(watch)
    try:
        yield watch
    finally:
        _watch.reset(token)


@contextmanager
def monitored(flavour: Flavour, title: str) -> Iterator[tuple[Monitor, Any]]:
    """A monitor, and what TensorRT takes for one; None where a version knows none.

    Args:
        flavour: the package.
        title: what is built, for whoever waits.
    """
    with _bars(title) as bars:
        monitor = Monitor(bars)
        base = getattr(flavour.module, "IProgressMonitor", None)
        with _interrupts_noted(monitor):
            yield monitor, _monitor_class(flavour.module)(monitor) if base is not None else None


@contextmanager
def _interrupts_noted(monitor: Monitor) -> Iterator[None]:
    """Has Ctrl-C stop the build at its next step; raised inside a callback, TensorRT would swallow it and go on.

    Elsewhere than in the main thread, which alone receives signals, and where a program has a handler of its own, all
    stays as it is.
    """

    def note(_number: int, _frame: FrameType | None) -> None:
        monitor.interrupted = True

    ours = current_thread() is main_thread() and signal.getsignal(signal.SIGINT) is signal.default_int_handler
    if not ours:
        yield
        return
    signal.signal(signal.SIGINT, note)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, signal.default_int_handler)


@contextmanager
def _bars(title: str) -> Iterator[Progress]:
    """Bars of our own on stderr, or those of whoever watches."""
    if (watch := _watch.get()) is not None:
        theirs, started = watch.bars.task_ids, time.monotonic()
        try:
            yield watch.bars
        finally:
            for task in set(watch.bars.task_ids).difference(theirs):
                watch.bars.remove_task(task)
        watch.seconds.append(time.monotonic() - started)
        return
    console = open_console()
    columns = TextColumn("{task.description}", markup=False), BarColumn(), TimeElapsedColumn()
    # Where stderr is no terminal, one line says what takes so long.
    console.print(f"vsanime: {title}", markup=False, highlight=False, soft_wrap=True)
    with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as bars:
        yield bars


@cache
def _monitor_class(module: Any) -> Any:
    class PythonMonitor(module.IProgressMonitor):  # type: ignore[misc]  # the module is Any
        """Hands progress over."""

        def __init__(self, monitor: Monitor) -> None:
            module.IProgressMonitor.__init__(self)
            self._monitor = monitor

        def phase_start(self, phase_name: str, parent_phase: str | None, num_steps: int) -> None:
            """Called by TensorRT."""
            self._monitor.start(phase_name, parent_phase, num_steps)

        def step_complete(self, phase_name: str, step: int) -> bool:
            """Called by TensorRT."""
            return self._monitor.step(phase_name, step)

        def phase_finish(self, phase_name: str) -> None:
            """Called by TensorRT."""
            self._monitor.finish(phase_name)

    return PythonMonitor
