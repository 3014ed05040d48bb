"""Hostile, damaged and huge ONNX files: one line each, and no more bytes read than a network may have."""

from __future__ import annotations

import os
import sys
import time
import tracemalloc
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from vsanime.errors import VsanimeError
from vsanime.models import onnxfile
from vsanime.models.onnxfile import MAX_BYTES, read_onnx
from vsanime.models.store import file_digest, load

MOST_MEMORY = 64 << 20
SIDE = np.random.default_rng(0).random((4, 1, 3, 3)).astype(np.float32)


def network(weight: TensorProto) -> onnx.ModelProto:
    nodes = [
        helper.make_node("Conv", ["x", "w"], ["c"], pads=[1] * 4),
        helper.make_node("DepthToSpace", ["c"], ["y"], blocksize=2),
    ]
    picture = [helper.make_tensor_value_info(n, TensorProto.FLOAT, [1, 1, None, None]) for n in "xy"]
    graph = helper.make_graph(nodes, "net", picture[:1], picture[1:], [weight])
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)


def written(path: Path, proto: onnx.ModelProto) -> Path:
    path.write_bytes(proto.SerializeToString())
    return path


def beside(folder: Path, **place: object) -> Path:
    """A network whose weight is said to lie somewhere."""
    weight = TensorProto(name="w", data_type=TensorProto.FLOAT, dims=SIDE.shape, data_location=TensorProto.EXTERNAL)
    for key, value in place.items():
        weight.external_data.add(key=key, value=str(value))
    return written(folder / "net.onnx", network(weight))


def refused(path: Path, message: str) -> None:
    started = time.process_time()
    tracemalloc.start()
    try:
        with pytest.raises(VsanimeError, match=message) as error:
            read_onnx(path)
        assert tracemalloc.get_traced_memory()[1] < MOST_MEMORY
    finally:
        tracemalloc.stop()
    assert str(error.value).startswith(str(path))
    assert str(error.value).isprintable()
    assert len(str(error.value)) < 1000
    assert time.process_time() - started < 2


def test_a_sparse_file_is_not_read_whole(tmp_path: Path) -> None:
    with (tmp_path / "net.onnx").open("wb") as file:
        file.write(b"\x08\x08")
        file.truncate(20 << 30)
    refused(tmp_path / "net.onnx", "is larger than the 256 MiB")


@pytest.mark.parametrize(
    ("place", "message"),
    [
        ({}, "holds 21474836480 bytes, its shape asks for 144"),
        ({"length": 20 << 30}, "holds 21474836480 bytes"),
        ({"offset": 1 << 40}, "lies beyond the 21474836480 bytes"),
        ({"offset": "9" * 5000}, "no readable place"),
    ],
)
def test_sparse_external_data_is_not_read_whole(tmp_path: Path, place: dict[str, object], message: str) -> None:
    with (tmp_path / "w.bin").open("wb") as file:
        file.truncate(20 << 30)
    refused(beside(tmp_path, location="w.bin", **place), message)


def test_external_data_is_read_as_far_as_the_shape_asks(tmp_path: Path) -> None:
    with (tmp_path / "w.bin").open("wb") as file:
        file.seek(16)
        file.write(SIDE.tobytes())
        file.truncate(20 << 30)
    proto = read_onnx(beside(tmp_path, location="w.bin", offset=16, length=144))
    np.testing.assert_array_equal(numpy_helper.to_array(proto.graph.initializer[0]), SIDE)


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no such files")
def test_no_digest_is_taken_of_what_is_no_file_of_weights(tmp_path: Path) -> None:
    """`vsanime models show` prints one before it reads the network."""
    with (tmp_path / "net.onnx").open("wb") as file:
        file.truncate(20 << 30)
    with pytest.raises(VsanimeError, match="is larger than the 256 MiB"):
        file_digest(tmp_path / "net.onnx")
    os.mkfifo(tmp_path / "pipe.onnx")
    with pytest.raises(VsanimeError, match="is not a regular file"):
        file_digest(tmp_path / "pipe.onnx")


