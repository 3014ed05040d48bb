"""Networks that an earlier commit wrote are built by this one, with the same names for the same weights."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.models.importers.test_written_earlier import IMPORTED, ONNX_ONLY
from tests.writtenearlier import unpack

torch = pytest.importorskip("torch")
safetensors = pytest.importorskip("safetensors")

from vsanime.nets.export import save  # noqa: E402 - torch first
from vsanime.nets.load import load  # noqa: E402

pytestmark = pytest.mark.torch


@pytest.fixture(scope="module")
def networks(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return unpack("networks", tmp_path_factory.mktemp("networks"))


def stored(path: Path) -> dict[str, torch.Tensor]:
    with safetensors.safe_open(path, "pt") as file:
        return {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 - no mapping


@pytest.mark.parametrize("name", [*IMPORTED, *ONNX_ONLY])
def test_network_has_the_weights_of_its_state_dict(name: str, networks: Path) -> None:
    path = networks / f"{name}.{'onnx' if name in ONNX_ONLY else 'safetensors'}"
    found, expected = (
        load(path, upsample="tf" if name == "animegan2" else None).state_dict(),
        stored(networks / f"{name}.safetensors"),
    )
    assert found.keys() == expected.keys()
    assert [key for key in found if not torch.equal(found[key], expected[key])] == []


@pytest.mark.parametrize("name", ONNX_ONLY)
def test_network_is_exported_as_it_was(name: str, networks: Path, tmp_path: Path) -> None:
    save(load(networks / f"{name}.onnx"), tmp_path / "net.onnx")
    again, before = load(tmp_path / "net.onnx").state_dict(), load(networks / f"{name}.onnx").state_dict()
    assert list(again) == list(before)
    assert all(torch.equal(again[key], before[key]) for key in before)
