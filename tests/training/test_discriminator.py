"""AnimeGANv2's discriminator: size, shapes and norms."""

from __future__ import annotations

import pytest

torch = pytest.importorskip("torch")

from vsanime.errors import VsanimeError  # noqa: E402
from vsanime.training.run.discriminator import Discriminator  # noqa: E402

pytestmark = pytest.mark.torch


def test_it_has_1128800_weights_and_a_figure_for_every_four_pixels() -> None:
    net = Discriminator()
    assert sum(parameter.numel() for parameter in net.parameters()) == 1_128_800
    with torch.inference_mode():
        assert net(torch.zeros(1, 3, 256, 256)).shape == (1, 1, 64, 64)


def test_no_convolution_stretches_by_more_than_one() -> None:
    """Spectral norm: after some calls the largest singular value of every weight is 1."""
    torch.manual_seed(1)
    net = Discriminator(width=4)
    for _ in range(50):
        net(torch.zeros(1, 3, 8, 8))
    for module in net.modules():
        if isinstance(module, torch.nn.Conv2d):
            # Found step by step, hence not quite.
            assert torch.linalg.matrix_norm(module.weight.detach().flatten(1), 2) == pytest.approx(1, abs=0.01)


def test_weights_are_drawn_narrow() -> None:
    torch.manual_seed(1)
    first = Discriminator()[2].parametrizations.weight.original
    assert first.std().item() == pytest.approx(0.02, rel=0.05)


def test_a_width_of_nothing_is_refused() -> None:
    with pytest.raises(VsanimeError, match="width is 1 or more, not 0"):
        Discriminator(width=0)
