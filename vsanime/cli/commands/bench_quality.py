"""`vsanime bench quality`: PSNR and SSIM of doublers on pictures that were made small, for each kernel by itself."""

from __future__ import annotations

import argparse
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from vsanime.errors import VsanimeError, shorten
from vsanime.optional import require
from vsanime.terminal import open_console, print_line

if TYPE_CHECKING:
    from rich.progress import Progress, TaskID

    from vsanime.backends import BackendProtocol
    from vsanime.bench.doubling.run import Plan
    from vsanime.bench.doubling.sources import Place, Skipped

_LINE_SECONDS = 30.0
_MOST_SHOWN = 5  # most skipped files that are listed on the terminal; the page lists all
_HIGHEST_CRF = 51
_EPILOG = """\
Every picture is halved by a kernel, rounded to 8 bits, doubled by each method and compared with what it was. Kernels
stand beside the figures and are never averaged: a network that was trained on one is poor on another. For figures that
mean something, use pictures that no network has seen; --run takes those that a run of `vsanime train` held out.

methods
  bicubic, Lanczos3, Spline36   VapourSynth's, in float
  NNEDI3                        where vapoursynth-znedi3 is installed; put back into its place after doubling
  networks                      through vsanime's own filters in f32, whichever have their weights on this machine:
                                ArtCNN C4F16, C4F32, R8F64, UpConv_7, and every one whose name ends in _VA

tables
  luma       BT.709, full range; of RGB networks the luma of what they make
  RGB        with an RGB network among the models, over coloured pictures
  chroma     --chroma: 4:2:0 by box and Catmull-Rom at three sitings, brought back to 4:4:4
  compressed --truth CLIP: the clip is halved, goes through x264 and is doubled; with --compressed OTHER, that file is
             what is doubled. Networks that undo compression, _DS, are measured here

files in DIR
  quality.csv   a line for each picture, kernel and method
  quality.md    the tables, which are printed too
  crops.png     where methods differ most, side by side

examples:
  vsanime bench quality --pictures drawings paintings film.mkv
  vsanime bench quality --run runs/C4F32_VA --data pictures --models default,runs/C4F32_VA/C4F32_VA.onnx
  vsanime bench quality --truth lossless.mkv --crf 32
"""


