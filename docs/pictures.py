"""Draws the pictures of the pages: a part of a drawn frame, enlarged, before and after a network and as it was drawn.

    python docs/pictures.py            all of them, into docs/pictures
    python docs/pictures.py waifu2x    one

The frame is one of `tools/animation.py`, so nobody else's picture is in them. Drawn at 640x360 it is the source, drawn
at 1280x720 what a doubler is after; the labels give luma's PSNR against that, over the whole frame. The weights are
ArtCNN's by Artoriuz and waifu2x's by nagadomi, both MIT (see "Models" in the pages).
"""

from __future__ import annotations

import argparse
import io
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import vapoursynth as vs
from PIL import Image, ImageDraw, ImageFont

HERE = Path(__file__).resolve().parent
# Run as a script, Python sees this folder alone.
sys.path.insert(0, str(HERE.parent))

import vsanime  # noqa: E402
from tools import animation  # noqa: E402
from tools.pictures import Picture, crop, luma_psnr, side_by_side  # noqa: E402
from vsanime.media.pictures import open_picture  # noqa: E402

# A frame of the walk, whose lines are a pixel or two wide at the source's size.
FRAME = 20
SOURCE_HEIGHT = 360
# Screen pixels per pixel of the picture: without it the difference is too small to be seen on a page.
ZOOM = 2
LABEL_HEIGHT = 22
LABEL_SIZE = 13
BACKGROUND, INK = 255, (40, 40, 40)
BT709 = 1
# The same on every machine, which `precision="auto"` is not.
BACKEND = vsanime.Backend.OpenVINO(precision="f32")


@dataclass(frozen=True)
class Panel:
    """One part of a row.

    Attributes:
        label: what is seen.
        picture: RGB at twice the source's size.
    """

    label: str
    picture: Picture


def artcnn(truth: Picture) -> list[Panel]:
    """8-bit 4:2:0 as video has it, doubled."""
    source = animation.draw(FRAME, SOURCE_HEIGHT)
    clip = as_clip(source).resize.Bicubic(format=vs.YUV420P8, matrix=BT709)
    model = "R8F64"
    doubled = vsanime.artcnn(clip, model=model, chroma="C4F32_Chroma", backend=BACKEND)
    return [
        rated("bicubic", enlarged(clip), truth),
        rated(f"{model} + C4F32_Chroma", as_picture(doubled), truth),
        Panel("drawn at that size", truth),
    ]


def waifu2x(truth: Picture) -> list[Panel]:
    """Double and clean a JPEG file of quality 70, 4:2:0."""
    quality = 70
    file = io.BytesIO()
    Image.fromarray(animation.draw(FRAME, SOURCE_HEIGHT)).save(file, "JPEG", quality=quality, subsampling="4:2:0")
    with open_picture(file) as coded:
        clip = as_clip(np.asarray(coded))
    return [
        rated(f"JPEG {quality}, bicubic", enlarged(clip), truth),
        rated("noise=1", as_picture(vsanime.waifu2x(clip, noise=1, backend=BACKEND)), truth),
        Panel("drawn at that size", truth),
    ]


# What is drawn, and the part of it that is shown: left, top, width, height at 1280x720.
PAGES = {"artcnn": (artcnn, (540, 322, 130, 150)), "waifu2x": (waifu2x, (430, 362, 130, 150))}


def rated(label: str, picture: Picture, truth: Picture) -> Panel:
    """Return a panel whose label says how far the picture is from the truth."""
    return Panel(f"{label}, {luma_psnr(picture, truth):.1f} dB", picture)


def enlarged(clip: vs.VideoNode) -> Picture:
    """Twice the size without a network: a bicubic (Catmull-Rom)."""
    return as_picture(clip, clip.width * 2, clip.height * 2)


def as_clip(picture: Picture) -> vs.VideoNode:
    """One frame of RGB24."""
    height, width, _ = picture.shape
    clip = vs.core.std.BlankClip(format=vs.RGB24, width=width, height=height, length=1)

    def paint(n: int, f: vs.VideoFrame) -> vs.VideoFrame:  # noqa: ARG001 - VapourSynth calls it so
        frame = f.copy()
        for plane in range(3):
            np.asarray(frame[plane])[:] = picture[..., plane]
        return frame

    return clip.std.ModifyFrame(clip, paint)


def as_picture(clip: vs.VideoNode, width: int | None = None, height: int | None = None) -> Picture:
    """Return the first frame as RGB, (height, width, 3)."""
    size = (width or clip.width, height or clip.height)
    with clip.resize.Bicubic(*size, format=vs.RGB24, filter_param_a=0, filter_param_b=0.5).get_frame(0) as frame:
        return np.stack([np.asarray(frame[plane]) for plane in range(3)], axis=-1)


def row_of(panels: Sequence[Panel], part: tuple[int, int, int, int]) -> Image.Image:
    """Return the same part of every panel, enlarged in whole pixels, side by side, labels above."""
    zoomed = [np.repeat(np.repeat(crop(panel.picture, part), ZOOM, 0), ZOOM, 1) for panel in panels]
    row = side_by_side(zoomed)
    above = np.full((LABEL_HEIGHT, row.shape[1], 3), BACKGROUND, np.uint8)
    page = Image.fromarray(np.concatenate([above, row]))
    pen, font = ImageDraw.Draw(page), ImageFont.load_default(LABEL_SIZE)
    step = (row.shape[1] - zoomed[0].shape[1]) // max(len(panels) - 1, 1)
    for i, panel in enumerate(panels):
        pen.text((i * step + 2, 3), panel.label, fill=INK, font=font)
    return page


def main(arguments: Sequence[str] | None = None) -> None:
    """Write the pictures that were asked for."""
    parser = argparse.ArgumentParser(description="Draws the pictures of the pages.")
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"{', '.join(PAGES)} (default: all)")
    names = parser.parse_args(arguments).names or list(PAGES)
    if unknown := [name for name in names if name not in PAGES]:
        parser.error(f"no picture is named {unknown[0]!r}; there are {', '.join(PAGES)}")
    folder = HERE / "pictures"
    folder.mkdir(exist_ok=True)
    truth = animation.draw(FRAME, 2 * SOURCE_HEIGHT)
    for name in names:
        make, part = PAGES[name]
        panels = make(truth)
        path = folder / f"{name}.png"
        row_of(panels, part).save(path, optimize=True)
        print(f"{path.name}: {' | '.join(panel.label for panel in panels)}; {path.stat().st_size:,} bytes")


if __name__ == "__main__":
    main()
