"""How many lanes, threads and pixels a backend takes by itself."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import pytest

from vsanime.backends.base import (
    LAYER_BYTES,
    HostLane,
    Options,
    Reader,
    Workload,
    count_lanes,
    inference_threads,
    optional,
    read_cards,
    read_streams,
    read_threads,
    read_word,
    tile_within,
)
from vsanime.errors import VsanimeError
from vsanime.spec import TensorSpec


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
    assert count_lanes(None, threads) == lanes
    assert count_lanes(1, threads) == 1
    assert count_lanes(9, threads) == 9


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
        count_lanes(count, 8)
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


@pytest.mark.parametrize(
    ("value", "cards"),
    [
        (0, 0),
        ("3", 3),
        (-1, None),
        ([0], (0,)),
        ([2, 0], (2, 0)),
        ("0,1", (0, 1)),
        ([0, -1], None),
        ([-1, 0], None),
        ([1, 1], None),
        ([0, 1, 0], None),
        ([], None),
        ("first", None),
        (None, None),
        (list(range(256)), tuple(range(256))),
        (list(range(257)), None),
    ],
)
def test_cards_are_numbers_from_0_up(value: object, cards: int | tuple[int, ...] | None) -> None:
    if cards is not None:
        assert read_cards("device_id", value) == cards
        return
    with pytest.raises(VsanimeError, match=r"^device_id=.*; a card's number from 0 up, or different ones, is needed$"):
        read_cards("device_id", value)


@pytest.mark.parametrize(
    ("read", "name", "most"), [(read_streams, "num_streams", 256), (read_threads, "num_threads", 1024)]
)
def test_lanes_and_threads_have_a_limit(read: Callable[[str, object], int], name: str, most: int) -> None:
    assert [read(name, number) for number in (1, most)] == [1, most]
    for wrong in (0, most + 1):
        with pytest.raises(VsanimeError, match=f"^{name}={wrong}; 1 or more is needed, {most} at most$"):
            read(name, wrong)


def test_words_are_text_and_options_may_be_left_out() -> None:
    assert read_word("device", b"GPU") == "GPU"
    with pytest.raises(VsanimeError, match=r"^device=5; text is needed$"):
        read_word("device", 5)
    read = optional(read_streams)
    assert (read("num_streams", None), read("num_streams", "2")) == (None, 2)


def test_options_are_read_when_they_are_given_and_refused_when_they_are_used() -> None:
    @dataclass(frozen=True, kw_only=True)
    class Two(Options):
        first: object = 1
        second: object = 1
        READERS: ClassVar[Mapping[str, Reader]] = {"first": read_streams, "second": read_streams}

    good, wrong = Two(first="2", second=b"3"), Two(first="none", second="4")
    assert (good.first, good.second, wrong.first, wrong.second) == (2, 3, "none", 4)
    good.check_options()
    with pytest.raises(VsanimeError, match=r"^first='none';"):
        wrong.check_options()
    Options().check_options()


def test_arrays_of_the_processor_are_plain_and_clear() -> None:
    array = HostLane().buffer(TensorSpec("x", "uint16", (1, 2, 3, 4)))
    assert (array.shape, array.dtype, array.any()) == ((1, 2, 3, 4), np.uint16, False)
    assert HostLane.writes_anywhere


@pytest.mark.parametrize(
    ("size", "pixels", "rows", "tile"),
    [
        ((100, 50), 100 * 50, None, (100, 50)),
        ((100, 50), 100 * 50 - 1, None, (100, 49)),
        ((100, 50), 100 * 30, None, (100, 30)),
        ((100, 50), 100 * 30 - 1, None, (99, 30)),
        ((100, 50), 30 * 30, None, (30, 30)),
        ((100, 50), 1, None, (30, 30)),
        ((100, 50), 100 * 50, 40, (100, 40)),
        ((100, 50), 100 * 35, 40, (100, 35)),
        ((100, 50), 100 * 50, 29, (100, 30)),
        ((100, 50), 100 * 50, 60, (100, 50)),
        ((100, 20), 60 * 30, None, (60, 20)),
        ((20, 100), 20 * 40, None, (20, 40)),
        ((20, 20), 1, None, (30, 20)),
    ],
)
def test_tiles_are_of_so_many_pixels(
    size: tuple[int, int], pixels: int, rows: int | None, tile: tuple[int, int]
) -> None:
    """Of 32 channels and 2 bytes; a tile of 30 leaves 16 between overlaps of 7."""
    assert tile_within(work(*size), 2, rows, pixels * 64) == tile
