"""Every loss against a small case worked out by hand, and each falls in a step on a fixed batch."""

from __future__ import annotations

from collections.abc import Callable

import pytest

torch = pytest.importorskip("torch")

from vsanime.architectures.animegan.module import Generator  # noqa: E402
from vsanime.training.recipes.stylization import Inner  # noqa: E402
from vsanime.training.run.discriminator import Discriminator  # noqa: E402
from vsanime.training.style import losses  # noqa: E402

pytestmark = pytest.mark.torch


def pixel(red: float, green: float, blue: float) -> torch.Tensor:
    """In [-1, 1], of values in [0, 1]."""
    return torch.tensor([red, green, blue]).reshape(1, 3, 1, 1) * 2 - 1


def test_content_is_the_mean_difference_of_features() -> None:
    one, other = torch.tensor([1.0, -2, 3, 0]), torch.tensor([1.5, -1, 3, 1])
    assert losses.content(one.reshape(1, 2, 1, 2), other.reshape(1, 2, 1, 2)).item() == pytest.approx(2.5 / 4)


def test_gram_is_of_each_sample_over_height_width_and_channels() -> None:
    """Two channels of two pixels: [1, 2] and [3, -1] have products 5, 1 and 10; divided by 2 * 1 * 2."""
    features = torch.tensor([[1.0, 2], [3, -1]]).reshape(1, 2, 1, 2)
    both = torch.cat([features, 2 * features])
    found = losses.gram(both)
    expected = torch.tensor([[5.0, 1], [1, 10]]) / 4
    torch.testing.assert_close(found[0], expected)
    torch.testing.assert_close(found[1], 4 * expected)


def test_style_is_the_mean_difference_of_grams() -> None:
    features = torch.tensor([[1.0, 2], [3, -1]]).reshape(1, 2, 1, 2)
    assert losses.style(features, torch.zeros_like(features)).item() == pytest.approx((5 + 1 + 1 + 10) / 4 / 4)


def test_style_does_not_care_where_things_are() -> None:
    torch.manual_seed(1)
    features = torch.randn(1, 3, 4, 4)
    moved = features.flatten(2)[:, :, torch.randperm(16)].reshape(1, 3, 4, 4)
    assert losses.style(features, moved).item() == pytest.approx(0, abs=1e-6)


def test_colour_is_l1_of_luma_and_huber_of_chroma() -> None:
    """From gray 0.5 to a red 1, 0.5, 0.5: Y by 0.1495, U by -0.0735706, V by 0.3074877, both below Huber's 1."""
    found = losses.colour(pixel(1, 0.5, 0.5), pixel(0.5, 0.5, 0.5)).item()
    assert found == pytest.approx(0.1495 + 0.0735706**2 / 2 + 0.3074877**2 / 2, abs=1e-6)


def test_gray_has_luma_alone() -> None:
    yuv = losses.to_yuv(losses.to_gray(pixel(0.2, 0.4, 0.9)))
    expected = 0.299 * 0.2 + 0.587 * 0.4 + 0.114 * 0.9
    torch.testing.assert_close(yuv.flatten(), torch.tensor([expected, 0, 0]), atol=1e-6, rtol=0)


def test_total_variation_is_half_the_mean_square_of_steps() -> None:
    """A step of 1 down in one of two columns, of 1 to the right in one of two rows, in one of three planes."""
    picture = torch.zeros(1, 3, 2, 2)
    picture[0, 0, 1, 1] = 1
    assert losses.total_variation(picture).item() == pytest.approx((1 / 6 + 1 / 6) / 2)


def test_adversarial_losses_are_squares_about_one_and_zero() -> None:
    assert losses.convincing(torch.tensor([0.0, 3])).item() == pytest.approx((1 + 4) / 2)
    judged = losses.Judged(*(torch.full((1, 1, 2, 2), value) for value in (0.5, 0.2, 0.3, 0.4)))
    found = losses.discerning(judged, Inner(real=1.2, fake=1.1, gray=1.0, smooth=0.8)).item()
    assert found == pytest.approx(1.2 * 0.25 + 1.1 * 0.04 + 1.0 * 0.09 + 0.8 * 0.16)


@pytest.fixture(scope="module")
def batch() -> tuple[torch.Tensor, torch.Tensor]:
    """Something smooth to be changed, and something with edges to be learnt."""
    torch.manual_seed(2)
    photo = torch.nn.functional.interpolate(torch.rand(2, 3, 4, 4), size=(32, 32), mode="bilinear") * 2 - 1
    style = (torch.nn.functional.interpolate(torch.rand(2, 3, 8, 8), size=(32, 32)) > 0.5).float() * 2 - 1
    return photo, style


def features(picture: torch.Tensor) -> torch.Tensor:
    """Of convolutions with fixed random weights."""
    drawn = torch.Generator().manual_seed(3)
    first = torch.randn(8, 3, 3, 3, generator=drawn) / 27**0.5
    second = torch.randn(8, 8, 3, 3, generator=drawn) / 72**0.5
    return torch.conv2d(torch.conv2d(picture, first).relu(), second)


_GENERATOR: dict[str, Callable[[torch.Tensor, torch.Tensor, torch.Tensor], torch.Tensor]] = {
    "content": lambda fake, photo, _: losses.content(features(fake), features(photo)),
    "style": lambda fake, _, style: losses.style(features(fake), features(losses.to_gray(style))),
    "colour": lambda fake, photo, _: losses.colour(fake, photo),
    "variation": lambda fake, *_: losses.total_variation(fake),
}


@pytest.mark.parametrize("name", _GENERATOR)
def test_a_step_lowers_the_generators_loss(name: str, batch: tuple[torch.Tensor, torch.Tensor]) -> None:
    torch.manual_seed(1)
    net = Generator()
    assert_a_step_lowers(net, lambda: _GENERATOR[name](net(batch[0]), *batch))


def test_a_step_lowers_the_adversarial_loss(batch: tuple[torch.Tensor, torch.Tensor]) -> None:
    torch.manual_seed(1)
    net, critic = Generator(), Discriminator().eval()  # whose search stands still, so that nothing else changes
    assert_a_step_lowers(net, lambda: losses.convincing(critic(net(batch[0]))))


def test_a_step_lowers_the_discriminators_loss(batch: tuple[torch.Tensor, torch.Tensor]) -> None:
    torch.manual_seed(1)
    critic = Discriminator().eval()
    photo, style = batch
    smooth = torch.nn.functional.avg_pool2d(style, 3, 1, 1)
    four = torch.cat([style, photo, losses.to_gray(style), smooth])
    assert_a_step_lowers(critic, lambda: losses.discerning(losses.Judged(*critic(four).chunk(4)), Inner()))


def assert_a_step_lowers(net: torch.nn.Module, loss: Callable[[], torch.Tensor]) -> None:
    """Adam at a rate so low that a step along the gradient cannot overshoot."""
    optimizer = torch.optim.Adam(net.parameters(), lr=1e-5, betas=(0.5, 0.999))
    before = loss()
    before.backward()
    optimizer.step()
    assert loss().item() < before.item()
