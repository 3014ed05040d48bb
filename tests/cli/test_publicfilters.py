"""Filters and their arguments as `vsanime process` finds them."""

from __future__ import annotations

from typing import Literal

import pytest
import vapoursynth as vs

import vsanime
from vsanime.cli import values
from vsanime.cli.publicfilters import Filter, Parameter, find_filter, public_filters, read_arguments
from vsanime.errors import VsanimeError


def sepia(
    clip: vs.VideoNode, style: str, *, strength: float = 1.0, mood: Literal["none", "warm"] = "none"
) -> vs.VideoNode:
    """Makes a clip brown.

    It is not told by this line.
    """
    assert strength
    assert mood
    return clip.std.SetFrameProps(style=style)


@pytest.fixture
def with_sepia(monkeypatch: pytest.MonkeyPatch) -> Filter:
    monkeypatch.setattr(vsanime, "sepia", sepia, raising=False)
    monkeypatch.setattr(vsanime, "__all__", [*vsanime.__all__, "sepia"])
    return find_filter("sepia")


def test_filters_are_the_public_functions_that_take_a_clip_and_give_one() -> None:
    found = public_filters()
    assert {"artcnn", "artcnn_chroma", "waifu2x", "upscale"} <= set(found)
    # Marks of scenes are for other filters; no file holds them.
    assert {"Backend", "encoder_args", "__version__", "mark_scenes", "colorize"}.isdisjoint(found)
    assert set(found) - {"upscale"} <= set(vsanime.__all__)
    assert found["waifu2x"].function is vsanime.waifu2x


def test_what_takes_two_clips_is_for_scripts() -> None:
    with pytest.raises(VsanimeError, match=r"--filter colorize: .*takes references beside the clip: .*in a script"):
        find_filter("colorize")


def test_a_new_public_filter_needs_no_word_here(with_sepia: Filter) -> None:
    assert with_sepia.summary == "Makes a clip brown."
    assert with_sepia.takes() == "sepia takes style (text), strength=1.0 (a number), mood=none (none or warm)"


def _settable() -> list[tuple[Filter, Parameter]]:
    return [(found, one) for found in public_filters().values() for one in found.settable]


@pytest.mark.parametrize(
    ("found", "parameter"), [pytest.param(f, p, id=f"{f.name}-{p.name}") for f, p in _settable() if not p.needed]
)
def test_every_default_can_be_said(found: Filter, parameter: Parameter) -> None:
    assert "cannot say" not in values.in_words(parameter.annotation)
    said = str(parameter).partition("=")[2].partition(" (")[0]
    others = [f"{one.name}=x" for one in found.settable if one.needed]
    read = read_arguments(found, [f"{parameter.name}={said}", *others], None)
    assert read[parameter.name] == parameter.default


def test_arguments_have_the_types_of_the_signature(with_sepia: Filter) -> None:
    assert read_arguments(with_sepia, ["strength=1", "mood=Warm"], "5") == {
        "strength": 1.0,
        "mood": "warm",
        "style": "5",
    }
    assert read_arguments(find_filter("artcnn"), ["planes=0,1", "tilesize=64x32", "tta=true", "width=none"], None) == {
        "planes": (0, 1),
        "tilesize": (64, 32),
        "tta": True,
        "width": None,
    }
    # What is behind the first equals sign is the value.
    assert read_arguments(find_filter("artcnn"), ["model=nets/a=b.onnx"], None) == {"model": "nets/a=b.onnx"}


@pytest.mark.parametrize(
    ("settings", "style", "message"),
    [
        ([], None, "--filter sepia needs --style NAME; sepia takes style (text)"),
        (["strength"], "a", "--set strength: KEY=VALUE is needed; sepia takes style (text), strength=1.0 (a number)"),
        (["=1"], "a", "--set =1: KEY=VALUE is needed"),
        (["power=1"], "a", "--set power=1: sepia has no argument power; did you mean mood, style or strength?"),
        (["clip=1"], "a", "sepia has no argument clip"),
        (["strength=much"], "a", "--set strength=much: strength is 'much'; a number is needed; sepia takes style"),
        (["strength=1", "strength=2"], "a", "--set strength=2: strength is given twice"),
        (["style=b"], "a", "--style a: --set gives the style as well"),
    ],
)
def test_wrong_arguments_are_told_with_what_the_filter_takes(
    settings: list[str], style: str | None, message: str, with_sepia: Filter
) -> None:
    with pytest.raises(VsanimeError) as refused:
        read_arguments(with_sepia, settings, style)
    assert message in str(refused.value)


@pytest.mark.parametrize(("key", "option"), [("backend", "--backend"), ("depth", "--depth"), ("tiles", "--tiles")])
def test_arguments_with_options_of_their_own_are_told(key: str, option: str) -> None:
    with pytest.raises(VsanimeError, match=f"{key} is chosen by {option}"):
        read_arguments(find_filter("waifu2x"), [f"{key}=1"], None)


def test_a_style_for_a_filter_without_any_is_refused() -> None:
    with pytest.raises(VsanimeError, match="--style x: waifu2x has no argument style; leave --style out"):
        read_arguments(find_filter("waifu2x"), [], "x")


def test_an_unknown_filter_is_refused_with_the_nearest() -> None:
    with pytest.raises(
        VsanimeError, match=r"--filter artcn: there is no such filter; did you mean artcnn, .*\? `vsanime"
    ):
        find_filter("artcn")
