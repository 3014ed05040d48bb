"""The example scripts run as they are, through vspipe, and give the frames they promise."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from functools import cache
from pathlib import Path

import pytest

from tests.support.weightfiles import third_party

ROOT = Path(__file__).parents[2]
EXAMPLES = ROOT / "examples"
FRAMES = 2

# Script, y4m header's words for format and size, bytes of a frame.
DOUBLED = ("C420p10", 1280, 720, 1280 * 720 * 3)
WITH_OWN_WEIGHTS = [
    ("double", *DOUBLED),
    ("to_1080p", "C420p10", 1920, 1080, 1920 * 1080 * 3),
    ("descale_gray", "C420p10", 640, 360, 640 * 360 * 3),
    ("chroma", "C444", 640, 360, 640 * 360 * 3),
    ("both", *DOUBLED),
    *((f"preview -o {output}", "C420", 1280, 720, 1280 * 720 * 3 // 2) for output in range(3)),
]
# Weights that the `dev` extra installs, so that these run wherever the tests do.
WITH_INSTALLED_WEIGHTS = [("waifu2x", *DOUBLED)]
WITHOUT_WEIGHTS = [("lines", "Cmono", 640, 360, 640 * 360), ("colorize", "C420", 640, 360, 640 * 360 * 3 // 2)]


@cache
def vspipe(script: Path, *arguments: str) -> bytes:
    """What vspipe writes, run as in the activated environment of the interpreter that runs the tests; once each."""
    folder = Path(sys.executable).parent
    variables = dict(os.environ, VIRTUAL_ENV=sys.prefix, PATH=os.pathsep.join([str(folder), os.environ["PATH"]]))
    program = shutil.which("vspipe", path=str(folder))
    assert program is not None
    command = [program, "-c", "y4m", "-e", str(FRAMES - 1), *arguments, str(script), "-"]
    done = subprocess.run(command, capture_output=True, env=variables, stdin=subprocess.DEVNULL, check=False)
    assert done.returncode == 0, done.stderr.decode(errors="replace")
    return done.stdout


def check_y4m(stream: bytes, colour: str, width: int, height: int, frame_bytes: int) -> None:
    header, _, body = stream.partition(b"\n")
    words = header.decode().split()
    assert words[0] == "YUV4MPEG2"
    assert {colour, f"W{width}", f"H{height}", "F24000:1001"} <= set(words)
    marker = b"FRAME\n"
    assert len(body) == FRAMES * (len(marker) + frame_bytes)
    for start in range(0, len(body), len(marker) + frame_bytes):
        assert body.startswith(marker, start)


@pytest.mark.parametrize(("name", "colour", "width", "height", "frame_bytes"), WITH_OWN_WEIGHTS)
def test_example_runs_on_the_packages_own_weights(
    name: str, colour: str, width: int, height: int, frame_bytes: int
) -> None:
    """As they are; a preview's outputs have to be of one size."""
    name, *arguments = name.split()
    check_y4m(vspipe(EXAMPLES / f"{name}.vpy", *arguments), colour, width, height, frame_bytes)


@pytest.mark.parametrize("model", third_party("C4F16"))
def test_another_model_is_taken_by_name(model: str) -> None:
    check_y4m(vspipe(EXAMPLES / "double.vpy", "-a", f"model={model}"), *DOUBLED)


@pytest.mark.parametrize(("name", "colour", "width", "height", "frame_bytes"), WITH_INSTALLED_WEIGHTS)
def test_example_runs_on_installed_weights(name: str, colour: str, width: int, height: int, frame_bytes: int) -> None:
    check_y4m(vspipe(EXAMPLES / f"{name}.vpy"), colour, width, height, frame_bytes)


@pytest.mark.parametrize(("name", "colour", "width", "height", "frame_bytes"), WITHOUT_WEIGHTS)
def test_example_runs_without_weights(name: str, colour: str, width: int, height: int, frame_bytes: int) -> None:
    check_y4m(vspipe(EXAMPLES / f"{name}.vpy"), colour, width, height, frame_bytes)


def test_lines_may_be_bolder_and_are_shown_beside_the_clip() -> None:
    assert vspipe(EXAMPLES / "lines.vpy", "-a", "sigma=2") != vspipe(EXAMPLES / "lines.vpy")
    check_y4m(vspipe(EXAMPLES / "lines.vpy", "-o", "1"), "C420", 1280, 360, 1280 * 360 * 3 // 2)


def test_arguments_reach_the_waifu2x_example() -> None:
    """Another noise level, given as vspipe gives arguments, as text, makes another picture."""
    assert vspipe(EXAMPLES / "waifu2x.vpy", "-a", "noise=3") != vspipe(EXAMPLES / "waifu2x.vpy")


def test_source_may_be_any_path(tmp_path: Path) -> None:
    folder = tmp_path / "a folder's \u00e9t\u00e9"
    folder.mkdir()
    shutil.copy(EXAMPLES / "clip.mp4", folder / "my video.mp4")
    stream = vspipe(EXAMPLES / "double.vpy", "-a", f"source={folder / 'my video.mp4'}", "-a", "model=C4F16_VA")
    check_y4m(stream, *DOUBLED)


def test_every_example_is_tested() -> None:
    assert {path.stem for path in EXAMPLES.glob("*.vpy")} == {
        name.split()[0] for name, *_ in [*WITH_OWN_WEIGHTS, *WITH_INSTALLED_WEIGHTS, *WITHOUT_WEIGHTS]
    }
