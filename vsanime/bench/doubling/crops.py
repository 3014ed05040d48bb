"""Draws a page of crops at the place where methods differ most: the truth, then each method's result with its PSNR."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from vsanime import files
from vsanime.arrays import Bytes, Floats
from vsanime.bench.doubling.measure import Results
from vsanime.bench.metrics import psnr
from vsanime.training.data.degrade import to_codes

SIZE = 56  # largest side of a crop in pixels of the picture
ZOOM = 4
_ACROSS = 6
_GAP = 8
_LINE = 18
_TEXT = 13
_PAPER, _INK = 255, 30


@dataclass(frozen=True)
class Panel:
    """A crop with its label.

    Attributes:
        label: text below the crop, two lines at most.
        pixels: luma: height, width.
    """

    label: str
    pixels: Bytes


@dataclass(frozen=True)
class Strip:
    """The crops of one picture.

    Attributes:
        title: text with the picture, the position of the crop and the kernel.
        panels: crops of the truth and of each method's result.
    """

    title: str
    panels: list[Panel]


def strip_of(name: str, results: Results, kernel: str, number: int) -> Strip:
    """Return the crops of one picture where methods differ most.

    Args:
        name: name of the picture.
        results: results of every method.
        kernel: name of the kernel that halved the picture.
        number: index of the kernel among the results.
    """
    outputs = {method: of_kernels[number] for method, of_kernels in results.by_method.items()}
    top, left, height, width = busiest(list(outputs.values()), SIZE)

    def cut(plane: Floats) -> Bytes:
        return to_codes(plane[top : top + height, left : left + width])

    panels = [Panel("truth", cut(results.truth))]
    panels += [
        Panel(f"{method}\n{psnr(output, results.truth):.2f} dB", cut(output)) for method, output in outputs.items()
    ]
    return Strip(f"{name}, at {left}, {top}, halved by {kernel} (dB: luma of the whole picture)", panels)


def busiest(outputs: Sequence[Floats], size: int) -> tuple[int, int, int, int]:
    """Return top, left, height and width of the window where outputs differ most.

    Args:
        outputs: outputs of all methods for one picture: height, width each.
        size: side of the window in pixels; less if the picture is smaller.
    """
    variance = np.var(np.stack(outputs).astype(np.float64), axis=0)
    height, width = (min(size, n) for n in variance.shape)
    sums = np.pad(variance.cumsum(0).cumsum(1), ((1, 0), (1, 0)))
    inside = sums[height:, width:] - sums[:-height, width:] - sums[height:, :-width] + sums[:-height, :-width]
    top, left = np.unravel_index(int(inside.argmax()), inside.shape)
    return int(top), int(left), height, width


def write(path: Path, strips: Sequence[Strip]) -> None:
    """Write all strips on one page."""
    drawn = [_draw(strip) for strip in strips]
    page = Image.new("L", (max(d.width for d in drawn), sum(d.height for d in drawn)), _PAPER)
    top = 0
    for strip in drawn:
        page.paste(strip, (0, top))
        top += strip.height
    with files.stage(path) as staged:
        page.save(staged, optimize=True)


def _draw(strip: Strip) -> Image.Image:
    """Draw a title and rows of crops, enlarged by repeating pixels."""
    height, width = (n * ZOOM for n in strip.panels[0].pixels.shape)
    step, down = max(width, SIZE * ZOOM) + _GAP, height + 2 * _LINE + _GAP
    rows = -(-len(strip.panels) // _ACROSS)
    page = Image.new("L", (_ACROSS * step + _GAP, rows * down + _LINE + 2 * _GAP), _PAPER)
    pen, font = ImageDraw.Draw(page), ImageFont.load_default(_TEXT)
    pen.text((_GAP, _GAP // 2), strip.title, fill=_INK, font=font)
    for number, panel in enumerate(strip.panels):
        row, column = divmod(number, _ACROSS)
        left, top = _GAP + column * step, _LINE + _GAP + row * down
        crop = Image.fromarray(np.repeat(np.repeat(panel.pixels, ZOOM, 0), ZOOM, 1))
        page.paste(crop, (left, top))
        pen.text((left, top + height), panel.label, fill=_INK, font=font)
    return page
