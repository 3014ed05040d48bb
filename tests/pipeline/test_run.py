"""Tiles that should fit into the memory that there is, in numbers; whole clips are in `test_gpu_lanes`."""

from __future__ import annotations

import pytest

from vsanime.errors import TooLittleMemory, VsanimeError
from vsanime.pipeline.arguments import smaller_tile
from vsanime.pipeline.run import Tiling, _fitting
from vsanime.pipeline.tiles import plan_tiles

PLAN = plan_tiles((1000, 800), (1000, 800), (7, 7), (2, 2))


def fit(needed: int, available: int, tiles: str | None = "auto", lanes: int = 1) -> tuple[int, int]:
    error = TooLittleMemory("the network", needed, available)
    return _fitting(PLAN, (7, 7), Tiling(tiles, None, None), error, lanes, (1, 1))


@pytest.mark.parametrize(
    ("needed", "available", "share"), [(100, 50, 0.45), (100, 99, 0.891), (100, 100, 0.5), (9, 12, 0.5)]
)
def test_a_tile_that_fits_takes_nine_tenths_of_what_is_there(needed: int, available: int, share: float) -> None:
    """Half of it where a card refused what it had said it had."""
    assert fit(needed, available) == (1000, int(800 * share))
    assert fit(needed, available) == smaller_tile((1000, 800), (7, 7), share)


@pytest.mark.parametrize(("lanes", "ending"), [(1, "as would `tiles='auto'`"), (2, "and `num_streams=1` needs less")])
def test_tiles_are_advised_where_they_are_left_to_the_user(lanes: int, ending: str) -> None:
    with pytest.raises(VsanimeError) as caught:
        fit(100, 50, tiles=None, lanes=lanes)
    assert "`tilesize=(1000, 360)` would fit" in str(caught.value)
    assert str(caught.value).endswith(ending)


def test_no_tile_is_advised_where_none_would_do() -> None:
    with pytest.raises(VsanimeError, match=r"no tile is that small$"):
        fit(10**9, 1)


@pytest.mark.parametrize(
    ("share", "smallest", "tile"),
    [
        (0.5, (1, 1), (100, 30)),
        (0.5, (1, 40), (75, 40)),
        (0.1, (1, 1), None),
        (0.4, (1, 60), (40, 60)),
        (0.4, (41, 60), None),
        (0.5, (1, 61), None),
    ],
)
def test_smaller_tiles_stay_wide_as_long_as_they_can(
    share: float, smallest: tuple[int, int], tile: tuple[int, int] | None
) -> None:
    assert smaller_tile((100, 60), (7, 7), share, smallest) == tile
