"""The pictures of a run: found in folders and videos, checked once, split for good, read lazily and kept in bounds."""

from __future__ import annotations

import hashlib
import re
from collections import OrderedDict
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from vsanime.errors import VsanimeError
from vsanime.training.recipe import Data, Source
from vsanime.training.videos import VIDEO_SUFFIXES, VideoReader

type Bytes = NDArray[np.uint8]

PICTURE_SUFFIXES = (".png", ".jpg", ".jpeg", ".webp", ".bmp", ".tif", ".tiff")
_CHECKED_AT_A_TIME = 4  # decoding leaves the interpreter free for others
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
        width: pixels.
        height: pixels.
        held_out: whether it is for validation only.
    """

    source: int
    name: str
    frame: int | None
    width: int
    height: int
    held_out: bool

    def __str__(self) -> str:
        return self.name if self.frame is None else f"{self.name}, frame {self.frame}"


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
    places = []
    for source in sources:
        found = next((root / source.path for root in roots if (root / source.path).exists()), None)
        if found is None:
            looked = ", ".join(str(root) for root in roots) or "no folder; give one with --data"
            raise VsanimeError(f"the source {source.path!r} of the recipe was not found; looked in {looked}")
        places.append(found)
    return places


def survey(
    places: Sequence[Path], sources: Sequence[Source], data: Data, tell: Callable[[str], None]
) -> tuple[list[Picture], list[Skipped]]:
    """Open every picture once, and say which of them can be used.

    Args:
        places: of the sources, as `find_sources` gives them.
        sources: of the recipe.
        data: the smallest size, and the share that is held out.
        tell: told how far it is.

    Returns:
        The pictures in an order that depends on names alone, and what had to be skipped.

    Raises:
        VsanimeError: a source has no picture that can be used, or there are too few altogether.
    """
    pictures: list[Picture] = []
    skipped: list[Skipped] = []
    for number, (place, source) in enumerate(zip(places, sources, strict=True)):
        paths = list(_files(place))
        found: list[Picture] = []
        tell(f"{source.path}: {len(paths)} files")
        with ThreadPoolExecutor(_CHECKED_AT_A_TIME) as pool:
            for path, sizes in zip(paths, pool.map(lambda p, s=source: _check(p, s, data.patch), paths), strict=True):
                if isinstance(sizes, str):
                    skipped.append(Skipped(str(path), sizes))
                    continue
                name = path.name if place.is_file() else path.relative_to(place).as_posix()
                found += [Picture(number, name, frame, *size, held_out=False) for frame, size in sizes]
        if not found:
            why = f"; {skipped[-1].path}: {skipped[-1].reason}" if skipped else ""
            raise VsanimeError(f"the source {source.path!r} holds no picture that can be used{why}")
        held_out = held_out_names([p.name for p in found], source.path, data.held_out)
        pictures += [replace(p, held_out=p.name in held_out) for p in found]
    _check_number(pictures, data)
    return pictures, skipped


def held_out_names(names: Iterable[str], source: str, share: float) -> set[str]:
    """The pictures of a source that are for validation.

    Names stand in a line whose order is a hash of each, so that others that come or go move few. Digits do not count:
    frames of one animation look alike and belong on one side. The first are held out until the share is reached.

    Args:
        names: of the pictures.
        source: the source's path.
        share: of the pictures that is held out, roughly; at least one of several that differ, at most half.
    """
    groups: dict[str, set[str]] = {}
    for name in names:
        groups.setdefault(_DIGITS.sub("", name), set()).add(name)
    total = sum(map(len, groups.values()))
    held_out: set[str] = set()
    for _, group in sorted(groups.items(), key=lambda item: _draw(f"{source}/{item[0]}")):
        room = total / 2 if not held_out else max(1.0, share * total)
        if len(held_out) + len(group) <= room:
            held_out |= group
    return held_out


def _draw(text: str) -> float:
    """A number in [0, 1) that follows from a text."""
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "big") / 2**64


def _check_number(pictures: Sequence[Picture], data: Data) -> None:
    held_out = sum(picture.held_out for picture in pictures)
    if len(pictures) < data.least or held_out == len(pictures):
        raise VsanimeError(f"{len(pictures)} pictures, {held_out} of them held out; {data.least} are needed at least")
    if not held_out:
        raise VsanimeError(
            f"none of {len(pictures)} pictures is held out for validation; raise data.held_out ({data.held_out:g}) "
            "or add pictures whose names differ in more than digits"
        )


def _files(place: Path) -> Iterator[Path]:
    """Pictures and videos of a source, in the order of their names on every system."""
    suffixes = (*PICTURE_SUFFIXES, *VIDEO_SUFFIXES)
    found = [place] if place.is_file() else [p for p in place.rglob("*") if p.is_file()]
    yield from sorted((p for p in found if p.suffix.lower() in suffixes), key=lambda p: p.as_posix())


type _Sizes = list[tuple[int | None, tuple[int, int]]]


def _check(path: Path, source: Source, least: int) -> _Sizes | str:
    """Frames with width and height, or why there are none."""
    try:
        if path.suffix.lower() in VIDEO_SUFFIXES:
            frames, size = VideoReader(path).facts()
            sizes: _Sizes = [(frame, size) for frame in range(0, frames, source.every)]
        else:
            with Image.open(path) as picture:
                picture.load()
                size = picture.size
            sizes = [(None, size)]
    except VsanimeError as error:
        return str(error)
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError) as error:
        return f"cannot be read: {error}"
    if min(size) < least:
        return f"{size[0]}x{size[1]} is smaller than the {least} pixels of a patch"
    return sizes


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
        self._video: VideoReader | None = None

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
        place = self._places[picture.source]
        path = place if place.is_file() else place / picture.name
        try:
            pixels = self._frame(path, picture.frame) if picture.frame is not None else read_pixels(path)
        except (OSError, ValueError, SyntaxError) as error:
            raise VsanimeError(f"{path} could be read when the run began and cannot now: {error}") from None
        return to_luma(pixels) if self._gray else pixels

    def _frame(self, path: Path, frame: int) -> Bytes:
        if self._video is None or self._video.path != path:
            self._video = VideoReader(path)
        return self._video.frame(frame)


def read_pixels(path: Path) -> Bytes:
    """A picture's R, G and B, and alpha where something in it is transparent: height, width, 3 or 4."""
    with Image.open(path) as picture:
        rgba = np.asarray(picture.convert("RGBA"))
    return rgba if rgba[..., 3].min() < 255 else np.ascontiguousarray(rgba[..., :3])


def to_luma(pixels: Bytes) -> Bytes:
    """Luma instead of R, G and B; alpha stays: height, width, 1 or 2."""
    luma = np.rint(pixels[..., :3].astype(np.float32) @ LUMA).astype(np.uint8)
    return np.stack([luma, pixels[..., 3]], -1) if pixels.shape[2] == 4 else luma[..., None]


def as_record(picture: Picture) -> dict[str, Any]:
    """A picture for a JSON."""
    return dict(vars(picture))
