"""Every network has the specified number of weights and reach, and its ONNX computes what torch computes."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import onnxruntime
import pytest

from vsanime.errors import VsanimeError
from vsanime.graphs.inspect import inspect

torch = pytest.importorskip("torch")

from vsanime.architectures.artcnn.module import build  # noqa: E402
from vsanime.architectures.blocks import whole  # noqa: E402
from vsanime.architectures.drrn.module import DRRN  # noqa: E402
from vsanime.architectures.espcn.module import ESPCN  # noqa: E402
from vsanime.architectures.export import to_onnx  # noqa: E402
from vsanime.architectures.load import from_onnx  # noqa: E402
from vsanime.architectures.waifu2x.module import VGG7, UpConv7  # noqa: E402

pytestmark = pytest.mark.torch

# torch and ONNX Runtime take the same f32 sums in other orders; up to 27 layers follow one another.
EXPORT_DIFFERENCE = 1e-5

NETWORKS: dict[str, Callable[[], Any]] = {
    "C4F16": lambda: build("C4F16"),
    "C4F32": lambda: build("C4F32"),
    "C16F64": lambda: build("C16F64"),
    "R8F64": lambda: build("R8F64"),
    "R16F96": lambda: build("R16F96"),
    "C4F32_Chroma": lambda: build("C4F32_Chroma"),
    "ESPCN_7": ESPCN,
    "ESPCN_7 with selection units": lambda: ESPCN(selection_units=True),
    "UpConv_7": UpConv7,
    "upconv_7l": lambda: UpConv7((32, 64, 128, 192, 256, 512)),
    "VGG_7": VGG7,
    "VGG_7 luma": lambda: VGG7(planes=1),
    "DRRN_B1U9": DRRN,
    "DRRN_B1U9 low": lambda: DRRN(low=True),
}
# By hand; DRRN: 3x3 convolutions 3 to 128, 128 to 128 twice and 128 to 3 (or 12), each with biases.
PARAMETERS = {
    **{"C4F16": 12_340, "C4F32": 47_716, "C16F64": 630_724, "R8F64": 926_148, "R16F96": 4_073_380},
    **{"C4F32_Chroma": 47_714, "ESPCN_7": 1_173_068, "ESPCN_7 with selection units": 1_345_996},
    **{"UpConv_7": 552_480, "upconv_7l": 1_961_984, "VGG_7": 290_467, "VGG_7 luma": 287_585},
    **{"DRRN_B1U9": 302_211, "DRRN_B1U9 low": 312_588},
}
# Width in input pixels, which channels have no part in. DRRN sums over 20 layers: 41 pixels of the doubled picture
# reach 21 of the small one, and the doubling 2 more on each side; at low resolution all 41 are small ones.
REACH: dict[str, tuple[Callable[[], Any], int]] = {
    "C4": (lambda: build("C4F4"), 15),
    "C16": (lambda: build("C16F4"), 39),
    "R8": (lambda: build("R8F4"), 55),
    "R16": (lambda: build("R16F4"), 103),
    "C4 chroma": (lambda: build("C4F4_Chroma"), 15),
    "ESPCN_7": (lambda: ESPCN((4,) * 6), 15),
    "UpConv_7": (lambda: UpConv7((4,) * 6), 14),
    "VGG_7": (lambda: VGG7((4,) * 6), 15),
    "DRRN_B1U9": (lambda: DRRN(filters=4), 25),
    "DRRN_B1U9 low": (lambda: DRRN(filters=4, low=True), 41),
}

SMALL: dict[str, Callable[[], Any]] = {
    "C": lambda: build("C2F8"),
    "R": lambda: build("R2F8", activation="silu"),
    "chroma": lambda: build("C2F8_Chroma"),
    "ESPCN": lambda: ESPCN((8, 8, 16, 16, 24, 24)),
    "ESPCN with selection units": lambda: ESPCN((8, 8, 16, 16, 24, 24), selection_units=True),
    "UpConv_7": lambda: UpConv7((4, 6, 8, 10, 10, 12)),
    "UpConv_7 with biases at its end": lambda: UpConv7((4, 6, 8, 10, 10, 12), last_bias=True),
    "VGG_7": lambda: VGG7((4, 6, 8, 10, 10, 12)),
    "VGG_7 luma": lambda: VGG7((4, 6, 8, 10, 10, 12), planes=1),
    "DRRN": lambda: DRRN(3, 8),
    "DRRN low": lambda: DRRN(3, 8, low=True),
}


def planes_of(net: Any) -> int:
    return next(int(m.in_channels) for m in net.modules() if isinstance(m, torch.nn.Conv2d))


def positive(net: Any) -> Any:
    """The network with weights that let every sample through: nothing cancels, no activation is shut."""
    with torch.no_grad():
        for parameter in (*net.parameters(), *net.buffers()):
            parameter.copy_(torch.full_like(parameter, 0.01) if parameter.ndim > 1 else torch.zeros_like(parameter))
    return net


@pytest.mark.parametrize("name", PARAMETERS)
def test_number_of_weights(name: str) -> None:
    assert sum(p.numel() for p in NETWORKS[name]().parameters()) == PARAMETERS[name]


@pytest.mark.parametrize("name", REACH)
def test_reach_by_gradient(name: str) -> None:
    make, width = REACH[name]
    net = positive(make()).double()
    side = width + 12
    x = torch.ones(1, planes_of(net), side, side, dtype=torch.float64, requires_grad=True)
    result = net(x)
    result[0, 0, result.shape[2] // 2, result.shape[3] // 2].backward()
    touched = x.grad[0].abs().amax(0) > 0
    for axis in (0, 1):
        assert int(touched.any(axis).sum()) == width


@pytest.mark.parametrize("name", SMALL)
def test_onnx_equals_torch_and_comes_back(name: str) -> None:
    """From torch to ONNX and back: the same pictures each time, at any size."""
    torch.manual_seed(5)
    net = SMALL[name]()
    with torch.no_grad():
        for parameter in net.parameters():
            parameter.add_(0.05 * torch.randn_like(parameter))  # biases, too
    proto = to_onnx(net)
    again = from_onnx(proto)
    session = onnxruntime.InferenceSession(proto.SerializeToString(), providers=["CPUExecutionProvider"])
    for height, width in ((1, 1), (7, 5), (20, 33)):
        x = torch.rand(1, planes_of(net), height, width)
        with torch.no_grad():
            expected = whole(net, x).clamp(0, 1)
            assert torch.equal(whole(again, x).clamp(0, 1), expected)
        assert expected.shape[2:] == (net.scale * height, net.scale * width)
        (found,) = session.run(["output"], {"input": x.numpy()})
        np.testing.assert_allclose(found, expected.numpy(), atol=EXPORT_DIFFERENCE)
    assert [(e.domain, e.version) for e in proto.opset_import] == [("", 17)]


@pytest.mark.parametrize("name", ["ESPCN_7", "UpConv_7", "VGG_7", "DRRN_B1U9 low"])
def test_filters_see_the_reach_that_the_gradient_shows(name: str) -> None:
    make, width = REACH[name]
    net = make()
    facts = inspect(to_onnx(net))
    assert facts.radius == width // 2
    assert (facts.scale, facts.in_channels, facts.out_channels) == (net.scale, 3, 3)


def test_valid_convolutions_lose_the_margin() -> None:
    x = torch.rand(1, 3, 96, 128)
    with torch.no_grad():
        assert UpConv7()(x).shape[2:] == (164, 228)
        assert VGG7()(x).shape[2:] == (82, 114)


@pytest.mark.parametrize("variant", ["C4F16_Chroma", "R8F64_Chroma"])
def test_chroma_networks_begin_as_their_inputs_chroma(variant: str) -> None:
    x = torch.rand(1, 3, 16, 16)
    with torch.no_grad():
        assert torch.equal(build(variant)(x), x[:, 1:])


def test_drrn_begins_near_the_bicubic_picture() -> None:
    x = torch.rand(1, 3, 16, 16)
    torch.manual_seed(0)
    for low in (False, True):
        net = DRRN(9, 32, low=low)
        with torch.no_grad():
            blocks = torch.nn.functional.conv2d(torch.nn.functional.pad(x, (2,) * 4, mode="replicate"), net.bicubic)
            bicubic = torch.nn.functional.pixel_shuffle(blocks, 2)
            assert (net(x) - bicubic).abs().mean() < 0.1
            wanted = torch.nn.functional.interpolate(x, scale_factor=2, mode="bicubic", antialias=True)
            assert (bicubic - wanted)[..., 6:-6, 6:-6].abs().max() < 1e-5


def test_drrn_stores_shared_weights_once() -> None:
    counts = [len(to_onnx(DRRN(units, 8)).SerializeToString()) for units in (2, 9)]
    assert counts[1] - counts[0] < 7 * 8 * 8 * 9 * 4


@pytest.mark.parametrize("name", SMALL)
def test_recomputed_layers_have_the_same_gradient(name: str) -> None:
    torch.manual_seed(1)
    net = SMALL[name]()
    x = torch.rand(2, planes_of(net), 24, 24)
    gradients = []
    for recompute in (False, True):
        net.recompute = recompute
        net.zero_grad()
        net(x).square().mean().backward()
        gradients.append([p.grad.clone() for p in net.parameters()])
    for plain, recomputed in zip(*gradients, strict=True):
        assert torch.equal(plain, recomputed)


def test_selu_layers_keep_mean_and_variance() -> None:
    """LeCun weights are what SELU normalises itself with: neither vanishes nor explodes over six layers."""
    torch.manual_seed(0)
    net = ESPCN()
    with torch.no_grad():
        x = torch.randn(4, 3, 48, 48)
        for layer in net.conv:
            x = layer(x)
        inside = x[..., 8:-8, 8:-8]
    assert abs(float(inside.mean())) < 0.15
    assert 0.7 < float(inside.var()) < 1.3


def test_selection_unit_multiplies() -> None:
    """With a gate of zero weights half of the feature passes: the feature itself, not the gate."""
    net = ESPCN((4, 4), selection_units=True)
    with torch.no_grad():
        unit = net.conv[0][2]
        unit[0].weight.zero_()
        unit[0].bias.zero_()
        x = torch.randn(1, 4, 5, 5)
        assert torch.equal(unit(x), x * 0.5)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: ESPCN(()), "widths, planes and scale are at least 1"),
        (lambda: UpConv7((16, 32)), "six widths"),
        (lambda: DRRN(0), "units, filters and planes are at least 1, not 0"),
    ],
)
def test_wrong_sizes_are_refused(make: Callable[[], Any], message: str) -> None:
    with pytest.raises(VsanimeError, match=message):
        make()
