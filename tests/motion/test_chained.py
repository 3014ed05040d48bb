"""Motion that adds up from drawing to drawing, on drawings whose motion is known."""

from __future__ import annotations

import random
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from numpy.typing import NDArray

pytest.importorskip("cv2")

import cv2

from vsanime.motion import chained as module
from vsanime.motion.chained import Led, Steps
from vsanime.motion.flow import flow, refine_flow
from vsanime.motion.warp import warp

type Bytes = NDArray[np.uint8]

HEIGHT, WIDTH = 120, 200


def figure(shift: float) -> Bytes:
    """Smooth rings before bars that stand still; the rings so far to the right."""
    picture = np.full((HEIGHT, WIDTH), 255, np.uint8)
    picture[:, 10::25] = 0
    at = round((45 + shift) * 16), 60 * 16
    for radius in (26, 12):
        cv2.circle(picture, at, radius * 16, 255 if radius > 20 else 0, -1 if radius > 20 else 2, cv2.LINE_AA, 4)
        cv2.circle(picture, at, radius * 16, 0, 2, cv2.LINE_AA, 4)
    return picture


def lid(height: float) -> Bytes:
    """A lid that closes over rings: what is below its edge is there, what is above is hidden."""
    picture = figure(50)
    edge = round(20 + height)
    picture[:edge] = 255
    picture[edge - 2 : edge] = 0
    return picture


def moved(lines: list[Bytes], key: int) -> Steps:
    return Steps(np.stack(lines), key)


def test_steps_add_up_to_what_one_leap_does_not_find() -> None:
    """Strokes that all look alike, moved by two of them in 30 drawings: to one leap nothing has changed."""
    lines = [np.full((HEIGHT, 240), 255, np.uint8) for _ in range(31)]
    for n, line in enumerate(lines):
        for left in range(20 + 2 * n, 160 + 2 * n, 30):
            line[20:100, left : left + 2] = 0
    inside = np.s_[40:80, 90:140]
    found, leap = moved(lines, 0).to(30).flow[inside][..., 0], flow(lines[30], lines[0])[inside][..., 0]
    # Between strokes there is nothing to go by but smoothness: a few pixels off.
    assert abs(np.median(found) + 60) < 1
    assert np.abs(found + 60).max() < 3
    assert np.abs(leap).max() < 1


def test_keys_lie_at_either_end() -> None:
    lines = [figure(5 * n) for n in range(6)]
    forth, back = moved(lines, 0), moved(lines[::-1], 5)
    for n in range(6):
        np.testing.assert_array_equal(forth.to(n).flow, back.to(5 - n).flow)
        np.testing.assert_array_equal(forth.to(n).astray, back.to(5 - n).astray)


def test_two_steps_are_one_after_the_other_searched_on() -> None:
    lines = [figure(n * 4) for n in range(3)]
    way = moved(lines, 0)
    step = moved(lines[1:], 0).to(1)
    one = way.to(1)
    # A step by itself is searched on against its own goal; what leads there first is the single search.
    assert np.abs(step.flow[60, 80] - (-4, 0)).max() < 0.5
    first = module.coarse_flow(lines[2], lines[1])
    expected = refine_flow(lines[2], lines[0], first + warp(one.flow, first))
    np.testing.assert_array_equal(way.to(2).flow, expected)


def test_the_keys_own_drawing_leads_to_itself() -> None:
    way = moved([figure(0), figure(3), figure(0)], 0)
    for place in (0, 2):
        assert not way.to(place).flow.any()
        assert not way.to(place).astray.any()


def test_a_held_drawing_is_led_the_same_way() -> None:
    way = moved([figure(n) for n in (0, 4, 4, 4, 8, 8)], 0)
    assert way.to(1) is way.to(2) is way.to(3)
    assert way.to(4) is way.to(5)


