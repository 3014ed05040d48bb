"""Chroma is put where the siting has it, by our own halving and by what filters are told."""

from __future__ import annotations

import numpy as np
import pytest

from vsanime.bench.doubling import measure
from vsanime.bench.doubling.methods import chroma_resampling


def waves(side: int) -> np.ndarray:
    """Colours that change both ways, eight pixels from crest to crest: places matter, and halves can hold it."""
    y, x = np.mgrid[:side, :side] * (2 * np.pi / 8)
    return np.rint(np.stack([128 + 90 * np.sin(x), np.full_like(x, 128), 128 + 90 * np.sin(y)], 2)).astype(np.uint8)


@pytest.mark.parametrize("siting", measure.SITINGS)
def test_own_siting_is_the_best(siting: str, monkeypatch: pytest.MonkeyPatch) -> None:
    shift, own = measure.SITINGS[siting]
    found = {}
    for told in [location for _, location in measure.SITINGS.values()]:
        monkeypatch.setitem(measure.SITINGS, siting, (shift, told))
        figures = measure.measure_chroma(measure.Title("", ""), waves(64), chroma_resampling()[2:], lambda: None)
        found[told] = np.mean([f.psnr for f in figures if f.condition == f"box, {siting}"])
    best = found.pop(own)
    assert all(best > other + 3 for other in found.values()), (best, found)
