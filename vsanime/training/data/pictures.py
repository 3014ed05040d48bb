"""Finds the pictures of a run in folders and videos, checks them, holds some out, and reads them with a cache."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from operator import attrgetter
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from vsanime.arrays import Bytes
from vsanime.errors import VsanimeError
from vsanime.media.pictures import open_picture
from vsanime.media.videos import VIDEO_SUFFIXES, VideoReader
from vsanime.training.data import shortage, split
from vsanime.training.data.entries import Picture, Skipped
from vsanime.training.data.kept import Kept
from vsanime.training.data.names import Frame, find_frames
from vsanime.training.data.shortage import Unusable
from vsanime.training.recipes.base import Source
from vsanime.training.recipes.reader import PictureRecipe

PICTURE_SUFFIXES = (".png", ".jpg", ".jpeg", ".webp", ".bmp", ".tif", ".tiff")
_CHECKED_AT_A_TIME = 4  # threads; decoding releases the interpreter lock
_VIDEOS_OPEN = 16  # each holds the frames of its decoder in memory
# Weights of BT.709 luma, for R'G'B' in full range.
LUMA = np.array([0.2126, 0.7152, 0.0722], np.float32)


def find_sources(sources: Sequence[Source], roots: Sequence[Path]) -> list[Path]:
    """Return the file or folder of every source, below the first root that has it.

    Raises:
        VsanimeError: no root has a source.
    """
    return [find_place(source.path, roots) for source in sources]


def find_place(path: str, roots: Sequence[Path]) -> Path:
    """Return the file or folder that a recipe names, below the first root that has it.

    Raises:
        VsanimeError: no root has it.
    """
    found = next((root / path for root in roots if (root / path).exists()), None)
    if found is None:
        looked = ", ".join(str(root) for root in roots) or "no folder; give one with --data"
        raise VsanimeError(f"the source {path!r} of the recipe was not found; looked in {looked}")
    return found


@dataclass(frozen=True)
class _Found:
    """The facts that the survey finds about one picture or frame.

    Attributes:
        frame: index of the frame in a video; None for a picture.
        size: width and height in pixels.
        digest: digest of the pixels; for a video, that of its file with the frame's number.
        thumbnail: thumbnail for the split; None for a frame.
    """

    frame: int | None
    size: tuple[int, int]
    digest: str
    thumbnail: NDArray[np.float32] | None


def survey(
    places: Sequence[Path], recipe: PictureRecipe, tell: Callable[[str], None]
) -> tuple[list[Picture], list[Skipped]]:
    """Open every picture once, find those that can be used, and hold some of them out.

    Args:
        places: file or folder of each source, from `find_sources`.
        recipe: recipe with the sources, the smallest sizes, and the fraction that is held out.
        tell: receives lines about progress, and about sources with nothing held out.

    Returns:
        The pictures in the order of the sources and of names, without duplicates, and the skipped files.

    Raises:
        VsanimeError: a source has no picture that can be used, there are too few in total, or none can be held out.
    """
    pictures: list[Picture] = []
    candidates: list[split.Candidate] = []
    skipped: list[Skipped] = []
    seen: dict[str, str] = {}
    for number, (place, source) in enumerate(zip(places, recipe.sources, strict=True)):
        used: list[tuple[str, _Found]] = []
        unusable: list[Unusable] = []
        for path, found in _look_through(place, source, recipe.data.patch, tell):
            if not isinstance(found, Unusable) and found[0].digest in seen:
                found = Unusable(path, f"the same picture as {seen[found[0].digest]}", repeated=True)
            if isinstance(found, Unusable):
                unusable.append(found)
                skipped.append(Skipped(str(path), found.reason))
                continue
            seen[found[0].digest] = str(path)
            name = path.name if place.is_file() else path.relative_to(place).as_posix()
            used += [(name, one) for one in found]
        if not used:
            raise VsanimeError(shortage.explain_unusable(source, unusable, recipe))
        pictures += [Picture(number, name, one.frame, held_out=False) for name, one in used]
        candidates += _to_candidates(number, used)
    return _hold_out(pictures, candidates, recipe, tell), skipped


def _to_candidates(source: int, used: Sequence[tuple[str, _Found]]) -> list[split.Candidate]:
    """Return the candidates for the split from the names and facts of one source's pictures."""
    frames = find_frames([name for name, found in used if found.frame is None])
    candidates = []
    for name, found in used:
        frame = frames.get(name) if found.frame is None else Frame(name, found.frame)
        sequence, number = (frame.sequence, frame.number) if frame else (None, 0)
        candidates.append(
            split.Candidate(source, sequence, number, found.digest, found.thumbnail, side=min(found.size))
        )
    return candidates


