"""The weights that travel with the package are the card's, and beat bicubic on real pictures they never saw."""

from __future__ import annotations

import hashlib
import tomllib
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime
import pytest
from PIL import Image

from tests.pictures import on_white
from vsanime.models.cards import engines_folder

LONGEST_SIDE = 640  # larger pictures are cropped to their middle, to keep the test short

# Folder, pattern, and every how many of the sorted pictures are taken.
SETS = {
    "sprites": ("renpy_thequestion", "sylvie_*_*.png", 1),
    "backgrounds": ("renpy_thequestion", "bg_*.jpg", 1),
    "cels": ("pepper_carrot/sprites", "pepper_*_01.png", 1),
    "outlines": ("morevna_cc0", "*.png", 3),
    "clipart": ("openclipart_pd", "*.png", 12),
}

# Least gain in dB over Pillow's bicubic, mean over a set, by the kernel that halved: what was measured, less 0.3 dB.
GAIN = {
    ("sprites", "box"): 4.8,
    ("sprites", "bicubic"): 5.3,
    ("backgrounds", "box"): 0.6,
    ("backgrounds", "bicubic"): 1.0,
    ("cels", "box"): 3.5,
    ("cels", "bicubic"): 3.4,
    ("outlines", "box"): 6.8,
    ("outlines", "bicubic"): 6.2,
    ("clipart", "box"): 5.5,
    ("clipart", "bicubic"): 5.2,
}

RESAMPLING = {"box": Image.Resampling.BOX, "bicubic": Image.Resampling.BICUBIC}


def variant() -> dict[str, Any]:
    card = tomllib.loads((engines_folder() / "generated.toml").read_text(encoding="utf-8"))
    (row,) = card["variant"]
    return dict(row)


@pytest.fixture(scope="module")
def path() -> Path:
    (found,) = engines_folder().rglob(Path(variant()["file"]).name)
    return found


@pytest.fixture(scope="module")
def session(path: Path) -> onnxruntime.InferenceSession:
    return onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])


def pictures(media: Path, name: str) -> list[np.ndarray]:
    """Luma of one set, H, W in [0, 1] with even sides; what is transparent lies on white."""
    folder, pattern, every = SETS[name]
    found = sorted((media / "pictures" / folder).glob(pattern))[::every]
    return [luma(Image.open(file)) for file in found]


def luma(picture: Image.Image) -> np.ndarray:
    gray = on_white(picture).convert("L")
    width, height = (min(side, LONGEST_SIDE) // 2 * 2 for side in gray.size)
    left, top = (gray.width - width) // 2, (gray.height - height) // 2
    return np.asarray(gray.crop((left, top, left + width, top + height)), np.float32) / 255


def resize(plane: np.ndarray, factor: float, kernel: Image.Resampling) -> np.ndarray:
    height, width = plane.shape
    size = (int(width * factor), int(height * factor))
    return np.asarray(Image.fromarray(plane).resize(size, kernel)).clip(0, 1)


def psnr(result: np.ndarray, truth: np.ndarray) -> float:
    return float(-10 * np.log10(np.mean((result.astype(np.float64) - truth) ** 2)))


def test_file_is_the_one_the_card_pins(path: Path) -> None:
    assert variant()["sha256"] == [hashlib.sha256(path.read_bytes()).hexdigest()]
    assert path.stat().st_size < 100_000


def test_file_is_plain_onnx_with_the_architecture_of_its_name(path: Path) -> None:
    model = onnx.load(path)
    onnx.checker.check_model(model, full_check=True)
    weights = [onnx.numpy_helper.to_array(t) for t in model.graph.initializer if t.dims]
    assert sum(w.size for w in weights) == 12_340
    assert all(np.isfinite(w).all() for w in weights)
    assert {node.op_type for node in model.graph.node} == {"Conv", "Relu", "Add", "Clip", "DepthToSpace"}


@pytest.mark.parametrize("level", [0.0, 0.25, 0.5, 0.75, 1.0])
def test_flat_area_stays_flat(session: onnxruntime.InferenceSession, level: float) -> None:
    (result,) = session.run(None, {"input": np.full((1, 1, 32, 32), level, np.float32)})
    inside = np.asarray(result)[0, 0, 16:-16, 16:-16]  # zero padding reaches 14 pixels in
    assert np.abs(inside - level).max() < 0.1 / 255  # 0.02 of a code was measured


@pytest.mark.media
@pytest.mark.parametrize(("name", "kernel"), GAIN)
def test_beats_bicubic_on_real_pictures(
    session: onnxruntime.InferenceSession, media: Path, name: str, kernel: str
) -> None:
    gains = []
    for truth in pictures(media, name):
        low = resize(truth, 0.5, RESAMPLING[kernel])
        (result,) = session.run(None, {"input": low[None, None]})
        bicubic = resize(low, 2, Image.Resampling.BICUBIC)
        gains.append(psnr(np.asarray(result)[0, 0], truth) - psnr(bicubic, truth))
    assert len(gains) >= 4
    assert np.mean(gains) >= GAIN[name, kernel], f"mean gain {np.mean(gains):.2f} dB"
