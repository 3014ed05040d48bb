"""Synthetic shots: free drawings that move in layers, with exact line art and colours that no shape tells.

Scene k is a function of the seed and k alone, and a frame of it of the scene and the frame's number: any frame can be
drawn without those before it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Protocol

import cv2
import numpy as np
from numpy.typing import NDArray

from vsanime.arrays import Bytes, Doubles
from vsanime.training.data.shots import Shot
from vsanime.training.synthetic.cels import draw_backdrop, draw_cel
from vsanime.training.synthetic.drawings import (
    Cutouts,
    Drawing,
    alpha_of,
    colours_of,
    premultiplied,
    resized,
    straight,
    with_alpha,
)
from vsanime.training.synthetic.ink import Pen, draw_pen, found_in, ink_of, worn
from vsanime.training.synthetic.movement import Bend, Path, placed, still, wander
from vsanime.training.synthetic.palette import Palette, draw_palette, gains

SCENE_FRAMES = 61  # of a scene: two and a half seconds, so that keys lie up to 30 frames on either side of its middle
_PAN_ROOM = 1.3  # a backdrop's size by the frame's; beyond it the backdrop is mirrored
_OUT_OF_NOTHING = 0.3  # share of figures that are no drawings of anybody
_PLAIN_BACKDROPS = 0.5  # share of backdrops of that kind; there are few others
_OVERLAP = 0.06  # of a figure's size that a part lies over what it is joined to
_MOST_SCALE = 2.0  # frame heights


@dataclass(frozen=True)
class Look:
    """What a layer shows.

    Attributes:
        colours: height, width, 4, multiplied by alpha.
        ink: height, width, 255 for ink.
    """

    colours: Bytes
    ink: Bytes


class Looks(Protocol):
    """What a layer shows, by the number of the drawing in its cycle."""

    def look(self, number: int) -> Look:
        """The look of that number, which goes round."""
        ...


@dataclass(frozen=True)
class Layer:
    """One layer of a scene.

    Attributes:
        looks: what it shows.
        pivot: pixels of the drawing, x and y, that the path moves.
        path: x and y in pixels of the frame, logarithm of the scale, turn in radians.
        depth: how much of the camera's motion it takes: 1 in the middle, less far away, 0 for what stands still.
        hold: frames for which it does not move: 2 for animation on twos.
        every: frames for which each drawing of its cycle stays.
        bend: how the drawing is bent, in its pixels.
        swing: turn of a part in radians, about the joint.
        joint: pixels of the drawing, x and y.
        backdrop: whether it goes on beyond its borders, mirrored.
    """

    looks: Looks
    pivot: tuple[float, float]
    path: Path
    depth: float = 1.0
    hold: int = 1
    every: int = 2
    bend: Bend | None = None
    swing: Path | None = None
    joint: tuple[float, float] = (0.0, 0.0)
    backdrop: bool = False

    def matrix(self, frame: float) -> Doubles:
        """From pixels of the drawing to those of a frame that no camera moves: 2, 3."""
        x, y, size, turn = self.path.at(frame)
        whole = placed(float(np.exp(size)), turn, x, y, self.pivot)
        if self.swing is None:
            return whole
        part = placed(1.0, float(self.swing.at(frame)[0]), *self.joint, self.joint)
        return np.asarray(whole @ np.vstack([part, [0, 0, 1]]))


@dataclass(frozen=True)
class Scene:
    """A shot that can be drawn frame by frame.

    Attributes:
        seed: of what is random in single frames: grain and gaps of the lines.
        size: width and height of a frame.
        layers: from the back to the front.
        camera: x and y in pixels, logarithm of the zoom.
        light: factors of R, G and B.
        hold: frames for which the camera stays where it is.
        pen: how the lines look.
    """

    seed: tuple[int, ...]
    size: tuple[int, int]
    layers: Sequence[Layer]
    camera: Path
    light: Path
    hold: int
    pen: Pen

    def frame(self, number: int) -> tuple[Bytes, Bytes]:
        """Line art (height, width) and colours (height, width, 3) of a frame."""
        width, height = self.size
        colours = np.zeros((height, width, 3), np.uint8)
        ink = np.zeros((height, width), np.uint8)
        for layer in self.layers:
            shown, strokes = self._shown(layer, number)
            through = cv2.bitwise_not(alpha_of(shown))
            behind = cv2.multiply(colours, cv2.merge([through] * 3), scale=1 / 255)
            colours = cv2.add(behind, colours_of(shown))
            ink = cv2.max(cv2.multiply(ink, through, scale=1 / 255), strokes)
        finished = np.asarray(cv2.LUT(colours, gains(self.light.at(number))), np.uint8)
        return self._line(finished, np.asarray(ink, np.uint8), number), finished

    def _shown(self, layer: Layer, number: int) -> tuple[Bytes, Bytes]:
        """Colours and ink of a layer where they lie in a frame."""
        width, height = self.size
        drawn_at = number // layer.hold * layer.hold
        look = layer.looks.look(drawn_at // layer.every)
        forward = self._view(number // self.hold * self.hold, layer.depth) @ np.vstack(
            [layer.matrix(drawn_at), [0, 0, 1]]
        )
        back = cv2.invertAffineTransform(forward)
        xs, ys = np.arange(width, dtype=np.float32), np.arange(height, dtype=np.float32)[:, None]
        a = back.astype(np.float32)
        maps = np.stack([a[k, 0] * xs + (a[k, 1] * ys + a[k, 2]) for k in (0, 1)], -1)
        if layer.bend is not None:
            maps += layer.bend.shifts(drawn_at, back, width, height)
        border = cv2.BORDER_REFLECT if layer.backdrop else cv2.BORDER_CONSTANT
        shown = cv2.remap(look.colours, maps, None, cv2.INTER_LINEAR, borderMode=border)
        strokes = cv2.remap(look.ink, maps, None, cv2.INTER_LINEAR, borderMode=border)
        return np.asarray(shown, np.uint8), np.asarray(strokes, np.uint8)

    def _view(self, number: int, depth: float) -> Doubles:
        """What the camera makes of places: 2, 3."""
        x, y, zoom = self.camera.at(number) * depth
        scale = float(np.exp(zoom))
        middle = np.array(self.size) / 2
        return np.array(
            [[scale, 0, middle[0] - scale * (middle[0] + x)], [0, scale, middle[1] - scale * (middle[1] + y)]]
        )

    def _line(self, colours: Bytes, ink: Bytes, number: int) -> Bytes:
        pen = self.pen
        drawn = 255 - ink
        if pen.kind == "drawn":
            line = drawn
        elif pen.kind == "both":
            line = np.minimum(drawn, found_in(colours, pen))
        else:
            line = found_in(colours, pen)
        return worn(line, pen, np.random.default_rng(np.random.SeedSequence([*self.seed, number])))


class SyntheticShots:
    """Scenes by their numbers.

    Args:
        seed: of all of them.
        drawings: what moves; with none, everything is drawn out of nothing.
        size: width and height of a frame.
        cache: megabytes of decoded drawings to keep.
    """

    def __init__(self, seed: int, drawings: Sequence[Drawing], size: tuple[int, int], cache: int = 192) -> None:
        self._seed = seed
        self.size = size
        self._figures = [drawing for drawing in drawings if not drawing.backdrop]
        self._backdrops = [drawing for drawing in drawings if drawing.backdrop]
        self._cutouts = Cutouts(cache)

    def scene(self, number: int) -> Scene:
        """One scene, the same whoever asks.

        Raises:
            VsanimeError: a drawing cannot be read any more.
        """
        rng = np.random.default_rng(np.random.SeedSequence([self._seed, number, 0x5CE]))
        height = self.size[1]
        pen = draw_pen(rng, height)
        hold = int(rng.choice([1, 2, 3], p=[0.4, 0.4, 0.2]))
        # How lively the whole scene is, in frame heights in half a second; figures differ from it.
        pace = float(np.exp(rng.uniform(np.log(0.03), np.log(0.5))))
        layers = [self._backdrop(rng, pen)]
        for _ in range(int(rng.choice([1, 2, 3, 4], p=[0.3, 0.35, 0.2, 0.15]))):
            layers += self._figure(rng, pen, pace * float(np.exp(rng.normal(0, 0.5))), hold, near=False)
        if rng.random() < 0.12:
            layers += self._figure(rng, pen, 2 * pace, hold, near=True)
        camera, camera_hold = self._camera(rng, pace, hold)
        return Scene((self._seed, number), self.size, layers, camera, _light(rng), camera_hold, pen)

    def shot(self, number: int, frames: int) -> Shot:
        """The first frames of a scene.

        Raises:
            VsanimeError: a drawing cannot be read any more.
        """
        scene = self.scene(number)
        drawn = [scene.frame(n) for n in range(frames)]
        line, colours = (np.stack(pictures) for pictures in zip(*drawn, strict=True))
        return Shot(f"synthetic-{number}", line, colours)

    def _camera(self, rng: np.random.Generator, pace: float, hold: int) -> tuple[Path, int]:
        """Its path, and the frames for which it stays: pans are on ones even where figures are on twos."""
        height = self.size[1]
        kind = str(rng.choice(["still", "pan", "zoom", "both"], p=[0.4, 0.35, 0.12, 0.13]))
        pan = pace * height if kind in ("pan", "both") else 0.0
        zoom = rng.uniform(0.01, 0.08) if kind in ("zoom", "both") else 0.0
        path = wander(rng, SCENE_FRAMES, np.zeros(3), np.array([pan, 0.4 * pan, zoom]))
        return path, 1 if rng.random() < 0.7 else hold

    def _backdrop(self, rng: np.random.Generator, pen: Pen) -> Layer:
        width, height = self.size
        across, down = round(width * _PAN_ROOM), round(height * _PAN_ROOM)
        drawn: Looks
        if not self._backdrops or rng.random() < _PLAIN_BACKDROPS:
            drawn = _Painted(draw_backdrop(rng, across, down), pen)
        else:
            drawing = self._backdrops[int(rng.integers(len(self._backdrops)))]
            scale = max(across / (drawing.box[2] - drawing.box[0]), down / (drawing.box[3] - drawing.box[1]))
            scale *= float(rng.uniform(1, 1.5))
            drawn = _Dressed(self._cutouts, drawing, 0, scale, draw_palette(rng), pen, None)
        shape = drawn.look(0).colours.shape
        pivot = (shape[1] / 2, shape[0] / 2)
        return Layer(drawn, pivot, still(np.array([width / 2, height / 2, 0, 0])), depth=0.8, backdrop=True)

    def _figure(self, rng: np.random.Generator, pen: Pen, pace: float, hold: int, *, near: bool) -> list[Layer]:
        """The layers of a figure: one, or two where a part of it moves by itself.

        Args:
            rng: what to draw from.
            pen: how lines look.
            pace: frame heights in half a second.
            hold: frames for which it does not move.
            near: whether it stands in front of everything, large and out of focus of the story.
        """
        width, height = self.size
        size = float(np.exp(rng.uniform(np.log(0.3), np.log(1.7)))) * (1.4 if near else 1.0)
        longest = max(24, round(min(size, _MOST_SCALE) * height))
        looks, cycle = self._looks(rng, pen, longest)
        tall, broad = looks.look(0).colours.shape[:2]
        pivot = (broad / 2, tall * float(rng.uniform(0.4, 0.9)))
        x = rng.uniform(0.1, 0.9) * width if not near else rng.choice([0.0, 1.0]) * width
        # Of large figures the upper part is seen, as in film; small ones are anywhere.
        y = rng.uniform(0.25, 0.75) * height if tall < 0.7 * height else rng.uniform(-0.1, 0.35) * height + pivot[1]
        extent = np.array([pace * height, 0.5 * pace * height, 0.3 * pace, rng.uniform(0, 1.5) * pace])
        path = wander(rng, SCENE_FRAMES, np.array([x, y, 0.0, rng.normal(0, 0.12)]), extent)
        bend = _bend(rng, broad, tall, pace) if rng.random() < 0.6 else None
        whole = Layer(looks, pivot, path, depth=1.5 if near else 1.0, hold=hold, every=cycle, bend=bend)
        if rng.random() < 0.35:
            return _parted(rng, whole, pace)
        return [whole]

    def _looks(self, rng: np.random.Generator, pen: Pen, longest: int) -> tuple[Looks, int]:
        """What a figure shows, and for how many frames each drawing of its cycle stays."""
        shadow = _Shadow.drawn(rng) if rng.random() < 0.3 else None
        if not self._figures or rng.random() < _OUT_OF_NOTHING:
            cel = draw_cel(rng, longest)
            return _Painted(cel if shadow is None else shadow.on(cel), pen), 1
        drawing = self._figures[int(rng.integers(len(self._figures)))]
        scale = longest / max(drawing.box[2] - drawing.box[0], drawing.box[3] - drawing.box[1])
        first = int(rng.integers(len(drawing.files)))
        cycle = int(rng.choice([2, 3, 4, 8]))
        return _Dressed(self._cutouts, drawing, first, scale, draw_palette(rng), pen, shadow, rng.random() < 0.5), cycle


class _Painted:
    """One picture."""

    def __init__(self, picture: Bytes, pen: Pen) -> None:
        ink = ink_of(picture, pen) if pen.draws else np.zeros(picture.shape[:2], np.uint8)
        self._look = Look(premultiplied(picture), ink)

    def look(self, _number: int) -> Look:
        return self._look


class _Dressed:
    """Drawings of somebody in colours of the shot.

    Args:
        cutouts: reads them.
        drawing: which.
        first: number in its cycle to begin with.
        scale: of the file's pixels.
        palette: its colours.
        pen: how lines look.
        shadow: what lies on it.
        outlined: whether the lines are painted into the colours, as on cels, also where the drawing has none.
    """

    def __init__(
        self,
        cutouts: Cutouts,
        drawing: Drawing,
        first: int,
        scale: float,
        palette: Palette,
        pen: Pen,
        shadow: _Shadow | None,
        outlined: bool = False,
    ) -> None:
        self._cutouts, self._drawing, self._first = cutouts, drawing, first
        self._scale, self._palette, self._pen = scale, palette, pen
        self._shadow, self._outlined = shadow, outlined
        self._made: dict[int, Look] = {}

    def look(self, number: int) -> Look:
        place = (self._first + number) % len(self._drawing.files)
        if place not in self._made:
            self._made[place] = self._dress(self._cutouts.read(self._drawing, place))
        return self._made[place]

    def _dress(self, cutout: Bytes) -> Look:
        left, top, right, bottom = self._drawing.box
        width, height = (max(8, round(n * self._scale)) for n in (right - left, bottom - top))
        sized = straight(resized(cutout, width, height))
        inked = self._pen.draws or self._outlined
        ink = ink_of(sized, self._pen) if inked else np.zeros(sized.shape[:2], np.uint8)
        painted = self._palette.apply(sized)
        if self._shadow is not None:
            painted = self._shadow.on(painted)
        if self._outlined:
            bare = cv2.convertScaleAbs(ink, alpha=-0.85, beta=255)
            painted = _times(painted, cv2.merge([bare] * 3))
        return Look(premultiplied(painted), ink)


@dataclass(frozen=True)
class _Shadow:
    """Soft shading over a whole figure, such as no flat fill has.

    Attributes:
        way: direction of the light in radians.
        least: factor where it is darkest.
    """

    way: float
    least: float

    @staticmethod
    def drawn(rng: np.random.Generator) -> _Shadow:
        return _Shadow(float(rng.uniform(0, 2 * np.pi)), float(rng.uniform(0.35, 0.8)))

    def on(self, picture: Bytes) -> Bytes:
        height, width = picture.shape[:2]
        ys, xs = np.linspace(-1, 1, height, dtype=np.float32)[:, None], np.linspace(-1, 1, width, dtype=np.float32)
        lit = np.clip(0.5 + 0.7 * (np.cos(self.way) * xs + np.sin(self.way) * ys), 0, 1)
        factor = (255 * (self.least + (1 - self.least) * lit)).astype(np.uint8)
        return _times(picture, cv2.merge([factor] * 3))


def _times(picture: Bytes, factors: Bytes) -> Bytes:
    """Colours multiplied by factors in codes: height, width, 4 and 3."""
    return with_alpha(
        np.asarray(cv2.multiply(colours_of(picture), factors, scale=1 / 255), np.uint8), alpha_of(picture)
    )


def _bend(rng: np.random.Generator, width: int, height: int, pace: float) -> Bend:
    """Pulls at the corners and at some points inside, a share of the figure's size."""
    inner = rng.uniform(0.2, 0.8, (int(rng.integers(2, 5)), 2))
    places = np.concatenate([[[0, 0], [1, 0], [0, 1], [1, 1]], inner]) * (width, height)
    most = min(0.07, 0.4 * pace + 0.005) * max(width, height)
    zero = np.zeros(2 * len(places))
    return Bend(places, wander(rng, SCENE_FRAMES, zero, np.full(2 * len(places), most)))


