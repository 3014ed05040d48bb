"""Small drawings, scenes and shots."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw

from vsanime.training.colorization.samples import Sampling, ShotSamples
from vsanime.training.synthetic.drawings import find_drawings
from vsanime.training.synthetic.scenes import SyntheticShots

SIZE = (96, 64)  # width and height


def write_drawings(folder: Path) -> Path:
    """A cycle of three, a cel on paper, and a backdrop."""
    folder.mkdir(parents=True, exist_ok=True)
    for number in range(3):
        cel = Image.new("RGBA", (100, 80), (0, 0, 0, 0))
        pen = ImageDraw.Draw(cel)
        pen.ellipse((20 + 5 * number, 10, 70 + 5 * number, 70), (200, 60, 60, 255), (10, 10, 10, 255), 3)
        cel.save(folder / f"läufer_{number:02d}.png")
    paper = Image.new("RGB", (90, 90), (255, 255, 255))
    ImageDraw.Draw(paper).ellipse((10, 10, 80, 80), (60, 90, 200), (10, 10, 10), 4)
    paper.save(folder / "ball.png")
    backdrop = Image.new("RGB", (160, 120), (90, 160, 90))
    ImageDraw.Draw(backdrop).rectangle((0, 0, 160, 60), (130, 180, 230))
    backdrop.save(folder / "meadow.jpg")
    return folder


def write_figure(path: Path, seed: int) -> None:
    """A transparent drawing unlike those of other seeds, on the same canvas."""
    path.parent.mkdir(parents=True, exist_ok=True)
    rng = np.random.default_rng(seed)
    cel = Image.new("RGBA", (80, 80), (0, 0, 0, 0))
    pen = ImageDraw.Draw(cel)
    for _ in range(6):
        x, y = rng.integers(0, 60, 2).tolist()
        pen.rectangle((x, y, x + 25, y + 25), (*rng.integers(0, 256, 3).tolist(), 255), (10, 10, 10, 255), 2)
    cel.save(path)


def scenes(folder: Path | None = None, seed: int = 3, size: tuple[int, int] = SIZE) -> SyntheticShots:
    drawings = [] if folder is None else find_drawings([write_drawings(folder)])
    return SyntheticShots(seed, drawings, size)


def samples(seed: int = 5, **settings: object) -> ShotSamples:
    sampling = Sampling(**{"size": SIZE, **settings})  # type: ignore[arg-type]
    return ShotSamples(seed, sampling, scenes())


def write_video(folder: Path, frames: np.ndarray) -> Path:
    """Consecutive pictures: 1.png, 2.png, ..., 10.png."""
    folder.mkdir(parents=True)
    for number, frame in enumerate(frames, 1):
        Image.fromarray(frame).save(folder / f"{number}.png")
    return folder
