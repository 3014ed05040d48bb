"""`vsanime bench colorize`: how near line art coloured from key frames comes to the clip that it was taken from."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from vsanime.arrays import Bytes
from vsanime.cli.progress import progress
from vsanime.cli.tables import print_table
from vsanime.errors import VsanimeError, shorten
from vsanime.optional import require
from vsanime.terminal import open_console, print_line

if TYPE_CHECKING:
    from vsanime.bench.colorization import Clip, Coloring, Outcome


_EPILOG = """\
The line art is made of the clip itself, always in the same way: the black top-hat of luma, times 3, and what is
nearly black. Keys are every N-th frame; frames after the last key are left out. For each method:

  whole      PSNR in dB and SSIM over whole frames, keys not counted
  changed    over the pixels that differ by more than 16 codes from the nearest key
  off lines  over those of them that lie more than 3 pixels from a line
  warp       difference of each frame from the one before, moved along, over that of the truth; the motion is found in
             the truth (iterative Lucas-Kanade), and what it does not bring within 0.1 of full scale is taken for hidden
             and left out

PSNR is of the squares of all frames together, SSIM the mean of its map. Each --colorize is one more line of the table,
the filter with these arguments; values are numbers, true, false or words.

examples:
  vsanime bench colorize cels.mkv --keys 12,24
  vsanime bench colorize frames/ --colorize default --colorize fill=segments,work_size=144
