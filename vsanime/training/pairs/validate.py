"""Measures PSNR on held-out pictures for each kernel, since a mean over kernels would hide a loss on one of them."""

from __future__ import annotations

import math
from collections.abc import Callable

import torch

from vsanime.training.pairs.samples import Sampler
from vsanime.training.recipes.pairs import Recipe

# More than 8-bit pictures can show; keeps means finite if a flat patch has no error.
HIGHEST_PSNR = 80.0
_LEAST_ERROR = 10 ** (-HIGHEST_PSNR / 10)

type Run = Callable[[torch.Tensor], torch.Tensor]


# A held-out pair: input (1, planes, height, width), target (1, planes, scale * height, scale * width).
type Patch = tuple[torch.Tensor, torch.Tensor]


def cases(recipe: Recipe) -> tuple[str, ...]:
    """Return the cases to measure: kernels, and "degraded" if the recipe asks for its own degradation."""
    return (*recipe.validation.kernels, *(("degraded",) if recipe.validation.degraded else ()))


def draw_patches(sampler: Sampler, recipe: Recipe, device: torch.device) -> dict[str, list[Patch]]:
    """Return the patches of every case; they are the same on every call."""
    return {
        case: [_patch(sampler, case, i, device) for i in range(recipe.validation.patches)] for case in cases(recipe)
    }


def measure(run: Run, patches: dict[str, list[Patch]]) -> dict[str, float]:
    """Return the PSNR in dB of each case, as the mean over its patches.

    Args:
        run: function from input to output of the target's full size; its result is clipped here.
        patches: result of `draw_patches`.
    """
    with torch.inference_mode():
        return {case: sum(psnr(run(low), high) for low, high in group) / len(group) for case, group in patches.items()}


def psnr(result: torch.Tensor, truth: torch.Tensor) -> float:
    """Return the peak signal-to-noise ratio in dB of a result, clipped to [0, 1]; NaN if the result has any NaN."""
    error = float((result.float().clamp(0, 1) - truth).square().mean())
    return HIGHEST_PSNR if error <= _LEAST_ERROR else -10 * math.log10(error)


def _patch(sampler: Sampler, case: str, index: int, device: torch.device) -> Patch:
    sample = sampler.validation(case, index)
    return torch.from_numpy(sample.low)[None].to(device), torch.from_numpy(sample.high)[None].to(device)
