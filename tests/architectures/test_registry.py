"""The registry: what is registered, that it needs no torch, and what an added row changes."""

from __future__ import annotations

import ast
import dataclasses
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from tests.support import nets
from vsanime import architectures
from vsanime.architectures import ARCHITECTURES, color_kinds, register, trained_by
from vsanime.architectures.base import Architecture, Layout, Wishes
from vsanime.architectures.espcn import ESPCN_7
from vsanime.architectures.waifu2x import UPCONV_7
from vsanime.errors import VsanimeError
from vsanime.models.formats.statedict import from_arrays
from vsanime.training.recipes.pairs import Network

FOLDER = Path(architectures.__file__).parent
PACKAGE = FOLDER.parent
# Files that import torch beside every `module.py`: what torch modules share, and a beginning for one of them.
WITH_TORCH = {"blocks.py", "limit.py", "weights.py", "animegan/carry.py"}


def imported_by(path: Path, *, always: bool = False) -> set[str]:
    """Names of the modules that a file imports, anywhere or whenever it is imported."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    nodes = tree.body if always else ast.walk(tree)
    found: set[str] = set()
    for node in nodes:
        if isinstance(node, ast.Import):
            found |= {name.name for name in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            found |= {node.module, *(f"{node.module}.{name.name}" for name in node.names)}
    return found


def test_torch_is_imported_by_torch_modules_alone() -> None:
    found = {
        path.relative_to(FOLDER).as_posix()
        for path in FOLDER.rglob("*.py")
        if any(name.partition(".")[0] == "torch" for name in imported_by(path, always=True))
    }
    assert {name for name in found if not name.endswith("/module.py")} == WITH_TORCH


def test_registry_needs_no_torch() -> None:
    names = [
        f"vsanime.architectures.{path.relative_to(FOLDER).with_suffix('').as_posix().replace('/', '.')}"
        for path in sorted(FOLDER.rglob("*.py"))
        if path.name not in ("__init__.py", "module.py") and path.relative_to(FOLDER).as_posix() not in WITH_TORCH
    ]
    script = (
        "import sys, importlib\n"
        "sys.modules['torch'] = None\n"  # importing it fails
        "import vsanime.architectures as a\n"
        "assert len(a.ARCHITECTURES) > 5\n"
        "for name in sys.argv[1:]: importlib.import_module(name)\n"
    )
    subprocess.run([sys.executable, "-c", script, *names], check=True, cwd=PACKAGE.parent)


@pytest.mark.parametrize(
    ("room", "allowed"),
    [
        ("graphs", {"graphs"}),
        ("architectures", {"architectures", "graphs"}),
        ("models", {"models", "architectures", "graphs"}),
    ],
)
def test_arrows_go_down(room: str, allowed: set[str]) -> None:
    rooms = {path.parent.name for path in PACKAGE.glob("*/__init__.py")}
    for path in (PACKAGE / room).rglob("*.py"):
        parts = [name.split(".") for name in imported_by(path)]
        used = {name[1] for name in parts if name[0] == "vsanime" and len(name) > 1} & rooms
        assert used <= allowed, f"{path.name} of {room} imports {used - allowed}"


def test_names_and_inputs_are_not_given_twice() -> None:
    with pytest.raises(ValueError, match="two architectures are called 'espcn_7'"):
        register((ESPCN_7, ESPCN_7))
    one, other = (
        Architecture(name, "family", inputs=inputs) for name, inputs in (("a", ("x", "y")), ("b", ("y", "x")))
    )
    with pytest.raises(ValueError, match="'a' and 'b' have the same inputs"):
        register((one, other))
    assert list(register((one, ESPCN_7, UPCONV_7))) == ["a", "espcn_7", "upconv_7"]


def test_every_row_is_found_by_what_it_is_for() -> None:
    assert list(trained_by("pairs")) == ["artcnn", "espcn_7", "upconv_7", "vgg_7", "drrn"]
    assert list(trained_by("style")) == ["animegan2"]
    assert {name: row.multiple for name, row in trained_by("colorization").items()} == {
        "colour": 16,
        "document": 4,
        "colour_temporal": 4,
    }
    for row in ARCHITECTURES.values():
        assert (row.pairs is not None) == (row.task == "pairs")
        assert (row.load_module is not None) == (row.task != "")
        assert row.kind is None or set(row.kind.inputs) == set(row.inputs)
    assert len(color_kinds()) == 2


def test_a_recipes_network_has_the_settings_of_all_architectures() -> None:
    fields = [field.name for field in dataclasses.fields(Network)]  # type: ignore[arg-type]  # a class that is made
    assert fields == [
        *("architecture", "variant", "activation", "widths", "selection_units", "units", "filters", "low", "start")
    ]
    network = Network(architecture="drrn")
    assert (network.units, network.filters, network.low, network.start) == (9, 128, False, "")


def test_a_row_that_is_added_is_read_and_named(monkeypatch: pytest.MonkeyPatch) -> None:
    net = nets.vgg_7((3, 4, 4, 4, 4, 4, 4, 3))
    arrays = {f"own{i}.weight": np.asarray(weight) for i, (weight, _) in enumerate(net.layers)}
    with pytest.raises(
        VsanimeError, match="known are AnimeGANv2's generator, ArtCNN C and R, DRRN, ESPCN_7, SketchKer"
    ):
        from_arrays(arrays, {}, Wishes())
    layout = Layout("somebody's", UPCONV_7.layouts[0].build, (), ("own{i}",), ())
    monkeypatch.setitem(ARCHITECTURES, "own", Architecture("own", "Own", title="Own", layouts=(layout,)))
    assert from_arrays(arrays, {}, Wishes()).architecture == "vgg_7"
    with pytest.raises(VsanimeError, match="activation 'relu' was asked for; only ArtCNN's"):
        from_arrays(arrays, {}, Wishes(activation="relu"))
    with pytest.raises(VsanimeError, match=r"DRRN, ESPCN_7, Own, SketchKeras, UpConv_7 and VGG_7, as saved by torch"):
        from_arrays({"other.weight": arrays["own0.weight"]}, {}, Wishes())
