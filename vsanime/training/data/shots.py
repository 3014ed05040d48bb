"""Reads shots, which are frames of line art with their colors, from the folders that `vsanime prepare` writes."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from vsanime.arrays import Bytes
from vsanime.errors import VsanimeError
from vsanime.media.pictures import open_picture
from vsanime.training.data.material import refuse_evaluation

LINE, DISTANCE, COLOUR = "line", "distance", "colour"
FACTS = "shot.json"
_LEAST_FRAMES = 3  # a target and a key on each side


@dataclass(frozen=True)
class Shot:
    """Frames of one shot.

    Attributes:
        name: name of the shot.
        line: line art, shape (frames, height, width); 255 is paper.
        colours: RGB, shape (frames, height, width, 3).
    """

    name: str
    line: Bytes
    colours: Bytes


@dataclass(frozen=True)
class ShotFolder:
    """A shot as `vsanime prepare colorization` writes it: pictures of equal names in `line`, `distance` and `colour`.

    Attributes:
        path: path of the folder.
        names: file names of its frames in order, such as `00001.png`; numbers of repeated frames may be missing.
        size: width and height in pixels.
    """

    path: Path
    names: tuple[str, ...]
    size: tuple[int, int]

    @property
    def name(self) -> str:
        """The names of the parent folder and of the folder, since shots of different videos have equal numbers."""
        return f"{self.path.resolve().parent.name}/{self.path.name}"

    def frame(self, number: int) -> tuple[Bytes, Bytes]:
        """Return line art (height, width) and colors (height, width, 3) of a frame, counted from 0.

        Raises:
            VsanimeError: a picture is missing, cannot be read, or has another size than the first.
        """
        line = self._read(LINE, number, "L")
        colours = self._read(COLOUR, number, "RGB")
        return line, colours

    def distance(self, number: int) -> Bytes:
        """Return the distance map of a frame, shape (height, width), 255 at the cap and beyond.

        Raises:
            VsanimeError: as for `frame`.
        """
        return self._read(DISTANCE, number, "L")

    def load(self) -> Shot:
        """Read all frames.

        Raises:
            VsanimeError: as for `frame`.
        """
        frames = [self.frame(number) for number in range(len(self.names))]
        return Shot(
            self.path.name, np.stack([line for line, _ in frames]), np.stack([colours for _, colours in frames])
        )

    def _read(self, kind: str, number: int, mode: str) -> Bytes:
        path = self.path / kind / self.names[number]
        try:
            with open_picture(path) as picture:
                pixels = np.asarray(picture.convert(mode))
        except VsanimeError as error:
            raise VsanimeError(f"{path}: {error}") from None
        if pixels.shape[1::-1] != self.size:
            raise VsanimeError(
                f"{path} is {pixels.shape[1]}x{pixels.shape[0]} and the shot {self.size[0]}x{self.size[1]}; "
                "all pictures of a shot have one size"
            )
        return pixels


def find_shots(places: Sequence[Path]) -> list[ShotFolder]:
    """Return every shot below some folders that has enough frames, in the same order of paths on every system.

    Args:
        places: folders of shots, or shots.

    Raises:
        VsanimeError: a folder has none, or a shot is incomplete or for evaluation only.
    """
    found: list[ShotFolder] = []
    for place in places:
        if not place.is_dir():
            raise VsanimeError(f"{place} is no folder; one that `vsanime prepare colorization` wrote is needed")
        folders = sorted((p.parent for p in place.rglob(LINE) if p.is_dir()), key=lambda p: p.as_posix())
        shots = [open_shot(folder) for folder in folders]
        long_enough = [shot for shot in shots if len(shot.names) >= _LEAST_FRAMES]
        if not long_enough:
            raise VsanimeError(
                f"{place} has {len(shots)} shots, none with {_LEAST_FRAMES} frames; folders with {LINE}/, {DISTANCE}/ "
                f"and {COLOUR}/ are needed, as `vsanime prepare colorization` writes them"
            )
        found += long_enough
    return found


def open_shot(folder: Path) -> ShotFolder:
    """Find the frames of a shot by their names; only the first line art is opened, for its size.

    Raises:
        VsanimeError: pictures are missing, the folder is empty, or the shot is for evaluation only.
    """
    refuse_evaluation([folder.name, folder.parent.name, _came_from(folder)])
    names = {kind: {p.name for p in (folder / kind).glob("*.png")} for kind in (LINE, DISTANCE, COLOUR)}
    for kind, there in names.items():
        missing = sorted(names[LINE] - there) or sorted(there - names[LINE])
        if missing:
            raise VsanimeError(
                f"{folder}: {missing[0]} is not in all of {LINE}/, {DISTANCE}/ and {COLOUR}/ ({kind}/ has "
                f"{len(there)}, {LINE}/ {len(names[LINE])}); prepare the shot again"
            )
    if not names[LINE]:
        raise VsanimeError(f"{folder / LINE} has no PNG; prepare the shot again")
    ordered = tuple(sorted(names[LINE]))
    try:
        with open_picture(folder / LINE / ordered[0]) as picture:
            size = picture.size
    except VsanimeError as error:
        raise VsanimeError(f"{folder / LINE / ordered[0]}: {error}") from None
    return ShotFolder(folder, ordered, size)


def _came_from(folder: Path) -> str:
    """Return the name of the source of a shot from its facts, or an empty text if it has none.

    Raises:
        VsanimeError: the facts are damaged.
    """
    path = folder / FACTS
    if not path.exists():
        return ""
    try:
        facts = json.loads(path.read_text("utf-8"))
        return str(facts["source"])
    except (OSError, ValueError, KeyError, TypeError):
        raise VsanimeError(f"{path} is damaged; prepare the shot again") from None
