"""Builds the two graphs of a network that colorizes line art: features of a key, and the colors of a frame.

    pictures of a key                        -> key features, once for each key
    pictures of a frame, features of two keys -> the frame's colors, or the parts that they are combined from

The network is cut at tensors that depend on the keys alone. Line art and colors enter as 8-bit codes, everything else
as f32. The outputs are not pictures yet: the caller combines them, perhaps at a larger size.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import onnx
from onnx import numpy_helper

from vsanime.errors import VsanimeError
from vsanime.graphs.builders.finish import finish_graph
from vsanime.graphs.limits import guard
from vsanime.graphs.network import attributes
from vsanime.graphs.passes.attention import chunk_attention
from vsanime.graphs.writer import TYPES, GraphWriter
from vsanime.spec import GraphTraits, PlanesGraph, TensorSpec

type Size = tuple[int, int]

MULTIPLE = 16  # width and height are multiples of this
KEYS = 2
FRAMES = 3  # seen by a temporal network: a key, the frame, a key
TEMPORAL_INPUTS = ("lines", "colours")
TEMPORAL_OUTPUT = "colour"
# Prefix that separates the network's own tensors from those of the graph around it.
_OWN = "net/"
_CODES = 255.0


@dataclass(frozen=True)
class Picture:
    """An input of a network.

    Attributes:
        name: name of the input.
        count: number of pictures; 1 for keys.
        channels: channels of each picture.
        dtype: "uint8" for codes, which become values in [0, 1], or "float32".
    """

    name: str
    count: int
    channels: int
    dtype: str = "uint8"


@dataclass(frozen=True)
class Kind:
    """Description of how the networks of an architecture are cut.

    Attributes:
        key: inputs that show keys.
        frame: inputs that show the frame.
        cut: tensors that depend on the keys alone, [key, channels, cells], or [key, channels] if one value is for all
            cells.
        cell: side of a cell in pixels.
        outputs: outputs of 3 channels at full size.
    """

    key: tuple[Picture, ...]
    frame: tuple[Picture, ...]
    cut: tuple[str, ...]
    cell: int
    outputs: tuple[str, ...]

    @property
    def inputs(self) -> list[str]:
        """Names of all inputs."""
        return [picture.name for picture in (*self.frame, *self.key)]


@dataclass(frozen=True)
class Cut:
    """A network and where it is cut.

    Attributes:
        kind: description of its architecture.
        channels: channels of each tensor at the cut.
        flat: whether each tensor is for all cells at once.
    """

    kind: Kind
    channels: tuple[int, ...]
    flat: tuple[bool, ...]

    def specs(self, keys: int, size: Size) -> tuple[TensorSpec, ...]:
        """Return the tensors at the cut, with cells laid out as in the picture."""
        cells = (size[0] // self.kind.cell, size[1] // self.kind.cell)
        return tuple(
            _spec(name, "float32", keys, channels, (1, 1) if flat else cells)
            for name, channels, flat in zip(self.kind.cut, self.channels, self.flat, strict=True)
        )


@guard("the network's graph cannot be written")
def cut_of(proto: onnx.ModelProto, kinds: Sequence[Kind]) -> Cut:
    """Return where a network is cut, and the channels of the tensors there.

    Args:
        proto: network.
        kinds: known architectures; `vsanime.architectures.color_kinds` returns them.

    Raises:
        VsanimeError: the network has other inputs or outputs than required, or cannot be cut.
    """
    found = {i.name for i in proto.graph.input} - {i.name for i in proto.graph.initializer}
    made = {o.name for o in proto.graph.output}
    kind = next((one for one in kinds if set(one.inputs) == found and set(one.outputs) <= made), None)
    if kind is None:
        needed = " or ".join(f"takes {_list(one.inputs)} and gives {_list(one.outputs)}" for one in kinds)
        raise VsanimeError(f"the network takes {_list(found)} and gives {_list(made)}; one that {needed} is needed")
    shapes = _shapes(_key_writer(proto, kind, (MULTIPLE, MULTIPLE)).finish("vsanime"))
    tensors = [shapes.get(_OWN + name, ()) for name in kind.cut]
    if any(len(shape) not in (2, 3) or not shape[1] for shape in tensors):
        raise VsanimeError(f"the network's tensors {_list(kind.cut)} are not keys, channels, cells; it cannot be cut")
    return Cut(kind, tuple(shape[1] for shape in tensors), tuple(len(shape) == 2 for shape in tensors))


@guard("the network's graph cannot be written")
def key_graph(proto: onnx.ModelProto, cut: Cut, size: Size, traits: GraphTraits) -> PlanesGraph:
    """Return the graph that computes the features of a key.

    Args:
        proto: network.
        cut: where to cut it, as `cut_of` returns.
        size: width and height in pixels, multiples of 16.
        traits: traits that the backend wants.
    """
    writer = _key_writer(proto, cut.kind, size)
    inputs = tuple(_picture_spec(picture, size) for picture in cut.kind.key)
    outputs = cut.specs(1, size)
    for spec in outputs:
        cells = writer.node("Reshape", [_OWN + spec.name, _shape_constant(writer, spec.shape)], name=spec.name)
        writer.output(cells, spec.name, spec.dtype, list(spec.shape))
    return finish_graph(writer, inputs, outputs, _check(traits), split=False)


@guard("the network's graph cannot be written")
def frame_graph(proto: onnx.ModelProto, cut: Cut, size: Size, traits: GraphTraits) -> PlanesGraph:
    """Return the graph that computes the parts a frame's colors are combined from.

    Attention over more cells than fit into memory at once is computed for groups of rows in turn, which changes results
    only by rounding.

    Args:
        proto: network.
        cut: where to cut it, as `cut_of` returns.
        size: width and height in pixels, multiples of 16.
        traits: traits that the backend wants.
    """
    writer = GraphWriter()
    pictures = tuple(_picture_spec(picture, size) for picture in cut.kind.frame)
    given = {spec.name: _declare_input(writer, spec) for spec in pictures}
    worth = cut.specs(KEYS, size)
    for spec, flat in zip(worth, cut.flat, strict=True):
        writer.input(spec.name, spec.dtype, list(spec.shape))
        shape = (KEYS, spec.shape[1]) if flat else (KEYS, spec.shape[1], -1)
        given[spec.name] = writer.node("Reshape", [spec.name, _shape_constant(writer, shape)], name=spec.name)
    known = {picture.name: (KEYS, picture.channels, size[1], size[0]) for picture in cut.kind.key}
    _copy(writer, proto, cut.kind.outputs, given, known)
    outputs = tuple(_spec(name, "float32", 1, 3, size) for name in cut.kind.outputs)
    for spec in outputs:
        writer.output(_OWN + spec.name, spec.name, spec.dtype, list(spec.shape))
    return finish_graph(writer, (*pictures, *worth), outputs, _check(traits), split=False, rewrite=chunk_attention)


def check_temporal_network(proto: onnx.ModelProto) -> None:
    """Refuse a network that does not work on three frames.

    Raises:
        VsanimeError: the network has other inputs or outputs than required.
    """
    found = {i.name for i in proto.graph.input} - {i.name for i in proto.graph.initializer}
    made = {o.name for o in proto.graph.output}
    if found != set(TEMPORAL_INPUTS) or TEMPORAL_OUTPUT not in made:
        raise VsanimeError(
            f"the network takes {_list(found)} and gives {_list(made)}; one that takes {_list(TEMPORAL_INPUTS)} "
            f"and gives {TEMPORAL_OUTPUT} is needed"
        )


@guard("the network's graph cannot be written")
def temporal_graph(proto: onnx.ModelProto, size: Size, traits: GraphTraits) -> PlanesGraph:
    """Return the graph that refines a frame between two keys, with the three pictures in the order of time.

    Lines enter as 8-bit codes and colors as values in [0, 1].

    Args:
        proto: network.
        size: width and height in pixels, multiples of 16.
        traits: traits that the backend wants.
    """
    writer = GraphWriter()
    inputs = (_spec("lines", "uint8", FRAMES, 1, size), _spec("colours", "float32", FRAMES, 3, size))
    given = {spec.name: _declare_input(writer, spec) for spec in inputs}
    _copy(writer, proto, [TEMPORAL_OUTPUT], given, {})
    output = _spec("colour", "float32", 1, 3, size)
    writer.output(_OWN + TEMPORAL_OUTPUT, output.name, output.dtype, list(output.shape))
    return finish_graph(writer, inputs, (output,), _check(traits), split=False)


def _key_writer(proto: onnx.ModelProto, kind: Kind, size: Size) -> GraphWriter:
    """Return a writer that holds the network from a key's pictures to the cut."""
    writer = GraphWriter()
    given = {picture.name: _declare_input(writer, _picture_spec(picture, size)) for picture in kind.key}
    _copy(writer, proto, kind.cut, given, {})
    return writer


