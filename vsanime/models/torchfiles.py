"""Torch networks in files: loaded from every file that importers read, saved as plain ONNX."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from vsanime import files
from vsanime.errors import VsanimeError
from vsanime.models.formats import read
from vsanime.models.licences import write_credits
from vsanime.models.onnxfile import read_onnx

if TYPE_CHECKING:
    from torch import nn


def load(path: Path, activation: str | None = None, upsample: str | None = None) -> nn.Module:
    """Build the network that a file holds, with its weights.

    Args:
        path: an ONNX, or what `vsanime import` reads: state-dicts, ncnn, waifu2x's JSON, mpv shaders.
        activation: of an ArtCNN state-dict, which does not say; None for what it says, else "relu".
        upsample: of an AnimeGANv2 state-dict; see `vsanime.models.formats.Wishes`.

    Raises:
        VsanimeError: the file cannot be read, or is of no network of this project.
    """
    from vsanime.architectures.load import from_onnx

    proto = read_onnx(path) if path.suffix.lower() == ".onnx" else read(path, activation, upsample).proto
    try:
        return from_onnx(proto)
    except VsanimeError as error:
        raise VsanimeError(f"{path}: {error}") from None


def save(net: nn.Module, path: Path, *, licence: str = "", author: str = "") -> None:
    """Write a network to an ONNX file, making its folder where there is none.

    Args:
        net: the network.
        path: the file.
        licence: of the weights, for the file's metadata; empty where it is not known.
        author: who made them, likewise.

    Raises:
        VsanimeError: the file cannot be written.
    """
    from vsanime.architectures.export import to_onnx

    proto = to_onnx(net)
    write_credits(proto, licence, author)
    data = proto.SerializeToString()
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        files.write(path, data)
    except OSError as error:
        raise VsanimeError(f"export: cannot write {str(path)!r}: {error.strerror}") from error
