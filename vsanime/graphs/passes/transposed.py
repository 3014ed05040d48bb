"""Rewrites transposed convolutions as convolutions and depth-to-space, which CPUs compute several times as fast.

A transposed convolution of stride s puts sample i, times kernel tap t, at output s * i + t - pad. Output s * j + phase
therefore sees the taps whose number fits its phase: kernel / s samples, the same ones for all s phases if the blocks of
s outputs are cut at the right position. That is a plain convolution with s * s times as many channels; the outputs of
the first and last blocks that the transposed convolution does not have are cropped.
"""

from __future__ import annotations

import numpy as np
import onnx
from onnx import helper, numpy_helper

from vsanime.arrays import Array
from vsanime.graphs.limits import guard
from vsanime.graphs.network import attributes

# From this opset on DepthToSpace supports the required channel order.
_OPSET = 11


@guard("the network's graph cannot be written")
def rewrite_transposed(proto: onnx.ModelProto) -> onnx.ModelProto:
    """Return the same network with its plain transposed convolutions rewritten; others stay unchanged."""
    opset = next((o.version for o in proto.opset_import if o.domain in ("", "ai.onnx")), 0)
    weights = {i.name: numpy_helper.to_array(i) for i in proto.graph.initializer}
    if opset < _OPSET or not any(_shape(node, weights) for node in proto.graph.node):
        return proto
    result = onnx.ModelProto()
    result.CopyFrom(proto)
    del result.graph.node[:], result.graph.initializer[:]
    constants = dict(weights)
    for node in proto.graph.node:
        shape = _shape(node, weights)
        if shape is None:
            result.graph.node.append(node)
            continue
        nodes, added = _rewrite(node, weights, shape)
        result.graph.node.extend(nodes)
        constants |= added
    used = {name for node in result.graph.node for name in node.input}
    kept = {name: value for name, value in constants.items() if name in used}
    result.graph.initializer.extend(numpy_helper.from_array(value, name) for name, value in kept.items())
    return result


def _shape(node: onnx.NodeProto, weights: dict[str, Array]) -> tuple[int, int, int] | None:
    """Return kernel, stride and padding, or None unless all are square and the kernel is a multiple of the stride."""
    if node.op_type != "ConvTranspose" or any(name not in weights for name in node.input[1:] if name):
        return None
    given = attributes(node)
    kernel = set(weights[node.input[1]].shape[2:])
    stride, pads = set(given.get("strides", [1, 1])), set(given.get("pads", [0] * 4))
    plain = (
        given.get("group", 1) == 1
        and set(given.get("dilations", [1])) == {1}
        and not any(given.get("output_padding", [0]))
        and not given.get("output_shape")
        and given.get("auto_pad", b"NOTSET") == b"NOTSET"
        and weights[node.input[1]].ndim == 4
    )
    if not plain or len(kernel) != 1 or len(stride) != 1 or len(pads) != 1:
        return None
    k, s, p = kernel.pop(), stride.pop(), pads.pop()
    return (k, s, p) if s > 1 and k % s == 0 else None


def _rewrite(
    node: onnx.NodeProto, weights: dict[str, Array], shape: tuple[int, int, int]
) -> tuple[list[onnx.NodeProto], dict[str, Array]]:
    kernel, stride, pad = shape
    taps = kernel // stride
    name = node.output[0]
    # Blocks start this many outputs before the first one; if that is after it, one more block is computed in front.
    early = pad - kernel + stride
    more = max(0, -(early // stride))
    cut = early + stride * more
    constants: dict[str, Array] = {f"{name}/weight": _kernel(weights[node.input[1]], stride, taps)}
    inputs = [node.input[0], f"{name}/weight"]
    if len(node.input) > 2 and node.input[2]:
        constants[f"{name}/bias"] = weights[node.input[2]].repeat(stride**2)
        inputs.append(f"{name}/bias")
    steps = [
        helper.make_node("Conv", inputs, [f"{name}/blocks"], kernel_shape=[taps] * 2, pads=[more] * 4),
        helper.make_node(
            "DepthToSpace", [f"{name}/blocks"], [f"{name}/full" if cut else name], blocksize=stride, mode="CRD"
        ),
    ]
    if cut:
        constants |= {
            f"{name}/starts": np.array([cut, cut]),
            f"{name}/ends": np.array([-cut, -cut]),
            f"{name}/axes": np.array([2, 3]),
        }
        bounds = [f"{name}/{key}" for key in ("starts", "ends", "axes")]
        steps.append(helper.make_node("Slice", [f"{name}/full", *bounds], [name]))
    return steps, constants


def _kernel(weight: Array, stride: int, taps: int) -> Array:
    """Return [in, out, k, k] as [out * s * s, in, taps, taps]: phase p has tap p + k - s - s * a at sample a."""
    into, out, kernel = weight.shape[:3]
    result = np.empty((out, stride, stride, into, taps, taps), np.float32)
    tap = np.arange(stride)[:, None] + kernel - stride - stride * np.arange(taps)[None]
    for y, x in np.ndindex(stride, stride):
        result[:, y, x] = weight[:, :, tap[y][:, None], tap[x][None]].transpose(1, 0, 2, 3)
    return result.reshape(out * stride**2, into, taps, taps)
