"""Small networks of random weights that keep to what `vsanime.colorize` asks of a network, and nothing more."""

from __future__ import annotations

import numpy as np
import onnx
from onnx import numpy_helper, parser

FEATURES, LEARNT = 6, 2

_COLOUR = """
<ir_version: 8, opset_import: ["" : 17]>
net (float[1,1,H,W] line, float[K,1,H,W] key_lines, float[K,3,H,W] key_colours,
     float[2,3,H,W] warped, float[2,1,H,W] errors, float[2,1,H,W] prior)
 => (float[1,3,H,W] colour, float[1,3,H,W] weights, float[1,3,H,W] copied, float[1,3,H,W] residual)
{
  key_cells = Conv <kernel_shape = [8, 8], strides = [8, 8]> (key_lines, find)
  key_features = Reshape (key_cells, flat)
  mean = AveragePool <kernel_shape = [8, 8], strides = [8, 8]> (key_colours)
  learnt = Conv <kernel_shape = [8, 8], strides = [8, 8]> (key_colours, learn)
  worth = Concat <axis = 1> (mean, learnt)
  key_values = Reshape (worth, flat)

  cells = Conv <kernel_shape = [8, 8], strides = [8, 8]> (line, find)
  asked = Reshape (cells, flat)
  queries = Transpose <perm = [0, 2, 1]> (asked)
  turned = Transpose <perm = [1, 0, 2]> (key_features)
  keys = Reshape (turned, features_by_cells)
  products = MatMul (queries, keys)
  scaled = Mul (products, sharpness)
  attention = Softmax <axis = -1> (scaled)
  listed = Transpose <perm = [0, 2, 1]> (key_values)
  values = Reshape (listed, cells_by_values)
  attended = MatMul (attention, values)
  planes = Transpose <perm = [0, 2, 1]> (attended)
  size = Shape <start = 2> (cells)
  shape = Concat <axis = 0> (one_by_values, size)
  map = Reshape (planes, shape)
  small = Slice (map, zero, three, zero_one)
  large = Resize <mode = "nearest", coordinate_transformation_mode = "asymmetric", nearest_mode = "floor">
    (small, , times_8)
  copied = Identity (large)

  both = Reshape (warped, six_planes)
  fit = Reshape (errors, two_planes)
  prior_planes = Reshape (prior, two_planes)
  seen = Concat <axis = 1> (line, both, fit, prior_planes, copied)
  head = Conv <kernel_shape = [3, 3], pads = [1, 1, 1, 1]> (seen, judge)
  logits = Slice (head, zero, three, zero_one)
  weights = Softmax <axis = 1> (logits)
  raw = Slice (head, three, six, zero_one)
  bounded = Tanh (raw)
  residual = Mul (bounded, little)

  w0 = Slice (weights, zero, one, zero_one)
  w1 = Slice (weights, one, two, zero_one)
  w2 = Slice (weights, two, three, zero_one)
  c0 = Slice (both, zero, three, zero_one)
  c1 = Slice (both, three, six, zero_one)
  p0 = Mul (w0, c0)
  p1 = Mul (w1, c1)
  p2 = Mul (w2, copied)
  s01 = Add (p0, p1)
  s012 = Add (s01, p2)
  total = Add (s012, residual)
  colour = Clip (total, nought, white)
}
"""

_DOCUMENT = """
<ir_version: 8, opset_import: ["" : 17]>
net (float[1,1,H,W] line, float[1,1,H,W] distance, float[K,1,H,W] key_lines, float[K,1,H,W] key_distances,
     float[K,3,H,W] key_colours) => (float[1,3,H,W] colour)
{
  far = Conv <kernel_shape = [4, 4], strides = [4, 4]> (key_distances, find)
  key_features = Reshape (far, flat)
  worth = AveragePool <kernel_shape = [4, 4], strides = [4, 4]> (key_colours)
  key_values = Reshape (worth, flat)
  all = Concat <axis = 1> (key_lines, key_colours)
  mean = GlobalAveragePool (all)
  key_style = Flatten (mean)

  cells = Conv <kernel_shape = [4, 4], strides = [4, 4]> (distance, find)
  asked = Reshape (cells, flat)
  queries = Transpose <perm = [0, 2, 1]> (asked)
  turned = Transpose <perm = [1, 0, 2]> (key_features)
  keys = Reshape (turned, features_by_cells)
  products = MatMul (queries, keys)
  attention = Softmax <axis = -1> (products)
  listed = Transpose <perm = [0, 2, 1]> (key_values)
  values = Reshape (listed, cells_by_values)
  attended = MatMul (attention, values)
  planes = Transpose <perm = [0, 2, 1]> (attended)
  size = Shape <start = 2> (cells)
  shape = Concat <axis = 0> (one_by_values, size)
  map = Reshape (planes, shape)
  large = Resize <mode = "nearest", coordinate_transformation_mode = "asymmetric", nearest_mode = "floor">
    (map, , times_4)
  style = ReduceMean <axes = [0]> (key_style)
  shift = Slice (style, one, four, one)
  tint = Reshape (shift, one_by_three)
  tinted = Mul (large, tint)
  drawn = Add (tinted, line)
  colour = Sigmoid (drawn)
}
"""

