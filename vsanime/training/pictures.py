"""The pictures of a run: found in folders and videos, checked once, split for good, read lazily and kept in bounds."""

from __future__ import annotations

import hashlib
import re
from collections import OrderedDict
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vsanime.errors import VsanimeError
from vsanime.pictures import open_picture
from vsanime.training import split
from vsanime.training.recipe import PictureRecipe, Source
from vsanime.training.videos import VIDEO_SUFFIXES, VideoReader

type Bytes = NDArray[np.uint8]

PICTURE_SUFFIXES = (".png", ".jpg", ".jpeg", ".webp", ".bmp", ".tif", ".tiff")
_CHECKED_AT_A_TIME = 4  # decoding leaves the interpreter free for others
_VIDEOS_OPEN = 16  # each keeps a decoder's frames
_DIGITS = re.compile(r"\d+")
# BT.709, of R'G'B' in full range.
LUMA = np.array([0.2126, 0.7152, 0.0722], np.float32)


@dataclass(frozen=True)
class Picture:
    """One picture, or one frame of a video.

    Attributes:
        source: number of its source in the recipe.
        name: path below the source's folder, with `/`; the file's name where the source is a file.
        frame: of a video; None for a picture.
        held_out: whether it is for validation only.
    """

    source: int
    name: str
    frame: int | None
    held_out: bool

    def __str__(self) -> str:
        return titled(self.name, self.frame)

    def file(self, place: Path) -> Path:
        """The file, where its source is at that place."""
        return place if place.is_file() else place / self.name


def titled(name: str, frame: int | None) -> str:
    """What messages and tables call a picture, or a frame of a video."""
    return name if frame is None else f"{name}, frame {frame}"


@dataclass(frozen=True)
class Skipped:
    """A file that cannot be used.

    Attributes:
        path: the file.
        reason: why not.
    """

    path: str
    reason: str


def find_sources(sources: Sequence[Source], roots: Sequence[Path]) -> list[Path]:
    """The place of every source, below the first root that has it.

    Raises:
        VsanimeError: a source is nowhere.
    """
    return [find_place(source.path, roots) for source in sources]


def find_place(path: str, roots: Sequence[Path]) -> Path:
    """A file or folder that a recipe names, below the first root that has it.

    Raises:
        VsanimeError: it is nowhere.
    """
    found = next((root / path for root in roots if (root / path).exists()), None)
    if found is None:
        looked = ", ".join(str(root) for root in roots) or "no folder; give one with --data"
        raise VsanimeError(f"the source {path!r} of the recipe was not found; looked in {looked}")
    return found


@dataclass(frozen=True)
class _Found:
    """What the survey learns of one picture or frame.

    Attributes:
        frame: of a video; None for a picture.
        size: width and height in pixels.
        digest: of the pixels; of a video's file and the frame's number.
        thumbnail: for the split; None for a frame.
    """

    frame: int | None
    size: tuple[int, int]
    digest: str
    thumbnail: NDArray[np.float32] | None


def survey(
    places: Sequence[Path], recipe: PictureRecipe, tell: Callable[[str], None]
) -> tuple[list[Picture], list[Skipped]]:
    """Open every picture once, say which of them can be used, and hold some of them out.

    Args:
        places: of the sources, as `find_sources` gives them.
        recipe: the sources, the smallest sizes, and the share that is held out.
        tell: told how far it is, and which sources hold nothing out.

    Returns:
        The pictures in the order of the sources and of names, each once, and what had to be skipped.

    Raises:
        VsanimeError: a source has no picture that can be used, or there are too few altogether.
    """
    pictures: list[Picture] = []
    candidates: list[split.Candidate] = []
    skipped: list[Skipped] = []
    seen: dict[str, str] = {}
    for number, (place, source) in enumerate(zip(places, recipe.sources, strict=True)):
        used = 0
        for path, found in _look_through(place, source, recipe.data.patch, tell):
            if isinstance(found, str):
                skipped.append(Skipped(str(path), found))
                continue
            name = path.name if place.is_file() else path.relative_to(place).as_posix()
            if found[0].digest in seen:
                skipped.append(Skipped(str(path), f"the same picture as {seen[found[0].digest]}"))
                continue
            seen[found[0].digest] = str(path)
            used += len(found)
            for one in found:
                pictures.append(Picture(number, name, one.frame, held_out=False))
                fits = min(one.size) >= recipe.validation.patch
                stem = _DIGITS.sub("", name)
                candidates.append(split.Candidate(number, stem, one.digest, one.thumbnail, fits))
        if not used:
            why = f"; {skipped[-1].path}: {skipped[-1].reason}" if skipped else ""
            raise VsanimeError(f"the source {source.path!r} holds no picture that can be used{why}")
    held_out = split.held_out(candidates, recipe.data.held_out)
    pictures = [replace(p, held_out=held) for p, held in zip(pictures, held_out, strict=True)]
    _check_number(pictures, recipe)
    for number, source in enumerate(recipe.sources):
        if not any(p.held_out for p in pictures if p.source == number):
            tell(f"{source.path}: nothing is held out for validation: {_why_none(recipe)}")
    return pictures, skipped


def _look_through(
    place: Path, source: Source, least: int, tell: Callable[[str], None]
) -> Iterator[tuple[Path, list[_Found] | str]]:
    """Every file of a source, with what is in it."""
    paths = files_in(place)
    tell(f"{source.path}: {len(paths)} files")
    with ThreadPoolExecutor(_CHECKED_AT_A_TIME) as pool:
        yield from zip(paths, pool.map(lambda path: _check(path, source, least), paths), strict=True)


def _why_none(recipe: PictureRecipe) -> str:
    return (
        f"its pictures look alike, differ in digits of their names only, or are smaller than {recipe.validation.patch} "
        "pixels (validation.patch)"
    )


