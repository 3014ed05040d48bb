"""What torch itself saves is imported without torch, and computes what the module computed."""

from __future__ import annotations

import subprocess
import sys
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
import pytest

from vsanime.errors import VsanimeError
from vsanime.models.formats import read

torch = pytest.importorskip("torch")
artcnn = pytest.importorskip("vsanime.nets.artcnn")

pytestmark = pytest.mark.torch

# torch and ONNX Runtime take the same f32 sums in other orders.
SAME_SUMS = 1e-5

UPCONV_7 = (3, 16, 32, 64, 128, 128, 256)


def upconv_7(bias: bool) -> Any:
    """As in nunif (with a bias that is zero) and by yu45020 (without): valid convolutions and a transposed one."""
    layers: list[Any] = []
    for into, out in pairwise(UPCONV_7):
        layers += [torch.nn.Conv2d(into, out, 3), torch.nn.LeakyReLU(0.1)]
    last = torch.nn.ConvTranspose2d(UPCONV_7[-1], 3, 4, 2, 3, bias=bias)
    if bias:
        torch.nn.init.zeros_(last.bias)
    return torch.nn.Sequential(*layers, last)


def assert_same(path: Path, net: Any, planes: int, margin: int = 0, **options: str) -> None:
    """The imported file gives what the module gives, clipped."""
    imported = read(path, **options)
    x = torch.rand(1, planes, 20, 24)
    with torch.no_grad():
        expected = net(torch.nn.functional.pad(x, [margin] * 4, mode="replicate")).clamp(0, 1).numpy()
    session = onnxruntime.InferenceSession(imported.proto.SerializeToString(), providers=["CPUExecutionProvider"])
    found = session.run(None, {"input": x.numpy()})[0]
    np.testing.assert_allclose(found, expected, atol=SAME_SUMS)


@pytest.mark.parametrize("legacy", [False, True], ids=["zip", "legacy"])
@pytest.mark.parametrize("name", ["C4F16", "C4F32_Chroma", "R8F64"])
def test_networks_of_this_project(tmp_path: Path, name: str, legacy: bool) -> None:
    net = artcnn.build(name)
    torch.save(net.state_dict(), tmp_path / "net.pth", _use_new_zipfile_serialization=not legacy)
    assert_same(tmp_path / "net.pth", net, 3 if "Chroma" in name else 1)


def test_silu_is_asked_for(tmp_path: Path) -> None:
    net = artcnn.build("R8F64", activation="silu")
    torch.save(net.state_dict(), tmp_path / "net.pth")
    assert_same(tmp_path / "net.pth", net, 1, activation="silu")


@pytest.mark.parametrize("legacy", [False, True], ids=["zip", "legacy"])
@pytest.mark.parametrize("bias", [False, True], ids=["yu45020", "nunif"])
def test_upconv_7(tmp_path: Path, bias: bool, legacy: bool) -> None:
    net = upconv_7(bias)
    prefix = "net." if bias else "Sequential."
    weights = {prefix + key: tensor for key, tensor in net.state_dict().items()}
    saved = {"nunif_model": 1, "name": "waifu2x.upconv_7", "kwargs": {}, "state_dict": weights} if bias else weights
    torch.save(saved, tmp_path / "net.pk", _use_new_zipfile_serialization=not legacy)
    assert_same(tmp_path / "net.pk", net, 3, margin=7)


@pytest.mark.parametrize("legacy", [False, True], ids=["zip", "legacy"])
@pytest.mark.parametrize("form", ["float16", "bfloat16", "float64"])
def test_other_precisions(tmp_path: Path, form: str, legacy: bool) -> None:
    net = artcnn.build("C4F16").to(getattr(torch, form))
    torch.save(net.state_dict(), tmp_path / "net.pt", _use_new_zipfile_serialization=not legacy)
    assert_same(tmp_path / "net.pt", net.float(), 1)


@pytest.mark.parametrize("legacy", [False, True], ids=["zip", "legacy"])
def test_parameters_views_and_wrapped_modules(tmp_path: Path, legacy: bool) -> None:
    """Parameters as such, one storage for all, a memory order of its own: nothing a checkpoint could not hold."""
    net = torch.nn.DataParallel(artcnn.build("C4F16"))
    flat = torch.cat([p.detach().flatten() for p in net.parameters()])
    state, at = {}, 0
    for name, parameter in net.named_parameters():
        view = flat[at : at + parameter.numel()].view_as(parameter)
        at += parameter.numel()
        state[name] = torch.nn.Parameter(view.contiguous(memory_format=torch.channels_last) if view.ndim == 4 else view)
    checkpoint = {"params": state, "epoch": 3, "lr": 1e-4, "betas": (0.9, 0.999), "note": None, "done": False}
    torch.save(checkpoint, tmp_path / "net.pth", _use_new_zipfile_serialization=not legacy)
    assert_same(tmp_path / "net.pth", net.module, 1)


@pytest.mark.parametrize("legacy", [False, True], ids=["zip", "legacy"])
def test_whole_modules_are_refused_by_name(tmp_path: Path, legacy: bool) -> None:
    torch.save(artcnn.build("C4F16"), tmp_path / "net.pth", _use_new_zipfile_serialization=not legacy)
    with pytest.raises(VsanimeError, match=r"vsanime\.nets\.artcnn\.ArtCNNC', which may run code and is refused"):
        read(tmp_path / "net.pth")


def test_import_loads_no_torch(tmp_path: Path) -> None:
    torch.save(artcnn.build("C4F16").state_dict(), tmp_path / "net.pth")
    script = "import sys; from vsanime.models.formats import read; read(sys.argv[1]); assert 'torch' not in sys.modules"
    subprocess.run([sys.executable, "-c", script, str(tmp_path / "net.pth")], check=True)
