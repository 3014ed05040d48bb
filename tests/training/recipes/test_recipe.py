"""Recipes are read whole, the package's own are all there, and what is wrong in one is named."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.support.weightfiles import bundled
from tests.training.helpers import TINY, changed, toml
from vsanime.errors import VsanimeError
from vsanime.training.recipes import reader as recipes
from vsanime.training.recipes.colorization import ColorRecipe

# The files of the folder, whatever lists them.
SHIPPED = sorted(path.stem for path in Path(recipes.__file__).parent.glob("*.toml"))


def test_every_shipped_recipe_is_listed() -> None:
    assert recipes.names() == SHIPPED


@pytest.mark.parametrize("name", bundled())
def test_every_network_of_ours_has_its_recipe(name: str) -> None:
    assert name in SHIPPED


@pytest.mark.parametrize("name", SHIPPED)
def test_shipped_recipe_is_read_whole(name: str) -> None:
    recipe = recipes.load(name)
    assert recipe.name == name
    assert recipe.about
    assert recipes.from_table(json.loads(json.dumps(recipes.to_table(recipe)))) == recipe


@pytest.mark.parametrize("name", SHIPPED)
def test_no_recipe_trains_on_what_is_for_evaluation(name: str) -> None:
    recipe = recipes.load(name)
    folders = (
        [*recipe.data.drawings, *recipe.data.shots]
        if isinstance(recipe, ColorRecipe)
        else [source.path for source in recipe.sources]
    )
    assert folders
    assert not [path for path in folders if "prologue" in path or "synfig" in path or path == "sequences"]


VGG, UPCONV, ESPCN = ({"architecture": name} for name in ("vgg_7", "upconv_7", "espcn_7"))
CLIPS = {"degradation__h264": {"share": 1.0, "width": 64}}


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"training__stepz": 5}, r"training\.stepz = 5 is not known; did you mean steps\?"),
        ({"zzz": 1}, r"zzz = 1 is not known; known are name"),
        ({"training__steps": 2.5}, r"training\.steps = 2\.5; a whole number is needed"),
        ({"training__steps": True}, r"training\.steps = True; a whole number is needed"),
        ({"training__steps": 0}, r"training\.steps = 0; 1 or more is possible"),
        ({"training__ema": 1}, r"training\.ema = 1; 0 to 0\.99999 is possible"),
        ({"training__rate": "fast"}, r"training\.rate = 'fast'; a number is needed"),
        ({"data__turn": 1}, r"data\.turn = 1; true or false is needed"),
        ({"data": 3}, r"data = 3; a table is needed"),
        ({"data__patch": 33}, r"data\.patch = 33; an even number"),
        ({"data__planes": "rgb"}, r"data\.planes = 'rgb'; the variant 'C2F8' needs 'luma'"),
        ({"network__architecture": "gan"}, r"network\.architecture = 'gan'; 'artcnn', 'espcn_7'"),
        ({"degradation__kernels": {"sinc": 1}}, r"degradation\.kernels\.sinc = 1 is not known; box"),
        ({"degradation__kernels": {"box": 0}}, r"degradation\.kernels\.box = 0; odds above 0"),
        ({"degradation__kernels": {}}, "degradation.kernels is empty"),
        ({"degradation__width": [1.2, 0.9]}, "the lower value comes first"),
        ({"degradation__width": [1.2]}, "2 values are needed"),
        ({"degradation__noise": 3}, r"degradation\.noise = 3; a list is needed"),
        ({"training__loss": "weighted_mse"}, "weights R, G and B"),
        ({"validation__kernels": ["blox"]}, r"validation\.kernels\[0\] = 'blox'"),
        ({"sources": []}, r"one \[\[sources\]\] or more"),
        ({"sources": [{"path": "a", "weight": -1}]}, r"sources\[0\]\.weight = -1"),
        ({"name": "a/b"}, "name = 'a/b'"),
        (
            {"validation__kernels": []},
            r"validation\.kernels = \[\]; one kernel or more are needed, or validation\.degraded",
        ),
        ({"validation__kernels": ["random"]}, r"validation\.kernels\[0\] = 'random'; 'box', 'bilinear'"),
        ({"degradation__sitings": {}}, r"degradation\.sitings is empty"),
        ({"network__units": 7}, r"network\.units = 7 is not for 'artcnn', which has architecture, start, variant"),
        ({"network__widths": [3]}, r"network\.widths = \(3,\) is not for 'artcnn'"),
        ({"network__selection_units": True}, r"network\.selection_units = True is not for 'artcnn'"),
        ({"network": {"architecture": "drrn", "variant": "C4F16"}}, r"network\.variant = 'C4F16' is not for 'drrn'"),
        ({"network": VGG, **CLIPS}, r"degradation\.h264\.share = 1; clips are luma of half the size"),
        ({"network": ESPCN, "data__planes": "rgb", **CLIPS}, r"degradation\.h264\.share = 1; clips are luma"),
        (
            {"data__patch": 96, **CLIPS},
            r"width = 64; frames of 64x36 are too low for data\.patch = 96; 90 or more",
        ),
        (
            {"validation__patch": 96, "validation__degraded": True, **CLIPS},
            r"frames of 64x36 are too low for validation\.patch = 96",
        ),
        (
            {"network": UPCONV, "data__planes": "rgb", "rounding__dtype": "int8"},
            r"rounding\.dtype = 'int8' is for 'artcnn', .*, not for 'upconv_7'",
        ),
        ({"network": UPCONV, "data__patch": 28}, r"data\.patch = 28; 'upconv_7' loses 28 pixels of it, so 30 or more"),
        (
            {"network__variant": "C2F8_Chroma", "data__planes": "chroma", "degradation__jpeg": {"share": 0.5}},
            r"degradation\.jpeg\.share = 0\.5; JPEG is of luma or RGB",
        ),
    ],
)
def test_wrong_key_or_value_is_named(wrong: dict[str, Any], message: str) -> None:
    with pytest.raises(VsanimeError, match=message):
        recipes.from_table(changed(TINY, **wrong))


@pytest.mark.parametrize(
    "right",
    [
        {"network": VGG, "data__patch": 16},
        {"network": UPCONV, "data__patch": 30},
        {"data__patch": 96, "degradation__h264": {"share": 1.0, "width": 90}},
        {"validation__kernels": [], "validation__degraded": True},
    ],
)
def test_what_is_just_right_is_taken(right: dict[str, Any]) -> None:
    recipes.from_table(changed(TINY, **right))


def test_missing_key_is_named() -> None:
    table = changed(TINY)
    del table["training"]["steps"]
    with pytest.raises(VsanimeError, match=r"training\.steps is missing"):
        recipes.from_table(table)


def test_file_of_ones_own(tmp_path: Path) -> None:
    path = tmp_path / "mein Rezept.toml"
    path.write_text(toml(TINY), encoding="utf-8")
    assert recipes.load(str(path)) == recipes.from_table(TINY)


def test_what_is_no_recipe_is_refused(tmp_path: Path) -> None:
    with pytest.raises(VsanimeError, match=r"no recipe is called 'C4F31_VA'; did you mean C4F32_VA, "):
        recipes.load("C4F31_VA")
    with pytest.raises(VsanimeError, match=r"gone\.toml cannot be read"):
        recipes.load(str(tmp_path / "gone.toml"))
    (tmp_path / "bad.toml").write_text("name = ", encoding="utf-8")
    with pytest.raises(VsanimeError, match=r"bad\.toml is not TOML"):
        recipes.load(str(tmp_path / "bad.toml"))
    (tmp_path / "bytes.toml").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(VsanimeError, match="not text in UTF-8"):
        recipes.load(str(tmp_path / "bytes.toml"))


def test_differences_name_the_key() -> None:
    one, other = recipes.from_table(TINY), recipes.from_table(changed(TINY, training__batch=8))
    assert recipes.differences(other, one) == ["training.batch is 8 where it was 4"]
    assert not recipes.differences(one, one)
