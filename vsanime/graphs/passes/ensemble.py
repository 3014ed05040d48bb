"""Wraps a network in test-time augmentation: the mean over the eight ways to turn and mirror its input.

Geometric self-ensemble (Timofte et al. 2016, "Seven ways to improve example-based single image super resolution").
"""

from __future__ import annotations

import numpy as np
import onnx
from onnx import helper, numpy_helper

from vsanime.errors import VsanimeError
from vsanime.graphs.limits import guard
from vsanime.graphs.network import read_network

_VARIANTS = [(swap, down, across) for swap in (False, True) for down in (False, True) for across in (False, True)]
_SWAP = [0, 1, 3, 2]
# Beyond this runtimes take minutes to compile.
_MAX_NODES = 20_000
# Bounds of a slice that reverses an axis.
_FLIP = {"last": -1, "before_first": -(2**31), "backwards": -1, "axis2": 2, "axis3": 3}


@guard("the network's graph cannot be written")
def ensemble(proto: onnx.ModelProto) -> onnx.ModelProto:
    """Return a network that runs `proto` on all eight variants, turns the results back and averages them.

    It has the same input and output, scale and receptive field, and eight times the work. Clipping happens before the
    mean, as when the results of eight runs are averaged.
    """
    net = read_network(proto)
    if len(net.nodes) * len(_VARIANTS) > _MAX_NODES:
        raise VsanimeError(
            f"the network has {len(net.nodes)} operations, too many to run {len(_VARIANTS)} times; leave tta out"
        )
    nodes: list[onnx.NodeProto] = []
    results = []
    for i, variant in enumerate(_VARIANTS):
        given = _turn(nodes, net.input, variant, f"in{i}", back=False)
        result = _copy(nodes, net.nodes, set(net.weights), {net.input: given}, f"variant{i}/", net.output)
        results.append(_turn(nodes, result, variant, f"out{i}", back=True))
    nodes.append(helper.make_node("Sum", results, ["ensemble/sum"]))
    nodes.append(helper.make_node("Mul", ["ensemble/sum", "ensemble/share"], [net.output]))
    used = {name for node in net.nodes for name in node.input}
    constants = {k: v for k, v in net.weights.items() if k in used}
    constants["ensemble/share"] = np.array(1 / len(_VARIANTS), np.float32)
    constants |= {f"ensemble/{key}": np.array([value]) for key, value in _FLIP.items()}
    result = onnx.ModelProto()
    result.CopyFrom(proto)
    del result.graph.node[:], result.graph.initializer[:], result.graph.value_info[:]
    result.graph.node.extend(nodes)
    result.graph.initializer.extend(numpy_helper.from_array(np.asarray(v), k) for k, v in constants.items())
    return result


def _turn(nodes: list[onnx.NodeProto], tensor: str, variant: tuple[bool, bool, bool], name: str, *, back: bool) -> str:
    """Return the tensor mirrored and then transposed; to turn it back, transposed and then mirrored."""
    swap, *flips = variant
    steps = [f"axis{2 + axis}" for axis, wanted in enumerate(flips) if wanted]
    order = [*(["swap"] if swap and back else []), *steps, *(["swap"] if swap and not back else [])]
    for i, step in enumerate(order):
        output = f"ensemble/{name}_{i}"
        if step == "swap":
            nodes.append(helper.make_node("Transpose", [tensor], [output], perm=_SWAP))
        else:
            bounds = [f"ensemble/{key}" for key in ("last", "before_first", step, "backwards")]
            nodes.append(helper.make_node("Slice", [tensor, *bounds], [output]))
        tensor = output
    return tensor


def _copy(
    nodes: list[onnx.NodeProto],
    source: tuple[onnx.NodeProto, ...],
    weights: set[str],
    names: dict[str, str],
    prefix: str,
    output: str,
) -> str:
    """Return the output of a copy of the network's nodes, under other names but with the same weights."""
    for node in source:
        copy = onnx.NodeProto()
        copy.CopyFrom(node)
        copy.name = prefix + node.name if node.name else ""
        for i, name in enumerate(node.input):
            copy.input[i] = names.get(name, name if name in weights or not name else prefix + name)
        for i, name in enumerate(node.output):
            copy.output[i] = prefix + name if name else ""
        nodes.append(copy)
    return prefix + output