_TEMPORAL = """
<ir_version: 8, opset_import: ["" : 17]>
net (float[3,1,H,W] lines, float[3,3,H,W] colours) => (float[1,3,H,W] colour)
{
  all_lines = Reshape (lines, three_planes)
  all_colours = Reshape (colours, nine_planes)
  seen = Concat <axis = 1> (all_lines, all_colours)
  head = Conv <kernel_shape = [3, 3], pads = [1, 1, 1, 1]> (seen, judge)
  colour = Sigmoid (head)
}
"""


def colour_network(seed: int = 0, sharpness: float = 4.0) -> onnx.ModelProto:
    """Colours line art; of random weights, but in range."""
    rng = np.random.default_rng(seed)
    constants = {
        "find": rng.normal(size=(FEATURES, 1, 8, 8)) / 8,
        "learn": rng.normal(size=(LEARNT, 3, 8, 8)) / 14,
        "judge": rng.normal(size=(6, 1 + 6 + 2 + 2 + 3, 3, 3)) / 8,
        "sharpness": np.array(sharpness),
        "little": np.array(0.1),
        "nought": np.array(0.0),
        "white": np.array(1.0),
        "times_8": np.array([1.0, 1.0, 8.0, 8.0]),
    }
    integers = {
        "flat": [0, 0, -1],
        "features_by_cells": [FEATURES, -1],
        "cells_by_values": [-1, 3 + LEARNT],
        "one_by_values": [1, 3 + LEARNT],
        "six_planes": [1, 6, 0, 0],
        "two_planes": [1, 2, 0, 0],
        "zero": [0],
        "one": [1],
        "two": [2],
        "three": [3],
        "six": [6],
        "zero_one": [1],
    }
    return _with(_COLOUR, constants, integers)


def document_network(seed: int = 0) -> onnx.ModelProto:
    """Colours line art by distances from lines, as the network after Shi et al. does; of random weights."""
    weight = np.random.default_rng(seed).normal(size=(FEATURES, 1, 4, 4))
    integers = {
        "flat": [0, 0, -1],
        "features_by_cells": [FEATURES, -1],
        "cells_by_values": [-1, 3],
        "one_by_values": [1, 3],
        "one_by_three": [1, 3, 1, 1],
        "one": [1],
        "four": [4],
    }
    return _with(_DOCUMENT, {"find": weight, "times_4": np.array([1.0, 1.0, 4.0, 4.0])}, integers)


def temporal_network(seed: int = 0) -> onnx.ModelProto:
    """Refines a frame between two keys; of random weights."""
    weight = np.random.default_rng(seed).normal(size=(3, 12, 3, 3)) / 10
    return _with(_TEMPORAL, {"judge": weight}, {"three_planes": [1, 3, 0, 0], "nine_planes": [1, 9, 0, 0]})


def _with(text: str, constants: dict[str, np.ndarray], integers: dict[str, list[int]]) -> onnx.ModelProto:
    model: onnx.ModelProto = parser.parse_model(text)
    for name, value in constants.items():
        model.graph.initializer.append(numpy_helper.from_array(value.astype(np.float32), name))
    for name, numbers in integers.items():
        model.graph.initializer.append(numpy_helper.from_array(np.array(numbers, np.int64), name))
    onnx.checker.check_model(model, full_check=True)
    return model
