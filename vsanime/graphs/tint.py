"""Takes a network's tint off: where it changes the colour of a flat area, the area's mean is put back.

waifu2x networks return a flat, strongly coloured area up to 5 codes of 8 bits off. What a network adds as detail
averages out over a neighbourhood; what is left of the average's change is the tint, and is subtracted.
"""

from __future__ import annotations

import numpy as np
import onnx
from onnx import helper, numpy_helper

from vsanime.graphs.network import read_network

# The mean is taken over this many input pixels each way: wider than what a network draws as one edge.
_WINDOW = 15


def without_tint(proto: onnx.ModelProto, scale: int) -> onnx.ModelProto:
    """The network, its result less the blurred difference between result and input, clipped to [0, 1].

    Args:
        proto: a plain network with as many planes out as in.
        scale: output pixels per input pixel.
    """
    net = read_network(proto)
    result = onnx.ModelProto()
    result.CopyFrom(proto)
    for node in result.graph.node:
        for names in (node.input, node.output):
            for i, name in enumerate(names):
                if name == net.output:
                    names[i] = "tint/result"
    around = _WINDOW // 2
    small = "tint/small" if scale > 1 else "tint/result"
    nodes = []
    if scale > 1:
        nodes.append(
            helper.make_node("AveragePool", ["tint/result"], [small], kernel_shape=[scale] * 2, strides=[scale] * 2)
        )
    nodes += [
        helper.make_node("Sub", [small, net.input], ["tint/change"]),
        helper.make_node(
            "AveragePool", ["tint/change"], ["tint/mean"], kernel_shape=[_WINDOW] * 2, pads=[around] * 4,
            count_include_pad=0,
        ),
    ]  # fmt: skip
    tint = "tint/mean"
    if scale > 1:
        tint = "tint/full"
        nodes.append(
            helper.make_node(
                "Resize", ["tint/mean", "", "tint/scales"], [tint], mode="linear",
                coordinate_transformation_mode="half_pixel",
            )
        )  # fmt: skip
    nodes += [
        helper.make_node("Sub", ["tint/result", tint], ["tint/corrected"]),
        helper.make_node("Clip", ["tint/corrected", "tint/low", "tint/high"], [net.output]),
    ]
    result.graph.node.extend(nodes)
    constants = {
        "tint/scales": np.array([1, 1, scale, scale], np.float32),
        "tint/low": np.array(0, np.float32),
        "tint/high": np.array(1, np.float32),
    }
    result.graph.initializer.extend(numpy_helper.from_array(v, k) for k, v in constants.items())
    return result
