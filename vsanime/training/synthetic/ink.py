"""Makes the line art of synthetic shots from edges of their cut-outs, or from the final colors as filters do."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from vsanime.arrays import Bytes, Floats
from vsanime.graphs.builders.lineart import Pen as DogPen
from vsanime.graphs.builders.lineart import gaussian
from vsanime.training.synthetic.drawings import alpha_of, colours_of, premultiply

# Weights of BT.709 luma, for R'G'B' in full range.
_LUMA = np.array([[0.2126, 0.7152, 0.0722]], np.float32)
_OWN_OUTLINE = 36  # codes; a thin line that is darker than both its sides by more than this is an outline
_BLACK_GAIN = 16  # codes of ink per code of luma below `Pen.black`
_CROWDED = 0.06  # largest fraction of pixels that are edges; drawings of all kinds have 0.01 to 0.05
_TRIES = 3


@dataclass(frozen=True)
class Pen:
    """The look of a shot's lines.

    Attributes:
        kind: `drawn`, from alpha edges, outlines and color edges of the cut-outs; `tophat` or `dog`, extracted from
            what is thin and dark in the final picture; `both`, drawn and extracted.
        thickness: thickness of drawn lines in pixels, 1 to 3.
        softness: sigma of the blur of drawn lines in pixels.
        contrast: upper threshold of Canny's gradient for lines between colors.
        width: width in pixels of what counts as thin, for extracted lines.
        gain: gain of extracted lines.
        gaps: approximate fraction of the ink that is missing.
        grain: standard deviation of noise in codes.
        black: luma in codes below which `tophat` inks surfaces; 0 for outlines only.
    """

    kind: str
    thickness: int
    softness: float
    contrast: int
    width: float
    gain: float
    gaps: float
    grain: float
    black: int = 0

    @property
    def draws(self) -> bool:
        """Whether lines are drawn from the cut-outs."""
        return self.kind in ("drawn", "both")


def draw_pen(rng: np.random.Generator, height: int) -> Pen:
    """Draw a random pen for a shot.

    Args:
        rng: random generator.
        height: height of the frame in pixels; lines of larger frames are wider.
    """
    wider = float(np.clip(height / 144, 0.7, 4))
    return Pen(
        kind=str(rng.choice(["drawn", "tophat", "dog", "both"], p=[0.3, 0.35, 0.25, 0.1])),
        thickness=int(rng.choice([1, 2, 3], p=[0.6, 0.3, 0.1])),
        softness=float(rng.uniform(0.3, 0.6)),
        contrast=int(rng.integers(60, 200)),
        width=float(rng.uniform(0.8, 2.2)) * wider,
        gain=float(rng.uniform(1.5, 5)),
        gaps=float(rng.uniform(0.02, 0.12)) if rng.random() < 0.25 else 0.0,
        grain=float(rng.uniform(1, 6)) if rng.random() < 0.2 else 0.0,
        black=int(rng.integers(20, 50)) if rng.random() < 0.5 else 0,
    )


def ink_of(cutout: Bytes, pen: Pen) -> Bytes:
    """Return the ink of a cut-out: its own dark outlines, and elsewhere the edges of alpha and of colors.

    Args:
        cutout: RGBA codes, not premultiplied, shape (height, width, 4).
        pen: look of the lines.

    Returns:
        Codes of shape (height, width); 255 is ink.
    """
    alpha = alpha_of(cutout)
    paper = cv2.merge([cv2.bitwise_not(alpha)] * 3)
    on_paper = np.asarray(cv2.add(colours_of(premultiply(cutout)), paper), np.uint8)
    outline = thin_and_dark(luma(on_paper), 2 + pen.thickness)
    own = (outline > _OWN_OUTLINE).astype(np.uint8)
    edges = np.asarray(cv2.Canny(alpha, 80, 160)) | _color_edges(on_paper, pen.contrast)
    # An outline has edges on both sides, which are no lines.
    near = cv2.dilate(own, np.ones((5, 5), np.uint8)) > 0
    edges[near] = 0
    kernel = np.ones((pen.thickness, pen.thickness), np.uint8)
    strokes = np.maximum(
        cv2.dilate(edges, kernel), np.where(own > 0, np.minimum(outline.astype(np.uint16) * 3, 255), 0)
    )
    soft = cv2.GaussianBlur(strokes.astype(np.float32), (0, 0), pen.softness)
    return np.asarray(np.minimum(soft * 1.3 + 0.5, 255), np.uint8)


def _color_edges(colours: Bytes, contrast: int) -> Bytes:
    """Return Canny's edges; if they would fill the picture, as with leaves and grain, only the stronger ones."""
    for _ in range(_TRIES):
        edges = np.asarray(cv2.Canny(colours, contrast / 2, contrast), np.uint8)
        if cv2.countNonZero(edges) <= _CROWDED * edges.size:
            break
        contrast *= 2
    return edges


