"""The temporal network: its shift against convolutions over time, its weights, and its ONNX."""

from __future__ import annotations

import pytest

torch = pytest.importorskip("torch")

import numpy as np  # noqa: E402
import onnxruntime  # noqa: E402
from torch.nn import functional  # noqa: E402

from vsanime.architectures.export import to_onnx  # noqa: E402
from vsanime.architectures.temporal.module import Shift, Temporal  # noqa: E402
from vsanime.errors import VsanimeError  # noqa: E402

pytestmark = pytest.mark.torch


def _frames(height: int, width: int) -> dict[str, torch.Tensor]:
    draw = torch.Generator().manual_seed(height)
    return {
        name: torch.rand(1, 3, planes, height, width, generator=draw) for name, planes in (("lines", 1), ("colours", 3))
    }


def _shaken(*, residual: bool) -> Temporal:
    """A network that is no longer what it began as."""
    torch.manual_seed(1)
    net = Temporal(8, residual=residual)
    net(**_frames(32, 32))
    torch.nn.init.normal_(net.last.weight, std=0.1)
    for module in net.modules():
        if isinstance(module, Shift):
            torch.nn.init.normal_(module.kernels)
    return net.eval().requires_grad_(False)


def test_weights_are_as_many_as_specified() -> None:
    # About 8.19 M; 60 of them are the taps of ten shifts.
    assert sum(p.numel() for p in Temporal().parameters()) == 8_191_807


def test_a_fresh_shift_brings_the_next_frame_and_the_one_before() -> None:
    x = torch.rand(3, 8, 4, 5)
    shifted = Shift()(x)
    for t in range(3):
        after = x[t + 1, :2] if t < 2 else torch.zeros(2, 4, 5)
        before = x[t - 1, 2:4] if t > 0 else torch.zeros(2, 4, 5)
        assert torch.equal(shifted[t], torch.cat([after, before, x[t, 4:]]))


def test_the_shift_is_a_convolution_over_time() -> None:
    torch.manual_seed(1)
    shift = Shift().requires_grad_(False)
    torch.nn.init.normal_(shift.kernels)
    x = torch.rand(2 * 3, 12, 4, 5)
    channels = x.unflatten(0, (2, 3)).transpose(1, 2)  # B, C, T, H, W
    parts = []
    for group, kernel in enumerate(shift.kernels):
        weight = kernel.reshape(1, 1, 3, 1, 1).repeat(3, 1, 1, 1, 1)
        part = channels[:, 3 * group : 3 * group + 3]
        parts.append(functional.conv3d(part, weight, padding=(1, 0, 0), groups=3))
    expected = torch.cat([*parts, channels[:, 6:]], 1).transpose(1, 2).flatten(0, 1)
    assert torch.allclose(shift(x), expected, atol=1e-6)


def test_an_untrained_residual_network_changes_nothing() -> None:
    frames = _frames(16, 24)
    assert torch.equal(Temporal(8, residual=True)(**frames), frames["colours"][:, 1])


@pytest.mark.parametrize("frame", [0, 2])
def test_the_target_depends_on_both_neighbours(frame: int) -> None:
    net = _shaken(residual=True)
    frames = _frames(16, 24)
    other = {name: value.clone() for name, value in frames.items()}
    other["colours"][:, frame] = 0
    assert not torch.allclose(net(**frames), net(**other), atol=1e-4)


@pytest.mark.parametrize("residual", [False, True])
@pytest.mark.parametrize(("height", "width"), [(36, 52), (64, 96)])
def test_the_onnx_computes_the_same_without_a_third_dimension(height: int, width: int, residual: bool) -> None:
    net = _shaken(residual=residual)
    proto = to_onnx(net)
    assert max(len(a.ints) for n in proto.graph.node if n.op_type == "Conv" for a in n.attribute) == 4
    session = onnxruntime.InferenceSession(proto.SerializeToString(), providers=["CPUExecutionProvider"])
    frames = _frames(height, width)
    (found,) = session.run(["colour"], {name: value[0].numpy() for name, value in frames.items()})
    # The same f32 sums in another order; found: 6e-8.
    np.testing.assert_allclose(found, net(**frames).numpy(), atol=1e-5)


def test_a_width_that_cannot_be_is_refused() -> None:
    with pytest.raises(VsanimeError, match="a multiple of 4 from 4 to 128, not 10"):
        Temporal(10)
