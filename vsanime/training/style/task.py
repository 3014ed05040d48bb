"""Defines the training task of AnimeGANv2: initialization of the generator, then adversarial training."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import torch
from torch import nn

from vsanime.errors import VsanimeError
from vsanime.training.data.batches import Batch
from vsanime.training.data.pictures import find_sources
from vsanime.training.recipes.stylization import StyleRecipe
from vsanime.training.run.learner import Values
from vsanime.training.run.plots import Drawing
from vsanime.training.run.task import Order, Task, Tell
from vsanime.training.style import balance as balances
from vsanime.training.style import perceptual
from vsanime.training.style.balance import Balance
from vsanime.training.style.perceptual import Trunk
from vsanime.training.style.samples import StyleSampler, check_split
from vsanime.training.style.trainer import StyleTrainer
from vsanime.training.style.validate import MEASURED, apart, draw, measure

_CALIBRATION = 8  # number of photographs, and of pictures of the style, for measuring the weights of losses
_BALANCE = "perceptual.json"


class StyleTask(Task[StyleRecipe]):
    """A run that learns a style.

    Args:
        order: request of the user.

    Raises:
        VsanimeError: a source of the recipe is missing.
    """

    columns = ("loss", "content", "style", "colour", "variation", "adversarial", "critic")
    drawings = (
        Drawing("losses", "log.csv", "losses without weights", ("content", "style", "colour"), logarithmic=True),
        Drawing("critic", "log.csv", "adversarial losses", ("adversarial", "critic")),
        Drawing("held-out", "validation.csv", "on held-out pictures", logarithmic=True),
    )
    # A dozen norms over whole pictures in a row amplify differences in the order of sums more than convolutions do.
    bound = 1e-4
    measured = MEASURED
    trainer: StyleTrainer
    sampler: StyleSampler

    def __init__(self, order: Order[StyleRecipe]) -> None:
        super().__init__(order)
        self.turn = order.recipe.training.init_steps
        self.sample_every = order.recipe.training.sample_every
        self._places = find_sources(order.recipe.sources, order.roots)

    def prepare(self, tell: Tell) -> None:
        """Find the pictures and the perceptual network, and make the trainer and the sampler."""
        recipe = self.recipe
        pictures = self.find_pictures(recipe, self._places, tell)
        check_split(recipe, pictures)
        styles = sum(picture.source >= len(recipe.photos) for picture in pictures)
        held_out = sum(picture.held_out for picture in pictures)
        tell(f"{len(pictures) - styles} photographs and {styles} pictures of the style, {held_out} of them held out")
        self.sampler = StyleSampler(recipe, pictures, self._places, self.order.roots)
        trunk, balance = self._weigh(tell)
        self.remark = f"; {balance}"
        self.trainer = StyleTrainer(recipe, self.order.device, trunk, balance)

    def hold_out(self, tell: Tell) -> None:
        """Draw the patches of validation, and report the losses of unchanged photographs."""
        self._held = draw(self.sampler, self.recipe, self.order.device)
        values = measure(self.trainer, self._held, lambda photo: photo)
        tell(f"held-out photographs as they are: {self.format_measures(values)}")

    def step(self, step: int, batch: Batch) -> Values:
        """Update the weights from a batch of photographs and pictures of the style, and return the losses."""
        return self.trainer.step(step, *batch)

    def measure(self) -> dict[str, float]:
        """Return the unweighted losses of held-out photographs."""
        return measure(self.trainer, self._held, self.trainer.mean.net)

    def sheet(self) -> list[list[torch.Tensor]]:
        """Return a row of photographs, and a row of the generator's output for them."""
        photos = self._shown()
        with torch.inference_mode():
            rows = [photos, [self.trainer.mean.net(photo) for photo in photos]]
        return [[_to_unit(picture.float()) for picture in row] for row in rows]

    def probes(self, net: nn.Module) -> Iterator[tuple[Mapping[str, torch.Tensor], torch.Tensor]]:
        """Yield the photographs of a sheet, and the generator's output for them, in [0, 1]."""
        for photo in self._shown():
            yield {"input": (photo.cpu() + 1) / 2}, _to_unit(net(photo.cpu()))

    def _shown(self) -> list[torch.Tensor]:
        """Return the photographs of a sheet."""
        return [photo for photo, _ in self._held[: self.recipe.validation.shown]]

    def _weigh(self, tell: Tell) -> tuple[Trunk, Balance]:
        """Return the perceptual network and the weights of its losses, from the run's folder or measured now.

        Raises:
            VsanimeError: there is no such network, or the run began with another one.
        """
        wanted = self.recipe.losses
        found = perceptual.find(wanted.perceptual, self.order.roots, tell)
        layers = dict.fromkeys((perceptual.DEEP[found.kind], *balances.style_layers(found.kind, wanted)))
        trunk = Trunk(found, tuple(layers))
        path = self.folder.path / _BALANCE
        if self.order.resume:
            balance = balances.read(path)
            if (balance.network, balance.file) != (found.kind, found.origin):
                raise VsanimeError(
                    f"{self.folder.path} began with {balance.network} ({balance.file}), and {found.kind} "
                    f"({found.origin}) is what is found now; the run cannot go on with another network"
                )
            trunk.scales.update(balance.scales)
        else:
            patches = [self.sampler.calibration(i) for i in range(_CALIBRATION)]
            photos, styles = (torch.stack(group) for group in apart(patches))
            balance = balances.measure(trunk, found.origin, wanted, photos, styles)
            balances.write(balance, path)
        tell(str(balance))
        return trunk, balance


def _to_unit(picture: torch.Tensor) -> torch.Tensor:
    """Convert a picture from [-1, 1] to [0, 1], clipped."""
    return ((picture + 1) / 2).clamp(0, 1)
