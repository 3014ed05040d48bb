"""The two graphs of a network that colours line art: what keys are worth, once a key, and a frame's colours from that.

    line art, colours of a key    -> cells' features and values
    line art of a frame, both keys' features and values, both keys moved onto the frame
                                  -> weights of the moved keys and of what was copied, what was copied, what is added

The network is cut at its tensors `key_features` and `key_values`, which depend on the keys alone. Pictures go in as
codes of 8 bits. What comes out is no picture yet: it is put together, perhaps at a larger size, by whoever runs it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import onnx
from onnx import numpy_helper

from vsanime.errors import VsanimeError
from vsanime.graphs.attention import chunked
from vsanime.graphs.finish import finished
from vsanime.graphs.network import attributes
from vsanime.graphs.writer import TYPES, GraphWriter
from vsanime.spec import GraphTraits, PlanesGraph, TensorSpec

type Size = tuple[int, int]
type Shape = tuple[int, int, int, int]

MULTIPLE = 16  # of width and height
KEYS = 2
CELL = 8  # pixels of a cell, each way
INPUTS = ("line", "key_lines", "key_colours", "warped", "errors", "prior")
OUTPUTS = ("weights", "copied", "residual")
CUT = ("key_features", "key_values")
FRAMES = 3  # that a temporal network sees: a key, the frame, a key
TEMPORAL_INPUTS = ("lines", "colours")
TEMPORAL_OUTPUT = "colour"
# Names of the network's own tensors, told from those of the graph around it.
_OWN = "net/"
_CODES = 255.0


@dataclass(frozen=True)
class Depths:
    """Channels at the cut.

    Attributes:
        features: of what cells are found by.
        values: of what they have to give.
    """

    features: int
    values: int


def check_colour_network(proto: onnx.ModelProto) -> Depths:
    """What flows through the cut of a network.

    Raises:
        VsanimeError: it has other inputs or outputs than those that are needed, or cannot be cut.
    """
    found = {i.name for i in proto.graph.input} - {i.name for i in proto.graph.initializer}
    made = {o.name for o in proto.graph.output}
    if found != set(INPUTS) or not set(OUTPUTS) <= made:
        raise VsanimeError(
            f"the network takes {_listed(found)} and gives {_listed(made)}; one that takes {_listed(INPUTS)} and gives "
            f"{_listed(OUTPUTS)} is needed"
        )
    small = _key_writer(proto, (MULTIPLE, MULTIPLE)).finish("vsanime")
    shapes = _shapes(small)
    depths = [shapes.get(_OWN + name, ()) for name in CUT]
    if any(len(shape) != 3 or not shape[1] for shape in depths):
        raise VsanimeError(f"the network's tensors {_listed(CUT)} are not 1, channels, cells; it cannot be cut there")
    return Depths(depths[0][1], depths[1][1])


def key_graph(proto: onnx.ModelProto, depths: Depths, size: Size, traits: GraphTraits) -> PlanesGraph:
    """A key's features and values, cells as they lie in the picture.

    Args:
        proto: the network.
        depths: what `check_colour_network` said.
        size: width and height, multiples of 16.
        traits: what the backend wants.
    """
    writer = _key_writer(proto, size)
    inputs = (_spec("key_lines", "uint8", 1, 1, size), _spec("key_colours", "uint8", 1, 3, size))
    outputs = _cut_specs(depths, 1, size)
    for name, spec in zip(CUT, outputs, strict=True):
        cells = writer.node("Reshape", [_OWN + name, _shape_constant(writer, spec.shape)], name=name)
        writer.output(cells, spec.name, spec.dtype, list(spec.shape))
    return finished(writer, inputs, outputs, _checked(traits), split=False)


def frame_graph(proto: onnx.ModelProto, depths: Depths, size: Size, traits: GraphTraits) -> PlanesGraph:
    """What a frame is put together from.

    Attention over more cells than fit into memory at once is computed for some rows of cells after the other, which
    changes no result by more than rounding.

    Args:
        proto: the network.
        depths: what `check_colour_network` said.
        size: width and height, multiples of 16.
        traits: what the backend wants.
    """
    writer = GraphWriter()
    inputs = (
        _spec("line", "uint8", 1, 1, size),
        _spec("warped", "uint8", KEYS, 3, size),
        _spec("errors", "float32", KEYS, 1, size),
        _spec("prior", "float32", KEYS, 1, size),
        *_cut_specs(depths, KEYS, size),
    )
    given = {spec.name: writer.input(spec.name, spec.dtype, list(spec.shape)) for spec in inputs}
    for name in ("line", "warped"):
        given[name] = _values(writer, name)
    for name, depth in zip(CUT, (depths.features, depths.values), strict=True):
        given[name] = writer.node("Reshape", [name, _shape_constant(writer, (KEYS, depth, -1))], name=name)
    known = {"key_lines": (KEYS, 1, size[1], size[0]), "key_colours": (KEYS, 3, size[1], size[0])}
    _copy(writer, proto, OUTPUTS, given, known)
    outputs = tuple(_spec(name, "float32", 1, 3, size) for name in OUTPUTS)
    for spec in outputs:
        writer.output(_OWN + spec.name, spec.name, spec.dtype, list(spec.shape))
    return finished(writer, inputs, outputs, _checked(traits), split=False, rewrite=chunked)


def check_temporal_network(proto: onnx.ModelProto) -> None:
    """Refuses what is no network over three frames.

    Raises:
        VsanimeError: it has other inputs or outputs than those that are needed.
    """
    found = {i.name for i in proto.graph.input} - {i.name for i in proto.graph.initializer}
    made = {o.name for o in proto.graph.output}
    if found != set(TEMPORAL_INPUTS) or TEMPORAL_OUTPUT not in made:
        raise VsanimeError(
            f"the network takes {_listed(found)} and gives {_listed(made)}; one that takes {_listed(TEMPORAL_INPUTS)} "
            f"and gives {TEMPORAL_OUTPUT} is needed"
        )


def temporal_graph(proto: onnx.ModelProto, size: Size, traits: GraphTraits) -> PlanesGraph:
    """A frame refined between two keys: lines as codes of 8 bits and colours in [0, 1], in the order of time.

    Args:
        proto: the network.
        size: width and height, multiples of 16.
        traits: what the backend wants.
    """
    writer = GraphWriter()
    inputs = (_spec("lines", "uint8", FRAMES, 1, size), _spec("colours", "float32", FRAMES, 3, size))
    given = {spec.name: writer.input(spec.name, spec.dtype, list(spec.shape)) for spec in inputs}
    given["lines"] = _values(writer, "lines")
    _copy(writer, proto, [TEMPORAL_OUTPUT], given, {})
    output = _spec("colour", "float32", 1, 3, size)
    writer.output(_OWN + TEMPORAL_OUTPUT, output.name, output.dtype, list(output.shape))
    return finished(writer, inputs, (output,), _checked(traits), split=False)


def _key_writer(proto: onnx.ModelProto, size: Size) -> GraphWriter:
    """The network from a key's pictures to the cut."""
    writer = GraphWriter()
    given = {}
    for name, channels in (("key_lines", 1), ("key_colours", 3)):
        writer.input(name, "uint8", [1, channels, size[1], size[0]])
        given[name] = _values(writer, name)
    _copy(writer, proto, CUT, given, {})
    return writer


