"""The simulated card as a fixture."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest

from tests.cudasim import CudaSim
from vsanime.backends import cuda


@pytest.fixture
def simulate(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., CudaSim]]:
    """Makes simulated cards take the place of CUDA; at the end nothing may have been done wrong or be left."""
    made: list[CudaSim] = []

    def make(**options: object) -> CudaSim:
        sim = CudaSim(**options)  # type: ignore[arg-type]
        made.append(sim)
        monkeypatch.setattr(cuda, "cudart", lambda: sim)
        return sim

    monkeypatch.setattr(cuda, "_resets", {})
    monkeypatch.setattr(cuda, "_holders", {})
    yield make
    for sim in made:
        assert sim.violations == []
        assert sim.leaks() == []