def add_parser(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the `quality` subcommand to `bench`."""
    parser = subparsers.add_parser(
        "quality",
        help="PSNR and SSIM of doublers, for each downscaling kernel",
        description=__doc__,
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    pictures = parser.add_argument_group("pictures")
    pictures.add_argument("--pictures", metavar="PATH", type=Path, nargs="+", default=[], help="folders, files, videos")
    pictures.add_argument("--run", metavar="RUN", type=Path, help="folder of a run: the pictures that it held out")
    pictures.add_argument(
        "--data",
        metavar="ROOT",
        type=Path,
        action="append",
        default=[],
        help="where RUN's sources are; may be repeated",
    )
    pictures.add_argument("--every", metavar="N", type=int, default=6, help="of videos each N-th frame (%(default)s)")
    pictures.add_argument("--limit", metavar="N", type=int, help="N pictures of each source at most, evenly spread")
    clips = parser.add_argument_group("compression")
    clips.add_argument("--truth", metavar="CLIP", type=Path, help="a lossless video")
    clips.add_argument("--compressed", metavar="CLIP", type=Path, help="the same at half the size, compressed")
    clips.add_argument("--crf", type=int, default=30, help="x264's rate factor where it is made here (%(default)s)")
    methods = parser.add_argument_group("methods")
    methods.add_argument(
        "--models",
        default="default",
        metavar="NAME,...",
        help="names or ONNX files instead of the networks below, for which `default` stands",
    )
    methods.add_argument("--kernels", default="box,catmull_rom,lanczos3", metavar="NAME,...", help="(%(default)s)")
    methods.add_argument("--chroma", action="store_true", help="measure chroma networks too")
    methods.add_argument("--backend", choices=("openvino", "onnxruntime"), default="openvino", help="(%(default)s)")
    parser.add_argument("--crops", metavar="N", type=int, default=6, help="pictures on crops.png (%(default)s)")
    parser.add_argument("--out", metavar="DIR", type=Path, default=Path("quality"), help="(%(default)s)")
    parser.set_defaults(func=run)


def run(args: argparse.Namespace) -> int:
    """Run the command.

    Raises:
        VsanimeError: arguments are wrong, there is nothing to measure, or a network fails.
    """
    _check_numbers(args)
    require("this bench", "quality", {name: name for name in ("skimage", "PIL", "imageio_ffmpeg")})
    from vsanime.bench.doubling import run as bench

    plan = _plan(args)
    with _progress() as bar:
        outcome = bench.run(plan, args.out, bar)
    if outcome.skipped:
        _tell(f"skipped {len(outcome.skipped)} files, all named in {args.out / bench.MARKDOWN_NAME}:")
        for skipped in outcome.skipped[:_MOST_SHOWN]:
            _tell(f"  {skipped.path}: {skipped.reason}")
    print(bench.report(plan, outcome), end="")
    return 0


def _check_numbers(args: argparse.Namespace) -> None:
    if not args.pictures and args.run is None and args.truth is None:
        raise VsanimeError(
            "no pictures were given; --pictures PATH, --run RUN (what a training held out) or --truth CLIP is needed"
        )
    if args.compressed is not None and args.truth is None:
        raise VsanimeError(f"--compressed {args.compressed}: --truth, the clip that it was made of, is needed with it")
    for name, least in (("every", 1), ("limit", 1), ("crops", 0)):
        value = getattr(args, name)
        if value is not None and value < least:
            raise VsanimeError(f"--{name} {value}; {least} or more is needed")
    if not 0 <= args.crf <= _HIGHEST_CRF:
        raise VsanimeError(f"--crf {args.crf}; 0 to {_HIGHEST_CRF} is needed")


def _plan(args: argparse.Namespace) -> Plan:
    from vsanime.bench.doubling import methods
    from vsanime.bench.doubling.run import Plan

    kernels = _kernels(args.kernels)
    found = methods.networks([name for name in args.models.split(",") if name], _backend(args.backend))
    plain = [*methods.resampling(), *methods.nnedi3()]
    if len(plain) == len(methods.resampling()):
        _tell("NNEDI3 is left out: `pip install vapoursynth-znedi3` brings it")
    named = {Path(name).stem for name in args.models.split(",")}
    doublers = [m for m in found if m.knows != "chroma" and (m.name in named or not m.restores)]
    chroma = [m for m in found if m.knows == "chroma"] if args.chroma else []
    places, skipped = _places(args)
    return Plan(
        places=places,
        skipped=skipped,
        kernels=kernels,
        methods=[*plain, *doublers],
        chroma=[*methods.chroma_resampling(), *chroma] if args.chroma else [],
        crops=args.crops,
        truth=args.truth,
        compressed=args.compressed,
        crf=args.crf,
        restoring=[*plain, *(m for m in found if m.knows == "luma")],
        every=args.every,
    )


def _kernels(text: str) -> list[str]:
    from vsanime.bench.doubling.shrink import KERNELS

    names = list(dict.fromkeys(name for name in text.split(",") if name))
    if not names or not set(names) <= set(KERNELS):
        raise VsanimeError(f"--kernels {shorten(text)}; {', '.join(KERNELS)} or some of them are needed")
    return names


def _places(args: argparse.Namespace) -> tuple[list[Place], list[Skipped]]:
    from vsanime.bench.doubling import sources as pictures

    places, skipped = pictures.find(list(dict.fromkeys(args.pictures)), args.every, args.limit)
    if args.run is not None:
        places += pictures.find_held_out(args.run, args.data, args.limit)
    if not places and args.truth is None:
        why = f"; {skipped[0].path}: {skipped[0].reason}" if skipped else ""
        raise VsanimeError(f"no pictures were found in {', '.join(map(str, [*args.pictures, args.run or '']))}{why}")
    return places, skipped


def _backend(name: str) -> BackendProtocol:
    """Return a backend that runs in f32 on the CPU, so that figures are the same everywhere."""
    from vsanime.backends import Backend

    return Backend.ONNXRuntime() if name == "onnxruntime" else Backend.OpenVINO(precision="f32")


class _Bar:
    """The progress on stderr: a bar on a terminal, a line every 30 seconds elsewhere."""

    def __init__(self, progress: Progress, task: TaskID, *, plain: bool) -> None:
        self._progress, self._task, self._plain = progress, task, plain
        self._total = self._done = 0
        self._began = self._said = time.monotonic()

    def more(self, steps: int) -> None:
        """Add steps to the total; a negative number removes some."""
        self._total += steps
        self._progress.update(self._task, total=self._total)

    def step(self) -> None:
        """Count one step as done."""
        self._done += 1
        self._progress.advance(self._task)
        now = time.monotonic()
        if self._plain and now - self._said > _LINE_SECONDS:
            self._said = now
            left = (now - self._began) / self._done * (self._total - self._done)
            _tell(f"step {self._done} of {self._total}, {left / 60:.0f} min left")


@contextmanager
def _progress() -> Iterator[_Bar]:
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    console = open_console()
    columns = (TextColumn("{task.description}", markup=False), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=console, disable=not console.is_terminal) as progress:
        yield _Bar(progress, progress.add_task("measuring", total=0), plain=not console.is_terminal)


def _tell(line: str) -> None:
    print_line(f"vsanime: {line}", stderr=True)
