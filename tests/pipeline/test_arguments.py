"""Tiles are as large as they have to be, and no larger; sizes, planes and overlaps that make no sense are refused."""

from __future__ import annotations

import re
from dataclasses import replace

import numpy as np
import pytest

from vsanime.errors import VsanimeError
from vsanime.graphs.inspect import NetFacts
from vsanime.pipeline.arguments import (
    Size,
    Tiles,
    Tiling,
    check_backend,
    doublings,
    read_tiling,
    resolve_format,
    resolve_planes,
    resolve_size,
    resolve_tile,
    smaller_tile,
)
from vsanime.pipeline.tiles import plan_tiles
from vsanime.spec import ChromaLocation, Family, FrameSpec, PlaneFormat, Range, SampleType

FACTS = NetFacts(
    scale=2, radius=7, multiple=1, in_channels=3, out_channels=3, parameters=1, features=256, linear_path=False
)


@pytest.mark.parametrize("length", [720, 1080, 1081, 333])
@pytest.mark.parametrize("suggested", [136, 586, 700, 720, 2000])
def test_suggested_tiles_are_balanced(length: int, suggested: int) -> None:
    """As many as of the suggested size, none larger, and together little more than the frame and its overlaps."""
    (_, tile), (_, margin) = resolve_tile(None, None, None, FACTS, (0, 7), (64, length), (64, suggested))
    assert margin == 14
    plan = plan_tiles((64, length), (64, tile), (0, margin), (2, 2))
    least = plan_tiles((64, length), (64, suggested), (0, margin), (2, 2))
    assert len(plan.rows) == len(least.rows)
    assert plan.height <= least.height
    # Each tile may be up to a pixel of the grid and one of rounding larger than its share.
    assert plan.height * len(plan.rows) <= length + 2 * margin * (len(plan.rows) - 1) + 4 * len(plan.rows)


def test_tiles_of_the_users_own_size_stay() -> None:
    assert resolve_tile(None, (64, 586), None, FACTS, (0, 7), (64, 720), (64, 720))[0] == (64, 586)


@pytest.mark.parametrize("count", [2, 3, 5])
@pytest.mark.parametrize("length", [64, 65, 200, 1080])
def test_the_largest_overlap_that_a_refusal_names_is_taken_and_leaves_tiles(length: int, count: int) -> None:
    """More would make one tile of the frame, which is not what was asked for."""
    frame = (length, length)
    with pytest.raises(
        VsanimeError, match=r"^overlap=1100 leaves nothing .* the largest that is of use is \d+,"
    ) as refused:
        resolve_tile(count, None, 1100, FACTS, (0, 0), frame, frame)
    found = re.search(r"of use is (\d+), and None takes 7,", str(refused.value))
    assert found is not None
    most = int(found[1])
    tile, margin = resolve_tile(count, None, most, FACTS, (0, 0), frame, frame)
    assert tile[0] < length or most == FACTS.radius
    assert len(plan_tiles(frame, tile, margin, (1, 1)).columns) >= 2 or most == FACTS.radius
    with pytest.raises(
        VsanimeError, match=f"^overlap={most + 1} leaves nothing between the overlaps of {count}x{count}"
    ):
        resolve_tile(count, None, most + 1, FACTS, (0, 0), frame, frame)


def test_an_overlap_is_smaller_than_half_a_tile_and_than_the_frame() -> None:
    frame = (96, 64)

    def tiled(tiles: Tiles, tilesize: Size, overlap: Size) -> None:
        resolve_tile(tiles, tilesize, overlap, FACTS, (0, 0), frame, frame)

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
            resolve_tile(tiles, tilesize, overlap, whole, (0, 0), (64, 64), (64, 64))
    for tiles, tilesize, overlap in ((1, None, 0), (None, None, None), ("auto", None, None)):
        assert resolve_tile(tiles, tilesize, overlap, whole, (0, 0), (64, 48), (9, 9)) == ((64, 48), (0, 0))


