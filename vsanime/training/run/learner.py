"""Holds what every trainer updates: a network, its moving average, its optimizer, and optionally a discriminator."""

from __future__ import annotations

import torch
from torch import nn

from vsanime.training.optimize import state
from vsanime.training.optimize.average import MovingAverage
from vsanime.training.recipes.base import Settings
from vsanime.training.run.checkpoint import Checkpoint, Tensors

_CRITIC = "critic."  # prefix of the names of the discriminator's tensors in a checkpoint

type Values = dict[str, torch.Tensor]


class Learner:
    """A network, its moving average and its optimizer, on a device.

    Args:
        net: network to train.
        training: settings of the recipe.
        device: device of torch.
    """

    optimizer: torch.optim.Optimizer

    def __init__(self, net: nn.Module, training: Settings, device: torch.device) -> None:
        self.device = device
        # By default, convolutions on cards use TF32, which has 10 bits of mantissa.
        torch.backends.cudnn.allow_tf32 = False
        self._layout = torch.channels_last if training.channels_last else torch.contiguous_format
        self.net = net.to(device, memory_format=self._layout)
        self.mean = MovingAverage(self.net, training.ema)

    def gather(self) -> Tensors:
        """Return weights, average and optimizer state, by name."""
        return state.gather(self.net, self.mean.net, self.optimizer)

    def restore(self, found: Checkpoint) -> None:
        """Load what `gather` returned from a checkpoint.

        Raises:
            VsanimeError: the checkpoint is of another network.
        """
        state.restore(found.tensors, found.step, self.net, self.mean.net, self.optimizer)


class AdversarialLearner(Learner):
    """A generator and a discriminator that learn against each other.

    Args:
        net: generator.
        critic: discriminator.
        training: settings of the recipe.
        turn: step at which the discriminator begins to learn.
        device: device of torch.
    """

    def __init__(self, net: nn.Module, critic: nn.Module, training: Settings, turn: int, device: torch.device) -> None:
        super().__init__(net, training, device)
        self._training = training
        self._turn = turn
        self.critic = critic.to(device, memory_format=self._layout)
        self.optimizer = self._make_adam(self.net)
        self.critic_optimizer = self._make_adam(self.critic)

    def autocast(self) -> torch.autocast:
        """Return the context in which convolutions run in the recipe's precision."""
        return torch.autocast(self.device.type, torch.bfloat16, enabled=self._training.mixed == "bf16")

    def judge(self, pictures: torch.Tensor) -> torch.Tensor:
        """Return the discriminator's logits; gradients reach the pictures but not the discriminator's weights."""
        self.critic.requires_grad_(False)
        with self.autocast():
            judged: torch.Tensor = self.critic(pictures).float()
        self.critic.requires_grad_(True)
        return judged

    def gather(self) -> Tensors:
        """Return the state of both networks and optimizers, and the buffers of spectral norms, by name."""
        critic = state.named(self.critic, "net") | state.moments(self.critic, self.critic_optimizer)
        critic |= state.named(self.critic, state.BUFFERS)
        own = super().gather() | state.named(self.net, state.BUFFERS)
        return own | {f"{_CRITIC}{name}": value for name, value in critic.items()}

    def restore(self, found: Checkpoint) -> None:
        """Load what `gather` returned from a checkpoint.

        Raises:
            VsanimeError: the checkpoint is of other networks.
        """
        super().restore(found)
        for net in (self.net, self.mean.net):
            state.put(found.tensors, state.BUFFERS, net)
        critic = {n.removeprefix(_CRITIC): t for n, t in found.tensors.items() if n.startswith(_CRITIC)}
        for prefix in ("net", state.BUFFERS):
            state.put(critic, prefix, self.critic)
        state.put_moments(critic, max(0, found.step - self._turn), self.critic, self.critic_optimizer)

    def _make_adam(self, net: nn.Module) -> torch.optim.Adam:
        # The rate is set at every step.
        return torch.optim.Adam(net.parameters(), lr=self._training.rate, betas=self._training.betas)


def descend(net: nn.Module, optimizer: torch.optim.Optimizer, loss: torch.Tensor, rate: float, clip: float = 0) -> None:
    """Take one step of an optimizer.

    Args:
        net: network whose weights the optimizer updates.
        optimizer: optimizer of the network.
        loss: scalar to minimize.
        rate: learning rate of this step.
        clip: greatest norm of the gradient; 0 for no limit.
    """
    for group in optimizer.param_groups:
        group["lr"] = rate
    optimizer.zero_grad(set_to_none=True)
    loss.backward()
    if clip:
        nn.utils.clip_grad_norm_(net.parameters(), clip)
    optimizer.step()
