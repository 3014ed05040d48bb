"""Cuts videos into shots, and writes a folder of line art, distance maps and colors with equal names for each."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from shutil import rmtree

import cv2
import numpy as np
from PIL import Image

from vsanime import files
from vsanime.arrays import Bytes
from vsanime.errors import VsanimeError
from vsanime.graphs.builders.lineart import Pen, usual_sigma
from vsanime.media.videos import VIDEO_SUFFIXES, VideoReader
from vsanime.motion import distance
from vsanime.training.data.draws import lay
from vsanime.training.data.material import refuse_evaluation
from vsanime.training.data.pictures import PICTURE_SUFFIXES, read_pixels
from vsanime.training.data.shots import COLOUR, DISTANCE, FACTS, LINE
from vsanime.training.synthetic.ink import difference_lines, luma

_BINS = 16  # bins of each channel's histogram
# Fractions of the pixels that change their bin: half the sum of the histograms' differences, mean of three channels.
# Between frames of a shot it is up to 0.08 in fast synthetic scenes and 0.01 in a fast pan, in which luma changes by
# 0.12; between different scenes it is 0.38 and more.
_SAME_COLORS = 0.08  # up to this, a change of luma is a motion of the camera
_OTHER_COLORS = 0.35  # above this, it is a cut even if luma is similar
# Frames are compared as means of 4x4 pixels, which hides grain and coding artifacts. A frame repeats the last kept one
# if no mean differs by more codes than this.
_CELL = 4
_HELD = 6


@dataclass(frozen=True)
class Cutting:
    """Settings for cutting videos.

    Attributes:
        size: short side in pixels to which frames are shrunk; 0 to keep their size.
        threshold: mean difference of luma, as a fraction of its range, above which a frame may begin a shot.
        least: smallest number of frames of a shot, without repeated ones.
    """

    size: int = 288
    threshold: float = 0.1
    least: int = 4


@dataclass
class Prepared:
    """The result of preparing videos.

    Attributes:
        shots: number of folders written.
        frames: number of frames in all of them.
        held: number of frames left out because they repeat the one before.
        short: number of shots left out because they have too few frames.
    """

    shots: int = 0
    frames: int = 0
    held: int = 0
    short: int = 0


class Source:
    """The frames of a video, or of a folder of consecutive pictures.

    Args:
        path: path of the video or folder.

    Raises:
        VsanimeError: the path is neither, cannot be read, or is for evaluation only.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.name = path.resolve().name
        self._pictures: list[Path] = []
        if path.is_dir():
            inside = (p for p in path.iterdir() if p.suffix.lower() in PICTURE_SUFFIXES)
            self._pictures = sorted(inside, key=_by_number)
            self.frames = len(self._pictures)
            if not self.frames:
                raise VsanimeError(f"{path} holds no pictures; a video, or a folder of consecutive pictures, is needed")
            refuse_evaluation([path.resolve().parent.name, self.name, *(p.name for p in self._pictures)])
        elif path.suffix.lower() in VIDEO_SUFFIXES and path.exists():
            refuse_evaluation([path.resolve().parent.name, self.name])
            try:
                self._video = VideoReader(path)
            except VsanimeError as error:
                raise VsanimeError(f"{path}: {error}") from None
            self.frames = self._video.facts()[0]
        else:
            what = "no video that is known" if path.exists() else "not there"
            endings = ", ".join(VIDEO_SUFFIXES)
            raise VsanimeError(f"{path} is {what}; a video ({endings}) or a folder of consecutive pictures is needed")

    def __iter__(self) -> Iterator[Bytes]:
        """Yield every frame as RGB codes, shape (height, width, 3)."""
        for number in range(self.frames):
            yield _read(self._pictures[number]) if self._pictures else self._video.frame(number)


def prepare(
    sources: Sequence[Source], out: Path, cutting: Cutting, advance: Callable[[], None] = lambda: None
) -> Prepared:
    """Write a folder for every shot of all sources.

    If it ends early, also by Ctrl-C, completed shots stay and the unfinished one is removed.

    Args:
        sources: sources, in the order of their shots.
        out: folder that does not exist yet, or is empty.
        cutting: settings.
        advance: function that is called after every frame.

    Raises:
        VsanimeError: `out` is not empty or cannot be written, a frame differs in size, or no shot is long enough.
    """
    files.check_name(out)
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise VsanimeError(f"{out} is there and not empty; give another folder")
    prepared = Prepared()
    try:
        for source in sources:
            writer = _ShotWriter(out, source.name, cutting, prepared)
            try:
                for shot in _shots(source, cutting, prepared, advance):
                    writer.take(shot)
            except BaseException:
                writer.drop()
                raise
            writer.end()
    except OSError as error:
        raise VsanimeError(f"{out} cannot be written: {error.strerror or error}") from None
    if not prepared.shots:
        raise VsanimeError(
            f"no shot has {cutting.least} frames that differ; {prepared.short} were shorter. Give longer videos, or a "
            f"larger threshold than {cutting.threshold:g} if frames of one shot were taken apart"
        )
    return prepared


@dataclass(frozen=True)
class _Frame:
    """A frame that does not repeat the one before.

    Attributes:
        number: index in its source.
        begins: whether it begins a shot.
        pixels: RGB codes, shape (height, width, 3).
    """

    number: int
    begins: bool
    pixels: Bytes


