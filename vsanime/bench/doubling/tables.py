"""Writes figures as CSV and their means as Markdown tables: a row per method, a column per kernel or condition."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from dataclasses import astuple, fields
from statistics import fmean

from vsanime.bench.doubling.measure import CHROMA, COMPRESSED, LUMA, MEASURES, RGB, Figure

_TITLES = {
    LUMA: "Luma, doubled",
    RGB: "RGB, doubled",
    CHROMA: "Chroma, 4:2:0 to 4:4:4",
    COMPRESSED: "Luma, doubled after compression",
}
_CELLS = {
    LUMA: "PSNR in dB / SSIM",
    RGB: "PSNR in dB / SSIM",
    CHROMA: "PSNR of Cb / of Cr in dB",
    COMPRESSED: "PSNR in dB / SSIM",
}


def as_csv(figures: Sequence[Figure], *, heading: bool) -> str:
    """Return a CSV line for each figure, under the names of the columns if `heading` is true."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    if heading:
        writer.writerow(field.name for field in fields(Figure))
    for figure in figures:
        *words, psnr, ssim = astuple(figure)
        writer.writerow([*words, f"{psnr:.4f}", "" if ssim is None else f"{ssim:.6f}"])
    return text.getvalue()


def as_markdown(figures: Sequence[Figure]) -> str:
    """Return a table of each measure over all pictures, then one of luma for each group if there are several."""
    parts = [_section(f"## {_TITLES[m]}", m, [f for f in figures if f.measure == m]) for m in MEASURES]
    luma = [f for f in figures if f.measure == LUMA]
    groups = list(dict.fromkeys(f.group for f in luma))
    if len(groups) > 1:
        parts.append("## Luma, each source by itself\n\n")
        parts += [_section(f"### {group}", LUMA, [f for f in luma if f.group == group]) for group in groups]
    return "".join(parts).rstrip("\n") + "\n"


def _section(title: str, measure: str, figures: Sequence[Figure]) -> str:
    if not figures:
        return ""
    count = len({(f.group, f.picture) for f in figures})
    what = "frames" if measure == COMPRESSED else "pictures"
    said = f"{_CELLS[measure]}: means over {count} {what if count > 1 else what[:-1]}."
    conditions = list(dict.fromkeys(f.condition for f in figures))
    lines = [title, "", said, "", _row(["method", *conditions]), "|---|" + "---:|" * len(conditions)]
    for method in dict.fromkeys(f.method for f in figures):
        own = [f for f in figures if f.method == method]
        cells = [_cell(measure, [f for f in own if f.condition == c]) for c in conditions]
        lines.append(_row([method, *cells]))
    return "\n".join(lines) + "\n\n"


def _row(cells: Sequence[str]) -> str:
    # An unescaped bar in a file name would end the cell.
    return "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |"


def _cell(measure: str, figures: Sequence[Figure]) -> str:
    """Return the text of a cell: the means of the figures over pictures."""
    if not figures:
        return ""
    if measure == CHROMA:
        return " / ".join(f"{fmean(f.psnr for f in figures if f.plane == plane):.2f}" for plane in ("Cb", "Cr"))
    return f"{fmean(f.psnr for f in figures):.2f} / {fmean(f.ssim for f in figures if f.ssim is not None):.4f}"
