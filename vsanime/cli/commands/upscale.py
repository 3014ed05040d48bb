"""`vsanime upscale INPUT OUTPUT`: a whole video through ArtCNN or waifu2x, all but the picture kept as it is.

The short form of `vsanime process INPUT OUTPUT --filter upscale`.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from vsanime.cli.options import add_engine, backend_of
from vsanime.cli.publicfilters import Call, find_filter
from vsanime.cli.video import DEPTH_HELP, DEPTHS, KEPT, Encoding, add_encoding, process_video

_EPILOG = f"{KEPT}Exit codes: 0 done, 1 failed, 2 wrong usage, 130 interrupted. A failed run leaves no file.\n"
# Options that are arguments of the filter.
_ARGUMENTS = ("model", "noise", "tint", "chroma", "width", "height", "tiles")


def add_parser(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the `upscale` command."""
    parser = subparsers.add_parser(
        "upscale",
        help="double a video file and keep all its other streams",
        description=__doc__,
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("input", metavar="INPUT", type=Path, help="any video file")
    parser.add_argument("output", metavar="OUTPUT", type=Path, help="file to write: .mkv, .mp4, .m4v or .mov")
    picture = parser.add_argument_group("picture")
    picture.add_argument(
        "--model",
        default="C4F32_VA",
        help="luma or RGB model, such as upconv_7_art, or an ONNX file (default: %(default)s)",
    )
    picture.add_argument(
        "--noise", type=int, choices=(0, 1, 2, 3), help="noise to remove, with waifu2x models (default: none)"
    )
    picture.add_argument(
        "--tint", choices=("keep", "correct"), default="keep", help="with RGB models: correct their tint (%(default)s)"
    )
    picture.add_argument(
        "--chroma", default="resample", metavar="MODEL", help="chroma model, or `resample` (default: %(default)s)"
    )
    picture.add_argument(
        "--width", type=int, help="output width (default: in proportion to --height, or twice the input's)"
    )
    picture.add_argument(
        "--height", type=int, help="output height (default: in proportion to --width, or twice the input's)"
    )
    encoding = parser.add_argument_group("encoding")
    add_encoding(encoding)
    encoding.add_argument("--depth", type=int, choices=DEPTHS, help=DEPTH_HELP)
    add_engine(parser.add_argument_group("engine"))
    parser.add_argument("--force", action="store_true", help="overwrite OUTPUT")
    parser.set_defaults(func=run)


def run(args: argparse.Namespace) -> int:
    """Upscale a file. On any exception, no output is left.

    Raises:
        VsanimeError: files or settings are wrong, or the encoder failed.
        KeyboardInterrupt: the user stopped the command.
    """
    arguments = {name: getattr(args, name) for name in _ARGUMENTS}
    call = Call(find_filter("upscale"), arguments | {"backend": backend_of(args)})
    process_video(args.input, args.output, call, Encoding.of(args, args.depth), force=args.force)
    return 0
