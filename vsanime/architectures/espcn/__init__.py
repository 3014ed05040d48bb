"""Registers ESPCN with SELU, which doubles RGB or luma with all convolutions at low resolution."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import onnx

from vsanime.architectures.base import Architecture, Imported, Layout, PairRules, TorchModule
from vsanime.architectures.deduce import node_kinds
from vsanime.architectures.espcn.onnx import espcn_n
from vsanime.architectures.layers import Layer


@dataclass(frozen=True, kw_only=True)
class Settings:
    """Keys of a recipe's [network].

    Attributes:
        widths: channels of the hidden layers; empty for the default.
        selection_units: whether a selection unit follows each activation.
    """

    widths: tuple[int, ...] = ()
    selection_units: bool = False


def _load_module() -> TorchModule:
    from vsanime.architectures.espcn import module

    return module


def _matches(proto: onnx.ModelProto) -> bool:
    kinds = node_kinds(proto)
    return "Selu" in kinds and not kinds & {"ConvTranspose", "LeakyRelu"}


def _read(layers: Sequence[Layer], _activation: str | None, _metadata: Mapping[str, str]) -> Imported:
    return espcn_n(layers)


def _read_gated(layers: Sequence[Layer], _activation: str | None, _metadata: Mapping[str, str]) -> Imported:
    """Import a network in which a selection unit follows every inner layer."""
    return espcn_n([*layers[:-1:2], layers[-1]], layers[1:-1:2])


ESPCN_7 = Architecture(
    name="espcn_7",
    family="ESPCN",
    title="ESPCN_7",
    load_module=_load_module,
    matches=_matches,
    layouts=(
        Layout("ESPCN", _read, (), ("conv.{i}.0",), ("up_sampler.0",)),
        Layout("ESPCN with selection units", _read_gated, (), ("conv.{i}.0", "conv.{i}.2.0"), ("up_sampler.0",)),
    ),
    task="pairs",
    pairs=PairRules(Settings),
)
