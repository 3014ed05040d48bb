"""Files that an earlier commit wrote, as they lie on users' disks: networks, recipes, and runs that were killed."""

from __future__ import annotations

import tarfile
from pathlib import Path

FOLDER = Path(__file__).parent / "data" / "written_earlier"
RECIPES = FOLDER / "recipes"
RUNS = ("pairs", "style", "colorization", "colorization_temporal")


def unpack(name: str, folder: Path) -> Path:
    """Unpack `networks` or `runs` into a folder, and return that."""
    with tarfile.open(FOLDER / f"{name}.tar.xz") as archive:
        archive.extractall(folder, filter="data")
    return folder
