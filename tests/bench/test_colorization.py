"""Figures of colouring, on clips so small that they are worked out by hand."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

pytest.importorskip("cv2")
pytest.importorskip("skimage")

from vsanime.bench import colorization
from vsanime.errors import VsanimeError

type Bytes = NDArray[np.uint8]


def flat(*values: int) -> colorization.Clip:
    """Gray frames of 32x40 without a line."""
    colours = np.stack([np.full((32, 40, 3), value, np.uint8) for value in values])
    return colorization.Clip("flat", np.full((len(values), 32, 40), 255, np.uint8), colours)


def measured(clip: colorization.Clip, keys: list[int], **methods: colorization.Coloring) -> colorization.Outcome:
    return colorization.measure(clip, keys, methods, lambda: None)


def test_psnr_is_of_all_squares_together() -> None:
    """Errors of 10 and 20 codes: a mean square of 250."""
    clip = flat(100, 110, 120, 100)
    figures = measured(clip, [0, 3], copy=lambda _: clip.colours[0]).figures["copy"]
    assert figures.psnr[0] == pytest.approx(10 * np.log10(255**2 / 250))


def test_changed_pixels_are_those_more_than_16_codes_from_the_nearest_key_and_some_lie_off_the_lines() -> None:
    clip = flat(100, 100, 100)
    clip.colours[1, 10:20, 10:20, 1] = 117
    clip.colours[1, 0:5, 0:5, 1] = 116  # 16 codes: not changed
    clip.lines[1, 10:20, 10] = 0  # a line along the patch's left side: 4 columns lie within 3 pixels
    outcome = measured(clip, [0, 2], copy=lambda _: clip.colours[0], truth=lambda n: clip.colours[n])
    assert outcome.pixels == (pytest.approx(100 / 1280), pytest.approx(60 / 1280))
    copy, truth = outcome.figures["copy"], outcome.figures["truth"]
    assert copy.psnr[1] == copy.psnr[2] == pytest.approx(10 * np.log10(255**2 / (17**2 / 3)))
    assert truth.psnr == (80, 80, 80)
    assert truth.ssim == (pytest.approx(1), pytest.approx(1), pytest.approx(1))
    assert copy.ssim[1] < 1


def test_nothing_changed_is_not_a_number() -> None:
    clip = flat(100, 100, 100)
    figures = measured(clip, [0, 2], copy=lambda _: clip.colours[0]).figures["copy"]
    assert np.isnan(figures.psnr[1])
    assert np.isnan(figures.ssim[2])


def test_the_truth_is_as_steady_as_the_truth_and_flicker_is_not() -> None:
    rng = np.random.default_rng(9)
    wide = rng.integers(60, 200, (8, 16, 3), np.uint8).repeat(8, 0).repeat(8, 1)
    frames = [np.ascontiguousarray(wide[:, n : n + 64]) for n in range(5)]
    clip = colorization.clip_of("pan", frames)
    flicker = {n: np.clip(frames[n].astype(int) + 12 * (-1) ** n, 0, 255).astype(np.uint8) for n in range(5)}
    outcome = measured(clip, [0, 4], truth=lambda n: frames[n], flicker=lambda n: flicker[n])
    assert outcome.figures["truth"].warp == pytest.approx(1)
    assert outcome.figures["flicker"].warp > 2


def test_the_nearest_key_is_the_former_of_two_as_near() -> None:
    assert colorization.keys_every(30, 12) == [0, 12, 24]
    assert colorization.around([0, 12, 24], 6) == (0, 12, 0)
    assert colorization.around([0, 12, 24], 19) == (12, 24, 24)
    assert colorization.around([0, 12, 24], 12) == (12, 12, 12)
    with pytest.raises(VsanimeError, match="5 frames with keys every 12"):
        colorization.keys_every(5, 12)


def test_line_art_is_thin_dark_lines_and_what_is_black() -> None:
    picture = np.full((96, 96, 3), 200, np.uint8)
    picture[20, :] = 80  # a line
    picture[40:80, 10:40] = 80  # a dark plane
    picture[40:80, 60:90] = 0  # a black one
    line = colorization.line_art(picture)
    assert line[20, 50] == 0
    assert line[60, 25] == 255
    assert line[60, 75] == 0
    assert line[5, 5] == 255


def test_baselines_beat_copying_on_a_pan() -> None:
    rng = np.random.default_rng(10)
    wide = np.full((96, 160, 3), 220, np.uint8)
    for _ in range(14):
        y, x, side = rng.integers(0, 80), rng.integers(0, 140), rng.integers(10, 30)
        wide[y : y + side, x : x + side] = 0
        wide[y + 2 : y + side - 2, x + 2 : x + side - 2] = rng.integers(60, 255, 3)
    clip = colorization.clip_of("pan", [np.ascontiguousarray(wide[:, 2 * n : 2 * n + 128]) for n in range(5)])
    outcome = measured(clip, [0, 4], **colorization.baselines(clip, [0, 4]))
    copied, moved, blended, _ = (figures.psnr[0] for figures in outcome.figures.values())
    assert moved > copied + 6
    assert blended > copied + 6
