"""Synthetic shots: the same for a seed, lines where colours change, what is in front hides what is behind."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest
from PIL import Image

from tests.training.colorization.helpers import SIZE, scenes, write_drawings, write_figure
from vsanime.errors import VsanimeError
from vsanime.training.synthetic.drawings import Cutouts, find_drawings, premultiply
from vsanime.training.synthetic.ink import Pen, extract_lines, ink_of, worn
from vsanime.training.synthetic.movement import Bend, still, wander
from vsanime.training.synthetic.palette import draw_palette
from vsanime.training.synthetic.scenes import SCENE_FRAMES, Layer, Look, Scene

DRAWN = Pen("drawn", 1, 0.4, 80, 1.0, 3.0, 0.0, 0.0)


def disc(colour: tuple[int, int, int], size: int = 40) -> np.ndarray:
    """A disc without an outline: height, width, 4."""
    cel = np.zeros((size, size, 4), np.uint8)
    cv2.circle(cel, (size // 2, size // 2), size // 2 - 4, (*colour, 255), -1)
    return cel


class Cel:
    def __init__(self, cel: np.ndarray) -> None:
        self._look = Look(premultiply(cel), ink_of(cel, DRAWN))

    def look(self, _number: int) -> Look:
        return self._look


def layer(cel: np.ndarray, x: float, y: float, **others: object) -> Layer:
    middle = (cel.shape[1] / 2, cel.shape[0] / 2)
    return Layer(Cel(cel), middle, still(np.array([x, y, 0, 0])), **others)  # type: ignore[arg-type]


def scene(*layers: Layer, pen: Pen = DRAWN) -> Scene:
    flat = np.full((SIZE[1], SIZE[0], 4), 255, np.uint8)
    flat[..., :3] = (120, 120, 200)
    behind = layer(flat, SIZE[0] / 2, SIZE[1] / 2, backdrop=True)
    return Scene((0, 0), SIZE, [behind, *layers], still(np.zeros(3)), still(np.ones(3)), 1, pen)


def test_a_scene_is_the_same_for_its_seed_and_number_whatever_was_drawn_before(tmp_path: Path) -> None:
    one, other = scenes(tmp_path / "a"), scenes(tmp_path / "b")
    other.scene(4).frame(30)
    for number in range(4):
        for first, second in zip(one.scene(number).frame(20), other.scene(number).frame(20), strict=True):
            assert np.array_equal(first, second)
    assert not np.array_equal(one.scene(0).frame(20)[1], scenes(tmp_path / "c", seed=4).scene(0).frame(20)[1])


def test_a_frame_is_drawn_alone_as_in_its_shot() -> None:
    shot = scenes().shot(2, 9)
    line, colours = scenes().scene(2).frame(8)
    assert np.array_equal(shot.line[8], line)
    assert np.array_equal(shot.colours[8], colours)
    assert shot.line.shape == (9, SIZE[1], SIZE[0])
    assert shot.colours.shape == (9, SIZE[1], SIZE[0], 3)


def test_drawn_ink_lies_on_edges_of_the_colours() -> None:
    line, colours = scene(layer(disc((220, 40, 40)), 30, 30), layer(disc((40, 200, 40)), 60, 36)).frame(0)
    ink = line < 128
    assert ink.sum() > 100
    edges = cv2.morphologyEx(colours, cv2.MORPH_GRADIENT, np.ones((3, 3), np.uint8)).max(-1) > 40
    # A line of one pixel lies on one side of the edge or the other.
    near = cv2.dilate(edges.astype(np.uint8), np.ones((3, 3), np.uint8)) > 0
    assert near[ink].all()
    # Every edge has its line.
    assert (cv2.dilate(ink.astype(np.uint8), np.ones((5, 5), np.uint8)) > 0)[edges].mean() > 0.98


def test_what_is_in_front_hides_colours_and_lines() -> None:
    behind, front = layer(disc((220, 40, 40)), 40, 32), layer(disc((40, 200, 40)), 50, 32)
    line, colours = scene(behind, front).frame(0)
    alone_line, alone = scene(front).frame(0)
    ys, xs = np.mgrid[: SIZE[1], : SIZE[0]]
    # Inside the front disc, clear of its outline.
    inside = np.hypot(xs - 50, ys - 32) < 12
    assert np.array_equal(colours[inside], alone[inside])
    assert (colours[inside] == (40, 200, 40)).all()
    assert (line[inside] == 255).all()
    # Left of it the other one is seen, in its own colour.
    assert tuple(colours[32, 28]) == (220, 40, 40)
    assert tuple(alone[32, 28]) == (120, 120, 200)
    assert not np.array_equal(line, alone_line)


def test_animation_on_threes_stays_for_three_frames() -> None:
    path = wander(np.random.default_rng(1), SCENE_FRAMES, np.array([40.0, 30, 0, 0]), np.array([30.0, 10, 0, 0]))
    moving = Layer(Cel(disc((220, 40, 40))), (20, 20), path, hold=3)
    frames = [scene(moving).frame(number)[1] for number in range(7)]
    assert np.array_equal(frames[0], frames[2])
    assert np.array_equal(frames[3], frames[5])
    assert not np.array_equal(frames[2], frames[3])


def test_a_path_is_smooth_and_rests_at_its_ends() -> None:
    path = wander(np.random.default_rng(2), SCENE_FRAMES, np.zeros(2), np.full(2, 10.0))
    places = np.array([path.at(frame) for frame in np.arange(0, SCENE_FRAMES, 0.1)])
    steps = np.diff(places, axis=0)
    assert np.abs(np.diff(steps, axis=0)).max() < 0.05 * np.abs(steps).max() + 0.02
    assert np.array_equal(path.at(-5), path.at(0))
    assert path.at(1000) == pytest.approx(path.knots[-1])


def test_a_thin_plate_passes_through_its_pulls() -> None:
    places = np.array([[0.0, 0], [47, 0], [0, 31], [47, 31], [20, 10]])
    pulls = np.array([[0.0, 0], [0, 0], [0, 0], [0, 0], [5, -3]])
    same = np.array([[1.0, 0, 0], [0, 1, 0]])
    shifts = Bend(places, still(pulls.ravel())).shifts(0, same, 48, 32)
    # Computed every 16 pixels and interpolated.
    assert shifts[10, 20] == pytest.approx([5, -3], abs=1.5)
    # Affine pulls bend nothing and are exact between points.
    shear = np.stack([0.1 * places[:, 1], np.zeros(len(places))], -1)
    sheared = Bend(places, still(shear.ravel())).shifts(0, same, 48, 32)
    assert sheared[16, 24] == pytest.approx([1.6, 0], abs=0.01)


def test_palettes_keep_outlines_dark_and_equal_colours_equal() -> None:
    ramp = np.zeros((1, 256, 4), np.uint8)
    ramp[..., :3] = np.random.default_rng(0).integers(0, 256, (256, 3))
    ramp[0, :8, :3] = (16, 12, 14)
    ramp[..., 3] = np.arange(256)
    changed = []
    for seed in range(20):
        made = draw_palette(np.random.default_rng(seed)).apply(ramp)
        assert np.array_equal(made[..., 3], ramp[..., 3])
        assert made[0, :8, :3].max() < 40
        assert len(np.unique(made[0, :8, :3], axis=0)) == 1
        changed.append(np.abs(made[0, 8:, :3].astype(int) - ramp[0, 8:, :3]).mean())
    assert np.median(changed) > 30  # codes


@pytest.mark.parametrize("kind", ["tophat", "dog"])
def test_lines_that_are_found_have_a_fixed_gain(kind: str) -> None:
    picture = np.full((40, 60, 3), 200, np.uint8)
    cv2.line(picture, (10, 5), (10, 35), (40, 40, 40), 2)
    pen = Pen(kind, 1, 0.4, 80, 1.5, 3.0, 0.0, 0.0)
    line = extract_lines(picture, pen)
    assert line[20, 10] < 100
    assert line[20, 40] == 255
    # A blacker line elsewhere changes nothing here.
    other = picture.copy()
    cv2.line(other, (50, 5), (50, 35), (0, 0, 0), 2)
    assert np.array_equal(extract_lines(other, pen)[:, :30], line[:, :30])


def test_black_surfaces_are_ink_where_the_pen_says_so() -> None:
    picture = np.full((40, 60, 3), 200, np.uint8)
    picture[10:30, 10:40] = 12
    lines = [extract_lines(picture, Pen("tophat", 1, 0.4, 80, 1.5, 3.0, 0.0, 0.0, black)) for black in (0, 36)]
    assert [int(line[20, 25]) for line in lines] == [255, 0]
    assert (lines[1][:8] == 255).all()


def test_worn_lines_have_gaps_and_nothing_new() -> None:
    line = np.full((60, 60), 255, np.uint8)
    line[::10] = 0
    gone = worn(line, Pen("drawn", 1, 0.4, 80, 1.0, 3.0, 0.2, 0.0), np.random.default_rng(0))
    assert (gone >= line).all()
    assert 0.02 < (gone[::10] > 128).mean() < 0.7


def test_cycles_are_found_by_their_names_and_paper_is_cut_away(tmp_path: Path) -> None:
    found = find_drawings([write_drawings(tmp_path / "Zeichnungen")])
    ball, runner, meadow = sorted(found, key=lambda d: (d.backdrop, d.files[0].name))
    assert [p.name for p in runner.files] == ["läufer_00.png", "läufer_01.png", "läufer_02.png"]
    assert runner.box == (20, 10, 81, 71)  # of all three
    assert meadow.backdrop
    assert not ball.backdrop
    assert len(ball.files) == 1
    cutout = Cutouts().read(ball, 0)
    assert cutout[0, 0, 3] == 0
    assert cutout[cutout.shape[0] // 2, cutout.shape[1] // 2].tolist() == [60, 90, 200, 255]


def test_numbers_alone_make_no_cycle_of_different_figures(tmp_path: Path) -> None:
    for number in range(6):
        write_figure(tmp_path / "in" / f"{number:04d}.png", number)
    assert [len(drawing.files) for drawing in find_drawings([tmp_path / "in"])] == [1] * 6


def test_numbered_drawings_that_look_alike_are_a_cycle_in_order(tmp_path: Path) -> None:
    """Of two figures, without zeros before the numbers."""
    write_drawings(tmp_path / "in")
    (tmp_path / "in" / "sprites").mkdir()
    for number in range(9, 12):
        source = tmp_path / "in" / f"läufer_{number - 9:02d}.png"
        source.rename(tmp_path / "in" / "sprites" / f"{number}.png")
        write_figure(tmp_path / "in" / "sprites" / f"{number + 20}.png", number)
    found = [[path.name for path in drawing.files] for drawing in find_drawings([tmp_path / "in" / "sprites"])]
    assert sorted(found) == [["29.png"], ["30.png"], ["31.png"], ["9.png", "10.png", "11.png"]]


def test_numbered_folders_are_cycles(tmp_path: Path) -> None:
    for cycle in (1, 2):
        for number in range(3):
            write_figure(tmp_path / "in" / f"walk {cycle}" / f"{number}.png", number + 10 * cycle)
    found = find_drawings([tmp_path / "in"])
    assert [(drawing.files[0].parent.name, len(drawing.files)) for drawing in found] == [("walk 1", 3), ("walk 2", 3)]


def test_cycles_are_in_the_order_of_their_numbers(tmp_path: Path) -> None:
    for number in (1, 2, 10, 9):
        write_figure(tmp_path / "in" / f"run_{number}.png", number)
    (cycle,) = find_drawings([tmp_path / "in"])
    assert [path.stem for path in cycle.files] == ["run_1", "run_2", "run_9", "run_10"]


@pytest.mark.parametrize("name", ["prologue_kid_0001.png", "synfig-walk.png", "Prologue Kid.png"])
def test_pieces_for_evaluation_are_refused(tmp_path: Path, name: str) -> None:
    write_drawings(tmp_path / "in")
    Image.new("RGB", (64, 64)).save(tmp_path / "in" / name)
    with pytest.raises(VsanimeError, match="measured by"):
        find_drawings([tmp_path / "in"])


def test_a_folder_without_drawings_is_told(tmp_path: Path) -> None:
    with pytest.raises(VsanimeError, match="holds no drawing"):
        find_drawings([tmp_path])
    with pytest.raises(VsanimeError, match="is no folder"):
        find_drawings([tmp_path / "nowhere"])
    Image.new("RGB", (47, 90)).save(tmp_path / "narrow.png")
    Image.new("RGBA", (90, 90)).save(tmp_path / "empty.png")
    (tmp_path / "broken.png").write_bytes(b"no picture")
    with pytest.raises(VsanimeError) as error:
        find_drawings([tmp_path])
    assert "1 are smaller than 48 pixels, the largest is narrow.png, 47x90, 2 cannot be used, such as" in str(
        error.value
    )
