"""SketchKeras with random weights, as a state-dict of PyTorch has them and as plain ONNX; and a small stand-in."""

from __future__ import annotations

from functools import cache
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import helper

from tests.support.networks import layers
from vsanime.architectures.sketchkeras.onnx import DOWN, LAST, UP, sketchkeras, weights_of

type Array = NDArray[Any]


@cache
def random_state(seed: int = 0) -> dict[str, Array]:
    """Convolutions and norms that change things, numbered as modules between paddings and activations are."""
    rng = np.random.default_rng(seed)
    state: dict[str, Array] = {}

    def conv(name: str, shape: tuple[int, int, int, int], spread: float) -> None:
        deviation = np.float32(np.sqrt(spread / np.prod(shape[1:])))
        state[f"{name}.weight"] = rng.standard_normal(shape, np.float32) * deviation
        state[f"{name}.bias"] = rng.normal(0, 0.05, shape[:1]).astype(np.float32)

    for block in (*DOWN, *UP):
        place = 1 if block in DOWN else 2  # an up-sampling stands before
        for unit in block:
            name = block[0].name.partition(".")[0]
            conv(f"{name}.{place}", unit.shape, 2)
            norm = f"{name}.{place + 1}"
            for key, middle in (("weight", 1.0), ("bias", 0.0), ("running_mean", 0.0)):
                state[f"{norm}.{key}"] = rng.normal(middle, 0.1, unit.shape[:1]).astype(np.float32)
            state[f"{norm}.running_var"] = rng.uniform(0.5, 1.5, unit.shape[:1]).astype(np.float32)
            state[f"{norm}.num_batches_tracked"] = np.array(7, np.int64)
            place += 4
    conv(LAST.name, LAST.shape, 1)
    return state


@cache
def random_sketch(padding: str = "reflect") -> onnx.ModelProto:
    """The plain network of random weights."""
    from vsanime.architectures.sketchkeras.reading import to_imported

    proto = to_imported(random_state()).proto
    return proto if padding == "reflect" else sketchkeras(weights_of(proto), padding)


@cache
def small_sketch() -> onnx.ModelProto:
    """A network with the same ends, and a thousandth of the work: it halves four times, sees far, and lines overlap."""
    rng = np.random.default_rng(5)
    near = rng.normal(0, 0.4, (1, 1, 5, 5)).astype(np.float32)
    far = rng.normal(0, 0.1, (4, 1, 16, 16)).astype(np.float32)
    back = rng.normal(0, 0.3, (4, 1, 16, 16)).astype(np.float32)
    return layers(
        helper.make_node("Conv", ["input", "near"], ["fine"], pads=[2] * 4),
        helper.make_node("Conv", ["input", "far"], ["coarse"], strides=[16, 16]),
        helper.make_node("ConvTranspose", ["coarse", "back"], ["large"], strides=[16, 16]),
        helper.make_node("Add", ["fine", "large"], ["sum"]),
        helper.make_node("Clip", ["sum", "zero", "one"], ["output"]),
        channels=(1, 1),
        near=near,
        far=far,
        back=back,
        zero=np.array(0, np.float32),
        one=np.array(1, np.float32),
    )
