"""Defines what the recipes of all trainers share: a name, sources, and settings of a run that fit any network."""

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
        path: path below one of the roots given with `--data`.
        weight: how often its pictures are drawn, relative to the other sources.
        every: interval in frames at which pictures are taken from videos.
    """

    path: str
    weight: float = number(1.0, 1e-6, 1e6)
    every: int = number(12, 1)


@dataclass(frozen=True, kw_only=True)
class Settings:
    """Settings of the training of any network.

    Attributes:
        steps: updates of the weights.
        batch: samples per update.
        rate: highest learning rate.
        betas: betas of the optimizer.
        ema: weight of the past in the moving average of the weights, which is what is exported.
        mixed: precision of convolutions while the weights stay f32: bf16 takes half the time on processors that
            compute in it.
        channels_last: store tensors channels last, which makes convolutions faster.
        workers: processes that make samples; 0 to make them in the one that trains.
        validate_every: steps between validations.
        checkpoint_every: steps between checkpoints.
        seed: seed of weights and samples.
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

    # All keys, in the order in which run folders and messages list them.
    KEYS: ClassVar[tuple[str, ...]]

    def batch_at(self, _step: int) -> int:
        """Return the batch size of a step, counted from 0."""
        return self.batch


@dataclass(frozen=True, kw_only=True)
class CosineSettings(Settings):
    """Settings of training with a warm-up, a cosine schedule of the learning rate, and clipped gradients.

    Attributes:
        warm_up: steps in which the rate rises.
        final: fraction of `rate` that is left at the end of the cosine; 1 for a constant rate.
        clip_gradient: greatest norm of the gradient; 0 for no limit.
    """

    warm_up: int = number(0, 0)
    final: float = number(1.0, 0, 1)
    clip_gradient: float = number(0.0, 0)


@dataclass(frozen=True, kw_only=True)
class AdversarialSettings(Settings):
    """Settings of the training of a generator against a discriminator.

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
    """All settings of a run.

    Attributes:
        name: name of the run and of the exported model.
        about: description in one sentence.
        licence: license of the weights, written into the ONNX, such as "MIT; Copyright (c) 2026 Somebody"; empty for
            none.
        author: author of the weights, written into the ONNX; empty for none.
    """

    name: str
    about: str = ""
    licence: str = ""
    author: str = ""


def check_name(name: str) -> None:
    """Check that files can be named after a run.

    Raises:
        VsanimeError: the name is empty, or has characters other than ASCII letters, digits, - and _.
    """
    if not name or not set(name) <= _FILE_NAME:
        raise VsanimeError(f"name = {name!r}; letters, digits, - and _ are needed: files are named after it")
