"""Motion from a key to the drawings around it, step by step: from each drawing to the one that is nearer the key.

What opens or closes moves little from drawing to drawing, where one leap from the key finds nothing that fits. The
steps add up, and each sum is searched once more against the key itself, so that it does not drift; how far each step
there and back ends from where it began is added up as well, and tells what is hidden on the way. Drawings that come
again shorten the way: a mouth of three drawings is never further than two steps from any of them.
"""

from __future__ import annotations

from dataclasses import dataclass
from hashlib import blake2b
from itertools import pairwise
from threading import Lock

import numpy as np

from vsanime.arrays import Bytes, Floats
from vsanime.motion.flow import coarse_flow, searched_on
from vsanime.motion.warp import warp


@dataclass(frozen=True)
class Led:
    """Where the steps from a drawing to a key lead.

    Attributes:
        flow: height, width, 2; how far right and down in the key a pixel of the drawing comes from, in pixels.
        astray: height, width; by how many pixels the steps, each there and back, miss where they began.
    """

    flow: Floats
    astray: Floats


class Steps:
    """The way to one key from the drawings of consecutive frames, among which the key is.

    Safe in threads: a drawing's way depends on the drawings alone, not on which was asked for first.
    """

    def __init__(self, lines: Bytes, key: int, *, cut: bool = False) -> None:
        """Searches nothing yet.

        Args:
            lines: line art of consecutive frames: count, height, width; 255 is paper.
            key: the place of the key's among them, the first or the last.
            cut: whether frames go on at the other end. The drawing there may be held beyond it, so it is out of reach.
        """
        self._lines = lines
        self._drawings = _first_places(lines)
        self._key = self._drawings[key]
        self._nearer = _tree(self._drawings, self._key)
        self._beyond = self._drawings[0 if key else -1] if cut else None
        size = lines.shape[1:]
        self._led = {self._key: Led(np.zeros((*size, 2), np.float32), np.zeros(size, np.float32))}
        self._lock = Lock()

    def to(self, place: int) -> Led | None:
        """Where the steps from a frame's drawing to the key lead; None for a drawing out of reach."""
        drawing = self._drawings[place]
        if drawing == self._beyond:
            return None
        way = []
        with self._lock:
            while drawing not in self._led:
                way.append(drawing)
                drawing = self._nearer[drawing]
            for further in reversed(way):
                self._led[further] = self._stepped(further)
            return self._led[self._drawings[place]]

    def _stepped(self, drawing: int) -> Led:
        """One step more than the drawing that is nearer the key."""
        nearer = self._nearer[drawing]
        line, towards, led = self._lines[drawing], self._lines[nearer], self._led[nearer]
        step = coarse_flow(line, towards)
        missed = step + warp(coarse_flow(towards, line), step)
        astray = np.hypot(missed[..., 0], missed[..., 1]) + warp(led.astray, step)
        return Led(searched_on(line, self._lines[self._key], step + warp(led.flow, step)), astray)


def _first_places(lines: Bytes) -> list[int]:
    """For every frame the first one that shows the same drawing."""
    first: dict[bytes, int] = {}
    return [first.setdefault(blake2b(line, digest_size=16).digest(), place) for place, line in enumerate(lines)]


def _tree(drawings: list[int], key: int) -> dict[int, int]:
    """For every drawing but the key's the one that follows or precedes it somewhere and is fewest steps from the key.

    Args:
        drawings: what each frame shows.
        key: the key's.
    """
    beside: dict[int, set[int]] = {drawing: set() for drawing in drawings}
    for one, other in pairwise(drawings):
        beside[one].add(other)
        beside[other].add(one)
    nearer: dict[int, int] = {}
    reached = [key]
    for drawing in reached:
        for further in sorted(beside[drawing] - {key} - nearer.keys()):
            nearer[further] = drawing
            reached.append(further)
    return nearer
