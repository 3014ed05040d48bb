"""`python -m tools.synfigclips OUT [NAME ...]`: drawn animation to measure `vsanime.colorize` on.

Renders what comes with Debian's synfig-examples (GPL-2+): for evaluation only, never for training. Of its 31 drawings
these are animated and drawn in lines; the others are stills, text or fractals. Each goes to OUT/NAME as numbered PNGs,
which `vsanime bench colorize OUT/NAME` reads, and whose names training refuses. Synfig is installed by

    apt-get install synfig synfig-examples
"""

from __future__ import annotations

import argparse
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

_EXAMPLES = Path("/usr/share/doc/synfig-examples/examples")


@dataclass(frozen=True)
class Drawing:
    """A part of an example.

    Attributes:
        file: its name.
        what: is to be seen.
        size: width and height in pixels.
        frames: the first and the last, at the file's own rate.
    """

    file: str
    what: str
    size: tuple[int, int]
    frames: tuple[int, int]


DRAWINGS = {
    "eye": Drawing("eye.sif", "large motion: an eye opens, looks about, blinks; shaded", (384, 216), (60, 156)),
    "prologue_kid": Drawing("prologue_kid.sif", "small motion: a boy in the wind", (288, 504), (0, 120)),
    "star": Drawing("star.sif", "a disc that becomes a star; two flat colours", (400, 300), (0, 96)),
}


def main(arguments: list[str] | None = None) -> int:
    """Render the named drawings, or all."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("out", type=Path, help="folder; what lies there already is rendered anew")
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"{', '.join(DRAWINGS)} (all)")
    parser.add_argument("--examples", type=Path, default=_EXAMPLES, help="where the .sif files are (%(default)s)")
    args = parser.parse_args(arguments)
    unknown = sorted(set(args.names) - set(DRAWINGS))
    if unknown:
        return _fail(f"there is no {', '.join(unknown)}; {', '.join(DRAWINGS)} are there")
    chosen = {name: drawing for name, drawing in DRAWINGS.items() if not args.names or name in args.names}
    missing = _missing(args.examples, chosen)
    if missing:
        return _fail(f"{missing}; on Debian: apt-get install synfig synfig-examples")
    for name, drawing in chosen.items():
        count = drawing.frames[1] - drawing.frames[0] + 1
        print(f"{name}: {drawing.what}; {count} frames of {drawing.size[0]}x{drawing.size[1]}", flush=True)
        found = _render(args.examples / drawing.file, args.out / name, drawing)
        if found != count:
            return _fail(f"{name}: synfig left {found} frames; {count} were asked for")
    return 0


def _missing(examples: Path, drawings: dict[str, Drawing]) -> str:
    """Return what is not installed, or nothing."""
    if shutil.which("synfig") is None:
        return "synfig is not on PATH"
    files = [drawing.file for drawing in drawings.values() if not (examples / drawing.file).is_file()]
    return f"{examples} holds no {', '.join(files)}" if files else ""


def _render(file: Path, folder: Path, drawing: Drawing) -> int:
    """Run synfig; return the number of pictures that came out."""
    folder.mkdir(parents=True, exist_ok=True)
    for old in folder.glob("*.png"):
        old.unlink()
    width, height = drawing.size
    first, last = drawing.frames
    command = ["synfig", "-t", "png", "-w", str(width), "-h", str(height)]
    command += [
        "--begin-time",
        f"{first}f",
        "--end-time",
        f"{last}f",
        str(file),
        "-o",
        str(folder / f"synfig_{folder.name}.png"),
    ]
    # It fills the terminal with warnings about blurs at every size but the drawing's own.
    subprocess.run(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, check=False)
    return len(list(folder.glob("*.png")))


def _fail(message: str) -> int:
    print(f"synfigclips: {message}", file=sys.stderr)
    return 1


if __name__ == "__main__":
    sys.exit(main())
