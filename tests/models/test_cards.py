"""The cards in the engines folder, and what a broken card says."""

from __future__ import annotations

import hashlib
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import vsanime
import vsanime.models.cards
from vsanime.errors import VsanimeError
from vsanime.models.cards import engines_folder, find, read_card, read_cards, variants
from vsanime.models.licences import is_holder

ARTCNN = [
    "C4F16",
    "C4F16_DS",
    "C4F16_DN",
    "C4F32",
    "C4F32_DS",
    "C4F32_DN",
    "C4F32_Chroma",
    "C16F64",
    "C16F64_DS",
    "C16F64_Chroma",
    "R8F64",
    "R8F64_DS",
    "R8F64_Chroma",
    "R8F64_Chroma_DN",
    "R8F64_JPEG420",
    "R8F64_JPEG444",
    "R16F96",
    "R16F96_Chroma",
]
PINNED = ["C4F16", "C4F16_DS", "C4F32", "C4F32_DS", "C4F32_Chroma", "R8F64", "R8F64_DS"]

RECIPES = Path(vsanime.__file__).parent / "training" / "recipes"

CARD = """
[family]
name = "Test"
origin = "https://example.org"
license = "MIT"
copyright = "Copyright (c) 2024 Somebody"
description = "For tests."

[family.defaults]
url = ""
sha256 = []
colour = "gray"
value_range = [0, 1]

[[variant]]
name = "One"
arch = "artcnn_c"
task = "double_luma"
scale = 2
file = "one.onnx"
description = "The one."
"""


def write(folder: Path, text: str, name: str = "test.toml") -> Path:
    path = folder / name
    path.write_text(text, encoding="utf-8")
    return path


def test_every_public_artcnn_variant_has_a_card() -> None:
    assert [v.name for v in variants().values() if v.family == "ArtCNN"] == ARTCNN


@pytest.mark.parametrize("name", ARTCNN)
def test_artcnn_card_states_the_contract_its_name_implies(name: str) -> None:
    variant = find(name)
    chroma, jpeg = "Chroma" in name, "JPEG" in name
    assert variant.task == ("chroma" if chroma else "rgb" if jpeg else "double_luma")
    assert variant.colour == ("ycbcr" if chroma else "rgb" if jpeg else "gray")
    assert variant.scale == (1 if chroma or jpeg else 2)
    assert variant.arch == f"artcnn_{name[0].lower()}"
    assert variant.file == f"ArtCNN_{name}.onnx"
    assert (variant.license, variant.value_range) == ("MIT", (0.0, 1.0))
    assert variant.url == "https://api.github.com/repos/Artoriuz/ArtCNN/releases"
    assert bool(variant.sha256) == variant.seen == (name in PINNED)


def test_our_own_say_what_they_were_trained_on() -> None:
    ours = [variant for variant in variants().values() if variant.is_bundled]
    assert {variant.family for variant in ours} == {"vsanime"}
    for variant in ours:
        assert all(licence in variant.data for licence in ("public domain", "CC BY 4.0", "CC0", "MIT"))
        # The recipe that made it comes along.
        assert f"{variant.name}.toml" in {path.name for path in RECIPES.iterdir()}


def test_every_licence_that_is_known_has_a_holder() -> None:
    """MIT asks for that line in every copy; weights that nobody has published have neither."""
    for variant in variants().values():
        unpublished = variant.arch in ("espcn_7", "drrn") and not variant.is_bundled
        others = variant.family == "animegan"
        assert (variant.license == "MIT") != (unpublished or others)
        assert ("non-commercial" in variant.license) == others
        # Nothing of what may not be used freely is shipped or fetched.
        assert not (others and (variant.is_bundled or variant.can_be_fetched))
        assert is_holder(variant.copyright) != unpublished
    assert find("C4F32").copyright == "Copyright (c) 2024 João Chrisóstomo"


@pytest.mark.parametrize("name", PINNED)
def test_pinned_digest_is_that_of_the_real_file(weights: Path, name: str) -> None:
    variant = find(name)
    assert hashlib.sha256((weights / variant.file).read_bytes()).hexdigest() in variant.sha256


@pytest.mark.parametrize("spelling", ["C4F32", "c4f32", "ArtCNN_C4F32", "artcnn_c4f32"])
def test_find_takes_either_name_in_any_case(spelling: str) -> None:
    assert find(spelling).name == "C4F32"


def test_find_names_close_matches() -> None:
    with pytest.raises(VsanimeError, match=r"no model is named 'C4F23'; did you mean .*C4F32"):
        find("C4F23")
    with pytest.raises(VsanimeError, match=r"no model is named ''; did you mean .*\? `vsanime models list` shows all"):
        find("")


def test_cards_are_read_once() -> None:
    assert variants() is variants()


def test_family_defaults_and_licence_fill_a_variant(tmp_path: Path) -> None:
    (variant,) = read_card(write(tmp_path, CARD))
    assert (variant.license, variant.colour, variant.value_range) == ("MIT", "gray", (0.0, 1.0))
    assert variant.copyright == "Copyright (c) 2024 Somebody"
    assert (variant.family, variant.origin) == ("Test", "https://example.org")


