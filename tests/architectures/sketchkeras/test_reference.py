"""SketchKeras's ONNX against the network in torch, layer by layer; its size and its import."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from tests.support.reference import run_plain
from tests.support.sketches import random_sketch, random_state
from vsanime.architectures.sketchkeras.onnx import PARAMETERS
from vsanime.errors import VsanimeError
from vsanime.models.formats import read

torch = pytest.importorskip("torch")
from torch import nn  # noqa: E402 - after the check that there is torch

pytestmark = pytest.mark.torch

# The same f32 sums of up to 16,384 terms in other orders, 18 layers deep.
SAME_SUMS = 1e-4


def layers(padding: str, *convs: tuple[int, int, int, int], enlarged: bool = False) -> nn.Sequential:
    """(in, out, kernel, stride) of convolutions, each padded, normed and activated."""
    pad = nn.ReflectionPad2d if padding == "reflect" else nn.ZeroPad2d
    found: list[nn.Module] = [nn.Upsample(scale_factor=2)] if enlarged else []
    for into, out, kernel, stride in convs:
        uneven = kernel == 4 and stride == 1
        found += [pad((1, 2, 1, 2) if uneven else (1, 1, 1, 1)), nn.Conv2d(into, out, kernel, stride)]
        found += [nn.BatchNorm2d(out, eps=1e-3), nn.ReLU()]
    return nn.Sequential(*found)


class SketchKeras(nn.Module):
    def __init__(self, padding: str) -> None:
        super().__init__()
        self.downblock_1 = layers(padding, (1, 32, 3, 1))
        self.downblock_2 = layers(padding, (32, 64, 4, 2), (64, 64, 3, 1))
        self.downblock_3 = layers(padding, (64, 128, 4, 2), (128, 128, 3, 1))
        self.downblock_4 = layers(padding, (128, 256, 4, 2), (256, 256, 3, 1))
        self.downblock_5 = layers(padding, (256, 512, 4, 2))
        self.downblock_6 = layers(padding, (512, 512, 3, 1))
        self.upblock_1 = layers(padding, (1024, 512, 4, 1), (512, 256, 3, 1), enlarged=True)
        self.upblock_2 = layers(padding, (512, 256, 4, 1), (256, 128, 3, 1), enlarged=True)
        self.upblock_3 = layers(padding, (256, 128, 4, 1), (128, 64, 3, 1), enlarged=True)
        self.upblock_4 = layers(padding, (128, 64, 4, 1), (64, 32, 3, 1), enlarged=True)
        self.last_pad = nn.ReflectionPad2d(1) if padding == "reflect" else nn.ZeroPad2d(1)
        self.last_conv = nn.Conv2d(64, 1, 3)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        d1 = self.downblock_1(x)
        d2 = self.downblock_2(d1)
        d3 = self.downblock_3(d2)
        d4 = self.downblock_4(d3)
        d5 = self.downblock_5(d4)
        u1 = self.upblock_1(torch.cat((d5, self.downblock_6(d5)), 1))
        u2 = self.upblock_2(torch.cat((d4, u1), 1))
        u3 = self.upblock_3(torch.cat((d3, u2), 1))
        u4 = self.upblock_4(torch.cat((d2, u3), 1))
        result: torch.Tensor = self.last_conv(self.last_pad(torch.cat((d1, u4), 1)))
        return result


def network(padding: str = "reflect") -> SketchKeras:
    net = SketchKeras(padding).eval()
    net.load_state_dict({name: torch.tensor(array) for name, array in random_state().items()})
    return net


def test_it_has_as_many_weights_as_published() -> None:
    assert sum(parameter.numel() for parameter in SketchKeras("reflect").parameters()) == PARAMETERS


@pytest.mark.parametrize("padding", ["reflect", "zero"])
@pytest.mark.parametrize("size", [(32, 32), (48, 64)])
def test_onnx_computes_what_torch_does(padding: str, size: tuple[int, int]) -> None:
    picture = np.random.default_rng(1).normal(0, 0.5, (3, 1, *size)).astype(np.float32)
    with torch.no_grad():
        expected = network(padding)(torch.from_numpy(picture)).clamp(0, 1).numpy()
    assert expected.std() > 0.1
    # Its declared batch is 1; the filter runs three channels in a graph of its own.
    onnx = random_sketch(padding).SerializeToString()
    found = np.concatenate([run_plain(onnx, one[None]) for one in picture])
    np.testing.assert_allclose(found, expected, atol=SAME_SUMS)


def test_what_torch_saves_is_imported(tmp_path: Path) -> None:
    path = tmp_path / "model.pth"
    torch.save(network().state_dict(), path)
    made = read(path)
    assert made.architecture == "sketchkeras"
    assert f"{PARAMETERS:,} weights" in made.summary
    assert made.proto.SerializeToString() == random_sketch().SerializeToString()


def test_padding_is_one_of_two() -> None:
    with pytest.raises(VsanimeError, match="padding is reflect or zero, not 'edge'"):
        random_sketch("edge")
