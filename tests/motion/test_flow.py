"""Motion between line pictures whose motion is known."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from vsanime.errors import VsanimeError
from vsanime.motion.flow import coarse_flow, enlarge_flow, flow, flow_by_steps, refine_flow, small_flow
from vsanime.motion.match import match
from vsanime.motion.warp import warp

cv2 = pytest.importorskip("cv2")

type Bytes = NDArray[np.uint8]


def scribble(right: float = 0, down: float = 0, height: int = 120, width: int = 160) -> Bytes:
    """Ellipses and a polyline, drawn smoothly; moved by fractions of a pixel."""
    picture = np.full((height, width), 255, np.uint8)
    bits = 4  # of fraction in OpenCV's coordinates

    def at(x: float, y: float) -> tuple[int, int]:
        return round((x + right) * 2**bits), round((y + down) * 2**bits)

    for x, y, a, b, turned in ((60, 50, 30, 20, 20), (62, 48, 8, 12, 0), (110, 70, 22, 34, 50), (40, 90, 12, 9, 0)):
        cv2.ellipse(picture, at(x, y), (a * 16, b * 16), turned, 0, 360, 0, 2, cv2.LINE_AA, bits)
    points = np.array([at(20, 30), at(45, 20), at(90, 35), at(130, 18), at(140, 100)], np.int32)
    cv2.polylines(picture, [points], False, 0, 2, cv2.LINE_AA, bits)
    return picture


@pytest.mark.parametrize(("right", "down"), [(3, 0), (0, -4), (6.5, 2.25), (-11, 7)])
def test_shifted_line_art_is_found(right: float, down: float) -> None:
    """Half a pixel off on average over lines: a tenth of what DIS's patches of 8 pixels are wide is plenty."""
    found = flow(scribble(), scribble(right, down))
    ink = scribble() < 128
    assert np.abs(found[ink].mean(axis=0) - (right, down)).max() < 0.3
    assert np.median(np.abs(found[ink] - (right, down)).max(axis=1)) < 0.5


@pytest.mark.parametrize("quick", [small_flow, coarse_flow])
def test_one_search_finds_small_motion(quick: Callable[[Bytes, Bytes], Any]) -> None:
    found = quick(scribble(), scribble(2.5, -1.25))
    ink = scribble() < 128
    assert found.shape == (120, 160, 2)
    assert np.abs(found[ink].mean(axis=0) - (2.5, -1.25)).max() < 0.3


@pytest.mark.parametrize(("right", "down"), [(1, 0), (3, 2)])
def test_one_fine_search_finds_motion_by_whole_pixels_exactly(right: int, down: int) -> None:
    """Of pictures at half their size an eighth of a pixel would be all that is known."""
    target, key = scribble(), scribble(right, down)
    ink = target < 128
    assert np.quantile(np.abs(small_flow(target, key) - (right, down)).max(axis=-1)[ink], 0.9) < 0.01
    near = refine_flow(target, key, apart(right - 1, down))
    assert np.quantile(np.abs(near - (right, down)).max(axis=-1)[ink], 0.9) < 0.01


def test_large_pictures_are_searched_smaller() -> None:
    large = {"height": 1000, "width": 1100}
    ink = scribble(**large) < 128
    for quick in (small_flow, coarse_flow):
        found = quick(scribble(**large), scribble(6, 4, **large))
        assert found.shape == ((500, 550, 2) if quick is small_flow else (1000, 1100, 2))
        assert np.abs(enlarge_flow(found, ink.shape)[ink].mean(axis=0) - (6, 4)).max() < 0.6


@pytest.mark.parametrize(
    ("size", "searched"),
    [((959, 2000), (959, 2000)), ((960, 961), (480, 481)), ((1919, 1921), (960, 961)), ((1920, 1923), (480, 481))],
)
def test_pictures_are_halved_as_often_as_their_short_side_allows(
    size: tuple[int, int], searched: tuple[int, int]
) -> None:
    blank = np.full(size, 255, np.uint8)
    found = small_flow(blank, blank)
    assert found.shape == (*searched, 2)
    large = enlarge_flow(found + np.float32([1, 2]), size)
    assert large.shape == (*size, 2)
    np.testing.assert_allclose(large[0, 0], [size[1] / searched[1], 2 * size[0] / searched[0]], rtol=1e-5)


def test_flow_of_the_size_at_hand_is_not_resampled() -> None:
    small = apart(3, 4, (20, 30))
    assert enlarge_flow(small, (20, 30)) is small


# Where steps lead


def apart(right: float, down: float, size: tuple[int, int] = (120, 160)) -> Any:
    return np.full((*size, 2), (right, down), np.float32)


