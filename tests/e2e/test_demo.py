"""The two commands of a bare clone: the drawn clip, the demo itself, and the search for a Python."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import vapoursynth as vs
from PIL import Image

from tools import animation, demo, environment
from tools.encoding import encode_clip
from tools.pictures import Clip, luma_psnr, side_by_side, write_png

ROOT = Path(__file__).parents[2]
posix_only = pytest.mark.skipif(os.name == "nt", reason="sh and make are the POSIX way in; Windows has `py -m tools`")


@pytest.fixture
def output(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder in place of demo-output."""
    monkeypatch.setattr(demo, "OUTPUT", tmp_path)
    return tmp_path


def short_clip(path: Path) -> Path:
    encode_clip(animation.frames(count=6), animation.FRAME_RATE, path, crf=16)
    return path


def test_drawn_clip_is_what_a_real_source_is(tmp_path: Path) -> None:
    clip = Clip.open(short_clip(tmp_path / "clip.mp4"))
    assert clip.describe() == "640x360 YUV420P8, 6 frames"
    assert clip.node.fps == animation.FRAME_RATE
    props = clip.node.get_frame(0).props
    assert props["_Matrix"] == vs.MATRIX_BT709
    assert props["_Range"] == vs.RANGE_LIMITED
    assert props["_ChromaLocation"] == vs.CHROMA_LEFT
    sound = vs.core.bs.AudioSource(str(tmp_path / "clip.mp4"), cachemode=0, showprogress=0)
    assert sound.sample_rate == 48000
    assert sound.num_samples == pytest.approx(48000 * 6 * 1001 / 24000, abs=2048)


def test_bundled_clip_is_the_drawn_one() -> None:
    clip = Clip.open(ROOT / "examples" / "clip.mp4")
    assert clip.frames == animation.FRAMES
    for number in (0, animation.CUT - 1, animation.CUT, animation.FRAMES - 1):
        assert luma_psnr(clip.picture(number, 640, 360), animation.draw(number)) > 35


def test_animation_holds_frames_and_pans() -> None:
    pictures = [animation.draw(number) for number in (0, 1, 90, 95)]
    assert np.array_equal(pictures[2], pictures[3])
    assert not np.array_equal(pictures[0], pictures[1])
    # The path moves by three pixels a frame, clear of the girl.
    assert np.array_equal(pictures[0][285:, 403:], pictures[1][285:, 400:-3])


def test_animation_drawn_larger_is_the_same_picture() -> None:
    small, large = animation.draw(70, 360), animation.draw(70, 720).astype(np.float64)
    halved = large.reshape(360, 2, 640, 2, 3).mean(axis=(1, 3))
    assert luma_psnr(small, halved.astype(np.uint8)) > 35


@pytest.mark.long
def test_demo_doubles_the_drawn_clip_and_beats_bicubic(output: Path, capfd: pytest.CaptureFixture[str]) -> None:
    assert demo.main([]) == 0
    said = capfd.readouterr()
    result = Clip.open(output / "demo_2x.mkv")
    assert result.describe() == "1280x720 YUV420P10, 96 frames"
    assert str(output / "demo_2x.mkv") in said.out
    truth = animation.draw(demo.STILL, 720)
    source = Clip.open(output / "demo.mp4")
    gain = luma_psnr(result.picture(demo.STILL, 1280, 720), truth) - luma_psnr(
        source.picture(demo.STILL, 1280, 720), truth
    )
    assert gain > 1.0
    with Image.open(output / "demo_comparison.png") as picture:
        assert picture.size == (3 * demo.FACE[2] + 8, demo.FACE[3])


def test_demo_doubles_a_video_of_ones_own(output: Path) -> None:
    given = output / 'it\'s "my" vid\u00e9o.mp4' if os.name != "nt" else output / "it's my vid\u00e9o.mp4"
    short_clip(given)
    assert demo.main(["--input", str(given)]) == 0
    assert Clip.open(output / f"{given.stem}_2x.mkv").describe() == "1280x720 YUV420P10, 6 frames"
    assert (output / f"{given.stem}_comparison.png").is_file()


