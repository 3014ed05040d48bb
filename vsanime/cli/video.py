"""Filters a whole video file and keeps its other streams."""

from __future__ import annotations

import argparse
import itertools
import logging
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

import numpy as np
import platformdirs
from rich.console import Console
from rich.text import Text

from vsanime.cli.interrupts import terminated_like_interrupted
from vsanime.cli.output import check_output, partial_file
from vsanime.cli.progress import progress, tell
from vsanime.cli.publicfilters import Call
from vsanime.errors import VsanimeError, quote
from vsanime.media.bestsource import open_video
from vsanime.media.ffmpeg import Encoder, VideoSettings, command, extract_covers, find_ffmpeg, probe
from vsanime.media.rawmkv import RawMatroskaWriter, fourcc
from vsanime.media.streams import CONTAINERS, plan_streams
from vsanime.terminal import open_console

if TYPE_CHECKING:
    import vapoursynth as vs

    from vsanime.filters.encoder_args import Signal

_DEFAULT_ENCODER = "x264"
_DEFAULT_PRESET = "medium"
_DEFAULT_CRF = {"x264": 17.0, "x265": 19.0}  # visually close to the source; the encoders' defaults are for streaming
_DEPTHS = {"x264": (8, 10), "x265": (8, 10, 12)}
_INDEX_CACHE_MODE = 1  # BestSource: keep an index if it saves time, in a tree under `cachepath`
# Frames are requested once and in order, so that neither VapourSynth's cache nor BestSource's needs its full size.
_CORE_CACHE_MB = 512
_SOURCE_CACHE_MB = 128

KEPT = """\
Audio, subtitles, fonts, chapters, titles and every frame's timestamp are kept; what the output's kind of file cannot
hold is named on stderr. OUTPUT ends in .mkv, .mp4, .m4v or .mov; only .mkv holds styled subtitles and fonts.
The picture's matrix, range, siting, sample aspect ratio and HDR10 metadata are written to the output.
ffmpeg 5.1 or newer is taken from PATH, else from `pip install "vsanime[encode]"`.
"""


def add_encoding(group: argparse._ArgumentGroup) -> None:
    """Add the options of the encoder except `--depth`; None stands for each one's default."""
    group.add_argument("--encoder", choices=tuple(_DEPTHS), help=f"(default: {_DEFAULT_ENCODER})")
    group.add_argument("--crf", type=float, help="rate factor, lower is better (default: 17 for x264, 19 for x265)")
    group.add_argument("--preset", help=f"the encoder's preset (default: {_DEFAULT_PRESET})")
    group.add_argument("--encoder-params", metavar="KEY=VALUE:...", help="more of the encoder's own options")


# Names of the options of `add_encoding` in argparse's namespace.
ENCODING = ("encoder", "crf", "preset", "encoder_params")
DEPTH_HELP = (
    "bits of the output (default: for x264 8 where the input has 8, else 10; for x265 10, or 12 where the input has "
    "more than 10)"
)
DEPTHS = (8, 10, 12)


@dataclass(frozen=True)
class Encoding:
    """The settings of the video encoder.

    Attributes:
        encoder: name of the encoder, "x264" or "x265".
        crf: constant rate factor.
        preset: name of the encoder's preset.
        params: options of the encoder as "key=value:key=value", or empty.
        depth: bits of the output; None to choose by the input.
    """

    encoder: str
    crf: float
    preset: str
    params: str
    depth: int | None

    @classmethod
    def of(cls, args: argparse.Namespace, depth: int | None) -> Encoding:
        """Return the settings given by the options of `add_encoding`."""
        encoder = args.encoder or _DEFAULT_ENCODER
        crf = _DEFAULT_CRF[encoder] if args.crf is None else args.crf
        return cls(encoder, crf, args.preset or _DEFAULT_PRESET, args.encoder_params or "", depth)

    def depth_for(self, bits: int) -> int:
        """Return the bits of the output for the bits of the input.

        Raises:
            VsanimeError: the encoder does not support the requested depth.
        """
        allowed = _DEPTHS[self.encoder]
        if self.depth is None:
            least = 8 if self.encoder == "x264" else 10
            return max(least, next((depth for depth in allowed if depth >= bits), allowed[-1]))
        if self.depth not in allowed:
            raise VsanimeError(f"--depth {self.depth}: {self.encoder} encodes {' or '.join(map(str, allowed))} bits")
        return self.depth


