"""Content, style and colour on held-out pictures, which nothing is learnt from."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch

from vsanime.training.animegan import losses
from vsanime.training.animegan.recipe import StyleRecipe
from vsanime.training.animegan.samples import Patches, StyleSampler

if TYPE_CHECKING:
    from vsanime.training.animegan.trainer import StyleTrainer


@dataclass(frozen=True)
class HeldOut:
    """Patches that are not trained on.

    Attributes:
        photos: each 1, 3, H, W, RGB in [-1, 1].
        styles: as many pictures of the style, of the same shape.
        shown: how many of the photographs stand on a sheet of samples.
    """

    photos: list[torch.Tensor]
    styles: list[torch.Tensor]
    shown: int

    measured = ("content", "style", "colour")


def draw(sampler: StyleSampler, recipe: StyleRecipe, device: torch.device) -> HeldOut:
    """The patches of validation; the same ones whenever it is asked."""
    patches = [sampler.validation(i) for i in range(recipe.validation.patches)]
    photos, styles = apart(patches)
    return HeldOut([p[None].to(device) for p in photos], [s[None].to(device) for s in styles], recipe.validation.shown)


def apart(patches: list[Patches]) -> tuple[list[torch.Tensor], list[torch.Tensor]]:
    """Photographs and pictures of the style as tensors, 3, H, W."""
    return [torch.from_numpy(p.photo) for p in patches], [torch.from_numpy(p.style) for p in patches]


def measure(trainer: StyleTrainer, held: HeldOut, run: Callable[[torch.Tensor], torch.Tensor]) -> dict[str, float]:
    """The losses without their weights, the mean over all patches.

    Args:
        trainer: has the losses.
        held: the patches.
        run: from a photograph to what is measured.
    """
    sums = dict.fromkeys(held.measured, 0.0)
    with torch.inference_mode():
        for photo, style in zip(held.photos, held.styles, strict=True):
            result = run(photo)
            seen, truth, wanted = (trainer.trunk(x) for x in (result, photo, losses.to_gray(style)))
            sums["content"] += float(trainer.content(seen, truth))
            sums["style"] += float(trainer.style(seen, wanted))
            sums["colour"] += float(losses.colour(result, photo))
    return {name: value / len(held.photos) for name, value in sums.items()}
