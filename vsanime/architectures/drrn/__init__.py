"""Registers DRRN, which doubles with one residual unit applied repeatedly."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import onnx

from vsanime.architectures.base import Architecture, Imported, Layout, PairRules, TorchModule
from vsanime.architectures.deduce import node_kinds, read_convolutions
from vsanime.architectures.drrn.onnx import MOST_UNITS, USUAL_UNITS, drrn_b1
from vsanime.architectures.layers import Layer

_TAPS = 5  # width and height of the bicubic kernel, the first convolution of the graph


@dataclass(frozen=True, kw_only=True)
class Settings:
    """Keys of a recipe's [network].

    Attributes:
        units: how often the residual unit is applied.
        filters: channels of every hidden layer.
        low: whether to work at low resolution and end with a pixel shuffle.
    """

    units: int = field(default=USUAL_UNITS, metadata={"least": 1, "most": MOST_UNITS})
    filters: int = field(default=128, metadata={"least": 1, "most": 1024})
    low: bool = False


def _load_module() -> TorchModule:
    from vsanime.architectures.drrn import module

    return module


def _matches(proto: onnx.ModelProto) -> bool:
    if node_kinds(proto) & {"ConvTranspose", "LeakyRelu", "Selu"}:
        return False
    first = next(iter(read_convolutions(proto).values()), None)
    return first is not None and bool(first.weight.shape[2] == _TAPS)


def _read(layers: Sequence[Layer], _activation: str | None, metadata: Mapping[str, str]) -> Imported:
    return drrn_b1(layers, metadata.get("units", ""))


DRRN = Architecture(
    name="drrn",
    family="DRRN",
    title="DRRN",
    load_module=_load_module,
    matches=_matches,
    layouts=(Layout("DRRN of this project", _read, ("first",), ("unit.conv{i}",), ("last",)),),
    task="pairs",
    pairs=PairRules(Settings),
)
