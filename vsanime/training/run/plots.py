"""Draws the curves of a run as PNG with matplotlib, whose 30 MB are little beside torch."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

from vsanime import files
from vsanime.training.run.log import read

_SIZE_INCHES, _DOTS_PER_INCH = (8.0, 4.5), 120


@dataclass(frozen=True)
class Drawing:
    """One PNG of curves.

    Attributes:
        name: name of the file, without its suffix.
        log: name of the CSV with the values.
        unit: label of the vertical axis.
        only: columns to draw; empty for all.
        logarithmic: whether the vertical axis is logarithmic.
    """

    name: str
    log: str
    unit: str
    only: tuple[str, ...] = ()
    logarithmic: bool = False


def draw_curves(folder: Path, drawings: Sequence[Drawing]) -> list[Path]:
    """Draw PNGs from the logs in a run's folder.

    Args:
        folder: folder of the run.
        drawings: PNGs to draw.

    Returns:
        The paths of the PNGs; empty if matplotlib is missing or the logs have no values.
    """
    if find_spec("matplotlib") is None:
        return []
    drawn = []
    for drawing in drawings:
        curves = _columns(read(folder / drawing.log), drawing.only)
        if curves:
            path = folder / f"{drawing.name}.png"
            _draw(path, curves, drawing.unit, logarithmic=drawing.logarithmic)
            drawn.append(path)
    return drawn


type Curve = tuple[list[int], list[float]]


def _columns(rows: Sequence[Mapping[str, str]], only: tuple[str, ...] = ()) -> dict[str, Curve]:
    """Return the steps and values of each column, by its name."""
    names = [name for name in (rows[0] if rows else ()) if name != "step" and (not only or name in only)]
    curves: dict[str, Curve] = {}
    for name in names:
        points = [(int(row["step"]), float(row[name])) for row in rows if row[name]]
        curves[name] = ([step for step, _ in points], [value for _, value in points])
    return curves


def _draw(path: Path, curves: Mapping[str, Curve], unit: str, *, logarithmic: bool) -> None:
    # Without pyplot, there is no window and no global state.
    from matplotlib.figure import Figure

    figure = Figure(_SIZE_INCHES, _DOTS_PER_INCH, layout="constrained")
    axes = figure.subplots()
    for name, (steps, values) in curves.items():
        axes.plot(steps, values, label=name, linewidth=1)
    axes.set_xlabel("step")
    axes.set_ylabel(unit)
    if logarithmic:
        axes.set_yscale("log")
    axes.grid(visible=True, alpha=0.3)
    axes.legend()
    with files.stage(path) as staged:
        figure.savefig(staged)
