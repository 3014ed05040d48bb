"""Filters picture files; pictures of one kind and size are frames of one clip, so that they share an engine."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from rich.console import Console

from vsanime.arrays import Array
from vsanime.cli.interrupts import terminated_like_interrupted
from vsanime.cli.output import check_output, partial_file
from vsanime.cli.progress import progress, tell
from vsanime.cli.publicfilters import Call
from vsanime.errors import VsanimeError
from vsanime.media.picturefile import (
    DEFAULT_QUALITY,
    FORMATS,
    Format,
    Header,
    encode,
    fit,
    read_header,
    read_samples,
    read_tags,
)
from vsanime.terminal import open_console

if TYPE_CHECKING:
    import vapoursynth as vs

ALPHA = "_Alpha"
# Pictures processed at a time, and VapourSynth's cache: pictures may be large, and each is needed only once.
_AHEAD = 4
_CORE_CACHE_MB = 512
# Bits of YUV for RGB of 8 and 16 bits, for luma networks; 10 bits are enough to restore every 8-bit code.
_YUV_BITS = {8: 10, 16: 16}


@dataclass(frozen=True)
class Result:
    """The settings for writing results.

    Attributes:
        depth: bits per sample, 8 or 16; None for the picture's, as far as the format stores them.
        quality: quality of lossy formats, 1 to 100; None for the default.
        overwrite: whether existing files are overwritten.
    """

    depth: int | None = None
    quality: int | None = None
    overwrite: bool = False

    def bits(self, header: Header, form: Format) -> int:
        """Return the bits per sample of a picture's result."""
        return self.depth or min(header.bits, form.bits)

    def check(self, forms: Mapping[str, Format]) -> None:
        """Raise an error for settings that do not apply to the formats.

        Args:
            forms: formats of the results by their suffixes.

        Raises:
            VsanimeError: a format does not store that depth, or none has a quality.
        """
        if self.depth not in (None, 8, 16):
            raise VsanimeError(f"--depth {self.depth}: pictures have 8 or 16 bits")
        for suffix, form in forms.items():
            if self.depth is not None and self.depth > form.bits:
                raise VsanimeError(f"--depth {self.depth}: {suffix} holds {form.bits} bits; .png holds 16")
        if self.quality is not None and not any(form.lossy for form in forms.values()):
            raise VsanimeError(f"--quality {self.quality}: {', '.join(forms)} is written without loss; leave it out")


@dataclass(frozen=True)
class _Job:
    """A picture and the path of its result."""

    source: Path
    output: Path
    header: Header

    @property
    def form(self) -> Format:
        return FORMATS[self.output.suffix.lower()]


@dataclass
class _Tally:
    """The outcome for all pictures so far.

    Attributes:
        done: pictures whose results are written.
        skipped: pictures that failed, with their errors.
        remarks: notes for the user, with the pictures that they are about.
    """

    done: set[Path] = field(default_factory=set)
    skipped: dict[Path, str] = field(default_factory=dict)
    remarks: dict[str, list[Path]] = field(default_factory=dict)

    def remark(self, text: str, source: Path) -> None:
        self.remarks.setdefault(text, []).append(source)


def process_picture(source: Path, output: Path, call: Call, result: Result) -> None:
    """Filter one picture. On any exception, no output is left.

    Args:
        source: path of a picture that Pillow reads.
        output: path of the result, with a suffix among `FORMATS`.
        call: filter and its arguments.
        result: settings for writing the result.

    Raises:
        VsanimeError: files or settings are wrong, the picture cannot be read, or the filter rejects it.
        KeyboardInterrupt: the user stopped the command.
    """
    if output.exists() and output.samefile(source):
        raise VsanimeError(f"INPUT and OUTPUT are both {source}; another name for OUTPUT is needed")
    check_output(output, force=result.overwrite, option="--overwrite")
    result.check(_formats([output]))
    tally = _Tally()
    _run([(source, output)], call, result, tally, open_console())
    for reason in tally.skipped.values():
        raise VsanimeError(f"INPUT {source}: {reason}")


