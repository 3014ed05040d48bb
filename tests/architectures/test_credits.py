"""What is trained says its licence and author where the recipe does."""

from __future__ import annotations

from pathlib import Path

import onnx
import pytest

pytest.importorskip("torch")

from vsanime.architectures.artcnn.module import ArtCNNC
from vsanime.architectures.export import to_onnx
from vsanime.models.licences import read_author, read_note
from vsanime.models.torchfiles import save


def net() -> ArtCNNC:
    return ArtCNNC(filters=8, layers=2)


def test_credits_stand_in_the_metadata(tmp_path: Path) -> None:
    save(net(), tmp_path / "net.onnx", licence="MIT; Copyright (c) 2026 Somebody", author="Some\nbody\x1b[2J")
    proto = onnx.load(tmp_path / "net.onnx")
    assert read_note(proto) == "MIT; Copyright (c) 2026 Somebody"
    assert read_author(proto) == "Some body?[2J"


def test_nobody_is_made_up(tmp_path: Path) -> None:
    made = net()
    save(made, tmp_path / "net.onnx")
    assert (tmp_path / "net.onnx").read_bytes() == to_onnx(made).SerializeToString()
