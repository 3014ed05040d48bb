"""Finds the pictures to measure in folders, files and videos or among those held out by a training run; reads them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import vapoursynth as vs
from numpy.typing import NDArray

from vsanime.arrays import Bytes
from vsanime.errors import VsanimeError
from vsanime.media.videos import VIDEO_SUFFIXES, VideoReader
from vsanime.training.data.entries import titled
from vsanime.training.data.pictures import LUMA, files_in, find_sources, read_pixels
from vsanime.training.recipes.colorization import ColorRecipe
from vsanime.training.run.folder import RunFolder

# Sizes are cropped to a multiple of this: halves then have even sizes, as 4:2:0 needs.
MULTIPLE = 4
LEAST = 32  # smallest side in pixels: halves of 16 are the smallest that every method takes
_WHITE = 255


@dataclass(frozen=True)
class Place:
    """The location of a picture.

    Attributes:
        group: name of its source in the tables.
        name: path relative to the source, or a file's name.
        path: path of the file.
        frame: frame number in a video; None for a picture file.
    """

    group: str
    name: str
    path: Path
    frame: int | None = None

    def __str__(self) -> str:
        return titled(self.name, self.frame)


@dataclass(frozen=True)
class Skipped:
    """A file that could not be measured.

    Attributes:
        path: path of the file.
        reason: error message.
    """

    path: Path
    reason: str


def find(paths: Sequence[Path], every: int, limit: int | None) -> tuple[list[Place], list[Skipped]]:
    """Return the pictures in folders and files, with a group for each path.

    Args:
        paths: folders, which are searched recursively, and files.
        every: take every n-th frame of a video.
        limit: most pictures of a group, spread evenly over it; None for all.

    Returns:
        The pictures in the order of the paths and of names, and the videos that cannot be read.

    Raises:
        VsanimeError: a path does not exist.
    """
    found: list[Place] = []
    skipped: list[Skipped] = []
    groups = _group_names(paths)
    for path, group in zip(paths, groups, strict=True):
        if not path.exists():
            raise VsanimeError(f"--pictures {path}: there is no such file or folder")
        places: list[Place] = []
        # A file that the user names is read whatever its suffix.
        for file in [path] if path.is_file() else files_in(path):
            name = file.name if path.is_file() else file.relative_to(path).as_posix()
            try:
                places += _places(group, name, file, every)
            except VsanimeError as error:
                skipped.append(Skipped(file, str(error)))
        found += spread(places, limit)
    return found, skipped


def find_held_out(run: Path, roots: Sequence[Path], limit: int | None) -> list[Place]:
    """Return the pictures that a run of `vsanime train` held out, with a group for each of its sources.

    Args:
        run: folder of the run.
        roots: folders that hold the sources of its recipe.
        limit: most pictures of a group, spread evenly over it; None for all.

    Raises:
        VsanimeError: the folder holds no complete run, the run is of colorization, or a source is missing.
    """
    folder = RunFolder(run)
    if not folder.recipe.exists():
        raise VsanimeError(f"--run {run}: it holds no run of `vsanime train` (recipe.json)")
    recipe = folder.stored_recipe()
    if isinstance(recipe, ColorRecipe):
        raise VsanimeError(f"--run {run}: it learnt from shots, not from pictures; give a run of another recipe")
    if not folder.pictures.exists():
        raise VsanimeError(f"--run {run}: it holds no whole run of `vsanime train` (pictures.json is missing)")
    sources = recipe.sources
    places = find_sources(sources, roots)
    pictures = [picture for picture in folder.known_pictures() if picture.held_out]
    found: list[Place] = []
    for number, (source, place) in enumerate(zip(sources, places, strict=True)):
        group = Path(source.path).as_posix()
        own = [p for p in pictures if p.source == number]
        found += spread([Place(group, p.name, p.file(place), p.frame) for p in own], limit)
    return found


def spread(places: Sequence[Place], limit: int | None) -> list[Place]:
    """Return at most `limit` places at even distances; all if it is None."""
    if limit is None or len(places) <= limit:
        return list(places)
    return [places[i * len(places) // limit] for i in range(limit)]


def _group_names(paths: Sequence[Path]) -> list[str]:
    """Return the last part of each path, or the whole path if two last parts are equal."""
    names = [path.resolve().name for path in paths]
    return [name if names.count(name) == 1 else path.as_posix() for name, path in zip(names, paths, strict=True)]


def _places(group: str, name: str, path: Path, every: int) -> list[Place]:
    if path.suffix.lower() not in VIDEO_SUFFIXES:
        return [Place(group, name, path)]
    frames, _ = VideoReader(path).facts()
    return [Place(group, name, path, frame) for frame in range(0, frames, every)]


class Reader:
    """A reader of pictures that keeps the last video open."""

    def __init__(self) -> None:
        self._video: VideoReader | None = None

    def read(self, place: Place) -> Bytes:
        """Return 8-bit RGB: height, width, 3, cropped at the right and the bottom to multiples of `MULTIPLE`.

        Transparent pixels are blended with white.

        Raises:
            VsanimeError: the picture cannot be read, or is too small.
        """
        try:
            pixels = read_pixels(place.path) if place.frame is None else self._frame(place.path, place.frame)
        except (OSError, ValueError, vs.Error) as error:
            raise VsanimeError(f"cannot be read: {error}") from None
        height, width = (size // MULTIPLE * MULTIPLE for size in pixels.shape[:2])
        if min(height, width) < LEAST:
            raise VsanimeError(
                f"{pixels.shape[1]}x{pixels.shape[0]} is too small; {LEAST}x{LEAST} pixels are needed at least"
            )
        return _on_white(pixels[:height, :width])

    def _frame(self, path: Path, frame: int) -> Bytes:
        if self._video is None or self._video.path != path:
            self._video = VideoReader(path)
        return self._video.frame(frame)


def _on_white(pixels: Bytes) -> Bytes:
    if pixels.shape[2] == 3:
        return pixels
    alpha = pixels[..., 3:].astype(np.float32) / 255
    mixed: Bytes = np.rint(pixels[..., :3] * alpha + _WHITE * (1 - alpha)).astype(np.uint8)
    return mixed


def is_gray(picture: Bytes) -> bool:
    """Return whether R, G and B are equal everywhere."""
    return bool((picture == picture[..., :1]).all())


def luma(planes: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return BT.709 luma of full-range R'G'B'.

    Args:
        planes: R, G and B in [0, 1]: 3, height, width.
    """
    result: NDArray[np.float32] = np.tensordot(LUMA, planes, 1)
    return result
