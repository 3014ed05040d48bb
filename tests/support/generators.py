"""AnimeGANv2's generator with random weights, and its ONNX as TensorFlow's converter and PyTorch's exporter leave it.

Both foreign forms are written here by hand, node for node as the two programs do (tf2onnx 1.17 after TensorFlow 2.21
with layer norms written as tf.contrib did; torch.onnx), because neither program is a dependency of the tests.
"""

from __future__ import annotations

from functools import cache
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

from vsanime.models.animegan import LEAK, SHAPES, TF_EPSILON, UNITS, Unit, animegan

type Array = NDArray[Any]


@cache
def random_weights(seed: int = 0) -> dict[str, Array]:
    """He weights and norms that change things; results spread over most of [0, 1]."""
    rng = np.random.default_rng(seed)
    found: dict[str, Array] = {}
    for name, shape in SHAPES.items():
        if len(shape) == 4:
            spread = np.sqrt((0.5 if name.startswith("out_layer") else 2) / np.prod(shape[1:]))
            found[name] = rng.normal(0, spread, shape).astype(np.float32)
        else:
            # Norms' gains are around 1, offsets and biases around 0.
            gain = name.endswith("weight")
            found[name] = rng.normal(1.0 if gain else 0.0, 0.1, shape).astype(np.float32)
    return found


@cache
def random_generator(upsample: str = "tf", epsilon: float = TF_EPSILON, seed: int = 0) -> onnx.ModelProto:
    """The plain network of random weights."""
    return animegan(random_weights(seed), upsample, epsilon)


class Foreign:
    """Writes the generator as somebody else's program does."""

    def __init__(self, weights: dict[str, Array]) -> None:
        self.weights = weights
        self.nodes: list[onnx.NodeProto] = []
        self.constants: dict[str, onnx.TensorProto] = {}

    def constant(self, value: Any, dtype: Any = np.float32) -> str:
        name = f"c{len(self.constants)}"
        self.constants[name] = numpy_helper.from_array(np.asarray(value, dtype), name)
        return name

    def node(self, op: str, *inputs: str, **attributes: Any) -> str:
        name = f"n{len(self.nodes)}"
        self.nodes.append(helper.make_node(op, list(inputs), [name], **attributes))
        return name

    def model(self, axes: list[str | int], opset: int) -> onnx.ModelProto:
        self.nodes[-1].output[0] = "made"
        graph = helper.make_graph(
            self.nodes,
            "foreign",
            [helper.make_tensor_value_info("picture", TensorProto.FLOAT, axes)],
            [helper.make_tensor_value_info("made", TensorProto.FLOAT, axes)],
            list(self.constants.values()),
        )
        return helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)], ir_version=7)

    def conv(self, unit: Unit, x: str) -> str:
        inputs = [x, self.constant(self.weights[f"{unit.conv}.weight"])]
        if unit.bias:
            inputs.append(self.constant(self.weights[f"{unit.conv}.bias"]))
        kernel, stride = list(unit.shape[2:]), [unit.stride] * 2
        return self.node("Conv", *inputs, kernel_shape=kernel, strides=stride, group=unit.groups)

    def pads(self, unit: Unit) -> tuple[int, int]:
        half = unit.shape[2] // 2
        return (0 if unit.stride == 2 else half), half

    def norm(self, unit: Unit, x: str) -> str:
        raise NotImplementedError

    def double(self, x: str) -> str:
        raise NotImplementedError

    def pad(self, unit: Unit, x: str) -> str:
        raise NotImplementedError

    def leak(self, x: str) -> str:
        return self.node("LeakyRelu", x, alpha=LEAK)

    def added(self, skip: str, x: str) -> str:
        return self.node("Add", skip, x)

    def body(self, x: str) -> str:
        """All but the ends."""
        skip = ""
        for unit in UNITS:
            if unit.conv in ("block_d.0.1", "block_e.0.1"):
                x = self.double(x)
            if unit.conv.endswith("layers.0.1"):
                skip = x if unit.shape[1] == 256 else ""
            x = self.conv(unit, self.pad(unit, x) if unit.shape[2] > 1 else x)
            if unit.norm:
                x = self.norm(unit, x)
            if unit.leaks:
                x = self.leak(x)
            if unit.conv.endswith("layers.2") and skip:
                x = self.added(skip, x)
        return self.node("Tanh", x)


