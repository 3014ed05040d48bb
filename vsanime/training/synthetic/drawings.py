"""Finds drawings for synthetic shots: groups the files of animation cycles, and tells figures from backdrops."""

from __future__ import annotations

import re
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from operator import attrgetter
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from vsanime.arrays import Bytes
from vsanime.errors import VsanimeError
from vsanime.training.data.kept import Kept
from vsanime.training.data.material import refuse_evaluation
from vsanime.training.data.names import find_numbered_folders, has_word, normalize
from vsanime.training.data.pictures import PICTURE_SUFFIXES, read_pixels
from vsanime.training.data.shortage import Unusable, describe
from vsanime.training.data.split import thumbnail

type Box = tuple[int, int, int, int]

_LONGEST = 640  # longest side of a decoded drawing in pixels
_LEAST = 48  # shortest side of a usable drawing in pixels; smaller ones are ornaments
_PAPER = 246  # smallest code of all channels of white paper
_PAPER_SHARE = 0.6  # smallest fraction of paper in the border of a drawing on paper
_OPAQUE = 0.02  # smallest fraction of opaque pixels of a usable drawing
# Names of drawings of a cycle, such as `run_01`, `head-0_2s`, `0007`.
_NUMBERED = re.compile(r"^(.*_)?(\d+)[a-z]?$", re.IGNORECASE)
_CHECKED_AT_A_TIME = 4
# Consecutive drawings may be of one cycle if the correlation of their thumbnails is above this: running figures have
# 0.8 to 0.93; of 300 different drawings, one pair in a hundred is above it.
_MOVED = 0.6


@dataclass(frozen=True)
class Drawing:
    """One figure or one backdrop.

    Attributes:
        files: drawings of its cycle in order; a single one without a cycle.
        backdrop: whether it fills the frame instead of being cut out.
        box: used region of every file: left, top, right, bottom in pixels. It is the same for a whole cycle, because
            the figure moves within one canvas.
    """

    files: tuple[Path, ...]
    backdrop: bool
    box: Box


def find_drawings(places: Sequence[Path]) -> list[Drawing]:
    """Return every drawing below some folders, in the same order of paths on every system.

    Files of a folder that are transparent, of equal size, and named alike up to a number are the cycle of one figure.
    If names have no specific word beside the number (`0001`), they are one if each looks like the one before it, or if
    their folder is one of several that differ in a number (`walk 1/0001`).

    Args:
        places: folders, searched with everything below them.

    Raises:
        VsanimeError: a folder is missing, has no usable drawing, or has pictures that are for evaluation only.
    """
    found: list[Drawing] = []
    for place in places:
        if not place.is_dir():
            raise VsanimeError(f"{place} is no folder; folders of drawings (PNG, JPEG, WebP) are needed")
        paths = sorted(
            (p for p in place.rglob("*") if p.suffix.lower() in PICTURE_SUFFIXES), key=lambda p: p.as_posix()
        )
        refuse_evaluation([place.name, *(p.relative_to(place).as_posix() for p in paths)])
        with ThreadPoolExecutor(_CHECKED_AT_A_TIME) as pool:
            looks = list(pool.map(_look, paths))
        used = [(path, look) for path, look in zip(paths, looks, strict=True) if isinstance(look, _Look)]
        if not used:
            why = describe([look for look in looks if isinstance(look, Unusable)], f"{_LEAST} pixels")
            raise VsanimeError(f"{place} holds no drawing that can be used: {why}")
        found += _group(used)
    return found


@dataclass(frozen=True)
class _Look:
    """The facts that the search finds about a file.

    Attributes:
        size: width and height in pixels.
        transparent: whether the file itself has alpha.
        backdrop: whether it fills the frame.
        box: bounding box of its opaque pixels.
        thumbnail: thumbnail for comparing pictures.
    """

    size: tuple[int, int]
    transparent: bool
    backdrop: bool
    box: Box
    thumbnail: NDArray[np.float32]


