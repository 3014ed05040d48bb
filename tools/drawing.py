"""Flat fills and inked lines on a canvas of numbers, antialiased, at any size: what the demo's cels are made of."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float32]
Point = tuple[float, float]
Colour = tuple[float, float, float]
Distance = Callable[[Floats, Floats, Floats], Floats]

# Samples of a smooth curve per given point: enough for no corner to show at twice the drawn size.
_STEPS = 8


def rgb(code: str) -> Colour:
    """Return a color from six hexadecimal digits, each channel in [0, 1], gamma encoded as pictures are."""
    red, green, blue = (int(code[at : at + 2], 16) / 255 for at in (0, 2, 4))
    return red, green, blue


@dataclass
class Cel:
    """A transparent sheet to draw on.

    Attributes:
        width: in pixels.
        height: in pixels.
        zoom: pixels per unit of the coordinates drawn with.
        colour: premultiplied RGB, (height, width, 3), in [0, 1].
        alpha: cover, (height, width, 1), in [0, 1].
    """

    width: int
    height: int
    zoom: float
    colour: Floats = field(init=False)
    alpha: Floats = field(init=False)

    def __post_init__(self) -> None:
        """Start with an empty cel."""
        self.colour = np.zeros((self.height, self.width, 3), np.float32)
        self.alpha = np.zeros((self.height, self.width, 1), np.float32)

    def gradient(self, stops: Sequence[tuple[float, Colour]]) -> None:
        """Covers everything with a vertical gradient; a stop is a height in units and a colour."""
        rows = (np.arange(self.height, dtype=np.float32) + 0.5) / self.zoom
        heights = [height for height, _ in stops]
        channels = [np.interp(rows, heights, [colour[channel] for _, colour in stops]) for channel in range(3)]
        self.colour[:] = np.stack(channels, axis=-1)[:, None, :]
        self.alpha[:] = 1.0

    def fill(self, outline: Sequence[Point], colour: Colour, *, opacity: float = 1.0) -> None:
        """Fill a closed outline, given in units."""
        points = np.asarray(outline, np.float32) * self.zoom
        self._paint(points, 1.0, colour, opacity, _inside_distance)

    def ink(self, line: Sequence[Point], colour: Colour, width: float, *, tapered: bool = False) -> None:
        """Draws a line of the given width in units; a tapered one ends in points, as a pen's does."""
        points = np.asarray(line, np.float32) * self.zoom
        radii = np.full(len(points), width * self.zoom / 2, np.float32)
        if tapered:
            radii *= np.sin(np.linspace(0.08, 0.92, len(points)) * np.pi).astype(np.float32)

        def distance(x: Floats, y: Floats, points: Floats) -> Floats:
            return _line_distance(x, y, points, radii)

        self._paint(points, float(radii.max()) + 1.0, colour, 1.0, distance)

    def over(self, below: Floats) -> Floats:
        """Return the picture with this cel laid on it; shapes as `colour`."""
        return self.colour + below * (1.0 - self.alpha)

    def _paint(self, points: Floats, margin: float, colour: Colour, opacity: float, distance: Distance) -> None:
        """Lays a shape on, touching only the pixels near its points."""
        left, top = (max(int(edge), 0) for edge in np.floor(points.min(axis=0) - margin))
        right, bottom = np.ceil(points.max(axis=0) + margin).astype(int)
        right, bottom = min(int(right), self.width), min(int(bottom), self.height)
        if left >= right or top >= bottom:
            return
        y, x = np.mgrid[top:bottom, left:right].astype(np.float32) + np.float32(0.5)
        # Half a pixel either side of the edge is the width of the antialiasing.
        cover = (np.clip(0.5 - distance(x, y, points), 0.0, 1.0) * opacity)[..., None]
        area = np.s_[top:bottom, left:right]
        self.colour[area] = self.colour[area] * (1.0 - cover) + cover * np.asarray(colour, np.float32)
        self.alpha[area] = self.alpha[area] * (1.0 - cover) + cover


def curve(points: Sequence[Point], *, closed: bool = False) -> list[Point]:
    """Return a smooth line through the points (Catmull-Rom)."""
    given = np.asarray(points, np.float64)
    if closed:
        padded = np.concatenate([given[-1:], given, given[:2]])
    else:
        padded = np.concatenate([given[:1], given, given[-1:]])
    t = np.linspace(0.0, 1.0, _STEPS, endpoint=False)[:, None]
    pieces = []
    for a, b, c, d in zip(padded, padded[1:], padded[2:], padded[3:], strict=False):
        cubic = 2 * b + (c - a) * t + (2 * a - 5 * b + 4 * c - d) * t**2 + (3 * b - a - 3 * c + d) * t**3
        pieces.append(cubic / 2)
    if not closed:
        pieces.append(given[-1:])
    return [(float(x), float(y)) for x, y in np.concatenate(pieces)]


def ellipse(centre: Point, radius_x: float, radius_y: float) -> list[Point]:
    """Return the outline of an ellipse."""
    angles = np.linspace(0.0, 2 * np.pi, 40, endpoint=False)
    return [(centre[0] + radius_x * float(np.cos(a)), centre[1] + radius_y * float(np.sin(a))) for a in angles]


def moved(points: Sequence[Point], by: Point, scale: float = 1.0) -> list[Point]:
    """Return the points scaled about the origin, then moved."""
    return [(by[0] + scale * x, by[1] + scale * y) for x, y in points]


def _edge_distance_squared(x: Floats, y: Floats, a: Floats, b: Floats) -> tuple[Floats, Floats]:
    """Squared distance to the segment from a to b, and how far along it (0 to 1) the nearest point lies."""
    along = b - a
    length = float(along @ along) or 1.0
    t = np.clip(((x - a[0]) * along[0] + (y - a[1]) * along[1]) / length, 0.0, 1.0)
    return (x - a[0] - t * along[0]) ** 2 + (y - a[1] - t * along[1]) ** 2, t


def _line_distance(x: Floats, y: Floats, points: Floats, radii: Floats) -> Floats:
    nearest = np.full(x.shape, np.inf, np.float32)
    for a, b, radius_a, radius_b in zip(points, points[1:], radii, radii[1:], strict=False):
        squared, t = _edge_distance_squared(x, y, a, b)
        nearest = np.minimum(nearest, np.sqrt(squared) - (radius_a + t * (radius_b - radius_a)))
    return nearest


def _inside_distance(x: Floats, y: Floats, points: Floats) -> Floats:
    """Distance to a closed outline, negative inside (even-odd rule)."""
    nearest = np.full(x.shape, np.inf, np.float32)
    inside = np.zeros(x.shape, bool)
    for a, b in zip(points, np.roll(points, -1, axis=0), strict=True):
        squared, _ = _edge_distance_squared(x, y, a, b)
        nearest = np.minimum(nearest, squared)
        if a[1] != b[1]:
            crosses = (a[1] <= y) != (b[1] <= y)
            inside ^= crosses & (x < a[0] + (y - a[1]) * (b[0] - a[0]) / (b[1] - a[1]))
    return np.sqrt(nearest) * np.where(inside, np.float32(-1), np.float32(1))
