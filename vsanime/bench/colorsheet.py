"""Draws a page of colorized frames: a row has the line art, both keys, the result of each method, and the truth."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from vsanime import files
from vsanime.arrays import Bytes
from vsanime.bench.colorization import Clip, Outcome, around
from vsanime.errors import VsanimeError

ROWS = 4  # most frames shown of a clip
_WIDE = 320  # largest width of a picture in pixels
_GAP, _LINE, _TEXT = 6, 18, 13
_PAPER, _INK = 255, 30


def check_path(path: Path) -> None:
    """Raise an error before anything is measured if the page cannot be written at this path.

    Raises:
        VsanimeError: the suffix is not one of a picture, or the folder does not exist.
    """
    files.check_name(path)
    suffixes = Image.registered_extensions()
    if suffixes.get(path.suffix.lower()) not in Image.SAVE:
        raise VsanimeError(f"{path} cannot be written: its name has to end like a picture's, in .png or .webp")
    if not path.parent.is_dir():
        raise VsanimeError(f"{path} cannot be written: there is no folder {path.parent}")


def write(path: Path, clip: Clip, keys: Sequence[int], outcome: Outcome) -> None:
    """Write the page, with frames spread evenly over the clip, each midway between its keys.

    Raises:
        VsanimeError: the file cannot be written, or its suffix is not one of a picture.
    """
    gaps = [(a, b) for a, b in pairwise(keys) if b - a > 1]
    chosen = [gaps[i] for i in sorted({round(i) for i in np.linspace(0, len(gaps) - 1, min(ROWS, len(gaps)))})]
    rows = [_row(clip, keys, outcome, (before + after) // 2) for before, after in chosen]
    wide, high = rows[0][0][1].size
    page = Image.new(
        "RGB", ((wide + _GAP) * len(rows[0]) + _GAP, (high + _LINE + _GAP) * len(rows) + _GAP), (_PAPER,) * 3
    )
    pen, font = ImageDraw.Draw(page), ImageFont.load_default(_TEXT)
    for down, row in enumerate(rows):
        for across, (label, picture) in enumerate(row):
            left, top = _GAP + across * (wide + _GAP), _GAP + down * (high + _LINE + _GAP)
            page.paste(picture, (left, top))
            pen.text((left, top + high), label, fill=(_INK,) * 3, font=font)
    try:
        with files.stage(path) as staged:
            page.save(staged)
    except (OSError, ValueError) as error:
        raise VsanimeError(f"{path} cannot be written: {error}") from None


def _row(clip: Clip, keys: Sequence[int], outcome: Outcome, number: int) -> list[tuple[str, Image.Image]]:
    before, after, _ = around(keys, number)
    line = np.repeat(clip.lines[number][..., None], 3, 2)
    shown = [
        (f"line art, {number}", line),
        (f"key {before}", clip.colours[before]),
        (f"key {after}", clip.colours[after]),
    ]
    shown += [(name, made[number]) for name, made in outcome.results.items()]
    return [(label, _small(pixels)) for label, pixels in [*shown, ("truth", clip.colours[number])]]


def _small(pixels: Bytes) -> Image.Image:
    picture = Image.fromarray(pixels)
    picture.thumbnail((_WIDE, _WIDE * 4), Image.Resampling.BOX)
    return picture
