"""What several commands' tests need."""

from __future__ import annotations

from pathlib import Path

import pytest


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder of the engine cache, in VSANIME_CACHE_DIR; it is not there yet."""
    path = tmp_path / "my engines ö"
    monkeypatch.setenv("VSANIME_CACHE_DIR", str(path))
    return path
