"""Which pictures are held out for validation: decided by what they show, so that nothing of it is trained on."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Hashable, Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image

THUMBNAIL = 16  # pixels, both ways
# Correlation of two thumbnails from which pictures count as alike. Of 325 drawings, poses and expressions of one figure
# lie at 0.95 to 1, the same figure in another dress at 0.9, and no two different motifs above that.
ALIKE = 0.9
_GRAY = 128  # behind what is transparent
_ROWS = 512  # thumbnails compared with all others at a time


@dataclass(frozen=True)
class Candidate:
    """What the split looks at.

    Attributes:
        source: number of the source.
        stem: name without digits: frames of one animation share it.
        digest: of the pixels; the order in which pictures are held out follows from it.
        thumbnail: as `thumbnail` gives it; None for frames of videos, which are told apart by their file.
        fits: whether it is large enough for a patch of validation.
    """

    source: int
    stem: str
    digest: str
    thumbnail: NDArray[np.float32] | None
    fits: bool


def thumbnail(pixels: NDArray[np.uint8]) -> NDArray[np.float32]:
    """A picture made tiny, without its mean and of length 1, so that a product is a correlation; zeros if it is flat.

    Args:
        pixels: height, width, 3 or 4.
    """
    picture = Image.fromarray(pixels)
    if pixels.shape[2] == 4:
        picture = Image.alpha_composite(Image.new("RGBA", picture.size, (_GRAY, _GRAY, _GRAY, 255)), picture)
    tiny = picture.convert("RGB").resize((THUMBNAIL, THUMBNAIL), Image.Resampling.BOX)
    values = np.asarray(tiny).astype(np.float32).ravel()
    values -= values.mean()
    length = np.linalg.norm(values)
    # Under a code of contrast, rounding alone decides what it looks like.
    return values / length if length > values.size**0.5 else np.zeros_like(values)


def held_out(candidates: Sequence[Candidate], share: float) -> list[bool]:
    """Which candidates are held out.

    Pictures that look alike, or whose names differ in digits only, are one group and stay on one side, whatever source
    they are in. Groups stand in the order of their smallest digest, so that pictures that come or go move few. Each
    source takes groups, of which every picture is large enough, until its share is reached.

    Args:
        candidates: all pictures of all sources.
        share: of each source that is held out; where groups are large, as near as they allow.
    """
    groups = _groups(candidates)
    chosen: set[int] = set()
    for source in {candidate.source for candidate in candidates}:
        count = sum(candidate.source == source for candidate in candidates)
        wanted = min(max(1, round(share * count)), count // 2)
        # A group of several sources is the matter of the first.
        own = [group for group in groups if candidates[group[0]].source == source]
        chosen.update(_take([g for g in own if all(candidates[i].fits for i in g)], wanted))
    return [i in chosen for i in range(len(candidates))]


def _take(groups: Sequence[list[int]], wanted: int) -> set[int]:
    """As many pictures as wanted, in whole groups."""
    taken: set[int] = set()
    left = []
    for group in groups:
        if len(taken) + len(group) <= wanted:
            taken.update(group)
        else:
            left.append(group)
    smallest = min(left, key=len, default=None)
    # One more group, if that comes nearer than doing without it.
    if smallest is not None and len(taken) + len(smallest) - wanted <= wanted - len(taken):
        taken.update(smallest)
    return taken


def _groups(candidates: Sequence[Candidate]) -> list[list[int]]:
    """Numbers of candidates that belong together, in the order of the smallest digest of each group."""
    leaders = list(range(len(candidates)))

    def leader(i: int) -> int:
        while leaders[i] != i:
            leaders[i] = leaders[leaders[i]]
            i = leaders[i]
        return i

    for one, other in _pairs(candidates):
        first, second = sorted((leader(one), leader(other)))
        leaders[second] = first
    groups: dict[int, list[int]] = defaultdict(list)
    for i in range(len(candidates)):
        groups[leader(i)].append(i)
    return sorted(groups.values(), key=lambda group: min(candidates[i].digest for i in group))


def _pairs(candidates: Sequence[Candidate]) -> Iterable[tuple[int, int]]:
    """Pairs that belong together."""
    seen: dict[Hashable, int] = {}
    for i, candidate in enumerate(candidates):
        for key in ((candidate.source, candidate.stem), candidate.digest):
            yield seen.setdefault(key, i), i
    numbers = [i for i, candidate in enumerate(candidates) if candidate.thumbnail is not None]
    if not numbers:
        return
    thumbnails = np.stack([t for candidate in candidates if (t := candidate.thumbnail) is not None])
    for first in range(0, len(numbers), _ROWS):
        alike = np.argwhere(thumbnails[first : first + _ROWS] @ thumbnails.T > ALIKE)
        yield from ((numbers[first + int(one)], numbers[int(other)]) for one, other in alike)
