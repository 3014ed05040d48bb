"""Registers waifu2x's networks: UpConv_7 doubles, VGG_7 removes noise."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import onnx

from vsanime.architectures.base import Architecture, Imported, Layout, PairRules, TorchModule
from vsanime.architectures.deduce import node_kinds
from vsanime.architectures.layers import Layer
from vsanime.architectures.waifu2x.onnx import LEAK, MARGIN, Step, waifu2x


@dataclass(frozen=True, kw_only=True)
class Settings:
    """Keys of a recipe's [network].

    Attributes:
        widths: channels of the hidden layers; empty for the default.
    """

    widths: tuple[int, ...] = ()


def _load_module() -> TorchModule:
    from vsanime.architectures.waifu2x import module

    return module


def _matches_upconv(proto: onnx.ModelProto) -> bool:
    return "ConvTranspose" in node_kinds(proto)


def _matches_vgg(proto: onnx.ModelProto) -> bool:
    kinds = node_kinds(proto)
    return "LeakyRelu" in kinds and "ConvTranspose" not in kinds


def _read(layers: Sequence[Layer], _activation: str | None, _metadata: Mapping[str, str]) -> Imported:
    """Import a chain of layers; only its 4x4 kernel shows that the last layer is transposed."""
    last = layers[-1]
    steps = [Step(layer, slope=LEAK) for layer in layers[:-1]]
    transposed = last.weight.shape[2:] == (4, 4)
    return waifu2x([*steps, Step(last, transposed, stride=2, pad=3) if transposed else Step(last)])


UPCONV_7 = Architecture(
    name="upconv_7",
    family="UpConv_7",
    title="UpConv_7",
    load_module=_load_module,
    matches=_matches_upconv,
    layouts=(  # for both networks
        Layout("waifu2x in nunif", _read, (), ("net.{even}",), ()),
        Layout("waifu2x by yu45020", _read, (), ("Sequential.{even}",), ()),
        Layout("waifu2x, a bare Sequential", _read, (), ("{even}",), ()),
    ),
    task="pairs",
    pairs=PairRules(Settings, margin=MARGIN),
)
VGG_7 = Architecture(
    name="vgg_7",
    family="VGG_7",
    title="VGG_7",
    load_module=_load_module,
    matches=_matches_vgg,
    task="pairs",
    pairs=PairRules(Settings, scale=lambda _: 1, margin=MARGIN),
)
