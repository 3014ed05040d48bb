"""Takes the training steps of networks that learn from pairs of patches, in the precision of each step."""

from __future__ import annotations

import torch

from vsanime.errors import VsanimeError
from vsanime.training.optimize.losses import LOSSES
from vsanime.training.optimize.precision import simulation
from vsanime.training.optimize.schedule import is_mixed, is_rounded, learning_rate
from vsanime.training.optimize.state import make_optimizer
from vsanime.training.pairs.networks import make
from vsanime.training.recipes.pairs import Recipe
from vsanime.training.run.learner import Learner, descend


class Trainer(Learner):
    """A network, its moving average and its optimizer, on a device.

    Args:
        recipe: recipe of the run.
        device: device of torch.
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
        """Update the weights from one batch.

        Args:
            step: step, counted from 0.
            low: inputs in [0, 1], shape (N, planes, height, width).
            high: targets in [0, 1], shape (N, planes, scale * height, scale * width).

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


def _middle(high: torch.Tensor, result: torch.Tensor, lost: int) -> torch.Tensor:
    """Return the part of the target that a network of unpadded convolutions outputs.

    Args:
        high: target.
        result: output of the network.
        lost: pixels of the target that the output lacks on every side.

    Raises:
        VsanimeError: the output has another size.
    """
    rows, columns = (n - 2 * lost for n in high.shape[2:])
    if result.shape[2:] != (rows, columns):
        raise VsanimeError(
            f"the network makes {tuple(result.shape[2:])} of a patch whose target is {(rows, columns)}; its scale "
            "is not that of the samples"
        )
    return high[:, :, lost : lost + rows, lost : lost + columns]
