"""Reads ONNX files that are not plain: AnimeGANv2's generator as TensorFlow or PyTorch export it, and half precision.

The weights of a generator are read from its graph and written into our own graph, and the outputs of both are compared.
So there is one graph to run, to lower in precision and to test, whatever the source of the weights.
"""

from __future__ import annotations

from math import prod
from pathlib import Path

import onnx

from vsanime.architectures.animegan.reading import looks_like, to_imported, weights_of
from vsanime.architectures.base import Imported
from vsanime.errors import VsanimeError
from vsanime.models.formats.likeness import check_alike, modern
from vsanime.models.licences import read_note
from vsanime.models.onnxfile import read_precisions

NO_IMPORT = "ONNX files need no import; give the path itself as the model"

_FIRST_BYTE = b"\x08"  # tag of the IR version field
_PRECISIONS = {
    onnx.TensorProto.FLOAT16: "float16",
    onnx.TensorProto.BFLOAT16: "bfloat16",
    onnx.TensorProto.DOUBLE: "double",
}


def recognizes(head: bytes, path: Path) -> bool:
    """Return whether a file may be an ONNX."""
    return head.startswith(_FIRST_BYTE) or path.suffix.lower() == ".onnx"


def read(path: Path) -> Imported:
    """Read an ONNX that is not plain: AnimeGANv2's generator from TensorFlow or PyTorch, or half precision.

    Raises:
        VsanimeError: if the file is not valid ONNX, is plain and needs no import, or is another network.
    """
    proto, stored = read_precisions(path, external=False)
    if not looks_like(proto):
        axes = [dim.dim_value for value in proto.graph.input[:1] for dim in value.type.tensor_type.shape.dim]
        if len(axes) == 4 and axes[3] == 3:
            raise VsanimeError(
                "its channels come last, which filters do not take, and of such files only AnimeGANv2's generator is "
                "read; AnimeGAN and AnimeGANv3 are other networks"
            )
        return _plain(stored, proto)
    proto = modern(proto)
    weights = weights_of(proto)
    if weights.plain:
        return _plain(stored, proto)
    made = to_imported(weights, "as its graph says")
    check_alike(proto, made.proto)
    return made


def _plain(stored: onnx.ModelProto, proto: onnx.ModelProto) -> Imported:
    """Return a half-precision network as f32.

    Raises:
        VsanimeError: if it is f32 already.
    """
    if proto is stored:
        raise VsanimeError(NO_IMPORT)
    count = sum(prod(tensor.dims) for tensor in proto.graph.initializer if tensor.data_type == onnx.TensorProto.FLOAT)
    names = {tensor.data_type for tensor in stored.graph.initializer} - {onnx.TensorProto.FLOAT}
    kinds = [name for kind, name in _PRECISIONS.items() if kind in names]
    summary = f"plain ONNX, {count:,} values in f32, which were {' and '.join(kinds) or 'of another precision'}"
    return Imported(proto, "onnx", summary, read_note(proto))