"""


def add_parser(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the `colorize` subcommand to `bench`."""
    parser = subparsers.add_parser(
        "colorize",
        help="how near line art coloured from key frames comes to the truth",
        description=__doc__,
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("clips", metavar="CLIP", type=Path, nargs="+", help="a video, or a folder of frames by name")
    parser.add_argument("--keys", default="12,24", metavar="N,...", help="distances of keys, in frames (%(default)s)")
    parser.add_argument("--frames", metavar="N", type=int, help="of each clip, the first (all)")
    parser.add_argument(
        "--size", metavar="PIXELS", type=int, default=288, help="short side, by area; 0: as it is (288)"
    )
    parser.add_argument(
        "--colorize",
        metavar="NAME=VALUE,...",
        action="append",
        default=[],
        help="measure vsanime.colorize with these arguments; `default` for none; may be repeated",
    )
    parser.add_argument("--no-baselines", action="store_true", help="only what --colorize names")
    parser.add_argument(
        "--sheet", metavar="PICTURE", type=Path, help="write frames to look at; a number is added to each"
    )
    parser.set_defaults(func=_bench)


def _bench(args: argparse.Namespace) -> int:
    require("bench colorize", "quality", {name: name for name in ("cv2", "scipy", "skimage", "PIL")})
    gaps = _gaps(args.keys)
    given = [_arguments(text) for text in args.colorize]
    if args.no_baselines and not given:
        raise VsanimeError("--no-baselines leaves nothing to measure without --colorize")
    if args.size < 0 or (args.frames is not None and args.frames < 3):
        raise VsanimeError(f"--size {args.size} --frames {args.frames}; 0 and 3 are the least")
    if args.sheet is not None:
        from vsanime.bench.colorsheet import check_path

        check_path(args.sheet)
    sheets = 0
    for path in args.clips:
        clip = _clip(path, args.frames, args.size)
        for gap in gaps:
            sheets += 1
            sheet = _number_path(args.sheet, sheets, len(args.clips) * len(gaps)) if args.sheet else None
            _measure(clip, gap, given, sheet, baselines=not args.no_baselines)
    return 0


def _measure(clip: Clip, gap: int, given: Sequence[dict[str, Any]], sheet: Path | None, *, baselines: bool) -> None:
    """Measure a clip with keys at one distance, print the table and write the page, if any."""
    from vsanime.bench import colorization as colour

    keys = colour.keys_every(len(clip.lines), gap)
    methods = colour.baselines(clip, keys) if baselines else {}
    for arguments in given:
        named = ", ".join(f"{name}={value}" for name, value in arguments.items())
        methods[f"colorize({named})"] = _filter(clip, keys, arguments)
    with progress(keys[-1] + 1 - len(keys), open_console(), things="frames", rate="fps") as advance:
        outcome = colour.measure(clip, keys, methods, advance)
    _print(clip, gap, keys, outcome)
    if sheet is not None:
        from vsanime.bench import colorsheet

        colorsheet.write(sheet, clip, keys, outcome)
        print_line(f"frames to look at: {sheet}")
    print(flush=True)


def _print(clip: Clip, gap: int, keys: Sequence[int], outcome: Outcome) -> None:
    height, width = clip.lines.shape[1:]
    changed, off = outcome.pixels
    print_line(
        f"{clip.name}, {width}x{height}, {keys[-1] + 1} frames, keys every {gap}: {changed:.1%} of pixels changed, "
        f"{off:.2%} off lines; warp error of the truth {outcome.truth_warp:.5f}"
    )
    rows = [("method", "whole", "changed", "off lines", "warp")]
    for name, found in outcome.figures.items():
        cells = [f"{psnr:.2f} / {ssim:.3f}" for psnr, ssim in zip(found.psnr, found.ssim, strict=True)]
        rows.append((name, cells[0], cells[1], cells[2], f"{found.warp:.2f}"))
    print_table(rows)


# The filter ----------------------------------------------------------------------------------------------------------


def _filter(clip: Clip, keys: Sequence[int], arguments: dict[str, Any]) -> Coloring:
    """Return `vsanime.colorize` on the clip, as a method."""
    import vapoursynth as vs

    import vsanime
    from vsanime.bench.frames import clip_of, planes_of

    colorize = getattr(vsanime, "colorize", None)
    if colorize is None:
        raise VsanimeError("--colorize: this vsanime has no filter of that name")
    lines = clip_of([[line] for line in clip.lines], vs.GRAY8)
    colours = clip_of([list(picture.transpose(2, 0, 1)) for picture in clip.colours], vs.RGB24)
    try:
        coloured = colorize(lines, colours, keys=list(keys), **arguments)
    except (vs.Error, TypeError) as error:
        raise VsanimeError(f"--colorize: {error}") from None
    if coloured.format.id != vs.RGB24:
        coloured = coloured.resize.Point(format=vs.RGB24)

    def colour(number: int) -> Bytes:
        return np.ascontiguousarray(planes_of(coloured, number).transpose(1, 2, 0))

    return colour


def _arguments(text: str) -> dict[str, Any]:
    """Parse arguments such as `model=NAME,temporal=false`."""
    if text == "default":
        return {}
    parts = [part.partition("=") for part in text.split(",")]
    if not all(name.isidentifier() and sign and value for name, sign, value in parts):
        raise VsanimeError(f"--colorize {shorten(text)}; NAME=VALUE, separated by commas, or `default` is needed")
    return {name: _value(value) for name, _, value in parts}


def _value(text: str) -> bool | int | float | str:
    if text.lower() in ("true", "false"):
        return text.lower() == "true"
    for kind in (int, float):
        try:
            return kind(text)
        except ValueError:
            continue
    return text


# Clips ---------------------------------------------------------------------------------------------------------------


def _clip(path: Path, count: int | None, size: int) -> Clip:
    from vsanime.bench.colorization import clip_of

    return clip_of(path.name, [_resize(picture, size) for picture in _pictures(path, count)])


def _pictures(path: Path, count: int | None) -> list[Bytes]:
    """Return the frames of a video, or the pictures of a folder in the order of their names."""
    from vsanime.media.videos import VideoReader
    from vsanime.training.data.pictures import PICTURE_SUFFIXES, files_in, read_pixels

    if not path.exists():
        raise VsanimeError(f"{path} is not there")
    if not path.is_dir():
        try:
            reader = VideoReader(path)
        except VsanimeError as error:
            raise VsanimeError(f"{path}: {error}") from None
        frames = reader.facts()[0]
        return [reader.frame(number) for number in range(min(frames, count or frames))]
    files = sorted(file for file in files_in(path) if file.suffix.lower() in PICTURE_SUFFIXES)[:count]
    if not files:
        raise VsanimeError(f"{path} holds no pictures")
    try:
        pictures = []
        for file in files:
            pictures.append(read_pixels(file)[..., :3])
    except VsanimeError as error:
        raise VsanimeError(f"{file}: {error}") from None
    if len({picture.shape for picture in pictures}) > 1:
        raise VsanimeError(f"{path}: pictures of several sizes; frames of one clip are needed")
    return pictures


def _resize(picture: Bytes, size: int) -> Bytes:
    """Reduce a picture by area averaging until its short side has `size` pixels; 0 keeps the size."""
    from PIL import Image

    height, width = picture.shape[:2]
    if not size or min(height, width) <= size:
        return picture
    short = min(height, width)
    small = Image.fromarray(picture).resize(
        (round(width * size / short), round(height * size / short)), Image.Resampling.BOX
    )
    return np.asarray(small)


def _gaps(text: str) -> list[int]:
    try:
        gaps = [int(part) for part in text.split(",")]
    except ValueError:
        gaps = []
    if not gaps or min(gaps) < 2:
        raise VsanimeError(f"--keys {shorten(text)}; whole numbers of 2 or more, separated by commas, are needed")
    return gaps


def _number_path(path: Path, number: int, count: int) -> Path:
    """Return the path of a page: numbered if there are several."""
    return path if count == 1 else path.with_name(f"{path.stem}-{number}{path.suffix}")
