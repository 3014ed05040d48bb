"""Defines the training task of line colorization, for either stage."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import torch
from torch import nn

from vsanime.training.colorization import sources, validate
from vsanime.training.colorization.losses import Features
from vsanime.training.colorization.samples import ShotSamples
from vsanime.training.colorization.stages import Stage
from vsanime.training.colorization.trainer import ColorTrainer
from vsanime.training.data.batches import Named
from vsanime.training.recipes.colorization import ColorRecipe
from vsanime.training.run.learner import Values
from vsanime.training.run.plots import Drawing
from vsanime.training.run.task import Order, Task, Tell
from vsanime.training.style import perceptual
from vsanime.training.style.perceptual import Found

_CALIBRATION = 8  # number of true pictures for measuring the scales of features
_CHECKED = 3  # number of samples for checking the export


class ColorTask(Task[ColorRecipe]):
    """A run that learns to color line art."""

    columns = ("loss", "l1", "squared", "latent", "adversarial", "perceptual", "style", "critic")
    drawings = (
        Drawing("losses", "log.csv", "losses without weights", ("l1", "latent", "perceptual"), logarithmic=True),
        Drawing("critic", "log.csv", "adversarial losses", ("adversarial", "critic")),
        Drawing("psnr", "validation.csv", "PSNR on held-out scenes, dB", ("whole", "changed")),
        Drawing("gain", "validation.csv", "PSNR above the blend on changed pixels, dB", ("gain",)),
    )
    # Logits of attention amplify differences in the order of sums.
    bound = 1e-4
    output = "colour"
    measured = validate.MEASURED
    trainer: ColorTrainer
    sampler: ShotSamples

    def __init__(self, order: Order[ColorRecipe]) -> None:
        super().__init__(order)
        self.turn = order.recipe.training.turn
        self.sample_every = order.recipe.training.sample_every

    def prepare(self, tell: Tell) -> None:
        """Find drawings, shots and networks, the same ones if resumed, and make the trainer and the sampler."""
        recipe, roots, folder = self.recipe, self.order.roots, self.folder.path
        stage = Stage(recipe, roots, self.order.device)
        material = sources.find(recipe, roots, tell, distances=stage.needs_distances)
        found = perceptual.find(recipe.losses.network, roots, tell) if recipe.wants_features else None
        features = [f"{found.kind} ({found.origin})"] if found else []
        names = material.names | {"features": features, "networks": stage.files}
        if self.order.resume:
            sources.check(names, folder)
        self.sampler, self._held_out = material.training, material.held_out
        losses = self._features(found, tell) if found else None
        self.trainer = ColorTrainer(recipe, stage, losses, self.order.device)
        if not self.order.resume:
            sources.keep(names, folder)

    def hold_out(self, tell: Tell) -> None:
        """Make the samples of validation, each a batch of one, and report the measures of the blend of both keys."""
        made = [self._held_out.validation(number) for number in range(self.recipe.validation.samples)]
        device = self.order.device
        self._held = [{name: torch.from_numpy(part)[None].to(device) for name, part in parts.items()} for parts in made]
        values = validate.measure(self._held, validate.blend)
        tell(f"held-out scenes, both keys moved and blended: {self.format_measures(values)}")

    def step(self, step: int, batch: Named) -> Values:
        """Update the weights from the samples of a step, and return the losses."""
        return self.trainer.step(step, batch)

    def measure(self) -> dict[str, float]:
        """Return the measures of `validate.measure` on held-out scenes, in dB."""
        return validate.measure(self._held, self._colours)

    def sheet(self) -> list[list[torch.Tensor]]:
        """Return a row for each sample: line art, both keys, their blend, the network's output, the truth."""
        rows = []
        for parts in self._held[: self.recipe.validation.shown]:
            keys = [parts["key_colours"][:, i] for i in (0, 1)]
            line = parts["line"].expand(-1, 3, -1, -1)
            rows.append([line, *keys, validate.blend(parts), self._colours(parts), parts["truth"]])
        return rows

    def averaged_net(self) -> nn.Module:
        """Return the averaged network in f32, on the device of the first stage."""
        return self.trainer.mean.net.float()

    def probes(self, net: nn.Module) -> Iterator[tuple[Mapping[str, torch.Tensor], torch.Tensor]]:
        """Yield samples of validation, and the network's output for them."""
        stage = self.trainer.stage
        for parts in self._held[:_CHECKED]:
            yield stage.inputs(parts), stage.run(net, parts).colour

    def _colours(self, parts: Named) -> torch.Tensor:
        """Return the averaged network's colors of samples."""
        return self.trainer.colours(parts).colour

    def _features(self, found: Found, tell: Tell) -> Features:
        """Return the losses by a perceptual network; scales of features are measured on the first samples of step 0."""
        wanted = self.recipe.losses
        tell(f"features by {found.kind} ({found.origin}), normalised as {wanted.normalisation!r} has it")
        pictures = torch.from_numpy(self.sampler.batch(0, _CALIBRATION)["truth"])
        return Features(found, wanted, pictures, self.order.device)