SPEC = FrameSpec(PlaneFormat(Family.YUV, SampleType.INTEGER, 8, 1, 1), 64, 16, Range.LIMITED, 1, ChromaLocation.LEFT)


def test_no_side_is_longer_than_can_be_made() -> None:
    assert resolve_size(65_536, 32, SPEC, 2) == (65_536, 32)
    with pytest.raises(VsanimeError, match=r"width=65538; a positive number of pixels, at most 65536, is needed"):
        resolve_size(65_538, 32, SPEC, 2)
    with pytest.raises(VsanimeError, match=r"height=20000 makes the width 80000 pixels in proportion; 65536 at most"):
        resolve_size(None, 20_000, SPEC, 2)


def test_planes_and_depths_may_be_text_or_numbers_of_any_kind() -> None:
    form = SPEC.format
    for planes in (0, "0", 0.0, np.int64(0), [0], ("0",), np.array([0]), {0}, iter([0])):
        assert resolve_planes(planes, form, (0, 1, 2)) == {0}  # type: ignore[arg-type]  # of any kind
    assert resolve_planes("0,2", form, (0,)) == {0, 2}  # type: ignore[arg-type]  # as `vspipe -a` gives it
    assert resolve_planes([], form, (0, 1, 2)) == frozenset()
    for depth in (10, "10", b"10", 10.0, np.uint8(10)):
        assert resolve_format(depth, form) == replace(form, bits=10)  # type: ignore[arg-type]  # of any kind
    assert resolve_format(b"half", form).bits == 16  # type: ignore[arg-type]  # of any kind


@pytest.mark.parametrize(
    ("tiles", "tilesize", "overlap", "expected"),
    [
        (None, None, None, Tiling(None, None, None)),
        (None, None, 0, Tiling(None, None, (0, 0))),
        (None, 1, (0, 3), Tiling(None, (1, 1), (0, 3))),
        ("auto", None, 4, Tiling("auto", None, (4, 4))),
        (1, None, None, Tiling((1, 1), None, None)),
        ("2,1", None, None, Tiling((2, 1), None, None)),
        ("3", None, 1, Tiling((3, 3), None, (1, 1))),
    ],
)
def test_what_is_said_of_tiles_is_read_as_it_is(tiles: Tiles, tilesize: Size, overlap: Size, expected: Tiling) -> None:
    assert read_tiling(tiles, tilesize, overlap) == expected


@pytest.mark.parametrize(
    ("tiles", "tilesize", "overlap", "message"),
    [
        (2, 32, None, "^tiles=2 and tilesize=32; give one of them$"),
        (0, None, None, "^tiles=0; 1 or more, or two such numbers"),
        ("all", None, None, "^tiles='all'; 1 or more, or two such numbers"),
        ("1,2,3", None, None, "^tiles='1,2,3'; 1 or more, or two such numbers"),
        (None, 0, None, "^tilesize=0;"),
        (None, None, -1, "^overlap=-1; 0 or more, or two such numbers"),
    ],
)
def test_what_says_nothing_of_tiles_is_refused(tiles: Tiles, tilesize: Size, overlap: Size, message: str) -> None:
    with pytest.raises(VsanimeError, match=message):
        read_tiling(tiles, tilesize, overlap)


def test_an_instance_of_a_backend_is_needed_if_anything() -> None:
    class Whatever:
        def precision_for(self) -> None: ...

    check_backend(None)
    check_backend(Whatever())  # type: ignore[arg-type]  # one method is what backends are told by
    for wrong in (Whatever, 0, False, "openvino"):
        with pytest.raises(VsanimeError, match=r"^backend=.*an instance such as `vsanime\.Backend\.OpenVINO\(\)`"):
            check_backend(wrong)  # type: ignore[arg-type]  # what is refused


