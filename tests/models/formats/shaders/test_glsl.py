"""Exported shaders, run by libplacebo, compute what ONNX Runtime computes."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import pytest
from numpy.typing import NDArray
from PIL import Image

from tests.support.chains import random_net
from tests.support.clips import clip_of, format_of, noise
from tests.support.pictures import on_white
from tests.support.reference import run_plain
from tests.support.shaders import render, require_vulkan
from tests.support.weightfiles import path_of, third_party
from tools.animation import draw
from vsanime.architectures.artcnn.chain import read_artcnn_c
from vsanime.errors import VsanimeError
from vsanime.models.formats.shaders.glsl import write

type Plane = NDArray[np.float64]

WIDTH, HEIGHT = 72, 58
FORMS = [pytest.param(False, id="fragment"), pytest.param(True, id="compute")]

# Between passes libplacebo keeps half floats (11 bits; a shader cannot ask for more), as mpv does by itself. Against
# f32 0.0004 on average and 0.002 at most were seen in luma, 0.0006 and 0.002 in chroma, by llvmpipe, which cuts bits
# off where GPUs round. A wrong weight or edge is off by 0.05 and more.
HALF_TEXTURES_MEAN = 1e-3
HALF_TEXTURES_MAX = 5e-3
# Luma pixels by which a result may seem to lie elsewhere: what the same rounding makes of an exact one.
SHIFT = 0.02


@pytest.fixture(scope="module")
def vulkan() -> None:
    require_vulkan()


def shader(net: onnx.ModelProto, compute: bool) -> str:
    return write(
        read_artcnn_c(net), "net", ["Copyright (c) 2024 João: players pass over what is not ASCII"], compute=compute
    )


def luma_planes(picture: NDArray[np.uint8] | None = None) -> list[Plane]:
    """Noise, a ramp, a spot in the middle and a gray picture where one is given, in [0, 1]."""
    y, x = np.mgrid[:HEIGHT, :WIDTH]
    spot = np.exp(-((x - WIDTH / 2 + 0.5) ** 2 + (y - HEIGHT / 2 + 0.5) ** 2) / 50)
    codes = noise(format_of("GRAY16"), WIDTH, HEIGHT)[0][0]
    planes = [codes / 65535, (x + y) / (WIDTH + HEIGHT), spot]
    if picture is not None:
        planes.append(picture / 255)
    return [np.round(plane * 65535) / 65535 for plane in planes]


def assert_close(found: Plane, expected: Plane) -> None:
    """Everywhere, the outermost pixels included, and at the same place."""
    difference = np.abs(found - expected)
    assert found.shape == expected.shape
    assert difference.mean() <= HALF_TEXTURES_MEAN
    assert difference.max() <= HALF_TEXTURES_MAX
    for axis in (0, 1):
        assert abs(shift(found, expected, axis)) <= SHIFT


def shift(found: Plane, expected: Plane, axis: int) -> float:
    """By how many pixels `found` lies farther along an axis, in the least-squares sense."""
    slope = np.gradient(expected, axis=axis)
    difference = found - expected
    return float(-((difference - difference.mean()) * slope).sum() / (slope**2).sum())


def assert_doubles(net: onnx.ModelProto, compute: bool, planes: list[Plane]) -> None:
    text = shader(net, compute)
    gray = np.full((HEIGHT, WIDTH), 32768, np.uint16)
    frames = [[np.round(plane * 65535).astype(np.uint16), gray, gray] for plane in planes]
    clip = clip_of(frames, format_of("YUV444P16"), _Matrix=1)
    for plane, found in zip(planes, render(clip, text, scale=2), strict=True):
        expected = run_plain(net.SerializeToString(), plane[None, None])[0, 0]
        assert_close(found[0], expected.astype(np.float64))


@pytest.mark.usefixtures("vulkan")
@pytest.mark.parametrize(("name", "compute"), [
    pytest.param("C4F16_VA", True, id="C4F16_VA-compute"),
    # A driver that compiles for the CPU takes 6 s and more for these.
    pytest.param("C4F16_VA", False, id="C4F16_VA-fragment", marks=pytest.mark.long),
    pytest.param("C4F32_VA", True, id="C4F32_VA-compute", marks=pytest.mark.long),
    pytest.param("C4F32_VA", False, id="C4F32_VA-fragment", marks=pytest.mark.long),
])  # fmt: skip
def test_doubler_computes_what_its_onnx_computes(name: str, compute: bool) -> None:
    # An eye of the drawn close-up.
    gray = Image.fromarray(draw(70)).convert("L").crop((250, 140, 250 + WIDTH, 140 + HEIGHT))
    assert_doubles(onnx.load(path_of(name)), compute, luma_planes(np.asarray(gray)))


@pytest.mark.media
@pytest.mark.usefixtures("vulkan")
@pytest.mark.parametrize("compute", FORMS)
@pytest.mark.parametrize("name", third_party("C4F32"))
def test_third_party_doubler_computes_what_its_onnx_computes(name: str, compute: bool, media: Path) -> None:
    gray = on_white(Image.open(media / "pictures/renpy_thequestion/sylvie_blue_normal.png")).convert("L")
    picture = np.asarray(gray.crop((130, 90, 130 + WIDTH, 90 + HEIGHT)))
    assert_doubles(onnx.load(path_of(name)), compute, luma_planes(picture))


@pytest.mark.usefixtures("vulkan")
@pytest.mark.parametrize("compute", FORMS)
@pytest.mark.parametrize(("features", "inner"), [(4, 1), (12, 3)])
def test_doubler_of_any_width_and_depth(features: int, inner: int, compute: bool) -> None:
    assert_doubles(random_net(features, inner), compute, luma_planes()[:1])


@pytest.mark.usefixtures("vulkan")
def test_groups_of_a_packed_texture_need_not_form_a_square() -> None:
    """40 features are 10 groups, in five columns and two rows."""
    assert_doubles(random_net(40, 1), True, luma_planes()[:1])


@pytest.mark.usefixtures("vulkan")
def test_doubler_does_nothing_where_the_output_is_not_larger() -> None:
    text = shader(random_net(4, 1), compute=False)
    plane = np.round(luma_planes()[0] * 65535).astype(np.uint16)
    gray = np.full((HEIGHT, WIDTH), 32768, np.uint16)
    clip = clip_of([[plane, gray, gray]], format_of("YUV444P16"), _Matrix=1)
    assert np.abs(render(clip, text)[0][0] - plane / 65535).max() < 1e-4  # codes, through RGB and back


def chroma_frame() -> list[NDArray[np.uint16]]:
    """4:2:0 planes that stay inside RGB's gamut, through which libplacebo takes them."""
    rng = np.random.default_rng(3)

    def smooth(width: int, height: int, low: float, high: float) -> NDArray[np.uint16]:
        coarse = Image.fromarray(rng.random((height // 4 + 2, width // 4 + 2)).astype(np.float32))
        value = np.asarray(coarse.resize((width, height), Image.Resampling.BICUBIC)).clip(0, 1)
        return np.round((low + (high - low) * value) * 65535).astype(np.uint16)

    return [smooth(WIDTH, HEIGHT, 0.3, 0.7), *(smooth(WIDTH // 2, HEIGHT // 2, 0.4, 0.6) for _ in range(2))]


# Where the first chroma sample lies, in luma pixels, by the plugin's number of the siting: left, centre, top left.
SITINGS = {1: (0.0, 0.5), 2: (0.5, 0.5), 3: (0.0, 0.0)}


def upsample(plane: NDArray[np.uint16], siting: int) -> Plane:
    """Bilinear, to the luma grid, the outermost samples repeated."""
    value = plane / 65535
    for axis, origin in ((1, SITINGS[siting][0]), (0, SITINGS[siting][1])):
        size = value.shape[axis]
        place = np.clip((np.arange(2 * size) - origin) / 2, 0, size - 1)
        before = np.floor(place).astype(int)
        part = np.expand_dims(place - before, 1 - axis)
        after = np.minimum(before + 1, size - 1)
        value = value.take(before, axis) * (1 - part) + value.take(after, axis) * part
    return value


def assert_reconstructs(net: onnx.ModelProto, compute: bool, siting: int) -> None:
    planes = chroma_frame()
    clip = clip_of([planes], format_of("YUV420P16"), _Matrix=1)
    ((luma, *chroma),) = render(clip, shader(net, compute), siting=siting)
    picture = np.stack([planes[0] / 65535, *(upsample(plane, siting) for plane in planes[1:])])
    expected = run_plain(net.SerializeToString(), picture[None])[0].astype(np.float64)
    assert np.abs(luma - picture[0]).max() < 1e-4  # codes, through RGB and back
    for found, wanted in zip(chroma, expected, strict=True):
        assert_close(found, wanted)


@pytest.mark.usefixtures("vulkan")
@pytest.mark.parametrize(("compute", "siting"), [(False, 1), *((True, siting) for siting in SITINGS)])
def test_chroma_net_computes_what_its_onnx_computes(compute: bool, siting: int) -> None:
    assert_reconstructs(random_net(8, 2, luma=False), compute, siting)


@pytest.mark.long
@pytest.mark.usefixtures("vulkan")
@pytest.mark.parametrize(("compute", "siting"), [(False, 1), *((True, siting) for siting in SITINGS)])
def test_trained_chroma_net_computes_what_its_onnx_computes(compute: bool, siting: int) -> None:
    assert_reconstructs(onnx.load(path_of("C4F32_Chroma_VA")), compute, siting)


@pytest.mark.usefixtures("vulkan")
@pytest.mark.parametrize("compute", FORMS)
@pytest.mark.parametrize("name", third_party("C4F32_Chroma"))
def test_third_party_chroma_net_computes_what_its_onnx_computes(name: str, compute: bool) -> None:
    assert_reconstructs(onnx.load(path_of(name)), compute, siting=1)


@pytest.mark.usefixtures("vulkan")
def test_chroma_net_leaves_444_alone() -> None:
    text = shader(random_net(4, 1, luma=False), compute=False)
    luma = chroma_frame()[0]
    clip = clip_of([[luma, luma, luma]], format_of("YUV444P16"), _Matrix=1)
    for plane in render(clip, text)[0]:
        assert np.abs(plane - luma / 65535).max() < 1e-4  # codes, through RGB and back


@pytest.mark.parametrize("compute", FORMS)
def test_text_begins_with_the_notes_and_is_ascii_from_there(compute: bool) -> None:
    notes = ["Copyright (c) 2024 João", "", "//!HOOK LUMA\n//!BIND LUMA"]
    text = write(read_artcnn_c(random_net()), "säljö\nnet", notes, compute=compute)
    head, passes = text.split("//!", 1)
    assert passes.isascii()
    assert [*head.splitlines(), f"//!{passes.splitlines()[0]}"] == [
        "// Copyright (c) 2024 João",
        "//",
        "// // !HOOK LUMA // !BIND LUMA",
        "",
        "//!DESC s\\xe4lj\\xf6 net: convolution 0",
    ]


@pytest.mark.parametrize(
    ("features", "compute", "message"),
    [
        (6, False, "6 features are no multiple"),
        (60, False, "60 features take 16 textures .* bind 15; compute"),
        (96, True, "96 features do not fit"),
    ],
)
def test_what_a_form_cannot_hold_is_refused(features: int, compute: bool, message: str) -> None:
    with pytest.raises(VsanimeError, match=message):
        shader(random_net(features, 1), compute)


def test_fragment_passes_bind_no_more_than_players_do() -> None:
    for one in shader(random_net(56, 1), compute=False).split("//!DESC"):
        assert one.count("//!BIND") <= 15


def test_chroma_passes_bind_first_what_may_be_missing() -> None:
    """mpv leaves what a skipped pass has bound to the next one, which then does not compile."""
    made: list[str] = []
    for one in shader(random_net(4, 1, luma=False), compute=False).split("//!DESC")[1:]:
        binds = [line.split()[1] for line in one.splitlines() if line.startswith("//!BIND")]
        assert "//!WHEN" in one or binds[0] in made
        made += [line.split()[1] for line in one.splitlines() if line.startswith("//!SAVE")]


@pytest.mark.parametrize(
    ("features", "group"), [(4, (16, 16)), (12, (16, 16)), (16, (16, 8)), (20, (16, 8)), (24, (8, 8)), (80, (8, 8))]
)
def test_workgroups_are_the_largest_whose_pixels_fit(features: int, group: tuple[int, int]) -> None:
    """16 KiB for the pixels of a group and those around it, four features of 4 bytes in each; 32 KiB at most."""
    text = shader(random_net(features, 1), compute=True)
    found = {tuple(map(int, line.split()[-2:])) for line in text.splitlines() if line.startswith("//!COMPUTE")}
    assert group in found, found
    width, height = group
    assert features // 4 * (width + 2) * (height + 2) * 16 <= ((32 if group == (8, 8) else 16) << 10)


def test_the_most_features_of_either_form() -> None:
    shader(random_net(56, 1), compute=False)
    shader(random_net(80, 1), compute=True)
    for features, compute in ((84, True), (60, False)):
        with pytest.raises(VsanimeError, match=f"{features} features"):
            shader(random_net(features, 1), compute)
