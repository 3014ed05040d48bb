"""Encodes PNG files (ISO 15948) with 16 bits per channel, which Pillow cannot write in color."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

SIGNATURE = b"\x89PNG\r\n\x1a\n"
_COLOR_TYPES = {1: 0, 2: 4, 3: 2, 4: 6}  # by number of channels: gray, gray and alpha, RGB, RGB and alpha
_ROWS = 64  # rows filtered at a time, so that large pictures need little memory
_PAETH = 4
_EXIF_HEAD = b"Exif\x00\x00"


def png16(samples: NDArray[np.uint16], icc: bytes | None = None, exif: bytes | None = None) -> bytes:
    """Return the bytes of a 16-bit PNG file.

    Args:
        samples: height, width, channels; gray or RGB, then alpha if any.
        icc: ICC color profile.
        exif: EXIF data in JPEG's form.
    """
    height, width, channels = samples.shape
    facts = struct.pack(">IIBBBBB", width, height, 16, _COLOR_TYPES[channels], 0, 0, 0)
    parts = [SIGNATURE, _chunk(b"IHDR", facts)]
    if icc:
        parts.append(_chunk(b"iCCP", b"ICC profile\x00\x00" + zlib.compress(icc)))
    if exif:
        parts.append(_chunk(b"eXIf", exif.removeprefix(_EXIF_HEAD)))
    packer = zlib.compressobj()
    data = b"".join([packer.compress(rows) for rows in _filter(samples)] + [packer.flush()])
    return b"".join([*parts, _chunk(b"IDAT", data), _chunk(b"IEND", b"")])


def _chunk(name: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))


def _filter(samples: NDArray[np.uint16]) -> Iterator[bytes]:
    """Yield groups of rows, each row as PNG's filter type 4 and its bytes minus the Paeth prediction."""
    height, _, channels = samples.shape
    pixel = 2 * channels  # bytes
    above: NDArray[np.uint8] | None = None
    for start in range(0, height, _ROWS):
        rows = samples[start : start + _ROWS].astype(">u2").reshape(-1, samples.shape[1] * channels).view(np.uint8)
        first = np.zeros((1, rows.shape[1]), np.uint8) if above is None else above
        above = rows[-1:]
        up = np.concatenate([first, rows[:-1]])
        left, corner = (np.pad(plane, ((0, 0), (pixel, 0)))[:, :-pixel] for plane in (rows, up))
        less = rows - _paeth(left, up, corner)  # modulo 256
        yield np.pad(less, ((0, 0), (1, 0)), constant_values=_PAETH).tobytes()


def _paeth(left: NDArray[Any], up: NDArray[Any], corner: NDArray[Any]) -> NDArray[np.uint8]:
    """Return the neighbor that is nearest to left + up - corner; on ties the first of left, up and corner."""
    a, b, c = (plane.astype(np.int16) for plane in (left, up, corner))
    to_a, to_b, to_c = np.abs(b - c), np.abs(a - c), np.abs(a + b - 2 * c)
    return np.where((to_a <= to_b) & (to_a <= to_c), left, np.where(to_b <= to_c, up, corner))