@pytest.mark.parametrize(
    ("family", "planes", "expected"),
    [
        (Family.GRAY, 0, {0}),
        (Family.GRAY, 1, None),
        (Family.GRAY, [0, 0], None),
        (Family.YUV, 2, {2}),
        (Family.YUV, 3, None),
        (Family.YUV, -1, None),
        (Family.YUV, [2, 1, 0], {0, 1, 2}),
        (Family.YUV, [0, 3], None),
        (Family.YUV, [1, 1], None),
        (Family.YUV, [0, 1, 2, 2], None),
        (Family.YUV, "luma", None),
        (Family.RGB, 2, {2}),
    ],
)
def test_planes_are_those_of_the_clip(family: Family, planes: object, expected: set[int] | None) -> None:
    form = PlaneFormat(family, SampleType.INTEGER, 8)
    assert resolve_planes(None, form, (0, 0)) == {0}
    if expected is not None:
        assert resolve_planes(planes, form, (0,)) == expected  # type: ignore[arg-type]  # of any kind
        return
    most = 0 if family is Family.GRAY else 2
    with pytest.raises(VsanimeError, match=f"^planes=.*; different numbers from 0 to {most} are needed for this clip$"):
        resolve_planes(planes, form, (0,))  # type: ignore[arg-type]  # what is refused


@pytest.mark.parametrize("depth", [None, 7, 8, 9, 15, 16, 17, "half", "single", "double"])
def test_depths_are_8_to_16_or_two_kinds_of_float(depth: int | str | None) -> None:
    form = PlaneFormat(Family.YUV, SampleType.FLOAT, 32, 1, 1)
    if depth in (7, 17, "double"):
        with pytest.raises(VsanimeError, match=r"^depth=.*; 8 to 16, 'half' or 'single' is needed$"):
            resolve_format(depth, form)
    elif isinstance(depth, int):
        assert resolve_format(depth, form) == PlaneFormat(Family.YUV, SampleType.INTEGER, depth, 1, 1)
    else:
        bits = 16 if depth == "half" else 32
        assert resolve_format(depth, form) == PlaneFormat(Family.YUV, SampleType.FLOAT, bits, 1, 1)


@pytest.mark.parametrize(
    ("width", "height", "subsampling", "expected"),
    [
        (None, None, (1, 1), (192, 48)),
        (66, None, (1, 1), (66, 16)),  # 16.5, of which an even number is next
        (None, 18, (1, 1), (72, 18)),
        (None, 17, (1, 0), (68, 17)),
        (65, None, (0, 0), (65, 16)),
        (67, None, (0, 0), (67, 17)),
        (65, 1, (0, 0), (65, 1)),
        (1, 17, (0, 0), (1, 17)),
        (64, 18, (1, 1), (64, 18)),
        (66, 16, (1, 1), (66, 16)),
        (100, None, (2, 2), (100, 24)),
        (None, 20, (2, 0), (80, 20)),
        (64, 16, (1, 1), "64x16 is no larger than the clip's 64x16"),
        (62, 16, (1, 1), "62x16 is no larger"),
        (64, 14, (1, 1), "64x14 is no larger"),
        (64, None, (1, 1), "64x16 is no larger"),
        (1, None, (0, 0), "1x1 is no larger"),
        (0, None, (0, 0), "width=0; a positive number of pixels"),
        (65, None, (1, 0), "width=65 does not suit .* a multiple of 2 is needed"),
        (None, 17, (1, 1), "height=17 does not suit .* a multiple of 2 is needed"),
        (None, 18, (0, 2), "height=18 does not suit .* a multiple of 4 is needed"),
    ],
)
def test_sizes_keep_the_proportions_and_suit_the_chroma(
    width: int | None, height: int | None, subsampling: tuple[int, int], expected: tuple[int, int] | str
) -> None:
    form = PlaneFormat(Family.YUV, SampleType.INTEGER, 8, *subsampling)
    spec = replace(SPEC, format=form)
    if isinstance(expected, str):
        with pytest.raises(VsanimeError, match=f"^{expected}"):
            resolve_size(width, height, spec, 3)
    else:
        assert resolve_size(width, height, spec, 3) == expected


