"""Moves a network's final clipping next to what computed the values: ahead of nodes that only move them about.

Runtimes then compute both at once, and where the network runs in low precision the values leave that step in f32.
"""

from __future__ import annotations

import onnx

from vsanime.graphs.network import read_network

_MOVES = {"DepthToSpace", "Slice"}


def clipped_early(proto: onnx.ModelProto) -> onnx.ModelProto:
    """The same network, its last Clip ahead of the depth-to-space and cropping before it."""
    net = read_network(proto)
    clip = net.producer(net.output)
    if clip is None or clip.op_type != "Clip" or any(name and name not in net.weights for name in clip.input[1:]):
        return proto
    moved: list[onnx.NodeProto] = []
    tensor = clip.input[0]
    while (node := net.producer(tensor)) is not None and node.op_type in _MOVES and len(net.consumers(tensor)) == 1:
        moved.insert(0, node)
        tensor = node.input[0]
    if not moved or len(net.consumers(tensor)) > 1:
        return proto
    result = onnx.ModelProto()
    result.CopyFrom(proto)
    del result.graph.node[:]
    result.graph.node.extend(node for node in proto.graph.node if node != clip and node not in moved)
    early = onnx.NodeProto()
    early.CopyFrom(clip)
    early.input[0], early.output[0] = tensor, f"{tensor}/clipped"
    last = early.output[0]
    result.graph.node.append(early)
    for node in moved:
        copy = onnx.NodeProto()
        copy.CopyFrom(node)
        copy.input[0] = last
        last = copy.output[0]
        result.graph.node.append(copy)
    result.graph.node[-1].output[0] = net.output
    return result
