"""The training loop: steps, their reports, validations and checkpoints, and what a finished run leaves."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

import torch
from torch.nn import functional

from vsanime.errors import VsanimeError
from vsanime.models.drrn import catmull_rom_taps
from vsanime.nets.blocks import whole
from vsanime.training import checkpoint, validate
from vsanime.training.batches import batches
from vsanime.training.checkpoint import Checkpoint
from vsanime.training.failures import told_in_one_line
from vsanime.training.finish import finish
from vsanime.training.learner import Learner, descend
from vsanime.training.log import Events, Log
from vsanime.training.losses import LOSSES
from vsanime.training.networks import make
from vsanime.training.pictures import find_sources
from vsanime.training.precision import simulation
from vsanime.training.progress import RunProgress
from vsanime.training.recipe import Recipe
from vsanime.training.recipes.reader import AnyRecipe
from vsanime.training.runfolder import RunFolder
from vsanime.training.samples import Sampler
from vsanime.training.schedule import is_mixed, is_rounded, learning_rate
from vsanime.training.state import make_optimizer
from vsanime.training.stopping import wish_to_stop
from vsanime.training.validate import Patch

_REPORT_EVERY = 25  # steps: a row of the log
# Values lie in [0, 1], and fresh networks within a few times that.
_LOST = 1000.0
# A resumed run keeps its recipe.
_ADVICE = "begin a new run with a lower training.rate, or with training.clip_gradient"


@dataclass(frozen=True)
class Order[R: AnyRecipe]:
    """What the user asked for.

    Attributes:
        recipe: with what the command line changed.
        out: folder of the run.
        roots: folders below which the sources lie.
        device: of torch.
        resume: go on with the run in `out`.
    """

    recipe: R
    out: Path
    roots: tuple[Path, ...]
    device: torch.device
    resume: bool


class Trainer(Learner):
    """A network, its average and the optimizer, on a device.

    Args:
        recipe: the recipe.
        device: of torch.
    """

    def __init__(self, recipe: Recipe, device: torch.device) -> None:
        self.recipe = recipe
        super().__init__(make(recipe), recipe.training, device)
        self.net.recompute = recipe.training.recompute
        self.mean.net.recompute = False
        self.optimizer = make_optimizer(self.net, recipe.training)
        self._loss = LOSSES[recipe.training.loss]().to(device)
        self._rounded = {
            native: simulation(self.net, recipe.rounding.dtype, native=native)
            for native in (False, True)
            if recipe.rounding.dtype != "none"
        }

    def step(self, step: int, low: torch.Tensor, high: torch.Tensor) -> torch.Tensor:
        """Learn from one batch.

        Args:
            step: counted from 0.
            low: N, planes, height, width.
            high: N, planes, scale * height, scale * width.

        Returns:
            The loss, on the device.
        """
        training = self.recipe.training
        low = low.to(self.device, non_blocking=True).contiguous(memory_format=self._layout)
        high = high.to(self.device, non_blocking=True)
        result = self._run(step, low).float()
        loss: torch.Tensor = self._loss(result, _middle(high, result, self.net.margin * self.net.scale))
        descend(self.net, self.optimizer, loss, learning_rate(step, training), training.clip_gradient)
        self.mean.update(self.net, step)
        return loss.detach()

    def _run(self, step: int, low: torch.Tensor) -> torch.Tensor:
        training, rounding = self.recipe.training, self.recipe.rounding
        mixed = is_mixed(step, training)
        if is_rounded(step, training, rounding):
            return self._rounded[mixed](low)
        with torch.autocast(self.device.type, torch.bfloat16, enabled=mixed):
            result: torch.Tensor = self.net(low)
        return result


def train(order: Order[Recipe], tell: Callable[[str], None]) -> Path:
    """Begin a run or go on with it, to its end.

    Args:
        order: what to do.
        tell: told what happens before the first step.

    Returns:
        The ONNX of the averaged weights.

    Raises:
        VsanimeError: pictures, recipe, checkpoint, memory or disk do not allow it.
        KeyboardInterrupt: the user stopped it; a checkpoint was written.
    """
    with told_in_one_line():
        return _train(order, tell)


def _train(order: Order[Recipe], tell: Callable[[str], None]) -> Path:
    """All of it."""
    recipe, folder = order.recipe, RunFolder(order.out)
    places = find_sources(recipe.sources, order.roots)
    if order.resume:
        folder.check_same(recipe)
        pictures = folder.known_pictures()
    else:
        folder.check_new()
        pictures = folder.survey(places, recipe, tell)
    held_out = sum(picture.held_out for picture in pictures)
    tell(f"{len(pictures)} pictures, {held_out} of them held out for validation")
    trainer = Trainer(recipe, order.device)
    done = 0
    if order.resume:
        done = _restore(trainer, folder)
        tell(f"going on after step {done}")
    else:
        folder.begin(recipe)
    sampler = Sampler(recipe, pictures, places, folder.clips, trainer.net.scale)
    patches = validate.draw_patches(sampler, recipe, order.device)
    for case, value in validate.measure(_plain_enlargement(recipe, trainer.net.scale), patches).items():
        tell(f"held-out pictures, {case}: {value:.2f} dB without a network")
    _learn(trainer, folder, sampler, patches, done)
    return finish(trainer.mean.net, recipe, folder, patches, tell)


def _restore(trainer: Trainer, folder: RunFolder) -> int:
    """Put the newest checkpoint back; the number of steps that are done."""
    found = checkpoint.newest(folder.checkpoints)
    if found is None:
        return 0
    trainer.restore(found)
    return found.step


def _learn(trainer: Trainer, folder: RunFolder, sampler: Sampler, patches: dict[str, list[Patch]], done: int) -> None:
    """All steps that are not done."""
    training = trainer.recipe.training
    if done >= training.steps:
        return
    reports = _Reports(trainer, folder, patches, done)
    pin = trainer.device.type == "cuda"
    progress = RunProgress(trainer.recipe.name, done, training.steps)
    try:
        made = batches(sampler, training, done, pin=pin)
        with progress, wish_to_stop() as stopped, closing(made):
            for step, (low, high) in enumerate(made, done):
                reports.after(step + 1, trainer.step(step, low, high), progress)
                if stopped() and step + 1 < training.steps:
                    _save(trainer, folder, step + 1)
                    progress.say(f"stopped after step {step + 1}; --resume goes on from there")
                    raise KeyboardInterrupt
    finally:
        reports.close()


class _Reports:
    """What is written down after steps."""

    def __init__(self, trainer: Trainer, folder: RunFolder, patches: dict[str, list[Patch]], done: int) -> None:
        self._trainer = trainer
        self._folder = folder
        self._patches = patches
        self._log = Log(folder.path / "log.csv", ("step", "loss", "rate", "steps_per_second"), done)
        self._validation = Log(folder.path / "validation.csv", ("step", *patches), done)
        self._events = Events(folder.events, done)
        self._losses: list[torch.Tensor] = []
        self._since = time.monotonic()

    def after(self, step: int, loss: torch.Tensor, progress: RunProgress) -> None:
        """So many steps are done, and the last one had this loss."""
        training = self._trainer.recipe.training
        last = step == training.steps
        self._losses.append(loss)
        if step % _REPORT_EVERY == 0 or last:
            self._report(step, progress)
        if step % training.validate_every == 0 or last:
            values = validate.measure(lambda x: whole(self._trainer.mean.net, x), self._patches)
            self._validation.add({"step": step, **values})
            self._events.add({"step": step, **{f"psnr/{case}": value for case, value in values.items()}})
            progress.psnr(step, values)
        if step % training.checkpoint_every == 0 or last:
            self._mean_loss(step)
            _save(self._trainer, self._folder, step)
        progress.at(step)

    def _report(self, step: int, progress: RunProgress) -> None:
        """The mean loss since the last report."""
        loss = self._mean_loss(step)
        now = time.monotonic()
        speed = len(self._losses) / max(1e-9, now - self._since)
        rate = learning_rate(step - 1, self._trainer.recipe.training)
        values = {"step": step, "loss": loss, "rate": rate, "steps_per_second": speed}
        self._log.add(values)
        self._events.add(values)
        progress.loss(loss)
        self._losses, self._since = [], now

    def _mean_loss(self, step: int) -> float:
        """The mean loss since the last report; 0 right after it.

        Raises:
            VsanimeError: it has run away.
        """
        loss = float(torch.stack(self._losses).mean()) if self._losses else 0.0
        if not math.isfinite(loss) or loss > _LOST:
            raise VsanimeError(f"the loss is {loss:.3g} at step {step}, and will not come back; {_ADVICE}")
        return loss

    def close(self) -> None:
        """Write what is left."""
        self._events.close()


def _save(trainer: Trainer, folder: RunFolder, step: int) -> None:
    """Write a checkpoint.

    Raises:
        VsanimeError: it cannot be written, or a weight is not finite: the checkpoint before is worth more.
    """
    checkpoint.write_finite(folder.checkpoints, Checkpoint(step, trainer.gather()), _ADVICE)


def _middle(high: torch.Tensor, result: torch.Tensor, lost: int) -> torch.Tensor:
    """The part of the target that valid convolutions leave.

    Args:
        high: the target.
        result: what the network made.
        lost: pixels of the target that it cannot make, on every side.

    Raises:
        VsanimeError: the result has another size.
    """
    rows, columns = (n - 2 * lost for n in high.shape[2:])
    if result.shape[2:] != (rows, columns):
        raise VsanimeError(
            f"the network makes {tuple(result.shape[2:])} of a patch whose target is {(rows, columns)}; its scale "
            "is not that of the samples"
        )
    return high[:, :, lost : lost + rows, lost : lost + columns]


def _plain_enlargement(recipe: Recipe, scale: int) -> validate.Run:
    """What there would be without a network: Catmull-Rom, or the input's own planes."""

    def run(x: torch.Tensor) -> torch.Tensor:
        if scale == 1:
            return x[:, 1:] if recipe.data.planes == "chroma" else x
        taps = torch.from_numpy(catmull_rom_taps(x.shape[1])).to(x.device)
        return functional.pixel_shuffle(functional.conv2d(functional.pad(x, (2,) * 4, mode="replicate"), taps), 2)

    return run
