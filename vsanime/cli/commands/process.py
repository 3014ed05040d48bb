"""Runs `vsanime process INPUT OUTPUT --filter NAME`, which filters a video, a picture or a folder of pictures."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from vsanime.cli.options import ENGINE, add_engine, backend_of
from vsanime.cli.publicfilters import FOR_SCRIPTS, Call, Filter, find_filter, public_filters, read_arguments
from vsanime.cli.stills import Result, process_folder, process_picture
from vsanime.cli.video import ENCODING, KEPT, Encoding, add_encoding, process_video
from vsanime.errors import VsanimeError, quote
from vsanime.files import check_name
from vsanime.media.picturefile import DEFAULT_QUALITY, FORMATS
from vsanime.media.streams import CONTAINERS

_DESCRIPTION = """\
Puts a video, a picture or a folder of pictures through a filter of this package.

  vsanime process episode.mkv doubled.mkv --filter artcnn --set chroma=C4F32_Chroma_VA --depth 10
  vsanime process photo.jpg cleaned.png --filter waifu2x --set noise=1 --set tint=correct
  vsanime process scans doubled --filter waifu2x --format png
  vsanime process holiday.mp4 drawn.mkv --filter animegan --style Hayao --set brightness=scene --set work_size=960x540
"""
_NOTES = f"""\
Videos
{KEPT}
Pictures
{", ".join(FORMATS)} are written; GIF, AVIF, JPEG 2000, PPM and TGA are read too.
Pictures come out upright, with their transparency, colour profile and EXIF; gray stays gray, and a PNG of 16 bits a
channel stays one. JPEG and BMP have no transparency: white is put underneath.

Folders
Every picture in the folder INPUT that ends in one of these, though not in folders inside it, goes to the folder OUTPUT
under its own name; other files are left out and listed at the end. What is there already is left as it is, so that a
run that was stopped goes on; --overwrite does it again. Pictures that cannot be done are left out and listed as well.

Exit codes: 0 done, 1 failed or some pictures left out, 2 wrong usage, 130 interrupted. No file is left half written.
"""


class _Help(argparse.Action):
    """The action of `--help`, which prints the help and imports the filters that it lists only then."""

    def __init__(self, option_strings: Sequence[str], dest: str, **_: Any) -> None:
        super().__init__(option_strings, dest, nargs=0, default=argparse.SUPPRESS, help="show this help and exit")

    def __call__(self, parser: argparse.ArgumentParser, *_: Any) -> None:
        """See `argparse.Action`."""
        parser.epilog = f"Filters, and what --set takes with their defaults\n{_filters()}\n\n{_NOTES}"
        parser.print_help()
        parser.exit()


def _filters() -> str:
    blocks = []
    for found in public_filters().values():
        arguments = [f"    {one}" for one in found.settable]
        blocks.append("\n".join([f"  {found.name}: {found.summary}", *arguments]))
    blocks += [f"  (only in scripts: vsanime.{name}, which {reason})" for name, reason in FOR_SCRIPTS.items()]
    return "\n".join(blocks)


def add_parser(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the `process` command."""
    parser = subparsers.add_parser(
        "process",
        help="put a video, a picture or a folder of pictures through any filter",
        description=_DESCRIPTION,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        add_help=False,
    )
    parser.add_argument("-h", "--help", action=_Help)
    parser.add_argument("input", metavar="INPUT", type=Path, help="a video, a picture, or a folder of pictures")
    parser.add_argument("output", metavar="OUTPUT", type=Path, help="file to write, or the folder for the results")
    filtering = parser.add_argument_group("filter")
    filtering.add_argument("--filter", required=True, metavar="NAME", help="the filter: see below")
    filtering.add_argument(
        "--set",
        action="append",
        default=[],
        metavar="KEY=VALUE",
        help="an argument of the filter: a number, true or false, none, text, or numbers such as 640x360 or 0,1; "
        "may be given several times",
    )
    filtering.add_argument("--style", metavar="NAME", help="short for --set style=NAME")
    add_engine(parser.add_argument_group("engine"))
    output = parser.add_argument_group("output")
    output.add_argument(
        "--depth",
        type=int,
        metavar="BITS",
        help="bits of the output: of videos 8, 10 or 12 (default: for x264 8 where the input has 8, else 10; for x265 "
        "10, or 12 where the input has more than 10), of pictures 8 or 16 (default: the input's)",
    )
    output.add_argument("--overwrite", "--force", action="store_true", help="overwrite what is there")
    add_encoding(parser.add_argument_group("videos"))
    pictures = parser.add_argument_group("pictures")
    pictures.add_argument(
        "--quality", type=_quality, metavar="1-100", help=f"of .jpg and .webp (default: {DEFAULT_QUALITY})"
    )
    pictures.add_argument(
        "--format",
        choices=[suffix[1:] for suffix in FORMATS],
        help="kind of the files in the folder OUTPUT (default: those of the pictures)",
    )
    parser.set_defaults(func=run)


