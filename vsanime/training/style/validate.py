"""Content, style and colour on held-out pictures, which nothing is learnt from."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch

from vsanime.training.recipes.stylization import StyleRecipe
from vsanime.training.style import losses
from vsanime.training.style.samples import Patches, StyleSampler
from vsanime.training.style.trainer import StyleTrainer

MEASURED = ("content", "style", "colour")

# A photograph and a picture of the style that are not trained on, each 1, 3, H, W, RGB in [-1, 1].
type HeldOut = tuple[torch.Tensor, torch.Tensor]


def draw(sampler: StyleSampler, recipe: StyleRecipe, device: torch.device) -> list[HeldOut]:
    """The patches of validation; the same ones whenever it is asked."""
    photos, styles = apart([sampler.validation(i) for i in range(recipe.validation.patches)])
    return [(p[None].to(device), s[None].to(device)) for p, s in zip(photos, styles, strict=True)]


def apart(patches: list[Patches]) -> tuple[list[torch.Tensor], list[torch.Tensor]]:
    """Photographs and pictures of the style as tensors, 3, H, W."""
    return [torch.from_numpy(p.photo) for p in patches], [torch.from_numpy(p.style) for p in patches]


def measure(
    trainer: StyleTrainer, held: Sequence[HeldOut], run: Callable[[torch.Tensor], torch.Tensor]
) -> dict[str, float]:
    """The losses without their weights, the mean over all patches.

    Args:
        trainer: has the losses.
        held: the patches.
        run: from a photograph to what is measured.
    """
    sums = dict.fromkeys(MEASURED, 0.0)
    with torch.inference_mode():
        for photo, style in held:
            result = run(photo)
            seen, truth, wanted = (trainer.trunk(x) for x in (result, photo, losses.to_gray(style)))
            sums["content"] += float(trainer.content(seen, truth))
            sums["style"] += float(trainer.style(seen, wanted))
            sums["colour"] += float(losses.colour(result, photo))
    return {name: value / len(held) for name, value in sums.items()}
