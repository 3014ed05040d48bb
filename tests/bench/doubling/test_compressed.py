"""A compressed clip is doubled and compared frame by frame, in its own range and place."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from tests.support.counter import Counter
from tests.support.drawings import as_array, drawn, video
from vsanime.bench.doubling.compressed import measure_compressed, pair_of
from vsanime.bench.doubling.measure import Title, measure_doubling
from vsanime.bench.doubling.methods import resampling
from vsanime.errors import VsanimeError

METHODS = resampling()[:2]


def psnrs(truth: Path, compressed: Path | None, crf: int, every: int = 1) -> dict[tuple[str, str], float]:
    figures = measure_compressed(pair_of(truth, compressed, crf, every, Counter()), METHODS, lambda: None)
    return {(f.method, f.picture): f.psnr for f in figures}


def test_hardly_compressed_is_hardly_worse_than_the_picture(tmp_path: Path) -> None:
    """Frames out of step, or another range or matrix, would cost several dB."""
    truth = video(tmp_path / "ä truth.mkv", 194, 722)  # luma by BT.709, as for pictures; two pixels too wide
    found = psnrs(truth, None, 1, every=2)
    assert list(found) == [(m.name, f"frame {n}") for m in METHODS for n in (0, 2, 4)]
    for number in (0, 2, 4):
        picture = as_array(drawn(194, 722, number))[:720, :192]
        plain, _ = measure_doubling(Title("", ""), picture, ["catmull_rom"], METHODS, lambda: None)
        for method in METHODS:
            expected = next(f.psnr for f in plain if f.method == method.name)
            # x264 at its best, and codes of limited range, two of which become one now and then.
            assert found[method.name, f"frame {number}"] == pytest.approx(expected, abs=0.1)


def test_compression_costs_quality(tmp_path: Path) -> None:
    truth = video(tmp_path / "truth.mkv", 192, 160)
    light, heavy = psnrs(truth, None, 10), psnrs(truth, None, 40)
    assert np.mean(list(heavy.values())) < np.mean(list(light.values())) - 1


def test_a_compressed_file_of_ones_own(tmp_path: Path) -> None:
    truth = video(tmp_path / "truth.mkv", 192, 160)
    scaled = ("-vf", "scale=96:80:flags=bicubic", "-pix_fmt", "yuv420p", "-c:v", "libx264", "-crf")
    light = video(tmp_path / "light.mkv", 192, 160, 5, *scaled, "5")
    heavy = video(tmp_path / "heavy.mkv", 192, 160, 5, *scaled, "45")
    pair = pair_of(truth, light, 30, 2, Counter())
    assert pair.condition == "as in light.mkv"
    assert (list(pair.numbers), pair.truth.num_frames, pair.spoilt.num_frames) == ([0, 2, 4], 3, 3)
    assert np.mean(list(psnrs(truth, heavy, 30).values())) < np.mean(list(psnrs(truth, light, 30).values())) - 1


def test_clips_that_are_no_pair_are_refused(tmp_path: Path) -> None:
    truth = video(tmp_path / "truth.mkv", 96, 80)
    with pytest.raises(VsanimeError, match=r"96x80 .* 96x80; the truth has to be twice as large"):
        psnrs(truth, truth, 30)
    short = video(tmp_path / "short.mkv", 48, 40, 3)
    with pytest.raises(VsanimeError, match=r"5 frames and .* 3; the same frames"):
        psnrs(truth, short, 30)
    with pytest.raises(VsanimeError, match="not a file"):
        psnrs(tmp_path / "nowhere.mkv", None, 30)
    (tmp_path / "broken.mkv").write_bytes(b"not a video")
    with pytest.raises(VsanimeError, match="cannot be read"):
        psnrs(tmp_path / "broken.mkv", None, 30)
