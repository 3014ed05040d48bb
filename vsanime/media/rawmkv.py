"""Writes a live Matroska stream of uncompressed frames, which carries frames and their timestamps into ffmpeg.

y4m has no timestamps, so variable frame rate would be lost. Matroska stores raw planes (`V_UNCOMPRESSED`), can be read
from a pipe, and needs only a header and one cluster per frame. Element identifiers are those of RFC 9559.
"""

from __future__ import annotations

from collections.abc import Buffer, Iterable
from fractions import Fraction
from typing import Protocol

from vsanime.errors import VsanimeError
from vsanime.spec import Family, FrameSpec, PlaneFormat, Range

NANOSECONDS = 1_000_000_000
UNKNOWN_SIZE = b"\x01\xff\xff\xff\xff\xff\xff\xff"  # the length of a live stream is unknown when its header is written

_EBML = 0x1A45DFA3
_SEGMENT = 0x18538067
_INFO = 0x1549A966
_TRACKS = 0x1654AE6B
_CLUSTER = 0x1F43B675

# FourCC codes of ffmpeg's raw planar formats: 8-bit ones have names, deeper ones encode layout and bits.
_EIGHT_BIT_FOURCC = {
    (Family.GRAY, 0, 0): b"Y800",
    (Family.YUV, 1, 1): b"I420",
    (Family.YUV, 1, 0): b"Y42B",
    (Family.YUV, 0, 0): b"444P",
}
_DEEP_LAYOUT = {
    (Family.GRAY, 0, 0): b"Y1\x00",
    (Family.YUV, 1, 1): b"Y3\x0b",
    (Family.YUV, 1, 0): b"Y3\x0a",
    (Family.YUV, 0, 0): b"Y3\x00",
}
CARRIED_BITS = (8, 10, 12, 16)


class Sink(Protocol):
    """An object that takes bytes, such as a pipe or a file."""

    def write(self, data: Buffer, /) -> int:
        """Write all of `data`."""
        ...


def element(identifier: int, payload: bytes) -> bytes:
    """Return an EBML element: identifier, length in 8 bytes, payload."""
    name = identifier.to_bytes((identifier.bit_length() + 7) // 8)
    return name + (1 << 56 | len(payload)).to_bytes(8) + payload


def _number(identifier: int, value: int) -> bytes:
    return element(identifier, value.to_bytes(8))


def fourcc(plane_format: PlaneFormat) -> bytes:
    """Return the FourCC of ffmpeg's raw video for a planar integer format.

    Raises:
        VsanimeError: the format has no raw Matroska form that ffmpeg reads.
    """
    layout = (plane_format.family, plane_format.subsampling_w, plane_format.subsampling_h)
    if not plane_format.is_integer or plane_format.bits not in CARRIED_BITS or layout not in _DEEP_LAYOUT:
        raise VsanimeError(
            f"cannot hand {plane_format.family.value} {plane_format.bits}-bit {plane_format.sample_type.value} with "
            f"subsampling {layout[1:]} to an encoder; GRAY or YUV 4:2:0, 4:2:2, 4:4:4 with 8, 10, 12 or 16 integer "
            "bits would be right"
        )
    if plane_format.bits == 8:
        return _EIGHT_BIT_FOURCC[layout]
    return _DEEP_LAYOUT[layout] + bytes([plane_format.bits])


def header(spec: FrameSpec, frame_rate: Fraction | None) -> bytes:
    """Return the bytes of the stream before the first frame.

    Args:
        spec: format and size of every frame; range and matrix are written too, so that no reader guesses them.
        frame_rate: nominal frames per second, a hint for rate control that timestamps override; None if unknown.

    Raises:
        VsanimeError: the format has no raw Matroska form that ffmpeg reads.
    """
    doctype = element(0x4282, b"matroska") + _number(0x4287, 4) + _number(0x4285, 2)
    limits = _number(0x4286, 1) + _number(0x42F7, 1) + _number(0x42F2, 4) + _number(0x42F3, 8)
    nanosecond_ticks = _number(0x2AD7B1, 1)  # TimestampScale: fine enough to restore the ticks of any source
    info = element(_INFO, nanosecond_ticks + element(0x4D80, b"vsanime") + element(0x5741, b"vsanime"))
    tracks = element(_TRACKS, element(0xAE, _track(spec, frame_rate)))
    segment = _SEGMENT.to_bytes(4) + UNKNOWN_SIZE
    return element(_EBML, limits + doctype) + segment + info + tracks


def _track(spec: FrameSpec, frame_rate: Fraction | None) -> bytes:
    colour = _number(0x55B9, 2 if spec.range is Range.FULL else 1)  # Range: 1 limited, 2 full
    if spec.matrix is not None:
        colour += _number(0x55B1, spec.matrix)
    video = _number(0xB0, spec.width) + _number(0xBA, spec.height) + element(0x2EB524, fourcc(spec.format))
    video += element(0x55B0, colour)
    track = _number(0xD7, 1) + _number(0x73C5, 1) + _number(0x83, 1) + element(0x22B59C, b"und")
    if frame_rate:
        track += _number(0x23E383, round(NANOSECONDS / frame_rate))
    return track + element(0x86, b"V_UNCOMPRESSED") + element(0xE0, video)


class RawMatroskaWriter:
    """A writer of frames with their timestamps; closing the sink ends the stream."""

    def __init__(self, sink: Sink, spec: FrameSpec, frame_rate: Fraction | None = None) -> None:
        self._sink = sink
        sink.write(header(spec, frame_rate))

    def write_frame(self, timestamp: Fraction, planes: Iterable[Buffer]) -> None:
        """Write one frame.

        Args:
            timestamp: presentation time in seconds, not negative, rounded to the nanosecond.
            planes: samples of each plane, packed without padding, little-endian.

        Raises:
            VsanimeError: the timestamp is negative.
        """
        if timestamp < 0:
            raise VsanimeError(f"a frame's timestamp is {float(timestamp):.6f} s; zero or later would be right")
        packed = [memoryview(plane).cast("B") for plane in planes]
        # SimpleBlock: track 1 (0x81), 2 bytes of time since the cluster's, flags 0x80 (every raw frame is a key frame).
        block_header = b"\x81\x00\x00\x80"
        block_size = len(block_header) + sum(len(plane) for plane in packed)
        block = b"\xa3" + (1 << 56 | block_size).to_bytes(8) + block_header
        cluster_time = _number(0xE7, round(timestamp * NANOSECONDS))
        cluster_size = len(cluster_time) + len(block) - len(block_header) + block_size
        cluster = _CLUSTER.to_bytes(4) + (1 << 56 | cluster_size).to_bytes(8)
        self._sink.write(cluster + cluster_time + block)
        for plane in packed:
            self._sink.write(plane)
