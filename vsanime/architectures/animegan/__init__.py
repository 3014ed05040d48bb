"""Registers AnimeGANv2's generator, which turns photographs into pictures of one style."""

from __future__ import annotations

from vsanime.architectures.animegan import reading
from vsanime.architectures.base import Architecture, TorchModule


def _load_module() -> TorchModule:
    from vsanime.architectures.animegan import module

    return module


ANIMEGAN2 = Architecture(
    name="animegan2",
    family="AnimeGANv2's generator",
    title="AnimeGANv2's generator",
    load_module=_load_module,
    matches=reading.looks_like,
    state=reading,
    choices=("upsample",),
    task="style",
    multiple=4,
)
