"""Checks that network, planes, sizes and degradation of a pair recipe fit together."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any, cast

from vsanime.architectures import ARCHITECTURES, trained_by
from vsanime.architectures.base import PairRules
from vsanime.errors import VsanimeError, list_words
from vsanime.sections import section
from vsanime.training.recipes.base import check_name
from vsanime.training.recipes.pairs import Network, Recipe


def from_table(table: Mapping[str, Any]) -> Recipe:
    """Make a recipe from nested tables, and check it.

    Raises:
        VsanimeError: a key or value is wrong, or values do not fit together.
    """
    recipe: Recipe = section(Recipe, table, "")
    check(recipe)
    return recipe


def check(recipe: Recipe) -> None:
    """Check that the values of a recipe fit together.

    Raises:
        VsanimeError: they do not; the message names the key, its value and what would be right.
    """
    if not recipe.sources:
        raise VsanimeError("sources = []; one [[sources]] or more are needed")
    check_name(recipe.name)
    _check_network(recipe.network)
    _check_planes(recipe)
    _check_odds(recipe)
    _check_patches(recipe)
    if recipe.rounding.dtype == "int8" and not rules_of(recipe.network).int8:
        able = [repr(name) for name, row in trained_by("pairs").items() if row.pairs is not None and row.pairs.int8]
        raise VsanimeError(
            f"rounding.dtype = 'int8' is for {list_words(able)}, whose linear path stays exact, "
            f"not for {recipe.network.architecture!r}"
        )
    if recipe.degradation.h264.share:
        _check_clips(recipe)


def rules_of(network: Network) -> PairRules:
    """Return the rules that the architecture of a recipe's [network] sets for the rest of the recipe."""
    rules = ARCHITECTURES[network.architecture].pairs
    assert rules is not None
    return rules


def scale_of(network: Network) -> int:
    """Return the scale factor of the network, in width as in height."""
    return rules_of(network).scale(network)


def _check_network(network: Network) -> None:
    known = ("architecture", "start", *rules_of(network).keys)
    for field in dataclasses.fields(cast(Any, network)):
        value = getattr(network, field.name)
        if field.name not in known and value != field.default:
            raise VsanimeError(
                f"network.{field.name} = {value!r} is not for {network.architecture!r}, which has {', '.join(known)}"
            )


def _check_planes(recipe: Recipe) -> None:
    network, data = recipe.network, recipe.data
    check_planes = rules_of(network).planes
    if check_planes is not None:
        check_planes(network, data.planes)
    elif data.planes == "chroma":
        raise VsanimeError("data.planes = 'chroma'; only ArtCNN's chroma networks know that")
    if recipe.training.loss != "l1" and data.planes != "rgb":
        raise VsanimeError(f"training.loss = {recipe.training.loss!r}; it weights R, G and B, so data.planes is 'rgb'")
    if recipe.degradation.jpeg.share and data.planes == "chroma":
        raise VsanimeError(
            f"degradation.jpeg.share = {recipe.degradation.jpeg.share:g}; JPEG is of luma or RGB, "
            "so data.planes is not 'chroma'"
        )


def _check_odds(recipe: Recipe) -> None:
    for name in ("kernels", "sitings"):
        if not getattr(recipe.degradation, name):
            raise VsanimeError(f"degradation.{name} is empty; one or more are needed")
    if not recipe.validation.kernels and not recipe.validation.degraded:
        raise VsanimeError("validation.kernels = []; one kernel or more are needed, or validation.degraded = true")


def _check_patches(recipe: Recipe) -> None:
    for where, patch in (("data.patch", recipe.data.patch), ("validation.patch", recipe.validation.patch)):
        if patch % 2:
            raise VsanimeError(f"{where} = {patch}; an even number is needed, since patches are halved")
    lost = 2 * rules_of(recipe.network).margin * scale_of(recipe.network)
    if recipe.data.patch <= lost:
        raise VsanimeError(
            f"data.patch = {recipe.data.patch}; {recipe.network.architecture!r} loses {lost} pixels of it, "
            f"so {lost + 2} or more are needed"
        )


def _check_clips(recipe: Recipe) -> None:
    h264 = recipe.degradation.h264
    if recipe.data.planes != "luma" or scale_of(recipe.network) != 2:
        raise VsanimeError(
            f"degradation.h264.share = {h264.share:g}; clips are luma of half the size, "
            "so data.planes is 'luma' and the network a doubler"
        )
    patches = {"data.patch": recipe.data.patch}
    if recipe.validation.degraded:
        patches["validation.patch"] = recipe.validation.patch
    for where, patch in patches.items():
        if patch // 2 > h264.height:
            raise VsanimeError(
                f"degradation.h264.width = {h264.width}; frames of {h264.width}x{h264.height} are too low for "
                f"{where} = {patch}; {-(-patch // 2 * 16 // 9) + 4} or more are needed"
            )