def process_folder(source: Path, output: Path, call: Call, result: Result, suffix: str | None) -> int:
    """Filter the pictures of a folder.

    Args:
        source: folder of the pictures; folders in it are ignored.
        output: folder of the results, which keep the pictures' names; created with the first result.
        call: filter and its arguments.
        result: settings for writing the results; existing ones are kept unless `overwrite` is set.
        suffix: suffix of the results, such as ".png"; that of each picture if None.

    Returns:
        The exit code: 1 if a picture failed, else 0.

    Raises:
        VsanimeError: folders or settings are wrong, there is no picture, or all fail for one reason.
        KeyboardInterrupt: the user stopped the command; results that are written stay.
    """
    console = open_console()
    pairs, others = _pairs(source, output, suffix)
    result.check(_formats([made for _, made in pairs]))
    wanted = [(picture, made) for picture, made in pairs if result.overwrite or not _is_file(made)]
    tally = _Tally()
    _run(wanted, call, result, tally, console)
    already = len(pairs) - len(wanted)
    there = f", {already} {'was' if already == 1 else 'were'} there already (--overwrite)" if already else ""
    left_out = f", {len(tally.skipped)} could not be done:" if tally.skipped else ""
    tell(console, f"{_count(len(tally.done), 'picture')} written to {output}{there}{left_out}")
    for path, reason in tally.skipped.items():
        tell(console, f"  {path.name}: {reason}")
    if others:
        tell(
            console,
            f"{_count(len(others), 'file')} left out, of a kind that is not written ({', '.join(FORMATS)} are):",
        )
        for path in others:
            tell(console, f"  {path.name}")
    return 1 if tally.skipped else 0


def _count(count: int, thing: str) -> str:
    return f"{count} {thing}" if count == 1 else f"{count} {thing}s"


def _is_file(path: Path) -> bool:
    """Return whether a file exists; False for an impossible name, which is reported when the file is written."""
    try:
        return path.is_file()
    except OSError:  # the name is too long (before Python 3.14)
        return False


def _formats(outputs: Sequence[Path]) -> dict[str, Format]:
    """Return the formats of results by their suffixes."""
    return {path.suffix.lower(): FORMATS[path.suffix.lower()] for path in outputs}


def _pairs(source: Path, output: Path, suffix: str | None) -> tuple[list[tuple[Path, Path]], list[Path]]:
    """Return a folder's pictures, sorted by name, each with the path of its result; and the folder's other files."""
    if output.exists() and not output.is_dir():
        raise VsanimeError(f"INPUT {source} is a folder and OUTPUT {output} a file; a folder is needed")
    if output.is_dir() and output.samefile(source):
        raise VsanimeError(f"INPUT and OUTPUT are both {source}; another folder for OUTPUT is needed")
    files = sorted(path for path in source.iterdir() if path.is_file() and not path.name.startswith("."))
    pictures = [path for path in files if path.suffix.lower() in FORMATS]
    others = [path for path in files if path.suffix.lower() not in FORMATS]
    if not pictures:
        raise VsanimeError(f"INPUT {source} holds no picture; files that end in {', '.join(FORMATS)} are looked for")
    if suffix is None:
        return [(path, output / path.name) for path in pictures], others
    taken: dict[str, Path] = {}
    for path in pictures:
        # File names on Windows and macOS are case-insensitive.
        other = taken.setdefault(path.stem.casefold(), path)
        if other is not path:
            raise VsanimeError(
                f"{other.name} and {path.name} would both become {path.stem}{suffix}; rename one of them"
            )
    return [(path, output / f"{path.stem}{suffix}") for path in pictures], others


