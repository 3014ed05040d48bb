"""Reads and checks an ONNX file, which may be missing, cut short, of another format, or hostile."""

from __future__ import annotations

import math
from collections.abc import Iterable
from pathlib import Path, PureWindowsPath

import numpy as np
import onnx
from google.protobuf.message import DecodeError  # type: ignore[import-untyped]
from onnx import TensorProto, numpy_helper
from onnx.external_data_helper import uses_external_data

from vsanime.errors import VsanimeError, quote, quote_path
from vsanime.graphs.limits import check_settings, check_structure, explain, guard, stored_tensors
from vsanime.graphs.passes.flatten import flatten
from vsanime.models.advice import import_command
from vsanime.models.filekinds import HEAD_BYTES, describe, describe_unknown
from vsanime.models.halves import to_single, widen

# The largest network known to run in a filter has 19 million weights, 75 MB.
MAX_BYTES = 256 << 20
# First byte of every ONNX file: the tag of ModelProto's field 1, the IR version, a variable-length integer.
_IR_VERSION_TAG = b"\x08"
# Data type: bytes per value, and the field that holds values which are not in raw_data.
_STORED: dict[int, tuple[int, str]] = {
    TensorProto.FLOAT: (4, "float_data"),
    TensorProto.FLOAT16: (2, "int32_data"),
    TensorProto.BFLOAT16: (2, "int32_data"),
    TensorProto.DOUBLE: (8, "double_data"),
    TensorProto.BOOL: (1, "int32_data"),
    TensorProto.INT8: (1, "int32_data"),
    TensorProto.INT16: (2, "int32_data"),
    TensorProto.INT32: (4, "int32_data"),
    TensorProto.INT64: (8, "int64_data"),
    TensorProto.UINT8: (1, "int32_data"),
    TensorProto.UINT16: (2, "int32_data"),
    TensorProto.UINT32: (4, "uint64_data"),
    TensorProto.UINT64: (8, "uint64_data"),
}
_FLOATS = (TensorProto.FLOAT, TensorProto.FLOAT16, TensorProto.BFLOAT16, TensorProto.DOUBLE)
# Operators whose inputs after the first are trained weights; other constants may be infinite, as bounds are.
_WEIGHTED = {"Conv", "ConvTranspose", "Gemm", "MatMul", "PRelu", "BatchNormalization", "InstanceNormalization"}
# No operating system accepts longer paths.
_MAX_LOCATION = 4_096


def read_onnx(path: Path, *, external: bool = True) -> onnx.ModelProto:
    """Read and check an ONNX file; return it in f32, including its inputs and outputs.

    Args:
        path: ONNX file.
        external: whether weights may be stored in files beside it, which are then read in.

    Raises:
        VsanimeError: as in `read_precisions`.
    """
    return read_precisions(path, external=external)[0]


def read_precisions(path: Path, *, external: bool = True) -> tuple[onnx.ModelProto, onnx.ModelProto]:
    """Read and check an ONNX file, inline its local functions, and resolve branches whose condition is constant.

    Args:
        path: ONNX file.
        external: whether weights may be stored in files beside it, which are then read in.

    Returns:
        The network in f32 from input to output, and the network in the precision in which the file computes; the same
        object twice if that is f32. Weights that are merely stored as float16 are f32 in both.

    Raises:
        VsanimeError: if the file is missing, a folder, empty, cut short, not valid ONNX, larger or deeper than networks
            are, or has weights outside its folder or values that are not finite.
    """
    proto = _parse(path, _contents(path))
    try:
        with guard("it is damaged"):
            computing = widen(_check(path, proto, external=external))
            _check_finite(path, computing)
            return to_single(computing), computing
    except VsanimeError as error:
        message = str(error)
        raise VsanimeError(message if message.startswith(str(path)) else f"{path}: {message}") from None


def _check(path: Path, proto: onnx.ModelProto, *, external: bool) -> onnx.ModelProto:
    check_structure(proto)
    tensors = [t for graph in (proto.graph, *proto.functions) for t in stored_tensors(graph)]
    outside = [tensor for tensor in tensors if uses_external_data(tensor)]
    if outside and not external:
        raise VsanimeError(f"{path} keeps its weights in another file; models with a name are one file")
    _read_external(path, outside, MAX_BYTES - proto.ByteSize())
    for tensor in tensors:
        _check_stored(path, tensor)
    try:
        onnx.checker.check_model(proto)
    except (onnx.checker.ValidationError, ValueError) as error:
        raise VsanimeError(f"{path} is not a valid ONNX: {explain(error)}") from None
    proto = flatten(proto)
    check_settings(proto)
    return proto


def _contents(path: Path) -> bytes:
    name = quote_path(path)
    try:
        if path.is_dir():
            raise VsanimeError(f"{name} is a folder; give the path of an .onnx file in it")
        if not path.exists():
            raise VsanimeError(f"{name} does not exist; give an existing path, or a model's name without .onnx")
        if not path.is_file():
            raise VsanimeError(f"{name} is not a regular file; give the path of an .onnx file")
        size = path.stat().st_size
        with path.open("rb") as file:
            # Not more than the file's size, because read allocates a buffer of the requested size.
            data = file.read(size) if size <= MAX_BYTES else None
    except OSError as error:
        raise VsanimeError(f"{name} cannot be read: {error.strerror or error}") from None
    if data is None:
        raise VsanimeError(f"{name} is larger than the {MAX_BYTES >> 20} MiB that a network may have")
    if not data:
        raise VsanimeError(f"{name} is empty; an ONNX file is needed, download it again")
    return data


