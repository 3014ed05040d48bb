"""PSNR on held-out pictures, a figure for each kernel: a mean over kernels would hide what is lost on one of them."""

from __future__ import annotations

import math
from collections.abc import Callable

import torch

from vsanime.training.pairs.samples import Sampler
from vsanime.training.recipes.pairs import Recipe

# Better than any 8-bit picture can show; a flat patch that comes out exact must not make a mean infinite.
HIGHEST_PSNR = 80.0
_LEAST_ERROR = 10 ** (-HIGHEST_PSNR / 10)

type Run = Callable[[torch.Tensor], torch.Tensor]


# A held-out patch: low, 1, planes, height, width; high, 1, planes, scale * height, scale * width.
type Patch = tuple[torch.Tensor, torch.Tensor]


def cases(recipe: Recipe) -> tuple[str, ...]:
    """What is measured: kernels, and the recipe's own degradation where it asks for that."""
    return (*recipe.validation.kernels, *(("degraded",) if recipe.validation.degraded else ()))


def draw_patches(sampler: Sampler, recipe: Recipe, device: torch.device) -> dict[str, list[Patch]]:
    """The patches of every case; the same ones whenever it is asked."""
    return {
        case: [_patch(sampler, case, i, device) for i in range(recipe.validation.patches)] for case in cases(recipe)
    }


def measure(run: Run, patches: dict[str, list[Patch]]) -> dict[str, float]:
    """PSNR in dB, the mean over the patches of each case.

    Args:
        run: from low to high, whole frames: what valid convolutions lose has been added; clipped here.
        patches: as `draw_patches` gives them.
    """
    with torch.inference_mode():
        return {case: sum(psnr(run(low), high) for low, high in group) / len(group) for case, group in patches.items()}


def psnr(result: torch.Tensor, truth: torch.Tensor) -> float:
    """Peak signal-to-noise ratio in dB of a result, clipped to [0, 1]; NaN if it has any."""
    error = float((result.float().clamp(0, 1) - truth).square().mean())
    return HIGHEST_PSNR if error <= _LEAST_ERROR else -10 * math.log10(error)


def _patch(sampler: Sampler, case: str, index: int, device: torch.device) -> Patch:
    sample = sampler.validation(case, index)
    return torch.from_numpy(sample.low)[None].to(device), torch.from_numpy(sample.high)[None].to(device)
