"""Tiles are as large as they have to be, and no larger; sizes, planes and overlaps that make no sense are refused."""

from __future__ import annotations

import re
from dataclasses import replace

import numpy as np
import pytest

from vsanime.errors import VsanimeError
from vsanime.graphs.inspect import NetFacts
from vsanime.pipeline.arguments import Size, Tiles, wanted_format, wanted_planes, wanted_size, wanted_tile
from vsanime.pipeline.tiles import plan_tiles
from vsanime.spec import ChromaLocation, Family, FrameSpec, PlaneFormat, Range, SampleType

FACTS = NetFacts(
    scale=2, radius=7, multiple=1, in_channels=3, out_channels=3, parameters=1, features=256, linear_path=False
)


@pytest.mark.parametrize("length", [720, 1080, 1081, 333])
@pytest.mark.parametrize("suggested", [136, 586, 700, 720, 2000])
def test_suggested_tiles_are_balanced(length: int, suggested: int) -> None:
    """As many as of the suggested size, none larger, and together little more than the frame and its overlaps."""
    (_, tile), (_, margin) = wanted_tile(None, None, None, FACTS, (0, 7), (64, length), (64, suggested))
    assert margin == 14
    plan = plan_tiles((64, length), (64, tile), (0, margin), (2, 2))
    least = plan_tiles((64, length), (64, suggested), (0, margin), (2, 2))
    assert len(plan.rows) == len(least.rows)
    assert plan.height <= least.height
    # Each tile may be up to a pixel of the grid and one of rounding larger than its share.
    assert plan.height * len(plan.rows) <= length + 2 * margin * (len(plan.rows) - 1) + 4 * len(plan.rows)


def test_tiles_of_the_users_own_size_stay() -> None:
    assert wanted_tile(None, (64, 586), None, FACTS, (0, 7), (64, 720), (64, 720))[0] == (64, 586)


@pytest.mark.parametrize("count", [2, 3, 5])
@pytest.mark.parametrize("length", [64, 65, 200, 1080])
def test_the_largest_overlap_that_a_refusal_names_is_taken_and_leaves_tiles(length: int, count: int) -> None:
    """More would make one tile of the frame, which is not what was asked for."""
    frame = (length, length)
    with pytest.raises(
        VsanimeError, match=r"^overlap=1100 leaves nothing .* the largest that is of use is \d+,"
    ) as refused:
        wanted_tile(count, None, 1100, FACTS, (0, 0), frame, frame)
    found = re.search(r"of use is (\d+), and None takes 7,", str(refused.value))
    assert found is not None
    most = int(found[1])
    tile, margin = wanted_tile(count, None, most, FACTS, (0, 0), frame, frame)
    assert tile[0] < length or most == FACTS.radius
    assert len(plan_tiles(frame, tile, margin, (1, 1)).columns) >= 2 or most == FACTS.radius
    with pytest.raises(
        VsanimeError, match=f"^overlap={most + 1} leaves nothing between the overlaps of {count}x{count}"
    ):
        wanted_tile(count, None, most + 1, FACTS, (0, 0), frame, frame)


def test_an_overlap_is_smaller_than_half_a_tile_and_than_the_frame() -> None:
    frame = (96, 64)

    def tiled(tiles: Tiles, tilesize: Size, overlap: Size) -> None:
        wanted_tile(tiles, tilesize, overlap, FACTS, (0, 0), frame, frame)

    tiled(None, 32, 15)
    with pytest.raises(VsanimeError, match=r"tiles of 32x32 pixels on a frame of 96x64; the largest .* is 15,"):
        tiled(None, 32, 16)
    tiled(None, (32, 64), (15, 95))  # not cut across, where one number may be meant for the other axis
    with pytest.raises(VsanimeError, match=r"overlap=\(16, 95\) .* the largest that is of use is \(15, 95\),"):
        tiled(None, (32, 64), (16, 95))
    for tiles in (None, 1, "auto"):
        tiled(tiles, None, 95)
        with pytest.raises(VsanimeError, match=r"overlap=96 .* tiles of a frame of 96x64"):
            tiled(tiles, None, 96)
    with pytest.raises(VsanimeError, match=r"^tiles=\(97, 1\) are more than a frame of 96x64 has pixels"):
        tiled((97, 1), None, None)
    tiled((96, 1), None, 0)


def test_a_network_of_whole_frames_has_no_tiles_to_overlap() -> None:
    whole = replace(FACTS, radius=None)
    for tiles, tilesize, overlap in ((2, None, None), (None, 32, None), (None, None, 5)):
        with pytest.raises(VsanimeError, match="leave tiles, tilesize and overlap out"):
            wanted_tile(tiles, tilesize, overlap, whole, (0, 0), (64, 64), (64, 64))
    for tiles, tilesize, overlap in ((1, None, 0), (None, None, None), ("auto", None, None)):
        assert wanted_tile(tiles, tilesize, overlap, whole, (0, 0), (64, 48), (9, 9)) == ((64, 48), (0, 0))


SPEC = FrameSpec(PlaneFormat(Family.YUV, SampleType.INTEGER, 8, 1, 1), 64, 16, Range.LIMITED, 1, ChromaLocation.LEFT)


def test_no_side_is_longer_than_can_be_made() -> None:
    assert wanted_size(65_536, 32, SPEC, 2) == (65_536, 32)
    with pytest.raises(VsanimeError, match=r"width=65538; a positive number of pixels, at most 65536, is needed"):
        wanted_size(65_538, 32, SPEC, 2)
    with pytest.raises(VsanimeError, match=r"height=20000 makes the width 80000 pixels in proportion; 65536 at most"):
        wanted_size(None, 20_000, SPEC, 2)


def test_planes_and_depths_may_be_text_or_numbers_of_any_kind() -> None:
    form = SPEC.format
    for planes in (0, "0", 0.0, np.int64(0), [0], ("0",), np.array([0]), {0}, iter([0])):
        assert wanted_planes(planes, form, (0, 1, 2)) == {0}  # type: ignore[arg-type]  # of any kind
    assert wanted_planes("0,2", form, (0,)) == {0, 2}  # type: ignore[arg-type]  # as `vspipe -a` gives it
    assert wanted_planes([], form, (0, 1, 2)) == frozenset()
    for depth in (10, "10", b"10", 10.0, np.uint8(10)):
        assert wanted_format(depth, form) == replace(form, bits=10)  # type: ignore[arg-type]  # of any kind
    assert wanted_format(b"half", form).bits == 16  # type: ignore[arg-type]  # of any kind
