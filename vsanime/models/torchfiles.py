"""Loads torch networks from every file that importers can read, and saves them as plain ONNX."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from vsanime import files
from vsanime.architectures.export import to_onnx
from vsanime.architectures.load import from_onnx
from vsanime.errors import VsanimeError
from vsanime.models.formats import read
from vsanime.models.licences import write_credits
from vsanime.models.onnxfile import read_onnx

if TYPE_CHECKING:
    from torch import nn


def load(path: Path, activation: str | None = None, upsample: str | None = None) -> nn.Module:
    """Build the torch network of a file, with its weights.

    Args:
        path: ONNX, or a format of `vsanime import`: state-dicts, ncnn, waifu2x's JSON, mpv shaders.
        activation: activation of an ArtCNN state-dict; None for the one in its metadata, else "relu".
        upsample: upsampling of an AnimeGANv2 state-dict; see `vsanime.models.formats.Wishes`.

    Raises:
        VsanimeError: if the file cannot be read, or holds no architecture of this project.
    """
    proto = read_onnx(path) if path.suffix.lower() == ".onnx" else read(path, activation, upsample).proto
    try:
        return from_onnx(proto)
    except VsanimeError as error:
        raise VsanimeError(f"{path}: {error}") from None


def save(net: nn.Module, path: Path, *, licence: str = "", author: str = "") -> None:
    """Write a torch network to an ONNX file, creating its folder if needed.

    Args:
        net: network to write.
        path: ONNX file.
        licence: license note of the weights for the file's metadata; empty if unknown.
        author: author of the weights for the file's metadata; empty if unknown.

    Raises:
        VsanimeError: if the file cannot be written.
    """
    proto = to_onnx(net)
    write_credits(proto, licence, author)
    data = proto.SerializeToString()
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        files.write(path, data)
    except OSError as error:
        raise VsanimeError(f"export: cannot write {str(path)!r}: {error.strerror}") from error
