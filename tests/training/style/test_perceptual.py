"""The network behind content and style: found, read, refused."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("h5py")

from tests.training.style.helpers import random_vgg16, recipe  # noqa: E402
from vsanime.errors import VsanimeError  # noqa: E402
from vsanime.training.style import balance, losses, perceptual  # noqa: E402
from vsanime.training.style.perceptual import Trunk  # noqa: E402

pytestmark = pytest.mark.torch


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("Netze")
    random_vgg16(folder / "vgg16.h5")
    return folder


@pytest.fixture(scope="module")
def found(folder: Path) -> perceptual.Found:
    return perceptual.find("vgg16.h5", [folder], lambda _: None)


def test_features_are_those_of_plain_convolutions(found: perceptual.Found) -> None:
    """Against a loop of its own: codes in BGR without their mean, pooled before blocks, taken before ReLU."""
    trunk = Trunk(found, ("conv1_2", "conv3_1"))
    picture = torch.rand(1, 3, 16, 16, generator=torch.Generator().manual_seed(1)) * 2 - 1
    x = (picture.flip(1) + 1) * 127.5 - torch.tensor([103.939, 116.779, 123.68]).reshape(1, 3, 1, 1)
    expected = {}
    for i, (weight, bias) in enumerate(found.convolutions[:5]):
        if i in (2, 4):
            x = torch.nn.functional.max_pool2d(x, 2)
        x = torch.conv2d(x, weight, bias, padding=1)
        expected[i] = x
        x = x.relu()
    features = trunk(picture)
    assert list(features) == ["conv1_2", "conv3_1"]
    assert torch.equal(features["conv1_2"], expected[1])
    assert torch.equal(features["conv3_1"], expected[4])


def test_hdf5_weights_are_turned_to_torchs_order(folder: Path, found: perceptual.Found) -> None:
    import h5py

    with h5py.File(folder / "vgg16.h5") as file:
        stored = file["block1/layers/conv2d_1/vars/0"][()]
    assert np.array_equal(found.convolutions[1][0].numpy(), stored.transpose(3, 2, 0, 1))
    assert (found.kind, found.origin, len(found.convolutions)) == ("vgg16", "vgg16.h5", 13)


def test_torchvisions_file_is_read_by_its_keys(tmp_path: Path) -> None:
    """VGG19's sixteen convolutions stand among ReLU and pooling, then come linear layers, which nobody needs."""
    path = tmp_path / "vgg19.pth"
    state, into, number = {}, 3, 0
    for channels, count in ((64, 2), (128, 2), (256, 4), (512, 4), (512, 4)):
        for _ in range(count):
            state[f"features.{number}.weight"] = torch.zeros(channels, into, 3, 3)
            state[f"features.{number}.bias"] = torch.full((channels,), float(number))
            into, number = channels, number + 2
        number += 1
    state["classifier.0.weight"] = torch.zeros(2, 2)
    torch.save(state, path)
    found = perceptual.find(str(path), [], lambda _: None)
    assert (found.kind, len(found.convolutions)) == ("vgg19", 16)
    assert found.convolutions[11][1][0].item() == 25  # conv4_4 is features.25 in torchvision
    features = Trunk(found, (perceptual.DEEP["vgg19"],))(torch.zeros(1, 3, 16, 16))
    assert features["conv4_4"].shape == (1, 512, 2, 2)
    assert features["conv4_4"].mean().item() == 25  # before ReLU, which would not show, and with that bias


def test_scales_make_features_of_unit_size(found: perceptual.Found) -> None:
    trunk = Trunk(found, ("conv2_2", "conv4_3"))
    photos = list((torch.rand(3, 3, 32, 32, generator=torch.Generator().manual_seed(1)) * 2 - 1).split(1))
    trunk.scales.update(perceptual.measure_scales(trunk, photos))
    for layer in trunk.layers:
        squares = [trunk(photo)[layer].square().mean().item() for photo in photos]
        assert np.mean(squares) == pytest.approx(1, rel=1e-4)


def test_gradients_stand_in_the_stated_ratios(found: perceptual.Found) -> None:
    """content : style : colour as 2500 con : 2500 sty : col, here of tf-shinkai."""
    drawn = torch.Generator().manual_seed(1)
    photos, styles = (torch.rand(2, 3, 32, 32, generator=drawn) * 2 - 1 for _ in range(2))
    wanted = recipe(losses__preset="tf-shinkai").losses
    weighed = balance.measure(Trunk(found, ("conv4_3",)), found.origin, wanted, photos, styles)
    unit = weighed.gradients["colour"]
    assert weighed.content * weighed.gradients["content"] == pytest.approx(2500 * 1.2 * unit)
    assert weighed.style * weighed.gradients["style"] == pytest.approx(2500 * 2.0 * unit)
    plain = recipe(losses__balance=False).losses
    unweighed = balance.measure(Trunk(found, ("conv4_3",)), found.origin, plain, photos, styles)
    assert (unweighed.content, unweighed.style) == (1.5, 2.5)


def test_gradient_of_features_reaches_the_picture_and_no_weight(found: perceptual.Found) -> None:
    trunk = Trunk(found, ("conv1_1",))
    picture = torch.zeros(1, 3, 8, 8, requires_grad=True)
    losses.gram(trunk(picture)["conv1_1"]).sum().backward()
    assert picture.grad is not None
    assert all(parameter.grad is None for parameter in trunk.parameters())


def test_what_is_no_such_network_is_refused(folder: Path, tmp_path: Path, found: perceptual.Found) -> None:
    def refused(path: Path | str) -> str:
        with pytest.raises(VsanimeError) as raised:
            perceptual.find(str(path), [folder], lambda _: None)
        return str(raised.value)

    (tmp_path / "text.h5").write_bytes(b"no")
    (tmp_path / "text.pth").write_bytes(b"no")
    torch.save({"features.0.weight": torch.zeros(2, 3, 3, 3), "features.0.bias": torch.zeros(2)}, tmp_path / "s.pth")
    assert "there is no such file" in refused("gone.h5")
    assert "text.h5 holds no VGG16" in refused(tmp_path / "text.h5")
    assert "text.pth holds no VGG19" in refused(tmp_path / "text.pth")
    (tmp_path / "pointer.pth").write_bytes(b"version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 9\n")
    assert "pointer.pth holds no VGG19: it is a Git LFS pointer for 9 bytes" in refused(tmp_path / "pointer.pth")
    assert "s.pth holds no VGG19: its convolutions are [(2, 3, 3, 3)]" in refused(tmp_path / "s.pth")
    with pytest.raises(VsanimeError, match=r"layers \['conv9_9'\] of \[losses\]; conv1_1, conv1_2"):
        Trunk(found, ("conv9_9",))


def test_vgg19_is_not_fetched_where_downloads_are_forbidden(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, folder: Path
) -> None:
    monkeypatch.setenv("VSANIME_OFFLINE", "1")
    monkeypatch.setattr(torch.hub, "_hub_dir", str(tmp_path))
    with pytest.raises(VsanimeError, match="VGG19"):
        perceptual.find("vgg19", [folder], lambda _: None)
