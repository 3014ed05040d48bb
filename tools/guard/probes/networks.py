"""Imports the small networks that an earlier commit wrote, through the command line of the tree under test."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from .facts import Facts


def call(facts: Facts, *arguments: str, folder: Path | None = None) -> subprocess.CompletedProcess[str]:
    """Run the tree's command line and return what it gave."""
    line = [sys.executable, "-m", "vsanime", *arguments]
    return subprocess.run(
        line, capture_output=True, text=True, encoding="utf-8", cwd=folder or facts.work, check=False, timeout=600
    )


def import_networks(facts: Facts) -> dict[str, Path]:
    """Return the networks that could be imported, by the name of their file without its ending.

    Networks that no state-dict is read of (those of colorization) are there as ONNX.
    """
    found = {path.stem: path for path in sorted((facts.files / "networks").glob("*.onnx"))}
    folder = facts.work / "networks"
    folder.mkdir(exist_ok=True)
    for path in sorted((facts.files / "networks").glob("*.safetensors")):
        output = folder / f"{path.stem}.onnx"
        if output.exists() or (
            path.stem not in found and call(facts, "import", str(path), "-o", str(output)).returncode == 0
        ):
            found[path.stem] = output
    return found
