"""Muon moves wide convolutions by orthogonal steps and everything else as AdamW does."""

from __future__ import annotations

import pytest

from vsanime.errors import VsanimeError

torch = pytest.importorskip("torch")

from vsanime.architectures.artcnn.module import ArtCNN, build  # noqa: E402
from vsanime.training.optimize.muon import Muon  # noqa: E402
from vsanime.training.recipes.pairs import Training  # noqa: E402

pytestmark = pytest.mark.torch

SETTINGS = Training(steps=9, optimizer="muon", rate=1e-3, muon_rate=0.02)
LAYOUTS = [torch.contiguous_format, torch.channels_last]


def with_gradients(layout: torch.memory_format, seed: int = 1) -> ArtCNN:
    torch.manual_seed(seed)
    net = build("C2F16").to(memory_format=layout)
    for parameter in net.parameters():
        parameter.grad = torch.randn_like(parameter)
    return net


@pytest.mark.parametrize("layout", LAYOUTS)
def test_a_step_is_orthogonal_and_along_the_gradient(layout: torch.memory_format) -> None:
    net = with_gradients(layout)
    weight = net.inner_last.weight
    before = weight.detach().clone()
    Muon(net, SETTINGS).step()
    moved = (before - weight.detach()).reshape(16, -1)
    left, _, right = torch.linalg.svd(weight.grad.reshape(16, -1), full_matrices=False)
    # Muon's five iterations leave singular values of 0.68 to 1.13 in exact sums; it does them in bf16.
    lengths = torch.linalg.svdvals(moved) / SETTINGS.muon_rate
    assert lengths.min() > 0.6
    assert lengths.max() < 1.25
    along = (left @ right * moved).sum() / ((left @ right).norm() * moved.norm())
    assert along > 0.97


@pytest.mark.parametrize("layout", LAYOUTS)
def test_all_else_moves_as_adamw_has_it(layout: torch.memory_format) -> None:
    net, other = with_gradients(layout), with_gradients(layout)
    Muon(net, SETTINGS).step()
    torch.optim.AdamW(other.parameters(), lr=SETTINGS.rate, weight_decay=0.0).step()
    expected = dict(other.named_parameters())
    wide = {"inner_convs.0.weight", "inner_convs.1.weight", "inner_last.weight"}
    for name, parameter in net.named_parameters():
        assert torch.equal(parameter, expected[name]) == (name not in wide)


def test_both_rates_follow_the_schedule() -> None:
    moved = []
    for share in (1.0, 0.25):
        net = with_gradients(torch.channels_last)
        before = net.inner_last.weight.detach().clone()
        optimizer = Muon(net, SETTINGS)
        for group in optimizer.param_groups:
            group["lr"] = share * SETTINGS.rate
        optimizer.step()
        moved.append((net.inner_last.weight.detach() - before).norm())
    assert moved[1] / moved[0] == pytest.approx(0.25, rel=1e-4)


def test_gradients_are_forgotten() -> None:
    net = with_gradients(torch.channels_last)
    Muon(net, SETTINGS).zero_grad()
    assert all(parameter.grad is None for parameter in net.parameters())


def test_a_network_without_wide_convolutions_is_refused() -> None:
    with pytest.raises(VsanimeError, match=r"of 16 channels or more, in and out, and the network has none"):
        Muon(build("C2F8"), SETTINGS)


def test_an_older_torch_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(torch.optim, "Muon")
    with pytest.raises(VsanimeError, match=r"needs torch 2\.9 or newer, and this is \d"):
        Muon(build("C2F16"), SETTINGS)
