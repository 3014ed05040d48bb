"""Tiles are as large as they have to be, and no larger."""

from __future__ import annotations

import pytest

from vsanime.filters.arguments import wanted_tile
from vsanime.graphs.inspect import NetFacts
from vsanime.video.tiles import plan_tiles

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
