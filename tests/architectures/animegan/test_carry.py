"""A generator that carries colours shows the photograph before it has learnt anything."""

from __future__ import annotations

import pytest

torch = pytest.importorskip("torch")

from vsanime.architectures.animegan.carry import carry_colors  # noqa: E402
from vsanime.architectures.animegan.module import Generator  # noqa: E402

pytestmark = pytest.mark.torch


def correlation(one: torch.Tensor, other: torch.Tensor) -> float:
    return float(torch.corrcoef(torch.stack([one.flatten(), other.flatten()]))[0, 1])


def test_what_comes_out_is_the_photograph_made_soft() -> None:
    torch.manual_seed(1)
    small = torch.rand(1, 3, 6, 8) * 2 - 1
    photo = torch.nn.functional.interpolate(small, size=(96, 128), mode="bicubic").clamp(-1, 1)
    net = Generator()
    with torch.inference_mode():
        before = correlation(net(photo), photo)
        carry_colors(net)
        after = correlation(net(photo), photo)
    assert abs(before) < 0.6
    assert after > 0.8  # the random channels of the last layer add a little


def test_every_weight_but_those_that_add_nothing_has_a_gradient() -> None:
    """Residual blocks begin by adding nothing: their last norm learns first, what is before it a step later."""
    torch.manual_seed(1)
    net = Generator()
    carry_colors(net)
    net(torch.rand(1, 3, 16, 16) * 2 - 1).square().mean().backward()
    still = {name for name, parameter in net.named_parameters() if not parameter.grad.any()}
    assert still
    assert all(name.startswith(("block_c.2.", "block_c.3.", "block_c.4.")) for name in still)
