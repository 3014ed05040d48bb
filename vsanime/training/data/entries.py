"""Defines the entries of a run's list of pictures: those in use, and files that were skipped."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any


@dataclass(frozen=True)
class Picture:
    """One picture, or one frame of a video.

    Attributes:
        source: index of its source in the recipe.
        name: path below the source's folder, with `/`; the file's name if the source is a file.
        frame: index of the frame in a video; None for a picture.
        held_out: whether it is used for validation only.
    """

    source: int
    name: str
    frame: int | None
    held_out: bool

    def __str__(self) -> str:
        return titled(self.name, self.frame)

    def file(self, place: Path) -> Path:
        """Return the path of the file, given the file or folder of its source."""
        return place if place.is_file() else place / self.name


def titled(name: str, frame: int | None) -> str:
    """Return the name of a picture, or of a frame of a video, in messages and tables."""
    return name if frame is None else f"{name}, frame {frame}"


@dataclass(frozen=True)
class Skipped:
    """A file that cannot be used.

    Attributes:
        path: path of the file.
        reason: why it cannot be used.
    """

    path: str
    reason: str


def as_record(picture: Picture) -> dict[str, Any]:
    """Return the attributes of a picture as a dictionary for JSON."""
    return dict(vars(picture))
