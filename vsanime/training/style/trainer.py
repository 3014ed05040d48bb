"""Takes the training steps of AnimeGANv2: those of the initialization, and adversarial ones."""

from __future__ import annotations

import torch

from vsanime.architectures.animegan.carry import carry_colors
from vsanime.architectures.animegan.module import Generator
from vsanime.training.optimize import state
from vsanime.training.pairs.networks import start_from
from vsanime.training.recipes.stylization import StyleRecipe
from vsanime.training.run.checkpoint import Checkpoint
from vsanime.training.run.discriminator import Discriminator
from vsanime.training.run.learner import AdversarialLearner, Values, descend
from vsanime.training.style import losses
from vsanime.training.style.balance import Balance, perceptual
from vsanime.training.style.perceptual import Trunk


class StyleTrainer(AdversarialLearner):
    """A generator, its moving average, a discriminator and their optimizers, on a device.

    Args:
        recipe: recipe of the run.
        device: device of torch.
        trunk: perceptual network of content and style, with its scales.
        balance: weights of content and style.
    """

    def __init__(self, recipe: StyleRecipe, device: torch.device, trunk: Trunk, balance: Balance) -> None:
        self.recipe = recipe
        training = recipe.training
        torch.manual_seed(training.seed)
        net = Generator(recipe.network.upsample)
        if recipe.network.carry:
            carry_colors(net)
        if recipe.network.start:
            start_from(net, recipe.network.start)
        super().__init__(net, Discriminator(), training, training.init_steps, device)
        self.net.recompute = training.recompute
        self.mean.net.recompute = False
        self.trunk = trunk.to(device, memory_format=self._layout)
        self._balance = balance
        self.content, self.style = perceptual(trunk, recipe.losses)

    def step(self, step: int, photos: torch.Tensor, styles: torch.Tensor) -> Values:
        """Update the weights from one batch.

        Args:
            step: step, counted from 0.
            photos: photographs, RGB in [-1, 1], shape (N, 3, H, W).
            styles: pictures of the style, original and with blurred edges, shape (N, 2, 3, H, W).

        Returns:
            The unweighted losses, and `loss`, the weighted sum that the generator minimizes; on the device.
        """
        photos = photos.to(self.device).contiguous(memory_format=self._layout)
        if step < self.recipe.training.init_steps:
            values = self._initialise(photos)
        else:
            if step == self.recipe.training.init_steps:
                self.optimizer = self._make_adam(self.net)  # the moments of the initialization are of another loss
            values = self._compete(photos, styles.to(self.device))
        self.mean.update(self.net, step)
        return {name: value.detach() for name, value in values.items()}

    def _initialise(self, photos: torch.Tensor) -> Values:
        """Take a step by the content loss, and by the color loss if the recipe gives it a weight."""
        with self.autocast():
            fake = self.net(photos)
            seen = self.trunk(fake)
            with torch.no_grad():
                truth = self.trunk(photos)
        content = self.content(seen, truth)
        colour = losses.colour(fake.float(), photos)
        loss = self._balance.content * content + self.recipe.losses.init_colour * colour
        descend(self.net, self.optimizer, loss, self.recipe.training.init_rate)
        return {"loss": loss, "content": content, "colour": colour}

    def _compete(self, photos: torch.Tensor, styles: torch.Tensor) -> Values:
        """Take a step of the discriminator, then one of the generator."""
        training, weights = self.recipe.training, self.recipe.losses
        style, smooth = (styles[:, i].contiguous(memory_format=self._layout) for i in (0, 1))
        gray = losses.to_gray(style).contiguous(memory_format=self._layout)
        with self.autocast():
            fake = self.net(photos).float()
            judged = self.critic(torch.cat([style, fake.detach(), gray, smooth])).float()
        critic = losses.discerning(losses.Judged(*judged.chunk(4)), weights.inner)
        descend(self.critic, self.critic_optimizer, weights.critic * critic, training.critic_rate)
        convincing = losses.convincing(self.judge(fake))
        with self.autocast():
            seen = self.trunk(fake)
            with torch.no_grad():
                truth, wanted = self.trunk(photos), self.trunk(gray)
        values = {
            "content": self.content(seen, truth),
            "style": self.style(seen, wanted),
            "colour": losses.colour(fake, photos),
            "variation": losses.total_variation(fake),
            "adversarial": convincing,
        }
        factors = {
            "content": self._balance.content,
            "style": self._balance.style,
            "colour": weights.colour,
            "variation": weights.variation,
            "adversarial": weights.adversarial,
        }
        loss = torch.stack([factors[name] * value for name, value in values.items()]).sum()
        descend(self.net, self.optimizer, loss, training.rate)
        return {"loss": loss, **values, "critic": critic}

    def restore(self, found: Checkpoint) -> None:
        """Load what `gather` returned; the updates of the generator's optimizer count from the discriminator's start.

        Raises:
            VsanimeError: the checkpoint is of other networks.
        """
        super().restore(found)
        competed = found.step - self.recipe.training.init_steps
        if competed > 0:
            state.put_moments(found.tensors, competed, self.net, self.optimizer)