def _shots(source: Source, cutting: Cutting, prepared: Prepared, advance: Callable[[], None]) -> Iterator[_Frame]:
    """Yield the frames of a source without repeated ones, with cuts marked.

    Raises:
        VsanimeError: a frame differs in size from the one before.
    """
    before: _Sight | None = None
    kept: _Sight | None = None
    for number, pixels in enumerate(source):
        seen = _Sight(pixels)
        if before is not None and seen.size != before.size:
            raise VsanimeError(
                f"{source.path}: frame {number} is {seen.size[0]}x{seen.size[1]}, those before are "
                f"{before.size[0]}x{before.size[1]}; frames of one size are needed"
            )
        begins = before is None or seen.cut_from(before, cutting.threshold)
        before = seen
        advance()
        if not begins and kept is not None and seen.repeats(kept):
            prepared.held += 1
            continue
        kept = seen
        yield _Frame(number, begins, pixels)


class _Sight:
    """The features of a frame for comparing it with others."""

    def __init__(self, pixels: Bytes) -> None:
        height, width = pixels.shape[:2]
        self.size = (width, height)
        small = (max(1, width // _CELL), max(1, height // _CELL))
        self._cells = np.asarray(cv2.resize(pixels, small, interpolation=cv2.INTER_AREA), np.uint8)
        counts = [cv2.calcHist([self._cells], [channel], None, [_BINS], [0, 256]) for channel in range(3)]
        self._histogram = np.stack(counts) / (small[0] * small[1])

    def cut_from(self, before: _Sight, threshold: float) -> bool:
        """Return whether a shot begins: both luma and colors changed, or colors changed very much."""
        moved = float(np.mean(cv2.absdiff(luma(self._cells), luma(before._cells)))) / 255
        recoloured = float(np.abs(self._histogram - before._histogram).sum()) / (2 * 3)
        return (moved > threshold and recoloured > _SAME_COLORS) or recoloured > _OTHER_COLORS

    def repeats(self, kept: _Sight) -> bool:
        """Return whether the frame repeats a kept one."""
        return int(cv2.absdiff(self._cells, kept._cells).max()) <= _HELD


@dataclass
class _ShotWriter:
    """Writes the frames of a source to folders of shots; a shot's first frames wait until there are enough of them."""

    out: Path
    source: str
    cutting: Cutting
    prepared: Prepared
    _waiting: list[_Frame] = field(default_factory=list)
    _folder: Path | None = None
    _first: int = 0

    def take(self, frame: _Frame) -> None:
        """Add a frame to the shot, or begin the next shot with it."""
        if frame.begins:
            self.end()
            self._first = frame.number
        if self._folder is not None:
            self._write(self._folder, frame)
            return
        self._waiting.append(frame)
        if len(self._waiting) >= self.cutting.least:
            self._begin()

    def end(self) -> None:
        """End the shot; frames that still wait are counted as a short shot and dropped."""
        if self._waiting:
            self.prepared.short += 1
        self._waiting, self._folder = [], None

    def drop(self) -> None:
        """Remove the folder of the unfinished shot."""
        if self._folder is not None:
            rmtree(self._folder, ignore_errors=True)

    def _begin(self) -> None:
        self.prepared.shots += 1
        self._folder = self.out / f"shot-{self.prepared.shots:04d}"
        for kind in (LINE, DISTANCE, COLOUR):
            (self._folder / kind).mkdir(parents=True)
        facts = {"source": self.source, "first_frame": self._first}
        files.write_text(self._folder / FACTS, json.dumps(facts, indent=2, ensure_ascii=False) + "\n", flush=False)
        for frame in self._waiting:
            self._write(self._folder, frame)
        self._waiting = []

    def _write(self, folder: Path, frame: _Frame) -> None:
        line, colours = draw(frame.pixels, self.cutting.size)
        far = np.rint(255 * distance.field(line)).astype(np.uint8)
        name = f"{frame.number - self._first + 1:05d}.png"
        for kind, picture in ((LINE, line), (DISTANCE, far), (COLOUR, colours)):
            with files.stage(folder / kind / name, flush=False) as staged:
                Image.fromarray(picture).save(staged)
        self.prepared.frames += 1


def draw(pixels: Bytes, size: int) -> tuple[Bytes, Bytes]:
    """Return the line art of a frame, and its colors, at a size.

    Lines are drawn at the frame's own size and shrunk with it, as in a filter's work size.

    Args:
        pixels: RGB codes, shape (height, width, 3).
        size: short side in pixels; 0 to keep the size. Nothing is enlarged.
    """
    height, width = pixels.shape[:2]
    line = difference_lines(pixels, Pen(usual_sigma(height)))
    factor = size / min(height, width)
    if not size or factor >= 1:
        return line, pixels
    wanted = (max(1, round(width * factor)), max(1, round(height * factor)))
    smaller = (np.asarray(cv2.resize(p, wanted, interpolation=cv2.INTER_AREA), np.uint8) for p in (line, pixels))
    line, pixels = smaller
    return line, pixels


def _by_number(path: Path) -> list[tuple[int, str]]:
    """Return a key that sorts `2.png` before `10.png`."""
    return [(int(part), "") if part.isdecimal() else (-1, part) for part in re.split(r"(\d+)", path.name)]


def _read(path: Path) -> Bytes:
    """Read a picture as RGB; transparent ones are laid on white, as cels on paper."""
    try:
        pixels = read_pixels(path)
    except VsanimeError as error:
        raise VsanimeError(f"{path}: {error}") from None
    return pixels if pixels.shape[2] == 3 else lay(pixels, 255)
