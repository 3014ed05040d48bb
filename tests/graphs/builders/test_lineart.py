"""The difference of Gaussians against SciPy's, in double precision."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter

from tests.support.planesgraphs import noise_for, run
from vsanime.graphs.builders.lineart import Pen, line_graph
from vsanime.spec import Family, FrameSpec, GraphTraits, PlaneFormat, PlanesGraph, Range, SampleType

F32 = GraphTraits()
GRAY32 = PlaneFormat(Family.GRAY, SampleType.FLOAT, 32)
RGB8 = PlaneFormat(Family.RGB, SampleType.INTEGER, 8)
# Sums of some dozen f32 terms below 1, times a gain of 20.
SAME_SUMS = 2e-5

type Floats = NDArray[np.float64]


def graph_for(size: tuple[int, int], pen: Pen, traits: GraphTraits = F32) -> PlanesGraph:
    return line_graph(FrameSpec(GRAY32, *size, Range.FULL, 1, None), GRAY32, *size, traits, pen)


def drawn(luma: Floats, pen: Pen, traits: GraphTraits = F32) -> Floats:
    """What the graph makes of one picture."""
    graph = graph_for(luma.shape[::-1], pen, traits)
    return run(graph, [luma.astype(np.float32)[None, None]])[0][0, 0].astype(np.float64)


def by_formula(luma: Floats, pen: Pen) -> Floats:
    """Winnemoeller's thresholded difference for an infinite p, as it is written."""
    narrow, wide = (
        gaussian_filter(luma, sigma, mode="nearest", radius=pen.radius)
        for sigma in (pen.sigma, pen.sigma * pen.surround)
    )
    difference = narrow - wide + pen.threshold
    return np.where(difference >= 0, 1.0, 1 + np.tanh(pen.gain * difference))


def noise(height: int, width: int) -> Floats:
    rng = np.random.default_rng(height * width)
    return np.kron(rng.random((height // 4 + 1, width // 4 + 1)), np.ones((4, 4)))[:height, :width]


@pytest.mark.parametrize("size", [(40, 64), (31, 47), (5, 3), (1, 1)])
@pytest.mark.parametrize(
    "pen", [Pen(0.72), Pen(1.3, 0.0, 5.0), Pen(0.1), Pen(2.0, 0.1, 80.0, 1.6)], ids=["usual", "soft", "fine", "hard"]
)
def test_lines_are_the_thresholded_difference(size: tuple[int, int], pen: Pen) -> None:
    luma = noise(*size)
    np.testing.assert_allclose(drawn(luma, pen), by_formula(luma, pen), atol=SAME_SUMS * max(1, pen.gain / 20))


def test_luma_of_rgb_is_bt709s() -> None:
    size, pen = (36, 28), Pen(1.0)
    graph = line_graph(FrameSpec(RGB8, *size, Range.FULL, None, None), GRAY32, *size, F32, pen)
    planes = noise_for(graph, 8)
    red, green, blue = (plane[0, 0] / 255 for plane in planes)
    expected = by_formula(0.2126 * red + 0.7152 * green + 0.0722 * blue, pen)
    np.testing.assert_allclose(run(graph, planes)[0][0, 0], expected, atol=SAME_SUMS)


def test_a_thin_line_is_ink_and_keeps_its_place() -> None:
    luma = np.full((40, 60), 0.9)
    luma[:, 30] = 0.1
    lines = drawn(luma, Pen(0.72))
    assert (lines[:, 30] < 0.01).all()
    assert (lines[:, :28] == 1).all()
    assert (lines[:, 33:] == 1).all()


def test_a_dark_surface_gets_an_outline_and_stays_paper() -> None:
    luma = np.full((60, 60), 0.9)
    luma[15:45, 15:45] = 0.05
    pen = Pen(0.72)
    lines = drawn(luma, pen)
    assert lines[30, 15] < 0.1
    assert lines[30, 14] == 1
    inner = slice(15 + pen.radius, 45 - pen.radius)
    assert (lines[inner, inner] == 1).all()


def test_faint_noise_is_no_ink() -> None:
    """Two codes of 8 bits up and down, as compression leaves them."""
    rng = np.random.default_rng(0)
    luma = 0.5 + rng.integers(-2, 3, (64, 64)) / 255
    assert (drawn(luma, Pen(0.72)) == 1).all()


@pytest.mark.parametrize("step", [0.05, 0.2])
def test_a_change_of_brightness_changes_no_line(step: float) -> None:
    luma = 0.2 + 0.5 * noise(40, 60)
    np.testing.assert_allclose(drawn(luma + step, Pen(0.72)), drawn(luma, Pen(0.72)), atol=SAME_SUMS)


def test_lines_do_not_depend_on_what_is_elsewhere() -> None:
    pen = Pen(0.72)
    luma = 0.4 + 0.2 * noise(40, 80)
    flash = luma.copy()
    flash[:, 60:] = 1.0
    flash[:, 70] = 0.0
    near = slice(0, 60 - pen.radius)
    assert np.array_equal(drawn(flash, pen)[:, near], drawn(luma, pen)[:, near])


@pytest.mark.parametrize(
    "traits", [GraphTraits(body="float16"), GraphTraits(body="bfloat16"), GraphTraits(any_size=True)]
)
def test_what_backends_want_changes_nothing(traits: GraphTraits) -> None:
    luma, pen = noise(30, 44), Pen(1.1)
    assert np.array_equal(drawn(luma, pen, traits), drawn(luma, pen))


def test_ink_of_a_gain() -> None:
    """At 1 / gain beyond the threshold a line is three quarters black, as the attribute says."""
    luma = np.full((41, 41), 0.8)
    luma[20] = 0.5
    first = Pen(1.0)
    faint = by_formula(luma, replace(first, gain=1e-3))[20, 20]
    beyond = np.arctanh(1 - faint) / 1e-3
    lines = drawn(luma, replace(first, gain=float(1 / beyond)))
    assert lines[20, 20] == pytest.approx(1 - np.tanh(1), abs=1e-3)
