"""`vsanime upscale INPUT OUTPUT`: a whole video through ArtCNN or waifu2x, all but the picture kept as it is."""

from __future__ import annotations

import argparse
import itertools
import logging
import math
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from tempfile import TemporaryDirectory
from types import FrameType
from typing import TYPE_CHECKING, Any

import numpy as np
import platformdirs
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, ProgressColumn, Task, TextColumn, TimeRemainingColumn
from rich.text import Text

from vsanime.cli.encode import Encoder, VideoSettings, command, extract_covers, find_ffmpeg, probe
from vsanime.cli.output import check_output, partial_file
from vsanime.cli.rawmkv import RawMatroskaWriter, fourcc
from vsanime.cli.streams import CONTAINERS, plan_streams
from vsanime.errors import VsanimeError

if TYPE_CHECKING:
    import vapoursynth as vs

    from vsanime.backends import BackendProtocol
    from vsanime.filters.encoder import Signal

_DEFAULT_CRF = {"x264": 17.0, "x265": 19.0}  # visually close to the source; encoders' own defaults are for streaming
_DEPTHS = {"x264": (8, 10), "x265": (8, 10, 12)}
_PLAIN_SECONDS = 10.0  # between progress lines where stderr is no terminal
_INDEX_CACHE_MODE = 1  # BestSource: keep an index where it saves time, in a tree under `cachepath`
# Frames are asked for once and in order, so neither VapourSynth's caches nor BestSource's need their full size.
_CORE_CACHE_MB = 512
_SOURCE_CACHE_MB = 128

_EPILOG = """\
Audio, subtitles, fonts, chapters, titles and every frame's timestamp are kept; what the output's kind of file cannot
hold is named on stderr. OUTPUT ends in .mkv, .mp4, .m4v or .mov; only .mkv holds styled subtitles and fonts.
The picture's matrix, range, siting, sample aspect ratio and HDR10 metadata are written to the output.
ffmpeg 5.1 or newer is taken from PATH, else from `pip install "vsanime[encode]"`.
Exit codes: 0 done, 1 failed, 2 wrong usage, 130 interrupted. A failed run leaves no file.
"""


