"""Small drawings with lines, as pictures to be doubled."""

from __future__ import annotations

import subprocess
from pathlib import Path

import imageio_ffmpeg
import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw

_LARGER = 4  # drawn so much larger, then shrunk: lines get soft edges


def drawn(width: int, height: int, seed: int = 0, mode: str = "RGB") -> Image.Image:
    """Outlined ellipses on a coloured ground."""
    rng = np.random.default_rng(seed)

    def colour(low: int, high: int) -> tuple[int, ...]:
        return tuple(int(v) for v in rng.integers(low, high, 3))

    size = (width * _LARGER, height * _LARGER)
    page = Image.new("RGB", size, colour(150, 250))
    pen = ImageDraw.Draw(page)
    for _ in range(8):
        x, y, across, down = (int(v) for v in rng.random(4) * (size * 2))
        box = (x - across // 3, y - down // 3, x + across // 3, y + down // 3)
        pen.ellipse(box, fill=colour(60, 255), outline=colour(0, 50), width=2 * _LARGER)
    return page.resize((width, height), Image.Resampling.BOX).convert(mode)


def as_array(picture: Image.Image) -> NDArray[np.uint8]:
    return np.asarray(picture)


def save(path: Path, width: int, height: int, seed: int = 0, mode: str = "RGB") -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    drawn(width, height, seed, mode).save(path)
    return path


def video(path: Path, width: int, height: int, frames: int = 5, *options: str) -> Path:
    """Drawings, a different one each frame, without a loss."""
    data = b"".join(as_array(drawn(width, height, seed)).tobytes() for seed in range(frames))
    command = [imageio_ffmpeg.get_ffmpeg_exe(), "-v", "error", "-y", "-f", "rawvideo", "-pix_fmt", "rgb24"]
    command += ["-s", f"{width}x{height}", "-r", "24", "-i", "-", *(options or ("-c:v", "ffv1")), str(path)]
    subprocess.run(command, input=data, check=True)
    return path
