"""Single pictures out of videos, compared and written as PNG."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import vapoursynth as vs
from numpy.typing import NDArray

from vsanime.video.clips import guess_matrix

Picture = NDArray[np.uint8]
# BT.709's weights of red, green and blue in luma.
LUMA = np.array([0.2126, 0.7152, 0.0722])
_UNSPECIFIED = 2


@dataclass(frozen=True)
class Clip:
    """A video file opened with BestSource.

    Attributes:
        node: the clip.
        width: in pixels.
        height: in pixels.
        frames: how many.
    """

    node: vs.VideoNode
    width: int
    height: int
    frames: int

    @classmethod
    def open(cls, path: Path) -> Clip:
        """Open a video; the index stays in memory, no file is left beside it."""
        node = vs.core.bs.VideoSource(str(path), cachemode=0, showprogress=0)
        return cls(node, node.width, node.height, node.num_frames)

    def describe(self) -> str:
        """Size, format and frames in a few words."""
        return f"{self.width}x{self.height} {self.node.format.name}, {self.frames} frames"

    def picture(self, number: int, width: int, height: int) -> Picture:
        """Return a frame as RGB, 8 bits, (height, width, 3), resized by Catmull-Rom where the size differs."""
        frame = self.node[number]
        matrix = frame.get_frame(0).props.get("_Matrix", _UNSPECIFIED)
        if self.node.format.color_family == vs.YUV and matrix == _UNSPECIFIED:
            frame = frame.std.SetFrameProps(_Matrix=guess_matrix(self.width, self.height))
        shown = frame.resize.Bicubic(width, height, format=vs.RGB24, filter_param_a=0, filter_param_b=0.5)
        with shown.get_frame(0) as planes:
            return np.stack([np.asarray(planes[plane]) for plane in range(3)], axis=-1)


def crop(picture: Picture, part: tuple[int, int, int, int]) -> Picture:
    """Return the part (left, top, width, height) of a picture."""
    left, top, width, height = part
    return picture[top : top + height, left : left + width]


def side_by_side(pictures: Sequence[Picture]) -> Picture:
    """Pictures of one height in a row, a white line between them."""
    line = np.full((pictures[0].shape[0], 4, 3), 255, np.uint8)
    row = [part for picture in pictures for part in (picture, line)]
    return np.concatenate(row[:-1], axis=1)


def luma_psnr(picture: Picture, truth: Picture) -> float:
    """PSNR of luma in dB, of RGB pictures with 8 bits."""
    error = (picture.astype(np.float64) - truth) @ LUMA
    return float(10 * np.log10(255.0**2 / max(float(np.mean(error**2)), 1e-10)))


def write_png(path: Path, picture: Picture) -> None:
    """Write an RGB picture of shape (height, width, 3)."""
    height, width, _ = picture.shape
    # Every row starts with its filter type; 0 is none.
    rows = np.concatenate([np.zeros((height, 1), np.uint8), picture.reshape(height, -1)], axis=1)
    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    chunks = [(b"IHDR", header), (b"IDAT", zlib.compress(rows.tobytes(), 9)), (b"IEND", b"")]
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + b"".join(_chunk(kind, data) for kind, data in chunks))


def _chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
