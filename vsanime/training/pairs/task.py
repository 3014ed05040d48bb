"""Defines the training task of networks that learn from pairs of patches."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping

import torch
from torch import nn
from torch.nn import functional

from vsanime.architectures.artcnn.module import ArtCNN
from vsanime.architectures.blocks import whole
from vsanime.architectures.drrn.onnx import catmull_rom_taps
from vsanime.errors import VsanimeError
from vsanime.training.data.batches import Batch
from vsanime.training.data.pictures import find_sources
from vsanime.training.optimize.precision import DTYPES, Rounded, rounding_error
from vsanime.training.optimize.quantised import Quantised
from vsanime.training.optimize.schedule import learning_rate
from vsanime.training.pairs import validate
from vsanime.training.pairs.samples import Sampler
from vsanime.training.pairs.trainer import Trainer
from vsanime.training.recipes.pairs import Recipe
from vsanime.training.run.learner import Values
from vsanime.training.run.plots import Drawing
from vsanime.training.run.task import Order, Task, Tell

# Greatest loss: values are in [0, 1], and outputs of fresh networks within a few times that.
_LOST = 1000.0


class PairsTask(Task[Recipe]):
    """A run on pairs of patches.

    Args:
        order: request of the user.

    Raises:
        VsanimeError: a source of the recipe is missing.
    """

    columns = ("loss", "rate")
    drawings = (
        Drawing("loss", "log.csv", "loss", ("loss",), logarithmic=True),
        Drawing("psnr", "validation.csv", "PSNR on held-out pictures, dB"),
    )
    bound = 1e-5
    report_every = 25
    group = "psnr"
    # A new run, because a resumed one keeps its recipe.
    advice = "begin a new run with a lower training.rate, or with training.clip_gradient"
    trainer: Trainer
    sampler: Sampler

    def __init__(self, order: Order[Recipe]) -> None:
        super().__init__(order)
        self._places = find_sources(order.recipe.sources, order.roots)

    def prepare(self, tell: Tell) -> None:
        """Find the pictures, and make the trainer and the sampler."""
        pictures = self.find_pictures(self.recipe, self._places, tell)
        held_out = sum(picture.held_out for picture in pictures)
        tell(f"{len(pictures)} pictures, {held_out} of them held out for validation")
        self.trainer = Trainer(self.recipe, self.order.device)
        self.sampler = Sampler(self.recipe, pictures, self._places, self.folder.clips, self.trainer.net.scale)

    def hold_out(self, tell: Tell) -> None:
        """Draw the patches of validation, and report their PSNR without a network."""
        self._patches = validate.draw_patches(self.sampler, self.recipe, self.order.device)
        plain = _plain_enlargement(self.recipe, self.trainer.net.scale)
        for case, value in validate.measure(plain, self._patches).items():
            tell(f"held-out pictures, {case}: {value:.2f} dB without a network")

    def step(self, step: int, batch: Batch) -> Values:
        """Update the weights from a batch of inputs and targets, and return the loss."""
        return {"loss": self.trainer.step(step, *batch)}

    @property
    def measured(self) -> tuple[str, ...]:
        """The cases of validation: kernels, and "degraded" if the recipe asks for it."""
        return tuple(self._patches)

    def measure(self) -> dict[str, float]:
        """Return the PSNR of each case in dB."""
        return validate.measure(lambda x: whole(self.trainer.mean.net, x), self._patches)

    def log_values(self, step: int) -> dict[str, float]:
        """Return the learning rate of the last step."""
        return {"rate": learning_rate(step - 1, self.recipe.training)}

    def format_measures(self, values: Mapping[str, float]) -> str:
        """Return one line with the PSNR of each case."""
        return ", ".join(f"{case} {value:.2f} dB" for case, value in values.items())

    def check_losses(self, step: int, means: Mapping[str, float]) -> None:
        """Check that the mean loss is finite and not too large.

        Raises:
            VsanimeError: it is not.
        """
        loss = means.get("loss", 0.0)
        if not math.isfinite(loss) or loss > _LOST:
            raise VsanimeError(f"the loss is {loss:.3g} at step {step}, and will not come back; {self.advice}")

    def probes(self, net: nn.Module) -> Iterator[tuple[Mapping[str, torch.Tensor], torch.Tensor]]:
        """Yield the first inputs of each case, and the network's output for them, clipped as in the exported file."""
        for low in self._low_patches(0, 2):
            yield {"input": low}, whole(net, low).clamp(0, 1)

    def examine(self, net: nn.Module) -> Iterator[str]:
        """Yield lines about the errors that lower precisions would cause in ArtCNN."""
        if not isinstance(net, ArtCNN):
            return
        lows = self._low_patches(0, 2)
        for dtype in DTYPES:
            error, bias = rounding_error(net, Rounded(net, dtype), lows)
            yield f"{dtype} with the linear path exact: {error:.1f} dB against f32, bias {bias:+.6f}"
        int8 = Quantised(net)
        # Calibrate with other patches than those measured, if there are any.
        int8.calibrate(self._low_patches(2, None) or lows)
        error, bias = rounding_error(net, int8, lows)
        yield f"inner layers in int8, first and last exact: {error:.1f} dB against f32, bias {bias:+.6f}"

    def _low_patches(self, first: int, last: int | None) -> list[torch.Tensor]:
        """Return the inputs of the patches from `first` to before `last` of each case."""
        return [low.cpu() for group in self._patches.values() for low, _ in group[first:last]]


def _plain_enlargement(recipe: Recipe, scale: int) -> validate.Run:
    """Return the baseline without a network: Catmull-Rom doubling, or the planes of the input at scale 1."""

    def run(x: torch.Tensor) -> torch.Tensor:
        if scale == 1:
            return x[:, 1:] if recipe.data.planes == "chroma" else x
        taps = torch.from_numpy(catmull_rom_taps(x.shape[1])).to(x.device)
        return functional.pixel_shuffle(functional.conv2d(functional.pad(x, (2,) * 4, mode="replicate"), taps), 2)

    return run