def _hold_out(
    pictures: Sequence[Picture],
    candidates: Sequence[split.Candidate],
    recipe: PictureRecipe,
    tell: Callable[[str], None],
) -> list[Picture]:
    """Return the pictures to train on and those held out, without those too near to a held-out part of a film.

    Raises:
        VsanimeError: there are too few, or none of a kind can be held out; the message advises a change.
    """
    groups = split.find_groups(candidates)
    kinds = recipe.kinds
    uses = split.assign(candidates, groups, recipe.data.held_out, kinds.values(), recipe.validation.patch)
    if len(pictures) < recipe.data.least:
        raise VsanimeError(shortage.explain_too_few(pictures, (uses or []).count(split.Use.HELD_OUT), recipe))
    if uses is None:
        raise VsanimeError(shortage.explain_split(pictures, candidates, groups, recipe))
    for number, source in enumerate(recipe.sources):
        own = [use for use, picture in zip(uses, pictures, strict=True) if picture.source == number]
        held, gap = own.count(split.Use.HELD_OUT), own.count(split.Use.GAP)
        if not held:
            tell(
                f"{source.path}: nothing is held out for validation: its pictures look alike, are numbered as frames "
                f"of one animation, are too many to be spared, or are smaller than {recipe.validation.patch} pixels "
                "(validation.patch)"
            )
        elif gap:
            tell(
                f"{source.path}: of one film, {held} of {len(own)} pictures in a row are held out for validation; "
                f"{gap} beside them or like them are left out"
            )
        elif held > max(1, round(2 * recipe.data.held_out * len(own))):
            tell(
                f"{source.path}: {held} of {len(own)} pictures are held out for validation, since they belong together"
            )
    return [
        replace(picture, held_out=use is split.Use.HELD_OUT)
        for picture, use in zip(pictures, uses, strict=True)
        if use is not split.Use.GAP
    ]


def _look_through(
    place: Path, source: Source, least: int, tell: Callable[[str], None]
) -> Iterator[tuple[Path, list[_Found] | Unusable]]:
    """Yield every file of a source, with its pictures or the reason why it cannot be used."""
    paths = files_in(place)
    tell(f"{source.path}: {len(paths)} files")
    with ThreadPoolExecutor(_CHECKED_AT_A_TIME) as pool:
        yield from zip(paths, pool.map(lambda path: _check(path, source, least), paths), strict=True)


def files_in(place: Path) -> list[Path]:
    """Return the pictures and videos below a folder, or the file itself, in the same order of paths on every system."""
    suffixes = (*PICTURE_SUFFIXES, *VIDEO_SUFFIXES)
    found = [place] if place.is_file() else [p for p in place.rglob("*") if p.is_file()]
    return sorted((p for p in found if p.suffix.lower() in suffixes), key=lambda p: p.as_posix())


def _check(path: Path, source: Source, least: int) -> list[_Found] | Unusable:
    """Return the picture or frames of a file that can be used, or why there are none."""
    try:
        if path.suffix.lower() in VIDEO_SUFFIXES:
            found = _check_video(path, source.every)
        else:
            pixels = read_pixels(path)
            digest = hashlib.sha256(repr(pixels.shape).encode() + pixels.tobytes()).hexdigest()
            found = [_Found(None, (pixels.shape[1], pixels.shape[0]), digest, split.thumbnail(pixels))]
    except VsanimeError as error:
        return Unusable(path, str(error))
    except OSError as error:
        return Unusable(path, f"cannot be read: {error}")
    width, height = found[0].size
    if min(width, height) < least:
        reason = f"{width}x{height} is smaller than the {least} pixels of a patch"
        return Unusable(path, reason, size=(width, height))
    return found


def _check_video(path: Path, every: int) -> list[_Found]:
    frames, size = VideoReader(path).facts()
    with path.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    return [_Found(frame, size, f"{digest}-{frame}", None) for frame in range(0, frames, every)]


class Library:
    """Reads pictures on demand, and caches the last decoded ones.

    Args:
        places: file or folder of each source.
        gray: convert pictures to luma.
        cache: megabytes of decoded pictures to keep.
    """

    def __init__(self, places: Sequence[Path], *, gray: bool, cache: int) -> None:
        self._places = list(places)
        self._gray = gray
        self._pixels: Kept[Picture, Bytes] = Kept(cache << 20, attrgetter("nbytes"))
        self._videos: Kept[Path, VideoReader] = Kept(_VIDEOS_OPEN)

    def read(self, picture: Picture) -> Bytes:
        """Read a picture.

        Returns:
            Luma or RGB, shape (height, width, channels), with alpha as the last channel if anything is transparent.

        Raises:
            VsanimeError: the picture cannot be read any more.
        """
        return self._pixels.get(picture, lambda: self._decode(picture))

    def _decode(self, picture: Picture) -> Bytes:
        path = picture.file(self._places[picture.source])
        try:
            pixels = self._open(path).frame(picture.frame) if picture.frame is not None else read_pixels(path)
        except (OSError, VsanimeError) as error:
            raise VsanimeError(f"{path} could be read when the run began and cannot now: {error}") from None
        return to_luma(pixels) if self._gray else pixels

    def _open(self, path: Path) -> VideoReader:
        """Return the reader of a video, from the cache if possible, since opening one reads the whole file."""
        return self._videos.get(path, lambda: VideoReader(path))


# Modes that Pillow converts to RGBA without losing more than precision.
_PLAIN_MODES = ("1", "L", "LA", "La", "P", "PA", "RGB", "RGBA", "RGBa", "RGBX", "CMYK", "YCbCr", "HSV")


def read_pixels(path: Path) -> Bytes:
    """Read a picture as RGB, with alpha if anything in it is transparent, shape (height, width, 3 or 4).

    Raises:
        VsanimeError: the picture cannot be read, or the value of white is not known for its mode.
    """
    with open_picture(path) as picture:
        # Pillow would clip 16 bits to 8 instead of scaling. Older versions open 16-bit PNG as "I".
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
    """Convert RGB to luma and keep alpha, shape (height, width, 1 or 2)."""
    luma = np.rint(pixels[..., :3].astype(np.float32) @ LUMA).astype(np.uint8)
    return np.stack([luma, pixels[..., 3]], -1) if pixels.shape[2] == 4 else luma[..., None]
