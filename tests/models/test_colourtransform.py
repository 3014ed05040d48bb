"""The Color Transform Network of the paper, as ONNX: what its layers say, by NumPy in double precision."""

from __future__ import annotations

import numpy as np
import pytest

from tests.support.numpynets import (
    Array,
    Weights,
    convolve,
    enlarge,
    list_ends,
    list_unread,
    normalize,
    run,
    sigmoid,
    softmax,
)
from vsanime.models.colourtransform import MULTIPLE, colour_transform

_WIDTH, _BLOCKS = 8, 8
_CHANNELS, _DEPTH, _STYLE = 4 * _WIDTH, _WIDTH // 2, 8 * _WIDTH
_F32 = 5e-5  # the same sums in f32, through norms over whole pictures


@pytest.fixture(scope="module")
def weights() -> Weights:
    drawn = Weights(3)
    for encoder, planes in (("lines", 1), ("distances", 1), ("colours", 3)):
        for i, (into, out) in enumerate(((planes, _WIDTH), (_WIDTH, 2 * _WIDTH), (2 * _WIDTH, _CHANNELS))):
            drawn.draw_conv(f"{encoder}.{i}.conv", into, out)
            drawn.draw_norm(f"{encoder}.{i}.norm", out)
    for i, (into, out) in enumerate(((_CHANNELS, _CHANNELS), (_CHANNELS, 2 * _WIDTH), (2 * _WIDTH, _WIDTH))):
        drawn.draw_conv(f"decoder.{i}.conv", into, out)
        drawn.draw_norm(f"decoder.{i}.norm", out)
    points = {"match": (_CHANNELS, _DEPTH), "value": (_CHANNELS, _DEPTH), "out": (_DEPTH, _CHANNELS)}
    for name, (into, out) in (points | {"to_similar": (_CHANNELS, 3), "to_middle": (_CHANNELS, 3)}).items():
        drawn.draw_conv(name, into, out, 1)
    drawn["match.weight"] *= 2  # so that attention tells places apart
    for name in ("mask_m", "mask_n"):
        drawn.draw_conv(name, 2 * _CHANNELS, _CHANNELS)
    for i, (into, out) in enumerate(((4, 8), (8, 16), (16, 32), (32, _STYLE), (_STYLE, _STYLE))):
        drawn.draw_conv(f"embedder.{i}", into, out)
    for i in range(2):
        drawn.draw(f"style.{i}.weight", _STYLE, _STYLE)
        drawn.draw(f"style.{i}.bias", _STYLE)
    for i in range(_BLOCKS):
        for layer, kernel in enumerate((1, 3, 1)):
            drawn.draw_conv(f"blocks.{i}.{layer}", _CHANNELS, _CHANNELS, kernel)
    drawn.draw_conv("last", _WIDTH, 3)
    return drawn


