"""Chain motion from a key to the drawings around it: from each drawing to the one that is nearer the key.

What opens or closes moves little from drawing to drawing, where direct flow from the key finds nothing that fits. The
motions add up, and each sum is searched once more against the key itself, so that it does not drift. The
forward-backward error of each link is added up as well, and shows what is hidden on the way. Repeated drawings shorten
the chain: in a mouth of three drawings none is more than two links from another.
"""

from __future__ import annotations

from dataclasses import dataclass
from hashlib import blake2b
from itertools import pairwise
from threading import Lock

import numpy as np

from vsanime.arrays import Bytes, Floats
from vsanime.motion.flow import coarse_flow, refine_flow
from vsanime.motion.warp import warp


@dataclass(frozen=True)
class Led:
    """The chained motion from a drawing to a key.

    Attributes:
        flow: array of height, width, 2; how far right and down in the key a pixel of the drawing comes from, in pixels.
        astray: array of height, width; forward-backward error in pixels, summed over the links.
    """

    flow: Floats
    astray: Floats


class Steps:
    """The chains of motion to one key from the drawings of consecutive frames, which include the key.

    Thread-safe: a drawing's chain depends on the drawings alone, not on the order of requests.
    """

    def __init__(self, lines: Bytes, key: int, *, cut: bool = False) -> None:
        """Store the drawings; motion is computed on request.

        Args:
            lines: line art of consecutive frames, count, height, width; 255 is paper.
            key: index of the key's frame, the first or the last.
            cut: whether frames continue at the other end. The drawing there may be held beyond it, so it is left out.
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
        """Return the chained motion from a frame's drawing to the key; None for a drawing out of reach."""
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
        """Return a drawing's chained motion: that of the drawing nearer the key, extended by one link."""
        nearer = self._nearer[drawing]
        line, towards, led = self._lines[drawing], self._lines[nearer], self._led[nearer]
        step = coarse_flow(line, towards)
        missed = step + warp(coarse_flow(towards, line), step)
        astray = np.hypot(missed[..., 0], missed[..., 1]) + warp(led.astray, step)
        return Led(refine_flow(line, self._lines[self._key], step + warp(led.flow, step)), astray)


def _first_places(lines: Bytes) -> list[int]:
    """Return for every frame the index of the first frame that shows the same drawing."""
    first: dict[bytes, int] = {}
    return [first.setdefault(blake2b(line, digest_size=16).digest(), place) for place, line in enumerate(lines)]


def _tree(drawings: list[int], key: int) -> dict[int, int]:
    """Return for every drawing but the key's the next drawing on a shortest chain to the key.

    Args:
        drawings: drawing of each frame, as the index of the first frame that shows it.
        key: drawing of the key.
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