def _parted(rng: np.random.Generator, whole: Layer, pace: float) -> list[Layer]:
    """A figure cut in two along a line, the smaller part turning about a joint on it."""
    height, width = whole.looks.look(0).colours.shape[:2]
    joint = (float(rng.uniform(0.3, 0.7)) * width, float(rng.uniform(0.25, 0.6)) * height)
    way = rng.uniform(0, 2 * np.pi)
    xs, ys = np.arange(width) - joint[0], np.arange(height)[:, None] - joint[1]
    beyond = np.cos(way) * xs + np.sin(way) * ys
    swing = wander(rng, SCENE_FRAMES, np.zeros(1), np.array([min(0.45, 1.5 * pace + 0.05)]))
    rest = replace(whole, looks=_Cut(whole.looks, beyond < _OVERLAP * max(width, height)))
    return [rest, replace(whole, looks=_Cut(whole.looks, beyond >= 0), swing=swing, joint=joint)]


class _Cut:
    """A part of what another layer shows."""

    def __init__(self, whole: Looks, kept: NDArray[np.bool_]) -> None:
        self._whole, self._kept = whole, kept

    def look(self, number: int) -> Look:
        look = self._whole.look(number)
        return Look(look.colours * self._kept[..., None], look.ink * self._kept)


def _light(rng: np.random.Generator) -> Path:
    """The light of a shot: mostly white, now and then coloured, and sometimes changing slowly."""
    base = 1 - rng.uniform(0, 0.4, 3) * (rng.random() < 0.3)
    if rng.random() < 0.2:
        path = wander(rng, SCENE_FRAMES, base, np.full(3, 0.035))
        return Path(np.clip(path.knots, 0.3, 1.15))
    return still(base)