def _declare_input(writer: GraphWriter, spec: TensorSpec) -> str:
    """Declare an input, and return its values; codes are scaled to [0, 1]."""
    name = writer.input(spec.name, spec.dtype, list(spec.shape))
    if spec.dtype != "uint8":
        return name
    cast = writer.node("Cast", [name], name=name, exact=True, to=TYPES["float32"])
    return writer.node("Mul", [cast, writer.constant(1 / _CODES)], name=name, exact=True)


def _copy(
    writer: GraphWriter,
    proto: onnx.ModelProto,
    wanted: Sequence[str],
    given: Mapping[str, str],
    known: Mapping[str, tuple[int, ...]],
) -> None:
    """Copy the nodes that some of the network's tensors depend on; each tensor is named `_OWN` plus its name.

    Args:
        writer: writer to copy to.
        proto: network.
        wanted: names of the tensors to compute.
        given: names in the graph of network tensors that exist already.
        known: sizes of inputs that are absent but whose size may be read.

    Raises:
        VsanimeError: the tensors depend on something else.
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
        raise VsanimeError(f"the network's {_list(wanted)} depend on {_list(missing)}; it cannot be cut there")
    for node in reversed(kept):
        writer.copy(_rename(node, given))


def _write_size(writer: GraphWriter, node: onnx.NodeProto, shape: tuple[int, ...]) -> None:
    given = attributes(node)
    part = shape[given.get("start", 0) : given.get("end")]
    writer.weight(_OWN + node.output[0], np.array(part, np.int64))


def _rename(node: onnx.NodeProto, given: Mapping[str, str]) -> onnx.NodeProto:
    copy = onnx.NodeProto()
    copy.CopyFrom(node)
    copy.name = _OWN + (node.name or node.output[0])
    for names in (copy.input, copy.output):
        for i, name in enumerate(names):
            names[i] = given.get(name, _OWN + name) if name else ""
    return copy


def _shapes(model: onnx.ModelProto) -> dict[str, tuple[int, ...]]:
    """Return the sizes of a graph's tensors, 0 where one is unknown."""
    graph = onnx.shape_inference.infer_shapes(model, data_prop=True).graph
    return {v.name: tuple(d.dim_value for d in v.type.tensor_type.shape.dim) for v in graph.value_info}


def _picture_spec(picture: Picture, size: Size) -> TensorSpec:
    return _spec(picture.name, picture.dtype, picture.count, picture.channels, size)


def _spec(name: str, dtype: str, count: int, channels: int, size: Size) -> TensorSpec:
    return TensorSpec(name, dtype, (count, channels, size[1], size[0]))


def _shape_constant(writer: GraphWriter, shape: tuple[int, ...]) -> str:
    return writer.constant(np.array(shape), integers=True)


def _check(traits: GraphTraits) -> GraphTraits:
    if traits.any_size:
        raise VsanimeError("sizes: a network that sees the whole picture has one engine a size here; leave it out")
    return traits


def _list(names: Iterable[str]) -> str:
    return ", ".join(sorted(names)) or "nothing"
