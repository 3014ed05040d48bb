"""What a kind of recipe adds to the training loop: its samples, its step, its measures and its probes of the export."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import torch
from torch import nn

from vsanime.errors import VsanimeError
from vsanime.training.data.batches import Samples
from vsanime.training.data.entries import Picture
from vsanime.training.recipes.reader import AnyRecipe, PictureRecipe
from vsanime.training.run.folder import RunFolder
from vsanime.training.run.learner import Learner, Values
from vsanime.training.run.plots import Drawing

type Tell = Callable[[str], None]


@dataclass(frozen=True)
class Order[R: AnyRecipe]:
    """What the user asked for.

    Attributes:
        recipe: with what the command line changed.
        out: folder of the run.
        roots: folders below which the sources lie.
        device: of torch.
        resume: go on with the run in `out`.
    """

    recipe: R
    out: Path
    roots: tuple[Path, ...]
    device: torch.device
    resume: bool


class Task[R: AnyRecipe](ABC):
    """A run of one kind of recipe, as the loop sees it.

    Args:
        order: what the user asked for.

    Attributes:
        columns: names of the columns of the log, between the step and the speed.
        drawings: curves that are drawn when the run ends.
        bound: greatest difference between the exported file in ONNX Runtime and the network in torch: both take the
            same f32 sums in other orders.
        output: name of the output of the exported file.
        report_every: steps between rows of the log.
        sample_every: steps between sheets of pictures; 0 for none.
        turn: step after which losses are of another kind; means do not reach across it.
        group: what events call the measures of validation.
        advice: what the user can do about numbers that ran away.
        remark: what is said of the export beside its difference.
        trainer: network, average and optimizer; made by `prepare`.
        sampler: makes the batches; made by `prepare`.
    """

    columns: ClassVar[tuple[str, ...]]
    drawings: ClassVar[tuple[Drawing, ...]]
    bound: ClassVar[float] = 1e-4
    output: ClassVar[str] = "output"
    report_every: ClassVar[int] = 10
    group: ClassVar[str] = "held-out"
    advice: ClassVar[str] = "begin a new run with lower rates in [training]"
    sample_every = 0
    turn = 0
    remark = ""
    trainer: Learner
    sampler: Samples

    def __init__(self, order: Order[R]) -> None:
        self.order = order
        self.recipe: R = order.recipe
        self.folder = RunFolder(order.out)

    # Before the first step

    @abstractmethod
    def prepare(self, tell: Tell) -> None:
        """Find what the recipe names, and make `trainer` and `sampler` of it.

        Raises:
            VsanimeError: something is missing or cannot be used.
        """

    @abstractmethod
    def hold_out(self, tell: Tell) -> None:
        """Make the samples of validation, and report what is measured on them without the network."""

    def find_pictures(self, recipe: PictureRecipe, places: Sequence[Path], tell: Tell) -> list[Picture]:
        """Return the pictures of the run: those that it began with, or those that a survey finds."""
        return self.folder.known_pictures() if self.order.resume else self.folder.survey(places, recipe, tell)

    # Steps

    @abstractmethod
    def step(self, step: int, batch: Any) -> Values:
        """Learn from the batch of a step, counted from 0, and return its losses by name, `loss` first."""

    @property
    @abstractmethod
    def measured(self) -> tuple[str, ...]:
        """Names of what `measure` returns."""

    @abstractmethod
    def measure(self) -> dict[str, float]:
        """Return the measures of validation, by name."""

    def sheet(self) -> list[list[torch.Tensor]]:
        """Return the rows of a sheet of pictures, each 1, 3, H, W in [0, 1]."""
        return []

    def log_values(self, _step: int) -> dict[str, float]:
        """Return what a row of the log holds beside the losses."""
        return {}

    def format_measures(self, values: Mapping[str, float]) -> str:
        """Return measures by name, in a line."""
        return ", ".join(f"{name} {value:.4g}" for name, value in values.items())

    def check_losses(self, step: int, means: Mapping[str, float]) -> None:
        """Check that losses, as means since the last report, have not run away.

        Raises:
            VsanimeError: one of them has.
        """
        for name, value in means.items():
            if not math.isfinite(value):
                raise VsanimeError(f"the loss {name} is {value} at step {step}, and will not come back; {self.advice}")

    # After the last step

    def averaged_net(self) -> nn.Module:
        """Return the network that is exported."""
        return self.trainer.mean.net.to("cpu", torch.float32, memory_format=torch.contiguous_format)

    @abstractmethod
    def probes(self, net: nn.Module) -> Iterator[tuple[Mapping[str, torch.Tensor], torch.Tensor]]:
        """Yield inputs of the exported file by name, and what the network makes of them."""

    def examine(self, _net: nn.Module) -> Iterator[str]:
        """Yield what else there is to say of a network that was exported."""
        return iter(())