def _run(pairs: Sequence[tuple[Path, Path]], call: Call, result: Result, tally: _Tally, console: Console) -> None:
    """Process the pictures, grouped by kind and size.

    Raises:
        VsanimeError: there are several, and all fail for one reason.
    """
    things = {"things": "pictures", "rate": "a second"}
    with (
        terminated_like_interrupted(),
        warnings.catch_warnings(action="ignore"),  # Pillow's, about oddities of readable files
        progress(len(pairs), console, **things) as advance,
    ):
        for jobs in _alike(pairs, result, tally, advance):
            try:
                _run_alike(jobs, call, result, tally, advance)
            except Exception as error:
                if not _is_refusal(error):
                    raise
                settled = tally.done | tally.skipped.keys()
                for path in (job.source for job in jobs if job.source not in settled):
                    tally.skipped[path] = str(error)
                    advance()
    for text, sources in tally.remarks.items():
        others = f" (and {_count(len(sources) - 1, 'other')})" if len(sources) > 1 else ""
        tell(console, f"{sources[0].name}{others}: {text}")
    reasons = set(tally.skipped.values())
    if len(pairs) > 1 and len(tally.skipped) == len(pairs) and len(reasons) == 1:
        raise VsanimeError(f"none of {len(pairs)} pictures can be done: {reasons.pop()}")


def _is_refusal(error: Exception) -> bool:
    import vapoursynth as vs

    return isinstance(error, (VsanimeError, vs.Error))


def _alike(
    pairs: Sequence[tuple[Path, Path]], result: Result, tally: _Tally, advance: Callable[[], None]
) -> Iterator[list[_Job]]:
    """Yield the readable pictures, in groups that form one clip each."""
    groups: dict[tuple[Any, ...], list[_Job]] = {}
    for source, output in pairs:
        try:
            job = _Job(source, output, read_header(source))
            if output.is_dir():
                raise VsanimeError(f"{output} is a folder, where its result would go")
        except (VsanimeError, OSError) as error:
            tally.skipped[source] = _reason(error)
            advance()
            continue
        header = job.header
        if header.remark:
            tally.remark(header.remark, source)
        if header.alpha and not job.form.alpha:
            tally.remark(f"{output.suffix} has no transparency: it is put on white", source)
        if header.bits > result.bits(header, job.form):
            tally.remark(f"its {header.bits} bits become {result.bits(header, job.form)}", source)
        key = (header.width, header.height, header.mode, header.bits, result.bits(header, job.form))
        groups.setdefault(key, []).append(job)
    yield from groups.values()


def _run_alike(jobs: Sequence[_Job], call: Call, result: Result, tally: _Tally, advance: Callable[[], None]) -> None:
    """Process pictures of one kind and size."""
    import vapoursynth as vs

    core = vs.core.core
    core.max_cache_size = min(core.max_cache_size, _CORE_CACHE_MB)
    failed: dict[int, str] = {}
    source = _clip_of(jobs, failed)
    bits = result.bits(jobs[0].header, jobs[0].form)
    made = _apply(source, call, bits)
    frames = made.frames(prefetch=_AHEAD, backlog=_AHEAD, close=True)
    for n, (job, frame) in enumerate(zip(jobs, frames, strict=True)):
        if n in failed:
            tally.skipped[job.source] = failed[n]
        else:
            samples = np.stack([np.asarray(plane) for plane in frame], -1)
            if job.header.alpha:
                samples = np.concatenate([samples, _alpha_of(frame, source, n, bits)], -1)
            try:
                _write(job, samples, result)
                tally.done.add(job.source)
            except (VsanimeError, OSError) as error:
                tally.skipped[job.source] = _reason(error)
        advance()


def _reason(error: VsanimeError | OSError) -> str:
    """Return the reason why one picture failed."""
    return str(error) if isinstance(error, VsanimeError) else f"its result cannot be written: {error.strerror or error}"


