"""The page of crops shows the truth and every method, where they differ, in whole pixels."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from PIL import Image

from vsanime.bench.doubling import crops
from vsanime.bench.doubling.measure import Results


def test_the_crop_is_where_methods_differ() -> None:
    first = np.zeros((200, 300), np.float32)
    second = first.copy()
    second[110:120, 210:220] = 0.3  # the difference that counts
    second[20, 20] = 0.4
    top, left, height, width = crops.busiest([first, second], crops.SIZE)
    assert (height, width) == (crops.SIZE, crops.SIZE)
    assert top <= 110 <= 120 <= top + height
    assert left <= 210 <= 220 <= left + width
    assert crops.busiest([first[:20, :30], second[:20, :30]], crops.SIZE) == (0, 0, 20, 30)


def test_pixels_are_enlarged_whole(tmp_path: Path) -> None:
    truth = np.random.default_rng(0).random((80, 90), np.float32)
    results = Results(truth, {"A": [truth * 0, truth * 0.5], "B": [truth * 0, truth]})
    strip = crops.strip_of("page.png", results, "lanczos3", 1)
    assert "page.png" in strip.title
    assert "halved by lanczos3" in strip.title
    assert [p.label.split("\n")[0] for p in strip.panels] == ["truth", "A", "B"]
    # A's mean square error is a quarter of the truth's mean square.
    expected = -10 * np.log10(np.mean(np.square(truth.astype(float))) / 4)
    assert strip.panels[1].label == f"A\n{expected:.2f} dB"
    crops.write(tmp_path / "crops.png", [strip, strip])
    page = np.asarray(Image.open(tmp_path / "crops.png"))
    zoomed = np.kron(strip.panels[0].pixels, np.ones((crops.ZOOM, crops.ZOOM), np.uint8))
    windows = np.lib.stride_tricks.sliding_window_view(page, (8, 8))
    # The corner of the truth stands on the page once for each strip, and so does the rest of it.
    corner = np.argwhere((windows == zoomed[:8, :8]).all((2, 3)))
    places = [
        (y, x) for y, x in corner if np.array_equal(page[y : y + zoomed.shape[0], x : x + zoomed.shape[1]], zoomed)
    ]
    # Method B equals the truth.
    assert len(places) == 4
