"""Weights stored as float16 in half the bytes, for networks that travel with the package.

The file is plain ONNX that any runtime takes: `Cast` brings each weight back to f32 where it is used. What is loaded
here has f32 weights again, since what reads and rewrites networks goes by them.
"""

from __future__ import annotations

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from vsanime.errors import VsanimeError

_LEAST = 64  # values: below, a Cast costs more bytes than it saves
_STORED = "_stored"


def halve(proto: onnx.ModelProto) -> onnx.ModelProto:
    """A copy whose larger f32 weights are stored as float16.

    Raises:
        VsanimeError: a weight that float16 cannot hold.
    """
    made = onnx.ModelProto()
    made.CopyFrom(proto)
    graph = made.graph
    casts = []
    for tensor in graph.initializer:
        if tensor.data_type != TensorProto.FLOAT or np.prod(tensor.dims) < _LEAST:
            continue
        with np.errstate(over="ignore"):  # said below
            values = numpy_helper.to_array(tensor).astype(np.float16)
        if not np.isfinite(values).all():
            raise VsanimeError(f"{tensor.name} holds a value beyond float16's 65504; it has to be stored as float32")
        name = tensor.name
        tensor.CopyFrom(numpy_helper.from_array(values, name + _STORED))
        casts.append(helper.make_node("Cast", [name + _STORED], [name], name=f"{name}_widened", to=TensorProto.FLOAT))
    nodes = [*casts, *graph.node]
    del graph.node[:]
    graph.node.extend(nodes)
    return made


def widened(proto: onnx.ModelProto) -> onnx.ModelProto:
    """A copy with f32 weights where a `Cast` made them of float16 ones; the network itself where there is none."""
    graph = proto.graph
    stored = {tensor.name: tensor for tensor in graph.initializer if tensor.data_type == TensorProto.FLOAT16}
    casts = [node for node in graph.node if _widens(node) and node.input[0] in stored]
    if not casts:
        return proto
    wide = [
        numpy_helper.from_array(numpy_helper.to_array(stored[cast.input[0]]).astype(np.float32), cast.output[0])
        for cast in casts
    ]
    gone = {cast.output[0] for cast in casts}
    nodes = [node for node in graph.node if node.output[0] not in gone]
    used = {name for node in nodes for name in node.input} | {value.name for value in graph.output}
    kept = [tensor for tensor in graph.initializer if tensor.name not in stored or tensor.name in used]
    made = onnx.ModelProto()
    made.CopyFrom(proto)
    del made.graph.node[:], made.graph.initializer[:]
    made.graph.node.extend(nodes)
    made.graph.initializer.extend([*kept, *wide])
    return made


def _widens(node: onnx.NodeProto) -> bool:
    return node.op_type == "Cast" and any(a.name == "to" and a.i == TensorProto.FLOAT for a in node.attribute)
