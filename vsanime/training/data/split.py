"""Chooses the pictures held out for validation, so that nothing that looks like them is trained on."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Container, Hashable, Iterable, Sequence
from dataclasses import dataclass
from enum import Enum

import numpy as np
from numpy.typing import NDArray
from PIL import Image

THUMBNAIL = 16  # width and height in pixels
# Pictures count as alike if the correlation of their thumbnails is above this. In 325 drawings, poses and expressions
# of one figure have 0.95 to 1, the same figure in another dress 0.9, and no two different motifs more than that.
ALIKE = 0.9
_GRAY = 128  # background of transparent pictures
_ROWS = 512  # thumbnails compared with all others at a time
# A numbered sequence of at least this many pictures is film, with several shots; drawn cycles are shorter.
FILM = 100
# Frames between the held-out part of a film and the parts that are trained on: four seconds, a usual shot.
GAP = 96
_MOST_GAP = 0.1  # largest gap as a fraction of the film


@dataclass(frozen=True)
class Candidate:
    """The facts about one picture that the split depends on.

    Attributes:
        source: index of the source.
        sequence: identifier of its video or animation; None for a single picture.
        frame: number of the frame in the sequence.
        digest: digest of the pixels, by which pictures are ordered for holding out.
        thumbnail: result of `thumbnail`; None for frames of videos, which are distinguished by their file.
        side: the smaller of width and height in pixels.
    """

    source: int
    sequence: Hashable | None
    frame: int
    digest: str
    thumbnail: NDArray[np.float32] | None
    side: int


class Use(Enum):
    """The use of a picture."""

    TRAIN = "train"
    HELD_OUT = "held out"
    GAP = "gap"  # too near to what is held out


def thumbnail(pixels: NDArray[np.uint8]) -> NDArray[np.float32]:
    """Shrink a picture and return it as a vector without mean and of length 1, so that products are correlations.

    Args:
        pixels: RGB or RGBA, shape (height, width, 3 or 4).

    Returns:
        A vector of `3 * THUMBNAIL**2` values; zeros if the picture is flat.
    """
    picture = Image.fromarray(pixels)
    if pixels.shape[2] == 4:
        picture = Image.alpha_composite(Image.new("RGBA", picture.size, (_GRAY, _GRAY, _GRAY, 255)), picture)
    tiny = picture.convert("RGB").resize((THUMBNAIL, THUMBNAIL), Image.Resampling.BOX)
    values = np.asarray(tiny).astype(np.float32).ravel()
    values -= values.mean()
    length = np.linalg.norm(values)
    # Below a contrast of one code, rounding alone determines the vector.
    return values / length if length > values.size**0.5 else np.zeros_like(values)


def find_groups(candidates: Sequence[Candidate]) -> list[list[int]]:
    """Return groups of candidates that may not be split, as indices, in the order of each group's smallest digest.

    Frames of one video or animation form a group, and pictures that look alike, in any sources. With the order of
    digests, adding or removing pictures changes the use of few others.
    """
    leaders = np.arange(len(candidates))
    seen: dict[Hashable, int] = {}
    for i, candidate in enumerate(candidates):
        keys: list[Hashable] = [candidate.digest]
        if candidate.sequence is not None:
            keys.append((candidate.source, candidate.sequence))
        for key in keys:
            _join(leaders, [seen.setdefault(key, i), i])
    shown = [i for i, candidate in enumerate(candidates) if candidate.thumbnail is not None]
    numbers = np.array(shown, np.int64)
    thumbnails = np.stack([t for c in candidates if (t := c.thumbnail) is not None]) if shown else np.zeros((0, 1))
    for first in range(0, len(shown), _ROWS):
        alike = thumbnails[first : first + _ROWS] @ thumbnails.T > ALIKE
        for row, i in zip(alike, numbers[first : first + _ROWS], strict=True):
            _join(leaders, [i, *np.unique(leaders[numbers[row]])])
    groups: dict[int, list[int]] = defaultdict(list)
    for i, leader in enumerate(leaders.tolist()):
        groups[leader].append(i)
    return sorted(groups.values(), key=lambda group: min(candidates[i].digest for i in group))


def assign(
    candidates: Sequence[Candidate],
    groups: Sequence[list[int]],
    share: float,
    kinds: Iterable[Container[int]],
    patch: int,
) -> list[Use] | None:
    """Return the use of each candidate, or None if nothing of some kind can be held out.

    For each source, whole groups are held out until its fraction is reached; all of their pictures have to be large
    enough. For a kind with nothing held out, its smallest such group follows, up to half of its pictures, or else a
    part of its longest film, with a gap on both sides.

    Args:
        candidates: all pictures of all sources.
        groups: result of `find_groups`.
        share: fraction of each source to hold out; with large groups, as near to it as they allow.
        kinds: indices of the sources of each kind of picture that needs some held out and some to train on.
        patch: smallest width and height of held-out pictures, in pixels.
    """
    fitting = [group for group in groups if all(candidates[i].side >= patch for i in group)]
    held: set[int] = set()
    for source in sorted({candidate.source for candidate in candidates}):
        count = sum(candidate.source == source for candidate in candidates)
        # A group across several sources counts for the first.
        own = [group for group in fitting if candidates[group[0]].source == source]
        held |= _take(own, min(max(1, round(share * count)), count // 2), count)
    uses = [Use.HELD_OUT if i in held else Use.TRAIN for i in range(len(candidates))]
    for kind in kinds:
        inside = [i for i, candidate in enumerate(candidates) if candidate.source in kind]
        if any(uses[i] is Use.HELD_OUT for i in inside):
            continue
        smallest = _find_smallest(candidates, fitting, inside)
        film = [] if smallest else _find_longest_film(candidates, inside, patch)
        if not smallest and len(film) < 2:
            return None
        for i in smallest:
            uses[i] = Use.HELD_OUT
        _cut_film(candidates, film, share, uses)
        _keep_apart(candidates, groups, film, uses)
    return uses


def _join(leaders: NDArray[np.int64], indices: Sequence[int]) -> None:
    """Merge the groups of some candidates; the smallest index becomes the leader."""
    found = {int(leaders[i]) for i in indices}
    least = min(found)
    for leader in found - {least}:
        leaders[leaders == leader] = least


def _take(groups: Sequence[list[int]], wanted: int, count: int) -> set[int]:
    """Return the indices of about as many pictures as wanted, in whole groups; never all of the source.

    Args:
        groups: groups of the source.
        wanted: number of pictures to take.
        count: number of pictures of the source.
    """
    taken: set[int] = set()
    left = []
    for group in groups:
        if len(taken) + len(group) <= wanted:
            taken.update(group)
        else:
            left.append(group)
    smallest = min(left, key=len, default=None)
    # One more group, if the number is nearer to what is wanted with it than without.
    if smallest is not None and len(taken) + len(smallest) < count:
        over, under = len(taken) + len(smallest) - wanted, wanted - len(taken)
        if over <= under:
            taken.update(smallest)
    return taken


def _find_smallest(candidates: Sequence[Candidate], groups: Sequence[list[int]], inside: Sequence[int]) -> list[int]:
    """Return the smallest group within some candidates, up to half of them, preferably one that empties no source."""
    among = set(inside)
    sizes = Counter(candidates[i].source for i in inside)

    def empties(group: Sequence[int]) -> bool:
        taken = Counter(candidates[i].source for i in group)
        return any(taken[source] == sizes[source] for source in taken)

    possible = [group for group in groups if among.issuperset(group) and 2 * len(group) <= len(inside)]
    return min(possible, key=lambda group: (empties(group), len(group)), default=[])


def _find_longest_film(candidates: Sequence[Candidate], inside: Sequence[int], patch: int) -> list[int]:
    """Return the ordered frames of the longest video or numbered sequence of `FILM` pictures or more, or none."""
    films: dict[Hashable, list[int]] = defaultdict(list)
    for i in inside:
        if candidates[i].sequence is not None:
            films[candidates[i].source, candidates[i].sequence].append(i)
    long = [
        film
        for film in films.values()
        if (len(film) >= FILM or candidates[film[0]].thumbnail is None)
        and all(candidates[i].side >= patch for i in film)
    ]
    longest = max(long, key=len, default=[])
    return sorted(longest, key=lambda i: candidates[i].frame)


def _cut_film(candidates: Sequence[Candidate], film: Sequence[int], share: float, uses: list[Use]) -> None:
    """Hold out the middle of a film, since its end is often credits, and leave out the frames around that."""
    if not film:
        return
    count = min(max(1, round(share * len(film))), len(film) // 2)
    first = (len(film) - count) // 2
    middle = film[first : first + count]
    begin, end = candidates[middle[0]].frame, candidates[middle[-1]].frame
    gap = min(GAP, _MOST_GAP * (candidates[film[-1]].frame - candidates[film[0]].frame))
    # At least the next frame on both sides, however far apart frames were sampled.
    near = {*film[max(0, first - 1) : first], *film[first + count : first + count + 1]}
    near |= {i for i in film if begin - gap <= candidates[i].frame <= end + gap} - set(middle)
    if len(near) + count == len(film):
        near = set()  # two or three frames leave no room
    for i in middle:
        uses[i] = Use.HELD_OUT
    for i in near:
        uses[i] = Use.GAP


def _keep_apart(
    candidates: Sequence[Candidate], groups: Sequence[list[int]], film: Sequence[int], uses: list[Use]
) -> None:
    """Leave out pictures outside a film that look like its held-out part."""
    held = [t for i in film if uses[i] is Use.HELD_OUT and (t := candidates[i].thumbnail) is not None]
    if not held:
        return
    group = next(group for group in groups if film[0] in group)
    for i in set(group) - set(film):
        thumbnail = candidates[i].thumbnail
        if thumbnail is not None and (np.stack(held) @ thumbnail > ALIKE).any():
            uses[i] = Use.GAP
