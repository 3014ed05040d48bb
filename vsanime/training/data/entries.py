"""What the list of a run says of its pictures: those that it learns from, and those that cannot be used."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any


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


def as_record(picture: Picture) -> dict[str, Any]:
    """A picture for a JSON."""
    return dict(vars(picture))