def test_demo_says_in_one_line_what_is_wrong(output: Path, capfd: pytest.CaptureFixture[str]) -> None:
    assert demo.main(["--input", str(output / "absent.mkv")]) == 1
    assert demo.main(["--input", str(short_clip(output / "clip.mp4")), "--model", "C4F999"]) != 0
    lines = capfd.readouterr().err.splitlines()
    assert any("absent.mkv" in line for line in lines)
    assert any("C4F999" in line for line in lines)
    assert not any("Traceback" in line for line in lines)
    assert not list(output.glob("*_2x.mkv"))


def test_png_is_read_as_it_was_written(tmp_path: Path) -> None:
    picture = np.random.default_rng(1).integers(0, 256, (5, 7, 3), np.uint8)
    write_png(tmp_path / "a.png", side_by_side([picture, picture]))
    with Image.open(tmp_path / "a.png") as image:
        assert np.array_equal(np.asarray(image)[:, 11:], picture)
        assert np.array_equal(np.asarray(image)[:, :7], picture)


@pytest.mark.parametrize(("arguments", "code"), [(["--help"], 0), ([], 2), (["dance"], 2)])
def test_usage_names_the_commands(arguments: list[str], code: int) -> None:
    command = [sys.executable, "-m", "tools", *arguments]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == code
    assert "tools demo" in done.stdout + done.stderr
    for name in environment.COMMANDS:
        assert f"tools {name}" in done.stdout + done.stderr


def test_lowest_and_newest_exclude_each_other(capfd: pytest.CaptureFixture[str]) -> None:
    assert environment.run(environment.COMMANDS["test"], ["--lowest", "--newest"]) == 2
    assert "exclude each other" in capfd.readouterr().err


def test_environment_is_made_once_and_a_copied_one_is_recognised(tmp_path: Path) -> None:
    made = environment.Environment(tmp_path / "a cl\u00f4ne" / ".venv")
    assert not made.works()
    assert made.make() == 0
    assert made.works()
    assert made.stands_where_it_was_made()
    shutil.copytree(made.folder, tmp_path / "copy" / ".venv", symlinks=True)
    assert not environment.Environment(tmp_path / "copy" / ".venv").stands_where_it_was_made()


def test_installation_is_repeated_when_the_settings_change(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(environment, "ROOT", tmp_path)
    settings = tmp_path / "pyproject.toml"
    settings.write_text("[project]\n")
    made = environment.Environment(tmp_path / ".venv")
    before = made.fingerprint()
    assert made.fingerprint() == before
    settings.write_text("[project]\n# changed\n")
    assert made.fingerprint() != before


def _script(path: Path, body: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f"#!/bin/sh\n{body}\n")
    path.chmod(0o755)


def _find_python(path: list[Path], home: Path) -> subprocess.CompletedProcess[str]:
    sh = shutil.which("sh")
    assert sh is not None
    variables = {"PATH": os.pathsep.join(map(str, path)), "HOME": str(home)}
    command = [sh, str(ROOT / "tools" / "python.sh"), "-c", "import sys; print(sys.prefix)"]
    return subprocess.run(command, env=variables, capture_output=True, text=True, check=False)


@posix_only
def test_search_passes_over_a_shim_that_fails(tmp_path: Path) -> None:
    _script(tmp_path / "shims" / "python3.14", "echo 'pyenv: python3.14: command not found' >&2; exit 127")
    _script(tmp_path / "shims" / "python3", "exit 127")
    found = _find_python([tmp_path / "shims", Path(sys.executable).parent], tmp_path)
    assert found.returncode == 0, found.stderr
    assert Path(found.stdout.strip()) == Path(sys.prefix)


@posix_only
def test_search_says_so_where_there_is_no_python(tmp_path: Path) -> None:
    found = _find_python([tmp_path / "empty"], tmp_path)
    assert found.returncode == 1
    assert "3.12, 3.13 or 3.14" in found.stderr


@posix_only
def test_make_passes_names_and_exit_codes_through(tmp_path: Path) -> None:
    make = shutil.which("make")
    if make is None:
        pytest.skip("no make here")
    _script(tmp_path / "python", '[ "$1" = -c ] && exit 0; printf "%s\\n" "$@"; exit 3')
    name = 'it\'s "my $HOME $(x) video".mkv'
    command = [make, "--no-print-directory", "demo", f"INPUT={name}", f"PYTHON={tmp_path / 'python'}"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.stdout.splitlines() == ["-m", "tools", "demo", "--input", name]
    assert done.returncode != 0