def _check_number(pictures: Sequence[Picture], recipe: PictureRecipe) -> None:
    held_out = sum(picture.held_out for picture in pictures)
    data = recipe.data
    if len(pictures) < data.least or held_out == len(pictures):
        raise VsanimeError(f"{len(pictures)} pictures, {held_out} of them held out; {data.least} are needed at least")
    if not held_out:
        raise VsanimeError(
            f"none of {len(pictures)} pictures is held out for validation: {_why_none(recipe)}; raise data.held_out "
            f"({data.held_out:g}) or add pictures"
        )


def files_in(place: Path) -> list[Path]:
    """Pictures and videos of a folder, or a file if it is one, in the order of their names on every system."""
    suffixes = (*PICTURE_SUFFIXES, *VIDEO_SUFFIXES)
    found = [place] if place.is_file() else [p for p in place.rglob("*") if p.is_file()]
    return sorted((p for p in found if p.suffix.lower() in suffixes), key=lambda p: p.as_posix())


def _check(path: Path, source: Source, least: int) -> list[_Found] | str:
    """The frames that can be used, or why there are none."""
    try:
        if path.suffix.lower() in VIDEO_SUFFIXES:
            found = _check_video(path, source.every)
        else:
            pixels = read_pixels(path)
            digest = hashlib.sha256(repr(pixels.shape).encode() + pixels.tobytes()).hexdigest()
            found = [_Found(None, (pixels.shape[1], pixels.shape[0]), digest, split.thumbnail(pixels))]
    except VsanimeError as error:
        return str(error)
    except OSError as error:
        return f"cannot be read: {error}"
    width, height = found[0].size
    if min(width, height) < least:
        return f"{width}x{height} is smaller than the {least} pixels of a patch"
    return found


def _check_video(path: Path, every: int) -> list[_Found]:
    frames, size = VideoReader(path).facts()
    with path.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    return [_Found(frame, size, f"{digest}-{frame}", None) for frame in range(0, frames, every)]


class Library:
    """Reads pictures as they are wanted, and keeps the last ones decoded.

    Args:
        places: of the sources.
        gray: keep luma only.
        cache: megabytes of decoded pictures to keep.
    """

    def __init__(self, places: Sequence[Path], *, gray: bool, cache: int) -> None:
        self._places = list(places)
        self._gray = gray
        self._most = cache << 20
        self._held: OrderedDict[tuple[int, str, int | None], Bytes] = OrderedDict()
        self._size = 0
        self._videos: OrderedDict[Path, VideoReader] = OrderedDict()

    def read(self, picture: Picture) -> Bytes:
        """One picture.

        Returns:
            Height, width, channels: luma or RGB, and alpha as the last channel where something is transparent.

        Raises:
            VsanimeError: it cannot be read any more.
        """
        key = (picture.source, picture.name, picture.frame)
        if key in self._held:
            self._held.move_to_end(key)
            return self._held[key]
        array = self._decode(picture)
        self._held[key] = array
        self._size += array.nbytes
        while self._size > self._most and len(self._held) > 1:
            self._size -= self._held.popitem(last=False)[1].nbytes
        return array

    def _decode(self, picture: Picture) -> Bytes:
        path = picture.file(self._places[picture.source])
        try:
            pixels = self._frame(path, picture.frame) if picture.frame is not None else read_pixels(path)
        except (OSError, VsanimeError) as error:
            raise VsanimeError(f"{path} could be read when the run began and cannot now: {error}") from None
        return to_luma(pixels) if self._gray else pixels

    def _frame(self, path: Path, frame: int) -> Bytes:
        if path not in self._videos:  # opening one reads all of it
            self._videos[path] = VideoReader(path)
        self._videos.move_to_end(path)
        if len(self._videos) > _VIDEOS_OPEN:
            self._videos.popitem(last=False)
        return self._videos[path].frame(frame)


# What Pillow turns into R, G, B and alpha without losing anything but precision.
_PLAIN_MODES = ("1", "L", "LA", "La", "P", "PA", "RGB", "RGBA", "RGBa", "RGBX", "CMYK", "YCbCr", "HSV")


def read_pixels(path: Path) -> Bytes:
    """A picture's R, G and B, and alpha where something in it is transparent: height, width, 3 or 4.

    Raises:
        VsanimeError: it cannot be read, or its values cannot be told to be black or white.
    """
    with open_picture(path) as picture:
        # Pillow clips what is beyond 8 bits instead of scaling it. PNG of older versions is "I" with 16 bits.
        if picture.mode.startswith("I;16") or (picture.mode == "I" and picture.format == "PNG"):
            gray = np.rint(np.asarray(picture).astype(np.float32) * (255 / 65535)).astype(np.uint8)
            return np.repeat(gray[..., None], 3, -1)
        if picture.mode not in _PLAIN_MODES:
            raise VsanimeError(
                f"its pixels are of the kind {picture.mode!r}, whose white is not known; "
                "save it as gray or RGB with 8 or 16 bits"
            )
        rgba = np.asarray(picture.convert("RGBA"))
    return rgba if rgba[..., 3].min() < 255 else np.ascontiguousarray(rgba[..., :3])


def to_luma(pixels: Bytes) -> Bytes:
    """Luma instead of R, G and B; alpha stays: height, width, 1 or 2."""
    luma = np.rint(pixels[..., :3].astype(np.float32) @ LUMA).astype(np.uint8)
    return np.stack([luma, pixels[..., 3]], -1) if pixels.shape[2] == 4 else luma[..., None]


def as_record(picture: Picture) -> dict[str, Any]:
    """A picture for a JSON."""
    return dict(vars(picture))