def test_a_side_in_proportion_may_be_the_longest_there_is() -> None:
    assert resolve_size(None, 16_384, SPEC, 2) == (65_536, 16_384)
    tall = replace(SPEC, width=16, height=64)
    assert resolve_size(16_384, None, tall, 2) == (16_384, 65_536)
    with pytest.raises(VsanimeError, match=r"^width=16386 makes the height 65544 pixels in proportion; 65536 at most"):
        resolve_size(16_386, None, tall, 2)
    assert resolve_size(130, None, replace(SPEC, width=128, height=1), 2) == (130, 2)  # at least one step


@pytest.mark.parametrize(
    ("source", "wanted", "passes"),
    [
        ((10, 30), (1, 1), 1),
        ((10, 30), (20, 60), 1),
        ((10, 30), (21, 60), 2),
        ((10, 30), (20, 61), 2),
        ((30, 10), (60, 40), 2),
        ((30, 10), (60, 41), 3),
        ((30, 10), (121, 1), 3),
    ],
)
def test_pictures_are_doubled_until_neither_side_is_too_small(
    source: tuple[int, int], wanted: tuple[int, int], passes: int
) -> None:
    assert doublings(source, wanted) == passes


@pytest.mark.parametrize(
    ("tiles", "tilesize", "overlap", "expected"),
    [
        ((2, 1), None, None, ((70, 60), (10, 7))),
        ((1, 4), None, (3, 2), ((100, 19), (3, 2))),
        ((3, 2), None, 0, ((34, 30), (0, 0))),
        (None, (50, 41), None, ((50, 41), (10, 7))),
        (None, None, None, ((60, 37), (10, 7))),  # two each way, of half of what lies between the margins
        ("auto", None, (6, 9), ((56, 39), (6, 9))),
    ],
)
def test_tiles_and_their_overlap_differ_by_axis(
    tiles: Tiles, tilesize: Size, overlap: Size, expected: tuple[tuple[int, int], tuple[int, int]]
) -> None:
    assert resolve_tile(tiles, tilesize, overlap, FACTS, (3, 0), (100, 60), (62, 45)) == expected


@pytest.mark.parametrize(
    ("length", "suggested", "tile"),
    [
        (100, 100, 100),
        (100, 200, 200),  # tiles are cut to the frame elsewhere
        (100, 99, 57),
        (100, 14, 14),  # all overlap: refused where tiles are planned
        (100, 15, 15),
        (100, 18, 18),
        (100, 20, 20),
        (100, 57, 57),
        (100, 56, 43),
    ],
)
def test_a_suggested_tile_is_made_as_small_as_its_number_allows(length: int, suggested: int, tile: int) -> None:
    size, _ = resolve_tile(None, None, None, FACTS, (0, 0), (length, 300), (suggested, 300))
    assert size == (tile, 300)


