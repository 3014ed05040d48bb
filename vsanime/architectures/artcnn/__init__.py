"""Registers ArtCNN, which doubles luma or reconstructs chroma."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Literal

from vsanime.architectures.artcnn.onnx import artcnn
from vsanime.architectures.base import Architecture, Imported, Layout, PairRules, TorchModule
from vsanime.architectures.layers import Layer
from vsanime.errors import VsanimeError


@dataclass(frozen=True, kw_only=True)
class Settings:
    """Keys of a recipe's [network].

    Attributes:
        variant: name of the network: C4F32, R8F64, C4F32_Chroma.
        activation: activation of its inner layers.
    """

    variant: str = ""
    activation: Literal["relu", "silu"] = "relu"


def _load_module() -> TorchModule:
    from vsanime.architectures.artcnn import module

    return module


def _read(kind: str, layers: Sequence[Layer], activation: str | None, metadata: Mapping[str, str]) -> Imported:
    return artcnn(kind, layers, activation or metadata.get("activation", "").lower() or None)


def _scale(network: Settings) -> int:
    return 1 if "_Chroma" in network.variant else 2


def _check_planes(network: Settings, planes: str) -> None:
    chroma = "_Chroma" in network.variant
    if chroma != (planes == "chroma") or planes == "rgb":
        wanted = "chroma" if chroma else "luma"
        raise VsanimeError(f"data.planes = {planes!r}; the variant {network.variant!r} needs {wanted!r}")


_C = partial(_read, "artcnn_c")
_R = partial(_read, "artcnn_r")

ARTCNN = Architecture(
    name="artcnn",
    family="ArtCNN",
    title="ArtCNN C and R",
    load_module=_load_module,
    layouts=(
        Layout("ArtCNN C of this project", _C, ("first",), ("inner_convs.{i}",), ("inner_last", "last")),
        Layout(
            "ArtCNN R of this project",
            _R,
            ("first",),
            ("blocks.{i}.conv0", "blocks.{i}.conv1", "blocks.{i}.conv2"),
            ("inner_last", "last"),
        ),
        Layout("ArtCNN C of its author", _C, ("conv_skip1",), ("conv_inner.{i}",), ("conv_skip2", "conv_out")),
        Layout(
            "ArtCNN R of its author",
            _R,
            ("conv0",),
            ("res_blocks.{i}.conv0", "res_blocks.{i}.conv1", "res_blocks.{i}.conv2"),
            ("conv1", "feats_conv"),
        ),
        Layout(
            "ArtCNN R of traiNNer-redux",
            _R,
            ("conv0",),
            ("res_block.{i}.conv.0.0", "res_block.{i}.conv.1.0", "res_block.{i}.conv.2"),
            ("res_block.{n}", "depth_to_space.upscale.0"),
        ),
    ),
    choices=("activation",),
    task="pairs",
    pairs=PairRules(Settings, scale=_scale, planes=_check_planes, int8=True),
)