def add_parser(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Adds `upscale`."""
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
    _add_encoding(parser.add_argument_group("encoding"))
    _add_engine(parser.add_argument_group("engine"))
    parser.add_argument("--force", action="store_true", help="overwrite OUTPUT")
    parser.set_defaults(func=run)


def _add_encoding(group: argparse._ArgumentGroup) -> None:
    group.add_argument("--encoder", choices=("x264", "x265"), default="x264", help="(default: %(default)s)")
    group.add_argument("--crf", type=float, help="rate factor, lower is better (default: 17 for x264, 19 for x265)")
    group.add_argument("--preset", default="medium", help="the encoder's preset (default: %(default)s)")
    group.add_argument(
        "--encoder-params", default="", metavar="KEY=VALUE:...", help="more of the encoder's own options"
    )
    group.add_argument(
        "--depth",
        type=int,
        choices=_DEPTHS["x265"],
        help="bits of the output (default: for x264 8 where the input has 8, else 10; for x265 10, or 12 where the "
        "input has more than 10)",
    )


def _add_engine(group: argparse._ArgumentGroup) -> None:
    group.add_argument(
        "--backend",
        choices=("auto", "openvino", "onnxruntime", "tensorrt"),
        default="auto",
        help="auto: tensorrt where there are an NVIDIA card and a TensorRT for it, else openvino (%(default)s)",
    )
    group.add_argument(
        "--device",
        metavar="NAME or N,N",
        help="openvino: such as CPU or GPU; tensorrt: the card's number, or several; onnxruntime: cards instead of the "
        "CPU (default: the first)",
    )
    group.add_argument(
        "--precision",
        choices=("auto", "f32", "fp16", "bf16"),
        help="of the network's inner layers (default: fp16 with tensorrt, else auto)",
    )
    group.add_argument(
        "--tiles",
        type=_tiles,
        metavar="N or NxM",
        help="tiles each way, or across x down; auto for what a card's memory holds",
    )


def _tiles(text: str) -> int | str | tuple[int, int]:
    if text.lower() == "auto":
        return "auto"
    try:
        numbers = [int(part) for part in text.lower().split("x")]
    except ValueError:
        numbers = []
    if len(numbers) not in (1, 2) or min(numbers) < 1:
        raise argparse.ArgumentTypeError(f"{text!r}; a number such as 2, two such as 2x3, or auto is needed")
    return numbers[0] if len(numbers) == 1 else (numbers[0], numbers[1])


def run(args: argparse.Namespace) -> int:
    """Upscales a file.

    Raises:
        VsanimeError: wrong files or settings, or an encoder that failed; no output is left.
        KeyboardInterrupt: stopped by the user; no output is left.
    """
    _check_paths(args.input, args.output, args.force)
    container = CONTAINERS[args.output.suffix.lower()]
    ffmpeg = find_ffmpeg(args.encoder)
    console = Console(stderr=True)
    with ExitStack() as stack:
        stack.enter_context(_terminated_like_interrupted())
        source = _open(args.input, console)
        clip, meaning = _upscaled(source, args, console)
        file = probe(ffmpeg, args.input)
        plan = plan_streams(file, container)
        for remark in plan.remarks:
            _tell(console, remark)
        settings = VideoSettings(
            encoder=args.encoder,
            crf=_DEFAULT_CRF[args.encoder] if args.crf is None else args.crf,
            preset=args.preset,
            params=_params(args.encoder, meaning, args.encoder_params),
            time_base=source.time_base,
            colour=_ffmpeg_args(meaning),
        )
        covers = extract_covers(ffmpeg, file, plan, Path(stack.enter_context(TemporaryDirectory(prefix="vsanime-"))))
        partial = stack.enter_context(partial_file(args.output, force=args.force))
        arguments = command(ffmpeg, file, [*plan.args, *covers], settings, container, partial)
        encoder = stack.enter_context(Encoder(arguments))
        times = [max(Fraction(0), tick * source.time_base - file.origin) for tick in source.ticks]
        try:
            writer = RawMatroskaWriter(encoder.sink, meaning.spec, clip.fps or None)
            _write_frames(clip, times, writer, console)
        except OSError:  # the pipe is closed: ffmpeg knows why
            raise encoder.failure() from None
        encoder.finish()
    return 0


def _check_paths(source: Path, output: Path, force: bool) -> None:
    if not source.is_file():
        raise VsanimeError(f"INPUT {source} is not a file; the path of a video file is needed")
    if output.suffix.lower() not in CONTAINERS:
        raise VsanimeError(f"OUTPUT {output} ends in {output.suffix!r}; one of {', '.join(CONTAINERS)} is needed")
    if output.exists() and output.samefile(source):
        raise VsanimeError(f"INPUT and OUTPUT are both {source}; another name for OUTPUT is needed")
    check_output(output, force=force)


@contextmanager
def _terminated_like_interrupted() -> Iterator[None]:
    """Lets a polite end of the process clean up as Ctrl-C does."""

    def interrupt(_number: int, _frame: FrameType | None) -> None:
        raise KeyboardInterrupt

    try:
        before = signal.signal(signal.SIGTERM, interrupt)
    except ValueError:  # not the main thread, which alone receives signals
        yield
        return
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


@dataclass(frozen=True)
class _Source:
    """A video file's frames and when each of them is shown: `ticks` times `time_base` seconds."""

    clip: vs.VideoNode
    ticks: list[int]
    time_base: Fraction


def _open(path: Path, console: Console) -> _Source:
    """Indexes a video; the index stays in the user's cache, not beside the file."""
    import vapoursynth as vs

    core = vs.core.core
    if not hasattr(core, "bs"):
        raise VsanimeError('BestSource is not installed; pip install "vsanime[encode]" brings it')
    core.max_cache_size = min(core.max_cache_size, _CORE_CACHE_MB)
    cache = platformdirs.user_cache_path("vsanime") / "index"
    with _without_export_warning(), console.status(Text(f"indexing {path.name}")):
        opened: Any = core.bs.VideoSource(
            str(path.resolve()),
            exporttimestamps=True,
            showprogress=False,
            cachemode=_INDEX_CACHE_MODE,
            cachepath=str(cache),
            cachesize=_SOURCE_CACHE_MB,
        )
    time_base = Fraction(opened["timebasenum"], opened["timebaseden"])
    clip = opened["clip"]
    ticks = [int(tick) for tick in np.atleast_1d(opened["timestamps"])]
    if all(now < then for now, then in itertools.pairwise(ticks)) and ticks[0] > -(2**63):
        return _Source(clip, ticks, time_base)
    if not clip.fps:
        raise VsanimeError(
            f"INPUT {path} has neither usable timestamps nor a frame rate; remux it, for example to .mkv"
        )
    _tell(console, f"the timestamps are missing or out of order; constant {float(clip.fps):.3f} fps is used instead")
    return _Source(clip, list(range(clip.num_frames)), 1 / clip.fps)


@contextmanager
def _without_export_warning() -> Iterator[None]:
    """Hides a warning of VapourSynth's that BestSource 22 causes whenever it exports timestamps."""

    def keep(record: logging.LogRecord) -> bool:
        return "no return value(s) named" not in record.getMessage()

    log = logging.getLogger("vapoursynth")
    log.addFilter(keep)
    try:
        yield
    finally:
        log.removeFilter(keep)


def _upscaled(source: _Source, args: argparse.Namespace, console: Console) -> tuple[vs.VideoNode, Signal]:
    """The clip that is encoded, and what its samples mean."""
    import vapoursynth as vs

    from vsanime.filters.encoder import read_signal

    clip = source.clip
    if clip.format.color_family == vs.RGB:
        _tell(console, "INPUT is RGB: it is converted to YUV 4:4:4, BT.709, limited range")
        bits = min(clip.format.bits_per_sample, 16) if clip.format.sample_type == vs.INTEGER else 16
        form = vs.core.query_video_format(vs.YUV, vs.INTEGER, bits, 0, 0)
        clip = clip.resize.Spline36(format=form.id, matrix=vs.MATRIX_BT709, range=vs.RANGE_LIMITED)
    for name, what in (("DolbyVisionRPU", "Dolby Vision"), ("HDR10Plus", "HDR10+")):
        if name in clip.get_frame(0).props:
            _tell(console, f"{what} metadata is left out: it describes the source's pixels, not the new ones")
    clip = _doubled(clip, args, _depth(args, clip.format.bits_per_sample))
    meaning = read_signal(clip)
    fourcc(meaning.spec.format)  # a format that cannot be encoded is refused before anything is written
    return clip, meaning


def _doubled(clip: vs.VideoNode, args: argparse.Namespace, depth: int) -> vs.VideoNode:
    """The clip through the filter that the model is for."""
    from vsanime.filters.arguments import doublings, wanted_size
    from vsanime.filters.artcnn import artcnn
    from vsanime.filters.properties import sample_aspect
    from vsanime.filters.waifu2x import is_rgb, waifu2x, without_noise
    from vsanime.video.clips import first_frame

    common = {"backend": _backend(args), "tiles": args.tiles}
    if not is_rgb(args.model):
        if args.noise is not None or args.tint != "keep":
            raise VsanimeError(f"--noise and --tint are for RGB models such as upconv_7_art, not {args.model}")
        size = {"width": args.width, "height": args.height}
        return artcnn(clip, args.model, chroma=args.chroma, depth=depth, **size, **common)
    if args.chroma != "resample":
        raise VsanimeError(f"--chroma {args.chroma}: {args.model} makes chroma itself; leave it out")
    spec, props = first_frame(clip)
    width, height = wanted_size(args.width, args.height, spec, 2)
    aspect = sample_aspect(props, spec, (width, height))
    noise = -1 if args.noise is None else args.noise
    model = args.model
    passes = doublings((clip.width, clip.height), (width, height))
    exact = (clip.width << passes, clip.height << passes) == (width, height)
    for i in range(passes):
        # Between passes nothing is to be lost.
        bits = depth if exact and i == passes - 1 else 16
        clip = waifu2x(clip, noise, model=model, tint=args.tint, depth=bits, **common)
        # The first pass removed the noise: a second time only detail would go.
        noise, model = -1, without_noise(model)
    if not exact:
        clip = clip.resize.Spline36(width, height, format=clip.format.replace(bits_per_sample=depth).id)
    return clip.std.SetFrameProps(**aspect) if aspect else clip


def _depth(args: argparse.Namespace, bits: int) -> int:
    allowed = _DEPTHS[args.encoder]
    if args.depth is None:
        least = 8 if args.encoder == "x264" else 10
        return max(least, next((depth for depth in allowed if depth >= bits), allowed[-1]))
    if args.depth not in allowed:
        raise VsanimeError(f"--depth {args.depth}: {args.encoder} encodes {' or '.join(map(str, allowed))} bits")
    return int(args.depth)


def _backend(args: argparse.Namespace) -> BackendProtocol:
    """The backend with the options that were given, and its own defaults for the others.

    Raises:
        VsanimeError: a device that is none of the backend's.
    """
    from vsanime.backends import Backend

    kinds: dict[str, type[Any]] = {
        "openvino": Backend.OpenVINO,
        "onnxruntime": Backend.ONNXRuntime,
        "tensorrt": Backend.TensorRT,
    }
    kind = type(Backend.auto()) if args.backend == "auto" else kinds[args.backend]
    options: dict[str, Any] = {} if args.precision is None else {"precision": args.precision}
    if args.device is not None and kind is Backend.OpenVINO:
        options["device"] = args.device
    elif args.device is not None:
        options["device_id"] = _cards(args.device)
        if kind is Backend.ONNXRuntime:
            options["provider"] = "CUDA"
    backend: BackendProtocol = kind(**options)
    return backend


def _cards(text: str) -> tuple[int, ...]:
    parts = [part.strip() for part in text.split(",")]
    if not all(part.isdecimal() for part in parts):
        raise VsanimeError(f"--device {text}: the number of a card, from 0, or several such as 0,1 are needed")
    return tuple(map(int, parts))


def _params(encoder: str, meaning: Signal, extra: str) -> str:
    """HDR10 metadata, which ffmpeg has no options for, and the user's own, which come last and so win."""
    names = ("mastering-display", "cll") if encoder == "x264" else ("master-display", "max-cll")
    values = (meaning.mastering_display, meaning.content_light)
    ours = [f"{name}={value}" for name, value in zip(names, values, strict=True) if value]
    return ":".join([*ours, *([extra] if extra else [])])


def _ffmpeg_args(meaning: Signal) -> list[str]:
    from vsanime.filters.encoder import ffmpeg_args

    return ffmpeg_args(meaning)


def _write_frames(clip: vs.VideoNode, times: list[Fraction], writer: RawMatroskaWriter, console: Console) -> None:
    import vapoursynth as vs

    # A backlog no longer than what is being computed keeps memory the same however long the video is.
    ahead = vs.core.num_threads
    with _progress(clip.num_frames, console) as advance:
        frames = clip.frames(prefetch=ahead, backlog=ahead, close=True)
        for time_shown, frame in zip(times, frames, strict=True):
            writer.write_frame(time_shown, [np.ascontiguousarray(plane) for plane in frame])
            advance()


@contextmanager
def _progress(total: int, console: Console) -> Iterator[Callable[[], None]]:
    """A bar with speed and remaining time on a terminal, a line now and then elsewhere."""
    if not console.is_terminal:
        yield _plain_progress(total, console)
        return
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), _Speed(), TimeRemainingColumn())
    with Progress(*columns, console=console) as progress:
        task = progress.add_task("upscaling", total=total)
        yield lambda: progress.advance(task)


class _Speed(ProgressColumn):
    """Frames per second."""

    def render(self, task: Task) -> Text:
        """The column's text."""
        speed = task.finished_speed or task.speed
        return Text("- fps" if speed is None else f"{speed:.2f} fps")


def _plain_progress(total: int, console: Console) -> Callable[[], None]:
    start = shown = time.monotonic()
    done = 0

    def advance() -> None:
        nonlocal shown, done
        done += 1
        now = time.monotonic()
        if done < total and now - shown < _PLAIN_SECONDS:
            return
        shown = now
        speed = done / max(now - start, 1e-6)
        left = math.ceil((total - done) / speed)
        _tell(console, f"{done}/{total} frames, {speed:.2f} fps, {left // 60}:{left % 60:02d} left")

    return advance


def _tell(console: Console, message: str) -> None:
    """One line on stderr, above a bar if there is one."""
    console.print(f"vsanime: {' '.join(message.split())}", markup=False, highlight=False, soft_wrap=True)
