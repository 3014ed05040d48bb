"""Finds pictures that are frames of one animation by their names, in any script."""

from __future__ import annotations

import re
import unicodedata
from collections import defaultdict
from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from itertools import pairwise

_NUMBER = re.compile(r"(\d+)")
# Largest gap in the numbers of one animation's frames, whatever they were sampled at; pictures of a web site, whose
# names may share a word too, have larger gaps.
_MOST_APART = 100
# Words with which cameras, scanners, screenshots and exporters name any picture, and words beside dates: with a number,
# they say nothing about what a picture shows. Words of film (frame, scene, cel) are not among them.
_GENERIC_WORDS = """
    img imgs image images imag mvimg dsc dscn dscf dsci dcim imgp cimg sdc sam pxl pano pana gopr gp dji p pict
    pic pics picture pictures photo photos photograph foto fotos bild bilder imagen immagine
    scan scans page pages screenshot screenshots screen shot shots snapshot capture vlcsnap mpv bildschirmfoto
    captura de pantalla écran vom um from at am pm wa whatsapp
    wallpaper wallpapers untitled unnamed noname download file no nr copy sample
    train training val valid validation test hr lr gt
    画像 写真 图片 图像 照片 截图 圖片 圖像 사진 이미지 スクリーンショット
    изображение фото снимок рисунок скриншот
"""
_GENERIC = frozenset(_GENERIC_WORDS.split())


@dataclass(frozen=True)
class Frame:
    """The position of a picture in an animation.

    Attributes:
        sequence: identifier of the animation, equal for all of its frames.
        number: number of the frame; those of consecutive frames may differ by more than 1.
    """

    sequence: Hashable
    number: int


@dataclass(frozen=True)
class _Name:
    """The parts of a picture's path.

    Attributes:
        folder: path before the file's name, normalized.
        texts: texts around the numbers of the file's name, without its suffix.
        numbers: numbers in the file's name.
    """

    folder: str
    texts: tuple[str, ...]
    numbers: tuple[int, ...]


def find_frames(names: Sequence[str]) -> dict[str, Frame]:
    """Return the pictures that are frames of an animation, by name.

    Names are evidence of an animation if they are in one folder, share a specific word (`walk_01`, but not `IMG_0001`),
    and are numbered closely. If a name has several numbers, the last one that differs counts frames, so `scene1_0001`
    and `scene2_0001` belong to two animations. Names without such a word (`0001`, `2014-08-01 17_41_00`) are no
    evidence, unless their folder is one of several that differ in a number (`episode 01/0001`).

    Args:
        names: paths of pictures below one source, with `/`.
    """
    parts = {name: _take_apart(name) for name in names}
    numbered_folders = find_numbered_folders({part.folder for part in parts.values()})
    groups: dict[Hashable, list[str]] = defaultdict(list)
    for name, part in parts.items():
        if part.numbers and (has_word(part.texts) or part.folder in numbered_folders):
            groups[part.folder, part.texts].append(name)
    frames: dict[str, Frame] = {}
    for key, members in groups.items():
        frames |= _number_frames(key, {name: parts[name].numbers for name in members})
    return frames


def has_word(texts: Sequence[str]) -> bool:
    """Return whether the texts between the numbers of a name have a word that is specific to what the picture shows."""
    words = find_words(" ".join(texts))
    # Single letters beside a word are abbreviations, such as those of hours and minutes; alone they name cel layers.
    long = [word for word in words if len(word) > 1 or not word.isascii()]
    return any(word not in _GENERIC for word in long or words)


def find_words(text: str) -> list[str]:
    """Return the words of a name in lower case: runs of letters with their marks, in any script."""
    letters = "".join(c if unicodedata.category(c)[0] in "LM" else " " for c in normalize(text))
    return letters.split()


def normalize(name: str) -> str:
    """Return a name in the form for comparison: file systems store accents differently, and digits have many forms."""
    return unicodedata.normalize("NFKC", name).casefold()


def split_numbers(stem: str) -> tuple[tuple[str, ...], tuple[int, ...]]:
    """Return the texts around the numbers of a name without its suffix, normalized, and the numbers."""
    pieces = _NUMBER.split(normalize(stem))
    return tuple(pieces[::2]), tuple(map(int, pieces[1::2]))


def find_numbered_folders(folders: set[str]) -> set[str]:
    """Return the normalized paths of folders that differ from another one in the same folder in numbers alone."""
    alike: dict[Hashable, set[str]] = defaultdict(set)
    for folder in map(normalize, folders):
        above, _, own = folder.rpartition("/")
        texts, numbers = split_numbers(own)
        if numbers:
            alike[above, texts].add(folder)
    return {folder for group in alike.values() if len(group) > 1 for folder in group}


def _take_apart(name: str) -> _Name:
    folder, _, file = name.rpartition("/")
    stem = file.rpartition(".")[0] or file
    return _Name(normalize(folder), *split_numbers(stem))


def _number_frames(key: Hashable, members: dict[str, tuple[int, ...]]) -> dict[str, Frame]:
    """Return the frames among names that differ in their numbers alone.

    Args:
        key: folder and texts that the names share.
        members: numbers in each name.
    """
    varying = [i for i, values in enumerate(zip(*members.values(), strict=True)) if len(set(values)) > 1]
    if not varying:
        return {}
    sequences: dict[tuple[int, ...], list[str]] = defaultdict(list)
    at = varying[-1]
    for name, numbers in members.items():
        sequences[numbers[:at] + numbers[at + 1 :]].append(name)
    frames: dict[str, Frame] = {}
    for others, names in sequences.items():
        for run in _split_apart(sorted(names, key=lambda name: members[name][at]), members, at):
            if len(run) > 1:
                sequence = (key, others, members[run[0]][at])
                frames |= {name: Frame(sequence, members[name][at]) for name in run}
    return frames


def _split_apart(names: list[str], members: dict[str, tuple[int, ...]], at: int) -> list[list[str]]:
    """Split a list of names, in the order of their numbers, at gaps too large for one animation."""
    runs = [[names[0]]]
    for before, name in pairwise(names):
        if members[name][at] - members[before][at] > _MOST_APART:
            runs.append([])
        runs[-1].append(name)
    return runs
