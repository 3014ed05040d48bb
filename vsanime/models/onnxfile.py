"""Reading an ONNX file that may be missing, cut short, something else, or hostile."""

from __future__ import annotations

import math
from collections.abc import Iterator
from pathlib import Path, PureWindowsPath

import onnx
from google.protobuf.message import DecodeError  # type: ignore[import-untyped]
from onnx.external_data_helper import load_external_data_for_model, uses_external_data

from vsanime.errors import VsanimeError
from vsanime.models.halves import widened

# Every ONNX starts with this: field 1 of ModelProto, the IR version, as a variable-length integer.
_IR_VERSION_TAG = b"\x08"
# Bytes of one value, for the types that a picture network stores.
_ITEM_BYTES: dict[int, int] = {
    onnx.TensorProto.FLOAT: 4,
    onnx.TensorProto.FLOAT16: 2,
    onnx.TensorProto.BFLOAT16: 2,
    onnx.TensorProto.DOUBLE: 8,
    onnx.TensorProto.INT32: 4,
    onnx.TensorProto.INT64: 8,
}


def read_onnx(path: Path, *, external: bool = True) -> onnx.ModelProto:
    """Reads and checks an ONNX file.

    Weights that the file stores as float16 and casts to f32 come as f32.

    Args:
        path: the file.
        external: whether weights may be kept in files beside it; they are read in.

    Raises:
        VsanimeError: missing, a folder, empty, cut short, not ONNX, not valid ONNX, or with weights outside its folder.
    """
    proto = _parse(path, _contents(path))
    tensors = [*_tensors(proto.graph), *(t for function in proto.functions for t in _tensors(function))]
    if any(uses_external_data(tensor) for tensor in tensors):
        if not external:
            raise VsanimeError(f"{path} keeps its weights in another file; models with a name are one file")
        _read_external(path, proto, tensors)
    for tensor in tensors:
        _check_size(path, tensor)
    try:
        onnx.checker.check_model(proto)
    except (onnx.checker.ValidationError, ValueError) as error:
        raise VsanimeError(f"{path} is not a valid ONNX: {str(error).strip().splitlines()[0]}") from None
    return widened(proto)


def _contents(path: Path) -> bytes:
    try:
        if path.is_dir():
            raise VsanimeError(f"{path} is a folder; give the path of an .onnx file in it")
        if not path.exists():
            raise VsanimeError(f"{path} does not exist; give an existing path, or a model's name without .onnx")
        if not path.is_file():
            raise VsanimeError(f"{path} is not a regular file; give the path of an .onnx file")
        data = path.read_bytes()
    except OSError as error:
        raise VsanimeError(f"{path} cannot be read: {error.strerror or error}") from None
    if not data:
        raise VsanimeError(f"{path} is empty; an ONNX file is needed")
    return data


def _parse(path: Path, data: bytes) -> onnx.ModelProto:
    proto = onnx.ModelProto()
    try:
        proto.ParseFromString(data)
    except DecodeError:
        if data.startswith(_IR_VERSION_TAG):
            raise VsanimeError(f"{path} is damaged or cut short ({len(data)} bytes); get it again") from None
        raise VsanimeError(f"{path} is not an ONNX file; `vsanime import` makes one of other formats") from None
    if not proto.ir_version or not proto.graph.node:
        raise VsanimeError(f"{path} is not an ONNX file, or is cut short: it holds no network")
    return proto


def _tensors(graph: onnx.GraphProto | onnx.FunctionProto) -> Iterator[onnx.TensorProto]:
    """Every tensor stored in a graph, those of the graphs inside its nodes included."""
    if isinstance(graph, onnx.GraphProto):
        yield from graph.initializer
        for sparse in graph.sparse_initializer:
            yield from (sparse.values, sparse.indices)
    for attribute in (attribute for node in graph.node for attribute in node.attribute):
        yield from (attribute.t, *attribute.tensors)
        for sparse in (attribute.sparse_tensor, *attribute.sparse_tensors):
            yield from (sparse.values, sparse.indices)
        for inner in (attribute.g, *attribute.graphs):
            yield from _tensors(inner)


def _read_external(path: Path, proto: onnx.ModelProto, tensors: list[onnx.TensorProto]) -> None:
    """Loads weights kept beside the file, after making sure that they are nowhere else."""
    try:
        for tensor in tensors:
            if uses_external_data(tensor):
                _check_external(path, tensor)
        load_external_data_for_model(proto, str(path.parent))
    except (OSError, ValueError, onnx.checker.ValidationError) as error:
        raise VsanimeError(f"{path}: its weights beside it cannot be read: {error}") from None
    if any(uses_external_data(tensor) for tensor in tensors):
        raise VsanimeError(f"{path}: sparse weights beside the file are not supported; save them inside it")


def _check_external(path: Path, tensor: onnx.TensorProto) -> None:
    given = {entry.key: entry.value for entry in tensor.external_data}
    location = given.get("location", "")
    # Windows rules are the stricter ones: they know drives and backslashes as well.
    parts = PureWindowsPath(location)
    folder = path.resolve().parent
    target = (folder / location).resolve()
    if not location or parts.anchor or ".." in parts.parts or not target.is_relative_to(folder):
        raise VsanimeError(f"{path}: refused to read weights from {location!r}, outside the folder of the ONNX file")
    if not target.is_file():
        raise VsanimeError(f"{path}: the file {location!r} with its weights is not beside it")
    try:
        offset, length = int(given.get("offset", 0)), int(given.get("length", 0))
    except ValueError:
        raise VsanimeError(f"{path}: {tensor.name} has no readable place in {location!r}") from None
    size = target.stat().st_size
    if offset < 0 or length < 0 or offset + length > size:
        raise VsanimeError(f"{path}: {tensor.name} lies beyond the {size} bytes of {location!r}")


def _check_size(path: Path, tensor: onnx.TensorProto) -> None:
    """Data of the length that the shape asks for; onnx.checker leaves that to the runtimes, which crash on it."""
    item = _ITEM_BYTES.get(tensor.data_type)
    if item is None or not (tensor.HasField("raw_data") or tensor.float_data):
        return
    held = len(tensor.raw_data) if tensor.HasField("raw_data") else len(tensor.float_data) * item
    wanted = item * math.prod(tensor.dims)
    if held != wanted:
        raise VsanimeError(f"{path}: {tensor.name} holds {held} bytes, its shape asks for {wanted}")
