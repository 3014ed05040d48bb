"""Runs ffmpeg, which encodes frames from a pipe and takes every other stream from the source file."""

from __future__ import annotations

import contextlib
import os
import shutil
import subprocess
import threading
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from importlib.util import find_spec
from pathlib import Path
from types import TracebackType
from typing import IO, Self

from vsanime.errors import VsanimeError
from vsanime.media.streams import COVER_FILES, Container, SourceFile, StreamPlan, read_source

# Encoders by their names in `-NAME-params`, and what ffmpeg calls them in `-c:v`.
LIBRARIES = {"x264": "libx264", "x265": "libx265"}

_LAST_LINES = 12


@dataclass(frozen=True)
class VideoSettings:
    """The settings of the video encoder.

    Attributes:
        encoder: name of the encoder, "x264" or "x265".
        crf: constant rate factor.
        preset: name of the encoder's preset.
        params: options of the encoder as "key=value:key=value", or empty.
        time_base: seconds per tick of the source's timestamps.
        colour: ffmpeg's output options for matrix, range and other properties of the samples.
    """

    encoder: str
    crf: float
    preset: str
    params: str
    time_base: Fraction
    colour: Sequence[str] = field(default=())


def find_ffmpeg(encoder: str) -> str:
    """Return the path of the ffmpeg on PATH if it is able to encode, else of the one in `imageio-ffmpeg`.

    Raises:
        VsanimeError: there is none, or none has both the encoder and `-fps_mode`.
    """
    found = [shutil.which("ffmpeg"), _packaged_ffmpeg()]
    for candidate in found:
        if candidate is not None and _is_able(candidate, encoder):
            return candidate
    if any(found):
        raise VsanimeError(
            f"no ffmpeg here is able: version 5.1 or newer with {LIBRARIES[encoder]} is needed; "
            '`pip install "vsanime[encode]"` brings one'
        )
    raise VsanimeError('no ffmpeg on PATH; install it, or use `pip install "vsanime[encode]"`, which brings one')


def _packaged_ffmpeg() -> str | None:
    if find_spec("imageio_ffmpeg") is None:
        return None
    import imageio_ffmpeg

    try:
        return str(imageio_ffmpeg.get_ffmpeg_exe())
    except RuntimeError:  # a wheel without a binary
        return None


def _is_able(ffmpeg: str, encoder: str) -> bool:
    return f" {LIBRARIES[encoder]} " in _ask(ffmpeg, "-encoders") and "-fps_mode" in _ask(ffmpeg, "-h", "long")


def _ask(ffmpeg: str, *question: str) -> str:
    """Run ffmpeg and return all that it prints, or an empty string if it cannot be started."""
    command = [ffmpeg, "-hide_banner", "-nostdin", *question]
    try:
        done = subprocess.run(command, capture_output=True, stdin=subprocess.DEVNULL, check=False)
    except OSError:
        return ""
    return (done.stdout + done.stderr).decode(errors="replace")


def probe(ffmpeg: str, path: Path) -> SourceFile:
    """Return what ffmpeg reports about a file."""
    return read_source(path, _ask(ffmpeg, "-i", str(path.resolve())))


def extract_covers(ffmpeg: str, source: SourceFile, plan: StreamPlan, folder: Path) -> list[str]:
    """Write cover pictures to files in `folder` and return ffmpeg's arguments that attach them to the output.

    Raises:
        VsanimeError: ffmpeg cannot extract a cover.
    """
    args: list[str] = []
    for number, cover in enumerate(plan.covers):
        name, mimetype = COVER_FILES[cover.codec]
        picture = folder / f"{number}_{name}"
        _ask(
            ffmpeg, "-i", os.fspath(source.path.resolve()), "-map", f"0:{cover.index}", "-c", "copy", os.fspath(picture)
        )
        if not picture.exists():
            raise VsanimeError(f"cannot read the {cover} of {source.path}; remux the file without it")
        specifier = f"-metadata:s:t:{plan.attachments + number}"
        args += ["-attach", os.fspath(picture), specifier, f"filename={name}", specifier, f"mimetype={mimetype}"]
    return args


class Encoder:
    """A running ffmpeg that reads a Matroska stream; leaving its `with` block kills it if it still runs.

    Attributes:
        sink: pipe to which the stream is written.
    """

    def __init__(self, command: Sequence[str]) -> None:
        self._process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE
        )
        assert self._process.stdin is not None
        assert self._process.stderr is not None
        self.sink: IO[bytes] = self._process.stdin
        self._last_lines: deque[str] = deque(maxlen=_LAST_LINES)
        # Read continuously, because a full pipe would block ffmpeg.
        self._reader = threading.Thread(target=self._read, args=(self._process.stderr,), daemon=True)
        self._reader.start()

    def _read(self, stderr: IO[bytes]) -> None:
        for line in stderr:
            if text := line.decode(errors="replace").strip():
                self._last_lines.append(text)

    def finish(self) -> None:
        """End the stream and wait until ffmpeg has written the rest.

        Raises:
            VsanimeError: ffmpeg failed; the message ends with the last lines that it printed.
        """
        with contextlib.suppress(OSError):  # ffmpeg may have exited already; its exit code says so
            self.sink.close()
        code = self._process.wait()
        self._reader.join()
        if code != 0:
            raise self.failure()

    def failure(self) -> VsanimeError:
        """Wait for ffmpeg to exit and return an error with its exit code and last lines."""
        code = self._process.wait()
        self._reader.join()
        return VsanimeError(f"the encoder failed (ffmpeg's exit code {code}): " + " | ".join(self._last_lines))

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._process.poll() is None:
            self._process.kill()
            self._process.wait()
        with contextlib.suppress(OSError):
            self.sink.close()
        self._reader.join()
        assert self._process.stderr is not None
        self._process.stderr.close()


def command(
    ffmpeg: str,
    source: SourceFile,
    other_streams: Sequence[str],
    settings: VideoSettings,
    container: Container,
    output: Path,
) -> list[str]:
    """Return the command line that takes video from the pipe, all else from the source, and keeps timestamps."""
    library = LIBRARIES[settings.encoder]
    # Both inputs keep their timestamps (-copyts); those in the pipe already count from the source's origin.
    offset = ["-itsoffset", f"{-float(source.origin):.6f}"] if source.origin else []
    args = [ffmpeg, "-hide_banner", "-nostdin", "-nostats", "-loglevel", "warning", "-y", "-copyts"]
    args += ["-f", "matroska", "-i", "pipe:0", *offset, "-i", str(source.path.resolve())]
    args += ["-map", "0:v:0", "-map_metadata", "1", "-map_chapters", "1", *other_streams]
    args += ["-c:v:0", library, "-crf:v:0", f"{settings.crf:g}", "-preset:v:0", settings.preset]
    args += [f"-{settings.encoder}-params:v:0", settings.params] if settings.params else []
    args += ["-fps_mode:v:0", "passthrough"]
    args += ["-enc_time_base:v:0", f"{settings.time_base.numerator}:{settings.time_base.denominator}"]
    args += [*settings.colour, "-disposition:v:0", "default"]
    video = source.video
    if video is not None and video.language:
        args += ["-metadata:s:v:0", f"language={video.language}"]
    if video is not None and video.title:
        args += ["-metadata:s:v:0", f"title={video.title}"]
    if settings.encoder == "x265":
        args += container.hevc_args
    # The other streams' packets have to wait in the queue until an encoder with a long lookahead gives its first.
    return [*args, *container.args, "-max_muxing_queue_size", "9999", os.fspath(output)]
