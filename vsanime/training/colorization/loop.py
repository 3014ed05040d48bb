"""A run of line colorization, either stage: samples, steps, reports, sheets, and the ONNX at the end."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import torch

from vsanime.training import checkpoint
from vsanime.training.animegan import perceptual
from vsanime.training.animegan.perceptual import Found
from vsanime.training.batches import Named, batches
from vsanime.training.colorization import sources, validate
from vsanime.training.colorization.finish import finish
from vsanime.training.colorization.losses import Features
from vsanime.training.colorization.recipe import ColourRecipe
from vsanime.training.colorization.samples import ShotSamples
from vsanime.training.colorization.sheets import write_sheet
from vsanime.training.colorization.stages import Stage
from vsanime.training.colorization.trainer import ColourTrainer
from vsanime.training.failures import told_in_one_line
from vsanime.training.loop import Order
from vsanime.training.run import Run, learn, said
from vsanime.training.runfolder import RunFolder

_COLUMNS = ("loss", "l1", "squared", "latent", "adversarial", "perceptual", "style", "critic")
_CALIBRATION = 8  # true pictures that the size of features is measured on

type Tell = Callable[[str], None]


def train(order: Order[ColourRecipe], tell: Tell) -> Path:
    """Begin a run or go on with it, to its end.

    Args:
        order: what to do.
        tell: told what happens before the first step and after the last.

    Returns:
        The ONNX of the averaged network.

    Raises:
        VsanimeError: drawings, shots, recipe, checkpoint, memory or disk do not allow it.
        KeyboardInterrupt: the user stopped it; a checkpoint was written.
    """
    with told_in_one_line():
        return _train(order, tell)


def _train(order: Order[ColourRecipe], tell: Tell) -> Path:
    """All of it."""
    recipe, folder = order.recipe, RunFolder(order.out)
    if order.resume:
        folder.check_same(recipe)
    else:
        folder.check_new()
    stage = Stage(recipe, order.roots, order.device)
    material = sources.find(recipe, order.roots, tell, distances=stage.needs_distances)
    found = perceptual.find(recipe.losses.network, order.roots, tell) if recipe.wants_features else None
    names = material.names | {"features": [f"{found.kind} ({found.origin})"] if found else [], "networks": stage.files}
    if order.resume:
        sources.check(names, folder.path)
    features = _features(order, found, material.training, tell) if found else None
    trainer = ColourTrainer(recipe, stage, features, order.device)
    done = 0
    if order.resume:
        last = checkpoint.newest(folder.checkpoints)
        if last is not None:
            trainer.restore(last)
            done = last.step
        tell(f"going on after step {done}")
    else:
        sources.keep(names, folder.path)
        folder.begin(recipe)
    held = _held(material.held_out, recipe, order.device)
    tell(f"held-out scenes, both keys moved and blended: {said(validate.measure(held, validate.blend))}")
    _learn(trainer, folder, material.training, held, done)
    return finish(trainer, folder, held, tell)


def _features(order: Order[ColourRecipe], found: Found, samples: ShotSamples, tell: Tell) -> Features:
    """The losses by a perceptual network; sizes of its features follow from samples that are always the same."""
    tell(f"features by {found.kind} ({found.origin}), normalised as {order.recipe.losses.normalisation!r} has it")
    pictures = torch.from_numpy(samples.batch(0, _CALIBRATION)["truth"])
    return Features(found, order.recipe.losses, pictures, order.device)


def _held(samples: ShotSamples, recipe: ColourRecipe, device: torch.device) -> list[Named]:
    """The samples of validation, each a batch of one; the same ones in every run."""
    made = [samples.validation(number) for number in range(recipe.validation.samples)]
    return [{name: torch.from_numpy(part)[None].to(device) for name, part in parts.items()} for parts in made]


def _learn(trainer: ColourTrainer, folder: RunFolder, samples: ShotSamples, held: list[Named], done: int) -> None:
    """All steps that are not done."""
    recipe = trainer.recipe

    def colours(parts: Named) -> torch.Tensor:
        return trainer.colours(parts).colour

    run = Run[Named](
        name=recipe.name,
        folder=folder,
        training=recipe.training,
        turn=recipe.training.turn,
        columns=_COLUMNS,
        measured=validate.MEASURED,
        step=trainer.step,
        gather=trainer.gather,
        measure=lambda: validate.measure(held, colours),
        sheet=lambda step: write_sheet(folder.path / "samples", step, held[: recipe.validation.shown], colours),
    )
    learn(run, batches(samples, recipe.training, done, pin=trainer.device.type == "cuda"), done)