def _parse(path: Path, data: bytes) -> onnx.ModelProto:
    proto = onnx.ModelProto()
    try:
        proto.ParseFromString(data)
    except DecodeError:
        _refuse_other(path, data)
        # A safetensors header length may begin with the same byte, but a brace follows it at offset 8.
        if data.startswith(_IR_VERSION_TAG) and data[8:9] != b"{":
            raise VsanimeError(f"{path} is damaged or cut short ({len(data)} bytes); get it again") from None
        raise VsanimeError(f"{path} is not an ONNX file; {import_command(path)} makes one of other formats") from None
    if not proto.ir_version or not proto.graph.node:
        _refuse_other(path, data)
        raise VsanimeError(f"{path} is not an ONNX file, or is cut short: it holds no network")
    return proto


def _read_external(path: Path, tensors: Iterable[TensorProto], allowed: int) -> None:
    """Read weights stored beside the file, from its folder only and `allowed` bytes at most.

    Only the bytes that a tensor's shape requires are read, however long the file is.
    """
    for tensor in tensors:
        try:
            target, offset = _locate_external(path, tensor)
            wanted = _stored_bytes(path, tensor)
            allowed -= wanted
            if allowed < 0:
                raise VsanimeError(
                    f"{path} and the weights beside it are larger than the {MAX_BYTES >> 20} MiB that a network may "
                    "have"
                )
            with target.open("rb") as file:
                file.seek(offset)
                data = file.read(wanted)
        except (OSError, ValueError) as error:
            raise VsanimeError(f"{path}: its weights beside it cannot be read: {explain(error)}") from None
        tensor.raw_data = data
        tensor.data_location = TensorProto.DEFAULT
        del tensor.external_data[:]


def _refuse_other(path: Path, data: bytes) -> None:
    """Raise an error that names the kind of file, if it is recognized.

    Raises:
        VsanimeError: if the data are of another known kind.
    """
    if not data.startswith(_IR_VERSION_TAG) and (kind := describe_unknown(data[:HEAD_BYTES])):
        raise VsanimeError(f"{path} is not an ONNX file: it {kind}")


def _locate_external(path: Path, tensor: TensorProto) -> tuple[Path, int]:
    """Return the file that holds a tensor's values, and their offset in bytes."""
    given = {entry.key: entry.value for entry in tensor.external_data}
    location = given.get("location", "")
    shown = quote(location)
    # Windows rules are stricter: they include drives and backslashes.
    parts = PureWindowsPath(location)
    folder = path.resolve().parent
    outside = not location or len(location) > _MAX_LOCATION or parts.anchor or ".." in parts.parts
    target = folder if outside else (folder / location).resolve()
    if outside or not target.is_relative_to(folder):
        raise VsanimeError(f"{path}: refused to read weights from {shown}, outside the folder of the ONNX file")
    if not target.is_file():
        raise VsanimeError(f"{path}: the file {shown} with its weights is not beside it")
    name = quote(tensor.name)
    try:
        offset, length = int(given.get("offset", 0)), int(given.get("length", 0))
    except ValueError:
        raise VsanimeError(f"{path}: {name} has no readable place in {shown}") from None
    size, wanted = target.stat().st_size, _stored_bytes(path, tensor)
    held = length or size - offset
    beyond = offset < 0 or length < 0 or offset + length > size
    if beyond or held != wanted:
        # Raw weights may begin with any bytes, so that only a file of the wrong size is examined.
        with target.open("rb") as file:
            kind = describe(file.read(HEAD_BYTES))
        if kind:
            raise VsanimeError(f"{path}: the file {shown} with its weights {kind}")
    if beyond:
        raise VsanimeError(f"{path}: {name} lies beyond the {size} bytes of {shown}")
    if held != wanted:
        raise VsanimeError(f"{path}: {name} holds {held} bytes, its shape asks for {wanted}")
    return target, offset


def _stored_bytes(path: Path, tensor: TensorProto) -> int:
    """Return the number of bytes that a tensor's shape and type require."""
    if tensor.data_type not in _STORED:
        known = tensor.data_type in TensorProto.DataType.values()
        kind = TensorProto.DataType.Name(tensor.data_type).lower() if known else f"type {tensor.data_type}"
        raise VsanimeError(
            f"{path}: {quote(tensor.name)} is stored as {kind}, which networks of pictures are not; floats and whole "
            "numbers of 8 bits and more are read"
        )
    return _STORED[tensor.data_type][0] * int(math.prod(tensor.dims))


def _check_stored(path: Path, tensor: TensorProto) -> None:
    """Check that a tensor has as many bytes as its shape requires; onnx.checker does not, and runtimes crash."""
    wanted = _stored_bytes(path, tensor)
    item, field = _STORED[tensor.data_type]
    raw = tensor.HasField("raw_data")
    held = len(tensor.raw_data) if raw else len(getattr(tensor, field)) * item
    if held != wanted or tensor.HasField("segment"):
        raise VsanimeError(f"{path}: {quote(tensor.name)} holds {held} bytes, its shape asks for {wanted}")


def _check_finite(path: Path, proto: onnx.ModelProto) -> None:
    """Check that weights are finite; a single infinite value is accepted, since it may be a bound, as of Clip."""
    trained = {name for node in proto.graph.node if node.op_type in _WEIGHTED for name in node.input[1:]}
    named = [(tensor.name, tensor) for tensor in proto.graph.initializer]
    for node in proto.graph.node:
        named += [(name, a.t) for name in node.output[:1] for a in node.attribute if a.HasField("t")]
    for name, tensor in named:
        if tensor.data_type not in _FLOATS:
            continue
        values = numpy_helper.to_array(tensor)
        if np.isfinite(values).all():
            continue
        if values.size > 1 or name in trained or np.isnan(values).any():
            raise VsanimeError(f"{path}: {quote(name)} holds infinities or NaN; its weights are damaged, get it again")
