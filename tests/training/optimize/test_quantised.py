"""Simulated int8 is integer arithmetic with scales around it; scales can be fixed; gradients pass through it."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

torch = pytest.importorskip("torch")

from torch.nn import functional  # noqa: E402

from vsanime.architectures.artcnn.module import ArtCNNR, build  # noqa: E402
from vsanime.architectures.espcn.module import ESPCN  # noqa: E402
from vsanime.errors import VsanimeError  # noqa: E402
from vsanime.training.optimize.precision import Rounded, rounding_error, simulation  # noqa: E402
from vsanime.training.optimize.quantised import Quantised, round_to_codes  # noqa: E402

pytestmark = pytest.mark.torch

# Values near 1, f32 sums of some hundred terms against exact integers. A value between two codes may fall to either
# side after that: by far fewer of them than there are.
F32_SUMS = 1e-5
type Integers = NDArray[np.int64]


def random_net(name: str = "C2F8", activation: str = "relu") -> torch.nn.Module:
    torch.manual_seed(7)
    net = build(name, activation=activation)
    with torch.no_grad():
        for parameter in net.parameters():
            parameter.add_(0.02 * torch.randn_like(parameter))  # biases, too
    return net


def integer_conv(x: Integers, weight: Integers) -> Integers:
    """[channels, height, width] by [out, channels, 3, 3], zeros around, in integers."""
    padded = np.pad(x, [(0, 0), (1, 1), (1, 1)])
    windows = np.lib.stride_tricks.sliding_window_view(padded, (3, 3), (1, 2))
    return np.asarray(np.einsum("chwyx,ocyx->ohw", windows, weight))


def test_inner_layers_are_integer_arithmetic() -> None:
    """Written out with codes: 8 bits of input and weight, sums in integers, scales outside."""
    net = random_net()
    x = torch.rand(1, 1, 12, 10)

    def layer(conv: torch.nn.Conv2d, values: NDArray[np.float32], largest: int) -> NDArray[np.float32]:
        step = np.float32(np.abs(values).max()) / np.float32(largest)
        codes = np.round(values / step).astype(np.int64)
        assert codes.min() >= (-127 if largest == 127 else 0)
        assert codes.max() <= largest
        weight = conv.weight.detach().numpy()
        steps = np.abs(weight).max((1, 2, 3)) / np.float32(127)
        sums = integer_conv(codes, np.round(weight / steps[:, None, None, None]).astype(np.int64))
        return np.asarray(sums * (step * steps)[:, None, None] + conv.bias.detach().numpy()[:, None, None], np.float32)

    with torch.no_grad():
        skip = net.first(x)
        y = np.maximum(layer(net.inner_convs[0], skip[0].numpy(), 127), 0)
        y = np.maximum(layer(net.inner_convs[1], y, 255), 0)
        y = layer(net.inner_last, y, 255)
        expected = functional.pixel_shuffle(net.last(torch.from_numpy(y)[None] + skip), 2)
        off = (Quantised(net)(x) - expected).abs()
    assert (off > F32_SUMS).float().mean() < 0.02
    assert off.mean() < F32_SUMS


def test_every_value_is_one_of_the_codes() -> None:
    x = torch.linspace(-2, 2, 10001)
    signed, unsigned = round_to_codes(x, torch.tensor(1.0), 127), round_to_codes(x, torch.tensor(1.0), 255)
    assert len(signed.unique()) == 255
    assert len(unsigned.unique()) == 256
    assert (signed.min(), signed.max(), unsigned.min(), unsigned.max()) == (-1, 1, 0, 1)
    inside = x.abs() <= 1
    assert (signed - x)[inside].abs().max() <= 0.5 / 127 + 1e-6
    assert torch.equal(round_to_codes(torch.zeros(3), torch.tensor(0.0), 255), torch.zeros(3))


def test_the_limit_itself_has_its_whole_gradient_and_what_lies_beyond_has_none() -> None:
    for codes, expected in ((127, [0.0, 1, 1, 1, 1, 0]), (255, [0.0, 0, 0, 1, 1, 0])):
        x = torch.tensor([-0.8, -0.7, -0.1, 0.1, 0.7, 0.9], requires_grad=True)
        round_to_codes(x, torch.tensor(0.7), codes).sum().backward()
        assert x.grad is not None
        assert x.grad.tolist() == expected


def test_fixed_scales_cut_off_what_is_brighter() -> None:
    """Before they are fixed, each picture has its own."""
    net = random_net("C4F16")
    int8 = Quantised(net)
    dark, bright = 0.1 * torch.rand(1, 1, 24, 24), torch.rand(1, 1, 24, 24)
    own, _ = rounding_error(net, int8, [bright])
    int8.calibrate([dark])
    cut, _ = rounding_error(net, int8, [bright])
    int8.calibrate([dark, bright])
    fitting, _ = rounding_error(net, int8, [bright])
    assert cut < own - 10
    assert fitting == pytest.approx(own, abs=1e-6)


@pytest.mark.parametrize(("name", "activation"), [("C4F16", "relu"), ("R2F16", "relu"), ("R2F16", "silu")])
def test_int8_loses_more_than_bf16_and_gradients_stay_close(name: str, activation: str) -> None:
    net = random_net(name, activation)
    assert isinstance(net, ArtCNNR) == name.startswith("R")
    pictures = [torch.rand(2, 1, 24, 24)]
    (bf16, _), (int8, _) = (rounding_error(net, run, pictures) for run in (Rounded(net, "bf16"), Quantised(net)))
    assert 25 < int8 < bf16
    gradients = []
    for run in (net, simulation(net, "int8")):
        net.zero_grad()
        run(pictures[0]).square().mean().backward()
        gradients.append(torch.cat([p.grad.ravel() for p in net.parameters()]))
        assert all(p.grad.abs().max() > 0 for p in net.parameters())
    assert functional.cosine_similarity(*gradients, dim=0) > 0.99


def test_other_networks_are_refused() -> None:
    with pytest.raises(VsanimeError, match=r"int8 is simulated for ArtCNN, .*, not ESPCN"):
        Quantised(ESPCN((8,) * 6))