def _look(path: Path) -> _Look | Unusable:
    """Return the facts about a file, or why it cannot be used."""
    try:
        pixels = read_pixels(path)
    except VsanimeError as error:
        return Unusable(path, str(error))
    height, width = pixels.shape[:2]
    if min(height, width) < _LEAST:
        return Unusable(path, "it is too small", size=(width, height))
    transparent = pixels.shape[2] == 4
    backdrop = not transparent and not _on_paper(pixels)
    seen = np.ones((height, width), bool) if backdrop else _alpha(pixels) > 127
    if np.mean(seen) < _OPAQUE:
        return Unusable(path, "nothing is to be seen in it")
    return _Look((width, height), transparent, backdrop, _box(seen), thumbnail(pixels))


def _box(seen: NDArray[np.bool_]) -> Box:
    rows, columns = (np.flatnonzero(seen.any(axis)) for axis in (1, 0))
    return int(columns[0]), int(rows[0]), int(columns[-1]) + 1, int(rows[-1]) + 1


def _group(looks: Sequence[tuple[Path, _Look]]) -> list[Drawing]:
    folders = find_numbered_folders({path.parent.as_posix() for path, _ in looks})
    numbered = {path: match for path, look in looks if look.transparent and (match := _NUMBERED.match(path.stem))}
    unnamed: dict[object, list[tuple[Path, _Look]]] = {}
    keys: dict[Path, object] = {}
    for path, look in looks:
        if path not in numbered:
            keys[path] = path
            continue
        keys[path] = key = (path.parent, numbered[path][1], look.size)
        if not has_word([numbered[path][1] or ""]) and normalize(path.parent.as_posix()) not in folders:
            unnamed.setdefault(key, []).append((path, look))
    for group in unnamed.values():
        keys |= _cycle_keys(sorted(group, key=lambda file: int(numbered[file[0]][2])))
    cycles: dict[object, list[tuple[Path, _Look]]] = {}
    for path, look in looks:
        cycles.setdefault(keys[path], []).append((path, look))
    for files in cycles.values():
        files.sort(key=lambda file: int(numbered[file[0]][2]) if file[0] in numbered else 0)
    return [
        Drawing(tuple(path for path, _ in files), files[0][1].backdrop, _union([look.box for _, look in files]))
        for files in cycles.values()
    ]


def _cycle_keys(files: Sequence[tuple[Path, _Look]]) -> dict[Path, object]:
    """Return a key for each of some ordered files; a file that looks like the one before it has the same key."""
    keys: dict[Path, object] = {}
    key: object = None
    before: _Look | None = None
    for path, look in files:
        if before is None or not float(before.thumbnail @ look.thumbnail) > _MOVED:
            key = path
        keys[path], before = key, look
    return keys


def _union(boxes: Sequence[Box]) -> Box:
    lefts, tops, rights, bottoms = zip(*boxes, strict=True)
    return min(lefts), min(tops), max(rights), max(bottoms)


def _on_paper(pixels: Bytes) -> bool:
    """Return whether the border of a picture is mostly white."""
    border = np.concatenate([pixels[0], pixels[-1], pixels[:, 0], pixels[:, -1]])
    return bool(np.mean(border.min(-1) >= _PAPER) >= _PAPER_SHARE)


class Cutouts:
    """Decodes drawings on demand, and caches the last ones.

    Args:
        cache: megabytes of decoded drawings to keep.
    """

    def __init__(self, cache: int = 192) -> None:
        # Another process starts with an empty cache, instead of a copy of a hundred megabytes.
        self._kept: Kept[Path, Bytes] = Kept(cache << 20, attrgetter("nbytes"))

    def read(self, drawing: Drawing, number: int) -> Bytes:
        """Read one drawing of a cycle, cropped to its box, with a long side of 640 pixels at most.

        Args:
            drawing: figure or backdrop.
            number: index in its cycle, modulo the cycle's length.

        Returns:
            Read-only premultiplied RGBA codes, shape (height, width, 4); alpha of a backdrop is 255.

        Raises:
            VsanimeError: the file cannot be read any more.
        """
        path = drawing.files[number % len(drawing.files)]
        return self._kept.get(path, lambda: _decode(path, drawing))


