"""Choose the reference frames that color each frame: the nearest before and after it within its scene."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Sequence
from dataclasses import dataclass

from vsanime.errors import VsanimeError

POLICIES = ("error", "nearest", "passthrough")


@dataclass(frozen=True)
class Choice:
    """The references of one frame, as indices into the reference clip.

    Attributes:
        before: index of the reference before the frame; None if there is no reference at all.
        after: index of the reference after it; equal to `before` if there is only one.
        is_key: whether the frame is that reference itself.
    """

    before: int | None
    after: int | None
    is_key: bool = False


def choose(length: int, keys: Sequence[int], starts: Sequence[int], no_reference: str) -> list[Choice]:
    """Return the references of every frame.

    Args:
        length: number of frames in the clip.
        keys: frame numbers of the references, ascending.
        starts: number of each scene's first frame, ascending, 0 first.
        no_reference: what happens to a scene without a reference, one of `POLICIES`.

    Raises:
        VsanimeError: a scene has no reference and `no_reference` is "error"; the message names its frames.
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
    """The frames from a key toward the next key or the end of the scene, within which motion is chained.

    Attributes:
        start: number of the first frame.
        end: number of the last frame plus 1.
        key: frame number of the key, at one end of the window.
        cut: whether the other end is the search limit and not a key or the end of the scene.
    """

    start: int
    end: int
    key: int
    cut: bool


def windows(
    choices: Sequence[Choice], keys: Sequence[int], starts: Sequence[int], reach: int
) -> list[tuple[Window | None, Window | None]]:
    """Return the search windows of every frame, one for each of its two keys.

    A window reaches from its key past the frame as far as the next key, the scene and `reach` allow. It is None for a
    key of another scene or a key that is too far, and for frames that are keys or have none.

    Args:
        choices: references of every frame.
        keys: frame numbers of the references, ascending.
        starts: number of each scene's first frame, ascending, 0 first.
        reach: largest number of frames in a window beside the key.
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
    """Return the length of the longest window in frames, or 0 if there is none."""
    return max((window.end - window.start for pair in found for window in pair if window is not None), default=0)


def _window(n: int, key: int, first: int, last: int, reach: int) -> Window | None:
    """Return the window of a key at `first` or `last`; None for another key, or one too far from frame `n`."""
    if key not in (first, last) or abs(n - key) > reach:
        return None
    if key < n:
        return Window(key, min(last, key + reach) + 1, key, cut=last > key + reach)
    return Window(max(first, key - reach), key + 1, key, cut=first < key - reach)


def runs(numbers: Sequence[int]) -> list[tuple[int, int]]:
    """Return runs of equal numbers as (number, length), in order."""
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
    """Return the references of a scene without its own, the same for all of its frames: the nearest key, or none."""
    if no_reference == "passthrough":
        return Choice(None, None)
    nearest = min(range(len(keys)), key=lambda i: (max(start - keys[i], keys[i] - end + 1), i))
    return Choice(nearest, nearest)


def _choice(n: int, keys: Sequence[int], inside: range) -> Choice:
    """Return the references of one frame among those within its scene."""
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
