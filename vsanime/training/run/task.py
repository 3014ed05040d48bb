"""Defines what a kind of recipe provides to the training loop: samples, steps, measures and probes of the export."""

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
    """The request of the user.

    Attributes:
        recipe: recipe, including what the command line changed.
        out: folder of the run.
        roots: folders below which the sources are searched.
        device: device of torch to train on.
        resume: whether to resume the run in `out`.
    """

    recipe: R
    out: Path
    roots: tuple[Path, ...]
    device: torch.device
    resume: bool


class Task[R: AnyRecipe](ABC):
    """A run of one kind of recipe, as the loop sees it.

    Args:
        order: request of the user.

    Attributes:
        columns: names of the columns of the log, between the step and the speed.
        drawings: curves that are drawn when the run ends.
        bound: greatest absolute difference between the exported file in ONNX Runtime and the network in torch, which
            add in f32 in different orders.
        output: name of the output of the exported file.
        report_every: steps between rows of the log.
        sample_every: steps between sheets of pictures; 0 for none.
        turn: step after which the losses change; a row is logged there, so that no mean covers both kinds.
        group: prefix of the measures of validation in events.
        advice: end of the message about a number that is not finite, which says what the user can do.
        remark: text after the difference in the report on the export.
        trainer: network, average and optimizer; set by `prepare`.
        sampler: makes the batches; set by `prepare`.
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
        """Find the files that the recipe names, and set `trainer` and `sampler`.

        Raises:
            VsanimeError: a file is missing or cannot be used.
        """

    @abstractmethod
    def hold_out(self, tell: Tell) -> None:
        """Make the samples of validation, and report what can be measured on them without the network."""

    def find_pictures(self, recipe: PictureRecipe, places: Sequence[Path], tell: Tell) -> list[Picture]:
        """Return the pictures of the run: those it began with if it is resumed, else those that a survey finds."""
        return self.folder.known_pictures() if self.order.resume else self.folder.survey(places, recipe, tell)

    # Steps

    @abstractmethod
    def step(self, step: int, batch: Any) -> Values:
        """Update the weights from the batch of a step, counted from 0, and return the losses by name, `loss` first."""

    @property
    @abstractmethod
    def measured(self) -> tuple[str, ...]:
        """The names of what `measure` returns."""

    @abstractmethod
    def measure(self) -> dict[str, float]:
        """Return the measures of validation, by name."""

    def sheet(self) -> list[list[torch.Tensor]]:
        """Return the rows of a sheet of pictures, each RGB in [0, 1] of shape (1, 3, H, W)."""
        return []

    def log_values(self, _step: int) -> dict[str, float]:
        """Return the values of a row of the log other than the losses, by column."""
        return {}

    def format_measures(self, values: Mapping[str, float]) -> str:
        """Return one line with the name and value of each measure."""
        return ", ".join(f"{name} {value:.4g}" for name, value in values.items())

    def check_losses(self, step: int, means: Mapping[str, float]) -> None:
        """Check that the mean losses since the last report are finite.

        Raises:
            VsanimeError: one of them is not.
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
        """Yield inputs of the exported file by name, and the network's output for them."""

    def examine(self, _net: nn.Module) -> Iterator[str]:
        """Yield lines of the report on an exported network."""
        return iter(())
