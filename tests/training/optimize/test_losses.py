"""Losses against cases worked out by hand, and where their gradients go."""

from __future__ import annotations

import pytest

torch = pytest.importorskip("torch")

from vsanime.training.optimize.losses import CHANNEL_WEIGHTS, L1, ClippedHuber, WeightedMSE  # noqa: E402

pytestmark = pytest.mark.torch


def pixel(red: float, green: float, blue: float) -> torch.Tensor:
    return torch.tensor([red, green, blue], dtype=torch.float32).reshape(1, 3, 1, 1)


def test_l1_is_the_mean_difference_and_has_a_gradient_beyond_the_range() -> None:
    result = pixel(0.5, 1.5, -0.25).requires_grad_()
    loss = L1()(result, pixel(0.5, 1.0, 0.0))
    assert loss.item() == pytest.approx(0.75 / 3)
    loss.backward()
    assert result.grad.ravel().tolist() == pytest.approx([0, 1 / 3, -1 / 3])


def test_weighted_mse_weights_the_square() -> None:
    loss = WeightedMSE()(pixel(0.2, 0.5, 0.9), pixel(0.1, 0.3, 0.5))
    expected = (0.29891 * 0.01 + 0.58661 * 0.04 + 0.11448 * 0.16) / 3
    assert loss.item() == pytest.approx(expected, rel=1e-6)
    assert sum(CHANNEL_WEIGHTS) == pytest.approx(1)


def test_huber_weights_the_difference() -> None:
    """d = 3 w (a - b): red 0.08967 is in the square part, green 0.35197 and blue in the linear and the square part."""
    loss = ClippedHuber()(pixel(0.3, 0.5, 0.4), pixel(0.2, 0.3, 0.3))
    red, green, blue = 3 * 0.29891 * 0.1, 3 * 0.58661 * 0.2, 3 * 0.11448 * 0.1
    assert red < 0.1 < green
    assert loss.item() == pytest.approx((0.5 * red**2 + 0.1 * (green - 0.05) + 0.5 * blue**2) / 3, rel=1e-6)


def test_huber_clips_the_result_and_lets_the_gradient_through() -> None:
    clipped = pixel(1.4, 0.5, 0.5).requires_grad_()
    inside = pixel(1.0, 0.5, 0.5).requires_grad_()
    target = pixel(0.95, 0.5, 0.5)
    for result in (clipped, inside):
        ClippedHuber()(result, target).backward()
    assert torch.equal(clipped.grad, inside.grad)
    assert clipped.grad[0, 0].item() == pytest.approx((3 * 0.29891) ** 2 * 0.05 / 3, rel=1e-5)


@pytest.mark.parametrize("loss", [WeightedMSE, ClippedHuber])
def test_weights_are_buffers_that_no_checkpoint_holds(loss: type[torch.nn.Module]) -> None:
    made = loss()
    assert [name for name, _ in made.named_buffers()] == ["weights"]
    assert not made.state_dict()
    assert not list(made.parameters())
    assert made.to("meta").weights.device.type == "meta"
