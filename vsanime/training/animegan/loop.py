"""A run of AnimeGANv2: initialisation, then both networks against each other; reports, samples and checkpoints."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import torch

from vsanime.errors import VsanimeError
from vsanime.training import checkpoint
from vsanime.training.animegan import balance as balances
from vsanime.training.animegan import perceptual
from vsanime.training.animegan.balance import Balance
from vsanime.training.animegan.finish import finish
from vsanime.training.animegan.perceptual import Trunk
from vsanime.training.animegan.recipe import StyleRecipe
from vsanime.training.animegan.samples import StyleSampler, check_split
from vsanime.training.animegan.sheets import write_sheet
from vsanime.training.animegan.trainer import StyleTrainer, Values
from vsanime.training.animegan.validate import HeldOut, apart, draw, measure
from vsanime.training.batches import batches
from vsanime.training.checkpoint import Checkpoint
from vsanime.training.failures import told_in_one_line
from vsanime.training.log import Events, Log
from vsanime.training.loop import Order
from vsanime.training.pictures import find_sources
from vsanime.training.progress import RunProgress
from vsanime.training.runfolder import RunFolder
from vsanime.training.stopping import wish_to_stop

_REPORT_EVERY = 10  # steps: a row of the log
_COLUMNS = ("loss", "content", "style", "colour", "variation", "adversarial", "critic")
_CALIBRATION = 8  # photographs, and pictures of the style, that losses are weighed by
_BALANCE = "perceptual.json"
_ADVICE = "begin a new run with lower rates in [training]"

type Tell = Callable[[str], None]


def train(order: Order[StyleRecipe], tell: Tell) -> Path:
    """Begin a run or go on with it, to its end.

    Args:
        order: what to do.
        tell: told what happens before the first step and after the last.

    Returns:
        The ONNX of the averaged generator.

    Raises:
        VsanimeError: pictures, recipe, checkpoint, memory or disk do not allow it.
        KeyboardInterrupt: the user stopped it; a checkpoint was written.
    """
    with told_in_one_line():
        return _train(order, tell)


def _train(order: Order[StyleRecipe], tell: Tell) -> Path:
    """All of it."""
    recipe, folder = order.recipe, RunFolder(order.out)
    places = find_sources(recipe.sources, order.roots)
    if order.resume:
        folder.check_same(recipe)
        pictures = folder.known_pictures()
    else:
        folder.check_new()
        pictures = folder.survey(places, recipe, tell)
    check_split(recipe, pictures)
    styles = sum(picture.source >= len(recipe.photos) for picture in pictures)
    held_out = sum(picture.held_out for picture in pictures)
    tell(f"{len(pictures) - styles} photographs and {styles} pictures of the style, {held_out} of them held out")
    sampler = StyleSampler(recipe, pictures, places, order.roots)
    trunk, balance = _weighed(order, folder, sampler, tell)
    trainer = StyleTrainer(recipe, order.device, trunk, balance)
    done = 0
    if order.resume:
        found = checkpoint.newest(folder.checkpoints)
        if found is not None:
            trainer.restore(found)
            done = found.step
        tell(f"going on after step {done}")
    else:
        folder.begin(recipe)
    held = draw(sampler, recipe, order.device)
    tell(f"held-out photographs as they are: {_said(measure(trainer, held, lambda photo: photo))}")
    _learn(trainer, folder, sampler, held, done)
    return finish(trainer.mean.net, recipe, balance, folder, held, tell)


def _weighed(order: Order[StyleRecipe], folder: RunFolder, sampler: StyleSampler, tell: Tell) -> tuple[Trunk, Balance]:
    """The perceptual network, and the weights that go with it: those that the run began with, or measured now."""
    wanted = order.recipe.losses
    found = perceptual.find(wanted.perceptual, order.roots, tell)
    layers = dict.fromkeys((perceptual.DEEP[found.kind], *balances.style_layers(found.kind, wanted)))
    trunk = Trunk(found, tuple(layers))
    path = folder.path / _BALANCE
    if order.resume:
        balance = balances.read(path)
        if (balance.network, balance.file) != (found.kind, found.origin):
            raise VsanimeError(
                f"{folder.path} began with {balance.network} ({balance.file}), and {found.kind} ({found.origin}) "
                "is what is found now; the run cannot go on with another network"
            )
        trunk.scales.update(balance.scales)
    else:
        patches = [sampler.calibration(i) for i in range(_CALIBRATION)]
        photos, styles = (torch.stack(group) for group in apart(patches))
        balance = balances.measure(trunk, found.origin, wanted, photos, styles)
        balances.write(balance, path)
    tell(str(balance))
    return trunk, balance


def _learn(trainer: StyleTrainer, folder: RunFolder, sampler: StyleSampler, held: HeldOut, done: int) -> None:
    """All steps that are not done."""
    training = trainer.recipe.training
    if done >= training.steps:
        return
    reports = _Reports(trainer, folder, held, done)
    progress = RunProgress(trainer.recipe.name, done, training.steps)
    try:
        made = batches(sampler, training, done, pin=trainer.device.type == "cuda")
        with progress, wish_to_stop() as stopped, closing(made):
            for step, (photos, styles) in enumerate(made, done):
                reports.after(step + 1, trainer.step(step, photos, styles), progress)
                if stopped() and step + 1 < training.steps:
                    _save(trainer, folder, step + 1)
                    progress.say(f"stopped after step {step + 1}; --resume goes on from there")
                    raise KeyboardInterrupt
    finally:
        reports.close()


class _Reports:
    """What is written down after steps."""

    def __init__(self, trainer: StyleTrainer, folder: RunFolder, held: HeldOut, done: int) -> None:
        self._trainer = trainer
        self._folder = folder
        self._held = held
        self._log = Log(folder.path / "log.csv", ("step", *_COLUMNS, "steps_per_second"), done)
        self._validation = Log(folder.path / "validation.csv", ("step", *held.measured), done)
        self._events = Events(folder.events, done)
        self._values: list[Values] = []
        self._since = time.monotonic()

    def after(self, step: int, values: Values, progress: RunProgress) -> None:
        """So many steps are done, and the last one had these losses."""
        training = self._trainer.recipe.training
        last = step == training.steps
        turn = step == training.init_steps  # losses before and after it are not of a kind
        self._values.append(values)
        if step % _REPORT_EVERY == 0 or last or turn:
            self._report(step, progress)
        if step % training.validate_every == 0 or last:
            measured = measure(self._trainer, self._held, self._trainer.mean.net)
            self._validation.add({"step": step, **measured})
            self._events.add({"step": step, **{f"held-out/{name}": value for name, value in measured.items()}})
            progress.measured(step, _said(measured))
        if step % training.sample_every == 0 or last or turn:
            path = write_sheet(self._folder.path / "samples", step, self._trainer.mean.net, self._held)
            progress.say(f"step {step}: {path}")
        if step % training.checkpoint_every == 0 or last:
            self._check(step)
            _save(self._trainer, self._folder, step)
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
                raise VsanimeError(f"the loss {name} is {value} at step {step}, and will not come back; {_ADVICE}")
        return means

    def close(self) -> None:
        """Write what is left."""
        self._events.close()


def _save(trainer: StyleTrainer, folder: RunFolder, step: int) -> None:
    """Write a checkpoint.

    Raises:
        VsanimeError: it cannot be written, or a weight is not finite: the checkpoint before is worth more.
    """
    checkpoint.write_finite(folder.checkpoints, Checkpoint(step, trainer.gather()), _ADVICE)


def _said(values: dict[str, float]) -> str:
    return ", ".join(f"{name} {value:.4g}" for name, value in values.items())
