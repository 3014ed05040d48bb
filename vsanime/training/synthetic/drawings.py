"""Free drawings for synthetic shots: which files are one figure in motion, what is a figure, what a backdrop."""

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

_LONGEST = 640  # pixels that a decoded drawing keeps at most
_LEAST = 48  # pixels of a side, below which it is an ornament and no figure
_PAPER = 246  # codes from which on every channel of a border is white paper
_PAPER_SHARE = 0.6  # of the border, from which on the drawing lies on paper
_OPAQUE = 0.02  # share of the pixels, below which nothing is to be seen
# Names of a cycle's drawings: `run_01`, `head-0_2s`, `0007`.
_NUMBERED = re.compile(r"^(.*_)?(\d+)[a-z]?$", re.IGNORECASE)
_CHECKED_AT_A_TIME = 4
# Correlation of the thumbnails of consecutive drawings from which they may be of one cycle: those of figures that run
# lie at 0.8 to 0.93, of 300 different drawings one pair in a hundred lies above.
_MOVED = 0.6


@dataclass(frozen=True)
class Drawing:
    """One figure or one backdrop.

    Attributes:
        files: the drawings of its cycle in order; one for what has no cycle.
        backdrop: whether it fills the frame, instead of being cut out.
        box: what is used of every file: left, top, right, bottom in pixels. It is the same for all of a cycle, in whose
            canvas figures move.
    """

    files: tuple[Path, ...]
    backdrop: bool
    box: Box


def find_drawings(places: Sequence[Path]) -> list[Drawing]:
    """Every drawing of some folders, in the order of names on every system.

    Files of a folder that are transparent, of equal size, and named alike up to a number are the cycle of one figure.
    Where names say nothing beside the number (`0001`), they are one if each looks like the one before it, or if their
    folder is one of several that differ in a number (`walk 1/0001`).

    Args:
        places: folders, searched with everything below them.

    Raises:
        VsanimeError: a folder is missing, has nothing in it that can be used, or has what is for evaluation only.
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
        found += _grouped(used)
    return found


@dataclass(frozen=True)
class _Look:
    """What the search learns of a file.

    Attributes:
        size: width and height.
        transparent: whether the file itself has alpha.
        backdrop: whether it fills the frame.
        box: where something is to be seen.
        thumbnail: by which pictures are compared.
    """

    size: tuple[int, int]
    transparent: bool
    backdrop: bool
    box: Box
    thumbnail: NDArray[np.float32]


def _look(path: Path) -> _Look | Unusable:
    """What a file is, or why it is nothing to draw with."""
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


def _grouped(looks: Sequence[tuple[Path, _Look]]) -> list[Drawing]:
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
    """Return a key for each of some files in order, equal for those of which each looks like the one before it."""
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
    """Whether the border is mostly white."""
    border = np.concatenate([pixels[0], pixels[-1], pixels[:, 0], pixels[:, -1]])
    return bool(np.mean(border.min(-1) >= _PAPER) >= _PAPER_SHARE)


class Cutouts:
    """Decodes drawings as they are wanted, and keeps the last ones.

    Args:
        cache: megabytes to keep.
    """

    def __init__(self, cache: int = 192) -> None:
        # Another process decodes what it needs by itself: a hundred megabytes would have to be copied.
        self._kept: Kept[Path, Bytes] = Kept(cache << 20, attrgetter("nbytes"))

    def read(self, drawing: Drawing, number: int) -> Bytes:
        """One drawing, its long side 640 pixels at most.

        Args:
            drawing: the figure or backdrop.
            number: of the drawing in its cycle, which goes round.

        Returns:
            Height, width, 4: R, G and B times alpha, and alpha, which is 255 all over a backdrop. Do not write into it.

        Raises:
            VsanimeError: it cannot be read any more.
        """
        path = drawing.files[number % len(drawing.files)]
        return self._kept.get(path, lambda: _decoded(path, drawing))


def _decoded(path: Path, drawing: Drawing) -> Bytes:
    try:
        pixels = read_pixels(path)
    except VsanimeError as error:
        raise VsanimeError(f"{path} could be read when the run began and cannot now: {error}") from None
    alpha = np.full(pixels.shape[:2], 255, np.uint8) if drawing.backdrop else _alpha(pixels)
    left, top, right, bottom = drawing.box
    cutout = _shrunk(premultiplied(np.dstack([pixels[..., :3], alpha])[top:bottom, left:right].copy()))
    cutout.setflags(write=False)
    return cutout


def _alpha(pixels: Bytes) -> Bytes:
    """Its own, or what is not paper."""
    return pixels[..., 3] if pixels.shape[2] == 4 else _off_paper(pixels)


def _off_paper(pixels: Bytes) -> Bytes:
    """Alpha of a drawing on white paper: paper is what is white and hangs together with the border."""
    white = (pixels.min(-1) >= _PAPER).astype(np.uint8)
    padded = np.pad(white, 1, constant_values=1)
    _, labels = cv2.connectedComponents(padded, connectivity=4)
    paper = (labels == labels[0, 0])[1:-1, 1:-1].astype(np.uint8)
    # The ring around the drawing is a mixture with paper, which would be seen on any other colour.
    paper = cv2.dilate(paper, np.ones((3, 3), np.uint8))
    return np.asarray(255 * (1 - paper), np.uint8)


def _shrunk(pixels: Bytes) -> Bytes:
    """Of the size that is kept, by area; as it is where it is small enough."""
    height, width = pixels.shape[:2]
    scale = _LONGEST / max(height, width)
    return pixels if scale >= 1 else resized(pixels, max(1, round(width * scale)), max(1, round(height * scale)))


def resized(pixels: Bytes, width: int, height: int) -> Bytes:
    """Another size: by area where it shrinks. Colours have to be times alpha, or what is transparent gets seen."""
    resampling = cv2.INTER_AREA if width < pixels.shape[1] else cv2.INTER_LINEAR
    return np.asarray(cv2.resize(pixels, (width, height), interpolation=resampling), np.uint8)


def premultiplied(pixels: Bytes) -> Bytes:
    """Colours times alpha."""
    alpha = alpha_of(pixels)
    return with_alpha(np.asarray(cv2.multiply(colours_of(pixels), cv2.merge([alpha] * 3), scale=1 / 255)), alpha)


def straight(pixels: Bytes) -> Bytes:
    """Colours that were multiplied by alpha, as they were."""
    alpha = alpha_of(pixels)
    divisor = cv2.merge([cv2.max(alpha, 1)] * 3)
    return with_alpha(np.asarray(cv2.divide(colours_of(pixels), divisor, scale=255)), alpha)


# NumPy takes ten times as long to copy some of the channels.
def colours_of(pixels: Bytes) -> Bytes:
    """R, G and B of four channels."""
    return np.asarray(cv2.cvtColor(pixels, cv2.COLOR_RGBA2RGB), np.uint8)


def alpha_of(pixels: Bytes) -> Bytes:
    """The last of four channels."""
    return np.asarray(cv2.extractChannel(pixels, 3), np.uint8)


def with_alpha(colours: Bytes, alpha: Bytes) -> Bytes:
    """Four channels."""
    return np.asarray(cv2.merge([*cv2.split(colours), alpha]), np.uint8)
