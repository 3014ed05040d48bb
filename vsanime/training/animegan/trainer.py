"""Two networks that learn against each other: a step of the initialisation, and a step of both."""

from __future__ import annotations

import torch
from torch import nn

from vsanime.architectures.animegan.carry import carry_colours
from vsanime.architectures.animegan.module import Generator
from vsanime.training import state
from vsanime.training.animegan import losses
from vsanime.training.animegan.balance import Balance, perceptual
from vsanime.training.animegan.perceptual import Trunk
from vsanime.training.animegan.recipe import StyleRecipe
from vsanime.training.average import MovingAverage
from vsanime.training.checkpoint import Checkpoint, Tensors
from vsanime.training.discriminator import Discriminator
from vsanime.training.networks import start_from

_CRITIC = "critic."  # before the names of the discriminator's tensors in a checkpoint

type Values = dict[str, torch.Tensor]


class StyleTrainer:
    """Generator, its average, discriminator and their optimizers, on a device.

    Args:
        recipe: the recipe.
        device: of torch.
        trunk: what content and style are measured by, with its scales.
        balance: the weights of both.
    """

    def __init__(self, recipe: StyleRecipe, device: torch.device, trunk: Trunk, balance: Balance) -> None:
        self.recipe = recipe
        self.device = device
        # f32 is f32 on cards as well; convolutions would have 10 bits of it by default.
        torch.backends.cudnn.allow_tf32 = False
        layout = torch.channels_last if recipe.training.channels_last else torch.contiguous_format
        self._layout = layout
        torch.manual_seed(recipe.training.seed)
        self.net = Generator(recipe.network.upsample)
        if recipe.network.carry:
            carry_colours(self.net)
        if recipe.network.start:
            start_from(self.net, recipe.network.start)
        self.net.to(device, memory_format=layout)
        self.net.recompute = recipe.training.recompute
        self.critic = Discriminator().to(device, memory_format=layout)
        self.mean = MovingAverage(self.net, recipe.training.ema)
        self.mean.net.recompute = False
        self.optimizer = self._adam(self.net)
        self.critic_optimizer = self._adam(self.critic)
        self.trunk = trunk.to(device, memory_format=layout)
        self._balance = balance
        self.content, self.style = perceptual(trunk, recipe.losses)

    def step(self, step: int, photos: torch.Tensor, styles: torch.Tensor) -> Values:
        """Learn from one batch.

        Args:
            step: counted from 0.
            photos: N, 3, H, W, RGB in [-1, 1].
            styles: pictures of the style, with and without edges: N, 2, 3, H, W.

        Returns:
            The losses without their weights, and `loss`, what the generator made small; on the device.
        """
        photos = photos.to(self.device).contiguous(memory_format=self._layout)
        if step < self.recipe.training.init_steps:
            values = self._initialise(photos)
        else:
            if step == self.recipe.training.init_steps:
                self.optimizer = self._adam(self.net)  # what the initialisation remembers is of another loss
            values = self._compete(photos, styles.to(self.device))
        self.mean.update(self.net, step)
        return {name: value.detach() for name, value in values.items()}

    def _initialise(self, photos: torch.Tensor) -> Values:
        """A step by the content loss alone, or with colours if the recipe says so."""
        with self._precision():
            fake = self.net(photos)
            seen = self.trunk(fake)
            with torch.no_grad():
                truth = self.trunk(photos)
        content = self.content(seen, truth)
        colour = losses.colour(fake.float(), photos)
        loss = self._balance.content * content + self.recipe.losses.init_colour * colour
        self._learn(self.optimizer, loss, self.recipe.training.init_rate)
        return {"loss": loss, "content": content, "colour": colour}

    def _compete(self, photos: torch.Tensor, styles: torch.Tensor) -> Values:
        """A step of the discriminator, then one of the generator."""
        training, weights = self.recipe.training, self.recipe.losses
        style, smooth = (styles[:, i].contiguous(memory_format=self._layout) for i in (0, 1))
        gray = losses.to_gray(style).contiguous(memory_format=self._layout)
        with self._precision():
            fake = self.net(photos).float()
            judged = self.critic(torch.cat([style, fake.detach(), gray, smooth])).float()
        critic = losses.discerning(losses.Judged(*judged.chunk(4)), weights.inner)
        self._learn(self.critic_optimizer, weights.critic * critic, training.critic_rate)
        # The generator passes gradients through the discriminator and leaves none in it.
        self.critic.requires_grad_(False)
        with self._precision():
            convincing = losses.convincing(self.critic(fake).float())
            seen = self.trunk(fake)
            with torch.no_grad():
                truth, wanted = self.trunk(photos), self.trunk(gray)
        self.critic.requires_grad_(True)
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
        self._learn(self.optimizer, loss, training.rate)
        return {"loss": loss, **values, "critic": critic}

    def _learn(self, optimizer: torch.optim.Optimizer, loss: torch.Tensor, rate: float) -> None:
        for group in optimizer.param_groups:
            group["lr"] = rate
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        optimizer.step()

    def _precision(self) -> torch.autocast:
        return torch.autocast(self.device.type, torch.bfloat16, enabled=self.recipe.training.mixed == "bf16")

    def _adam(self, net: nn.Module) -> torch.optim.Adam:
        # The rate is set at every step.
        return torch.optim.Adam(net.parameters(), lr=self.recipe.training.rate, betas=self.recipe.training.betas)

    # Checkpoints

    def gather(self) -> Tensors:
        """Everything that both networks have learnt, by name; of the discriminator also where its search stands."""
        critic = {**state.named(self.critic, "net"), **state.moments(self.critic, self.critic_optimizer)}
        critic |= state.buffers(self.critic)
        own = state.gather(self.net, self.mean.net, self.optimizer)
        return own | {f"{_CRITIC}{name}": value for name, value in critic.items()}

    def restore(self, found: Checkpoint) -> None:
        """Put back what `gather` gave.

        Raises:
            VsanimeError: it is of other networks.
        """
        init_steps = self.recipe.training.init_steps
        competed = max(0, found.step - init_steps)
        state.restore(found.tensors, competed or found.step, self.net, self.mean.net, self.optimizer)
        critic = {n.removeprefix(_CRITIC): t for n, t in found.tensors.items() if n.startswith(_CRITIC)}
        state.put(critic, "net", self.critic)
        state.put_moments(critic, competed, self.critic, self.critic_optimizer)
        state.put_buffers(critic, self.critic)
