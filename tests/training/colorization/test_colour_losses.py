"""Losses of line colorization against their definitions, and normalisations that go with one network only."""

from __future__ import annotations

import math

import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("h5py")

from tests.training.colorization.recipes import recipe  # noqa: E402
from tests.training.style.helpers import random_vgg16  # noqa: E402
from vsanime.errors import VsanimeError  # noqa: E402
from vsanime.training.colorization import losses, validate  # noqa: E402
from vsanime.training.colorization.losses import Features  # noqa: E402
from vsanime.training.colorization.trainer import learning_rate  # noqa: E402
from vsanime.training.style.perceptual import Found, find  # noqa: E402

pytestmark = pytest.mark.torch


@pytest.fixture(scope="module")
def found(tmp_path_factory: pytest.TempPathFactory) -> Found:
    root = tmp_path_factory.mktemp("features")
    random_vgg16(root / "vgg16.h5")
    return find("vgg16.h5", [root], lambda _: None)


def features(found: Found, **values: object) -> Features:
    wanted = recipe(**values).losses
    return Features(found, wanted, torch.rand(2, 3, 32, 32), torch.device("cpu"))


def test_equal_pictures_lose_nothing(found: Found) -> None:
    picture = torch.rand(2, 3, 32, 32)
    assert [float(loss) for loss in features(found).compare(picture, picture)] == [0.0, 0.0]


def test_gradients_reach_the_made_picture_alone(found: Found) -> None:
    made, truth = (torch.rand(1, 3, 32, 32, requires_grad=True) for _ in range(2))
    sum(features(found).compare(made, truth)).backward()
    assert made.grad is not None
    assert made.grad.any()
    assert truth.grad is None


def test_measured_features_do_not_depend_on_the_size_of_the_network_s(found: Found) -> None:
    louder = Found(
        found.kind, found.origin, [(w * (3 if i == 0 else 1), b) for i, (w, b) in enumerate(found.convolutions)]
    )
    one, other = torch.rand(1, 3, 32, 32), torch.rand(1, 3, 32, 32)
    results = []
    for network in (found, louder):
        torch.manual_seed(1)
        results.append([float(loss) for loss in features(network).compare(one, other)])
    assert results[0] == pytest.approx(results[1], rel=1e-3)


def test_the_document_s_factors_are_those_of_its_gram_matrices(found: Found) -> None:
    made, truth = torch.rand(1, 3, 32, 32), torch.rand(1, 3, 32, 32)
    plain = {"losses__normalisation": "document", "losses__layers": ["conv1_1"], "losses__style_layers": ["conv1_1"]}
    perceptual, style = features(found, **plain).compare(made, truth)
    weight, bias = found.convolutions[0]
    mean = torch.tensor([103.939, 116.779, 123.68]).reshape(1, 3, 1, 1)
    seen, wanted = (
        torch.relu(torch.nn.functional.conv2d(255 * x.flip(1) - mean, weight, bias, padding=1)) for x in (made, truth)
    )
    assert float(perceptual) == pytest.approx(3e-2 / 5 * float((seen - wanted).abs().mean()), rel=1e-4)
    grams = [x.flatten(2) @ x.flatten(2).transpose(1, 2) / (32 * 32) for x in (seen, wanted)]
    assert float(style) == pytest.approx(1e-6 / 5 * float((grams[0] - grams[1]).abs().mean()), rel=1e-4)


def test_gram_matrices_are_f32_where_convolutions_are_bf16(found: Found) -> None:
    measure, seen = features(found), torch.rand(1, 8, 32, 32)
    with torch.autocast("cpu", torch.bfloat16):
        half = measure._gram(seen)
    assert torch.equal(half, measure._gram(seen))


def test_a_normalisation_of_another_network_is_refused(found: Found) -> None:
    with pytest.raises(VsanimeError, match=r"'ports' is for vgg19, and vgg16 .* 'measured' goes with any"):
        features(found, losses__normalisation="ports")


def test_an_undecided_discriminator_costs_twice_what_it_costs_the_generator() -> None:
    nothing = torch.zeros(2, 1, 4, 4)
    assert float(losses.convincing(nothing)) == pytest.approx(math.log(2))
    assert float(losses.discerning(nothing, nothing)) == pytest.approx(2 * math.log(2))


def test_latents_are_added_up() -> None:
    truth = torch.zeros(1, 3, 4, 4)
    assert float(losses.latent([truth + 0.25, truth - 0.5], truth)) == pytest.approx(0.75)
    assert float(losses.latent([], truth)) == 0


def test_the_rate_climbs_falls_and_changes_at_the_turn() -> None:
    training = recipe(
        training__steps=100, training__late=0.1, training__warm_up=10, training__final=0.1, training__late_rate=5e-5
    ).training
    rates = [learning_rate(step, training) for step in range(100)]
    assert rates[0] == pytest.approx(1e-4)
    assert max(rates) == pytest.approx(1e-3) == rates[10]
    assert rates[89] == pytest.approx(1e-4, rel=0.02)
    assert rates[90:] == [5e-5] * 10


def _sample(offset: float) -> dict[str, torch.Tensor]:
    """Keys that are both wrong by `offset` in the left half."""
    truth = torch.full((1, 3, 16, 16), 0.5)
    key = truth.clone()
    key[..., :8] += offset
    keys = torch.stack([key, key], 1)
    return {"truth": truth, "key_colours": keys, "warped": keys, "prior": torch.full((1, 2, 1, 16, 16), 0.5)}


def test_changed_pixels_are_those_that_the_nearer_key_has_otherwise() -> None:
    found = validate.measure([_sample(0.1)], lambda parts: parts["truth"] + 0.01)
    assert found["whole"] == pytest.approx(40, abs=0.01)
    assert found["changed"] == pytest.approx(40, abs=0.01)
    assert found["gain"] == pytest.approx(20, abs=0.01)


def test_a_sample_in_which_nothing_changed_counts_for_whole_frames_only() -> None:
    found = validate.measure([_sample(0.1), _sample(0.01)], validate.blend)
    assert found["changed"] == pytest.approx(20, abs=0.01)
    assert found["gain"] == 0
