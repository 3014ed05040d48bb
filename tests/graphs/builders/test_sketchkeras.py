"""SketchKeras in its graph: pre- and post-processing against NumPy, SciPy and OpenCV around the plain network."""

from __future__ import annotations

import cv2
import numpy as np
import onnx
import pytest
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter

from tests.support.planesgraphs import run
from tests.support.reference import run_plain
from tests.support.sketches import random_sketch, small_sketch
from vsanime.errors import VsanimeError
from vsanime.graphs.builders.sketchkeras import Sketch, check_size, sketch_graph, work_size
from vsanime.graphs.resample import area_matrix, resize_matrix
from vsanime.spec import Family, FrameSpec, GraphTraits, PlaneFormat, Range, SampleType

RGB32 = PlaneFormat(Family.RGB, SampleType.FLOAT, 32)
GRAY32 = PlaneFormat(Family.GRAY, SampleType.FLOAT, 32)
SMALL = small_sketch()
# The same f32 sums in other orders, of values of some units; those of the whole network are 18 layers deep.
SAME_SUMS, SAME_DEEP_SUMS = 2e-5, 2e-4

type Array = NDArray[np.float32]


def picture(width: int, height: int, seed: int = 0) -> Array:
    """[3, height, width] in codes of 8 bits over 255: blocks of colour."""
    rng = np.random.default_rng(seed)
    coarse = np.kron(rng.random((3, height // 6 + 1, width // 6 + 1)), np.ones((6, 6)))[:, :height, :width]
    return (np.rint(coarse * 255) / 255).astype(np.float32)


def computed(rgb: Array, sketch: Sketch, net: onnx.ModelProto = SMALL) -> Array:
    size = rgb.shape[:0:-1]
    spec = FrameSpec(RGB32 if len(rgb) == 3 else GRAY32, *size, Range.FULL, None if len(rgb) == 3 else 1, None)
    graph = sketch_graph(net, spec, GRAY32, GraphTraits(), sketch)
    return run(graph, [plane[None, None] for plane in rgb])[0][0, 0]


def high_pass(codes: np.ndarray) -> np.ndarray:
    """Of [channels, height, width]: less the blur of sigma 3 over 19 samples, reflected, in whole codes."""
    blurred = [gaussian_filter(channel, 3.0, mode="mirror", radius=9) for channel in codes]
    return codes - np.floor(np.array(blurred) + 0.5)


def by_hand(rgb: Array, sketch: Sketch, net: onnx.ModelProto = SMALL) -> np.ndarray:
    """The published way, one channel at a time."""
    height, width = rgb.shape[1:]
    w, h = work_size((width, height), sketch.long_side)
    small = area_matrix(height, h) @ rgb.astype(np.float64) @ area_matrix(width, w).T if w < width else rgb
    passed = high_pass(np.floor(small.astype(np.float64) * 255 + 0.5)) / 128
    passed = passed / passed.max() if sketch.gain is None else passed * sketch.gain
    more = ((0, 0), *((0, max(32, side + -side % 16) - side) for side in (h, w)))
    padded = np.pad(passed, more).astype(np.float32)
    lines = [run_plain(net.SerializeToString(), channel[None, None])[0, 0] for channel in padded]
    ink = np.max(lines, axis=0)[:h, :w]
    ink = np.where(ink >= sketch.threshold, ink, 0)
    if w < width:
        ink = resize_matrix(h, height) @ ink @ resize_matrix(w, width).T
    return 1 - np.clip(ink, 0, 1)


@pytest.mark.parametrize("size", [(48, 32), (50, 41), (33, 12), (90, 70)])
@pytest.mark.parametrize("sketch", [Sketch(64), Sketch(64, gain=None), Sketch(64, 1.5, 0.18)], ids=str)
def test_lines_are_what_the_published_way_gives(size: tuple[int, int], sketch: Sketch) -> None:
    rgb = picture(*size)
    expected = by_hand(rgb, sketch)
    assert expected.std() > 0.05
    found = computed(rgb, sketch)
    # A threshold may tip where two sums of the same differ: one pixel, and what enlarging makes of it.
    tipped = np.abs(found - expected) > SAME_SUMS
    assert tipped.mean() <= (0.01 if sketch.threshold else 0), f"{tipped.sum()} of {tipped.size}"


def test_the_network_itself() -> None:
    rgb, net = picture(48, 40), random_sketch()
    expected = by_hand(rgb, Sketch(64), net)
    assert expected.std() > 0.05
    np.testing.assert_allclose(computed(rgb, Sketch(64), net), expected, atol=SAME_DEEP_SUMS)


def test_gray_is_three_equal_channels() -> None:
    gray = picture(48, 40)[:1]
    np.testing.assert_allclose(computed(gray, Sketch(64)), computed(gray.repeat(3, 0), Sketch(64)), atol=SAME_SUMS)


def test_the_blur_is_opencvs() -> None:
    codes = np.rint(picture(64, 48)[0] * 255)
    theirs = codes - cv2.GaussianBlur(codes.astype(np.uint8), (0, 0), 3)
    ours = high_pass(codes[None])[0]
    # Theirs has weights of 8 bits: sums are off by up to a code, and 16 % of the rounded ones were.
    assert np.abs(ours - theirs).max() <= 1
    assert (ours != theirs).mean() < 0.2
    exact = codes - np.floor(cv2.GaussianBlur(codes.astype(np.float32), (19, 19), 3) + 0.5)
    np.testing.assert_array_equal(ours, exact)


@pytest.mark.parametrize(("length", "wanted"), [(64, 16), (50, 41), (100, 37), (7, 7)])
def test_making_smaller_is_opencvs(length: int, wanted: int) -> None:
    line = np.random.default_rng(0).random((1, length)).astype(np.float32)
    theirs = cv2.resize(line, (wanted, 1), interpolation=cv2.INTER_AREA)[0]
    np.testing.assert_allclose(area_matrix(length, wanted) @ line[0], theirs, atol=1e-6)


def test_a_fixed_gain_does_not_follow_what_is_elsewhere() -> None:
    """A flash in a corner changes the lines of the whole frame where the gain is the frame's own, and only then."""
    width, height = 400, 32
    rgb = 0.4 + 0.2 * picture(width, height)
    flash = rgb.copy()
    flash[:, 8:16, 380:390] = 1.0
    far = np.s_[:, :256]  # beyond what the blur and the network see
    steady, own = ([computed(one, Sketch(width, gain=gain))[far] for one in (rgb, flash)] for gain in (0.75, None))
    np.testing.assert_allclose(*steady, atol=SAME_SUMS)
    assert np.abs(own[0] - own[1]).mean() > 0.01


def test_a_flat_frame_has_no_largest_value() -> None:
    flat = np.full((3, 32, 32), 0.5, np.float32)
    found = computed(flat, Sketch(64, gain=None))
    np.testing.assert_allclose(found, computed(flat, Sketch(64)), atol=SAME_SUMS)
    assert np.isfinite(found).all()


def test_smaller_frames_keep_their_size() -> None:
    assert work_size((1920, 1080), 512) == (512, 288)
    assert work_size((576, 1008), 1024) == (576, 1008)
    assert work_size((1008, 576), 512) == (512, 293)


def test_too_small_and_too_narrow_frames() -> None:
    check_size((10, 10), 512)
    with pytest.raises(VsanimeError, match="64x9 pixels of a frame of 64x9; 10 or more"):
        check_size((64, 9), 512)
    with pytest.raises(VsanimeError, match="64x5 pixels of a frame of 640x48"):
        check_size((640, 48), 64)


def test_open_sizes_are_refused() -> None:
    spec = FrameSpec(RGB32, 48, 32, Range.FULL, None, None)
    with pytest.raises(VsanimeError, match=r"sizes: .* leave it out"):
        sketch_graph(SMALL, spec, GRAY32, GraphTraits(any_size=True), Sketch())


@pytest.mark.parametrize("value_range", Range)
@pytest.mark.parametrize("bits", [8, 10])
def test_gray_of_any_range_is_the_same_drawing(value_range: Range, bits: int) -> None:
    """In codes of limited and full range; what lies between black and white alone counts."""
    form = PlaneFormat(Family.GRAY, SampleType.INTEGER, bits)
    luma = picture(48, 40)[0]
    zero, span = (0, (1 << bits) - 1) if value_range is Range.FULL else (16 << (bits - 8), 219 << (bits - 8))
    codes = np.rint(luma * span + zero)
    spec = FrameSpec(form, 48, 40, value_range, 1, None)
    graph = sketch_graph(SMALL, spec, GRAY32, GraphTraits(), Sketch(64))
    found = run(graph, [codes.astype(form.dtype)[None, None]])[0][0, 0]
    expected = by_hand(((codes - zero) / span).astype(np.float32)[None], Sketch(64))
    assert np.quantile(np.abs(found - expected), 0.98) < 1e-3  # 8-bit codes in between may be rounded either way
