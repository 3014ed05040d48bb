"""Weights stored as float16: half the bytes, the same network."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest
from onnx import TensorProto, numpy_helper

from tests.support.chains import assert_same_weights, random_net
from vsanime.errors import VsanimeError
from vsanime.models.halves import halve, widen
from vsanime.models.onnxfile import read_onnx


def test_file_takes_half_the_bytes_and_runs_anywhere() -> None:
    net = random_net(32, 3)
    stored = halve(net)
    onnx.checker.check_model(stored, full_check=True)
    assert stored.ByteSize() < 0.55 * net.ByteSize()
    picture = np.random.default_rng(1).random((1, 1, 24, 24), dtype=np.float32)
    # A weight of 11 bits is off by 1/4096 at most; four layers' sums of random signs stay well below one in a thousand.
    assert np.abs(_run(stored, picture) - _run(net, picture)).max() < 1e-3


def test_what_is_read_has_f32_weights_and_computes_the_same(tmp_path: Path) -> None:
    stored = halve(random_net(32, 3))
    path = tmp_path / "half.onnx"
    path.write_bytes(stored.SerializeToString())
    found = read_onnx(path)
    assert "Cast" not in {node.op_type for node in found.graph.node}
    assert {t.data_type for t in found.graph.initializer} & {TensorProto.FLOAT16} == set()
    picture = np.random.default_rng(2).random((1, 1, 24, 24), dtype=np.float32)
    np.testing.assert_array_equal(_run(found, picture), _run(stored, picture))


def test_weights_come_back_rounded_once_and_in_order() -> None:
    net = random_net(32, 3)
    rounded = onnx.ModelProto()
    rounded.CopyFrom(net)
    for tensor in rounded.graph.initializer:
        values = numpy_helper.to_array(tensor)
        if values.dtype == np.float32 and values.size >= 64:
            tensor.CopyFrom(numpy_helper.from_array(values.astype(np.float16).astype(np.float32), tensor.name))
    assert_same_weights(widen(halve(net)), rounded)


def test_network_without_stored_halves_is_left_alone() -> None:
    net = random_net()
    assert widen(net) is net


def test_weight_beyond_float16_is_refused() -> None:
    net = random_net(32, 3)
    large = next(t for t in net.graph.initializer if np.prod(t.dims) >= 64)
    values = numpy_helper.to_array(large).copy()
    values.flat[0] = 70_000
    large.CopyFrom(numpy_helper.from_array(values, large.name))
    with pytest.raises(VsanimeError, match=f"{large.name} holds a value beyond float16"):
        halve(net)


def _run(proto: onnx.ModelProto, picture: np.ndarray) -> np.ndarray:
    session = onnxruntime.InferenceSession(proto.SerializeToString(), providers=["CPUExecutionProvider"])
    (result,) = session.run(None, {session.get_inputs()[0].name: picture})
    return np.asarray(result)
