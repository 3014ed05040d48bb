"""Weights from any file that importers read become a torch network that computes what the file's network computes."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest

from tests.models.formats.test_round_trips import OTHERS, WAIFU2X
from tests.support import nets, writers
from tests.support.nets import Net, picture
from vsanime.architectures.artcnn.chain import read_artcnn_c
from vsanime.errors import VsanimeError
from vsanime.models.formats.shaders import glsl

torch = pytest.importorskip("torch")

from vsanime.architectures.artcnn.module import ArtCNNC, ArtCNNR, build  # noqa: E402
from vsanime.architectures.blocks import whole  # noqa: E402
from vsanime.architectures.espcn.module import ESPCN  # noqa: E402
from vsanime.architectures.export import to_onnx  # noqa: E402
from vsanime.architectures.load import from_onnx  # noqa: E402
from vsanime.architectures.waifu2x.module import VGG7, UpConv7  # noqa: E402
from vsanime.models.torchfiles import load, save  # noqa: E402

pytestmark = pytest.mark.torch

# f32 against the double precision of the reference, or another order of sums.
SAME_SUMS = 1e-5


def assert_computes(path: Path, net: Net, **options: str) -> None:
    x = picture(net.layers[0][0].shape[1])
    with torch.no_grad():
        found = whole(load(path, **options), torch.from_numpy(x)).clamp(0, 1).numpy()
    np.testing.assert_allclose(found, net.compute(x).clip(0, 1), atol=SAME_SUMS)


@pytest.mark.parametrize("kind", [*WAIFU2X, *OTHERS])
def test_state_dicts(tmp_path: Path, kind: str) -> None:
    net = (WAIFU2X | OTHERS)[kind]()
    path = tmp_path / "weights ö.safetensors"
    path.write_bytes(writers.safetensors(net.arrays()))
    assert_computes(path, net)


@pytest.mark.parametrize("kind", WAIFU2X)
def test_ncnn_and_json(tmp_path: Path, kind: str) -> None:
    net = WAIFU2X[kind]()
    assert_computes(writers.ncnn(tmp_path, net), net)
    (tmp_path / "model.json").write_text(writers.waifu2x_json(net), encoding="utf-8")
    assert_computes(tmp_path / "model.json", net)


def test_silu_is_asked_for(tmp_path: Path) -> None:
    net = nets.artcnn_r()
    net.activation = "silu"
    (tmp_path / "net.pth").write_bytes(writers.state_dict_zip(net.arrays()))
    assert_computes(tmp_path / "net.pth", net, activation="silu")


def test_mpv_shader(tmp_path: Path) -> None:
    torch.manual_seed(2)
    net = build("C4F16")
    path = tmp_path / "net.glsl"
    path.write_text(glsl.write(read_artcnn_c(to_onnx(net)), "net", [], compute=False), encoding="utf-8")
    x = torch.rand(1, 1, 9, 12)
    with torch.no_grad():
        np.testing.assert_allclose(load(path)(x), net(x), atol=SAME_SUMS)


@pytest.mark.weights
@pytest.mark.parametrize("name", ["C4F16", "C4F32", "C4F32_DS", "C4F32_Chroma", "R8F64", "R8F64_DS"])
def test_public_files(weights: Path, name: str) -> None:
    path = weights / f"ArtCNN_{name}.onnx"
    net = load(path)
    assert isinstance(net, ArtCNNC if name.startswith("C") else ArtCNNR)
    # The files at hand are of before the change to SiLU.
    assert net.activation == "relu"
    planes = net.first.in_channels
    x = np.random.default_rng(0).random((1, planes, 21, 30), np.float32)
    session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    with torch.no_grad():
        found = net(torch.from_numpy(x)).clamp(0, 1).numpy()
    np.testing.assert_allclose(found, session.run(None, {session.get_inputs()[0].name: x})[0], atol=SAME_SUMS)


def test_activation_is_read_from_the_nodes(tmp_path: Path) -> None:
    save(build("R2F8", activation="silu"), tmp_path / "net.onnx")
    assert load(tmp_path / "net.onnx").activation == "silu"


def test_another_network_is_refused_by_its_nodes(tmp_path: Path) -> None:
    proto = to_onnx(build("C2F8"))
    next(node for node in proto.graph.node if node.op_type == "Relu").op_type = "Tanh"
    onnx.save(proto, tmp_path / "net.onnx")
    with pytest.raises(VsanimeError, match=r"net\.onnx: its nodes \(.*Tanh.*\) are not those of ArtCNNC"):
        load(tmp_path / "net.onnx")


def test_network_without_convolutions_is_refused() -> None:
    proto = to_onnx(build("C2F8"))
    del proto.graph.node[:]
    with pytest.raises(VsanimeError, match="no convolutions with stored weights"):
        from_onnx(proto)


def test_shuffle_of_another_order_is_refused() -> None:
    net = nets.artcnn_r("trainner", ends=(3, 12))
    assert net.scale == 2
    proto = to_onnx(build("C2F8"))
    proto.graph.output[0].type.tensor_type.shape.dim[1].dim_value = 3
    shuffle = next(node for node in proto.graph.node if node.op_type == "DepthToSpace")
    next(a for a in shuffle.attribute if a.name == "mode").s = b"DCR"
    with pytest.raises(VsanimeError, match="order DCR"):
        from_onnx(proto)


@pytest.mark.parametrize(
    ("net", "kind", "attribute", "value"),
    [
        (build("C2F8"), "Conv", "dilations", [2, 2]),
        (build("C2F8"), "Conv", "pads", [0, 0, 0, 0]),
        (VGG7((4,) * 6), "LeakyRelu", "alpha", 0.2),
        (ESPCN((4,) * 6), "Selu", "gamma", 2.0),
        (UpConv7((4,) * 6), "ConvTranspose", "output_padding", [1, 1]),
    ],
)
def test_nodes_set_otherwise_are_refused(net: torch.nn.Module, kind: str, attribute: str, value: object) -> None:
    """Weights alone would fit."""
    proto = to_onnx(net)
    assert type(from_onnx(proto)) is type(net)
    node = next(node for node in proto.graph.node if node.op_type == kind)
    kept = [a for a in node.attribute if a.name != attribute]
    del node.attribute[:]
    node.attribute.extend([*kept, onnx.helper.make_attribute(attribute, value)])
    with pytest.raises(VsanimeError, match=rf"one of its nodes, {kind} with .*{attribute} .* is set as none of"):
        from_onnx(proto)
