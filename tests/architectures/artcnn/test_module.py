"""ArtCNN networks have the published number of weights, and their ONNX computes what torch computes."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest

from vsanime.errors import VsanimeError

torch = pytest.importorskip("torch")
artcnn = pytest.importorskip("vsanime.architectures.artcnn.module")

from vsanime.architectures import export  # noqa: E402
from vsanime.models import torchfiles  # noqa: E402

pytestmark = pytest.mark.torch

# torch and ONNX Runtime take the same f32 sums in other orders; up to 50 convolutions follow one another.
EXPORT_DIFFERENCE = 1e-5

WEIGHTS = {
    "C4F16": 12_340,
    "C4F32": 47_716,
    "C16F64": 630_724,
    "R8F64": 926_148,
    "R16F96": 4_073_380,
    "C4F32_Chroma": 47_714,
    "R8F64_Chroma": 926_146,
}


def run_onnx(model: onnx.ModelProto, x: np.ndarray) -> np.ndarray:
    session = onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    (result,) = session.run(["output"], {"input": x})
    return np.asarray(result)


def load_onnx_weights(net: torch.nn.Module, model: onnx.ModelProto) -> None:
    """Copy the convolutions of a C net's ONNX, in the order of the graph, into the module."""
    tensors = {t.name: torch.tensor(onnx.numpy_helper.to_array(t)) for t in model.graph.initializer}
    convs = [node for node in model.graph.node if node.op_type == "Conv"]
    modules = [net.first, *net.inner_convs, net.inner_last, net.last]
    assert len(convs) == len(modules)
    for node, module in zip(convs, modules, strict=True):
        module.load_state_dict({"weight": tensors[node.input[1]], "bias": tensors[node.input[2]]})


@pytest.mark.parametrize("name", WEIGHTS)
def test_number_of_weights(name: str) -> None:
    assert sum(p.numel() for p in artcnn.build(name).parameters()) == WEIGHTS[name]


def test_suffix_does_not_change_the_network() -> None:
    plain, denoise = (artcnn.build(name).state_dict() for name in ("R8F64", "R8F64_DS"))
    assert {k: v.shape for k, v in plain.items()} == {k: v.shape for k, v in denoise.items()}


@pytest.mark.parametrize("activation", ["relu", "silu"])
@pytest.mark.parametrize("name", ["C4F16", "R8F64", "C4F32_Chroma"])
def test_onnx_equals_torch(name: str, activation: str) -> None:
    torch.manual_seed(3)
    net = artcnn.build(name, activation=activation)
    planes = net.first.in_channels
    model = export.to_onnx(net)
    for height, width in ((1, 1), (7, 5), (33, 64)):  # height and width are free: one model takes all
        x = np.random.default_rng(height).random((1, planes, height, width), np.float32)
        with torch.no_grad():
            expected = net(torch.from_numpy(x)).clamp(0, 1).numpy()
        result = run_onnx(model, x)
        assert result.shape == (1, expected.shape[1], net.scale * height, net.scale * width)
        assert np.abs(result - expected).max() <= EXPORT_DIFFERENCE


def test_output_is_clipped_only_in_the_onnx() -> None:
    net = artcnn.build("C4F16")
    with torch.no_grad():
        net.last.bias.fill_(3.0)
        x = torch.rand(1, 1, 8, 8)
        assert net(x).max() > 1
    assert run_onnx(export.to_onnx(net), x.numpy()).max() == 1


def test_nodes_are_those_of_the_plain_format() -> None:
    c, r, silu = (
        Counter(node.op_type for node in export.to_onnx(net).graph.node)
        for net in (artcnn.build("C4F16"), artcnn.build("R8F64"), artcnn.build("R8F64", activation="silu"))
    )
    assert c == {"Conv": 7, "Relu": 4, "Add": 1, "Clip": 1, "DepthToSpace": 1}
    assert r == {"Conv": 27, "Relu": 16, "Add": 9, "Clip": 1, "DepthToSpace": 1}
    assert silu == {"Conv": 27, "Sigmoid": 16, "Mul": 16, "Add": 9, "Clip": 1, "DepthToSpace": 1}


def test_first_convolution_meets_the_last_without_activation() -> None:
    graph = export.to_onnx(artcnn.build("C4F16")).graph
    add = next(node for node in graph.node if node.op_type == "Add")
    maker = {node.output[0]: node for node in graph.node}
    assert maker[add.input[1]].input[0] == "input"
    assert maker[graph.node[-1].input[0]].op_type == "Clip"
    assert graph.node[-1].op_type == "DepthToSpace"


def test_limits_of_the_clip_are_scalars() -> None:
    graph = export.to_onnx(artcnn.build("C4F16")).graph
    tensors = {t.name: t for t in graph.initializer}
    (clip,) = (node for node in graph.node if node.op_type == "Clip")
    limits = [onnx.numpy_helper.to_array(tensors[name]) for name in clip.input[1:]]
    assert [(limit.shape, float(limit)) for limit in limits] == [((), 0.0), ((), 1.0)]


def test_batch_is_one_and_size_is_free() -> None:
    model = export.to_onnx(artcnn.build("C4F16"))
    dims = model.graph.input[0].type.tensor_type.shape.dim
    assert [d.dim_value or d.dim_param for d in dims] == [1, 1, "height", "width"]
    assert [entry.version for entry in model.opset_import] == [17]


@pytest.mark.weights
def test_public_weights_give_the_same_picture_in_torch(weights: Path) -> None:
    """Ours is the published network: its weights fit, and the export has the published file's nodes in its order."""
    public = onnx.load(weights / "ArtCNN_C4F16.onnx")
    net = artcnn.build("C4F16")
    load_onnx_weights(net, public)
    x = np.random.default_rng(0).random((1, 1, 40, 24), np.float32)
    with torch.no_grad():
        result = net(torch.from_numpy(x)).clamp(0, 1).numpy()
    assert np.abs(result - run_onnx(public, x)).max() <= EXPORT_DIFFERENCE
    ours = export.to_onnx(net)
    assert [node.op_type for node in ours.graph.node] == [node.op_type for node in public.graph.node]


def test_file_is_written_into_a_new_folder_with_a_difficult_name(tmp_path: Path) -> None:
    path = tmp_path / "Gewichte für Zeichentrick" / "net.onnx"
    torchfiles.save(artcnn.build("C4F16"), path)
    onnx.checker.check_model(onnx.load(path))


def test_unwritable_place_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(VsanimeError, match=r"cannot write .*net\.onnx"):
        torchfiles.save(artcnn.build("C4F16"), tmp_path / "file" / "net.onnx")


@pytest.mark.parametrize("name", ["C4", "X4F16", "R8F64_JPEG420", "", "c4f16"])
def test_unknown_name_is_refused(name: str) -> None:
    with pytest.raises(VsanimeError, match="no luma or chroma variant is called"):
        artcnn.build(name)


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"activation": "gelu"}, "one of relu, silu, not 'gelu'"),
        ({"scale": 3}, "scale is 1 or 2, not 3"),
        ({"out_planes": 3}, "as many planes out as in, not 3 from 1"),
        ({"filters": 0}, "at least 1, not 0"),
    ],
)
def test_wrong_argument_is_refused(wrong: dict[str, object], message: str) -> None:
    with pytest.raises(VsanimeError, match=message):
        artcnn.ArtCNNC(**wrong)
