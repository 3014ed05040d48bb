"""Sizes of stored tensors are checked for every type; `test_store` has files that cannot be read at all."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from tests.support.networks import layers
from vsanime.errors import VsanimeError
from vsanime.models.onnxfile import read_onnx


def written(path: Path, tensor: onnx.TensorProto) -> Path:
    """A network beside whose nodes lies one more tensor."""
    proto = layers(helper.make_node("Relu", ["input"], ["output"]), channels=(1, 1))
    proto.graph.initializer.append(tensor)
    path.write_bytes(proto.SerializeToString())
    return path


@pytest.mark.parametrize(
    "dtype", [np.float32, np.float16, np.float64, np.int32, np.int64], ids=lambda dtype: np.dtype(dtype).name
)
def test_every_type_that_networks_store_is_measured(tmp_path: Path, dtype: type) -> None:
    tensor = numpy_helper.from_array(np.ones((3, 5), dtype), "w")
    read_onnx(written(tmp_path / "whole.onnx", tensor))
    held = len(tensor.raw_data)
    for data in (tensor.raw_data[:-1], tensor.raw_data + b"\0"):
        tensor.raw_data = data
        message = f"'w' holds {len(data)} bytes, its shape asks for {held}"
        with pytest.raises(VsanimeError, match=message):
            read_onnx(written(tmp_path / "other.onnx", tensor))


def test_brain_floats_have_two_bytes(tmp_path: Path) -> None:
    tensor = helper.make_tensor("w", TensorProto.BFLOAT16, [3], b"\0" * 6, raw=True)
    read_onnx(written(tmp_path / "whole.onnx", tensor))
    tensor.raw_data = b"\0" * 5
    with pytest.raises(VsanimeError, match="'w' holds 5 bytes, its shape asks for 6"):
        read_onnx(written(tmp_path / "other.onnx", tensor))


def test_numbers_that_are_listed_are_measured_as_well(tmp_path: Path) -> None:
    tensor = helper.make_tensor("w", TensorProto.FLOAT, [3], [1.0, 2.0, 3.0])
    assert tensor.float_data
    read_onnx(written(tmp_path / "whole.onnx", tensor))
    del tensor.float_data[2]
    with pytest.raises(VsanimeError, match="'w' holds 8 bytes, its shape asks for 12"):
        read_onnx(written(tmp_path / "other.onnx", tensor))


def test_tensors_inside_of_nodes_are_measured(tmp_path: Path) -> None:
    tensor = numpy_helper.from_array(np.ones(4, np.float32), "held")
    proto = layers(
        helper.make_node("Constant", [], ["c"], value=tensor), helper.make_node("Add", ["input", "c"], ["output"]),
        channels=(1, 1),
    )  # fmt: skip
    held = proto.graph.node[0].attribute[0].t
    held.raw_data = held.raw_data[:-4]
    path = tmp_path / "net.onnx"
    path.write_bytes(proto.SerializeToString())
    with pytest.raises(VsanimeError, match="'held' holds 12 bytes, its shape asks for 16"):
        read_onnx(path)
