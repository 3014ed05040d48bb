"""Measures the losses of content, style and color on held-out pictures."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch

from vsanime.training.recipes.stylization import StyleRecipe
from vsanime.training.style import losses
from vsanime.training.style.samples import Patches, StyleSampler
from vsanime.training.style.trainer import StyleTrainer

MEASURED = ("content", "style", "colour")

# A held-out photograph and a held-out picture of the style, each RGB in [-1, 1] of shape (1, 3, H, W).
type HeldOut = tuple[torch.Tensor, torch.Tensor]


def draw(sampler: StyleSampler, recipe: StyleRecipe, device: torch.device) -> list[HeldOut]:
    """Return the patches of validation; they are the same on every call."""
    photos, styles = apart([sampler.validation(i) for i in range(recipe.validation.patches)])
    return [(p[None].to(device), s[None].to(device)) for p, s in zip(photos, styles, strict=True)]


def apart(patches: list[Patches]) -> tuple[list[torch.Tensor], list[torch.Tensor]]:
    """Return the photographs and the pictures of the style as two lists of tensors, each (3, H, W)."""
    return [torch.from_numpy(p.photo) for p in patches], [torch.from_numpy(p.style) for p in patches]


def measure(
    trainer: StyleTrainer, held: Sequence[HeldOut], run: Callable[[torch.Tensor], torch.Tensor]
) -> dict[str, float]:
    """Return the unweighted losses, as means over all patches.

    Args:
        trainer: trainer with the losses.
        held: patches from `draw`.
        run: function from a photograph to the picture to measure.
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
