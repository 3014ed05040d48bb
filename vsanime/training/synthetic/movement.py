"""How layers move: smooth paths through time, affine placement, and thin-plate bending."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from vsanime.arrays import Floats

KNOT_FRAMES = 12.0  # between the points that a path passes through: half a second of film
_COARSE = 16  # pixels between the points at which bending is computed; it is smooth


@dataclass(frozen=True)
class Path:
    """Some numbers that change smoothly with time.

    Attributes:
        knots: their values every 12 frames, points by numbers; before the first and after the last they rest.
    """

    knots: NDArray[np.float64]

    def at(self, frame: float) -> NDArray[np.float64]:
        """The numbers at a frame, which need not be whole."""
        place = float(np.clip(frame / KNOT_FRAMES, 0, len(self.knots) - 1))
        k = min(int(place), len(self.knots) - 2)
        t = place - k
        before, a, b, after = (self.knots[min(max(i, 0), len(self.knots) - 1)] for i in range(k - 1, k + 3))
        # Catmull-Rom.
        return np.asarray(
            a + 0.5 * t * (b - before + t * (2 * before - 5 * a + 4 * b - after + t * (3 * (a - b) + after - before)))
        )


def wander(rng: np.random.Generator, frames: int, start: NDArray[np.float64], extent: NDArray[np.float64]) -> Path:
    """A path that goes somewhere: mostly on in one direction, with changes of pace, and stops now and then.

    Args:
        rng: what to draw from.
        frames: that the path is for.
        start: the numbers in the middle of it.
        extent: how far the numbers move in 12 frames, about.
    """
    steps = max(1, int(np.ceil(frames / KNOT_FRAMES)))
    heading = rng.standard_normal(len(start))
    pace = 0.7 * heading + 0.7 * rng.standard_normal((steps, len(start)))
    pace *= rng.uniform(0.2, 1.5, (steps, 1)) * (rng.random((steps, 1)) > 0.12)
    knots = np.concatenate([np.zeros((1, len(start))), np.cumsum(pace * extent, 0)])
    return Path(start + knots - knots[len(knots) // 2])


def still(numbers: NDArray[np.float64]) -> Path:
    """A path that stays where it is."""
    return Path(np.stack([numbers, numbers]))


@dataclass(frozen=True)
class Bend:
    """A thin plate that bends with time, in pixels of a drawing.

    Attributes:
        places: of the points that are pulled: points, x and y.
        pulls: how far each is pulled: x and y of all of them in a row.
    """

    places: NDArray[np.float64]
    pulls: Path

    def shifts(self, frame: float, to_drawing: NDArray[np.float64], width: int, height: int) -> Floats:
        """How far the plate pulls what every pixel of the picture shows.

        Args:
            frame: the time.
            to_drawing: from pixels of the picture to those of the drawing, 2, 3.
            width: of the picture.
            height: of the picture.

        Returns:
            Height, width, x and y in pixels of the drawing.
        """
        rows, columns = (max(2, n // _COARSE) for n in (height, width))
        # Where cv2.resize has the centres of its samples.
        ys, xs = np.meshgrid(
            (np.arange(rows) + 0.5) * height / rows - 0.5,
            (np.arange(columns) + 0.5) * width / columns - 0.5,
            indexing="ij",
        )
        points = np.stack([xs.ravel(), ys.ravel(), np.ones(xs.size)]).T @ to_drawing.T
        # Far beyond its points a plate goes on for ever; what is drawn ends there.
        low, high = self.places.min(0), self.places.max(0)
        coarse = _thin_plate(self.places, self.pulls.at(frame).reshape(-1, 2), np.clip(points, low, high))
        grid = coarse.reshape(rows, columns, 2).astype(np.float32)
        return np.asarray(cv2.resize(grid, (width, height), interpolation=cv2.INTER_LINEAR), np.float32)


def _thin_plate(
    places: NDArray[np.float64], pulls: NDArray[np.float64], wanted: NDArray[np.float64]
) -> NDArray[np.float64]:
    """The thin-plate spline through the pulls, elsewhere.

    Bookstein 1989: U(r) = r^2 log r^2, and an affine part.
    """
    unit = float(np.ptp(places, 0).max()) or 1.0  # the same plate in any unit, but well conditioned
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


def placed(scale: float, turn: float, x: float, y: float, pivot: tuple[float, float]) -> NDArray[np.float64]:
    """The affine map that scales and turns a drawing about its pivot and lays that on (x, y): 2, 3.

    Args:
        scale: factor.
        turn: radians, clockwise on the screen.
        x: pixels.
        y: pixels.
        pivot: pixels of the drawing.
    """
    c, s = scale * np.cos(turn), scale * np.sin(turn)
    return np.array(
        [[c, -s, x - c * pivot[0] + s * pivot[1]], [s, c, y - s * pivot[0] - c * pivot[1]]],
    )
