"""The limits of a picture and their gradients."""

from __future__ import annotations

import pytest

torch = pytest.importorskip("torch")

from vsanime.architectures.colornet.module import ColorNet  # noqa: E402
from vsanime.architectures.limit import clamp_unit  # noqa: E402
from vsanime.architectures.temporal.module import Temporal  # noqa: E402

pytestmark = pytest.mark.torch


def test_gradients_lead_back_inside_and_not_further_out() -> None:
    x = torch.tensor([-0.5, -0.5, 0.3, 0.3, 1.5, 1.5], requires_grad=True)
    made = clamp_unit(x)
    assert torch.equal(made, x.clamp(0, 1))
    made.backward(torch.tensor([1.0, -1, 1, -1, 1, -1]))
    assert x.grad is not None
    assert x.grad.tolist() == [0, -1, 1, -1, 1, 0]


def test_what_is_too_bright_can_be_unlearnt() -> None:
    """By both networks that add to a picture: all is 1.2, and 0.9 is true."""
    paper, white, none = torch.ones(1, 2, 1, 16, 16), torch.ones(1, 2, 3, 16, 16), torch.zeros(1, 2, 1, 16, 16)
    mixing = ColorNet(8)
    head = mixing.decoder["head"]
    with torch.no_grad():
        head.weight.zero_()
        head.bias.copy_(torch.tensor([0, 0, 0, 0.2, 0.2, 0.2]))
    made = mixing(paper[:, 0], paper, white, white, none, none + 0.5)
    assert (made.colour == 1).all()  # of 1.2
    (made.colour - 0.9).abs().mean().backward()
    assert (head.bias.grad[3:] > 0).all()
    net = Temporal(4, residual=True)
    torch.nn.init.constant_(net.last.bias, 0.2)
    (net(torch.ones(1, 3, 1, 8, 8), torch.ones(1, 3, 3, 8, 8)) - 0.9).abs().mean().backward()
    assert (net.last.bias.grad > 0).all()
