"""The steps of a run whose losses have names: their means, what is measured and shown now and then, checkpoints.

It is what networks that learn against each other share; `vsanime.training.loop` has one loss and no pictures to show.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Generator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import torch

from vsanime.errors import VsanimeError
from vsanime.training import checkpoint
from vsanime.training.checkpoint import Checkpoint, Tensors
from vsanime.training.log import Events, Log
from vsanime.training.progress import RunProgress
from vsanime.training.runfolder import RunFolder
from vsanime.training.stopping import wish_to_stop

_REPORT_EVERY = 10  # steps: a row of the log
ADVICE = "begin a new run with lower rates in [training]"

type Values = dict[str, torch.Tensor]


class Watched(Protocol):
    """How often a recipe wants what."""

    @property
    def steps(self) -> int:
        """Updates of the weights."""
        ...

    @property
    def validate_every(self) -> int:
        """Steps between validations."""
        ...

    @property
    def sample_every(self) -> int:
        """Steps between sheets of pictures."""
        ...

    @property
    def checkpoint_every(self) -> int:
        """Steps between checkpoints."""
        ...


@dataclass(frozen=True, kw_only=True)
class Run[B]:
    """What is learnt, and how one looks at it.

    Attributes:
        name: of the run.
        folder: where everything is written.
        training: of the recipe.
        turn: step after which losses are of another kind; means do not reach across it.
        columns: names of all losses.
        measured: names of what validation gives.
        step: learn from the batch of a step, counted from 0; gives losses by name.
        gather: everything that was learnt, by name.
        measure: validation.
        sheet: write pictures after so many steps; gives their file.
    """

    name: str
    folder: RunFolder
    training: Watched
    turn: int
    columns: tuple[str, ...]
    measured: tuple[str, ...]
    step: Callable[[int, B], Values]
    gather: Callable[[], Tensors]
    measure: Callable[[], dict[str, float]]
    sheet: Callable[[int], Path]


def learn[B](run: Run[B], made: Generator[B], done: int) -> None:
    """Take all steps that are not done.

    Args:
        run: the run.
        made: batches of the steps from there on.
        done: steps that are done.

    Raises:
        VsanimeError: a loss or weight has run away, or something cannot be read or written.
        KeyboardInterrupt: the user stopped it; a checkpoint was written.
    """
    if done >= run.training.steps:
        return
    reports = _Reports(run, done)
    progress = RunProgress(run.name, done, run.training.steps)
    try:
        with progress, wish_to_stop() as stopped, closing(made):
            for step, batch in enumerate(made, done):
                reports.after(step + 1, run.step(step, batch), progress)
                if stopped() and step + 1 < run.training.steps:
                    _save(run, step + 1)
                    progress.say(f"stopped after step {step + 1}; --resume goes on from there")
                    raise KeyboardInterrupt
    finally:
        reports.close()


class _Reports[B]:
    """What is written down after steps."""

    def __init__(self, run: Run[B], done: int) -> None:
        self._run = run
        self._log = Log(run.folder.path / "log.csv", ("step", *run.columns, "steps_per_second"), done)
        self._validation = Log(run.folder.path / "validation.csv", ("step", *run.measured), done)
        self._events = Events(run.folder.events, done)
        self._values: list[Values] = []
        self._since = time.monotonic()

    def after(self, step: int, values: Values, progress: RunProgress) -> None:
        """So many steps are done, and the last one had these losses."""
        training = self._run.training
        last = step == training.steps
        turn = step == self._run.turn
        self._values.append(values)
        if step % _REPORT_EVERY == 0 or last or turn:
            self._report(step, progress)
        if step % training.validate_every == 0 or last:
            measured = self._run.measure()
            self._validation.add({"step": step, **measured})
            self._events.add({"step": step, **{f"held-out/{name}": value for name, value in measured.items()}})
            progress.measured(step, said(measured))
        if step % training.sample_every == 0 or last or turn:
            progress.say(f"step {step}: {self._run.sheet(step)}")
        if step % training.checkpoint_every == 0 or last:
            self._check(step)
            _save(self._run, step)
        progress.at(step)

    def _report(self, step: int, progress: RunProgress) -> None:
        """The mean losses since the last report."""
        means = self._check(step)
        now = time.monotonic()
        row = {"step": step, **means, "steps_per_second": len(self._values) / max(1e-9, now - self._since)}
        self._log.add(row)
        self._events.add(row)
        progress.loss(means["loss"])
        self._values, self._since = [], now

    def _check(self, step: int) -> dict[str, float]:
        """The mean losses since the last report.

        Raises:
            VsanimeError: one of them is not finite.
        """
        names = self._values[-1] if self._values else {}
        means = {name: float(torch.stack([values[name] for values in self._values]).mean()) for name in names}
        for name, value in means.items():
            if not math.isfinite(value):
                raise VsanimeError(f"the loss {name} is {value} at step {step}, and will not come back; {ADVICE}")
        return means

    def close(self) -> None:
        """Write what is left."""
        self._events.close()


def said(values: dict[str, float]) -> str:
    """Figures by name, in a line."""
    return ", ".join(f"{name} {value:.4g}" for name, value in values.items())


def _save[B](run: Run[B], step: int) -> None:
    """Write a checkpoint.

    Raises:
        VsanimeError: it cannot be written, or a weight is not finite: the checkpoint before is worth more.
    """
    checkpoint.write_finite(run.folder.checkpoints, Checkpoint(step, run.gather()), ADVICE)
