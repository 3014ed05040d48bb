"""Pictures are opened in one place, by formats that start no other program, whatever a file's content claims to be."""

from __future__ import annotations

import contextlib
import io
import os
import re
import struct
import sys
import zlib
from pathlib import Path

import numpy as np
import pytest
from PIL import EpsImagePlugin, Image

from tests.support.lineanimation import line_clip
from tests.training.helpers import drawings, recipe
from vsanime import colorize
from vsanime.bench.doubling.sources import Reader, find
from vsanime.cli import main
from vsanime.errors import VsanimeError
from vsanime.media.pictures import READ_FORMATS, open_picture
from vsanime.training.data.pictures import find_sources, survey
from vsanime.training.synthetic.drawings import find_drawings

ROOT = Path(__file__).parents[2]
POSTSCRIPT = b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 64 48\n%%EndComments\nshowpage\n%%EOF\n"
# What Pillow, or Ghostscript and netpbm by its hands, would look for.
PROGRAMS = ("gs", "gswin32c", "gswin64c", "ppmtogif", "ppmquant", "djpeg", "inkscape", "convert", "magick")


@pytest.fixture
def started(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return a file that lists the programs that were started since, of those that Pillow might start."""
    if sys.platform == "win32":
        pytest.skip("the stand-ins are shell scripts")
    programs, record = tmp_path / "programs", tmp_path / "started"
    programs.mkdir()
    for name in PROGRAMS:
        (programs / name).write_text(f'#!/bin/sh\necho "{name} $*" >> "{record}"\n[ "$1" = --version ]\n')
        (programs / name).chmod(0o755)
    monkeypatch.setenv("PATH", f"{programs}{os.pathsep}{os.environ['PATH']}")
    monkeypatch.setattr(EpsImagePlugin, "gs_binary", None)  # looked for once in a process
    with contextlib.suppress(Exception), Image.open(io.BytesIO(POSTSCRIPT)) as picture:
        picture.load()
    assert " -f" in record.read_text(), "the stand-in would not have been started"
    record.unlink()
    return record


@pytest.fixture
def claimed(tmp_path: Path) -> Path:
    """Return a folder with PostScript under the names of pictures."""
    folder = tmp_path / "pictures"
    folder.mkdir()
    for name in ("holiday.jpg", "holiday.png", "holiday.tif"):
        (folder / name).write_bytes(POSTSCRIPT)
    return folder


def test_a_picture_starts_no_program(
    started: Path, claimed: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["process", str(claimed / "holiday.jpg"), str(tmp_path / "out.png"), "--filter", "lineart"]) == 1
    *_, said = capsys.readouterr().err.splitlines()
    assert said == f"vsanime: INPUT {claimed / 'holiday.jpg'}: it is no picture, or of a kind that is not known"
    assert not started.exists()


def test_a_folder_starts_no_program(
    started: Path, claimed: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["process", str(claimed), str(tmp_path / "out"), "--filter", "lineart"]) == 1
    assert "none of 3 pictures can be done: it is no picture" in capsys.readouterr().err
    assert not started.exists()


def test_a_reference_starts_no_program(started: Path, claimed: Path) -> None:
    lines = line_clip([np.full((48, 64), 255, np.uint8)])
    with pytest.raises(Exception, match=r"colorize: .*holiday\.jpg: it is no picture"):
        colorize(lines, {0: claimed / "holiday.jpg"})
    assert not started.exists()


def test_bench_pictures_start_no_program(started: Path, claimed: Path) -> None:
    places, _ = find([claimed], 1, None)
    for place in places:
        with pytest.raises(VsanimeError, match="it is no picture"):
            Reader().read(place)
    assert len(places) == 3
    assert not started.exists()


def test_drawings_to_train_with_start_no_program(started: Path, claimed: Path) -> None:
    with pytest.raises(VsanimeError):
        find_drawings([claimed])
    assert not started.exists()


def test_training_pictures_start_no_program(started: Path, tmp_path: Path) -> None:
    root = drawings(tmp_path)
    (root / "drawings" / "holiday.jpg").write_bytes(POSTSCRIPT)
    _, skipped = survey(find_sources(recipe().sources, [root]), recipe(), lambda _: None)
    assert [Path(file.path).name for file in skipped] == ["holiday.jpg"]
    assert "it is no picture" in skipped[0].reason
    assert not started.exists()


def test_no_format_that_is_read_can_start_a_program() -> None:
    assert not set(READ_FORMATS) & {"EPS", "WMF", "PDF", "FITS", "IPTC", "GRIB", "BUFR", "HDF5", "MCIDAS", "MPEG"}


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "WEBP", "TIFF", "BMP", "GIF", "AVIF", "JPEG2000", "PPM", "TGA"])
def test_what_people_have_is_read(kind: str, tmp_path: Path) -> None:
    Image.init()
    if kind not in Image.SAVE:
        pytest.skip(f"this Pillow writes no {kind}")
    path = tmp_path / "whatever it is called.png"
    Image.new("RGB", (40, 30), "white").save(path, kind)
    with open_picture(path) as picture:
        assert (picture.format, picture.size) == (kind, (40, 30))
        assert picture.convert("RGB").getpixel((0, 0)) == (255, 255, 255)


def test_formats_that_this_pillow_lacks_are_left_out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    Image.init()
    monkeypatch.delitem(Image.OPEN, "AVIF", raising=False)
    (tmp_path / "text.png").write_text("no picture")
    with pytest.raises(VsanimeError, match="it is no picture"), open_picture(tmp_path / "text.png"):
        pass


def test_more_pixels_than_are_read_are_one_line(tmp_path: Path) -> None:
    head = struct.pack(">IIBBBBB", 40_000, 40_000, 8, 2, 0, 0, 0)
    chunks = [
        struct.pack(">I4s", len(data), name) + data + struct.pack(">I", zlib.crc32(name + data))
        for name, data in ((b"IHDR", head), (b"IDAT", b""), (b"IEND", b""))
    ]
    (tmp_path / "bomb.png").write_bytes(b"\x89PNG\r\n\x1a\n" + b"".join(chunks))
    with (
        pytest.raises(VsanimeError, match=r"^it cannot be read: .*1600000000 pixels"),
        open_picture(tmp_path / "bomb.png"),
    ):
        pass


@pytest.mark.parametrize("name", ["nothing.png", "folder.png", "a\0b.png"])
def test_what_cannot_be_opened_is_one_line(name: str, tmp_path: Path) -> None:
    (tmp_path / "folder.png").mkdir()
    with pytest.raises(VsanimeError, match=r"^it cannot be read: .+"), open_picture(tmp_path / name):
        pass


# Of Pillow, and of libraries that choose by a file's content themselves.
OPENERS = re.compile(
    r"\bImage\.open\b|\bfrom PIL\.Image import\b.*\bopen\b|\bimread\b|\bimdecode\b|\bImageFile\.Parser\b"
)


def test_no_other_module_opens_a_picture() -> None:
    folders = ("vsanime", "tools", "docs", "examples")
    found = {
        path.relative_to(ROOT).as_posix()
        for folder in folders
        for path in (ROOT / folder).rglob("*.py")
        if OPENERS.search(path.read_text(encoding="utf-8"))
    }
    assert found == {"vsanime/media/pictures.py"}