def extract_lines(colours: Bytes, pen: Pen) -> Bytes:
    """Return the line art extracted from a picture, where 255 is paper.

    Args:
        colours: RGB codes, shape (height, width, 3).
        pen: look of the lines; other kinds than `tophat` use a difference of Gaussians.
    """
    if pen.kind != "tophat":
        return difference_lines(colours, DogPen(0.25 * pen.width, gain=8 * pen.gain))
    gray = luma(colours)
    ink = cv2.convertScaleAbs(thin_and_dark(gray, 2 * round(pen.width) + 1), alpha=pen.gain)
    if pen.black:
        ink = cv2.max(ink, cv2.multiply(cv2.subtract(np.full_like(gray, pen.black), gray), _BLACK_GAIN))
    return np.asarray(cv2.bitwise_not(ink), np.uint8)


def difference_lines(colours: Bytes, pen: DogPen) -> Bytes:
    """Return line art by a difference of Gaussians, as `vsanime.lineart` does, where 255 is paper.

    Args:
        colours: RGB codes, shape (height, width, 3).
        pen: settings of the difference.
    """
    light = cv2.transform(colours.astype(np.float32), _LUMA) * np.float32(1 / 255)
    narrow, wide = (_blur(light, sigma, pen.radius) for sigma in (pen.sigma, pen.sigma * pen.surround))
    ink = np.tanh(pen.gain * np.maximum(wide - narrow - pen.threshold, 0))
    return np.asarray(255.5 - 255 * ink, np.uint8)


def _blur(light: Floats, sigma: float, radius: int) -> Floats:
    weights = gaussian(sigma, radius)
    return np.asarray(cv2.sepFilter2D(light, -1, weights, weights, borderType=cv2.BORDER_REPLICATE), np.float32)


def luma(colours: Bytes) -> Bytes:
    """Return the luma Y' of R'G'B' codes, shape (height, width)."""
    return np.asarray(cv2.transform(colours, _LUMA))


def thin_and_dark(gray: Bytes, size: int) -> Bytes:
    """Return the black top-hat: by how many codes details smaller than a disc are darker than their surroundings."""
    disc = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (size, size))
    return np.asarray(cv2.morphologyEx(gray, cv2.MORPH_BLACKHAT, disc), np.uint8)


def worn(line: Bytes, pen: Pen, rng: np.random.Generator) -> Bytes:
    """Add the gaps and the grain of a pen to line art, as from scanning or bad extraction."""
    if not pen.gaps and not pen.grain:
        return line
    height, width = line.shape
    made = line.astype(np.float32)
    if pen.gaps:
        # Lines fade in blots of about six pixels.
        coarse = rng.random((height // 6 + 2, width // 6 + 2)).astype(np.float32)
        blots = cv2.resize(coarse, (width, height), interpolation=cv2.INTER_CUBIC)
        fades = np.clip((blots - (1 - 1.6 * pen.gaps)) * 8, 0, 1)
        made += (255 - made) * fades
    if pen.grain:
        made += pen.grain * rng.standard_normal((height, width), np.float32)
    return np.asarray(np.clip(made + 0.5, 0, 255), np.uint8)
