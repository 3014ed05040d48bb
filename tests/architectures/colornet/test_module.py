"""The colour network that is shipped: what it begins as, how far it sees, what attention copies, and its ONNX."""

from __future__ import annotations

import pytest

torch = pytest.importorskip("torch")

import numpy as np  # noqa: E402
import onnxruntime  # noqa: E402

from vsanime.architectures.colornet.module import ColorNet  # noqa: E402
from vsanime.architectures.export import to_onnx  # noqa: E402
from vsanime.errors import VsanimeError  # noqa: E402

pytestmark = pytest.mark.torch

_OUTPUTS = ("colour", "weights", "copied", "residual")
_WIDTH = 16
# The same f32 sums in another order; found: 2e-6 at most.
_F32 = 1e-5


def _inputs(keys: int, height: int, width: int, seed: int = 0) -> dict[str, torch.Tensor]:
    draw = torch.Generator().manual_seed(seed)

    def random(*shape: int) -> torch.Tensor:
        return torch.rand(*shape, generator=draw)

    share = random(1, 1, 1, height, width)
    return {
        "line": random(1, 1, height, width),
        "key_lines": random(1, keys, 1, height, width),
        "key_colours": random(1, keys, 3, height, width),
        "warped": random(1, 2, 3, height, width),
        "errors": random(1, 2, 1, height, width),
        "prior": torch.cat([share, 1 - share], 1),
    }


def _net(width: int = _WIDTH, *, fresh: bool = False) -> ColorNet:
    torch.manual_seed(1)
    net = ColorNet(width).eval()
    if not fresh:
        for layer in (net.decoder["head"], net.enlargement[1]):
            torch.nn.init.normal_(layer.weight, std=0.02)
            torch.nn.init.normal_(layer.bias, std=0.2)
    return net.requires_grad_(False)


@pytest.mark.parametrize("share", [0.0, 0.3, 1.0, None])
def test_an_untrained_network_gives_the_blend_of_the_moved_keys(share: float | None) -> None:
    inputs = _inputs(2, 48, 64)
    if share is not None:
        inputs["prior"] = torch.tensor([share, 1 - share]).reshape(1, 2, 1, 1, 1).expand(1, 2, 1, 48, 64)
    found = _net(fresh=True)(**inputs)
    blend = (inputs["prior"] * inputs["warped"]).sum(1)
    assert float((found.colour - blend).abs().max()) < 0.5 / 255
    assert not found.residual.any()


def test_weights_are_convex_and_copied_colours_are_mixtures_of_those_of_the_keys() -> None:
    inputs = _inputs(2, 48, 64)
    inputs["key_colours"] = 0.4 + 0.2 * inputs["key_colours"]
    found = _net()(**inputs)
    assert float(found.weights.min()) >= 0
    assert torch.allclose(found.weights.sum(1), torch.ones(1, 48, 64), atol=1e-6)
    assert 0.4 <= float(found.copied.min()) <= float(found.copied.max()) <= 0.6