def _decode(path: Path, drawing: Drawing) -> Bytes:
    try:
        pixels = read_pixels(path)
    except VsanimeError as error:
        raise VsanimeError(f"{path} could be read when the run began and cannot now: {error}") from None
    alpha = np.full(pixels.shape[:2], 255, np.uint8) if drawing.backdrop else _alpha(pixels)
    left, top, right, bottom = drawing.box
    cutout = _shrunk(premultiply(np.dstack([pixels[..., :3], alpha])[top:bottom, left:right].copy()))
    cutout.setflags(write=False)
    return cutout


def _alpha(pixels: Bytes) -> Bytes:
    """Return a picture's alpha, or that of what is not paper if it has none."""
    return pixels[..., 3] if pixels.shape[2] == 4 else _off_paper(pixels)


def _off_paper(pixels: Bytes) -> Bytes:
    """Return the alpha of a drawing on white paper, which is what is white and connected with the border."""
    white = (pixels.min(-1) >= _PAPER).astype(np.uint8)
    padded = np.pad(white, 1, constant_values=1)
    _, labels = cv2.connectedComponents(padded, connectivity=4)
    paper = (labels == labels[0, 0])[1:-1, 1:-1].astype(np.uint8)
    # The ring around the drawing is mixed with paper, which would be visible on any other color.
    paper = cv2.dilate(paper, np.ones((3, 3), np.uint8))
    return np.asarray(255 * (1 - paper), np.uint8)


def _shrunk(pixels: Bytes) -> Bytes:
    """Shrink a drawing to a long side of `_LONGEST` by area averaging, unless it is small enough."""
    height, width = pixels.shape[:2]
    scale = _LONGEST / max(height, width)
    return pixels if scale >= 1 else resize(pixels, max(1, round(width * scale)), max(1, round(height * scale)))


def resize(pixels: Bytes, width: int, height: int) -> Bytes:
    """Resize a picture, which has to be premultiplied, by area averaging for shrinking and else bilinearly."""
    resampling = cv2.INTER_AREA if width < pixels.shape[1] else cv2.INTER_LINEAR
    return np.asarray(cv2.resize(pixels, (width, height), interpolation=resampling), np.uint8)


def premultiply(pixels: Bytes) -> Bytes:
    """Return RGBA with its colors multiplied by alpha."""
    alpha = alpha_of(pixels)
    return with_alpha(np.asarray(cv2.multiply(colours_of(pixels), cv2.merge([alpha] * 3), scale=1 / 255)), alpha)


def straight(pixels: Bytes) -> Bytes:
    """Return RGBA with its premultiplied colors divided by alpha."""
    alpha = alpha_of(pixels)
    divisor = cv2.merge([cv2.max(alpha, 1)] * 3)
    return with_alpha(np.asarray(cv2.divide(colours_of(pixels), divisor, scale=255)), alpha)


# With OpenCV, since NumPy takes ten times as long to copy some of the channels.
def colours_of(pixels: Bytes) -> Bytes:
    """Return the RGB channels of RGBA."""
    return np.asarray(cv2.cvtColor(pixels, cv2.COLOR_RGBA2RGB), np.uint8)


def alpha_of(pixels: Bytes) -> Bytes:
    """Return the alpha channel of RGBA."""
    return np.asarray(cv2.extractChannel(pixels, 3), np.uint8)


def with_alpha(colours: Bytes, alpha: Bytes) -> Bytes:
    """Return RGBA from RGB and alpha."""
    return np.asarray(cv2.merge([*cv2.split(colours), alpha]), np.uint8)