def compute(weights: Weights, inputs: dict[str, Array]) -> dict[str, Array]:
    def norm(name: str, x: Array, stride: int = 1) -> Array:
        x = normalize(convolve(x, weights, f"{name}.conv", stride=stride), 1e-3)
        gain, bias = (weights[f"{name}.norm.{kind}"].astype(np.float64) for kind in ("weight", "bias"))
        return np.maximum(x * gain[:, None, None] + bias[:, None, None], 0)

    def encode(name: str, x: Array) -> Array:
        for i in range(3):
            x = norm(f"{name}.{i}", x, 2 if i else 1)
        return x

    def flatten(x: Array) -> Array:
        return np.concatenate([one.reshape(len(one), -1) for one in x], 1)

    distances, colors = encode("distances", inputs["key_distances"]), encode("colours", inputs["key_colours"])
    keys = len(distances)
    target = encode("distances", inputs["distance"])
    beside = np.concatenate([target.repeat(keys, 0), distances], 1)
    masked = sigmoid(convolve(beside, weights, "mask_m")) * colors
    queries = flatten(convolve(target, weights, "match")).T / np.sqrt(_DEPTH)
    attention = softmax(queries @ flatten(convolve(distances, weights, "match")), 1)
    attended = attention @ flatten(convolve(masked, weights, "value")).T
    matched = convolve(attended.T.reshape(1, _DEPTH, *target.shape[2:]), weights, "out")
    kept = sigmoid(convolve(beside, weights, "mask_n"))
    similar = (kept * masked + (1 - kept) * matched).mean(0, keepdims=True)

    style = np.concatenate([inputs["key_lines"], inputs["key_colours"]], 1)
    for i in range(5):
        style = np.maximum(convolve(style, weights, f"embedder.{i}", stride=2 if i else 1), 0)
    key_style = style.mean((2, 3))
    x = key_style.mean(0)
    for i in range(2):
        x = weights[f"style.{i}.weight"].astype(np.float64) @ (x if i == 0 else np.maximum(x, 0))
        x = x + weights[f"style.{i}.bias"]
    shift, scale = x[:_CHANNELS, None, None], x[_CHANNELS:, None, None]

    x = encode("lines", inputs["line"]) + similar
    for i in range(_BLOCKS):
        y = x
        for layer in range(3):
            y = normalize(convolve(y, weights, f"blocks.{i}.{layer}"), 1e-5) * scale + shift
            y = np.maximum(y, 0) if layer < 2 else y
        x = np.maximum(x + y, 0)
    middle = x
    for i in range(3):
        x = norm(f"decoder.{i}", enlarge(x, 2) if i else x)
    return {
        "key_features": distances.reshape(keys, _CHANNELS, -1),
        "key_values": colors.reshape(keys, _CHANNELS, -1),
        "key_style": key_style,
        "queries": queries[None],
        "attention": attention[None],
        "attended": attended[None],
        "similar": enlarge(convolve(similar, weights, "to_similar"), 4),
        "middle": enlarge(convolve(middle, weights, "to_middle"), 4),
        "colour": sigmoid(convolve(x, weights, "last")),
    }


@pytest.mark.parametrize(("keys", "height", "width"), [(1, 16, 32), (3, 32, 20)])
def test_every_tensor_is_that_of_the_layers(weights: Weights, keys: int, height: int, width: int) -> None:
    rng = np.random.default_rng(keys)
    planes = {"line": (1, 1), "distance": (1, 1), "key_lines": (keys, 1), "key_distances": (keys, 1)}
    planes["key_colours"] = (keys, 3)
    inputs = {name: rng.random((*shape, height, width)) for name, shape in planes.items()}
    expected = compute(weights, inputs)
    found = run(colour_transform(weights), inputs, list(expected))
    for (name, array), one in zip(expected.items(), found, strict=True):
        np.testing.assert_allclose(one, array, atol=_F32, rtol=_F32, err_msg=name)
    assert expected["colour"].std() > 0.05
    assert expected["attention"].max() > 4 / expected["attention"].shape[2]


def test_multiple_is_what_halving_twice_asks_for(weights: Weights) -> None:
    assert MULTIPLE == 4
    planes = {"line": (1, 1), "distance": (1, 1), "key_lines": (1, 1), "key_distances": (1, 1), "key_colours": (1, 3)}
    inputs = {name: np.ones((*shape, 12, 20)) for name, shape in planes.items()}
    assert run(colour_transform(weights), inputs, ["colour"])[0].shape == (1, 3, 12, 20)


def test_ends_are_those_that_filters_feed(weights: Weights) -> None:
    graph = colour_transform(weights).graph
    size = ["height", "width"]
    assert list_ends(graph.input) == {
        "line": [1, 1, *size],
        "distance": [1, 1, *size],
        "key_lines": ["keys", 1, *size],
        "key_distances": ["keys", 1, *size],
        "key_colours": ["keys", 3, *size],
    }
    assert list_ends(graph.output) == {name: [1, 3, *size] for name in ("colour", "similar", "middle")}


def test_nothing_is_written_that_is_not_read(weights: Weights) -> None:
    assert list_unread(colour_transform(weights).graph) == set()
