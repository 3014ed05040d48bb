"""Decides whether audio, subtitles, fonts and covers of a source file are copied, converted or left out."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from fractions import Fraction
from pathlib import Path

_STREAM = re.compile(
    r"^ +Stream #0:(?P<index>\d+)(?:\[0x[0-9a-f]+\])?(?:\((?P<language>\w+)\))?: "
    r"(?P<kind>Video|Audio|Subtitle|Attachment|Data): (?P<codec>\w+)(?P<rest>.*)$"
)
_TITLE = re.compile(r"^ +title +: (?P<title>.*)$")
_INPUT = re.compile(r"^Input #0, (?P<demuxer>[\w,]+), from ")
_START = re.compile(r"^ +Duration: .*start: (?P<start>-?\d+\.\d+)")

# Broadcast streams start at an arbitrary time, often hours in, which is subtracted; other files' timestamps stay.
_BROADCAST = {"mpegts", "mpeg"}

# Matroska stores covers as attached files of these types; as streams they would become a second video track.
COVER_FILES = {"png": ("cover.png", "image/png"), "mjpeg": ("cover.jpg", "image/jpeg")}
# MP4 stores chapters in such a stream, which ffmpeg also reads as chapters.
_CHAPTER_TRACK = "bin_data (text /"

_NO_PLACE = "is left out: the output's kind of file has no place for it"
_TEXT_SUBTITLES = {"ass", "ssa", "subrip", "srt", "mov_text", "webvtt", "text"}


@dataclass(frozen=True)
class Rule:
    """The codecs that a container stores unconverted.

    Attributes:
        instead: codec to which other streams are converted.
        only: codecs that are copied, or None for all.
        never: codecs that are not copied even so.
    """

    instead: str
    only: frozenset[str] | None = None
    never: frozenset[str] = frozenset()

    def copies(self, codec: str) -> bool:
        """Return whether a stream of this codec is copied."""
        return codec not in self.never and (self.only is None or codec in self.only)


@dataclass(frozen=True)
class Container:
    """The streams that an output file format can store.

    Attributes:
        audio: rule for audio streams.
        subtitles: rule for subtitle streams; only text can be converted.
        attachments: whether it stores attached files such as fonts, and covers among them.
        covers: whether it stores a cover picture as a stream.
        args: ffmpeg's muxer options.
        hevc_args: further options if the video is H.265.
    """

    audio: Rule
    subtitles: Rule
    attachments: bool = False
    covers: bool = False
    args: tuple[str, ...] = ()
    hevc_args: tuple[str, ...] = ()


# Some audio has a few milliseconds before zero, with which its decoder starts. ffmpeg would by default delay every
# stream by them, the video too; Matroska stores presentation times only, and needs no such delay.
_MATROSKA = Container(
    audio=Rule("flac", never=frozenset({"pcm_bluray", "pcm_dvd"})),
    subtitles=Rule("srt", never=frozenset({"mov_text", "eia_608"})),
    attachments=True,
    args=("-avoid_negative_ts", "disabled"),
)
_HVC1 = ("-tag:v:0", "hvc1")  # the tag that Apple's players need
_MP4 = Container(
    audio=Rule("aac", only=frozenset({"aac", "ac3", "eac3", "mp3", "mp2", "alac", "opus", "flac", "dts"})),
    subtitles=Rule("mov_text", only=frozenset({"mov_text", "dvd_subtitle"})),
    covers=True,
    hevc_args=_HVC1,
)
_MOV_AUDIO = frozenset({"aac", "ac3", "eac3", "mp3", "alac", "pcm_s16le", "pcm_s24le", "pcm_s16be", "pcm_s24be"})
_MOV = Container(
    audio=Rule("aac", only=_MOV_AUDIO), subtitles=Rule("mov_text", only=frozenset({"mov_text"})), hevc_args=_HVC1
)
CONTAINERS = {".mkv": _MATROSKA, ".mp4": _MP4, ".m4v": _MP4, ".mov": _MOV}


@dataclass(frozen=True)
class Stream:
    """A stream of the source file, as ffmpeg describes it."""

    index: int
    kind: str
    codec: str
    language: str | None = None
    title: str | None = None
    cover: bool = False

    def __str__(self) -> str:
        what = "cover picture" if self.cover else self.kind.lower()
        return f"{what} stream {self.index} ({self.codec})"


@dataclass(frozen=True)
class SourceFile:
    """A source file, as ffmpeg describes it.

    Attributes:
        path: path of the file.
        streams: streams of the file, without MP4's chapter tracks.
        origin: start time in seconds that is subtracted from timestamps; 0 unless it is a broadcast stream.
    """

    path: Path
    streams: tuple[Stream, ...]
    origin: Fraction

    @property
    def video(self) -> Stream | None:
        """The first video stream that is not a cover, or None."""
        return next((s for s in self.streams if s.kind == "Video" and not s.cover), None)


@dataclass(frozen=True)
class StreamPlan:
    """How the streams other than the video are written.

    Attributes:
        args: ffmpeg's arguments that map the streams and choose their codecs.
        covers: cover pictures that have to become attached files.
        attachments: number of attached files that `args` copies.
        remarks: notes for the user.
    """

    args: tuple[str, ...]
    covers: tuple[Stream, ...]
    attachments: int
    remarks: tuple[str, ...]


def read_source(path: Path, description: str) -> SourceFile:
    """Return the streams and the origin of a file from its description, which is what `ffmpeg -i` prints."""
    streams: list[Stream] = []
    demuxers, start = set[str](), Fraction(0)
    for line in description.splitlines():
        if match := _INPUT.match(line):
            demuxers = set(match["demuxer"].split(","))
        elif match := _START.match(line):
            start = Fraction(match["start"])
        elif match := _STREAM.match(line):
            if _CHAPTER_TRACK in line:
                continue
            cover = "(attached pic)" in match["rest"]
            streams.append(Stream(int(match["index"]), match["kind"], match["codec"], match["language"], cover=cover))
        elif streams and streams[-1].title is None and (match := _TITLE.match(line)):
            streams[-1] = replace(streams[-1], title=match["title"])
    ordered = {stream.index: stream for stream in streams}
    return SourceFile(path, tuple(ordered.values()), start if demuxers & _BROADCAST else Fraction(0))


def plan_streams(source: SourceFile, container: Container) -> StreamPlan:
    """Decide for every stream other than the video whether it is copied, converted or left out."""
    args: list[str] = []
    remarks: list[str] = []
    covers: list[Stream] = []
    places = {"Audio": 0, "Subtitle": 0, "Video": 1, "Attachment": 0}  # video 0 is the encoded picture
    letters = {"Audio": "a", "Subtitle": "s", "Video": "v", "Attachment": "t"}
    for stream in source.streams:
        if stream == source.video:
            continue
        if stream.cover and container.attachments and stream.codec in COVER_FILES:
            covers.append(stream)
            continue
        codec, remark = _fate(stream, container)
        if remark:
            remarks.append(f"{stream} {remark}")
        if codec is None:
            continue
        specifier = f"{letters[stream.kind]}:{places[stream.kind]}"
        args += ["-map", f"1:{stream.index}", f"-c:{specifier}", codec]
        if stream.cover:
            args += [f"-disposition:{specifier}", "attached_pic"]
        places[stream.kind] += 1
    return StreamPlan(tuple(args), tuple(covers), places["Attachment"], tuple(remarks))


def _fate(stream: Stream, container: Container) -> tuple[str | None, str | None]:
    """Return the output codec of a stream (None to leave it out), and a remark unless it is copied."""
    if stream.cover:
        return ("copy", None) if container.covers else (None, _NO_PLACE)
    if stream.kind == "Attachment" and container.attachments:
        return "copy", None
    if stream.kind == "Audio":
        if container.audio.copies(stream.codec):
            return "copy", None
        return container.audio.instead, f"is converted to {container.audio.instead}"
    if stream.kind == "Subtitle":
        if container.subtitles.copies(stream.codec):
            return "copy", None
        if stream.codec in _TEXT_SUBTITLES:
            return container.subtitles.instead, f"is converted to {container.subtitles.instead}, which has no styles"
    return None, _NO_PLACE
