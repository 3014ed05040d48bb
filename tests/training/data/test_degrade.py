"""Degradations do what their formulas say, and what zimg, Pillow and libjpeg do."""

from __future__ import annotations

import io
from typing import Any

import numpy as np
import pytest
from PIL import Image

from vsanime.training.data import degrade

vs = pytest.importorskip("vapoursynth")

# f32 sums of up to 12 terms in another order.
SAME_SUMS = 2e-6
# zimg's weights are 16-bit integers for planes of integers; for floats only the order of sums differs.
ZIMG = 5e-6


def picture(height: int = 40, width: int = 56, planes: int = 1, seed: int = 0) -> degrade.Floats:
    rng = np.random.default_rng(seed)
    return rng.random((planes, height, width), np.float32)


def by_zimg(plane: np.ndarray, resize: str, width: int, height: int, **options: Any) -> np.ndarray:
    core = vs.core
    blank = core.std.BlankClip(format=vs.GRAYS, width=plane.shape[1], height=plane.shape[0], length=1)

    def fill(n: int, f: Any) -> Any:
        del n
        frame = f.copy()
        np.asarray(frame[0])[:] = plane
        return frame

    clip = getattr(core.resize, resize)(blank.std.ModifyFrame(blank, fill), width, height, **options)
    return np.asarray(clip.get_frame(0)[0]).copy()


@pytest.mark.parametrize(
    ("kernel", "resize", "options"),
    [
        ("bilinear", "Bilinear", {}),
        ("catmull_rom", "Bicubic", {"filter_param_a": 0, "filter_param_b": 0.5}),
        ("mitchell", "Bicubic", {"filter_param_a": 1 / 3, "filter_param_b": 1 / 3}),
        ("lanczos3", "Lanczos", {"filter_param_a": 3}),
    ],
)
def test_halving_equals_zimg(kernel: str, resize: str, options: dict[str, Any]) -> None:
    x = picture()
    found = degrade.halve(x, degrade.KERNELS[kernel])[0]
    inside = (slice(4, -4), slice(4, -4))  # zimg mirrors at the edges, we repeat
    np.testing.assert_allclose(found[inside], by_zimg(x[0], resize, 28, 20, **options)[inside], atol=ZIMG)


def test_box_is_the_mean_of_four() -> None:
    x = picture(planes=3)
    expected = x.reshape(3, 20, 2, 28, 2).mean((2, 4))
    np.testing.assert_allclose(degrade.halve(x, degrade.box), expected, atol=SAME_SUMS)


def test_edges_are_repeated() -> None:
    x = picture()
    wide = np.pad(x, [(0, 0), (12, 12), (12, 12)], mode="edge")
    kernel = degrade.KERNELS["lanczos3"]
    np.testing.assert_allclose(degrade.halve(wide, kernel)[:, 6:-6, 6:-6], degrade.halve(x, kernel), atol=SAME_SUMS)


def test_random_kernels_keep_flat_areas_and_differ() -> None:
    rng = np.random.default_rng(3)
    x = picture()
    results = [degrade.halve(x, degrade.random_kernel(rng)) for _ in range(12)]
    assert len({result.tobytes() for result in results}) > 8
    flat = np.full((1, 32, 32), 0.3, np.float32)
    for _ in range(12):
        np.testing.assert_allclose(degrade.halve(flat, degrade.random_kernel(rng), 1.05), 0.3, atol=SAME_SUMS)


def test_wider_kernels_are_softer() -> None:
    x = picture()
    spread = [degrade.halve(x, degrade.KERNELS["catmull_rom"], width).std() for width in (0.9, 1.0, 1.2)]
    assert spread == sorted(spread, reverse=True)


def test_blur_is_a_gaussian() -> None:
    x = np.zeros((1, 33, 33), np.float32)
    x[0, 16, 16] = 1
    found = degrade.blur(x, 1.5)[0]
    y = np.arange(33) - 16
    expected = np.exp(-(y[:, None] ** 2 + y[None] ** 2) / (2 * 1.5**2)) / (2 * np.pi * 1.5**2)
    # Cut off at three and a third sigma.
    np.testing.assert_allclose(found[12:21, 12:21], expected[12:21, 12:21], rtol=0.01)
    assert found.sum() == pytest.approx(1, abs=1e-5)
    assert degrade.blur(x, 0.0) is x


def test_sharpening_adds_what_the_blur_takes() -> None:
    x = 0.25 + 0.5 * picture()
    expected = np.clip(x + 0.3 * (x - degrade.blur(x, 1.0)), 0, 1)
    np.testing.assert_allclose(degrade.sharpen(x, 0.3), expected, atol=SAME_SUMS)


def test_noise_has_its_deviation() -> None:
    x = np.full((3, 200, 200), 0.5, np.float32)
    noisy = degrade.add_noise(x, 4.0, np.random.default_rng(1))
    assert 255 * (noisy - x).std() == pytest.approx(4.0, rel=0.01)
    assert abs(float((noisy - x).mean())) < 1e-3


def test_codes_round_and_clip() -> None:
    x = np.array([-0.1, 0.0, 0.49 / 255, 0.51 / 255, 1.0, 1.2], np.float32)
    assert degrade.to_codes(x).tolist() == [0, 0, 0, 1, 255, 255]
    codes = np.arange(256, dtype=np.uint8)
    assert np.array_equal(degrade.to_codes(degrade.from_codes(codes)), codes)