@pytest.mark.parametrize(
    ("tiles", "tilesize", "overlap", "expected"),
    [
        ((2, 3), None, (24, 19), None),
        ((2, 3), None, (25, 19), r"overlap=\(25, 19\) leaves"),
        ((2, 3), None, (25, 20), r"overlap=\(25, 20\) leaves .* of 2x3 tiles of a frame of 100x60; .* \(24, 19\), and"),
        ((2, 3), None, 24, r"overlap=24 leaves"),
        ((1, 2), None, (99, 14), None),
        ((1, 2), None, (100, 14), r"overlap=\(100, 14\) leaves .* is \(99, 14\), and None takes \(10, 7\),"),
        ((1, 2), None, (99, 15), r"overlap=\(99, 15\) leaves"),
        ((50, 1), None, (48, 0), None),
        ((50, 1), None, (49, 0), r"overlap=\(49, 0\) leaves .* is \(48, 99\), and"),
        (None, (100, 20), (99, 9), None),
        (None, (100, 20), (99, 10), r"overlap=\(99, 10\) leaves .* of tiles of 100x20 pixels on a frame of 100x60; "),
        (None, (99, 60), (49, 99), None),
        (None, (99, 60), (50, 0), r"overlap=\(50, 0\) leaves .* is \(49, 99\), and"),
        ((100, 60), None, None, None),
        ((100, 61), None, None, r"tiles=\(100, 61\) are more than a frame of 100x60 has pixels"),
        ((101, 60), None, None, r"tiles=\(101, 60\) are more"),
        (101, None, None, "tiles=101 are more"),
    ],
)
def test_overlaps_leave_tiles(tiles: Tiles, tilesize: Size, overlap: Size, expected: str | None) -> None:
    if expected is None:
        resolve_tile(tiles, tilesize, overlap, FACTS, (3, 0), (100, 60), (100, 60))
    else:
        with pytest.raises(VsanimeError, match=f"^{expected}"):
            resolve_tile(tiles, tilesize, overlap, FACTS, (3, 0), (100, 60), (100, 60))


def test_what_none_takes_may_be_said_as_well() -> None:
    said = resolve_tile(2, None, (27, 7), FACTS, (20, 0), (100, 60), (100, 60))
    assert said == resolve_tile(2, None, None, FACTS, (20, 0), (100, 60), (100, 60)) == ((104, 44), (27, 7))
    with pytest.raises(VsanimeError, match=r"^overlap=\(28, 7\) .* is \(27, 14\), and None takes \(27, 7\), with"):
        resolve_tile(2, None, (28, 7), FACTS, (20, 0), (100, 60), (100, 60))


@pytest.mark.parametrize(
    ("tiles", "tilesize", "overlap"),
    [((1, 2), None, None), ((2, 1), None, None), (None, (64, 48), None), (None, None, (0, 1)), (None, None, (1, 0)),
     (1, None, (0, 2)), (None, (1, 2), None)],
)  # fmt: skip
def test_whole_frames_are_not_cut_either_way(tiles: Tiles, tilesize: Size, overlap: Size) -> None:
    whole = replace(FACTS, radius=None)
    with pytest.raises(VsanimeError, match=r"leave tiles, tilesize and overlap out$"):
        resolve_tile(tiles, tilesize, overlap, whole, (0, 0), (64, 48), (64, 48))


@pytest.mark.parametrize(
    ("share", "smallest", "tile"),
    [
        (0.5, (1, 30), (100, 30)),
        (0.5, (1, 31), (96, 31)),
        (0.25, (1, 1), (50, 30)),
        (0.2, (40, 1), (40, 30)),
        (0.2, (41, 1), None),
        (0.11, (1, 1), (22, 30)),  # twice the margin of three, and the sixteen that are needed
        (0.105, (1, 1), None),
        (0.4, (1, 60), (40, 60)),
        (0.4, (1, 61), None),
        (1.0, (1, 60), (100, 60)),
    ],
)
def test_smaller_tiles_have_their_own_margin_each_way(
    share: float, smallest: tuple[int, int], tile: tuple[int, int] | None
) -> None:
    assert smaller_tile((100, 60), (3, 7), share, smallest) == tile


def test_smaller_tiles_of_no_least_size() -> None:
    assert smaller_tile((100, 60), (0, 0), 0.3) == (100, 18)
    assert smaller_tile((100, 60), (0, 0), 0.2) == (75, 16)
    assert smaller_tile((100, 16), (0, 0), 0.16) == (16, 16)
    assert smaller_tile((100, 16), (0, 0), 0.159) is None
    assert smaller_tile((100, 15), (0, 0), 0.9) is None
    assert smaller_tile((15, 100), (0, 0), 0.5) == (15, 50)
    assert smaller_tile((16, 20), (0, 0), 0.8) == (16, 16)
