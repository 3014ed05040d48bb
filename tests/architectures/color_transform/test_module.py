"""The specification's colour transform network: weights, attention, masks, and its ONNX."""

from __future__ import annotations

import pytest

torch = pytest.importorskip("torch")

import numpy as np  # noqa: E402
import onnxruntime  # noqa: E402
from torch.nn import functional  # noqa: E402

from vsanime.architectures.color_transform.module import ColorTransform  # noqa: E402
from vsanime.architectures.export import to_onnx  # noqa: E402
from vsanime.training.run.discriminator import PairDiscriminator  # noqa: E402

pytestmark = pytest.mark.torch

_OUTPUTS = ("colour", "similar", "middle")
# The same f32 sums in another order, through norms over whole pictures; found: 1e-6 at most.
_F32 = 1e-5


def _inputs(keys: int, height: int, width: int) -> dict[str, torch.Tensor]:
    draw = torch.Generator().manual_seed(keys)
    shapes = {"line": (1,), "distance": (1,), "key_lines": (keys, 1), "key_distances": (keys, 1)}
    shapes["key_colours"] = (keys, 3)
    return {name: torch.rand(1, *shape, height, width, generator=draw) for name, shape in shapes.items()}


@pytest.fixture(scope="module")
def net() -> ColorTransform:
    torch.manual_seed(1)
    net = ColorTransform(16)
    net(**_inputs(2, 32, 32))  # one step of the search for singular values, so that weights and their norm differ
    return net.eval().requires_grad_(False)


def test_weights_are_as_many_as_specified() -> None:
    # About 14.67 M by hand.
    assert sum(p.numel() for p in ColorTransform().parameters()) == 14_670_601


def test_the_discriminator_has_as_many_weights_as_specified() -> None:
    critic = PairDiscriminator()
    # 1.56 M by hand, and 8x8 logits of 256x256 pixels.
    assert sum(p.numel() for p in critic.parameters()) == 1_556_161
    assert critic(torch.rand(1, 4, 256, 256)).shape == (1, 1, 8, 8)


def test_three_pictures_come_out(net: ColorTransform) -> None:
    found = net(**_inputs(2, 128, 192))
    assert {getattr(found, name).shape for name in _OUTPUTS} == {(1, 3, 128, 192)}
    assert 0 <= float(found.colour.min()) <= float(found.colour.max()) <= 1


def test_every_place_of_the_target_asks_all_places_of_all_keys(net: ColorTransform) -> None:
    torch.manual_seed(2)
    target, distances, masked = (torch.randn(*shape, 64, 6, 8) for shape in ((1,), (1, 3), (1, 3)))
    weights = {name: value.double().numpy() for name, value in net.state_dict().items()}

    def projected(name: str, x: torch.Tensor) -> np.ndarray:
        flat = x.double().numpy().reshape(64, -1)
        return weights[f"{name}.weight"][:, :, 0, 0] @ flat + weights[f"{name}.bias"][:, None]

    queries = projected("match", target[0])
    keys = np.concatenate([projected("match", x) for x in distances[0]], 1)
    values = np.concatenate([projected("value", x) for x in masked[0]], 1)
    logits = queries.T @ keys / np.sqrt(len(queries))
    shares = np.exp(logits - logits.max(1, keepdims=True))
    attended = values @ (shares / shares.sum(1, keepdims=True)).T
    expected = weights["out.weight"][:, :, 0, 0] @ attended + weights["out.bias"][:, None]
    found = net.matched(target, distances, masked)[0].flatten(1).numpy()
    np.testing.assert_allclose(found, expected, atol=_F32)


def test_a_mask_of_one_keeps_what_lies_in_place_and_of_nought_what_was_matched(net: ColorTransform) -> None:
    torch.manual_seed(2)
    target, distances, colours = (torch.randn(*shape, 64, 6, 8) for shape in ((1,), (1, 2), (1, 2)))
    beside = torch.cat([target[:, None].expand_as(distances), distances], 2).flatten(0, 1)
    masked = functional.conv2d(beside, net.mask_m.weight, net.mask_m.bias, padding=1).sigmoid()[None] * colours
    bias = net.mask_n.bias.clone()
    try:
        net.mask_n.bias.fill_(100.0)
        assert torch.allclose(net.similar(target, distances, colours), masked.mean(1), atol=1e-5)
        net.mask_n.bias.fill_(-100.0)
        matched = net.matched(target, distances, masked)
        assert torch.allclose(net.similar(target, distances, colours), matched, atol=1e-5)
    finally:
        net.mask_n.bias.copy_(bias)


def test_one_key_gives_what_the_same_key_twice_gives(net: ColorTransform) -> None:
    once = _inputs(1, 32, 48)
    twice = {name: value if value.ndim == 4 else value.repeat(1, 2, 1, 1, 1) for name, value in once.items()}
    assert torch.allclose(net(**once).colour, net(**twice).colour, atol=1e-5)


@pytest.mark.parametrize(("keys", "height", "width"), [(1, 36, 52), (2, 64, 96), (3, 40, 48)])
def test_the_onnx_computes_the_same(net: ColorTransform, keys: int, height: int, width: int) -> None:
    session = onnxruntime.InferenceSession(to_onnx(net).SerializeToString(), providers=["CPUExecutionProvider"])
    inputs = _inputs(keys, height, width)
    fed = {name: (value if value.ndim == 4 else value[0]).numpy() for name, value in inputs.items()}
    expected = net(**inputs)
    for name, array in zip(_OUTPUTS, session.run(_OUTPUTS, fed), strict=True):
        np.testing.assert_allclose(array, getattr(expected, name).numpy(), atol=_F32, err_msg=name)


def test_writing_a_network_leaves_it_able_to_learn() -> None:
    net = ColorTransform(8)
    to_onnx(net)
    net(**_inputs(2, 16, 16)).colour.mean().backward()
    assert net.last.parametrizations.weight.original.grad is not None