# JPEG


def smooth(height: int, width: int, planes: int) -> degrade.Floats:
    return degrade.blur(picture(height, width, planes), 1.0)


@pytest.mark.parametrize("half_chroma", [True, False])
def test_jpeg_is_pillows(half_chroma: bool) -> None:
    x = smooth(48, 64, 3)
    file = io.BytesIO()
    codes = np.rint(x.transpose(1, 2, 0) * 255).astype(np.uint8)
    Image.fromarray(codes).save(file, "JPEG", quality=70, subsampling="4:2:0" if half_chroma else "4:4:4")
    expected = np.asarray(Image.open(file)).transpose(2, 0, 1) / 255
    np.testing.assert_allclose(degrade.jpeg(x, 70, half_chroma=half_chroma), expected, atol=1e-6)


@pytest.mark.parametrize("planes", [1, 3])
def test_region_on_the_grid_is_coded_as_in_the_whole_picture(planes: int) -> None:
    """Why a region with a border is enough: inside the border it is what coding the whole picture gives."""
    x = smooth(128, 160, planes)
    whole = degrade.jpeg(x, 60, half_chroma=True)[:, 32:96, 48:112]
    region = degrade.jpeg(x[:, 32:96, 48:112], 60, half_chroma=True)
    border = degrade.JPEG_BORDER
    assert np.array_equal(region[:, border:-border, border:-border], whole[:, border:-border, border:-border])


def test_lower_quality_is_worse() -> None:
    x = smooth(64, 64, 3)
    errors = [np.abs(degrade.jpeg(x, q, half_chroma=False) - x).mean() for q in (95, 80, 50, 20)]
    assert errors == sorted(errors)


@pytest.mark.parametrize(
    ("level", "passes"), [("0", {1: (85, 95)}), ("1", {1: (65, 85)}), ("2", {1: (27, 70), 2: (37, 70), 3: (52, 70)})]
)
def test_noise_levels_are_nagadomis(level: str, passes: dict[int, tuple[int, int]]) -> None:
    rng = np.random.default_rng(5)
    draws = [degrade.noise_level_qualities(level, rng) for _ in range(2000)]
    assert {len(draw) for draw in draws} == set(passes)
    for count, (low, high) in passes.items():
        firsts = [draw[0] for draw in draws if len(draw) == count]
        assert (min(firsts), max(firsts)) == (low, high)
    shares = [sum(len(draw) == count for draw in draws) / len(draws) for count in sorted(passes)]
    if level == "2":
        # Four standard deviations of 2000 draws.
        assert shares == pytest.approx([0.6, 0.3, 0.1], abs=0.045)
        assert all(5 <= d[0] - d[1] <= 10 for d in draws if len(d) == 2)
        assert all(5 <= d[0] - d[1] <= 15 and 15 <= d[0] - d[2] <= 25 for d in draws if len(d) == 3)


# Chroma


def test_ycbcr_is_bt709() -> None:
    red, white = np.array([[1.0], [0], [0]], np.float32), np.ones((3, 1), np.float32)
    assert degrade.to_ycbcr(red[..., None]).ravel() == pytest.approx([0.2126, 0.5 - 0.2126 / 1.8556, 1.0], abs=1e-6)
    assert degrade.to_ycbcr(white[..., None]).ravel() == pytest.approx([1, 0.5, 0.5], abs=1e-6)


@pytest.mark.parametrize(("siting", "across", "down"), [("left", -0.5, 0), ("center", 0, 0), ("top_left", -0.5, -0.5)])
def test_chroma_lies_where_its_siting_says(siting: str, across: float, down: float) -> None:
    """A ramp tells where each sample was taken, and keeps its place when it is doubled."""
    x, y = np.meshgrid(np.arange(40) / 100, np.arange(32) / 50)
    ramp = (x + y)[None].astype(np.float32)
    small = degrade.subsample(ramp, degrade.KERNELS["catmull_rom"], siting)
    rows, columns = np.mgrid[0:16, 0:20]
    expected = (2 * columns + 0.5 + across) / 100 + (2 * rows + 0.5 + down) / 50
    inside = (slice(3, -3), slice(3, -3))
    np.testing.assert_allclose(small[0][inside], expected[inside], atol=1e-6)
    np.testing.assert_allclose(degrade.double_bilinear(small, siting)[0, 8:-8, 8:-8], ramp[0, 8:-8, 8:-8], atol=1e-6)


@pytest.mark.parametrize("siting", ["left", "center", "top_left"])
def test_doubled_chroma_is_what_the_filter_gives_its_network(siting: str) -> None:
    """zimg's bilinear enlargement with the siting's shift: the input that `artcnn_chroma` makes."""
    across, down = degrade.SITING_SHIFTS[siting]
    small = picture(20, 28)
    shift = {"src_left": -across / 2, "src_top": -down / 2}
    expected = by_zimg(small[0], "Bilinear", 56, 40, **shift)
    inside = (slice(4, -4), slice(4, -4))
    np.testing.assert_allclose(degrade.double_bilinear(small, siting)[0][inside], expected[inside], atol=ZIMG)
