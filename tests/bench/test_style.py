"""What makes a style one: each measure on cases whose answer is known."""

from __future__ import annotations

import numpy as np
import pytest

from vsanime.bench.style import (
    Floats,
    Measured,
    Verdict,
    edge_correlation,
    judge,
    lookup_share,
    warp_errors,
)
from vsanime.errors import VsanimeError


@pytest.fixture
def photo() -> Floats:
    """Soft shapes with noise, 96 x 128."""
    rng = np.random.default_rng(1)
    coarse = rng.random((12, 16, 3), np.float32).repeat(8, 0).repeat(8, 1)
    soft = (coarse + np.roll(coarse, 4, 0) + np.roll(coarse, 4, 1)) / 3
    shown: Floats = (0.8 * soft + 0.1 + rng.normal(0, 0.02, soft.shape)).clip(0, 1).astype(np.float32)
    return shown


def test_edges_of_the_same_picture_correlate_whatever_its_contrast(photo: Floats) -> None:
    assert edge_correlation(photo, photo) == pytest.approx(1)
    assert edge_correlation(photo, 0.5 * photo + 0.2) == pytest.approx(1, abs=1e-5)
    assert edge_correlation(photo, 1 - photo) == pytest.approx(1, abs=1e-5)


def test_edges_of_another_picture_do_not_correlate(photo: Floats) -> None:
    one, other = np.random.default_rng(2).random((2, 96, 128, 3), np.float32)
    assert abs(edge_correlation(one, other)) < 0.05  # 12,000 pixels, of which neighbours share some
    assert edge_correlation(photo, np.full_like(photo, 0.5)) == 0


def test_a_colour_look_up_explains_other_colours(photo: Floats) -> None:
    """A power and a swap of planes; within a sixteenth each change is nearly one value."""
    assert lookup_share(photo, photo[..., ::-1] ** 0.7) > 0.95
    assert lookup_share(photo, photo) == 1


def test_a_colour_look_up_does_not_explain_lines(photo: Floats) -> None:
    drawn = photo.copy()
    drawn[::6] = 0
    # Eight pixels of every cell at most, of which one in six is drawn on.
    assert lookup_share(photo, drawn) < 0.6


def test_warp_error_of_a_pan_is_small_and_of_flicker_is_not(photo: Floats) -> None:
    pan = [np.ascontiguousarray(photo[:, i : i + 96]) for i in range(0, 6, 2)]
    before, same = warp_errors(pan, pan)
    assert same == before
    flickering = [frame + (0.1 if i % 2 else 0) for i, frame in enumerate(pan)]
    assert warp_errors(pan, flickering)[1] > before + 0.08
    cut = [pan[0], 1 - pan[1]]
    # The flow explains nothing of a cut, so nothing of it is compared but what happens to be alike.
    assert warp_errors(cut, cut)[0] < 0.1


def test_a_still_picture_has_no_warp_error(photo: Floats) -> None:
    assert warp_errors([photo, photo], [photo, photo]) == (pytest.approx(0, abs=1e-6), pytest.approx(0, abs=1e-6))


def test_flicker_needs_two_frames(photo: Floats) -> None:
    with pytest.raises(VsanimeError, match="1 frames and 1 results; two or more"):
        warp_errors([photo], [photo])


def test_verdict_is_of_sums_and_names_what_falls_short() -> None:
    rows = [
        Measured("a", {"x": 0.4}, {"x": 0.1}, 0.9, 0.5),
        Measured("b", {"x": 0.6}, {"x": 0.6}, 0.5, 0.7),
    ]
    verdict = judge(rows)
    assert verdict.nearer["x"] == pytest.approx(0.3)
    assert (verdict.edges, verdict.lookup) == (pytest.approx(0.7), pytest.approx(0.6))
    assert not verdict.shortfalls("x")
    poor = Verdict({"x": 0.2}, 0.5, 0.9).shortfalls("x")
    assert [line.split(";")[0] for line in poor] == [
        "the Gram distance falls by 20%",
        "edges correlate by 0.50",
        "a colour look-up explains 90%",
    ]
    with pytest.raises(VsanimeError, match="no photograph"):
        judge([])
