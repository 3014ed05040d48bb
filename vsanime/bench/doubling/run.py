"""Measures all pictures with all methods and writes the figures, tables and crops into a folder."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from vsanime import files
from vsanime.bench.doubling import crops, tables
from vsanime.bench.doubling.compressed import measure_compressed, pair_of
from vsanime.bench.doubling.measure import LUMA, Bar, Figure, Title, measure_chroma, measure_doubling
from vsanime.bench.doubling.methods import Method
from vsanime.bench.doubling.sources import Place, Reader, Skipped, is_gray, spread
from vsanime.errors import VsanimeError

CSV_NAME, MARKDOWN_NAME, CROPS_NAME = "quality.csv", "quality.md", "crops.png"
# Kernel of the crops if it is measured, because most clips were scaled by it.
_CROPS_KERNEL = "catmull_rom"

_CONDITIONS = """\
Pictures are cut to multiples of 4 pixels, halved by the kernel that heads a column, and rounded to 8 bits; what is
transparent lies on white. Results are compared with the 8-bit original, clipped to [0, 1] but not rounded, edges
included. A cell is the mean of the pictures' PSNR and the mean of their SSIM (Wang et al. 2004); a picture that comes
out exact counts as 80 dB. Luma is BT.709's in full range; RGB networks are given R, G and B, also for
the table of luma.
"""
_CHROMA = """\
Chroma: 4:2:0 of the 8-bit 4:4:4 original by kernel and siting, rounded to 8 bits; luma is the original's.
"""
_COMPRESSED = """\
Compression: a clip halved, coded by x264 (preset medium, 4:2:0 in limited range) and doubled; luma of its frames is
compared with that of the clip before all this, in the same way as pictures are.
"""


@dataclass(frozen=True)
class Plan:
    """The pictures, methods and conditions to measure.

    Attributes:
        places: locations of the pictures.
        skipped: files that are known to be unreadable.
        kernels: kernels that halve the pictures.
        methods: methods for luma and RGB.
        chroma: methods for chroma; empty to omit chroma.
        crops: most pictures on the page of crops.
        truth: original video for measuring compression, or None.
        compressed: compressed video at half the size; None to make it.
        crf: x264's rate factor for making it.
        restoring: methods for the compressed video.
        every: measure every n-th frame of the video.
    """

    places: Sequence[Place]
    skipped: Sequence[Skipped]
    kernels: Sequence[str]
    methods: Sequence[Method]
    chroma: Sequence[Method]
    crops: int
    truth: Path | None
    compressed: Path | None
    crf: int
    restoring: Sequence[Method]
    every: int


@dataclass
class Outcome:
    """The results so far.

    Attributes:
        skipped: files that could not be measured.
        figures: figures of every picture, condition and method.
        strips: crops of the pictures to show.
    """

    skipped: list[Skipped]
    figures: list[Figure] = field(default_factory=list)
    strips: list[crops.Strip] = field(default_factory=list)


def run(plan: Plan, out: Path, bar: Bar) -> Outcome:
    """Measure everything; the CSV file grows with every picture.

    Args:
        plan: pictures, methods and conditions.
        out: folder of the results, created if it does not exist.
        bar: progress bar.

    Raises:
        VsanimeError: no picture could be measured, a video cannot be read, a network fails, or the folder cannot
            be written.
    """
    try:
        return _run(plan, out, bar)
    except OSError as error:
        # Errors while appending to a file do not always name it.
        raise VsanimeError(f"{error.filename or out} cannot be written: {error.strerror or error}") from None


def _run(plan: Plan, out: Path, bar: Bar) -> Outcome:
    out.mkdir(parents=True, exist_ok=True)
    csv = out / CSV_NAME
    files.write_text(csv, tables.as_csv([], heading=True))
    for name in (MARKDOWN_NAME, CROPS_NAME):
        (out / name).unlink(missing_ok=True)
    outcome = Outcome(list(plan.skipped))
    bar.more(len(plan.places) * (len(plan.methods) + len(plan.chroma)))
    # The video comes before the pictures, so that an error in it is reported at once.
    pair = pair_of(plan.truth, plan.compressed, plan.crf, plan.every, bar) if plan.truth else None
    if pair is not None:
        bar.more(len(plan.restoring) * len(pair.numbers))
    _measure_pictures(plan, csv, outcome, bar)
    if pair is not None:
        _keep(measure_compressed(pair, plan.restoring, bar.step), csv, outcome)
    files.write_text(out / MARKDOWN_NAME, report(plan, outcome))
    if outcome.strips:
        crops.write(out / CROPS_NAME, outcome.strips)
    return outcome


def _measure_pictures(plan: Plan, csv: Path, outcome: Outcome, bar: Bar) -> None:
    kernel = _CROPS_KERNEL if _CROPS_KERNEL in plan.kernels else plan.kernels[0]
    shown = set(spread(plan.places, plan.crops))
    reader = Reader()
    for place in plan.places:
        try:
            picture = reader.read(place)
        except VsanimeError as error:
            outcome.skipped.append(Skipped(place.path, str(error)))
            bar.more(-len(plan.methods) - len(plan.chroma))
            continue
        title = Title(place.group, str(place))
        figures, results = measure_doubling(title, picture, plan.kernels, plan.methods, bar.step)
        if place in shown:
            strip = crops.strip_of(f"{place.group}: {place}", results, kernel, plan.kernels.index(kernel))
            outcome.strips.append(strip)
        if is_gray(picture):
            bar.more(-len(plan.chroma))
        elif plan.chroma:
            figures += measure_chroma(title, picture, plan.chroma, bar.step)
        _keep(figures, csv, outcome)
    if plan.places and not outcome.figures:
        first = outcome.skipped[0]
        raise VsanimeError(f"none of {len(plan.places)} pictures could be measured; {first.path}: {first.reason}")


def _keep(figures: Sequence[Figure], csv: Path, outcome: Outcome) -> None:
    outcome.figures += figures
    with csv.open("a", encoding="utf-8", newline="\n") as file:
        file.write(tables.as_csv(figures, heading=False))


def report(plan: Plan, outcome: Outcome) -> str:
    """Return the Markdown page: measured pictures, conditions, skipped files and tables."""
    parts = ["# Quality\n\n"]
    measured = list(dict.fromkeys((f.group, f.picture) for f in outcome.figures if f.measure == LUMA))
    if measured:
        counts = Counter(group for group, _ in measured)
        parts.append(f"Pictures: {', '.join(f'{group} ({count})' for group, count in counts.items())}.\n\n")
        parts.append(_CONDITIONS + (_CHROMA if plan.chroma else "") + "\n")
    if plan.truth is not None and plan.compressed is None:
        parts.append(_COMPRESSED + "\n")
    if outcome.skipped:
        parts.append(f"Skipped {len(outcome.skipped)}:\n\n")
        parts += [f"- {skipped.path}: {skipped.reason}\n" for skipped in outcome.skipped]
        parts.append("\n")
    return "".join(parts) + tables.as_markdown(outcome.figures)
