"""Checks what a built wheel holds: our model cards and our own weights, nobody else's, and every command.

python -m tools.wheelcheck dist/vsanime-1.0-py3-none-any.whl
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path, PurePosixPath
from zipfile import ZipFile

import onnx

from vsanime.cli import COMMANDS
from vsanime.models.cards import variants
from vsanime.models.licences import read_author, read_note

# Weights come in these forms; only ours, as ONNX, are meant to travel.
WEIGHTS = (".onnx", ".pt", ".pth", ".pk", ".safetensors", ".param", ".bin", ".glsl", ".hook", ".npz")
# Code is a few hundred kilobytes, our own weights are seven megabytes; more means that something slipped in.
MOST_BYTES = 9_000_000


def complaints(wheel: Path) -> list[str]:
    """Return what is wrong with a wheel, a line each; nothing if it is right."""
    with ZipFile(wheel) as archive:
        names = archive.namelist()
        uncredited = [name for name in names if name.endswith(".onnx") and not _is_credited(archive.read(name))]
    bundled = {variant.file for variant in variants().values() if variant.is_bundled}
    found = {PurePosixPath(name).name for name in names if PurePosixPath(name).suffix in WEIGHTS}
    cards = [name for name in names if name.startswith("vsanime/engines/") and name.endswith(".toml")]
    wrong = [f"weights that no card calls bundled: {name}" for name in sorted(found - bundled)]
    wrong += [f"a card's bundled weights are missing: {name}" for name in sorted(bundled - found)]
    wrong += [f"weights without licence or author in their metadata: {name}" for name in sorted(uncredited)]
    if not bundled:
        wrong.append("no card names bundled weights: the package would not work without a download")
    if not cards:
        wrong.append("no model cards in vsanime/engines")
    if "vsanime/py.typed" not in names:
        wrong.append("vsanime/py.typed is missing: type checkers would ignore the hints")
    if wheel.stat().st_size > MOST_BYTES:
        wrong.append(f"the wheel has {wheel.stat().st_size} bytes, more than {MOST_BYTES}")
    return wrong + find_broken_commands(wheel)


def find_broken_commands(wheel: Path) -> list[str]:
    """Return a line for every command whose help cannot be shown from the wheel, outside the checkout."""
    wrong = []
    with tempfile.TemporaryDirectory() as folder:
        with ZipFile(wheel) as archive:
            archive.extractall(folder)
        for word in COMMANDS:
            done = subprocess.run(
                [sys.executable, "-m", "vsanime", word, "--help"],
                cwd=folder,
                env={**os.environ, "PYTHONPATH": folder},
                capture_output=True,
                text=True,
                check=False,
            )
            if done.returncode or f"vsanime {word}" not in done.stdout:
                last = (done.stderr.strip() or "no help was shown").splitlines()[-1]
                wrong.append(f"`vsanime {word} --help` fails outside the checkout: {last}")
    return wrong


def _is_credited(data: bytes) -> bool:
    """Return whether an ONNX says its licence and its author."""
    proto = onnx.load_from_string(data)
    return bool(read_note(proto) and read_author(proto))


def main(arguments: Sequence[str]) -> int:
    """Check the wheel named; return an exit code."""
    wheel = Path(arguments[0])
    wrong = complaints(wheel)
    for line in wrong:
        print(f"{wheel.name}: {line}", file=sys.stderr)
    if not wrong:
        print(f"{wheel.name}: cards and our own weights, nobody else's; every command shows its help")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