def test_a_feature_of_lines_sees_a_hundred_pixels_or_more() -> None:
    net = ColorNet(_WIDTH)
    # With weights above nought no path cancels another.
    for parameter in net.lines.parameters():
        torch.nn.init.constant_(parameter, 0.01)
    size = 320
    picture = torch.ones(1, 1, size, size, requires_grad=True)
    net.lines(picture)[3][0, :, size // 16, size // 16].sum().backward()
    assert picture.grad is not None
    rows = picture.grad[0, 0].abs().sum(1).nonzero()
    assert 100 <= int(rows.max() - rows.min()) + 1 < size


def test_attention_is_that_of_a_dense_reference_over_all_cells_of_all_keys() -> None:
    net = _net()
    inputs = _inputs(3, 32, 48)
    features, values = net.keys(inputs["key_lines"], inputs["key_colours"])
    lines = net.lines(inputs["line"])[3]
    queries = net._placed("query", lines)[0].flatten(1).numpy().astype(np.float64)
    keys = np.concatenate(list(features[0].numpy().astype(np.float64)), 1)
    found = np.concatenate(list(values[0].numpy().astype(np.float64)), 1)
    logits = queries.T @ keys / np.sqrt(len(queries))
    shares = np.exp(logits - logits.max(1, keepdims=True))
    expected = (shares / shares.sum(1, keepdims=True)) @ found.T
    attended = net.attended(lines, features, values)[0].flatten(1).numpy()
    np.testing.assert_allclose(attended.T, expected, atol=_F32)


def test_the_values_begin_with_the_mean_colour_of_each_cell() -> None:
    inputs = _inputs(2, 32, 48)
    _, values = _net().keys(inputs["key_lines"], inputs["key_colours"])
    cells = inputs["key_colours"].reshape(1, 2, 3, 4, 8, 6, 8).mean((4, 6)).flatten(3)
    assert torch.allclose(values[:, :, :3], cells, atol=1e-6)


def test_one_key_gives_what_the_same_key_twice_gives() -> None:
    net = _net()
    once = _inputs(1, 48, 64)
    twice = once | {name: once[name].repeat(1, 2, 1, 1, 1) for name in ("key_lines", "key_colours")}
    for name in _OUTPUTS:
        assert torch.allclose(getattr(net(**once), name), getattr(net(**twice), name), atol=1e-5), name


def test_samples_of_a_batch_do_not_see_each_other() -> None:
    net = _net()
    one, other = _inputs(2, 32, 48, seed=1), _inputs(2, 32, 48, seed=2)
    both = net(**{name: torch.cat([one[name], other[name]]) for name in one})
    for i, alone in enumerate((one, other)):
        assert torch.allclose(both.colour[i], net(**alone).colour[0], atol=1e-5)


@pytest.fixture(scope="module")
def session() -> onnxruntime.InferenceSession:
    return onnxruntime.InferenceSession(to_onnx(_net()).SerializeToString(), providers=["CPUExecutionProvider"])


@pytest.mark.parametrize(("keys", "height", "width"), [(1, 32, 48), (2, 48, 64), (2, 144, 256), (3, 80, 16)])
def test_the_onnx_computes_the_same(session: onnxruntime.InferenceSession, keys: int, height: int, width: int) -> None:
    inputs = _inputs(keys, height, width)
    expected = _net()(**inputs)
    found = session.run(_OUTPUTS, _fed(inputs))
    for name, array in zip(_OUTPUTS, found, strict=True):
        np.testing.assert_allclose(array, getattr(expected, name).numpy(), atol=_F32, err_msg=name)


def test_features_and_values_of_a_key_depend_on_that_key_alone() -> None:
    proto = to_onnx(_net())
    names = ("key_features", "key_values")
    for name in names:
        proto.graph.output.add().name = name
    session = onnxruntime.InferenceSession(proto.SerializeToString(), providers=["CPUExecutionProvider"])
    inputs = _inputs(3, 32, 48)
    together = session.run(names, _fed(inputs))
    for i in range(3):
        alone = {name: inputs[name][:, i : i + 1] for name in ("key_lines", "key_colours")}
        for array, single in zip(together, session.run(names, _fed(inputs | alone)), strict=True):
            assert single.shape == (1, array.shape[1], 24)
            np.testing.assert_allclose(array[i], single[0], atol=_F32)


def test_shipped_width_stays_below_twelve_megabytes_in_half_precision() -> None:
    assert 2 * sum(p.numel() for p in ColorNet().parameters()) < 12_000_000


@pytest.mark.parametrize("width", [6, 25, 130])
def test_a_width_that_cannot_be_is_refused(width: int) -> None:
    with pytest.raises(VsanimeError, match=f"an even number from 8 to 128, not {width}"):
        ColorNet(width)


@pytest.mark.parametrize("width", [16, 24, 64])
def test_every_width_runs(width: int) -> None:
    assert _net(width)(**_inputs(2, 16, 32)).colour.shape == (1, 3, 16, 32)


def _fed(inputs: dict[str, torch.Tensor]) -> dict[str, np.ndarray]:
    """As the graph takes them: keys and pairs are the batch."""
    return {name: (value if name == "line" else value[0]).numpy() for name, value in inputs.items()}
