"""Shared fixtures: third-party weights and pictures, and when their absence is a failure; simulated cards."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from tests.cudasim import CudaSim

# Shells have what they run in the background ignore SIGINT, and so would the programs that tests start and interrupt.
if signal.getsignal(signal.SIGINT) == signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)


def _shared(variable: str) -> Path | None:
    """The first folder of the list that a variable holds, if it is there."""
    folder = Path(os.environ.get(variable, "").split(os.pathsep)[0] or "nowhere")
    return folder if folder.is_dir() else None


def _missing(variable: str, what: str) -> None:
    message = f"{what} are found through {variable}, which names no folder"
    if os.environ.get("VSANIME_REQUIRE_SHARED"):
        pytest.fail(message)
    pytest.skip(message)


@pytest.fixture(autouse=True)
def _need_shared(request: pytest.FixtureRequest) -> None:
    """Tests marked `weights` or `media` are skipped without them, and fail where they are required."""
    if request.node.get_closest_marker("weights") and _shared("VSANIME_MODEL_PATH") is None:
        _missing("VSANIME_MODEL_PATH", "third-party weights")
    if request.node.get_closest_marker("media") and _shared("VSANIME_TEST_MEDIA") is None:
        _missing("VSANIME_TEST_MEDIA", "pictures and clips")


@pytest.fixture(scope="session", autouse=True)
def _offline() -> None:
    """No test downloads anything but from its own server."""
    os.environ.setdefault("VSANIME_OFFLINE", "1")


@pytest.fixture
def weights() -> Path:
    """The folder of third-party weights."""
    folder = _shared("VSANIME_MODEL_PATH")
    assert folder is not None
    return folder


@pytest.fixture
def media() -> Path:
    """The folder of real pictures and clips."""
    folder = _shared("VSANIME_TEST_MEDIA")
    assert folder is not None
    return folder


@pytest.fixture
def simulate(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., CudaSim]]:
    """Makes simulated cards take the place of CUDA; at the end nothing may have been done wrong or be left."""
    from tests.cudasim import CudaSim
    from vsanime.backends import cuda

    made: list[CudaSim] = []

    def make(**options: object) -> CudaSim:
        sim = CudaSim(**options)  # type: ignore[arg-type]
        made.append(sim)
        monkeypatch.setattr(cuda, "cudart", lambda: sim)
        return sim

    monkeypatch.setattr(cuda, "_resets", {})
    monkeypatch.setattr(cuda, "_holders", {})
    monkeypatch.setattr(cuda, "_opened", set())
    yield make
    for sim in made:
        assert sim.violations == []
        assert sim.leaks() == []
