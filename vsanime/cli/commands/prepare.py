"""Runs `vsanime prepare`, which prepares training data: pictures of a style for AnimeGANv2, or shots to colorize."""

from __future__ import annotations

import argparse
from pathlib import Path

from vsanime.errors import VsanimeError
from vsanime.optional import require
from vsanime.terminal import open_console, print_line

_ANIMEGAN = "Makes pictures of a style, the same with blurred edges, and the same in gray."
_ANIMEGAN_EPILOG = """\
STYLE_FRAMES is a folder of pictures and videos of one style, searched with everything below it. OUT gets

  style/     every picture, its short side --size pixels long
  smooth/    the same under the same names, blurred where edges are and nowhere else
  gray/      the same without colours; training makes these by itself

so that a recipe can name them:

  [[styles]]
  path = "OUT/style"
  smooth = "OUT/smooth"

Without `smooth`, training blurs each patch as it draws it; that is the same up to the patch's border, and costs a
hundredth of a second each. Prepared folders show what the network is told, and serve other programs.

Edges are Canny's at 100 and 200, grown by two pixels; the blur is a Gaussian of five taps.

examples:
  vsanime prepare animegan frames/hayao pairs/hayao
  vsanime prepare animegan film.mkv pairs/film --every 48
"""

_COLORIZATION = "Cuts videos into shots, and makes line art and distance maps of every frame."
_COLORIZATION_EPILOG = """\
Each VIDEO is a video, or a folder of consecutive pictures. OUT gets a folder for every shot:

  shot-0001/line/00001.png       line art, as `vsanime.lineart` draws it by default, 255 for paper
  shot-0001/distance/00001.png   how far the nearest ink is, 255 for a tenth of the height and more
  shot-0001/colour/00001.png     the frame
  shot-0001/shot.json            what it was taken from

Names are numbers of frames within the shot. A frame that shows what the one before did (animation on twos) is left out,
so numbers are missing. A shot begins where the mean luma changes by --threshold and the histograms of the colours do,
or where these become others altogether. Pictures are made smaller by area. Everything has a fixed scale: equal frames
give equal files, whatever is around them.

examples:
  vsanime prepare colorization episode1.mkv episode2.mkv --out shots
  vsanime prepare colorization scans/ --out shots --size 0 --least 3
"""


def add_parser(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the `prepare` command."""
    parser = subparsers.add_parser("prepare", help="make pictures ready for training")
    kinds = parser.add_subparsers(title="for", metavar="NETWORK", required=True)
    animegan = kinds.add_parser(
        "animegan",
        help="pictures of a style, with blurred edges and in gray",
        description=_ANIMEGAN,
        epilog=_ANIMEGAN_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    animegan.add_argument("frames", metavar="STYLE_FRAMES", type=Path, help="a folder, a picture or a video")
    animegan.add_argument("out", metavar="OUT", type=Path, help="a folder that is not there yet, or is empty")
    animegan.add_argument("--size", type=int, default=256, help="short side in pixels; 0 to leave it (%(default)s)")
    animegan.add_argument("--every", metavar="N", type=int, default=12, help="of videos each N-th frame (%(default)s)")
    animegan.set_defaults(func=_prepare_animegan)
    colorization = kinds.add_parser(
        "colorization",
        help="shots with line art and distance maps",
        description=_COLORIZATION,
        epilog=_COLORIZATION_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    colorization.add_argument("videos", metavar="VIDEO", type=Path, nargs="+", help="a video or a folder of pictures")
    colorization.add_argument(
        "--out", metavar="OUT", type=Path, required=True, help="a folder that is not there yet, or is empty"
    )
    colorization.add_argument("--size", type=int, default=288, help="short side in pixels; 0 to leave it (%(default)s)")
    colorization.add_argument(
        "--threshold", type=float, default=0.1, help="mean difference of luma that makes a cut, 0 to 1 (%(default)s)"
    )
    colorization.add_argument(
        "--least", metavar="N", type=int, default=4, help="frames that a shot has at least (%(default)s)"
    )
    colorization.set_defaults(func=_prepare_colorization)


def _prepare_animegan(args: argparse.Namespace) -> int:
    require("prepare", "train", {"PIL": "Pillow"})
    from vsanime.training.style.prepare import prepare

    if (args.size and args.size < 32) or args.size < 0:
        raise VsanimeError(f"--size {args.size}; 32 or more, or 0 to leave pictures as they are")
    if args.every < 1:
        raise VsanimeError(f"--every {args.every}; 1 or more is needed")
    prepared = prepare(args.frames, args.out, size=args.size, every=args.every)
    for skipped in prepared.skipped:
        print_line(f"skipped {skipped.path}: {skipped.reason}", stderr=True)
    print_line(f"{prepared.written} pictures in {args.out / 'style'}, {args.out / 'smooth'} and {args.out / 'gray'}")
    return 0


def _prepare_colorization(args: argparse.Namespace) -> int:
    require("prepare", "train", {"PIL": "Pillow", "cv2": "OpenCV", "scipy": "SciPy"})
    from vsanime.cli.progress import progress
    from vsanime.training.colorization.prepare import Cutting, Source, prepare

    if (args.size and args.size < 32) or args.size < 0:
        raise VsanimeError(f"--size {args.size}; 32 or more, or 0 to leave frames as they are")
    if not 0 < args.threshold < 1:
        raise VsanimeError(f"--threshold {args.threshold:g}; a number above 0 and below 1 is needed, such as 0.1")
    if args.least < 3:
        raise VsanimeError(f"--least {args.least}; 3 or more, since a frame and a key on either side are needed")
    sources = [Source(path) for path in args.videos]
    total = sum(source.frames for source in sources)
    with progress(total, open_console(), things="frames", rate="fps") as advance:
        prepared = prepare(sources, args.out, Cutting(args.size, args.threshold, args.least), advance)
    print_line(f"{prepared.shots} shots, {prepared.frames} frames in {args.out}")
    print(f"left out: {prepared.held} held frames, {prepared.short} shots of less than {args.least} frames")
    return 0
