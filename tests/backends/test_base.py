"""How many lanes, threads and pixels a backend takes by itself."""

from __future__ import annotations

import os

import pytest

from vsanime.backends.base import LAYER_BYTES, Workload, inference_threads, lanes_wanted, tile_within
from vsanime.errors import VsanimeError


def work(
    width: int = 1920, height: int = 1080, radius: int | None = 7, features: int = 32, out_channels: int = 1
) -> Workload:
    return Workload(
        width=width,
        height=height,
        radius=radius,
        features=features,
        anchored=False,
        out_channels=out_channels,
        output_bits=8,
        output_float=False,
    )


@pytest.mark.parametrize(("threads", "lanes"), [(1, 1), (2, 1), (3, 2), (5, 4), (6, 4), (64, 4)])
def test_lanes_are_one_less_than_threads_and_four_at_most(threads: int, lanes: int) -> None:
    assert lanes_wanted(None, threads) == lanes
    assert lanes_wanted(1, threads) == 1
    assert lanes_wanted(9, threads) == 9


def test_threads_are_those_of_the_frame_server_that_the_machine_has(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "cpu_count", lambda: 6)
    assert [inference_threads(None, threads) for threads in (1, 6, 7)] == [1, 6, 6]
    assert inference_threads(1, 4) == 1
    assert inference_threads(9, 4) == 9
    monkeypatch.setattr(os, "cpu_count", lambda: None)
    assert inference_threads(None, 4) == 1


@pytest.mark.parametrize("count", [0, -1])
def test_less_than_one_is_refused(count: int) -> None:
    with pytest.raises(VsanimeError, match=f"num_streams={count}; 1 or more is needed"):
        lanes_wanted(count, 8)
    with pytest.raises(VsanimeError, match=f"num_threads={count}; 1 or more is needed"):
        inference_threads(count, 8)


def test_frame_that_fits_is_one_tile() -> None:
    """A layer of 1080p in 96 channels of f32 fits into a gigabyte, as the limit promises."""
    assert tile_within(work(features=96), 4) == (1920, 1080)
    assert tile_within(work(), 4, rows=100) == (1920, 100)
    assert tile_within(work(radius=None), 4, rows=100) == (1920, 1080)
    assert tile_within(work(height=20), 4, rows=1) == (1920, 20)


@pytest.mark.parametrize("bytes_per_value", [2, 4])
def test_large_frame_is_cut_into_strips_that_fit(bytes_per_value: int) -> None:
    frame = work(features=256)
    width, height = tile_within(frame, bytes_per_value)
    row_bytes = 1920 * 256 * bytes_per_value
    assert width == 1920
    assert height == min(1080, LAYER_BYTES // row_bytes)
    assert tile_within(frame, bytes_per_value, layer_bytes=500 * row_bytes) == (1920, 500)


def test_tile_is_never_less_than_what_overlaps_leave() -> None:
    """Both overlaps of a strip and 16 rows; if such a strip does not fit, it becomes narrower, to as much again."""
    frame = work(radius=20)
    least = 2 * 20 + 16
    row_bytes = 1920 * 32 * 4
    assert tile_within(frame, 4, rows=10) == (1920, least)
    assert tile_within(frame, 4, layer_bytes=least * row_bytes) == (1920, least)
    assert tile_within(frame, 4, layer_bytes=least * row_bytes // 2) == (960, least)
    assert tile_within(frame, 4, layer_bytes=1000) == (least, least)
