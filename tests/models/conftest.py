"""What tests of the store and of foreign weights share."""

from __future__ import annotations

from pathlib import Path

import pytest

from vsanime.models import store


@pytest.fixture
def user_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A user's data folder with a blank and a letter beyond ASCII in its name, and no VSANIME_MODEL_PATH."""
    folder = tmp_path / "Önskad mapp" / "models"
    monkeypatch.setattr(store, "user_folder", lambda: folder)
    monkeypatch.delenv("VSANIME_MODEL_PATH", raising=False)
    monkeypatch.delenv("VSANIME_OFFLINE", raising=False)
    return folder
