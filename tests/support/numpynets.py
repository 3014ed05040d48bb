"""Layers of networks in NumPy, in double precision: what plain ONNX that we write is compared with."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import onnx
import onnxruntime
from numpy.typing import NDArray

type Array = NDArray[Any]


class Weights(dict[str, Array]):
    """Arrays by the names of a state-dict, drawn at random."""

    def __init__(self, seed: int = 0) -> None:
        super().__init__()
        self._rng = np.random.default_rng(seed)

    def draw(self, name: str, *shape: int) -> Array:
        """Draw one array; sums of its products with others keep their size."""
        array = self._rng.normal(size=shape) / np.sqrt(np.prod(shape[1:]))
        self[name] = array.astype(np.float32)
        return array

    def draw_conv(self, name: str, into: int, out: int, kernel: int = 3) -> None:
        """Draw a convolution with a bias."""
        self.draw(f"{name}.weight", out, into, kernel, kernel)
        self[f"{name}.bias"] = self._rng.normal(scale=0.3, size=out).astype(np.float32)

    def draw_norm(self, name: str, channels: int) -> None:
        """Draw the gains of a norm."""
        self[f"{name}.weight"] = self._rng.uniform(0.5, 1.5, channels).astype(np.float32)
        self[f"{name}.bias"] = self._rng.normal(scale=0.3, size=channels).astype(np.float32)


def convolve(x: Array, weights: Mapping[str, Array], name: str, *, stride: int = 1, dilation: int = 1) -> Array:
    """Convolve N, C, H, W with zeros around, so that the size stays or is divided by the stride."""
    weight = weights[f"{name}.weight"].astype(np.float64)
    reach = dilation * (weight.shape[2] // 2)
    padded = np.pad(x.astype(np.float64), ((0, 0), (0, 0), (reach, reach), (reach, reach)))
    height, width = x.shape[2:]
    total = np.zeros((len(x), len(weight), -(-height // stride), -(-width // stride)))
    for row in range(weight.shape[2]):
        for column in range(weight.shape[3]):
            y, left = row * dilation, column * dilation
            part = padded[:, :, y : y + height : stride, left : left + width : stride]
            total += np.einsum("oc,nchw->nohw", weight[:, :, row, column], part)
    return total + weights[f"{name}.bias"].astype(np.float64)[:, None, None]


def leak(x: Array, slope: float) -> Array:
    """Return leaky ReLU."""
    return np.where(x < 0, slope * x, x)


def softmax(x: Array, axis: int) -> Array:
    """Return exponentials that sum to 1 along an axis."""
    powers = np.exp(x - x.max(axis, keepdims=True))
    return powers / powers.sum(axis, keepdims=True)


def sigmoid(x: Array) -> Array:
    """Return the logistic function."""
    return 1 / (1 + np.exp(-x))


def enlarge(x: Array, times: int) -> Array:
    """Repeat every pixel of N, C, H, W along both axes."""
    return x.repeat(times, 2).repeat(times, 3)


def normalize(x: Array, epsilon: float) -> Array:
    """Return every channel of every picture with mean 0 and variance 1."""
    return (x - x.mean((2, 3), keepdims=True)) / np.sqrt(x.var((2, 3), keepdims=True) + epsilon)


def run(proto: onnx.ModelProto, inputs: Mapping[str, Array], outputs: list[str]) -> list[Array]:
    """Return tensors of a model, also inner ones, as ONNX Runtime computes them."""
    model = onnx.ModelProto()
    model.CopyFrom(proto)
    declared = {output.name for output in model.graph.output}
    model.graph.output.extend(onnx.ValueInfoProto(name=name) for name in outputs if name not in declared)
    session = onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    found: list[Array] = session.run(outputs, {name: array.astype(np.float32) for name, array in inputs.items()})
    return found


def list_ends(values: Any) -> dict[str, list[int | str]]:
    """Return the declared f32 inputs or outputs of a graph with their shapes."""
    assert all(value.type.tensor_type.elem_type == onnx.TensorProto.FLOAT for value in values)
    return {
        value.name: [dim.dim_param or dim.dim_value for dim in value.type.tensor_type.shape.dim] for value in values
    }


def list_unread(graph: onnx.GraphProto) -> set[str]:
    """Return what a graph makes or stores and nothing uses."""
    read = {name for node in graph.node for name in node.input} | {output.name for output in graph.output}
    made = {name for node in graph.node for name in node.output} | {tensor.name for tensor in graph.initializer}
    return made - read
