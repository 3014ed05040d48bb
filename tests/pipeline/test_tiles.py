"""Tiles cover every pixel once, start on the grid, and keep their distance from edges that are not the frame's."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest

from tests.support.lanes import FunctionLane
from vsanime.errors import VsanimeError
from vsanime.pipeline.tiles import TileRunner, mirror, plan_tiles
from vsanime.spec import TensorSpec


@pytest.mark.parametrize("length", [1, 2, 7, 30, 31, 64, 101, 1080])
@pytest.mark.parametrize("tile", [1, 20, 33, 64, 2000])
@pytest.mark.parametrize("overlap", [0, 7])
@pytest.mark.parametrize("grid", [1, 2, 4])
@pytest.mark.parametrize("multiple", [1, 4])
def test_every_pixel_comes_from_one_tile_well_inside(
    length: int, tile: int, overlap: int, grid: int, multiple: int
) -> None:
    grid = max(grid, multiple)
    try:
        plan = plan_tiles((length, 1), (tile, 1), (overlap, 0), (grid, 1), 1 if multiple == 1 else multiple)
    except VsanimeError:
        assert tile < 2 * overlap + 2 * grid
        return
    padded = -(-length // multiple) * multiple
    covered = []
    for span in plan.columns:
        assert span.start % grid == 0
        assert plan.width % multiple == 0
        assert 0 <= span.start <= padded - plan.width
        assert span.inner_start - span.start >= (overlap if span.start else 0)
        end = span.start + plan.width
        assert end - span.inner_end >= (overlap if end < padded else 0)
        covered += range(span.inner_start, span.inner_end)
    assert covered == list(range(length))


def test_a_tile_has_a_pixel_at_least() -> None:
    plan = plan_tiles((5, 1), (0, 0), (0, 0), (1, 1))
    assert plan == plan_tiles((5, 1), (1, 1), (0, 0), (1, 1))
    assert (plan.width, plan.height, len(plan.columns)) == (1, 1, 5)


@pytest.mark.parametrize(
    ("length", "wanted", "overlap", "grid", "multiple", "tile", "starts"),
    [
        (100, 20, 0, 1, 1, 20, [0, 20, 40, 60, 80]),
        (101, 20, 0, 4, 1, 21, [0, 20, 40, 60, 80]),
        (101, 20, 3, 4, 1, 21, [0, 12, 24, 36, 48, 60, 72, 80]),
        (100, 40, 4, 2, 1, 40, [0, 32, 60]),
        (100, 98, 4, 2, 1, 98, [0, 2]),
        (99, 98, 4, 2, 1, 99, [0]),
        (30, 16, 0, 4, 4, 16, [0, 16]),
        (30, 17, 0, 4, 4, 20, [0, 12]),
        (30, 33, 0, 4, 4, 32, [0]),
    ],
)
def test_tiles_begin_where_the_one_before_leaves_off(
    length: int, wanted: int, overlap: int, grid: int, multiple: int, tile: int, starts: list[int]
) -> None:
    plan = plan_tiles((1, length), (1, wanted), (0, overlap), (1, grid), multiple if multiple > 1 else 1)
    assert (plan.height, [span.start for span in plan.rows]) == (tile, starts)
    ends = [min(length, start + tile - overlap) for start in starts[:-1]]
    assert [span.inner_end for span in plan.rows] == [*ends, length]
    assert [span.inner_start for span in plan.rows] == [0, *ends]


@pytest.mark.parametrize(("wanted", "good"), [(10, True), (9, True), (8, False)])
def test_tiles_have_a_step_of_the_grid_between_their_overlaps(wanted: int, good: bool) -> None:
    if good:
        assert plan_tiles((100, 1), (wanted, 1), (4, 0), (2, 1)).width == 10
        return
    with pytest.raises(VsanimeError, match=r"^tiles of 8 pixels overlap by 4 on each side, .*; 10 or more are needed$"):
        plan_tiles((100, 1), (wanted, 1), (4, 0), (2, 1))


def test_mirroring_repeats_the_edge() -> None:
    assert mirror(0, 4, 4) is None
    index = mirror(2, 6, 4)
    assert index is not None
    assert index.tolist() == [2, 3, 3, 2, 1, 0]
    far = mirror(2, 9, 4)
    assert far is not None
    assert far.tolist() == [2, 3, 3, 2, 1, 0, 0, 1, 2]
    assert mirror(1, 3, 4) is None
    beyond = mirror(1, 4, 4)
    assert beyond is not None
    assert beyond.tolist() == [1, 2, 3, 3]


@pytest.mark.parametrize("tile", [(6, 5), (40, 30), (9, 30)])
@pytest.mark.parametrize("multiple", [1, 4])
def test_tiles_are_put_together_as_they_were_cut(tile: tuple[int, int], multiple: int) -> None:
    """An engine that repeats every pixel: the result is the frame, doubled."""
    frame = np.random.default_rng(0).integers(0, 255, (30, 40), np.uint8)
    half = frame[::2, ::2].copy()
    plan = plan_tiles((40, 30), tile, (1, 1), (max(2, multiple),) * 2, multiple)

    def repeat(inputs: tuple[np.ndarray, ...], outputs: Sequence[np.ndarray]) -> None:
        (luma, chroma), (output,) = inputs, outputs
        output[0, 0] = luma[0, 0].repeat(2, 0).repeat(2, 1)
        output[0, 1] = chroma[0, 0].repeat(4, 0).repeat(4, 1)

    specs = [
        TensorSpec("y", "uint8", (1, 1, plan.height, plan.width)),
        TensorSpec("c", "uint8", (1, 1, plan.height // 2, plan.width // 2)),
    ]
    out = TensorSpec("o", "uint8", (1, 2, plan.height * 2, plan.width * 2))
    targets = [np.zeros((60, 80), np.uint8) for _ in range(2)]
    if plan.height % 2 or plan.width % 2:
        pytest.fail("tiles of a subsampled frame are even")
    TileRunner(FunctionLane(repeat), plan, specs, [out], 2, [(0, 0)] * 2)([frame, half], targets)
    assert np.array_equal(targets[0], frame.repeat(2, 0).repeat(2, 1))
    assert np.array_equal(targets[1], half.repeat(4, 0).repeat(4, 1))


def test_one_tile_writes_into_the_frame_itself() -> None:
    frame = np.arange(24, dtype=np.uint8).reshape(4, 6)
    target = np.zeros((8, 12), np.uint8)
    seen = []

    def run(inputs: tuple[np.ndarray, ...], outputs: Sequence[np.ndarray]) -> None:
        (output,) = outputs
        seen.append(output)
        output[0, 0] = inputs[0][0, 0].repeat(2, 0).repeat(2, 1)

    plan = plan_tiles((6, 4), (6, 4), (7, 7), (2, 2))
    specs = TensorSpec("y", "uint8", (1, 1, 4, 6)), TensorSpec("o", "uint8", (1, 1, 8, 12))
    TileRunner(FunctionLane(run), plan, [specs[0]], [specs[1]], 2, [(0, 0)])([frame], [target])
    assert np.shares_memory(seen[0], target)
    assert np.array_equal(target, frame.repeat(2, 0).repeat(2, 1))


@pytest.mark.parametrize("tile", [(16, 14), (20, 18), (40, 30)])
@pytest.mark.parametrize("scale", [1, 2])
def test_subsampled_planes_are_put_together_too(tile: tuple[int, int], scale: int) -> None:
    rng = np.random.default_rng(0)
    planes = [rng.integers(0, 255, s, np.uint8) for s in ((30, 40), (15, 20), (15, 20))]
    plan = plan_tiles((40, 30), tile, (4, 4), (2, 2))

    def repeat(inputs: tuple[np.ndarray, ...], outputs: Sequence[np.ndarray]) -> None:
        for source, target in zip(inputs, outputs, strict=True):
            target[0, 0] = source[0, 0].repeat(scale, 0).repeat(scale, 1)

    sizes = [(plan.height >> s, plan.width >> s) for s in (0, 1, 1)]
    inputs = [TensorSpec("p", "uint8", (1, 1, h, w)) for h, w in sizes]
    outputs = [TensorSpec("p", "uint8", (1, 1, h * scale, w * scale)) for h, w in sizes]
    targets = [np.zeros((h * scale, w * scale), np.uint8) for h, w in (p.shape for p in planes)]
    TileRunner(FunctionLane(repeat), plan, inputs, outputs, scale, [(0, 0), (1, 1), (1, 1)])(planes, targets)
    for plane, target in zip(planes, targets, strict=True):
        assert np.array_equal(target, plane.repeat(scale, 0).repeat(scale, 1))
