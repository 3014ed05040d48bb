"""The network that colors line art from two keys, as ONNX: what its layers say, by NumPy in double precision."""

from __future__ import annotations

from itertools import pairwise
from math import pi

import numpy as np
import pytest

from tests.support.numpynets import Array, Weights, convolve, enlarge, leak, list_ends, list_unread, run, softmax
from vsanime.models.colour import MULTIPLE, colour

_WIDTH = 8
_DEPTH, _WAVES, _CELL, _TAPS = 2 * _WIDTH, 4, 8, 9
_EVIDENCE = 6 + 2 + 2 + 3
_F32 = 2e-5  # the same sums in f32; values are below 8


@pytest.fixture(scope="module")
def weights() -> Weights:
    drawn, full, half, quarter, eighth, deep = Weights(), _WIDTH, 12, 16, 24, 32
    chains = {"lines.by2": (full, half, half), "lines.by4": (half, quarter, quarter)}
    chains |= {"lines.by8": (quarter, eighth, eighth), "lines.by16": (eighth, deep, deep, deep)}
    chains |= {"colours.by4": (full, half, half), "decoder.full": (full + _EVIDENCE + 3, full, full)}
    chains["decoder.by8"] = (eighth + 3 + quarter + quarter, eighth, eighth)
    for name, widths in chains.items():
        for i, (into, out) in enumerate(pairwise(widths)):
            drawn.draw_conv(f"{name}.{i}", into, out)
    single = {"lines.stem": (1, full), "lines.last": (eighth, eighth), "colours.by2": (4, full)}
    single |= {"colours.by8": (half, quarter), "evidence.by2": (1 + _EVIDENCE, full), "evidence.by4": (full, half)}
    single |= {"evidence.by8": (half, quarter), "decoder.by4": (2 * quarter + half, quarter)}
    single |= {"decoder.by2": (2 * half + full, half), "decoder.head": (full, 6), "enlargement.0": (eighth, eighth)}
    for name, (into, out) in single.items():
        drawn.draw_conv(name, into, out)
    points = {"lines.back": (deep, eighth), "query": (eighth, _DEPTH), "key": (eighth, _DEPTH)}
    points |= {"decoder.to_by4": (eighth, quarter), "decoder.to_by2": (quarter, half), "decoder.to_full": (half, full)}
    points["enlargement.1"] = (eighth, _TAPS * _CELL**2)
    for name, (into, out) in points.items():
        drawn.draw_conv(name, into, out, 1)
    for kind in ("query", "key"):
        for axis in ("down", "across"):
            drawn.draw(f"{kind}_{axis}.weight", _DEPTH, 2 * _WAVES)
            drawn[f"{kind}.weight"] *= 2  # so that attention tells cells apart
    return drawn


def draw_inputs(keys: int, height: int, width: int) -> dict[str, Array]:
    rng = np.random.default_rng(keys)
    first = rng.random((1, 1, height, width))
    first[..., :4] = 0  # here the other key is all that is known
    return {
        "line": rng.random((1, 1, height, width)),
        "key_lines": rng.random((keys, 1, height, width)),
        "key_colours": rng.random((keys, 3, height, width)),
        "warped": rng.random((2, 3, height, width)),
        "errors": rng.random((2, 1, height, width)),
        "prior": np.concatenate([first, 1 - first]),
    }


