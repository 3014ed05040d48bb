"""`vsanime prepare animegan STYLE_FRAMES OUT`: pictures of a style, the same with blurred edges, the same in gray."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from vsanime.errors import VsanimeError

_EPILOG = """\
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

Edges are Canny's at 100 and 200, grown by two pixels; the blur is a Gaussian of five taps (SYSTEMS 7.4).

examples:
  vsanime prepare animegan frames/hayao pairs/hayao
  vsanime prepare animegan film.mkv pairs/film --every 48
"""


def add_parser(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Adds `prepare`."""
    parser = subparsers.add_parser("prepare", help="make pictures ready for training")
    kinds = parser.add_subparsers(title="for", metavar="NETWORK", required=True)
    animegan = kinds.add_parser(
        "animegan",
        help="pictures of a style, with blurred edges and in gray",
        description=__doc__,
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    animegan.add_argument("frames", metavar="STYLE_FRAMES", type=Path, help="a folder, a picture or a video")
    animegan.add_argument("out", metavar="OUT", type=Path, help="a folder that is not there yet, or is empty")
    animegan.add_argument("--size", type=int, default=256, help="short side in pixels; 0 to leave it (%(default)s)")
    animegan.add_argument("--every", metavar="N", type=int, default=12, help="of videos each N-th frame (%(default)s)")
    animegan.set_defaults(func=_prepare)


def _prepare(args: argparse.Namespace) -> int:
    from importlib.util import find_spec

    if find_spec("PIL") is None:
        raise VsanimeError("prepare needs Pillow, which is not installed: pip install 'vsanime[train]'")
    from vsanime.training.animegan.prepare import prepare

    if (args.size and args.size < 32) or args.size < 0:
        raise VsanimeError(f"--size {args.size}; 32 or more, or 0 to leave pictures as they are")
    if args.every < 1:
        raise VsanimeError(f"--every {args.every}; 1 or more is needed")
    prepared = prepare(args.frames, args.out, size=args.size, every=args.every)
    for skipped in prepared.skipped:
        print(f"skipped {skipped.path}: {skipped.reason}", file=sys.stderr)
    print(f"{prepared.written} pictures in {args.out / 'style'}, {args.out / 'smooth'} and {args.out / 'gray'}")
    return 0
