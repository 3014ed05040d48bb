"""Report what TensorRT does: its messages go to `logging`, its progress to bars on stderr."""

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

# Number of recent errors that are kept for messages.
_KEPT = 20
_NO_REASON = "it gave no reason"


class Messages:
    """The recent errors that TensorRT reported: it logs the cause of a failure instead of returning it."""

    def __init__(self, flavour: Flavour) -> None:
        self._errors: deque[tuple[int, int, str]] = deque(maxlen=_KEPT)
        self._count = 0
        self._lock = RLock()  # garbage collection may log
        self.logger = _logger(flavour.module.ILogger)
        self.logger.listen(self)

    def add(self, thread: int, text: str) -> None:
        """Store an error; called from TensorRT's threads."""
        with self._lock:
            self._errors.append((self._count, thread, text))
            self._count += 1

    def mark(self) -> int:
        """Return a mark of the current moment: the number of errors so far."""
        return self._count

    def reason(self, since: int = 0) -> str:
        """Return the first error since a mark, which names the cause; later ones are its consequences.

        Errors of other engines arrive as well, so those of this thread take precedence.
        """
        with self._lock:
            recent = [(thread, text) for number, thread, text in self._errors if number >= since]
        own = [text for thread, text in recent if thread == get_ident()]
        heard = own or [text for _, text in recent] or [_NO_REASON]
        return " ".join(heard[0].split())


@cache
def _logger(base: Any) -> Any:
    """Return the one logger of a package, which lives as long as the process.

    TensorRT keeps the first logger that it gets for everything that follows, and warns of every other.

    Args:
        base: the package's `ILogger`.
    """
    # Both severities above warnings count as errors.
    errors = {int(base.INTERNAL_ERROR), int(base.ERROR)}
    warning = int(base.WARNING)

    class PythonLogger(base):  # type: ignore[misc]  # the package is Any
        """A logger that passes messages on to `logging`, and errors to its listeners."""

        def __init__(self) -> None:
            base.__init__(self)
            self._listeners: WeakSet[Messages] = WeakSet()
            self._lock = RLock()  # garbage collection may log

        def listen(self, messages: Messages) -> None:
            """Pass on errors to `messages` from now on, for as long as it is referenced elsewhere."""
            with self._lock:
                self._listeners.add(messages)

        def log(self, severity: Any, msg: str) -> None:
            """Log a message; called by TensorRT."""
            if int(severity) in errors:
                with self._lock:
                    for messages in list(self._listeners):
                        messages.add(get_ident(), msg)
            # Errors are logged at debug level, because they become the texts of exceptions.
            log.log(logging.WARNING if int(severity) == warning else logging.DEBUG, "%s", msg)

    return PythonLogger()


class Monitor:
    """The phases of a build as bars, each below its parent phase."""

    def __init__(self, bars: Progress) -> None:
        self._bars = bars
        self._tasks: dict[str, TaskID] = {}
        self._depths: dict[str, int] = {}
        self._lock = Lock()
        self.interrupted = False

    def start(self, name: str, parent: str | None, steps: int) -> None:
        """Add the bar of a phase that begins, with its number of steps."""
        with self._lock:
            depth = self._depths[parent] + 1 if parent in self._depths else 0
            self._depths[name] = depth
            self._tasks[name] = self._bars.add_task("  " * depth + name, total=steps)

    def step(self, name: str, number: int) -> bool:
        """Advance the bar of a phase and return whether to continue."""
        try:
            with self._lock:
                if name in self._tasks:
                    self._bars.update(self._tasks[name], completed=number + 1)
        except KeyboardInterrupt:
            # Raised by the program's own signal handler. It must not pass through native code: stop the build, and
            # raise the interrupt after it.
            self.interrupted = True
        return not self.interrupted

    def finish(self, name: str) -> None:
        """Remove the bar of a phase that ends; the outermost one stays visible."""
        with self._lock:
            if name in self._tasks and self._depths[name] > 0:
                self._bars.remove_task(self._tasks[name])


@dataclass(frozen=True)
class Watch:
    """The progress display of a command that builds several engines and announces them itself.

    Attributes:
        bars: progress display for the phases of a build, below the command's own bars.
        seconds: duration of each build in seconds, in order.
    """

    bars: Progress
    seconds: list[float] = field(default_factory=list)


_watch: ContextVar[Watch | None] = ContextVar("_watch", default=None)


@contextmanager
def watch_build(bars: Progress) -> Iterator[Watch]:
    """Draw the builds of this thread within the context in existing bars, and record their durations."""
    watch = Watch(bars)
    token = _watch.set(watch)
    try:
        yield watch
    finally:
        _watch.reset(token)


@contextmanager
def open_monitor(flavour: Flavour, title: str) -> Iterator[tuple[Monitor, Any]]:
    """Return a monitor, and its counterpart for TensorRT; None for versions that support none.

    Args:
        flavour: the package.
        title: what is built, for the user who waits.
    """
    with _bars(title) as bars:
        monitor = Monitor(bars)
        base = getattr(flavour.module, "IProgressMonitor", None)
        with _note_interrupts(monitor):
            yield monitor, _monitor_class(flavour.module)(monitor) if base is not None else None


@contextmanager
def _note_interrupts(monitor: Monitor) -> Iterator[None]:
    """Let Ctrl-C stop the build at its next step; TensorRT would swallow an exception from a callback and continue.

    Nothing changes outside the main thread, which alone receives signals, or if the program has a handler of its own.
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
    """Return new bars on stderr, or those of the current `Watch`."""
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
    # If stderr is not a terminal, this line alone explains the wait.
    console.print(f"vsanime: {title}", markup=False, highlight=False, soft_wrap=True)
    with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as bars:
        yield bars


@cache
def _monitor_class(module: Any) -> Any:
    class PythonMonitor(module.IProgressMonitor):  # type: ignore[misc]  # the module is Any
        """A progress monitor that forwards TensorRT's calls to a `Monitor`."""

        def __init__(self, monitor: Monitor) -> None:
            module.IProgressMonitor.__init__(self)
            self._monitor = monitor

        def phase_start(self, phase_name: str, parent_phase: str | None, num_steps: int) -> None:
            """Forward the start of a phase; called by TensorRT."""
            self._monitor.start(phase_name, parent_phase, num_steps)

        def step_complete(self, phase_name: str, step: int) -> bool:
            """Forward a completed step; called by TensorRT."""
            return self._monitor.step(phase_name, step)

        def phase_finish(self, phase_name: str) -> None:
            """Forward the end of a phase; called by TensorRT."""
            self._monitor.finish(phase_name)

    return PythonMonitor
