"""distance_field on every kind of gray clip, against the definition by NumPy alone."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import vapoursynth as vs

import vsanime
from tests.filters.test_bad_input import one_line
from tests.support.clips import clip_of, dtype_of, format_of, noise_clip, planes_of, props_of
from tests.support.reference import encode
from vsanime.motion.distance import field

WIDTH, HEIGHT = 47, 30


def lines(seed: int = 0, share: float = 0.02) -> np.ndarray:
    """Values of ink on paper, on either side of the middle."""
    rng = np.random.default_rng(seed)
    ink = rng.random((HEIGHT, WIDTH)) < share
    return np.where(ink, rng.uniform(0, 0.49, ink.shape), rng.uniform(0.51, 1, ink.shape))


def by_definition(ink: np.ndarray, cap: float) -> np.ndarray:
    ys, xs = np.nonzero(ink)
    rows, columns = np.mgrid[: ink.shape[0], : ink.shape[1]]
    nearest = np.sqrt(((rows[..., None] - ys) ** 2 + (columns[..., None] - xs) ** 2).min(axis=2))
    return np.minimum(nearest / (cap * ink.shape[0]), 1)


@pytest.mark.parametrize("name", ["GRAY8", "GRAY10", "GRAY16", "GRAYH", "GRAYS"])
@pytest.mark.parametrize("full", [0, 1])
def test_every_format_and_range(name: str, full: int) -> None:
    form = format_of(name)
    values = lines()
    clip = clip_of([[encode(values, form, bool(full))]], form, _Range=full)
    made = vsanime.distance_field(clip)
    assert made.format.id == form.id
    assert props_of(made)["_Range"] == 1
    found = planes_of(made)[0]
    assert found.dtype == dtype_of(form)
    # Both are rounded the same way from double and single precision: a code at the edge of two.
    np.testing.assert_allclose(
        found.astype(np.float64),
        encode(by_definition(values < 0.5, 0.1), form, full=True).astype(np.float64),
        atol=1 if form.sample_type == vs.INTEGER else 1e-3 if form.bits_per_sample == 16 else 1e-6,
    )


def test_it_is_the_plain_functions_field() -> None:
    line = np.rint(lines() * 255).astype(np.uint8)
    clip = clip_of([[line]], format_of("GRAY8"), _Range=1)
    assert np.array_equal(planes_of(vsanime.distance_field(clip, depth="single"))[0], field(line))
    assert np.array_equal(planes_of(vsanime.distance_field(clip, 0.3, depth="single"))[0], field(line, 0.3))


def test_codes_to_127_are_ink() -> None:
    line = np.full((20, 20), 255, np.uint8)
    line[3, 3], line[16, 16] = 127, 128
    found = planes_of(vsanime.distance_field(clip_of([[line]], format_of("GRAY8"), _Range=1)))[0]
    assert (found[3, 3], found[16, 16]) == (0, 255)
    darker = vsanime.distance_field(clip_of([[line]], format_of("GRAY8"), _Range=1), threshold=0.2)
    assert (planes_of(darker)[0] == 255).all()


@pytest.mark.parametrize("depth", [8, 10, 16, "half", "single"])
def test_frames_without_ink_are_far_from_it(depth: Any) -> None:
    form = format_of("GRAY8")
    blank = [np.full((HEIGHT, WIDTH), 235, np.uint8)]
    clip = clip_of([blank, [encode(lines(), form)], blank], form)
    made = vsanime.distance_field(clip, depth=depth)
    peak = 1 if isinstance(depth, str) else 2**depth - 1
    for n in (2, 0):
        assert (planes_of(made, n)[0] == peak).all()
    assert planes_of(made, 1)[0].min() == 0


def test_any_order_of_requests() -> None:
    form = format_of("GRAY8")
    clip = clip_of([[encode(lines(n), form)] for n in range(6)], form).std.SetFrameProps(Name="kept")
    made = vsanime.distance_field(clip)
    expected = [planes_of(vsanime.distance_field(clip), n)[0] for n in range(6)]
    for n in (4, 1, 5, 0, 0, 3, 2):
        assert np.array_equal(planes_of(made, n)[0], expected[n])
    assert props_of(made, 3)["Name"] == "kept"


def test_lines_of_a_colour_clip() -> None:
    """As a script writes it."""
    clip = noise_clip("YUV420P8", 64, 48, frames=2)
    distances = vsanime.distance_field(vsanime.lineart(clip))
    ink = planes_of(vsanime.lineart(clip))[0] <= 127
    assert np.array_equal(planes_of(distances)[0] == 0, ink)


ARGUMENTS = {
    "colour": (lambda: vsanime.distance_field(noise_clip("YUV420P8", 32, 24)), ["YUV", "GRAY is needed", "lineart"]),
    "no clip": (lambda: vsanime.distance_field(None), ["NoneType", "clip"]),
    "cap": (lambda: vsanime.distance_field(noise_clip("GRAY8", 32, 24), cap=0), ["cap=0", "above 0, at most 10"]),
    "cap above the most": (lambda: vsanime.distance_field(noise_clip("GRAY8", 32, 24), cap=10.5), ["cap=10.5"]),
    "a flag": (lambda: vsanime.distance_field(noise_clip("GRAY8", 32, 24), cap=True), ["cap=True", "at most 10"]),
    "cap's type": (lambda: vsanime.distance_field(noise_clip("GRAY8", 32, 24), cap="far"), ["cap='far'"]),
    "threshold": (
        lambda: vsanime.distance_field(noise_clip("GRAY8", 32, 24), threshold=127), ["threshold=127", "at most 1"]
    ),
    "depth": (lambda: vsanime.distance_field(noise_clip("GRAY8", 32, 24), depth=7), ["depth=7"]),
    "interlaced": (lambda: vsanime.distance_field(noise_clip("GRAY8", 32, 24, _FieldBased=1)), ["_FieldBased=1"]),
}  # fmt: skip


@pytest.mark.parametrize("case", ARGUMENTS)
def test_arguments(case: str) -> None:
    call, parts = ARGUMENTS[case]
    one_line(call, "distance_field:", *parts)


def test_the_most_that_arguments_may_be() -> None:
    clip = noise_clip("GRAY8", 32, 24)
    assert vsanime.distance_field(clip, cap=10, threshold=1).num_frames == clip.num_frames
    vsanime.distance_field(clip, cap=1e-3, threshold=1e-3)
