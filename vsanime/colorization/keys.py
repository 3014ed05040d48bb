"""Which reference pictures a frame is coloured from: the nearest before and after it, inside its scene."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Sequence
from dataclasses import dataclass

from vsanime.errors import VsanimeError

POLICIES = ("error", "nearest", "passthrough")


@dataclass(frozen=True)
class Choice:
    """Where a frame's colours come from, by the places of references in their clip.

    Attributes:
        before: the reference before it; None for none at all.
        after: the one after it. The same as `before` where there is only one.
        is_key: whether the frame is that reference itself.
    """

    before: int | None
    after: int | None
    is_key: bool = False


def choose(length: int, keys: Sequence[int], starts: Sequence[int], no_reference: str) -> list[Choice]:
    """The references of every frame.

    Args:
        length: frames of the clip.
        keys: numbers of the frames that references are of, ascending.
        starts: number of each scene's first frame, ascending, 0 first.
        no_reference: what becomes of a scene without any, one of `POLICIES`.

    Raises:
        VsanimeError: a scene without a reference where that is an error; names its frames.
    """
    bare = [(start, end) for start, end in _scenes(starts, length) if _count(keys, start, end) == 0]
    if bare and no_reference == "error":
        raise VsanimeError(_complaint(bare))
    choices = []
    for start, end in _scenes(starts, length):
        inside = range(bisect_left(keys, start), bisect_left(keys, end))
        if inside:
            choices += [_choice(n, keys, inside) for n in range(start, end)]
        else:
            choices += [_from_afar(start, end, keys, no_reference)] * (end - start)
    return choices


@dataclass(frozen=True)
class Window:
    """Frames on one side of a key, with it.

    Attributes:
        start: the first of them.
        end: the one after the last.
        key: number of the key's frame, at one end.
        cut: whether the other end is neither a key nor the scene's, but as far as is looked.
    """

    start: int
    end: int
    key: int
    cut: bool


def windows(
    choices: Sequence[Choice], keys: Sequence[int], starts: Sequence[int], reach: int
) -> list[tuple[Window | None, Window | None]]:
    """For every frame the frames between it and each of its two keys, and beyond it as far as the next key.

    None for a key of another scene, one that is too far, and where the frame is a key or has none.

    Args:
        choices: of every frame.
        keys: numbers of the frames that references are of, ascending.
        starts: number of each scene's first frame, ascending, 0 first.
        reach: frames on one side of a key that are in its window at most.
    """
    found: list[tuple[Window | None, Window | None]] = []
    for start, end in _scenes(starts, len(choices)):
        for n in range(start, end):
            choice = choices[n]
            if choice.before is None or choice.after is None or choice.is_key:
                found.append((None, None))
                continue
            pair = keys[choice.before], keys[choice.after]
            first, last = max([start, *(key for key in pair if key < n)]), min([end - 1, *(k for k in pair if k > n)])
            found.append((_window(n, pair[0], first, last, reach), _window(n, pair[1], first, last, reach)))
    return found


def longest(found: Sequence[tuple[Window | None, Window | None]]) -> int:
    """Frames in the longest of the windows of all frames; 0 where there are none."""
    return max((window.end - window.start for pair in found for window in pair if window is not None), default=0)


def _window(n: int, key: int, first: int, last: int, reach: int) -> Window | None:
    """A key's, among the frames from `first` to `last`."""
    if key not in (first, last) or abs(n - key) > reach:
        return None
    if key < n:
        return Window(key, min(last, key + reach) + 1, key, cut=last > key + reach)
    return Window(max(first, key - reach), key + 1, key, cut=first < key - reach)


def runs(numbers: Sequence[int]) -> list[tuple[int, int]]:
    """Numbers that repeat as (number, how often), in order."""
    found: list[tuple[int, int]] = []
    for number in numbers:
        if found and found[-1][0] == number:
            found[-1] = number, found[-1][1] + 1
        else:
            found.append((number, 1))
    return found


def _scenes(starts: Sequence[int], length: int) -> list[tuple[int, int]]:
    return list(zip(starts, (*starts[1:], length), strict=True))


def _count(keys: Sequence[int], start: int, end: int) -> int:
    return bisect_left(keys, end) - bisect_left(keys, start)


def _from_afar(start: int, end: int, keys: Sequence[int], no_reference: str) -> Choice:
    """What a scene without a reference gets, one for all of its frames: colours do not change in its midst."""
    if no_reference == "passthrough":
        return Choice(None, None)
    nearest = min(range(len(keys)), key=lambda i: (max(start - keys[i], keys[i] - end + 1), i))
    return Choice(nearest, nearest)


def _choice(n: int, keys: Sequence[int], inside: range) -> Choice:
    """The references of one frame, among those inside its scene."""
    before = bisect_right(keys, n) - 1
    if before in inside and keys[before] == n:
        return Choice(before, before, is_key=True)
    after = before + 1
    if before not in inside:
        return Choice(after, after)
    return Choice(before, after if after in inside else before)


def _complaint(bare: list[tuple[int, int]]) -> str:
    named = ", ".join(f"{start} to {end - 1}" for start, end in bare[:4])
    more = f" and {len(bare) - 4} scenes more" if len(bare) > 4 else ""
    plural = len(bare) > 1
    return (
        f"no reference is of the scene{'s' * plural} of frames {named}{more}; give a key frame in "
        f"{'each' if plural else 'it'}, or `no_reference='nearest'` to take one from across the cut, or "
        "`no_reference='passthrough'` to leave the lines as they are"
    )
