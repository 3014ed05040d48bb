"""Recipes of line colorization: what is wrong in them is named."""

from __future__ import annotations

from typing import Any

import pytest

from tests.training.colorization.recipes import recipe
from vsanime.errors import VsanimeError
from vsanime.training.recipes import reader as recipes
from vsanime.training.recipes.colorization import ColorRecipe


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ({"data__size": [64, 40]}, r"data.size = \[64, 40\]; .* a multiple of 16"),
        ({"data__size": [64]}, "width and height are needed"),
        ({"data__synthetic": False}, "data.shots"),
        ({"losses__l1": 0}, "losses.l1 = 0"),
        ({"network__width": 2}, "network.width = 2; 4 to 128"),
        ({"network__colours": "a.onnx"}, "only 'colour_temporal' has a first stage"),
        ({"network__architecture": "colour_temporal"}, "the ONNX of the first stage is needed"),
        ({"network__residual": True}, "is for 'colour_temporal', not 'colour'"),
        ({"losses__normalisation": "usual"}, "'document', 'ports', 'measured'"),
        ({"training__batches": 3}, "training.batches = 3 is not known; did you mean batch"),
    ],
)
def test_what_cannot_be_is_named(values: dict[str, Any], said: str) -> None:
    with pytest.raises(VsanimeError, match=said):
        recipe(**values)


def test_the_networks_of_the_specification_take_multiples_of_four() -> None:
    assert recipe(network__architecture="document", data__size=[60, 44]).data.size == (60, 44)


def test_the_last_tenth_is_adversarial_unless_said_otherwise() -> None:
    assert recipe(training__steps=100, training__late=0.1).training.turn == 90
    assert recipe(training__steps=100, training__late=0).training.turn == 100


@pytest.mark.parametrize("name", ["Line_VA", "Line_VA_temporal", "colour_document"])
def test_recipes_that_come_with_the_package_are_of_line_colorization(name: str) -> None:
    assert isinstance(recipes.load(name), ColorRecipe)
