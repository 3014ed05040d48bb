"""What the recipes of all trainers share: a name, sources, and those settings of a run that hold for any network."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import ClassVar, Literal

from vsanime.errors import VsanimeError
from vsanime.sections import number

_FILE_NAME = set("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_")


@dataclass(frozen=True, kw_only=True)
class Source:
    """A folder of pictures or videos, searched with everything below it, or one file.

    Attributes:
        path: below one of the roots given with `--data`.
        weight: how often its pictures are drawn, against the other sources.
        every: of a video, every how many frames one is taken.
    """

    path: str
    weight: float = number(1.0, 1e-6, 1e6)
    every: int = number(12, 1)


@dataclass(frozen=True, kw_only=True)
class Settings:
    """How the weights are found, whatever is trained.

    Attributes:
        steps: updates of the weights.
        batch: samples an update.
        rate: highest learning rate.
        betas: of the optimizer.
        ema: weight of the past in the moving average of the weights; the average is what is exported.
        mixed: convolutions in bf16 while the weights stay f32: half the time on processors that compute in it.
        channels_last: the memory order in which convolutions are faster.
        workers: processes that make samples; 0 for none beside the one that trains.
        validate_every: steps between validations.
        checkpoint_every: steps between checkpoints.
        seed: of weights and samples.
    """

    steps: int = number(dataclasses.MISSING, 1)
    batch: int = number(16, 1, 4096)
    rate: float = number(1e-3, 1e-8, 1)
    betas: tuple[float, float] = number((0.9, 0.999), 0, 0.99999)
    ema: float = number(0.999, 0, 0.99999)
    mixed: Literal["none", "bf16"] = "none"
    channels_last: bool = True
    workers: int = number(1, 0, 64)
    validate_every: int = number(1000, 1)
    checkpoint_every: int = number(1000, 1)
    seed: int = number(1, 0, 2**31)

    # Every key, in the order in which run folders and messages list them.
    KEYS: ClassVar[tuple[str, ...]]

    def batch_at(self, _step: int) -> int:
        """Return the number of samples of a step, counted from 0."""
        return self.batch


@dataclass(frozen=True, kw_only=True)
class CosineSettings(Settings):
    """A learning rate that climbs and then falls by a cosine, and gradients of a bounded length.

    Attributes:
        warm_up: steps in which the rate climbs.
        final: share of the rate that is left at the end of the cosine; 1 for a constant rate.
        clip_gradient: longest gradient; 0 for any.
    """

    warm_up: int = number(0, 0)
    final: float = number(1.0, 0, 1)
    clip_gradient: float = number(0.0, 0)


@dataclass(frozen=True, kw_only=True)
class AdversarialSettings(Settings):
    """How the weights of a generator are found against a discriminator.

    Attributes:
        critic_rate: learning rate of the discriminator.
        sample_every: steps between sheets of sample pictures.
    """

    betas: tuple[float, float] = number((0.5, 0.999), 0, 0.99999)
    critic_rate: float = number(1e-5, 1e-8, 1)
    validate_every: int = number(500, 1)
    sample_every: int = number(500, 1)
    checkpoint_every: int = number(500, 1)


@dataclass(frozen=True, kw_only=True)
class BaseRecipe:
    """All that decides a run.

    Attributes:
        name: of the run and of what it exports.
        about: one sentence.
        licence: of the weights, as their ONNX will say, such as "MIT; Copyright (c) 2026 Somebody"; empty for none.
        author: who trains them, as their ONNX will say; empty for nobody.
    """

    name: str
    about: str = ""
    licence: str = ""
    author: str = ""


def check_name(name: str) -> None:
    """Whether files can be named after a run.

    Raises:
        VsanimeError: they cannot.
    """
    if not name or not set(name) <= _FILE_NAME:
        raise VsanimeError(f"name = {name!r}; letters, digits, - and _ are needed: files are named after it")
