"""What every torch module of the registry offers."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

pytestmark = pytest.mark.torch
torch = pytest.importorskip("torch")

from vsanime.architectures import ARCHITECTURES, architecture_of  # noqa: E402
from vsanime.architectures.export import to_onnx  # noqa: E402
from vsanime.architectures.load import from_onnx  # noqa: E402
from vsanime.errors import VsanimeError  # noqa: E402
from vsanime.training.recipes.pairs import Network  # noqa: E402

SETTINGS: dict[str, dict[str, Any]] = {
    "artcnn": {"variant": "C2F4"},
    "espcn_7": {"widths": (4, 4)},
    "upconv_7": {"widths": (4,) * 6},
    "vgg_7": {"widths": (4,) * 6},
    "drrn": {"units": 2, "filters": 4},
    "animegan2": {"upsample": "half"},
    "colour": {"width": 8},
    "document": {"width": 8},
    "colour_temporal": {"width": 4, "residual": True},
}
TRAINED = [name for name, row in ARCHITECTURES.items() if row.load_module is not None]


@pytest.mark.parametrize("name", TRAINED)
def test_networks_are_made_written_and_built_again(name: str) -> None:
    row = ARCHITECTURES[name]
    assert row.load_module is not None
    module, settings = row.load_module(), SETTINGS[name]
    torch.manual_seed(3)
    pairs = row.task == "pairs"
    net = module.make(Network(architecture=name, **settings), 1) if pairs else module.make(SimpleNamespace(**settings))
    assert type(net) in module.NETS
    found = architecture_of(net)
    assert found is not None
    assert found.load_module is row.load_module
    proto = to_onnx(net)
    assert {value.name for value in proto.graph.input} == set(row.inputs or ("input",))
    built = from_onnx(proto)
    assert type(built) is type(net)
    assert to_onnx(built) == proto


def test_other_modules_are_not_written() -> None:
    with pytest.raises(
        VsanimeError,
        match=r"export: writes AnimeGANv2's generator, ArtCNN, ESPCN, UpConv_7, VGG_7, DRRN and the networks of "
        r"colorization, not Linear",
    ):
        to_onnx(torch.nn.Linear(1, 1))
    assert architecture_of(torch.nn.Linear(1, 1)) is None