def _clip_of(jobs: Sequence[_Job], failed: dict[int, str]) -> vs.VideoNode:
    """Return a clip of pictures of one kind and size, each read when its frame is requested.

    Args:
        jobs: pictures of the clip.
        failed: receives the errors of unreadable pictures by frame number; these frames are black.
    """
    import vapoursynth as vs

    from vsanime.video.scenes import BEGINS

    header = jobs[0].header
    family = vs.GRAY if header.gray else vs.RGB
    form = vs.core.query_video_format(family, vs.INTEGER, header.bits, 0, 0)
    blank = vs.core.std.BlankClip(None, header.width, header.height, form.id, len(jobs), keep=True)
    # Without `_Range` VapourSynth assumes limited range for gray. Every picture is its own scene.
    props = {"_Range": vs.RANGE_FULL, BEGINS: 1} | ({} if header.gray else {"_Matrix": vs.MATRIX_RGB})
    blank = blank.std.SetFrameProps(**props)

    def read(n: int, f: vs.VideoFrame) -> vs.VideoFrame:
        try:
            samples = read_samples(jobs[n].source, jobs[n].header)
        except VsanimeError as error:
            failed[n] = str(error)
            dtype = np.uint8 if header.bits == 8 else np.uint16
            samples = np.zeros((header.height, header.width, len(header.mode)), dtype)
        frame = f.copy()
        for p in range(form.num_planes):
            np.asarray(frame[p])[:] = samples[..., p]
        if header.alpha:
            gray = vs.core.query_video_format(vs.GRAY, vs.INTEGER, header.bits, 0, 0)
            alpha = vs.core.create_video_frame(gray, header.width, header.height)
            np.asarray(alpha[0])[:] = samples[..., -1]
            alpha.props["_Range"] = vs.RANGE_FULL
            frame.props[ALPHA] = alpha
        return frame

    return blank.std.ModifyFrame(blank, read)


def _apply(source: vs.VideoNode, call: Call, bits: int) -> vs.VideoNode:
    """Return the filter's result as full-range gray or RGB with that many bits."""
    import vapoursynth as vs

    rgb = source.format.color_family == vs.RGB
    if rgb and call.for_yuv:
        deep = _YUV_BITS[source.format.bits_per_sample]
        form = vs.core.query_video_format(vs.YUV, vs.INTEGER, deep, 0, 0)
        source = source.resize.Point(format=form.id, matrix=vs.MATRIX_BT709, range=vs.RANGE_FULL)
        made = call.on(source, depth=_YUV_BITS[bits])
    else:
        made = call.on(source, depth=bits)
    if made.num_frames != source.num_frames:
        raise VsanimeError(f"{call.name} makes {made.num_frames} pictures of {source.num_frames}")
    family = vs.GRAY if made.format.color_family == vs.GRAY else vs.RGB
    form = vs.core.query_video_format(family, vs.INTEGER, bits, 0, 0)
    return made if made.format.id == form.id else made.resize.Spline36(format=form.id, range=vs.RANGE_FULL)


def _alpha_of(frame: vs.VideoFrame, source: vs.VideoNode, n: int, bits: int) -> Array:
    """Return the alpha of a result, height, width, 1: the filter's, or the picture's, scaled, if it makes none."""
    import vapoursynth as vs

    found = frame.props.get(ALPHA)
    if found is None:
        alpha = source.std.PropToClip(ALPHA)
        if (alpha.width, alpha.height) != (frame.width, frame.height):
            alpha = alpha.resize.Spline36(frame.width, frame.height)
        found = alpha.get_frame(n)
    plane = np.asarray(found[0])[..., None]
    had = found.format.bits_per_sample
    if found.format.sample_type == vs.INTEGER and had == bits:
        return plane.copy()
    value = plane.astype(np.float32) / (1 if found.format.sample_type == vs.FLOAT else (1 << had) - 1)
    codes = np.rint(np.clip(value, 0, 1) * ((1 << bits) - 1))
    return codes.astype(np.uint8 if bits == 8 else np.uint16)


def _write(job: _Job, samples: Array, result: Result) -> None:
    samples = fit(samples, job.form)
    height, width, channels = samples.shape
    tags = read_tags(job.source, channels, (width, height))
    data = encode(samples, job.form, tags, result.quality or DEFAULT_QUALITY)
    job.output.parent.mkdir(parents=True, exist_ok=True)
    with partial_file(job.output, force=result.overwrite, option="--overwrite") as partial:
        partial.write_bytes(data)
