"""References of scenes without one, and what is said of them; `test_colorize` has those inside a scene."""

from __future__ import annotations

import pytest

from vsanime.colorization.keys import Choice, Window, choose, longest, runs, windows
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
    assert runs([1, 1, 1, 2, 2]) == [(1, 3), (2, 2)]
    assert runs([]) == []


@pytest.mark.parametrize(
    ("keys", "starts", "chosen"),
    [
        ([2, 6], [0], "00 00 0k 01 01 01 1k 11 11 11"),
        ([2, 6], [0, 5], "00 00 0k 00 00 11 1k 11 11 11"),
        ([0, 9], [0], "0k 01 01 01 01 01 01 01 01 1k"),
        ([4, 5], [0, 5], "00 00 00 00 0k 1k 11 11 11 11"),
        ([5], [0, 5], "00 00 00 00 00 0k 00 00 00 00"),
        ([1, 2, 7], [0, 3], "00 0k 1k 22 22 22 22 2k 22 22"),
    ],
)
def test_references_are_the_nearest_on_either_side_inside_the_scene(
    keys: list[int], starts: list[int], chosen: str
) -> None:
    expected = [Choice(int(a), int(a if b == "k" else b), b == "k") for a, b in chosen.split()]
    assert choose(10, keys, starts, "nearest") == expected
    assert Choice(0, 0) == Choice(0, 0, is_key=False)


AFAR = (None, None)


@pytest.mark.parametrize(
    ("keys", "starts", "n", "expected"),
    [
        ([3, 12], [0], 0, (Window(0, 4, 3, cut=False),) * 2),
        ([3, 12], [0], 3, AFAR),
        ([3, 12], [0], 4, (Window(3, 9, 3, cut=True), None)),
        ([3, 12], [0], 8, (Window(3, 9, 3, cut=True), Window(7, 13, 12, cut=True))),
        ([3, 12], [0], 9, (None, Window(7, 13, 12, cut=True))),
        ([3, 12], [0], 17, (Window(12, 18, 12, cut=True),) * 2),
        ([3, 12], [0], 18, AFAR),
        ([3, 8], [0], 4, (Window(3, 9, 3, cut=False), Window(3, 9, 8, cut=False))),
        ([3, 9], [0], 4, (Window(3, 9, 3, cut=True), Window(4, 10, 9, cut=True))),
        ([6], [0], 1, (Window(1, 7, 6, cut=True),) * 2),
        ([5], [0], 1, (Window(0, 6, 5, cut=False),) * 2),
        ([14], [0], 19, (Window(14, 20, 14, cut=False),) * 2),
        ([13], [0], 18, (Window(13, 19, 13, cut=True),) * 2),
        ([5, 14], [0, 10], 9, (Window(5, 10, 5, cut=False),) * 2),
        ([5, 14], [0, 10], 11, (Window(10, 15, 14, cut=False),) * 2),
        ([9], [0, 10], 11, AFAR),  # of another scene
        ([10], [0, 10], 8, AFAR),
    ],
)
def test_windows_reach_to_the_next_key_the_scenes_end_or_five_frames(
    keys: list[int], starts: list[int], n: int, expected: tuple[Window | None, Window | None]
) -> None:
    assert windows(choose(20, keys, starts, "nearest"), keys, starts, 5)[n] == expected


@pytest.mark.parametrize("choice", [Choice(None, None), Choice(None, 0), Choice(0, None), Choice(0, 0, is_key=True)])
def test_frames_without_both_references_have_no_windows(choice: Choice) -> None:
    assert windows([choice], [0], [0], 5) == [AFAR]
