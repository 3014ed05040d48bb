"""Simulated rounding is that of real casts and of the graphs that runtimes are given; gradients pass through it."""

from __future__ import annotations

import numpy as np
import pytest

from tests.support import halfprecision
from tests.support.planesgraphs import feed_for, planes_graph
from vsanime.spec import GraphTraits

torch = pytest.importorskip("torch")

from torch.nn import functional  # noqa: E402

from vsanime.architectures.artcnn.module import build  # noqa: E402
from vsanime.architectures.espcn.module import ESPCN  # noqa: E402
from vsanime.architectures.export import to_onnx  # noqa: E402
from vsanime.architectures.waifu2x.module import UpConv7  # noqa: E402
from vsanime.training.optimize.precision import DTYPES, Rounded, can_be_native  # noqa: E402

pytestmark = pytest.mark.torch

BODIES = {"bf16": "bfloat16", "fp16": "float16"}


@pytest.mark.parametrize("dtype", DTYPES)
def test_rounding_is_a_real_cast(dtype: str) -> None:
    x = torch.randn(10_000) * 2.0 ** torch.randint(-8, 8, (10_000,))
    assert torch.equal(Rounded(build("C1F4"), dtype).round(x), x.to(DTYPES[dtype]).float())


@pytest.mark.parametrize("dtype", DTYPES)
def test_c_network_layer_by_layer(dtype: str) -> None:
    """Written out once more with nothing but casts."""
    torch.manual_seed(0)
    net = build("C2F8")
    cast = lambda x: x.to(DTYPES[dtype]).float()  # noqa: E731
    x = torch.rand(1, 1, 12, 10)

    def low(conv: torch.nn.Conv2d, x: torch.Tensor) -> torch.Tensor:
        return cast(functional.conv2d(x, cast(conv.weight), cast(conv.bias), padding=1))

    with torch.no_grad():
        y = low(net.first, cast(x))
        for conv in net.inner_convs:
            y = low(conv, y).relu()
        y = low(net.inner_last, y)
        inner = cast(functional.conv2d(y, cast(net.last.weight), None, padding=1))
        expected = functional.pixel_shuffle(net.last(net.first(x)) + inner, 2)
        assert torch.equal(Rounded(net, dtype)(x), expected)


def error(a: np.ndarray, b: np.ndarray) -> float:
    return float(np.sqrt(np.mean((a.astype(np.float64) - b) ** 2)))


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("name", ["C4F16", "R2F16"])
def test_simulation_is_what_runtimes_are_given(name: str, dtype: str) -> None:
    """Against the lowered graph, rounded layer by layer: a value that lies between two may fall to either side."""
    torch.manual_seed(1)
    net = build(name)
    with torch.no_grad():
        net.last.weight.mul_(0.2)
        net.last.bias.fill_(0.5)  # little is clipped
    graph = planes_graph(to_onnx(net), "single", (40, 32), GraphTraits(exact_linear=True, body=BODIES[dtype]))
    x = np.random.default_rng(2).random((1, 1, 32, 40), np.float32)
    (low,) = halfprecision.run(graph.onnx, feed_for(graph, [x]))
    with torch.no_grad():
        exact = net(torch.from_numpy(x)).clamp(0, 1).numpy().reshape(low.shape)
        simulated = Rounded(net, dtype)(torch.from_numpy(x)).clamp(0, 1).numpy().reshape(low.shape)
    # What differs between two orders of sums is a tenth of what rounding itself does, or less.
    assert error(simulated, low) < 0.3 * error(exact, low)
    assert error(exact, low) > 1e-6


@pytest.mark.parametrize("name", ["C4F16", "R2F16"])
def test_real_arithmetic_does_what_is_simulated(name: str) -> None:
    torch.manual_seed(1)
    net = build(name)
    x = torch.rand(2, 1, 32, 40)
    with torch.no_grad():
        native, simulated, exact = (
            run(x).numpy() for run in (Rounded(net, "bf16", native=True), Rounded(net, "bf16"), net)
        )
    assert native.dtype == np.float32
    # As above: sums in other orders.
    assert error(native, simulated) < 0.3 * error(exact, simulated)


def test_real_arithmetic_is_for_bf16_in_artcnn() -> None:
    assert can_be_native(build("C1F4"), "bf16")
    assert not can_be_native(build("C1F4"), "fp16")
    assert not can_be_native(ESPCN((8,) * 6), "bf16")


@pytest.mark.parametrize("make", [lambda: ESPCN((8,) * 6), lambda: UpConv7((4, 4, 8, 8, 8, 8))])
def test_networks_without_a_linear_skip_are_rounded_throughout(make: object) -> None:
    torch.manual_seed(0)
    net = make()  # type: ignore[operator]
    x = torch.rand(1, 3, 20, 20)
    with torch.no_grad():
        rounded, exact = Rounded(net, "bf16")(x), net(x)
    assert 1e-5 < (rounded - exact).abs().mean() < 0.05
    # The last layer's result is rounded as well, and nothing is left behind in the network.
    assert torch.equal(rounded, rounded.bfloat16().float())
    with torch.no_grad():
        assert torch.equal(net(x), exact)


@pytest.mark.parametrize(
    ("make", "native"),
    [
        (lambda: build("C2F8"), False),
        (lambda: build("C2F8"), True),
        (lambda: build("R1F8"), True),
        (lambda: ESPCN((8,) * 6), False),
    ],
)
def test_every_weight_has_a_gradient_close_to_the_exact_one(make: object, native: bool) -> None:
    torch.manual_seed(3)
    net = make()  # type: ignore[operator]
    x = torch.rand(2, next(net.parameters()).shape[1], 16, 16)
    gradients = []
    for run in (net, Rounded(net, "bf16", native=native)):
        net.zero_grad()
        run(x).square().mean().backward()
        gradients.append(torch.cat([p.grad.ravel() for p in net.parameters()]))
    assert functional.cosine_similarity(*gradients, dim=0) > 0.99
