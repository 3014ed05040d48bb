"""Explains why the pictures of a recipe are not enough for a run, and which change would help."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from vsanime.errors import VsanimeError
from vsanime.sections import plain
from vsanime.training.data import split
from vsanime.training.data.entries import Picture
from vsanime.training.recipes.base import Source
from vsanime.training.recipes.reader import PictureRecipe, from_table

_STEP = 4  # advised patch sizes are multiples of it, as every recipe allows
_LEAST_PICTURES = 2  # one to train on, one held out


@dataclass(frozen=True)
class Unusable:
    """A file that cannot be used.

    Attributes:
        path: path of the file.
        reason: why it cannot be used.
        size: width and height in pixels if it is too small; None otherwise.
        repeated: whether another file has the same content.
    """

    path: Path
    reason: str
    size: tuple[int, int] | None = None
    repeated: bool = False


def explain_unusable(source: Source, files: Sequence[Unusable], recipe: PictureRecipe) -> str:
    """Return the message for a source without any file that can be used."""
    advice = ""
    if sides := [min(file.size) for file in files if file.size is not None]:
        advice = f"; {_advise_patch(_patch_of_half(sides, recipe.data.least), recipe)}"
    why = describe(files, f"the {recipe.data.patch} pixels of a patch")
    return f"the source {source.path!r} holds no picture that can be used: {why}{advice}"


def describe(files: Sequence[Unusable], least: str) -> str:
    """Return how many files cannot be used for which reason, each with an example.

    Args:
        files: all files, none of which can be used.
        least: text for the size that pictures need.
    """
    small = [(file, file.size) for file in files if file.size is not None]
    repeated = [file for file in files if file.repeated]
    unreadable = [file for file in files if file.size is None and not file.repeated]
    said = []
    if small:
        file, (width, height) = max(small, key=lambda one: min(one[1]))
        said.append(f"{len(small)} are smaller than {least}, the largest is {file.path.name}, {width}x{height}")
    if unreadable:
        said.append(f"{len(unreadable)} cannot be used, such as {unreadable[0].path}: {unreadable[0].reason}")
    if repeated:
        said.append(f"{len(repeated)} are there already, such as {repeated[0].path}: {repeated[0].reason}")
    return ", ".join(said) or "there is no picture or video in it; PNG, JPEG, WebP, BMP, TIFF and videos are read"


def explain_too_few(pictures: Sequence[Picture], held: int, recipe: PictureRecipe) -> str:
    """Return the message for fewer pictures than the recipe asks for, `held` of them to be held out."""
    count, least = len(pictures), recipe.data.least
    ways = ["add pictures"]
    if any(picture.frame is not None for picture in pictures):
        ways.append("lower `every` of the videos")
    if count >= _LEAST_PICTURES:
        ways.append(f"lower data.least to {count}")
    return f"{count} pictures, {held} of them held out; {least} are needed at least (data.least): {', or '.join(ways)}"


def explain_split(
    pictures: Sequence[Picture],
    candidates: Sequence[split.Candidate],
    groups: Sequence[list[int]],
    recipe: PictureRecipe,
) -> str:
    """Return the message for a kind of pictures of which none can be held out.

    Args:
        pictures: all pictures.
        candidates: the same pictures as candidates for the split.
        groups: indices that belong together, from `split.find_groups`.
        recipe: recipe of the run.
    """

    def works(kinds: Sequence[range], patch: int) -> bool:
        return split.assign(candidates, groups, recipe.data.held_out, kinds, patch) is not None

    patch = recipe.validation.patch
    label, kind = next((label, kind) for label, kind in recipe.kinds.items() if not works([kind], patch))
    inside = [i for i, candidate in enumerate(candidates) if candidate.source in kind]
    of = f"{len(inside)} pictures" + (f" of [[{label}]]" if len(recipe.kinds) > 1 else "")
    start = f"none of {of} is held out for validation"
    small = sorted({candidates[i].side // _STEP * _STEP for i in inside if candidates[i].side < patch}, reverse=True)
    # Preferably a patch that half of the pictures allow; otherwise the largest that works.
    half = _patch_of_half([candidates[i].side for i in inside])
    fitting = next((side for side in (half, *small) if side < patch and works([kind], side)), 0)
    if fitting and _allows(recipe, {"validation": {"patch": fitting}}):
        return (
            f"{start}: those that could be are smaller than {patch} pixels; lower validation.patch to {fitting}, or "
            "add larger pictures"
        )
    return f"{start}: {_why_together(pictures, candidates, groups, inside)}"


def _why_together(
    pictures: Sequence[Picture],
    candidates: Sequence[split.Candidate],
    groups: Sequence[list[int]],
    inside: Sequence[int],
) -> str:
    """Return why pictures, or most of them, cannot be split, and what would help."""
    if len(inside) == 1:
        return "it is the only one; add pictures of something else"
    largest = max(groups, key=lambda group: len(set(group).intersection(inside)))
    rest = len(inside) - len(set(largest).intersection(inside))
    some = "they" if not rest else f"all but {rest}"
    numbered = [i for i in largest if candidates[i].sequence is not None]
    more = "add larger pictures of something else" if rest else "add pictures of something else"
    if not numbered:
        return f"{some} look alike; {more}"
    first, last = pictures[numbered[0]].name, pictures[numbered[-1]].name
    return (
        f"{some} are named as frames of one animation ({first} to {last}) or look alike; {more}, or name them by "
        "numbers alone (0001.png) if each shows something else"
    )


def _patch_of_half(sides: Sequence[int], least: int = 0) -> int:
    """Return the largest patch that fits into half of the pictures, and into at least `least` of them."""
    count = min(max((len(sides) + 1) // 2, least), len(sides))
    return sorted(sides, reverse=True)[count - 1] // _STEP * _STEP


def _advise_patch(patch: int, recipe: PictureRecipe) -> str:
    """Return the advice for pictures that are too small, but large enough for patches of this size."""
    wanted = {
        f"{section}.{key}": value
        for section, keys in (("data", ("patch", "init_patch")), ("validation", ("patch",)))
        for key in keys
        if (value := getattr(getattr(recipe, section), key, 0)) > patch
    }
    changes: dict[str, dict[str, int]] = {}
    for path in wanted:
        section, key = path.split(".")
        changes.setdefault(section, {})[key] = patch
    if not _allows(recipe, changes):
        return "give larger pictures"
    keys = " and ".join(f"{path} ({value})" for path, value in wanted.items())
    return f"lower {keys} to {patch}, or give larger pictures"


def _allows(recipe: PictureRecipe, changes: Mapping[str, Mapping[str, int]]) -> bool:
    """Return whether a recipe with these values is valid."""
    table: dict[str, Any] = plain(recipe)
    for section, values in changes.items():
        table[section] = {**table[section], **values}
    try:
        from_table(table)
    except VsanimeError:
        return False
    return True