def process_video(
    source: Path, output: Path, call: Call, encoding: Encoding, *, force: bool, option: str = "--force"
) -> None:
    """Filter a video and keep all its other streams. On any exception, no output is left.

    Args:
        source: path of a video file.
        output: path of the result, with a suffix among `CONTAINERS`.
        call: filter and its arguments.
        encoding: settings of the encoder.
        force: whether the output may exist.
        option: option by which a user allows that, for messages.

    Raises:
        VsanimeError: files or settings are wrong, or the encoder failed.
        vs.Error: the filter rejects the video.
        KeyboardInterrupt: the user stopped the command.
    """
    _check_paths(source, output, force, option)
    container = CONTAINERS[output.suffix.lower()]
    ffmpeg = find_ffmpeg(encoding.encoder)
    console = open_console()
    with ExitStack() as stack:
        stack.enter_context(terminated_like_interrupted())
        opened = _open(source, console)
        clip, meaning = _apply(opened, call, encoding, console)
        file = probe(ffmpeg, source)
        plan = plan_streams(file, container)
        for remark in plan.remarks:
            tell(console, remark)
        settings = VideoSettings(
            encoder=encoding.encoder,
            crf=encoding.crf,
            preset=encoding.preset,
            params=_params(encoding.encoder, meaning, encoding.params),
            time_base=opened.time_base,
            colour=_ffmpeg_args(meaning),
        )
        covers = extract_covers(ffmpeg, file, plan, Path(stack.enter_context(TemporaryDirectory(prefix="vsanime-"))))
        partial = stack.enter_context(partial_file(output, force=force, option=option))
        arguments = command(ffmpeg, file, [*plan.args, *covers], settings, container, partial)
        encoder = stack.enter_context(Encoder(arguments))
        times = [max(Fraction(0), tick * opened.time_base - file.origin) for tick in opened.ticks]
        try:
            writer = RawMatroskaWriter(encoder.sink, meaning.spec, clip.fps or None)
            _write_frames(clip, times, writer, console)
        except OSError:  # ffmpeg has closed the pipe, and its messages say why
            raise encoder.failure() from None
        encoder.finish()


def _check_paths(source: Path, output: Path, force: bool, option: str) -> None:
    if not source.is_file():
        raise VsanimeError(f"INPUT {source} is not a file; the path of a video file is needed")
    if output.suffix.lower() not in CONTAINERS:
        raise VsanimeError(f"OUTPUT {output} ends in {quote(output.suffix)}; one of {', '.join(CONTAINERS)} is needed")
    if output.exists() and output.samefile(source):
        raise VsanimeError(f"INPUT and OUTPUT are both {source}; another name for OUTPUT is needed")
    check_output(output, force=force, option=option)


@dataclass(frozen=True)
class _Source:
    """The frames of a video file and their presentation times: `ticks` times `time_base` seconds."""

    clip: vs.VideoNode
    ticks: list[int]
    time_base: Fraction


