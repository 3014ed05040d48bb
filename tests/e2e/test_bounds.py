"""The lowest versions that pyproject.toml declares, as constraints for pip."""

from __future__ import annotations

from pathlib import Path

import pytest

from tools.bounds import lowest_versions

ROOT = Path(__file__).parents[2]
SETTINGS = """
[project]
name = "me"
dependencies = ["numpy>=2.0", "filelock >= 3.30"]
[project.optional-dependencies]
one = ["pillow>=11; sys_platform != 'darwin'", "cuda[x]>=12.9"]
two = ["me[one]; sys_platform == 'linux'", "cuda>=12.10"]
three = ["me[one,two]"]
free = ["torch"]
"""


@pytest.fixture
def settings(tmp_path: Path) -> Path:
    path = tmp_path / "pyproject.toml"
    path.write_text(SETTINGS, encoding="utf-8")
    return path


@pytest.mark.parametrize(
    ("extra", "expected"),
    [
        ("one", ["cuda==12.9", "filelock==3.30", "numpy==2.0", "pillow==11"]),
        ("two", ["cuda==12.10", "filelock==3.30", "numpy==2.0", "pillow==11"]),
        ("three", ["cuda==12.10", "filelock==3.30", "numpy==2.0", "pillow==11"]),
    ],
)
def test_the_highest_bound_of_the_extras_reached_counts(settings: Path, extra: str, expected: list[str]) -> None:
    assert lowest_versions(settings, extra) == expected


def test_a_dependency_without_a_lowest_version_is_refused(settings: Path) -> None:
    with pytest.raises(ValueError, match=r"'torch' in .* declares no lowest version"):
        lowest_versions(settings, "free")


@pytest.mark.parametrize("extra", ["test", "dev", "train", "docs", "tensorrt", "onnxruntime-cuda"])
def test_every_dependency_of_ours_declares_one(extra: str) -> None:
    assert len(lowest_versions(ROOT / "pyproject.toml", extra)) >= 8
