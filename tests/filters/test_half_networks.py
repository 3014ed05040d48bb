"""Networks that compute in float16, as other programs export them: read, inspected, run by every backend, imported."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest
import vapoursynth as vs
from onnx import TensorProto, helper, numpy_helper
from onnx.reference import ReferenceEvaluator

import vsanime
from tests.support import tolerances
from tests.support.clips import clip_of, format_of, noise, planes_of
from tests.support.networks import artcnn_like
from tests.support.reference import decode, encode, run_plain
from vsanime import Backend
from vsanime.cli import main
from vsanime.graphs.inspect import inspect
from vsanime.models.onnxfile import read_onnx

HALF, BF16, DOUBLE = TensorProto.FLOAT16, TensorProto.BFLOAT16, TensorProto.DOUBLE
# Ten bits after the first, of values up to 2 in a few layers.
HALF_ARITHMETIC = 4e-3
BACKENDS = {
    "openvino": Backend.OpenVINO(precision="f32"),
    "openvino bf16": Backend.OpenVINO(precision="bf16"),
    "onnxruntime": Backend.ONNXRuntime(),
}


def in_type(proto: onnx.ModelProto, kind: int) -> onnx.ModelProto:
    """All of a network in another type, its ends too."""
    made = onnx.ModelProto()
    made.CopyFrom(proto)
    form = helper.tensor_dtype_to_np_dtype(kind)
    for tensor in made.graph.initializer:
        if tensor.data_type == TensorProto.FLOAT and "scales" not in tensor.name:
            tensor.CopyFrom(numpy_helper.from_array(numpy_helper.to_array(tensor).astype(form), tensor.name))
    for value in (*made.graph.input, *made.graph.output):
        value.type.tensor_type.elem_type = kind
    return made


def with_casts(proto: onnx.ModelProto, kind: int) -> onnx.ModelProto:
    """The inside of a network in another type, between casts at its ends, as converters leave it."""
    made = in_type(proto, kind)
    graph = made.graph
    first, last = graph.input[0].name, graph.output[0].name
    for node in graph.node:
        node.input[:] = ["half/" + name if name == first else name for name in node.input]
        node.output[:] = ["half/" + name if name == last else name for name in node.output]
    graph.node.insert(0, helper.make_node("Cast", [first], ["half/" + first], to=kind))
    graph.node.append(helper.make_node("Cast", ["half/" + last], [last], to=TensorProto.FLOAT))
    for value in (*graph.input, *graph.output):
        value.type.tensor_type.elem_type = TensorProto.FLOAT
    return made


def rounded(proto: onnx.ModelProto, kind: int) -> onnx.ModelProto:
    """The network in f32 with weights that the other type can hold."""
    made = onnx.ModelProto()
    made.CopyFrom(proto)
    form = helper.tensor_dtype_to_np_dtype(kind)
    for tensor in made.graph.initializer:
        if tensor.data_type == TensorProto.FLOAT:
            values = numpy_helper.to_array(tensor).astype(form).astype(np.float32)
            tensor.CopyFrom(numpy_helper.from_array(values, tensor.name))
    return made


def enlarging() -> onnx.ModelProto:
    """A doubler that adds an enlargement of its input."""
    proto = artcnn_like()
    graph = proto.graph
    (output,) = graph.node[-1].output
    graph.node[-1].output[0] = "grown"
    graph.initializer.append(numpy_helper.from_array(np.array([1, 1, 2, 2], np.float32), "scales"))
    graph.node.append(helper.make_node("Resize", ["input", "", "scales"], ["larger"], mode="linear"))
    graph.node.append(helper.make_node("Add", ["grown", "larger"], [output]))
    return proto


def with_island(proto: onnx.ModelProto) -> onnx.ModelProto:
    """In float16, but for `Resize`, which converters leave in f32 between two casts."""
    made = in_type(proto, HALF)
    nodes = list(made.graph.node)
    at = next(i for i, node in enumerate(nodes) if node.op_type == "Resize")
    grown = nodes[at]
    island = [
        helper.make_node("Cast", [grown.input[0]], ["wide"], to=TensorProto.FLOAT),
        helper.make_node("Resize", ["wide", *grown.input[1:]], ["wide larger"], mode="linear"),
        helper.make_node("Cast", ["wide larger"], [grown.output[0]], to=HALF),
    ]
    del made.graph.node[:]
    made.graph.node.extend([*nodes[:at], *island, *nodes[at + 1 :]])
    return made


NETS: dict[str, tuple[Callable[[], onnx.ModelProto], Callable[[onnx.ModelProto], onnx.ModelProto], int]] = {
    "float16": (artcnn_like, lambda net: in_type(net, HALF), HALF),
    "bfloat16": (artcnn_like, lambda net: in_type(net, BF16), BF16),
    "double": (artcnn_like, lambda net: in_type(net, DOUBLE), DOUBLE),
    "float16 inside": (artcnn_like, lambda net: with_casts(net, HALF), HALF),
    "bfloat16 inside": (artcnn_like, lambda net: with_casts(net, BF16), BF16),
    "swapped": (lambda: artcnn_like(seed=1, swap=True, clip_last=True), lambda net: in_type(net, HALF), HALF),
    "island": (enlarging, with_island, HALF),
}


@pytest.fixture(params=NETS)
def nets(request: pytest.FixtureRequest, tmp_path: Path) -> tuple[Path, onnx.ModelProto, onnx.ModelProto]:
    """A file, the network in it, and the same in f32 with weights as the file has them."""
    make, convert, kind = NETS[request.param]
    net = make()
    made = convert(net)
    onnx.checker.check_model(made)
    path = tmp_path / "half ö.onnx"
    path.write_bytes(made.SerializeToString())
    return path, made, rounded(net, kind)


type Given = tuple[Path, onnx.ModelProto, onnx.ModelProto]


def test_network_is_read_in_single_precision(nets: Given) -> None:
    """Without casts, so that what looks for patterns of nodes finds them."""
    path, _, wide = nets
    found = read_onnx(path)
    assert {node.op_type for node in found.graph.node} == {node.op_type for node in wide.graph.node}
    assert {value.type.tensor_type.elem_type for value in (*found.graph.input, *found.graph.output)} == {1}
    assert [value.name for value in (*found.graph.input, *found.graph.output)] == ["input", "output"]
    onnx.checker.check_model(found, full_check=True)
    facts = inspect(found)
    assert facts == inspect(wide)
    assert facts.linear_path == ("Resize" not in {node.op_type for node in found.graph.node})
    assert facts.radius is not None
    picture = np.random.default_rng(3).random((1, 1, 19, 22), np.float32)
    np.testing.assert_allclose(
        run_plain(found.SerializeToString(), picture), run_plain(wide.SerializeToString(), picture), atol=1e-6
    )


@pytest.mark.parametrize("backend", BACKENDS)
def test_filter_gives_what_the_network_gives_in_single_precision(nets: Given, backend: str) -> None:
    path, _, wide = nets
    form = format_of("GRAYS")
    frames = noise(form, 46, 34)
    up = vsanime.artcnn(clip_of(frames, form), str(path), backend=BACKENDS[backend])
    found = planes_of(up)[0]
    expected = run_plain(wide.SerializeToString(), frames[0][0][None, None])[0, 0]
    if backend == "openvino bf16":
        # Exactly what it makes of the same network stored in f32; the linear path keeps it near.
        (path.parent / "wide.onnx").write_bytes(wide.SerializeToString())
        same = vsanime.artcnn(clip_of(frames, form), path.parent / "wide.onnx", backend=BACKENDS[backend])
        assert np.array_equal(found, planes_of(same)[0])
        assert np.abs(found - expected).max() < 0.05
    else:
        assert np.abs(found - expected).max() <= tolerances.F32_REORDERED


@pytest.mark.parametrize("name", ["float16", "swapped", "island"])
def test_filter_gives_what_half_arithmetic_gives(tmp_path: Path, name: str) -> None:
    """The reference computes every node in float16, which is off by what float16 cannot hold."""
    make, convert, _ = NETS[name]
    proto = convert(make())
    (tmp_path / "half.onnx").write_bytes(proto.SerializeToString())
    form = format_of("YUV420P8")
    frames = noise(form, 30, 22)
    up = vsanime.artcnn(clip_of(frames, form), tmp_path / "half.onnx", backend=BACKENDS["openvino"])
    gray = format_of("GRAY8")
    picture = decode(frames[0][0], gray)[None, None].astype(np.float16)
    (expected,) = ReferenceEvaluator(proto).run(None, {"input": picture})
    assert expected.dtype == np.float16
    codes = encode(expected[0, 0].astype(np.float64), gray)
    assert np.abs(planes_of(up)[0].astype(int) - codes).max() <= 1
    session = onnxruntime.InferenceSession(proto.SerializeToString(), providers=["CPUExecutionProvider"])
    (other,) = session.run(None, {"input": picture})
    wide = run_plain(read_onnx(tmp_path / "half.onnx").SerializeToString(), picture)
    assert np.abs(other.astype(np.float64) - wide).max() < HALF_ARITHMETIC


def test_shipped_network_in_half_precision(tmp_path: Path) -> None:
    """A real one, tiled and whole."""
    from vsanime.models import store

    net = store.load("C4F16_VA").proto
    (tmp_path / "half.onnx").write_bytes(in_type(net, HALF).SerializeToString())
    assert inspect(read_onnx(tmp_path / "half.onnx")) == inspect(net)
    form = format_of("GRAYS")
    frames = noise(form, 70, 50)
    whole, tiled, plain = (
        planes_of(vsanime.artcnn(clip_of(frames, form), model, backend=BACKENDS["openvino"], tiles=tiles))[0]
        for model, tiles in ((tmp_path / "half.onnx", None), (tmp_path / "half.onnx", 2), ("C4F16_VA", None))
    )
    np.testing.assert_allclose(tiled, whole, atol=tolerances.F32_REORDERED)
    assert 0 < np.abs(whole - plain).max() < 0.02


def test_rgb_network_in_half_precision(tmp_path: Path) -> None:
    """As those of other upscalers are."""
    net = artcnn_like(channels=3, planes=3)
    (tmp_path / "half.onnx").write_bytes(in_type(net, HALF).SerializeToString())
    (tmp_path / "wide.onnx").write_bytes(rounded(net, HALF).SerializeToString())
    form = format_of("YUV420P10")
    frames = noise(form, 46, 34)
    half, wide = (
        planes_of(vsanime.waifu2x(clip_of(frames, form), model=tmp_path / name, backend=BACKENDS["openvino"]))
        for name in ("half.onnx", "wide.onnx")
    )
    for one, other in zip(half, wide, strict=True):
        assert np.array_equal(one, other)


def test_import_makes_single_precision(
    nets: Given, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    path, _, wide = nets
    monkeypatch.chdir(path.parent)
    assert main(["import", path.name, "-o", "single.onnx"]) == 0
    out, err = capfd.readouterr()
    assert err == ""
    facts = {line[:16].strip(): line[17:] for line in out.splitlines()}
    assert facts["recognised"] == "onnx"
    assert facts["checked"] == "ran in OpenVINO: 48x40 in, 96x80 out"
    assert "which were" in facts["network"]
    written = onnx.load("single.onnx")
    assert {tensor.data_type for tensor in written.graph.initializer} == {TensorProto.FLOAT}
    assert inspect(written) == inspect(wide)
    # What was written needs none.
    assert main(["import", "single.onnx", "-o", "again.onnx"]) == 1
    assert "ONNX files need no import" in capfd.readouterr().err


def test_networks_in_single_precision_are_left_alone(tmp_path: Path) -> None:
    """Doubles inside of them too, in which sizes may be computed."""
    net = enlarging()
    values = numpy_helper.from_array(np.array([1.0, 1.0]), "doubles")
    net.graph.initializer.append(values)
    net.graph.node.insert(0, helper.make_node("Cast", ["doubles"], ["floats"], to=TensorProto.FLOAT))
    (tmp_path / "net.onnx").write_bytes(net.SerializeToString())
    assert read_onnx(tmp_path / "net.onnx") == net


@pytest.mark.parametrize("field", ["int32_data", "raw_data"])
def test_half_values_that_are_damaged(tmp_path: Path, field: str) -> None:
    net = in_type(artcnn_like(), HALF)
    tensor = net.graph.initializer[0]
    bits = numpy_helper.to_array(tensor).view(np.uint16).ravel()[:-1]
    tensor.ClearField("raw_data")
    if field == "raw_data":
        tensor.raw_data = bits.tobytes()
    else:
        tensor.int32_data.extend(bits.tolist())
    (tmp_path / "net.onnx").write_bytes(net.SerializeToString())
    with pytest.raises(vs.Error, match=r"net\.onnx.*(holds|damaged|not a valid ONNX)"):
        vsanime.artcnn(clip_of(noise(format_of("GRAY8"), 16, 16), format_of("GRAY8")), tmp_path / "net.onnx")
