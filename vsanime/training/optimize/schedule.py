"""Computes the learning rate, the number of samples seen and the precision of a step, from the step alone."""

from __future__ import annotations

import math

from vsanime.training.recipes.base import CosineSettings
from vsanime.training.recipes.pairs import Rounding, Training


def learning_rate(step: int, training: Training) -> float:
    """Return the learning rate of a step, counted from 0: it rises for `warm_up` steps, then follows the schedule."""
    if step < training.warm_up or training.schedule == "cosine":
        return climb_and_fall(step, training, training.steps)
    if training.schedule == "constant":
        return training.rate
    return training.rate / (1 + training.decay * samples_before(step, training))


def climb_and_fall(step: int, training: CosineSettings, end: int) -> float:
    """Return the learning rate of a step: it rises for `warm_up` steps, then falls by a cosine to `rate * final`."""
    if step < training.warm_up:
        return training.rate * (step + 1) / training.warm_up
    progress = (step - training.warm_up) / max(1, end - training.warm_up)
    return training.rate * (training.final + (1 - training.final) * 0.5 * (1 + math.cos(math.pi * min(progress, 1))))


def samples_before(step: int, training: Training) -> int:
    """Return the number of patches in all steps before a step."""
    late = max(0, step - training.late_from) if training.late_batch else 0
    return (step - late) * training.batch + late * training.late_batch


def is_mixed(step: int, training: Training) -> bool:
    """Return whether a step's convolutions run in bf16."""
    return training.mixed == "bf16" and step < training.mixed_share * training.steps


def is_rounded(step: int, training: Training, rounding: Rounding) -> bool:
    """Return whether a step simulates the rounding of the precision that the network will run in."""
    return rounding.dtype != "none" and step >= (1 - rounding.share) * training.steps
