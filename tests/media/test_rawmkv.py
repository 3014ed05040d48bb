"""The raw Matroska stream is read by a real ffmpeg: bit for bit, and with every timestamp."""

from __future__ import annotations

import io
import subprocess
from fractions import Fraction

import numpy as np
import pytest

from tests.support.clips import Array
from vsanime.errors import VsanimeError
from vsanime.media.ffmpeg import find_ffmpeg
from vsanime.media.rawmkv import RawMatroskaWriter, fourcc
from vsanime.spec import Family, FrameSpec, PlaneFormat, Range, SampleType

WIDTH, HEIGHT = 34, 22
LAYOUTS = {
    "gray": (Family.GRAY, 0, 0),
    "yuv420p": (Family.YUV, 1, 1),
    "yuv422p": (Family.YUV, 1, 0),
    "yuv444p": (Family.YUV, 0, 0),
}


def spec_of(layout: str, bits: int, value_range: Range = Range.LIMITED, matrix: int = 1) -> FrameSpec:
    family, sub_w, sub_h = LAYOUTS[layout]
    form = PlaneFormat(family, SampleType.INTEGER, bits, sub_w, sub_h)
    return FrameSpec(form, WIDTH, HEIGHT, value_range, matrix, None)


def random_planes(spec: FrameSpec, rng: np.random.Generator) -> list[Array]:
    form = spec.format
    shapes = [(HEIGHT, WIDTH)]
    if form.family is Family.YUV:
        shapes += [(HEIGHT >> form.subsampling_h, WIDTH >> form.subsampling_w)] * 2
    return [rng.integers(0, 1 << form.bits, shape).astype(form.dtype) for shape in shapes]


def stream_of(spec: FrameSpec, times: list[Fraction], planes: list[list[Array]]) -> bytes:
    sink = io.BytesIO()
    writer = RawMatroskaWriter(sink, spec, Fraction(24000, 1001))
    for time, frame in zip(times, planes, strict=True):
        writer.write_frame(time, frame)
    return sink.getvalue()


def decode(stream: bytes, *options: str) -> subprocess.CompletedProcess[bytes]:
    command = [find_ffmpeg("x264"), "-hide_banner", "-copyts", "-f", "matroska", "-i", "pipe:0"]
    done = subprocess.run(
        [*command, "-fps_mode", "passthrough", *options, "pipe:1"], input=stream, capture_output=True, check=False
    )
    assert done.returncode == 0, done.stderr.decode()
    return done


@pytest.mark.parametrize("bits", [8, 10, 12, 16])
@pytest.mark.parametrize("layout", LAYOUTS)
def test_ffmpeg_reads_every_format_bit_for_bit(layout: str, bits: int) -> None:
    spec, rng = spec_of(layout, bits), np.random.default_rng(bits)
    planes = [random_planes(spec, rng) for _ in range(2)]
    done = decode(stream_of(spec, [Fraction(0), Fraction(1, 24)], planes), "-f", "rawvideo")
    assert done.stdout == b"".join(plane.tobytes() for frame in planes for plane in frame)
    pixel_format = layout if bits == 8 else f"{layout}{bits}le"
    assert f", {pixel_format}(tv, bt709" in done.stderr.decode().split("Stream mapping")[0]


def test_ffmpeg_reads_full_range() -> None:
    spec = spec_of("yuv420p", 8, Range.FULL, matrix=6)
    planes = [random_planes(spec, np.random.default_rng(0))]
    done = decode(stream_of(spec, [Fraction(0)], planes), "-f", "rawvideo")
    assert "yuv420p(pc, smpte170m" in done.stderr.decode()
    assert done.stdout == b"".join(plane.tobytes() for plane in planes[0])


def test_timestamps_come_back_in_the_sources_own_ticks() -> None:
    ticks = [0, 1001, 1002, 5005, 90000, 24000 * 3600 * 5 + 1]  # the last one five hours in
    spec, rng = spec_of("yuv420p", 8), np.random.default_rng(0)
    stream = stream_of(spec, [Fraction(t, 24000) for t in ticks], [random_planes(spec, rng) for _ in ticks])
    listed = decode(stream, "-enc_time_base", "1:24000", "-f", "framecrc").stdout.decode().splitlines()
    assert [int(line.split(",")[2]) for line in listed if not line.startswith("#")] == ticks


def test_the_stream_is_as_long_as_its_frames_and_little_more() -> None:
    spec, rng = spec_of("yuv420p", 8), np.random.default_rng(0)
    frame = random_planes(spec, rng)
    one, two = (stream_of(spec, [Fraction(i) for i in range(n)], [frame] * n) for n in (1, 2))
    assert len(two) - len(one) - sum(plane.nbytes for plane in frame) < 64


@pytest.mark.parametrize(
    "form",
    [
        PlaneFormat(Family.RGB, SampleType.INTEGER, 8),
        PlaneFormat(Family.YUV, SampleType.INTEGER, 9, 1, 1),
        PlaneFormat(Family.YUV, SampleType.INTEGER, 8, 2, 0),
        PlaneFormat(Family.GRAY, SampleType.FLOAT, 16),
    ],
)
def test_other_formats_are_refused(form: PlaneFormat) -> None:
    with pytest.raises(VsanimeError, match="8, 10, 12 or 16 integer bits would be right"):
        fourcc(form)


def test_negative_time_is_refused() -> None:
    spec = spec_of("gray", 8)
    writer = RawMatroskaWriter(io.BytesIO(), spec)
    with pytest.raises(VsanimeError, match="zero or later"):
        writer.write_frame(Fraction(-1, 1000), random_planes(spec, np.random.default_rng(0)))