class TensorFlows(Foreign):
    """Channels last at the ends; the first picture is padded before it is turned; moments, then one batch norm."""

    def pad(self, unit: Unit, x: str) -> str:
        before, after = self.pads(unit)
        if unit is UNITS[0]:
            pads = [0, before, before, 0, 0, after, after, 0]
            padded = self.node("Pad", x, self.constant(pads, np.int64), mode="reflect")
            return self.node("Transpose", padded, perm=[0, 3, 1, 2])
        return self.node("Pad", x, self.constant([0, 0, before, before, 0, 0, after, after], np.int64), mode="reflect")

    def norm(self, unit: Unit, x: str) -> str:
        gain, offset = (
            self.constant(self.weights[f"{unit.norm}.{k}"].reshape(1, -1, 1, 1)) for k in ("weight", "bias")
        )
        mean = self.node("ReduceMean", x, axes=[2, 3, 1], keepdims=1)
        change = self.node("Sub", x, mean)
        variance = self.node("ReduceMean", self.node("Mul", change, change), axes=[2, 3, 1], keepdims=1)
        spread = self.node("Sqrt", self.node("Add", variance, self.constant([[[[TF_EPSILON]]]])))
        factor = self.node("Mul", self.node("Reciprocal", spread), gain)
        shift = self.node("Sub", offset, self.node("Mul", mean, factor))
        return self.node("Add", self.node("Mul", x, factor), shift)

    def double(self, x: str) -> str:
        size = self.node("Slice", self.node("Shape", x), self.constant([2], np.int64), self.constant([4], np.int64))
        doubled = self.node("Mul", size, self.constant([2, 2], np.int64))
        batch = self.node("Slice", self.node("Shape", x), self.constant([0], np.int64), self.constant([2], np.int64))
        empty = self.constant([])
        whole = self.node("Concat", batch, doubled, axis=0)
        return self.node("Resize", x, empty, empty, whole, mode="linear", coordinate_transformation_mode="asymmetric")


class PyTorchs(Foreign):
    """Channels first; a norm of one group, scaled afterwards; constants are nodes."""

    def constant(self, value: Any, dtype: Any = np.float32) -> str:
        if dtype is np.int64:
            return self.node("Constant", value=numpy_helper.from_array(np.asarray(value, dtype)))
        return super().constant(value, dtype)

    def pad(self, unit: Unit, x: str) -> str:
        before, after = self.pads(unit)
        return self.node("Pad", x, self.constant([0, 0, before, before, 0, 0, after, after], np.int64), mode="reflect")

    def norm(self, unit: Unit, x: str) -> str:
        flat = self.node("Reshape", x, self.constant([0, 1, -1], np.int64))
        normed = self.node("InstanceNormalization", flat, self.constant([1.0]), self.constant([0.0]), epsilon=1e-5)
        back = self.node("Reshape", normed, self.node("Shape", x))
        gain, offset = (self.constant(self.weights[f"{unit.norm}.{k}"][:, None, None]) for k in ("weight", "bias"))
        return self.node("Add", self.node("Mul", back, gain), offset)

    def double(self, x: str) -> str:
        scales = self.constant([1.0, 1.0, 2.0, 2.0])
        return self.node("Resize", x, "", scales, mode="linear", coordinate_transformation_mode="align_corners")


def as_tensorflow(weights: dict[str, Array], kind: type[Foreign] = TensorFlows, opset: int = 11) -> onnx.ModelProto:
    """NHWC, RGB in [-1, 1]."""
    writer = kind(weights)
    writer.node("Transpose", writer.body("picture"), perm=[0, 2, 3, 1])
    return writer.model([1, "height", "width", 3], opset)


def as_pytorch(weights: dict[str, Array], kind: type[Foreign] = PyTorchs) -> onnx.ModelProto:
    """NCHW, RGB in [-1, 1]."""
    writer = kind(weights)
    writer.body("picture")
    return writer.model([1, 3, "height", "width"], 13)


def changed(proto: onnx.ModelProto, op: str, **attributes: Any) -> onnx.ModelProto:
    """A copy whose first node of a kind is set otherwise."""
    copy = onnx.ModelProto()
    copy.CopyFrom(proto)
    node = next(node for node in copy.graph.node if node.op_type == op)
    kept = [a for a in node.attribute if a.name not in attributes]
    del node.attribute[:]
    node.attribute.extend([*kept, *(helper.make_attribute(k, v) for k, v in attributes.items())])
    return copy