def test_a_search_goes_on_from_where_steps_lead() -> None:
    """What is 40 pixels away is found from 38 of them."""
    target, key = scribble(-20), scribble(20)
    found = refine_flow(target, key, apart(38, 1))
    assert np.median(np.abs(found[target < 128] - (40, 0)).max(axis=1)) < 0.5


def test_a_search_that_finds_nothing_better_leaves_steps_as_they_are() -> None:
    """Grain that moved by whole pixels: nothing fits better, while a search by itself goes astray in it."""
    target = np.random.default_rng(5).integers(0, 255, (120, 160)).astype(np.uint8)
    key = np.roll(target, 10, axis=1)
    key[:, 70:90] = 255  # a gap, about which a search smooths
    led = apart(10, 0)
    exact = np.s_[:, 84:140]
    np.testing.assert_array_equal(refine_flow(target, key, led)[exact], led[exact])
    more = small_flow(target, warp(key, led))
    assert np.abs(more[exact]).max() > 0.001


@pytest.mark.parametrize("share", [1, 2])
def test_far_away_steps_are_believed_where_they_fit(share: int) -> None:
    """Rows of equal strokes, moved by three of them: one leap finds the nearest."""
    target, key = (np.full((120, 160), 255, np.uint8) for _ in range(2))
    target[20:100, 20:100:10] = 0
    key[20:100, 50:130:10] = 0
    found, far = flow_by_steps(target, key, apart(30 / share, 0, (120 // share, 160 // share)))
    middle = np.s_[40:80, 35:85]
    assert far[middle].all()
    assert np.abs(found[middle] - (30, 0)).max() < 0.5
    leap = flow(target, key)
    assert np.abs(leap[middle] - (30, 0)).max() > 9


def test_where_nothing_moved_far_the_direct_way_is_believed() -> None:
    """Steps that lead nowhere in particular."""
    target, key = scribble(height=300, width=300), scribble(1, 1, height=300, width=300)
    lost = np.random.default_rng(1).normal(0, 2, (300, 300, 2)).astype(np.float32)
    found, far = flow_by_steps(target, key, lost)
    assert not far.any()
    fitting = (found == flow(target, key)).all(axis=-1)
    assert fitting.mean() > 0.95


def test_what_stands_still_stays_while_another_thing_moves() -> None:
    target, key = scribble(), scribble()
    cv2.circle(target, (140, 60), 9, 0, 2, cv2.LINE_AA)
    cv2.circle(key, (134, 60), 9, 0, 2, cv2.LINE_AA)
    found = flow(target, key)
    assert np.abs(found[:, :60]).max() < 0.5
    assert found[60, 132, 0] < -2  # the circle's left side, 6 pixels further left in the key


def test_the_same_picture_has_not_moved_at_all() -> None:
    assert not flow(scribble(), scribble()).any()


def test_blank_paper_says_nothing_and_breaks_nothing() -> None:
    blank = np.full((64, 64), 255, np.uint8)
    dotted = blank.copy()
    dotted[30:34, 30:34] = 0
    for target, key in ((blank, dotted), (dotted, blank)):
        assert np.isfinite(flow(target, key)).all()


def test_large_pictures_are_searched_small_and_found_all_the_same() -> None:
    target, key = scribble(height=960, width=964), scribble(8, 4, height=960, width=964)
    ink = target < 128
    assert np.median(np.abs(flow(target, key)[ink] - (8, 4)).max(axis=1)) < 1  # half a pixel of the small picture


def test_any_number_of_threads_finds_the_same() -> None:
    pairs = [(scribble(n), scribble(2 * n + 1, n)) for n in range(4)]
    alone = [flow(*pair) for pair in pairs]
    before = cv2.getNumThreads()
    try:
        cv2.setNumThreads(1)
        with ThreadPoolExecutor(3) as pool:
            together = list(pool.map(lambda pair: flow(*pair), pairs * 3))
    finally:
        cv2.setNumThreads(before)
    assert all(np.array_equal(found, alone[n % 4]) for n, found in enumerate(together))


def test_a_small_picture_changes_nothing_for_larger_ones() -> None:
    """OpenCV gives a searcher other scales for pictures that are too small for its own."""
    target, key = scribble(), scribble(6, 2)
    pictures = [flow(target, key), small_flow(target, key), coarse_flow(target, key)]
    tiny = scribble(height=40, width=40), scribble(3, height=40, width=40)
    flow(*tiny)
    coarse_flow(*tiny)
    for before, after in zip(pictures, (flow, small_flow, coarse_flow), strict=True):
        np.testing.assert_array_equal(after(target, key), before)


def test_the_least_size_is_told() -> None:
    small = np.full((15, 40), 255, np.uint8)
    colour = np.zeros((15, 40, 3), np.uint8)
    with pytest.raises(VsanimeError, match=r"shape \(15, 40\); height and width, 16 or more"):
        match(small, (small, small), (colour, colour))
