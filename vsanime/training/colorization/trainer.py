"""Takes the training steps of line colorization: by direct losses first, then against a discriminator as well."""

from __future__ import annotations

import torch
from torch.nn import functional

from vsanime.training.colorization import losses
from vsanime.training.colorization.losses import Features
from vsanime.training.colorization.stages import Made, Stage
from vsanime.training.data.batches import Named
from vsanime.training.optimize.schedule import climb_and_fall
from vsanime.training.recipes.colorization import ColorRecipe, ColorTraining
from vsanime.training.run.discriminator import PairDiscriminator
from vsanime.training.run.learner import AdversarialLearner, Values, descend


class ColorTrainer(AdversarialLearner):
    """A generator, its moving average, a discriminator and their optimizers, on a device.

    Args:
        recipe: recipe of the run.
        stage: network, and how it is run.
        features: perceptual and style loss; None if no step uses them.
        device: device of torch.
    """

    def __init__(self, recipe: ColorRecipe, stage: Stage, features: Features | None, device: torch.device) -> None:
        self.recipe = recipe
        self.stage = stage
        torch.manual_seed(recipe.training.seed)
        super().__init__(stage.net.train(), PairDiscriminator(), recipe.training, recipe.training.turn, device)
        self.mean.net.eval()
        self._features = features

    def step(self, step: int, parts: Named) -> Values:
        """Update the weights from one batch.

        Args:
            step: step, counted from 0.
            parts: samples of the batch, by name.

        Returns:
            The unweighted losses, and `loss`, the weighted sum that the generator minimizes; on the device.
        """
        training, weights = self.recipe.training, self.recipe.losses
        parts = {name: part.to(self.device) for name, part in parts.items()}
        late = step >= training.turn
        with self.autocast():
            made = self.stage.run(self.net, parts)
        colour, truth = made.colour.float(), parts["truth"]
        values = {
            "l1": functional.l1_loss(colour, truth),
            "squared": functional.mse_loss(colour, truth),
            "latent": losses.latent(made.told, truth),
        }
        critic: Values = {}
        if late and weights.adversarial:
            critic["critic"] = self._discern(parts["line"], colour.detach(), truth)
            values["adversarial"] = losses.convincing(self.judge(torch.cat([parts["line"], colour], 1)))
        if late and self._features is not None:
            with self.autocast():
                values["perceptual"], values["style"] = self._features.compare(colour, truth)
        loss = torch.stack([getattr(weights, name) * value for name, value in values.items()]).sum()
        descend(self.net, self.optimizer, loss, learning_rate(step, training), training.clip_gradient)
        self.mean.update(self.net, step)
        return {name: value.detach() for name, value in ({"loss": loss} | values | critic).items()}

    def colours(self, parts: Named) -> Made:
        """Return the averaged network's output for samples."""
        with torch.inference_mode():
            return self.stage.run(self.mean.net, parts)

    def _discern(self, line: torch.Tensor, fake: torch.Tensor, real: torch.Tensor) -> torch.Tensor:
        """Take a step of the discriminator, and return its loss."""
        with self.autocast():
            pairs = torch.cat([torch.cat([line, picture], 1) for picture in (real, fake)])
            judged = self.critic(pairs).float()
        loss = losses.discerning(*judged.chunk(2))
        training = self.recipe.training
        descend(self.critic, self.critic_optimizer, loss, training.critic_rate, training.clip_gradient)
        return loss


def learning_rate(step: int, training: ColorTraining) -> float:
    """Return the generator's learning rate of a step, counted from 0: a cosine schedule, then perhaps `late_rate`."""
    if step >= training.turn and training.late_rate:
        return training.late_rate
    return climb_and_fall(step, training, training.turn if training.late_rate else training.steps)