class Reference:
    """The network, layer by layer."""

    def __init__(self, weights: Weights) -> None:
        self._weights = weights

    def compute(self, inputs: dict[str, Array]) -> dict[str, Array]:
        lines = self._encode_lines(inputs["line"])
        found = self._compute_keys(inputs)
        found |= self._attend(lines[3], found["key_features"], found["key_values"])
        height, width = lines[3].shape[2:]
        attended = found["attended"].transpose(0, 2, 1).reshape(1, -1, height, width)
        evidence = self._encode_evidence(inputs)
        deep = self._chain("decoder.by8", np.concatenate([lines[3], attended, evidence[3]], 1), 2)
        copied = self._enlarge_cells(deep, attended[:, :3])
        x = self._merge("by4", deep, lines[2], evidence[2])
        x = self._merge("by2", x, lines[1], evidence[1])
        x = lines[0] + enlarge(self._conv("decoder.to_full", x), 2)
        x = self._chain("decoder.full", np.concatenate([x, evidence[0], copied], 1), 2)
        head = self._conv("decoder.head", x)
        prior = np.log(inputs["prior"][:, 0] + 1e-4)
        shares = softmax(head[0, :3] + np.concatenate([prior, np.full_like(prior[:1], -7.0)]), 0)
        pictures = [*inputs["warped"], copied[0]]
        total = sum(share * picture for share, picture in zip(shares, pictures, strict=True)) + head[0, 3:]
        found |= {"weights": shares[None], "copied": copied, "residual": head[:, 3:]}
        return found | {"colour": np.clip(total, 0, 1)[None]}

    def _encode_lines(self, x: Array) -> list[Array]:
        full = self._active("lines.stem", x)
        half = self._chain("lines.by2", full, 2, 2)
        quarter = self._chain("lines.by4", half, 2, 2)
        eighth = self._chain("lines.by8", quarter, 2, 2)
        back = enlarge(self._conv("lines.back", self._chain("lines.by16", eighth, 3, 2)), 2)
        return [full, half, quarter, self._active("lines.last", eighth + back)]

    def _compute_keys(self, inputs: dict[str, Array]) -> dict[str, Array]:
        lines, colors = inputs["key_lines"], inputs["key_colours"]
        keys, _, height, width = lines.shape
        features = self._place("key", self._encode_lines(lines)[3])
        x = self._active("colours.by2", np.concatenate([colors, lines], 1), 2)
        x = self._conv("colours.by8", self._chain("colours.by4", x, 2, 2), 2)
        means = colors.reshape(keys, 3, height // _CELL, _CELL, width // _CELL, _CELL).mean((3, 5))
        values = np.concatenate([means, x], 1)
        return {"key_features": features.reshape(keys, _DEPTH, -1), "key_values": values.reshape(keys, 3 + 16, -1)}

    def _place(self, kind: str, eighth: Array) -> Array:
        height, width = eighth.shape[2:]

        def project(axis: str, count: int) -> Array:
            positions = (2 * np.arange(count) + 1 - count) / height
            phases = np.outer([pi / 2, pi, 2 * pi, 4 * pi], positions)
            weight = self._weights[f"{kind}_{axis}.weight"].astype(np.float64)
            return weight @ np.concatenate([np.sin(phases), np.cos(phases)])

        return self._conv(kind, eighth) + project("down", height)[:, :, None] + project("across", width)[:, None]

    def _attend(self, eighth: Array, features: Array, values: Array) -> dict[str, Array]:
        queries = self._place("query", eighth).reshape(_DEPTH, -1).T / np.sqrt(_DEPTH)
        attention = softmax(queries @ np.concatenate(list(features), 1), 1)
        attended = attention @ np.concatenate(list(values), 1).T
        return {"queries": queries[None], "attention": attention[None], "attended": attended[None]}

    def _encode_evidence(self, inputs: dict[str, Array]) -> list[Array]:
        warped, errors, prior = (np.concatenate(list(inputs[name]))[None] for name in ("warped", "errors", "prior"))
        full = np.concatenate([warped, errors, prior, abs(warped[:, :3] - warped[:, 3:])], 1)
        half = self._active("evidence.by2", np.concatenate([inputs["line"], full], 1), 2)
        quarter = self._active("evidence.by4", half, 2)
        return [full, half, quarter, self._active("evidence.by8", quarter, 2)]

    def _merge(self, level: str, x: Array, lines: Array, evidence: Array) -> Array:
        large = enlarge(self._conv(f"decoder.to_{level}", x), 2)
        return self._active(f"decoder.{level}", np.concatenate([large, lines, evidence], 1))

    def _enlarge_cells(self, deep: Array, cells: Array) -> Array:
        """Mix the colors of each pixel's cell and the eight around it; beyond the edge stands the nearest cell."""
        logits = self._conv("enlargement.1", self._active("enlargement.0", deep))[0]
        height, width = deep.shape[2:]
        shares = softmax(logits.reshape(_TAPS, _CELL, _CELL, height, width), 0)
        padded = np.pad(cells[0], ((0, 0), (1, 1), (1, 1)), mode="edge")
        copied = np.zeros((3, height, _CELL, width, _CELL))
        for tap in range(_TAPS):
            row, column = divmod(tap, 3)
            cell = padded[:, row : row + height, column : column + width]
            copied += cell[:, :, None, :, None] * shares[tap].transpose(2, 0, 3, 1)
        return copied.reshape(1, 3, height * _CELL, width * _CELL)

    def _conv(self, name: str, x: Array, stride: int = 1) -> Array:
        return convolve(x, self._weights, name, stride=stride)

    def _active(self, name: str, x: Array, stride: int = 1) -> Array:
        return leak(self._conv(name, x, stride), 0.1)

    def _chain(self, name: str, x: Array, count: int, stride: int = 1) -> Array:
        for i in range(count):
            x = self._active(f"{name}.{i}", x, 1 if i else stride)
        return x


@pytest.mark.parametrize(("keys", "height", "width"), [(1, 16, 48), (3, 48, 32)])
def test_every_tensor_is_that_of_the_layers(weights: Weights, keys: int, height: int, width: int) -> None:
    inputs = draw_inputs(keys, height, width)
    expected = Reference(weights).compute(inputs)
    found = run(colour(weights), inputs, list(expected))
    for (name, array), one in zip(expected.items(), found, strict=True):
        np.testing.assert_allclose(one, array, atol=_F32, err_msg=name)
    assert expected["colour"].std() > 0.1  # not all black or white
    assert expected["attention"].max() > 4 / expected["attention"].shape[2]  # cells are told apart


def test_ends_are_those_that_filters_feed(weights: Weights) -> None:
    graph = colour(weights).graph
    size = ["height", "width"]
    assert list_ends(graph.input) == {
        "line": [1, 1, *size],
        "key_lines": ["keys", 1, *size],
        "key_colours": ["keys", 3, *size],
        "warped": [2, 3, *size],
        "errors": [2, 1, *size],
        "prior": [2, 1, *size],
    }
    assert list_ends(graph.output) == {name: [1, 3, *size] for name in ("colour", "weights", "copied", "residual")}


def test_every_size_of_its_multiple_is_taken(weights: Weights) -> None:
    assert MULTIPLE == 16
    for height, width in ((16, 48), (80, 16)):
        assert run(colour(weights), draw_inputs(1, height, width), ["colour"])[0].shape == (1, 3, height, width)


def test_weights_that_are_used_twice_are_stored_once(weights: Weights) -> None:
    names = [tensor.name for tensor in colour(weights).graph.initializer]
    assert len(names) == len(set(names))
    assert set(weights) <= set(names)


def test_nothing_is_written_that_is_not_read(weights: Weights) -> None:
    assert list_unread(colour(weights).graph) == set()