def _open(path: Path, console: Console) -> _Source:
    """Open a video, with BestSource's index in the user's cache, not beside the file."""
    import vapoursynth as vs

    core = vs.core.core
    core.max_cache_size = min(core.max_cache_size, _CORE_CACHE_MB)
    cache = platformdirs.user_cache_path("vsanime") / "index"
    with _without_export_warning(), console.status(Text(f"indexing {path.name}")):
        opened = open_video(
            path.resolve(),
            'BestSource is not installed; `pip install "vsanime[encode]"` brings it',
            exporttimestamps=True,
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
    tell(console, f"the timestamps are missing or out of order; constant {float(clip.fps):.3f} fps is used instead")
    return _Source(clip, list(range(clip.num_frames)), 1 / clip.fps)


@contextmanager
def _without_export_warning() -> Iterator[None]:
    """Hide a warning of VapourSynth that BestSource 22 causes whenever it exports timestamps."""

    def keep(record: logging.LogRecord) -> bool:
        return "no return value(s) named" not in record.getMessage()

    log = logging.getLogger("vapoursynth")
    log.addFilter(keep)
    try:
        yield
    finally:
        log.removeFilter(keep)


def _apply(source: _Source, call: Call, encoding: Encoding, console: Console) -> tuple[vs.VideoNode, Signal]:
    """Return the clip to encode, and the properties of its samples."""
    import vapoursynth as vs

    from vsanime.filters.encoder_args import read_signal
    from vsanime.filters.mark_scenes import mark_scenes
    from vsanime.video.scenes import is_marked

    clip = source.clip
    if clip.format.color_family == vs.RGB:
        tell(console, "INPUT is RGB: it is converted to YUV 4:4:4, BT.709, limited range")
        bits = min(clip.format.bits_per_sample, 16) if clip.format.sample_type == vs.INTEGER else 16
        form = vs.core.query_video_format(vs.YUV, vs.INTEGER, bits, 0, 0)
        clip = clip.resize.Spline36(format=form.id, matrix=vs.MATRIX_BT709, range=vs.RANGE_LIMITED)
    for name, what in (("DolbyVisionRPU", "Dolby Vision"), ("HDR10Plus", "HDR10+")):
        if name in clip.get_frame(0).props:
            tell(console, f"{what} metadata is left out: it describes the source's pixels, not the new ones")
    depth = encoding.depth_for(clip.format.bits_per_sample)
    if call.by_scenes:
        # Show a status, because the filter reads the whole clip before its first frame.
        with console.status("looking for scenes"):
            made = call.on(clip if is_marked(clip) else mark_scenes(clip), depth=depth)
    else:
        made = call.on(clip, depth=depth)
    if made.num_frames != clip.num_frames:
        raise VsanimeError(
            f"{call.name} makes {made.num_frames} frames of {clip.num_frames}, which the sound would not fit; "
            "use it in a script"
        )
    if made.format.sample_type != vs.INTEGER or made.format.bits_per_sample != depth:
        # The filter has no argument for the depth.
        form = made.format.replace(sample_type=vs.INTEGER, bits_per_sample=depth)
        made = made.resize.Point(format=form.id)
    meaning = read_signal(made)
    fourcc(meaning.spec.format)  # raises an error for an unsupported format before anything is written
    return made, meaning


def _params(encoder: str, meaning: Signal, extra: str) -> str:
    """Return the encoder's options: HDR10 metadata, for which ffmpeg has none, then the user's, which override it."""
    names = ("mastering-display", "cll") if encoder == "x264" else ("master-display", "max-cll")
    values = (meaning.mastering_display, meaning.content_light)
    ours = [f"{name}={value}" for name, value in zip(names, values, strict=True) if value]
    return ":".join([*ours, *([extra] if extra else [])])


def _ffmpeg_args(meaning: Signal) -> list[str]:
    from vsanime.filters.encoder_args import ffmpeg_args

    return ffmpeg_args(meaning)


def _write_frames(clip: vs.VideoNode, times: list[Fraction], writer: RawMatroskaWriter, console: Console) -> None:
    import vapoursynth as vs

    # A backlog no longer than the number of frames in progress keeps memory constant, however long the video is.
    ahead = vs.core.num_threads
    with progress(clip.num_frames, console, things="frames", rate="fps") as advance:
        frames = clip.frames(prefetch=ahead, backlog=ahead, close=True)
        for time_shown, frame in zip(times, frames, strict=True):
            writer.write_frame(time_shown, [np.ascontiguousarray(plane) for plane in frame])
            advance()
