"""What becomes of a source file's other streams: audio, subtitles, fonts and covers, copied, converted or left out."""

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

# Timestamps of broadcast streams begin anywhere, often hours in; every other file means what it says.
_BROADCAST = {"mpegts", "mpeg"}

# Matroska keeps covers as attached files of these types; as streams they would become a second picture track.
COVER_FILES = {"png": ("cover.png", "image/png"), "mjpeg": ("cover.jpg", "image/jpeg")}
# MP4's way to write chapters, which ffmpeg reads as chapters besides.
_CHAPTER_TRACK = "bin_data (text /"

_NO_PLACE = "is left out: the output's kind of file has no place for it"
_TEXT_SUBTITLES = {"ass", "ssa", "subrip", "srt", "mov_text", "webvtt", "text"}


@dataclass(frozen=True)
class Rule:
    """Which codecs a container takes as they are.

    Attributes:
        instead: what others are converted to.
        only: the codecs it takes, or None for all.
        never: codecs it does not take all the same.
    """

    instead: str
    only: frozenset[str] | None = None
    never: frozenset[str] = frozenset()

    def copies(self, codec: str) -> bool:
        """Whether a stream of this codec stays as it is."""
        return codec not in self.never and (self.only is None or codec in self.only)


@dataclass(frozen=True)
class Container:
    """What a kind of output file holds.

    Attributes:
        audio: which audio it takes.
        subtitles: which subtitles it takes; only text can be converted.
        attachments: whether fonts and the like have a place.
        covers: whether a cover picture is a stream; where there are attachments it is one of those.
        args: muxer options.
        hevc_args: muxer options for H.265.
    """

    audio: Rule
    subtitles: Rule
    attachments: bool = False
    covers: bool = False
    args: tuple[str, ...] = ()
    hevc_args: tuple[str, ...] = ()


# Matroska counts by presentation time alone. Left to itself ffmpeg delays every stream by the few milliseconds that
# some audio has before zero for its decoder's start, and the picture would come late.
_MATROSKA = Container(
    audio=Rule("flac", never=frozenset({"pcm_bluray", "pcm_dvd"})),
    subtitles=Rule("srt", never=frozenset({"mov_text", "eia_608"})),
    attachments=True,
    args=("-avoid_negative_ts", "disabled"),
)
_HVC1 = ("-tag:v:0", "hvc1")  # the tag that Apple's players want
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
    """One stream of the source file, as ffmpeg describes it."""

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
    """A source file as ffmpeg sees it.

    Attributes:
        path: where it is.
        streams: all its streams.
        origin: time, in seconds, from which its timestamps count.
    """

    path: Path
    streams: tuple[Stream, ...]
    origin: Fraction

    @property
    def video(self) -> Stream | None:
        """The first stream of pictures that is no cover."""
        return next((s for s in self.streams if s.kind == "Video" and not s.cover), None)


@dataclass(frozen=True)
class StreamPlan:
    """What becomes of the streams besides the picture.

    Attributes:
        args: ffmpeg's arguments.
        covers: cover pictures that have to become attached files.
        attachments: how many attached files `args` copies.
        remarks: what a user should know.
    """

    args: tuple[str, ...]
    covers: tuple[Stream, ...]
    attachments: int
    remarks: tuple[str, ...]


def read_source(path: Path, description: str) -> SourceFile:
    """Reads what `ffmpeg -i` says of a file."""
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
    """Decides for every stream but the picture: copied, converted or left out."""
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
    """The codec a stream leaves with, None if it is left out, and a remark unless it is copied."""
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
