"""Runs the training loop: resumes, takes steps, reports, validates, writes checkpoints, and exports at the end."""

from __future__ import annotations

import time
from contextlib import closing
from pathlib import Path

import torch

from vsanime.training.data.batches import batches
from vsanime.training.data.failures import report_in_one_line
from vsanime.training.recipes.reader import AnyRecipe
from vsanime.training.run import checkpoint
from vsanime.training.run.checkpoint import Checkpoint
from vsanime.training.run.export import finish
from vsanime.training.run.learner import Values
from vsanime.training.run.log import Events, Log
from vsanime.training.run.progress import RunProgress
from vsanime.training.run.sheets import write_sheet
from vsanime.training.run.stopping import wish_to_stop
from vsanime.training.run.task import Task, Tell


def train[R: AnyRecipe](task: Task[R], tell: Tell) -> Path:
    """Begin or resume a run, and take it to its end.

    Args:
        task: task to train.
        tell: receives lines about what happens before the first step and after the last.

    Returns:
        The path of the ONNX of the averaged weights.

    Raises:
        VsanimeError: sources, recipe, checkpoint, memory or disk do not allow the run.
        KeyboardInterrupt: the user stopped the run; a checkpoint was written.
    """
    with report_in_one_line():
        folder, resume = task.folder, task.order.resume
        if resume:
            folder.check_same(task.recipe)
        else:
            folder.check_new()
        task.prepare(tell)
        done = 0
        if resume:
            found = checkpoint.newest(folder.checkpoints)
            if found is not None:
                task.trainer.restore(found)
                done = found.step
            tell(f"going on after step {done}")
        else:
            folder.begin(task.recipe)
        task.hold_out(tell)
        _learn(task, done)
        return finish(task, tell)


def _learn[R: AnyRecipe](task: Task[R], done: int) -> None:
    """Take the steps after the first `done`."""
    training = task.recipe.training
    if done >= training.steps:
        return
    reports = _Reports(task, done)
    progress = RunProgress(task.recipe.name, done, training.steps)
    try:
        made = batches(task.sampler, training, done, pin=task.order.device.type == "cuda")
        with progress, wish_to_stop() as stopped, closing(made):
            for step, batch in enumerate(made, done):
                reports.after(step + 1, task.step(step, batch), progress)
                if stopped() and step + 1 < training.steps:
                    _save(task, step + 1)
                    progress.say(f"stopped after step {step + 1}; --resume goes on from there")
                    raise KeyboardInterrupt
    finally:
        reports.close()


class _Reports[R: AnyRecipe]:
    """Writes logs, events, sheets and checkpoints after steps."""

    def __init__(self, task: Task[R], done: int) -> None:
        self._task = task
        folder = task.folder
        self._log = Log(folder.path / "log.csv", ("step", *task.columns, "steps_per_second"), done)
        self._validation = Log(folder.path / "validation.csv", ("step", *task.measured), done)
        self._events = Events(folder.events, done)
        self._values: list[Values] = []
        self._since = time.monotonic()

    def after(self, step: int, values: Values, progress: RunProgress) -> None:
        """Record the losses of the last step, and write what is due after `step` completed steps."""
        task, training = self._task, self._task.recipe.training
        last, turn = step == training.steps, step == task.turn
        self._values.append(values)
        if step % task.report_every == 0 or last or turn:
            self._report(step, progress)
        if step % training.validate_every == 0 or last:
            measured = task.measure()
            self._validation.add({"step": step, **measured})
            self._events.add({"step": step, **{f"{task.group}/{name}": value for name, value in measured.items()}})
            progress.measured(step, task.format_measures(measured))
        if task.sample_every and (step % task.sample_every == 0 or last or turn):
            progress.say(f"step {step}: {write_sheet(task.folder.path / 'samples', step, task.sheet())}")
        if step % training.checkpoint_every == 0 or last:
            self._check(step)
            _save(task, step)
        progress.at(step)

    def _report(self, step: int, progress: RunProgress) -> None:
        """Log the mean losses since the last report."""
        means = self._check(step)
        now = time.monotonic()
        speed = len(self._values) / max(1e-9, now - self._since)
        row = {"step": step, **means, **self._task.log_values(step), "steps_per_second": speed}
        self._log.add(row)
        self._events.add(row)
        progress.loss(means["loss"])
        self._values, self._since = [], now

    def _check(self, step: int) -> dict[str, float]:
        """Return the mean losses since the last report.

        Raises:
            VsanimeError: one of them has diverged.
        """
        names = self._values[-1] if self._values else {}
        means = {name: float(torch.stack([values[name] for values in self._values]).mean()) for name in names}
        self._task.check_losses(step, means)
        return means

    def close(self) -> None:
        """Close the events."""
        self._events.close()


def _save[R: AnyRecipe](task: Task[R], step: int) -> None:
    """Write a checkpoint.

    Raises:
        VsanimeError: the checkpoint cannot be written, or a tensor is not finite; the previous checkpoint stays.
    """
    checkpoint.write_finite(task.folder.checkpoints, Checkpoint(step, task.trainer.gather()), task.advice)
