"""Recipes of AnimeGANv2: presets are the published numbers, and what is wrong is named."""

from __future__ import annotations

import dataclasses
import json
from typing import Any

import pytest

from tests.training.helpers import changed
from tests.training.style.helpers import TABLE, recipe
from vsanime.errors import VsanimeError
from vsanime.training.recipes import reader as recipes
from vsanime.training.recipes import stylization as style


@pytest.mark.parametrize(
    ("preset", "weights", "inner"),
    [
        ("tf-hayao", (300, 300, 1.5, 2.5, 15, 1), (1.2, 1.2, 1.2, 0.8)),
        ("tf-paprika", (300, 300, 2.0, 0.6, 50, 0.1), (1, 1, 1, 0.005)),
        ("tf-shinkai", (300, 300, 1.2, 2.0, 10, 1), (1.7, 1.7, 1.7, 1.0)),
        ("mindspore", (1.2, 300, 1.8, 2.0, 10, 0), (1, 1, 1, 1)),
    ],
)
def test_presets_are_those_of_the_specification(
    preset: str, weights: tuple[float, ...], inner: tuple[float, ...]
) -> None:
    table = changed(TABLE, losses__preset=preset)
    del table["training"]["init_rate"], table["training"]["rate"]
    made = style.from_table(table)
    losses = made.losses
    found = (losses.adversarial, losses.critic, losses.content, losses.style, losses.colour, losses.variation)
    assert found == weights
    assert dataclasses.astuple(losses.inner) == inner
    rates = (made.training.init_rate, made.training.rate, made.training.critic_rate)
    assert rates == ((2e-4, 2e-4, 4e-4) if preset == "mindspore" else (2e-4, 2e-5, 4e-5))
    assert made.training.betas == (0.5, 0.999)


def test_a_recipe_may_have_its_own_numbers() -> None:
    made = recipe(losses__style=9, losses__inner={"smooth": 0.5}, training__rate=1e-3)
    assert (made.losses.style, made.losses.content, made.training.rate, made.training.critic_rate) == (
        9,
        1.5,
        1e-3,
        4e-5,
    )
    assert dataclasses.astuple(made.losses.inner) == (1.2, 1.2, 1.2, 0.5)


def test_a_recipe_survives_json() -> None:
    made = recipe(losses__preset="tf-shinkai")
    assert recipes.from_table(json.loads(json.dumps(recipes.to_table(made)))) == made


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"losses__preset": "tf-monet"}, r"losses\.preset = 'tf-monet'; 'tf-hayao', 'tf-paprika'"),
        ({"losses__styl": 1}, r"losses\.styl = 1 is not known; did you mean style\?"),
        ({"losses__style": -1}, r"losses\.style = -1; 0 or more is possible"),
        ({"losses__inner": {"reel": 1}}, r"losses\.inner\.reel = 1 is not known; did you mean real\?"),
        ({"losses__content": 0}, r"losses\.content = 0; the initialisation has nothing else"),
        ({"losses__colour": 0}, r"losses\.colour = 0; with losses\.balance"),
        ({"losses": {}}, r"losses\.preset is missing"),
        ({"photos": []}, r"photos = \[\]; one \[\[photos\]\] or more"),
        ({"styles": []}, r"styles = \[\]; one \[\[styles\]\] or more"),
        ({"sources": []}, r"sources = \[\] is not known"),
        ({"data__patch": 34}, r"data\.patch = 34; a multiple of 4"),
        ({"data__init_patch": 40}, r"data\.init_patch = 40; up to data\.patch = 32"),
        ({"training__init_steps": 7}, r"training\.init_steps = 7; training\.steps counts them"),
        ({"network__upsample": "cubic"}, r"network\.upsample = 'cubic'; 'tf', 'align', 'half'"),
        ({"name": "a b"}, "name = 'a b'"),
    ],
)
def test_wrong_key_or_value_is_named(wrong: dict[str, Any], message: str) -> None:
    with pytest.raises(VsanimeError, match=message):
        recipes.from_table(changed(TABLE, **wrong))
