"""A run of AnimeGANv2: initialisation, then both networks against each other; reports, samples and checkpoints."""

from __future__ import annotations

from collections.abc import Callable
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
from vsanime.training.animegan.trainer import StyleTrainer
from vsanime.training.animegan.validate import HeldOut, apart, draw, measure
from vsanime.training.batches import Batch, batches
from vsanime.training.failures import told_in_one_line
from vsanime.training.loop import Order
from vsanime.training.pictures import find_sources
from vsanime.training.run import Run, learn, said
from vsanime.training.runfolder import RunFolder

_COLUMNS = ("loss", "content", "style", "colour", "variation", "adversarial", "critic")
_CALIBRATION = 8  # photographs, and pictures of the style, that losses are weighed by
_BALANCE = "perceptual.json"

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
    tell(f"held-out photographs as they are: {said(measure(trainer, held, lambda photo: photo))}")
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
    recipe = trainer.recipe
    run = Run[Batch](
        name=recipe.name,
        folder=folder,
        training=recipe.training,
        turn=recipe.training.init_steps,
        columns=_COLUMNS,
        measured=held.measured,
        step=lambda step, batch: trainer.step(step, *batch),
        gather=trainer.gather,
        measure=lambda: measure(trainer, held, trainer.mean.net),
        sheet=lambda step: write_sheet(folder.path / "samples", step, trainer.mean.net, held),
    )
    learn(run, batches(sampler, recipe.training, done, pin=trainer.device.type == "cuda"), done)