def test_external_data_of_many_tensors_is_counted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A file may be read for one tensor after another: what is capped is their sum."""
    monkeypatch.setattr(onnxfile, "MAX_BYTES", 10_000)
    (tmp_path / "w.bin").write_bytes(bytes(144))
    path = beside(tmp_path, location="w.bin")
    proto = onnx.load(path, load_external_data=False)
    for i in range(100):
        copy = proto.graph.initializer.add()
        copy.CopyFrom(proto.graph.initializer[0])
        copy.name = f"k{i}"
    refused(written(path, proto), "and the weights beside it are larger than")


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no such files")
@pytest.mark.parametrize("where", ["net.onnx", "w.bin"])
def test_pipes_and_devices_are_not_read(tmp_path: Path, where: str) -> None:
    path = beside(tmp_path, location="w.bin") if where == "w.bin" else tmp_path / where
    os.mkfifo(tmp_path / where)
    refused(path, "is not a regular file|is not beside it")
    (tmp_path / where).unlink()
    (tmp_path / where).symlink_to("/dev/zero")
    refused(path, "is not a regular file|outside the folder")


@pytest.mark.parametrize("location", ["w" * 10**5, "\x1b[2J", "a\nb"])
def test_strange_locations_are_shown_short(tmp_path: Path, location: str) -> None:
    refused(beside(tmp_path, location=location), "outside the folder|is not beside it|cannot be read")


WEIGHTS = {
    "NaN": (numpy_helper.from_array(np.full((4, 1, 3, 3), np.nan, np.float32), "w"), "'w' holds infinities or NaN"),
    "infinity": (numpy_helper.from_array(np.full((4, 1, 3, 3), np.inf, np.float32), "w"), "'w' holds infinities"),
    "text": (helper.make_tensor("w", TensorProto.STRING, [4], [b"a"] * 4), "'w' is stored as string"),
    "4 bits": (helper.make_tensor("w", TensorProto.INT4, [4], [1] * 4), "'w' is stored as int4"),
    "unknown type": (TensorProto(name="w", data_type=99, dims=[4], raw_data=b"1234"), "'w' is stored as type 99"),
    "no type": (TensorProto(name="w", dims=[4], raw_data=b"1234"), "'w' is stored as undefined"),
    "no values": (TensorProto(name="w", data_type=1, dims=[2**40, 2**20]), "'w' holds 0 bytes, its shape asks for"),
    "negative": (TensorProto(name="w", data_type=1, dims=[-1, 1], raw_data=b"1234"), r"'w' has the shape \[-1, 1\]"),
    "a million axes": (TensorProto(name="w", data_type=1, dims=[1] * 10**6, raw_data=b"1234"), "'w' has the shape"),
    "short bytes": (TensorProto(name="w", data_type=2, dims=[4, 1, 3, 3], int32_data=[1]), "'w' holds 1 bytes"),
    "a segment": (
        TensorProto(name="w", data_type=1, dims=[1], raw_data=b"1234", segment=TensorProto.Segment(begin=0, end=9)),
        "'w' holds",
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", WEIGHTS)
def test_weights_that_are_none_are_refused(tmp_path: Path, name: str) -> None:
    weight, message = WEIGHTS[name]
    refused(written(tmp_path / "net.onnx", network(weight)), message)


def test_weights_in_a_constant_have_to_be_finite(tmp_path: Path) -> None:
    proto = network(numpy_helper.from_array(SIDE, "w"))
    bad = numpy_helper.from_array(np.full((4, 1, 3, 3), np.nan, np.float32))
    proto.graph.node.insert(0, helper.make_node("Constant", [], ["w"], value=bad))
    del proto.graph.initializer[:]
    refused(written(tmp_path / "net.onnx", proto), "'w' holds infinities or NaN")


def test_a_bound_may_be_infinite(tmp_path: Path) -> None:
    proto = network(numpy_helper.from_array(SIDE, "w"))
    proto.graph.initializer.append(numpy_helper.from_array(np.float32(-np.inf), "low"))
    proto.graph.node.append(helper.make_node("Clip", ["y", "low"], ["z"]))
    proto.graph.output[0].name = "z"
    assert load(written(tmp_path / "net.onnx", proto)).proto.graph.node


def test_sparse_weights_are_refused(tmp_path: Path) -> None:
    proto = network(numpy_helper.from_array(SIDE, "w"))
    sparse = proto.graph.sparse_initializer.add(dims=[10**10])
    sparse.values.CopyFrom(numpy_helper.from_array(np.ones(1, np.float32), "s"))
    sparse.indices.CopyFrom(numpy_helper.from_array(np.zeros(1, np.int64), "i"))
    refused(written(tmp_path / "net.onnx", proto), "sparse weights, which are not supported")


def test_the_largest_known_networks_are_far_below_the_limit() -> None:
    assert MAX_BYTES >= 3 * 75_000_000