def test_variant_overrides_defaults(tmp_path: Path) -> None:
    (variant,) = read_card(
        write(tmp_path, CARD + 'colour = "rgb"\nlicense = "Apache-2.0"\nvalue_range = [-1.0, 1.0]\n')
    )
    assert (variant.license, variant.colour, variant.value_range) == ("Apache-2.0", "rgb", (-1.0, 1.0))


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ('name = "One"', 'nome = "One"', "test.toml: variant (unnamed): unknown nome"),
        ('file = "one.onnx"', "", "test.toml: variant One: file missing"),
        ('file = "one.onnx"', 'file = "../one.onnx"', "file must be the bare name of an .onnx file, not '../one.onnx'"),
        ('file = "one.onnx"', 'file = "one.pth"', "file must be the bare name of an .onnx file, not 'one.pth'"),
        ("scale = 2", "scale = 0", "scale must be 1 or more, not 0"),
        ("scale = 2", "scale = 2.0", "scale must be an integer, not 2.0"),
        ("scale = 2", "scale = true", "scale must be an integer, not True"),
        (
            'task = "double_luma"',
            'task = "fly"',
            "task must be one of double_luma, chroma, rgb, colorize, colorize_temporal, style, not 'fly'",
        ),
        ('colour = "gray"', 'colour = "red"', "colour must be one of gray, ycbcr, rgb, not 'red'"),
        ('url = ""', 'url = "http://example.org"', "url must be an https address, or empty"),
        ("sha256 = []", 'sha256 = ["ABC"]', "sha256 must be a list of 64-digit"),
        ('url = ""', 'url = "https://example.org"', "sha256 is empty; a digest of the file is needed, or seen = false"),
        ("sha256 = []", "sha256 = []\nseen = false", "seen = false is for a file with a url and without a digest"),
        ("sha256 = []", "sha256 = []\nseen = 0", "seen must be true or false, not 0"),
        ("sha256 = []", "sha256 = []\nmost_bytes = 1.5", "most_bytes must be an integer, not 1.5"),
        ("sha256 = []", "sha256 = []\ndata = 7", "test.toml: variant One: data must be text, not 7"),
        ("sha256 = []", 'sha256 = "abc"', "sha256 must be a list, not 'abc'"),
        ("value_range = [0, 1]", "value_range = [1, 0]", "value_range must be two ascending numbers"),
        ("value_range = [0, 1]", "value_range = [1]", "value_range must be two ascending numbers"),
        ('origin = "https://example.org"', "", "test.toml: [family]: origin missing"),
        ('copyright = "Copyright (c) 2024 Somebody"', "", "test.toml: [family]: copyright missing"),
        ("[[variant]]", "[variant]", "test.toml: variant must be a list"),
        ("[family.defaults]", "[defaults]", "test.toml: unknown defaults; known are family, variant"),
        ("[family]", "[family", "test.toml: not a TOML file"),
    ],
)
def test_broken_card_is_told_in_one_line(tmp_path: Path, old: str, new: str, message: str) -> None:
    assert old in CARD
    with pytest.raises(VsanimeError, match=re.escape(message)) as error:
        read_card(write(tmp_path, CARD.replace(old, new)))
    assert "\n" not in str(error.value)


def test_two_variants_may_not_answer_to_one_name(tmp_path: Path) -> None:
    write(tmp_path, CARD, "a.toml")
    write(tmp_path, CARD.replace('"One"', '"ONE"'), "b.toml")
    with pytest.raises(VsanimeError, match=r"b\.toml: ONE answers to '.*', as One of a\.toml does"):
        read_cards(tmp_path)


def test_folder_without_cards_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(VsanimeError, match="no model cards"):
        read_cards(tmp_path)


def test_cards_inside_an_installed_package_are_found(tmp_path: Path) -> None:
    """As in the wheel, where the folder is `vsanime/engines`."""
    source = Path(vsanime.models.cards.__file__).parent.parent
    package = tmp_path / "vsanime"
    shutil.copytree(source, package, ignore=shutil.ignore_patterns("__pycache__", "filters"))
    shutil.copytree(engines_folder(), package / "engines", dirs_exist_ok=True)
    script = "from vsanime.models.cards import *; print(engines_folder()); print(find('C4F32').file)"
    answer = subprocess.run(
        [sys.executable, "-c", f"import sys; sys.path.insert(0, {str(tmp_path)!r})\n" + STUB_INIT + script],
        capture_output=True,
        text=True,
        encoding="utf-8",
        cwd=tmp_path,
        check=True,
    )
    folder, file = answer.stdout.splitlines()
    assert Path(folder).resolve() == (package / "engines").resolve()
    assert file == "ArtCNN_C4F32.onnx"


# The package's own __init__ pulls in VapourSynth and the filters, which have no part in this.
STUB_INIT = (
    "import types, os; package = types.ModuleType('vsanime'); "
    "package.__path__ = [os.path.join(sys.path[0], 'vsanime')]; sys.modules['vsanime'] = package\n"
)
