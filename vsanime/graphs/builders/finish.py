"""Completes every planes graph with the forms that a backend requires."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import onnx

from vsanime.errors import VsanimeError
from vsanime.graphs.limits import check_sizes, infer_sizes
from vsanime.graphs.passes.byte_pairs import use_byte_pairs
from vsanime.graphs.passes.precision import lower_precision
from vsanime.graphs.writer import GraphWriter
from vsanime.spec import GraphTraits, PlanesGraph, TensorSpec


def finish_graph(
    writer: GraphWriter,
    inputs: tuple[TensorSpec, ...],
    outputs: tuple[TensorSpec, ...],
    traits: GraphTraits,
    *,
    split: bool,
    rewrite: Callable[[onnx.ModelProto], onnx.ModelProto] | None = None,
) -> PlanesGraph:
    """Return the written graph in the precision and with the input and output types that a backend wants.

    Args:
        writer: writer that holds the whole graph in f32.
        inputs: declared inputs, one tensor for each plane.
        outputs: declared outputs.
        traits: traits that the backend wants.
        split: whether the linear path was split off.
        rewrite: further pass over the graph, or None.

    Raises:
        VsanimeError: a layer is too large for this machine.
    """
    model = writer.finish("vsanime")
    if rewrite is not None:
        model = rewrite(model)
    # Checked before a runtime computes values that do not depend on the picture, or allocates memory.
    sizes = infer_sizes(model)
    check_sizes(model.graph.node, sizes, [value.name for value in model.graph.input], all_known=not traits.any_size)
    _check_outputs(model, sizes, outputs)
    if traits.body != "float32":
        model = lower_precision(model, traits.body)
    if traits.bytewise:
        model = use_byte_pairs(model)
    if traits.any_size:
        _open_sizes(model)
    return PlanesGraph(model.SerializeToString(), inputs, outputs, linear_split=split, any_size=traits.any_size)


def _check_outputs(
    model: onnx.ModelProto, sizes: Mapping[str, tuple[int, ...] | None], outputs: Sequence[TensorSpec]
) -> None:
    """Refuse a network whose output for this tile has another size than its scale says, such as one of constant sizes.

    Raises:
        VsanimeError: the sizes differ; the message shows both.
    """
    sources = {name: node.input[0] for node in model.graph.node for name in node.output if node.op_type == "Identity"}
    for spec in outputs:
        found = sizes.get(sources.get(spec.name, ""))
        if found is not None and found != spec.shape:
            given, wanted = ("x".join(map(str, shape)) for shape in (found, spec.shape))
            raise VsanimeError(
                f"the network gives {given} samples where {wanted} are needed; export it with open width and height"
            )


def _open_sizes(model: onnx.ModelProto) -> None:
    """Replace the numbers of width and height by names."""
    for value in (*model.graph.input, *model.graph.output):
        dims = value.type.tensor_type.shape.dim
        dims[2].dim_param, dims[3].dim_param = f"{value.name}_height", f"{value.name}_width"
