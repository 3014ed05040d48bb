"""Moves layers: smooth paths over time, affine placement, and thin-plate bending."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from vsanime.arrays import Floats

KNOT_FRAMES = 12.0  # frames between the knots of a path: half a second of film
_COARSE = 16  # pixels between the points at which bending, which is smooth, is computed


@dataclass(frozen=True)
class Path:
    """Some numbers that change smoothly over time.

    Attributes:
        knots: values every 12 frames, shape (knots, numbers); they are constant before the first and after the last.
    """

    knots: NDArray[np.float64]

    def at(self, frame: float) -> NDArray[np.float64]:
        """Return the numbers at a frame, which may be fractional."""
        place = float(np.clip(frame / KNOT_FRAMES, 0, len(self.knots) - 1))
        k = min(int(place), len(self.knots) - 2)
        t = place - k
        before, a, b, after = (self.knots[min(max(i, 0), len(self.knots) - 1)] for i in range(k - 1, k + 3))
        # Catmull-Rom spline.
        return np.asarray(
            a + 0.5 * t * (b - before + t * (2 * before - 5 * a + 4 * b - after + t * (3 * (a - b) + after - before)))
        )


def wander(rng: np.random.Generator, frames: int, start: NDArray[np.float64], extent: NDArray[np.float64]) -> Path:
    """Draw a random path, mostly in one direction, with changes of pace and occasional stops.

    Args:
        rng: random generator.
        frames: length of the path in frames.
        start: numbers in the middle of the path.
        extent: approximate change of the numbers in 12 frames.
    """
    steps = max(1, int(np.ceil(frames / KNOT_FRAMES)))
    heading = rng.standard_normal(len(start))
    pace = 0.7 * heading + 0.7 * rng.standard_normal((steps, len(start)))
    pace *= rng.uniform(0.2, 1.5, (steps, 1)) * (rng.random((steps, 1)) > 0.12)
    knots = np.concatenate([np.zeros((1, len(start))), np.cumsum(pace * extent, 0)])
    return Path(start + knots - knots[len(knots) // 2])


def still(numbers: NDArray[np.float64]) -> Path:
    """Return a path of constant numbers."""
    return Path(np.stack([numbers, numbers]))


@dataclass(frozen=True)
class Bend:
    """A thin plate that bends over time, in pixels of a drawing.

    Attributes:
        places: positions of the points that are pulled, shape (points, 2), x and y.
        pulls: path of the displacements of all points, as x and y of each in turn.
    """

    places: NDArray[np.float64]
    pulls: Path

    def shifts(self, frame: float, to_drawing: NDArray[np.float64], width: int, height: int) -> Floats:
        """Return the displacement of every pixel of a picture.

        Args:
            frame: time in frames.
            to_drawing: affine map from pixels of the picture to those of the drawing, shape (2, 3).
            width: width of the picture in pixels.
            height: height of the picture in pixels.

        Returns:
            Displacements x and y in pixels of the drawing, shape (height, width, 2).
        """
        rows, columns = (max(2, n // _COARSE) for n in (height, width))
        # At the centers of the samples of cv2.resize.
        ys, xs = np.meshgrid(
            (np.arange(rows) + 0.5) * height / rows - 0.5,
            (np.arange(columns) + 0.5) * width / columns - 0.5,
            indexing="ij",
        )
        points = np.stack([xs.ravel(), ys.ravel(), np.ones(xs.size)]).T @ to_drawing.T
        # A plate's displacements grow without bound beyond its points, where there is no drawing.
        low, high = self.places.min(0), self.places.max(0)
        coarse = _thin_plate(self.places, self.pulls.at(frame).reshape(-1, 2), np.clip(points, low, high))
        grid = coarse.reshape(rows, columns, 2).astype(np.float32)
        return np.asarray(cv2.resize(grid, (width, height), interpolation=cv2.INTER_LINEAR), np.float32)


def _thin_plate(
    places: NDArray[np.float64], pulls: NDArray[np.float64], wanted: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Return a thin-plate spline through displacements, evaluated at other positions.

    The spline has the kernel U(r) = r^2 log r^2 and an affine part (Bookstein 1989). Arrays have the shape (points, 2).
    """
    unit = float(np.ptp(places, 0).max()) or 1.0  # does not change the plate, but conditions the system
    places, wanted = places / unit, wanted / unit
    n = len(places)
    affine = np.concatenate([np.ones((n, 1)), places], 1)
    system = np.zeros((n + 3, n + 3))
    system[:n, :n] = _kernel(places, places)
    system[:n, n:], system[n:, :n] = affine, affine.T
    weights = np.linalg.solve(system, np.concatenate([pulls, np.zeros((3, 2))]))
    made: NDArray[np.float64] = _kernel(wanted, places) @ weights[:n]
    made += np.concatenate([np.ones((len(wanted), 1)), wanted], 1) @ weights[n:]
    return made


def _kernel(a: NDArray[np.float64], b: NDArray[np.float64]) -> NDArray[np.float64]:
    squared = ((a[:, None] - b[None]) ** 2).sum(-1)
    return np.asarray(squared * np.log(np.maximum(squared, 1e-12)))


def make_placement(scale: float, turn: float, x: float, y: float, pivot: tuple[float, float]) -> NDArray[np.float64]:
    """Return the affine map that scales and rotates a drawing about its pivot and moves that to (x, y), shape (2, 3).

    Args:
        scale: scale factor.
        turn: angle in radians, clockwise on the screen.
        x: horizontal position of the pivot in pixels.
        y: vertical position of the pivot in pixels.
        pivot: x and y of the pivot in pixels of the drawing.
    """
    c, s = scale * np.cos(turn), scale * np.sin(turn)
    return np.array(
        [[c, -s, x - c * pivot[0] + s * pivot[1]], [s, c, y - s * pivot[0] - c * pivot[1]]],
    )
