"""The demo clip: four seconds of cel-style animation drawn by this script, at any size.

Two shots: a girl walks through a panning landscape, drawn on twos; then her face, with a blink and a held frame.
Drawn at twice the size it is the truth that a doubler is after.

    python -m tools.animation clip.mp4 [--height 360] [--frames 96]
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from functools import lru_cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from tools.drawing import Cel, Colour, Floats, Point, curve, ellipse, moved, rgb
from tools.encoding import encode_clip

# The picture is drawn in these units, whatever its size in pixels.
WIDTH, HEIGHT = 640, 360
FRAME_RATE = Fraction(24000, 1001)
FRAMES = 96
# The walk ends and the close-up begins here.
CUT = 56
# One drawing for two frames of film, as most television animation has it.
ON_TWOS = 2
WALK_DRAWINGS = 8

INK = rgb("2a2238")
SKIN, SKIN_SHADE = rgb("fbdcc4"), rgb("eab59c")
HAIR, HAIR_SHADE, HAIR_LIGHT = rgb("5b4a8c"), rgb("413267"), rgb("9c8bd0")
COAT, COAT_SHADE = rgb("d9534f"), rgb("a93a45")
SOCK, SHOE = rgb("3b3f5c"), rgb("6b4a3a")
IRIS, IRIS_LIGHT, WHITE = rgb("2f7d8c"), rgb("7fd4cf"), rgb("fdfbf7")


@dataclass(frozen=True)
class Pen:
    """Draws on a cel in coordinates of its own.

    Attributes:
        cel: what it draws on.
        origin: where its (0, 0) lies, in the cel's units.
        scale: the cel's units per unit of its own; lines grow with it.
    """

    cel: Cel
    origin: Point
    scale: float

    def fill(self, outline: Sequence[Point], colour: Colour, *, line: float = 0.0, opacity: float = 1.0) -> None:
        """Fill an outline, and ink it where a line's width is given."""
        placed = moved(outline, self.origin, self.scale)
        self.cel.fill(placed, colour, opacity=opacity)
        if line:
            self.cel.ink([*placed, placed[0]], INK, line * self.scale)

    def ink(self, line: Sequence[Point], width: float, colour: Colour = INK, *, tapered: bool = True) -> None:
        """Draws a line."""
        self.cel.ink(moved(line, self.origin, self.scale), colour, width * self.scale, tapered=tapered)


def frames(height: int = HEIGHT, count: int = FRAMES) -> Iterator[NDArray[np.uint8]]:
    """Yield the clip's frames in order.

    Args:
        height: in pixels, a multiple of 360; the picture is 16:9.
        count: number of frames, up to 96.

    Returns:
        Pictures of shape (height, width, 3): RGB, 8 bits.
    """
    return (draw(number, height) for number in range(count))


def draw(number: int, height: int = HEIGHT) -> NDArray[np.uint8]:
    """One frame; arguments and shape as in `frames`."""
    zoom = height // HEIGHT
    picture = _walk(number, zoom) if number < CUT else _close_up(number - CUT, zoom)
    return (picture * 255.0 + 0.5).astype(np.uint8)


