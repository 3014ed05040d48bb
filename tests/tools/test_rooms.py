"""The table of rooms in the documentation is what the packages' docstrings say."""

from __future__ import annotations

from pathlib import Path

import pytest

from tools import rooms


def test_the_table_is_current() -> None:
    assert rooms.main(["--check"]) == 0


def test_a_table_that_is_not_current_is_found_and_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    page = tmp_path / "architecture.md"
    page.write_text("before\n<!-- rooms: -->\nstale row\n<!-- end of rooms -->\nafter\n", encoding="utf-8")
    monkeypatch.setattr(rooms, "PAGE", page)
    assert rooms.main(["--check"]) == 1
    assert "python -m tools.rooms" in capsys.readouterr().err
    assert rooms.main([]) == 0
    assert rooms.main(["--check"]) == 0
    text = page.read_text(encoding="utf-8")
    assert text.startswith("before\n")
    assert text.endswith("after\n")
    assert "| `graphs/` | " in text
    assert "stale row" not in text
