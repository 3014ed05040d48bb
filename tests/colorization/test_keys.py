"""References of scenes without one, and what is said of them; `test_colorize` has those inside a scene."""

from __future__ import annotations

import pytest

from vsanime.colorization.keys import Choice, Window, choose, longest, runs
from vsanime.errors import VsanimeError


def complain(starts: list[int], keys: list[int], length: int) -> str:
    with pytest.raises(VsanimeError) as caught:
        choose(length, keys, starts, "error")
    return str(caught.value)


def test_one_scene_without_a_reference_is_named() -> None:
    assert complain([0, 10], [3], 15) == (
        "no reference is of the scene of frames 10 to 14; give a key frame in it, or `no_reference='nearest'` to take "
        "one from across the cut, or `no_reference='passthrough'` to leave the lines as they are"
    )


@pytest.mark.parametrize(
    ("count", "named"),
    [
        (2, "scenes of frames 1 to 2, 3 to 4; give a key frame in each,"),
        (4, "scenes of frames 1 to 2, 3 to 4, 5 to 6, 7 to 8; give"),
        (5, "scenes of frames 1 to 2, 3 to 4, 5 to 6, 7 to 8 and 1 scenes more; give"),
        (7, "scenes of frames 1 to 2, 3 to 4, 5 to 6, 7 to 8 and 3 scenes more; give"),
    ],
)
def test_four_scenes_are_named_and_the_others_counted(count: int, named: str) -> None:
    assert named in complain([0, *(1 + 2 * n for n in range(count))], [0], 1 + 2 * count)


@pytest.mark.parametrize(
    ("keys", "chosen"), [([0, 9], 0), ([2, 8], 0), ([1, 7], 1), ([3, 6], 0), ([2, 7], 0), ([0, 1, 8, 9], 1)]
)
def test_nearest_reference_is_counted_from_the_scenes_ends(keys: list[int], chosen: int) -> None:
    """The scene of frames 4 and 5; of two that are as near the first is taken."""
    assert choose(10, keys, [0, 4, 6], "nearest")[4:6] == [Choice(chosen, chosen)] * 2


def test_scenes_that_pass_through_have_none() -> None:
    assert choose(3, [0], [0, 1], "passthrough") == [Choice(0, 0, is_key=True), *[Choice(None, None)] * 2]


def test_longest_window() -> None:
    short, long = Window(3, 5, 3, cut=False), Window(2, 9, 8, cut=True)
    assert longest([(None, short), (None, None), (long, short)]) == 7
    assert longest([(None, None)]) == 0
    assert longest([]) == 0


def test_runs_of_equal_numbers() -> None:
    assert runs([4, 4, 1, 4, 4, 4]) == [(4, 2), (1, 1), (4, 3)]
    assert runs([]) == []
