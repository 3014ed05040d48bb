"""AnimeGANv2's generator in torch: its size, its three up-samplings, and the ONNX that it becomes and comes from."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from onnx import TensorProto, helper

from tests.support import writers
from tests.support.generators import as_pytorch, as_tensorflow, random_weights
from tests.support.reference import run_plain
from vsanime.errors import VsanimeError
from vsanime.graphs.inspect import inspect
from vsanime.models.animegan import SHAPES, TORCH_EPSILON
from vsanime.models.formats import read

torch = pytest.importorskip("torch")

from vsanime.nets.animegan import TF_EPSILON, UPSAMPLES, Generator  # noqa: E402
from vsanime.nets.export import save, to_onnx  # noqa: E402
from vsanime.nets.load import from_onnx, load  # noqa: E402

pytestmark = pytest.mark.torch

# The same f32 sums in other orders, through 24 norms: 3e-6 was measured.
SAME_SUMS = 2e-5

ONNX_MODES = {"tf": "asymmetric", "align": "align_corners", "half": "half_pixel"}


def generator(upsample: str = "tf", epsilon: float = TF_EPSILON) -> Any:
    net = Generator(upsample, epsilon=epsilon)
    net.load_state_dict({name: torch.tensor(array) for name, array in random_weights().items()})
    return net.eval()


def computed(net: Any, picture: np.ndarray) -> np.ndarray:
    """RGB in [0, 1] at both ends, as plain networks have it."""
    with torch.no_grad():
        result: np.ndarray = (net(torch.from_numpy(picture) * 2 - 1) / 2 + 0.5).numpy()
    return result


def picture(width: int = 44, height: int = 36, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).random((1, 3, height, width), np.float32)


def test_it_has_the_weights_that_the_author_counts() -> None:
    assert sum(parameter.numel() for parameter in Generator().parameters()) == 2_143_552
    assert inspect(to_onnx(Generator())).parameters == 2_143_552


def test_its_names_and_shapes_are_those_of_published_weights() -> None:
    found = {name: tuple(tensor.shape) for name, tensor in Generator().state_dict().items()}
    assert found == SHAPES
    for name in (
        *("block_a.0.1.weight", "block_a.2.2.bias", "block_b.1.1.weight", "block_c.0.2.weight", "block_c.5.1.weight"),
        *("block_c.1.layers.0.1.weight", "block_c.4.layers.1.1.bias", "block_c.2.layers.2.weight"),
        *("block_c.3.layers.3.bias", "block_d.1.1.weight", "block_e.2.2.bias", "out_layer.0.weight"),
    ):
        assert name in found


@pytest.mark.parametrize("mode", UPSAMPLES)
def test_up_sampling_is_onnx_resize(mode: str) -> None:
    resize = helper.make_node(
        "Resize", ["x", "", "s"], ["y"], mode="linear", coordinate_transformation_mode=ONNX_MODES[mode]
    )
    values = [helper.make_tensor_value_info(name, TensorProto.FLOAT, None) for name in "xy"]
    values[0] = helper.make_tensor_value_info("x", TensorProto.FLOAT, [1, 5, "h", "w"])
    scales = helper.make_tensor("s", TensorProto.FLOAT, [4], [1.0, 1.0, 2.0, 2.0])
    graph = helper.make_graph([resize], "up", values[:1], values[1:], [scales])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    x = np.random.default_rng(0).random((1, 5, 7, 11), np.float32)
    found = UPSAMPLES[mode](torch.from_numpy(x)).numpy()
    assert found.shape == (1, 5, 14, 22)
    assert np.abs(found - run_plain(model.SerializeToString(), x)).max() <= 1e-6


def test_tensorflows_up_sampling_by_hand() -> None:
    """Sample i stays at 2i, halfway lies the mean, the last one is repeated."""
    x = torch.tensor([[[[0.0, 4.0], [8.0, 2.0]]]])
    assert UPSAMPLES["tf"](x).tolist() == [[[[0, 2, 4, 4], [4, 3.5, 3, 3], [8, 5, 2, 2], [8, 5, 2, 2]]]]


@pytest.mark.parametrize(("upsample", "epsilon"), [("tf", TF_EPSILON), ("align", TORCH_EPSILON), ("half", 1e-3)])
@pytest.mark.parametrize("size", [(44, 36), (8, 8), (32, 60)])
def test_onnx_computes_what_torch_does(upsample: str, epsilon: float, size: tuple[int, int]) -> None:
    net = generator(upsample, epsilon)
    x = picture(*size)
    np.testing.assert_allclose(run_plain(to_onnx(net).SerializeToString(), x), computed(net, x), atol=SAME_SUMS)


def test_the_three_up_samplings_and_the_epsilon_matter() -> None:
    x = picture()
    made = [computed(generator(mode), x) for mode in UPSAMPLES]
    for one, other in ((0, 1), (0, 2), (1, 2)):
        assert np.abs(made[one] - made[other]).mean() > 0.01
    assert np.abs(computed(generator("tf", 0.1), x) - made[0]).max() > 0.01


@pytest.mark.parametrize("upsample", UPSAMPLES)
def test_onnx_and_back(tmp_path: Path, upsample: str) -> None:
    net = generator(upsample, TORCH_EPSILON)
    save(net, tmp_path / "ö net.onnx")
    back = load(tmp_path / "ö net.onnx")
    assert (type(back), back.upsample, back.epsilon) == (Generator, upsample, TORCH_EPSILON)
    assert to_onnx(back) == to_onnx(net)


def test_networks_of_other_programs_become_ours() -> None:
    for proto, upsample, epsilon in (
        (as_tensorflow(random_weights()), "tf", TF_EPSILON),
        (as_pytorch(random_weights()), "align", TORCH_EPSILON),
    ):
        net = from_onnx(proto)
        assert (net.upsample, net.epsilon) == (upsample, epsilon)
        assert to_onnx(net) == to_onnx(generator(upsample, epsilon))


@pytest.mark.parametrize("legacy", [False, True], ids=["zip", "legacy"])
def test_a_published_state_dict(tmp_path: Path, legacy: bool) -> None:
    """As bryandlee's weights are: saved by torch, run with aligned corners and PyTorch's epsilon."""
    net = generator("align", TORCH_EPSILON)
    torch.save(net.state_dict(), tmp_path / "paprika.pt", _use_new_zipfile_serialization=not legacy)
    assert read(tmp_path / "paprika.pt").proto.graph == to_onnx(net).graph
    back = load(tmp_path / "paprika.pt", upsample="tf")
    assert (back.upsample, back.epsilon) == ("tf", TORCH_EPSILON)
    back.load_state_dict(torch.load(tmp_path / "paprika.pt", weights_only=True))


def test_a_checkpoint_of_our_own_training(tmp_path: Path) -> None:
    """Weights, their average, and what the optimizer remembers: the average counts, grown as TensorFlow does."""
    net = generator()
    state = {name: tensor.numpy() for name, tensor in net.state_dict().items()}
    checkpoint = {f"mean.{name}": array for name, array in state.items()}
    checkpoint |= {f"{part}.{name}": array * 0 for part in ("net", "exp_avg") for name, array in state.items()}
    path = tmp_path / "state-001.safetensors"
    path.write_bytes(writers.safetensors(checkpoint))
    imported = read(path)
    assert imported.proto == to_onnx(net)
    assert "'tf' (as trained here), epsilon 1e-12" in imported.summary
    assert to_onnx(load(path)) == to_onnx(net)


def test_recomputed_layers_give_the_same_gradient() -> None:
    gradients = []
    for recompute in (False, True):
        net = generator().train()
        net.recompute = recompute
        net(torch.from_numpy(picture()) * 2 - 1).square().mean().backward()
        gradients.append([parameter.grad for parameter in net.parameters()])
    for one, other in zip(*gradients, strict=True):
        torch.testing.assert_close(one, other)


def test_fresh_weights_are_he_weights_and_follow_from_the_seed() -> None:
    nets = []
    for _ in range(2):
        torch.manual_seed(3)
        nets.append(Generator())
    weight = nets[0].block_c[5][1].weight
    assert torch.equal(weight, nets[1].block_c[5][1].weight)
    assert abs(float(weight.detach().std()) / (2 / (256 * 9)) ** 0.5 - 1) < 0.02
    assert not nets[0].block_c[1].layers[1][1].bias.any()


def test_wrong_arguments() -> None:
    with pytest.raises(VsanimeError, match="upsample is one of tf, align, half, not 'bicubic'"):
        Generator("bicubic")
    with pytest.raises(VsanimeError, match="epsilon is above 0"):
        Generator(epsilon=0)


def test_the_input_of_another_size_is_not_the_networks_affair() -> None:
    """A multiple of 4 is needed; others come out smaller, which `inspect` reads from the graph."""
    assert inspect(to_onnx(Generator())).multiple == 4
    assert inspect(to_onnx(Generator())).radius is None
    assert run_plain(to_onnx(Generator()).SerializeToString(), picture(70, 66)).shape == (1, 3, 64, 68)
