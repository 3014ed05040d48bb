"""Writes folders of pictures of a style, of the same with blurred edges, and in gray, paired by name."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image

from vsanime import files
from vsanime.arrays import Bytes
from vsanime.errors import VsanimeError
from vsanime.media.videos import VIDEO_SUFFIXES, VideoReader
from vsanime.training.data.entries import Skipped
from vsanime.training.data.pictures import files_in, read_pixels
from vsanime.training.data.shortage import Unusable, describe
from vsanime.training.style.edges import smooth_edges

_FOLDERS = ("style", "smooth", "gray")


@dataclass(frozen=True)
class Prepared:
    """The result of preparing a style.

    Attributes:
        written: number of pictures in each folder.
        skipped: files that cannot be used.
    """

    written: int
    skipped: list[Skipped]


def prepare(frames: Path, out: Path, *, size: int, every: int) -> Prepared:
    """Write the folders `style`, `smooth` and `gray`.

    Args:
        frames: folder of pictures and videos, or one of these.
        out: folder in which the three are made.
        size: short side in pixels; 0 to keep the size of pictures.
        every: interval in frames at which pictures are taken from videos.

    Raises:
        VsanimeError: there is no picture that can be used, `out` is not empty, or a file cannot be written.
    """
    if not frames.exists():
        raise VsanimeError(f"{frames} is not there; a folder, a picture or a video is needed")
    files.check_name(out)
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise VsanimeError(f"{out} is there and not empty; give another folder")
    skipped: list[Skipped] = []
    written = 0
    used: set[str] = set()
    try:
        for name, pixels in _pictures(frames, every, skipped):
            _write(out, _unused(name, used), _resize(pixels, size))
            written += 1
    except OSError as error:
        raise VsanimeError(f"{out} cannot be written: {error.strerror or error}") from None
    if not written:
        why = describe([Unusable(Path(file.path), file.reason) for file in skipped], "")
        raise VsanimeError(f"{frames} holds no picture that can be used: {why}")
    return Prepared(written, skipped)


def _pictures(frames: Path, every: int, skipped: list[Skipped]) -> Iterator[tuple[str, Bytes]]:
    """Yield names without suffixes, and RGB pixels of shape (height, width, 3); add unusable files to `skipped`."""
    for path in files_in(frames):
        name = path.stem if path == frames else path.relative_to(frames).with_suffix("").as_posix().replace("/", "-")
        try:
            if path.suffix.lower() in VIDEO_SUFFIXES:
                reader = VideoReader(path)
                for number in range(0, reader.facts()[0], every):
                    yield f"{name}-{number:06d}", reader.frame(number)
                continue
            pixels = read_pixels(path)
        except (OSError, VsanimeError) as error:
            skipped.append(Skipped(str(path), str(error)))
            continue
        if pixels.shape[2] == 4:
            skipped.append(
                Skipped(str(path), "it is transparent in part; training puts such pictures on others itself")
            )
            continue
        yield name, pixels


def _unused(name: str, used: set[str]) -> str:
    """Return the name, with a number if it is in use, since names of pictures may differ in their suffixes only."""
    number, found = 2, name
    while found.lower() in used:  # on some systems, `a` and `A` are the same file
        found, number = f"{name}-{number}", number + 1
    used.add(found.lower())
    return found


def _resize(pixels: Bytes, size: int) -> Bytes:
    short = min(pixels.shape[:2])
    if not size or short == size:
        return pixels
    height, width = (max(size, round(n * size / short)) for n in pixels.shape[:2])
    resampling = Image.Resampling.BOX if size < short else Image.Resampling.BICUBIC
    return np.asarray(Image.fromarray(pixels).resize((width, height), resampling))


def _write(out: Path, name: str, pixels: Bytes) -> None:
    gray = np.asarray(Image.fromarray(pixels).convert("L").convert("RGB"))
    for folder, picture in zip(_FOLDERS, (pixels, smooth_edges(pixels), gray), strict=True):
        (out / folder).mkdir(parents=True, exist_ok=True)
        with files.stage(out / folder / f"{name}.png", flush=False) as staged:
            Image.fromarray(picture).save(staged)