def _values(writer: GraphWriter, codes: str) -> str:
    """Codes of 8 bits as values in [0, 1]."""
    cast = writer.node("Cast", [codes], name=codes, exact=True, to=TYPES["float32"])
    return writer.node("Mul", [cast, writer.constant(1 / _CODES)], name=codes, exact=True)


def _copy(
    writer: GraphWriter,
    proto: onnx.ModelProto,
    wanted: Sequence[str],
    given: Mapping[str, str],
    known: Mapping[str, tuple[int, ...]],
) -> None:
    """Copies what some of the network's tensors depend on; they are called `_OWN` and their name.

    Args:
        writer: where to.
        proto: the network.
        wanted: names of its tensors.
        given: its tensors that are there already, and what they are called.
        known: inputs that are not there, but whose size may be asked.

    Raises:
        VsanimeError: something else is needed.
    """
    weights = {i.name: i for i in proto.graph.initializer}
    missing = set(wanted) - given.keys()
    kept = []
    for node in reversed(proto.graph.node):
        if not missing & set(node.output):
            continue
        missing -= set(node.output)
        if node.op_type == "Shape" and node.input[0] in known:
            _write_size(writer, node, known[node.input[0]])
            continue
        kept.append(node)
        for name in node.input:
            if name in weights:
                writer.weight(_OWN + name, numpy_helper.to_array(weights[name]))
            elif name and name not in given:
                missing.add(name)
    if missing:
        raise VsanimeError(f"the network's {_listed(wanted)} depend on {_listed(missing)}; it cannot be cut there")
    for node in reversed(kept):
        writer.copy(_renamed(node, given))


def _write_size(writer: GraphWriter, node: onnx.NodeProto, shape: tuple[int, ...]) -> None:
    given = attributes(node)
    part = shape[given.get("start", 0) : given.get("end")]
    writer.weight(_OWN + node.output[0], np.array(part, np.int64))


def _renamed(node: onnx.NodeProto, given: Mapping[str, str]) -> onnx.NodeProto:
    copy = onnx.NodeProto()
    copy.CopyFrom(node)
    copy.name = _OWN + (node.name or node.output[0])
    for names in (copy.input, copy.output):
        for i, name in enumerate(names):
            names[i] = given.get(name, _OWN + name) if name else ""
    return copy


def _shapes(model: onnx.ModelProto) -> dict[str, tuple[int, ...]]:
    """Sizes of a graph's tensors, 0 where one is not known."""
    graph = onnx.shape_inference.infer_shapes(model, data_prop=True).graph
    return {v.name: tuple(d.dim_value for d in v.type.tensor_type.shape.dim) for v in graph.value_info}


def _cut_specs(depths: Depths, keys: int, size: Size) -> tuple[TensorSpec, TensorSpec]:
    cells = (size[0] // CELL, size[1] // CELL)
    return _spec(CUT[0], "float32", keys, depths.features, cells), _spec(CUT[1], "float32", keys, depths.values, cells)


def _spec(name: str, dtype: str, count: int, channels: int, size: Size) -> TensorSpec:
    return TensorSpec(name, dtype, (count, channels, size[1], size[0]))


def _shape_constant(writer: GraphWriter, shape: tuple[int, ...]) -> str:
    return writer.constant(np.array(shape), integers=True)


def _checked(traits: GraphTraits) -> GraphTraits:
    if traits.any_size:
        raise VsanimeError("sizes: a network that sees the whole picture has one engine a size here; leave it out")
    return traits


def _listed(names: Iterable[str]) -> str:
    return ", ".join(sorted(names)) or "nothing"
