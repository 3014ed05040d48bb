"""A step of a network that colours: by its own losses first, then against a discriminator as well."""

from __future__ import annotations

import math

import torch
from torch import nn
from torch.nn import functional

from vsanime.training import state
from vsanime.training.average import MovingAverage
from vsanime.training.batches import Named
from vsanime.training.checkpoint import Checkpoint, Tensors
from vsanime.training.colorization import losses
from vsanime.training.colorization.losses import Features
from vsanime.training.colorization.recipe import ColourRecipe, ColourTraining
from vsanime.training.colorization.stages import Made, Stage
from vsanime.training.discriminator import PairDiscriminator
from vsanime.training.run import Values

_CRITIC = "critic."  # before the names of the discriminator's tensors in a checkpoint


class ColourTrainer:
    """Generator, its average, discriminator and their optimizers, on a device.

    Args:
        recipe: the recipe.
        stage: the network, and how it is run.
        features: perceptual and style loss; None where no step has them.
        device: of torch.
    """

    def __init__(self, recipe: ColourRecipe, stage: Stage, features: Features | None, device: torch.device) -> None:
        self.recipe = recipe
        self.stage = stage
        self.device = device
        # f32 is f32 on cards as well; convolutions would have 10 bits of it by default.
        torch.backends.cudnn.allow_tf32 = False
        layout = torch.channels_last if recipe.training.channels_last else torch.contiguous_format
        self.net = stage.net.to(device, memory_format=layout).train()
        self.mean = MovingAverage(self.net, recipe.training.ema)
        self.mean.net.eval()
        torch.manual_seed(recipe.training.seed)
        self.critic = PairDiscriminator().to(device, memory_format=layout)
        self.optimizer = self._adam(self.net)
        self.critic_optimizer = self._adam(self.critic)
        self._features = features

    def step(self, step: int, parts: Named) -> Values:
        """Learn from one batch.

        Args:
            step: counted from 0.
            parts: the samples, by name.

        Returns:
            The losses without their weights, and `loss`, what the generator made small; on the device.
        """
        training, weights = self.recipe.training, self.recipe.losses
        parts = {name: part.to(self.device) for name, part in parts.items()}
        late = step >= training.turn
        with self._precision():
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
            with self._precision():
                judged = self._judged(parts["line"], colour)
            values["adversarial"] = losses.convincing(judged.float())
        if late and self._features is not None:
            with self._precision():
                values["perceptual"], values["style"] = self._features.compare(colour, truth)
        loss = torch.stack([getattr(weights, name) * value for name, value in values.items()]).sum()
        self._learn(self.net, self.optimizer, loss, learning_rate(step, training))
        self.mean.update(self.net, step)
        return {name: value.detach() for name, value in ({"loss": loss} | values | critic).items()}

    def colours(self, parts: Named) -> Made:
        """What the average makes of samples."""
        with torch.inference_mode():
            return self.stage.run(self.mean.net, parts)

    def _discern(self, line: torch.Tensor, fake: torch.Tensor, real: torch.Tensor) -> torch.Tensor:
        """A step of the discriminator."""
        with self._precision():
            pairs = torch.cat([torch.cat([line, picture], 1) for picture in (real, fake)])
            judged = self.critic(pairs).float()
        loss = losses.discerning(*judged.chunk(2))
        self._learn(self.critic, self.critic_optimizer, loss, self.recipe.training.critic_rate)
        return loss

    def _judged(self, line: torch.Tensor, colour: torch.Tensor) -> torch.Tensor:
        """What the discriminator says; gradients pass through it and leave none in it."""
        self.critic.requires_grad_(False)
        judged: torch.Tensor = self.critic(torch.cat([line, colour], 1))
        self.critic.requires_grad_(True)
        return judged

    def _learn(self, net: nn.Module, optimizer: torch.optim.Optimizer, loss: torch.Tensor, rate: float) -> None:
        for group in optimizer.param_groups:
            group["lr"] = rate
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        if self.recipe.training.clip_gradient:
            nn.utils.clip_grad_norm_(net.parameters(), self.recipe.training.clip_gradient)
        optimizer.step()

    def _precision(self) -> torch.autocast:
        return torch.autocast(self.device.type, torch.bfloat16, enabled=self.recipe.training.mixed == "bf16")

    def _adam(self, net: nn.Module) -> torch.optim.Adam:
        # The rate is set at every step.
        return torch.optim.Adam(net.parameters(), lr=self.recipe.training.rate, betas=self.recipe.training.betas)

    # Checkpoints

    def gather(self) -> Tensors:
        """Everything that both networks have learnt, by name, and where searches of spectral norms stand."""
        own = state.gather(self.net, self.mean.net, self.optimizer) | state.buffers(self.net)
        critic = {**state.named(self.critic, "net"), **state.moments(self.critic, self.critic_optimizer)}
        critic |= state.buffers(self.critic)
        return own | {f"{_CRITIC}{name}": value for name, value in critic.items()}

    def restore(self, found: Checkpoint) -> None:
        """Put back what `gather` gave.

        Raises:
            VsanimeError: it is of other networks.
        """
        state.restore(found.tensors, found.step, self.net, self.mean.net, self.optimizer)
        for net in (self.net, self.mean.net):
            state.put_buffers(found.tensors, net)
        critic = {n.removeprefix(_CRITIC): t for n, t in found.tensors.items() if n.startswith(_CRITIC)}
        competed = max(0, found.step - self.recipe.training.turn)
        state.put(critic, "net", self.critic)
        state.put_moments(critic, competed, self.critic, self.critic_optimizer)
        state.put_buffers(critic, self.critic)


def learning_rate(step: int, training: ColourTraining) -> float:
    """Of a step, counted from 0: climbs, then falls by a cosine; the last steps may have a rate of their own."""
    if step >= training.turn and training.late_rate:
        return training.late_rate
    if step < training.warm_up:
        return training.rate * (step + 1) / training.warm_up
    end = training.turn if training.late_rate else training.steps
    progress = (step - training.warm_up) / max(1, end - training.warm_up)
    fallen = 0.5 * (1 + math.cos(math.pi * min(progress, 1)))
    return training.rate * (training.final + (1 - training.final) * fallen)
