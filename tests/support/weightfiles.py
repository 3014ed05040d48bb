"""Weight files for tests: the package's own, random ones, and third-party ones where they are at hand."""

from __future__ import annotations

import tempfile
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

import onnx
import pytest

from tests.support import nets
from vsanime.architectures.artcnn.onnx import artcnn_r
from vsanime.architectures.layers import Layer
from vsanime.models.cards import variants
from vsanime.models.store import load

if TYPE_CHECKING:
    from _pytest.mark import ParameterSet

# A residual network of R8F64's size. None travels with the package, so its weights are random.
RANDOM_R = "random R8F64"


def bundled(**facts: str) -> list[str]:
    """Return the names of the package's own networks whose cards say these facts."""
    own = [variant for variant in variants().values() if variant.is_bundled]
    return [variant.name for variant in own if all(getattr(variant, key) == value for key, value in facts.items())]


def third_party(*names: str) -> list[ParameterSet]:
    """Return parameters of third-party models, for cases that are skipped without their weights."""
    return [pytest.param(name, marks=pytest.mark.weights) for name in names]


@cache
def path_of(name: str) -> Path:
    """Return the weight file of a model on this machine, or of `RANDOM_R`."""
    if name != RANDOM_R:
        return load(name).path
    path = Path(_folder().name) / "random_R8F64.onnx"
    net = nets.artcnn_r(blocks=8, filters=64)
    onnx.save(artcnn_r([Layer(weight, bias) for weight, bias in net.layers]), path)
    return path


def model_of(name: str) -> str:
    """Return what a filter takes as `model`: the name, or the path of a file without a card."""
    return str(path_of(name)) if name == RANDOM_R else name


@cache
def _folder() -> tempfile.TemporaryDirectory[str]:
    return tempfile.TemporaryDirectory(prefix="vsanime-tests-")
