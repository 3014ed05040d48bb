"""Kernels add up, keep ramps, and mirror as zimg does; graphs compute what sums over mirrored samples are."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import onnx
import onnxruntime
import pytest
from numpy.typing import NDArray

from tests.support.tolerances import F32_REORDERED
from vsanime.coding import chroma_offset
from vsanime.graphs.resample import (
    area_matrix,
    bilinear,
    catmull_rom,
    down_taps,
    downsample,
    mirror,
    resize,
    resize_matrix,
    up_taps,
    upsample,
)
from vsanime.graphs.writer import GraphWriter
from vsanime.spec import ChromaLocation

type Floats = NDArray[np.float64]
type Size = tuple[int, int]

SUBSAMPLING = [(1, 1), (1, 0), (2, 0), (2, 2), (0, 0)]


def test_catmull_rom_interpolates() -> None:
    assert catmull_rom(np.arange(-3.0, 4)).tolist() == [0, 0, 0, 1, 0, 0, 0]
    assert catmull_rom(np.array([0.5, 1.5])).tolist() == [0.5625, -0.0625]
    assert bilinear(np.array([-0.25, 0.5, 1.5])).tolist() == [0.75, 0.5, 0]


@pytest.mark.parametrize("subsampling", SUBSAMPLING)
@pytest.mark.parametrize("siting", ChromaLocation)
@pytest.mark.parametrize("smooth", [True, False])
def test_upsampling_keeps_a_ramp(subsampling: tuple[int, int], siting: ChromaLocation, smooth: bool) -> None:
    offset = chroma_offset(siting, subsampling)
    for taps, shift, start in zip(
        up_taps(subsampling, siting, smooth=smooth), subsampling[::-1], offset[::-1], strict=True
    ):
        block = 1 << shift
        assert len(taps.weights) == block
        samples = (taps.first + np.arange(taps.weights.shape[1])) * block + start
        np.testing.assert_allclose(taps.weights @ samples, np.arange(block), atol=1e-12)


@pytest.mark.parametrize("subsampling", SUBSAMPLING)
@pytest.mark.parametrize("siting", ChromaLocation)
def test_downsampling_keeps_a_ramp(subsampling: tuple[int, int], siting: ChromaLocation) -> None:
    offset = chroma_offset(siting, subsampling)
    for taps, start in zip(down_taps(subsampling, siting), offset[::-1], strict=True):
        positions = taps.first + np.arange(taps.weights.shape[1])
        np.testing.assert_allclose(taps.weights.sum(), 1, atol=1e-12)
        np.testing.assert_allclose(taps.weights @ positions, [start], atol=1e-12)


def test_mirroring_repeats_the_outermost_sample() -> None:
    assert mirror(np.arange(-3, 8), 5).tolist() == [2, 1, 0, 0, 1, 2, 3, 4, 4, 3, 2]
    assert mirror(np.arange(-3, 4), 1).tolist() == [0] * 7


@pytest.mark.parametrize(
    ("siting", "of_420", "of_410"),
    [
        (ChromaLocation.LEFT, (0, 0.5), (0, 1.5)),
        (ChromaLocation.CENTER, (0.5, 0.5), (1.5, 1.5)),
        (ChromaLocation.TOP_LEFT, (0, 0), (0, 0)),
        (ChromaLocation.TOP, (0.5, 0), (1.5, 0)),
        (ChromaLocation.BOTTOM_LEFT, (0, 1), (0, 3)),
        (ChromaLocation.BOTTOM, (0.5, 1), (1.5, 3)),
    ],
)
def test_first_chroma_sample_lies_where_the_siting_says(
    siting: ChromaLocation, of_420: tuple[float, float], of_410: tuple[float, float]
) -> None:
    assert chroma_offset(siting, (1, 1)) == of_420
    assert chroma_offset(siting, (2, 2)) == of_410
    assert chroma_offset(siting, (1, 0)) == (of_420[0], 0)
    assert chroma_offset(siting, (0, 0)) == (0, 0)


# What the graphs compute


def keys(x: float) -> float:
    """Catmull-Rom as Keys (1981) writes it, a = -0.5."""
    x, a = abs(x), -0.5
    if x <= 1:
        return (a + 2) * x**3 - (a + 3) * x**2 + 1
    return a * x**3 - 5 * a * x**2 + 8 * a * x - 4 * a if x < 2 else 0.0


def triangle(x: float) -> float:
    return max(0.0, 1 - abs(x))


def sampled(line: Floats, place: float, kernel: Callable[[float], float], wide: float = 1.0) -> Floats:
    """A line of samples at a place between them, by a kernel so many times as wide; mirrored beyond its ends."""
    taps = range(int(np.floor(place - 2 * wide)), int(np.ceil(place + 2 * wide)) + 1)
    weights = np.array([kernel((tap - place) / wide) for tap in taps])
    there = np.concatenate([line[::-1], line, line[::-1]])
    return np.tensordot(weights / weights.sum(), there[[len(line) + tap for tap in taps]], 1)


def along(plane: Floats, axis: int, places: Floats, kernel: Callable[[float], float], wide: float = 1.0) -> Floats:
    """A plane sampled along one of its axes."""
    lines = np.moveaxis(plane, axis, 0)
    return np.moveaxis(np.stack([sampled(lines, place, kernel, wide) for place in places]), 0, axis)


def built(
    write: Callable[[GraphWriter, str], str], size: Size, channels: int = 1, *, any_size: bool = False
) -> onnx.ModelProto:
    """A graph around nodes from `x` to `y`, whose sizes are open."""
    writer = GraphWriter(any_size=any_size)
    x = writer.input("x", "float32", [1, channels, *(("h", "w") if any_size else size[::-1])])
    writer.output(write(writer, x), "y", "float32", [1, channels, "H", "W"])
    return writer.finish("resample")


def computed(proto: onnx.ModelProto, pictures: Floats) -> Floats:
    session = onnxruntime.InferenceSession(proto.SerializeToString(), providers=["CPUExecutionProvider"])
    return session.run(None, {"x": pictures[None].astype(np.float32)})[0][0]


GRIDS = [(1, 1), (1, 0), (0, 1), (2, 0), (0, 2), (2, 2), (2, 1), (1, 2), (0, 0)]


@pytest.mark.parametrize("subsampling", GRIDS)
@pytest.mark.parametrize("siting", [ChromaLocation.LEFT, ChromaLocation.TOP, ChromaLocation.BOTTOM])
@pytest.mark.parametrize("smooth", [True, False])
@pytest.mark.parametrize("any_size", [True, False])
def test_upsampling_samples_each_luma_place(
    subsampling: Size, siting: ChromaLocation, smooth: bool, any_size: bool
) -> None:
    plane = np.random.default_rng(1).random((6, 7))
    taps = up_taps(subsampling, siting, smooth=smooth)
    proto = built(lambda writer, x: upsample(writer, x, (7, 6), taps), (7, 6), any_size=any_size)
    expected = plane
    for axis, shift, offset in zip((1, 0), subsampling, chroma_offset(siting, subsampling), strict=True):
        places = (np.arange(plane.shape[axis] << shift) - offset) / (1 << shift)
        expected = along(expected, axis, places, keys if smooth else triangle)
    np.testing.assert_allclose(computed(proto, plane[None])[0], expected, atol=F32_REORDERED)


@pytest.mark.parametrize("subsampling", GRIDS)
@pytest.mark.parametrize("siting", [ChromaLocation.LEFT, ChromaLocation.TOP, ChromaLocation.BOTTOM])
@pytest.mark.parametrize("any_size", [True, False])
def test_downsampling_samples_each_chroma_place(subsampling: Size, siting: ChromaLocation, any_size: bool) -> None:
    width, height = 32, 24
    plane = np.random.default_rng(2).random((height, width))
    taps = down_taps(subsampling, siting)
    proto = built(
        lambda writer, x: downsample(writer, x, (width, height), subsampling, taps), (width, height), any_size=any_size
    )
    expected = plane
    for axis, shift, offset in zip((1, 0), subsampling, chroma_offset(siting, subsampling), strict=True):
        step = 1 << shift
        expected = along(expected, axis, np.arange(plane.shape[axis] // step) * step + offset, keys, step)
    np.testing.assert_allclose(computed(proto, plane[None])[0], expected, atol=F32_REORDERED)


@pytest.mark.parametrize("subsampling", GRIDS)
@pytest.mark.parametrize("siting", ChromaLocation)
def test_open_sizes_give_one_graph_down_to_small_planes(subsampling: Size, siting: ChromaLocation) -> None:
    """Samples at the far edge are counted from there."""
    up, down = up_taps(subsampling, siting), down_taps(subsampling, siting)

    def chain(size: Size) -> bytes:
        small = (size[0] >> subsampling[0], size[1] >> subsampling[1])

        def write(writer: GraphWriter, x: str) -> str:
            return upsample(writer, downsample(writer, x, size, subsampling, down), small, up)

        return built(write, size, any_size=True).SerializeToString()

    assert len({chain(size) for size in ((32, 32), (20, 24), (36, 16), (64, 100))}) == 1


@pytest.mark.parametrize(
    ("size", "wanted"),
    [((9, 7), (9, 7)), ((9, 7), (23, 10)), ((23, 31), (9, 7)), ((5, 40), (17, 13)), ((8, 8), (4, 2))],
)
def test_pictures_are_resized_by_catmull_rom_as_wide_as_the_step(size: Size, wanted: Size) -> None:
    pictures = np.random.default_rng(3).random((3, *size[::-1]))
    expected = pictures
    for axis, before, after in zip((2, 1), size, wanted, strict=True):
        step = before / after
        places = (np.arange(after) + 0.5) * step - 0.5
        expected = along(expected, axis, places, keys, max(1.0, step))
    found = computed(built(lambda writer, x: resize(writer, x, size, wanted), size, channels=3), pictures)
    np.testing.assert_allclose(found, expected, atol=F32_REORDERED)
    for before, after in zip(size, wanted, strict=True):
        np.testing.assert_allclose(resize_matrix(before, after).sum(axis=1), 1, atol=1e-12)


@pytest.mark.parametrize(("length", "wanted"), [(6, 3), (6, 2), (3, 2), (7, 3), (50, 7), (5, 5), (8, 1)])
def test_an_area_is_the_mean_over_a_new_samples_span(length: int, wanted: int) -> None:
    """Samples cut into as many equal parts as there are new ones: then every span has whole parts."""
    line = np.random.default_rng(4).random(length)
    expected = line.repeat(wanted).reshape(wanted, length).mean(axis=1)
    np.testing.assert_allclose(area_matrix(length, wanted) @ line, expected, atol=1e-12)
    across = np.random.default_rng(5).random((2, 3, length))
    proto = built(lambda writer, x: resize(writer, x, (length, 3), (wanted, 3), area_matrix), (length, 3), channels=2)
    expected = across.repeat(wanted, 2).reshape(2, 3, wanted, length).mean(axis=3)
    np.testing.assert_allclose(computed(proto, across), expected, atol=F32_REORDERED)