def _walk(number: int, zoom: int) -> Floats:
    """Draw the first shot: far hills move one unit a frame, the path three, the girl walks on the spot."""
    picture = _sky(zoom).colour
    for layer, speed in ((_hills(zoom), 1), (_path(zoom), 3)):
        left = number * speed * zoom
        view = np.s_[:, left : left + WIDTH * zoom]
        picture = layer.colour[view] + picture * (1.0 - layer.alpha[view])
    return _walker(number // ON_TWOS % WALK_DRAWINGS, zoom).over(picture)


def _close_up(number: int, zoom: int) -> Floats:
    """Draw the second shot: hair moves on twos for a second, then a blink, then nothing moves."""
    sway = (0.0, 2.0, 3.5, 4.0, 3.5, 2.0)[number // ON_TWOS % 6] if number < 24 else 0.0
    open_eyes = {26: 0.55, 28: 0.1, 30: 0.55}.get(number - number % ON_TWOS, 1.0)
    return _portrait(sway, open_eyes, zoom).over(_dusk(zoom).colour)


@lru_cache(maxsize=1)
def _sky(zoom: int) -> Cel:
    cel = Cel(WIDTH * zoom, HEIGHT * zoom, zoom)
    cel.gradient([(0, rgb("3f7fd0")), (170, rgb("a9d8f2")), (250, rgb("fbeeda"))])
    pen = Pen(cel, (0, 0), 1.0)
    for x, y, size in ((120, 80, 1.0), (410, 55, 0.7), (560, 120, 1.15)):
        cloud = Pen(cel, (x, y), size)
        puffs = [(-80, 8), (-52, -14), (-22, -20), (4, -38), (40, -26), (58, -10), (86, 4), (40, 14), (-30, 15)]
        cloud.fill(curve(puffs, closed=True), WHITE)
        shade = [(-70, 8), (-30, 2), (10, 6), (50, -2), (84, 6), (40, 14), (-30, 15)]
        cloud.fill(curve(shade, closed=True), rgb("cfe1f0"))
    pen.fill(ellipse((228, 62), 21, 21), rgb("fff4cf"))
    return cel


@lru_cache(maxsize=1)
def _hills(zoom: int) -> Cel:
    length = WIDTH + CUT
    cel = Cel(length * zoom, HEIGHT * zoom, zoom)
    pen = Pen(cel, (0, 0), 1.0)
    for base, rise, wave, colour in ((214, 26, 97, rgb("86b0c9")), (240, 18, 61, rgb("6da883"))):
        x = np.arange(-20.0, length + 30.0, 10.0)
        y = base - rise * (np.sin(x / wave) + 0.4 * np.sin(x / 23))
        pen.fill([*zip(x.tolist(), y.tolist(), strict=True), (length + 30, 360), (-20, 360)], colour, line=1.0)
    for left in range(60, length, 170):
        _house(Pen(cel, (left, 246), 1.0))
    return cel


def _house(pen: Pen) -> None:
    pen.fill([(0, 0), (0, -34), (58, -34), (58, 0)], rgb("f0e3cf"), line=1.1)
    pen.fill([(38, 0), (38, -34), (58, -34), (58, 0)], rgb("d3c1b1"), line=0.8)
    pen.fill([(-6, -32), (8, -56), (50, -56), (64, -32)], rgb("b4553f"), line=1.1)
    for row in range(1, 4):
        pen.ink([(-6 + 3.5 * row, -32 - 6 * row), (64 - 3.5 * row, -32 - 6 * row)], 0.7, rgb("83392f"), tapered=False)
    for x in (7, 22):
        pen.fill([(x, -10), (x, -24), (x + 10, -24), (x + 10, -10)], rgb("7ea6bd"), line=0.8)
        pen.ink([(x + 5, -10), (x + 5, -24)], 0.6, tapered=False)
        pen.ink([(x, -17), (x + 10, -17)], 0.6, tapered=False)


@lru_cache(maxsize=1)
def _path(zoom: int) -> Cel:
    length = WIDTH + 3 * CUT
    cel = Cel(length * zoom, HEIGHT * zoom, zoom)
    pen = Pen(cel, (0, 0), 1.0)
    edge = [(float(x), 262 + 4 * float(np.sin(x / 41))) for x in range(-20, length + 30, 10)]
    pen.fill([*edge, (length + 30, 360), (-20, 360)], rgb("7cbf5c"), line=1.2)
    pen.fill([(-9, 300), (length, 296), (length, 348), (-9, 350)], rgb("e6cfa0"), line=1.2)
    pen.fill([(-9, 338), (length, 336), (length, 348), (-9, 350)], rgb("cbaf7d"))
    for x in range(0, length, 46):
        pen.fill([(x, 276), (x, 240), (x + 4, 234), (x + 8, 240), (x + 8, 276)], rgb("f4efe4"), line=1.0)
    for y in (248, 262):
        pen.fill([(-9, y), (length, y), (length, y + 5), (-9, y + 5)], rgb("f4efe4"), line=0.9)
    random = np.random.default_rng(7)
    for x, y in zip(random.uniform(0, length, 70), random.uniform(284, 296, 70), strict=True):
        for lean in (-4.0, 0.0, 3.5):
            pen.ink([(x, y), (x + lean * 0.4, y - 5), (x + lean, y - 9)], 1.3, rgb("3f8442"))
    return cel


@lru_cache(maxsize=WALK_DRAWINGS)
def _walker(drawing: int, zoom: int) -> Cel:
    """One drawing of the walk: legs and arms swing against each other, the body bobs twice a cycle."""
    cel = Cel(WIDTH * zoom, HEIGHT * zoom, zoom)
    phase = 2 * np.pi * drawing / WALK_DRAWINGS
    swing, bob = float(np.sin(phase)), 2.5 * abs(float(np.cos(phase)))
    pen = Pen(cel, (300, 318 - bob), 1.0)
    _leg(pen, -swing, bob)
    _arm(pen, swing, COAT_SHADE)
    coat = [(-19, -104), (17, -104), (22, -70), (28 + 3 * swing, -38), (-28 + 3 * swing, -38), (-22, -70)]
    _leg(pen, swing, bob)
    pen.fill(curve(coat, closed=True), COAT, line=1.7)
    fold = [(-17, -100), (-8, -98), (-12, -66), (-14, -40), (-26 + 3 * swing, -40), (-20, -70)]
    pen.fill(curve(fold, closed=True), COAT_SHADE)
    pen.ink(curve([(4, -102), (6, -70), (8, -40)]), 1.2)
    for y in (-86, -68, -52):
        pen.fill(ellipse((10, y), 2.2, 2.2), rgb("f3c65b"), line=0.8)
    _arm(pen, -swing, COAT)
    _head(Pen(cel, (302, 318 - bob - 134), 0.40), sway=-4 * swing, open_eyes=1.0, look=10.0)
    return cel


def _leg(pen: Pen, swing: float, bob: float) -> None:
    hip, knee = (2.0 * swing, -42.0), (13 * swing + 3, -20.0)
    foot = (24 * swing, bob - 5 * max(0.0, 1 - abs(swing)) * (swing >= 0))
    pen.ink(curve([hip, knee, foot]), 14.5, tapered=False)
    pen.ink(curve([hip, knee, foot]), 11.5, SKIN, tapered=False)
    pen.ink([knee, foot], 11.5, SOCK, tapered=False)
    shoe = [(-8, -5), (4, -6), (15, 0), (14, 5), (-8, 5)]
    pen.fill(curve(moved(shoe, foot), closed=True), SHOE, line=1.5)


def _arm(pen: Pen, swing: float, colour: Colour) -> None:
    arm = curve([(0, -97), (11 * swing - 3, -76), (25 * swing + 3, -59)])
    pen.fill(ellipse((26 * swing + 4, -55), 6, 6), SKIN, line=1.4)
    pen.ink(arm, 15, tapered=False)
    pen.ink(arm, 12, colour, tapered=False)


@lru_cache(maxsize=1)
def _dusk(zoom: int) -> Cel:
    cel = Cel(WIDTH * zoom, HEIGHT * zoom, zoom)
    cel.gradient([(0, rgb("4a4a9c")), (150, rgb("c77fa6")), (270, rgb("f7b98f")), (360, rgb("fde2b0"))])
    pen = Pen(cel, (0, 0), 1.0)
    for x, y, radius in ((70, 250, 46), (170, 96, 30), (520, 130, 54), (590, 290, 38), (470, 300, 24)):
        pen.fill(ellipse((x, y), radius, radius), WHITE, opacity=0.16)
    return cel


@lru_cache(maxsize=16)
def _portrait(sway: float, open_eyes: float, zoom: int) -> Cel:
    cel = Cel(WIDTH * zoom, HEIGHT * zoom, zoom)
    pen = Pen(cel, (322, 178), 1.25)
    shoulders = [(-150, 190), (-118, 118), (-40, 96), (40, 96), (118, 118), (150, 190)]
    pen.fill(curve(shoulders, closed=True), COAT, line=3.2)
    pen.fill([(-24, 62), (24, 62), (30, 112), (0, 128), (-30, 112)], SKIN_SHADE, line=2.6)
    for side in (-1, 1):
        pen.fill([(side * 30, 98), (side * 2, 128), (side * 44, 150), (side * 58, 112)], WHITE, line=2.4)
    _head(pen, sway=sway, open_eyes=open_eyes, look=0.0)
    return cel


def _head(pen: Pen, *, sway: float, open_eyes: float, look: float) -> None:
    """Draw a head about 180 units high; `look` shifts the face to one side, `sway` the ends of the hair."""
    crown: list[Point] = [(-84, 40), (-92, -20), (-62, -88), (0, -106), (62, -88), (92, -20), (84, 40)]
    ends = [(92 + sway, 96), (40 + sway, 84), (-40 + sway, 84), (-92 + sway, 96)]
    pen.fill(curve([*crown, *ends], closed=True), HAIR_SHADE, line=2.8)
    face = [(-62, -20), (-58, 26), (-34, 58), (look * 0.4, 76), (34, 58), (58, 26), (62, -20), (0, -70)]
    pen.fill(curve(face, closed=True), SKIN, line=2.6)
    shade = [(-60, -22), (-30, -14), (0, -20), (30, -14), (60, -22), (40, -48), (-40, -48)]
    pen.fill(curve(shade, closed=True), SKIN_SHADE)
    for side in (-1, 1):
        _eye(pen, (side * 30 + look, 12), side, open_eyes)
        pen.fill(ellipse((side * 42 + look, 38), 11, 5), rgb("f39a8f"), opacity=0.45)
    pen.ink(curve([(look + 1, 30), (look - 3, 38), (look + 2, 40)]), 2.0)
    pen.ink(curve([(look - 11, 54), (look, 58), (look + 11, 54)]), 2.6)
    _fringe(pen, sway)


def _eye(pen: Pen, at: Point, side: int, openness: float) -> None:
    x, y = at
    if openness > 0.2:
        pen.fill(curve([(x - 17, y), (x, y - 21 * openness), (x + 17, y), (x, y + 17 * openness)], closed=True), WHITE)
        pen.fill(ellipse((x, y - 2), 11.5, 17 * openness), IRIS, line=1.6)
        pen.fill(ellipse((x, y + 5 * openness), 8, 8 * openness), IRIS_LIGHT)
        pen.fill(ellipse((x, y - 3), 5, 8 * openness), INK)
        pen.fill(ellipse((x - 5, y - 9 * openness), 4, 5 * openness), WHITE)
    lid = y - 21 * openness + 6 * (1 - openness)
    pen.ink(curve([(x - 19, y + 1), (x - 10, lid + 4), (x + 4, lid + 1), (x + 19, y - 2)]), 5.2)
    pen.ink(curve([(x - 9, y + 19 * openness), (x, y + 21 * openness), (x + 9, y + 19 * openness)]), 1.6)
    pen.ink(curve([(x - 18, y - 31), (x, y - 37 - side), (x + 17, y - 32)]), 3.0, HAIR_SHADE)


def _fringe(pen: Pen, sway: float) -> None:
    crown: list[Point] = [(-80, 18), (-88, -24), (-58, -90), (0, -107), (58, -90), (88, -24), (80, 18)]
    right: list[Point] = [(66, -4), (62, -34), (46, 2), (40, -36), (22 + sway, 4), (10, -40)]
    left: list[Point] = [(-8 + sway, 0), (-16, -40), (-34 + sway, 4), (-44, -36), (-60, 2), (-66, -8)]
    for side in (-1, 1):
        tress = [(side * 62, -40), (side * 88, -20), (side * 84, 40)]
        tips = [(side * 90 + sway, 98), (side * 64 + sway, 78), (side * 66, 30)]
        pen.fill(curve([*tress, *tips], closed=True), HAIR, line=2.6)
        pen.ink(curve([(side * 76, -10), (side * 75, 36), (side * 78 + sway, 82)]), 1.8, HAIR_SHADE)
    pen.fill(curve([*crown, *right, *left], closed=True), HAIR, line=2.6)
    above = [(-64, -56), (-40, -68), (-20, -63), (0, -71), (22, -63), (42, -68), (64, -56)]
    below = [(42, -58), (20, -52), (0, -60), (-22, -52), (-42, -58)]
    pen.fill(curve([*above, *below], closed=True), HAIR_LIGHT)
    for x, end in ((-44, -66), (-16, -20), (10, 12), (40, 60)):
        pen.ink(curve([(x * 0.8, -50), (x * 0.9, -44), (x, -36)]), 1.8, HAIR_SHADE)
        pen.ink(curve([(end * 0.3, -100), (end * 0.6, -92), (end, -74)]), 1.5, HAIR_SHADE)


def main(arguments: Sequence[str] | None = None) -> None:
    """Write the clip to a file."""
    parser = argparse.ArgumentParser(description="Draws the demo clip.")
    parser.add_argument("output", type=Path)
    parser.add_argument("--height", type=int, default=HEIGHT, choices=(360, 720, 1080), help="in pixels (default: 360)")
    parser.add_argument("--frames", type=int, default=FRAMES, help=f"how many, up to {FRAMES}")
    parser.add_argument("--crf", type=int, default=16, help="x264's constant rate factor (default: 16)")
    options = parser.parse_args(arguments)
    encode_clip(frames(options.height, options.frames), FRAME_RATE, options.output, crf=options.crf)


if __name__ == "__main__":
    main()
