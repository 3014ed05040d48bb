"""The Temporal Constraint Network as ONNX computes what its layers say, by NumPy in double precision."""

from __future__ import annotations

import numpy as np
import pytest

from tests.support.numpynets import Array, Weights, convolve, enlarge, leak, list_ends, list_unread, run, sigmoid
from vsanime.models.temporal import MULTIPLE, temporal

_WIDTH = 8
_DILATIONS = {"d1": 2, "d2": 4, "d3": 8, "d4": 16}
_F32 = 1e-5  # the same sums in f32; values are below 4


def draw_weights() -> Weights:
    weights, w = Weights(), _WIDTH
    weights.draw_conv("first", 4, w)
    weights.draw_conv("last", w, 3)
    gated = {"g2": (w, w), "g3": (w, 2 * w), "g4": (2 * w, 4 * w), "g5": (4 * w, 4 * w)}
    gated |= dict.fromkeys(_DILATIONS, (4 * w, 4 * w)) | {"up1": (8 * w, 2 * w), "up2": (4 * w, w)}
    for name, (into, out) in gated.items():
        weights.draw_conv(f"{name}.gate", into, out)
        weights.draw_conv(f"{name}.feature", into, out)
        weights.draw(f"{name}.shift.kernels", 2, 3)
    return weights


def compute(weights: Weights, lines: Array, colors: Array, *, residual: bool) -> Array:
    def shift(name: str, x: Array) -> Array:
        count = x.shape[1] // 4
        moved = x.copy()
        for group, (before, same, after) in enumerate(weights[f"{name}.shift.kernels"].astype(np.float64)):
            channels = slice(group * count, (group + 1) * count)
            nothing = np.zeros_like(x[:1, channels])
            previous = np.concatenate([nothing, x[:-1, channels]])
            following = np.concatenate([x[1:, channels], nothing])
            moved[:, channels] = before * previous + same * x[:, channels] + after * following
        return moved

    def gate(name: str, x: Array, stride: int = 1, dilation: int = 1) -> Array:
        share = sigmoid(convolve(x, weights, f"{name}.gate", stride=stride, dilation=dilation))
        features = convolve(shift(name, x), weights, f"{name}.feature", stride=stride, dilation=dilation)
        return share * leak(features, 0.2)

    x = gate("g2", convolve(np.concatenate([lines, colors], 1), weights, "first"))
    half = gate("g3", x, stride=2)
    quarter = x = gate("g4", half, stride=2)
    for name, dilation in _DILATIONS.items():
        x = gate(name, x, dilation=dilation)
    x = gate("g5", x)
    x = gate("up1", enlarge(np.concatenate([x, quarter], 1), 2))
    x = gate("up2", enlarge(np.concatenate([x, half], 1), 2))
    last = convolve(x[1:2], weights, "last")
    return np.clip(colors[1:2] + last, 0, 1) if residual else sigmoid(last)


@pytest.mark.parametrize("residual", [False, True])
def test_refined_frame_is_that_of_the_layers(residual: bool) -> None:
    weights = draw_weights()
    rng = np.random.default_rng(5)
    lines, colors = rng.random((3, 1, 24, 36)), rng.random((3, 3, 24, 36))
    proto = temporal(weights, residual=residual)
    found = run(proto, {"lines": lines, "colours": colors}, ["colour"])[0]
    expected = compute(weights, lines, colors, residual=residual)
    np.testing.assert_allclose(found, expected, atol=_F32)
    assert expected.std() > 0.05  # not all black or white


def test_inputs_are_three_frames_of_any_size() -> None:
    graph = temporal(draw_weights(), residual=True).graph
    assert list_ends(graph.input) == {"lines": [3, 1, "height", "width"], "colours": [3, 3, "height", "width"]}
    assert list_ends(graph.output) == {"colour": [1, 3, "height", "width"]}


def test_every_size_of_its_multiple_is_taken_and_others_are_not() -> None:
    proto = temporal(draw_weights(), residual=True)
    for height, width in ((MULTIPLE, 3 * MULTIPLE), (5 * MULTIPLE, MULTIPLE)):
        inputs = {"lines": np.zeros((3, 1, height, width)), "colours": np.zeros((3, 3, height, width))}
        assert run(proto, inputs, ["colour"])[0].shape == (1, 3, height, width)
    assert MULTIPLE == 4


@pytest.mark.parametrize("residual", [False, True])
def test_nothing_is_written_that_is_not_read(residual: bool) -> None:
    assert list_unread(temporal(draw_weights(), residual=residual).graph) == set()