def test_drawings_that_come_again_shorten_the_way() -> None:
    """A mouth goes through three drawings again and again."""
    cycle = [figure(n) for n in (0, 4, 8)]
    way = moved([*cycle, *cycle, *cycle, figure(12)], 0)
    # The third is beside the first, when that comes again; the last one is beside the third.
    brief = moved([figure(0), figure(8), figure(12)], 0)
    for place, short in ((8, 1), (9, 2)):
        np.testing.assert_array_equal(way.to(place).flow, brief.to(short).flow)
    np.testing.assert_array_equal(way.to(4).flow, moved(cycle[:2], 0).to(1).flow)


def test_what_is_hidden_on_the_way_is_told() -> None:
    """The lid has closed over the upper half of the rings, and opens them again."""
    lines = [lid(6 * n) for n in range(7)]
    found = moved(lines, 6).to(0)  # open, from the closed key
    hidden, seen = np.s_[36:54, 80:110], np.s_[70:84, 80:110]
    assert found.astray[hidden].mean() > 4 * found.astray[seen].mean()
    assert found.astray[seen].max() < 1


def test_what_moves_and_stays_visible_is_not_astray() -> None:
    """There and back cancel: the rings move by 12 pixels, and each step back leads to where its step began."""
    found = moved([figure(4 * n) for n in range(4)], 0).to(3)
    rings = np.s_[45:75, 45:70]
    assert abs(np.median(found.flow[rings][..., 0]) + 12) < 0.5
    assert found.astray[rings].mean() < 0.5


def test_astray_is_the_sum_of_what_each_step_there_and_back_misses() -> None:
    lines = [lid(6 * n) for n in range(3)]
    way = moved(lines, 2)
    expected = np.zeros((HEIGHT, WIDTH), np.float32)
    for n in (1, 0):
        there, back = module.coarse_flow(lines[n], lines[n + 1]), module.coarse_flow(lines[n + 1], lines[n])
        missed = there + warp(back, there)
        expected = np.hypot(missed[..., 0], missed[..., 1]) + warp(expected, there)
        np.testing.assert_array_equal(way.to(n).astray, expected)


@pytest.mark.parametrize("seed", range(3))
def test_any_order_leads_the_same_way(seed: int) -> None:
    lines = [figure(n) for n in (0, 3, 6, 3, 9, 12, 12, 15)]
    alone = moved(lines, 2)
    expected = [alone.to(n) for n in range(8)]
    order = list(range(8)) * 2
    random.Random(seed).shuffle(order)
    way = moved(lines, 2)
    with ThreadPoolExecutor(3) as pool:
        found = list(pool.map(way.to, order))
    for n, led in zip(order, found, strict=True):
        np.testing.assert_array_equal(led.flow, expected[n].flow)
        np.testing.assert_array_equal(led.astray, expected[n].astray)


def test_each_drawing_is_searched_once(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[Bytes] = []
    original = module.refine_flow

    def counted(line: Bytes, key: Bytes, led: NDArray[np.float32]) -> NDArray[np.float32]:
        asked.append(line)
        return original(line, key, led)

    monkeypatch.setattr(module, "refine_flow", counted)
    way = moved([figure(n) for n in (0, 2, 2, 4, 6)], 0)
    for n in (4, 1, 2, 3, 4, 0):
        way.to(n)
    assert len(asked) == 3


def test_a_drawing_that_may_be_held_beyond_the_end_is_out_of_reach() -> None:
    lines = np.stack([figure(n) for n in (0, 4, 8, 4, 8, 8)])
    first, last = Steps(lines, 0, cut=True), Steps(lines[::-1].copy(), 5, cut=True)
    for place in range(6):
        beyond = place in (2, 4, 5)  # all that show what the end shows
        for led in (first.to(place), last.to(5 - place)):
            assert (led is None) == beyond
    assert all(Steps(lines, 0).to(place) is not None for place in range(6))


def test_blank_paper_leads_nowhere() -> None:
    blank = np.full((96, 96), 255, np.uint8)
    dotted = blank.copy()
    dotted[10:14, 10:14] = 0
    found = moved([blank, dotted], 0).to(1)
    assert isinstance(found, Led)
    assert np.isfinite(found.flow).all()
    away = np.s_[48:, 48:]
    assert np.abs(found.flow[away]).max() < 0.5
    assert found.astray[away].max() < 0.5