def _quality(text: str) -> int:
    if not text.isdecimal() or not 1 <= int(text) <= 100:
        raise argparse.ArgumentTypeError(f"{quote(text)}; a number from 1 to 100 is needed")
    return int(text)


def run(args: argparse.Namespace) -> int:
    """Process a file or a folder.

    Raises:
        VsanimeError: files or settings are wrong, or the encoder or the filter fails.
        KeyboardInterrupt: the user stopped the command.
    """
    kind = _kind(args)
    _check_options(args, kind)
    call = _call(args)
    if kind == "video":
        encoding = Encoding.of(args, args.depth)
        process_video(args.input, args.output, call, encoding, force=args.overwrite, option="--overwrite")
        return 0
    result = Result(args.depth, args.quality, args.overwrite)
    if kind == "folder":
        return process_folder(args.input, args.output, call, result, args.format and f".{args.format}")
    process_picture(args.input, args.output, call, result)
    return 0


def _kind(args: argparse.Namespace) -> str:
    """Return the kind of work: "video", "picture" or "folder"."""
    check_name(args.output)
    suffix = args.output.suffix.lower()
    if args.input.is_dir():
        if suffix in (*CONTAINERS, *FORMATS) and not args.output.exists():
            raise VsanimeError(
                f"INPUT {args.input} is a folder and OUTPUT {args.output} ends as a file does; a folder is needed, "
                f"whose name does not end in {suffix}"
            )
        return "folder"
    if not args.input.is_file():
        raise VsanimeError(f"INPUT {args.input} is no file or folder; the path of a video or of pictures is needed")
    if suffix in CONTAINERS:
        return "video"
    if suffix in FORMATS:
        return "picture"
    raise VsanimeError(
        f"OUTPUT {args.output} ends in {quote(args.output.suffix)}; {', '.join(CONTAINERS)} are needed for a video, "
        f"{', '.join(FORMATS)} for a picture"
    )


def _check_options(args: argparse.Namespace, kind: str) -> None:
    """Raise an error for options of another kind of output, which would have no effect.

    Raises:
        VsanimeError: such an option is given.
    """
    others = {"video": ("quality", "format"), "picture": (*ENCODING, "format"), "folder": ENCODING}
    given = [name for name in others[kind] if getattr(args, name) is not None]
    if given:
        what = {"video": "pictures", "picture": "folders" if given[0] == "format" else "videos", "folder": "videos"}
        raise VsanimeError(f"--{given[0].replace('_', '-')} is for {what[kind]}; leave it out for OUTPUT {args.output}")


def _call(args: argparse.Namespace) -> Call:
    """Return the filter with its arguments."""
    chosen: Filter = find_filter(args.filter)
    arguments = read_arguments(chosen, args.set, args.style)
    if "backend" not in chosen.parameters:
        given = [name for name in ENGINE if getattr(args, name) not in (None, "auto")]
        if given:
            raise VsanimeError(
                f"--{given[0]} is for filters that an engine runs; {chosen.name} needs none, leave it out"
            )
        return Call(chosen, arguments)
    if args.tiles is not None:
        arguments["tiles"] = args.tiles
    return Call(chosen, arguments | {"backend": backend_of(args)})
