"""Defines and checks recipes that train networks for line colorization."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, Literal

from vsanime.architectures import trained_by
from vsanime.errors import VsanimeError
from vsanime.sections import number, section
from vsanime.training.recipes.base import AdversarialSettings, BaseRecipe, CosineSettings, check_name

# Width and height of frames are multiples of this, by architecture.
ARCHITECTURES = {name: row.multiple for name, row in trained_by("colorization").items()}

if TYPE_CHECKING:
    type _Name = str
else:
    _Name = Literal[tuple(ARCHITECTURES)]


@dataclass(frozen=True, kw_only=True)
class ColorNetwork:
    """The network to train.

    Attributes:
        architecture: `colour`, the network that is shipped; `document`, the Color Transform Network after Shi et al.
            2020; `colour_temporal`, the Temporal Constraint Network, which refines the output of one of the others.
        width: channels at full size.
        residual: whether `colour_temporal` adds its output to its input colors, instead of applying a sigmoid to it.
        colours: path of the first stage of `colour_temporal`, an ONNX of `colour` or `document`; empty for others.
        start: path of an ONNX of the same architecture and width to begin with; empty for fresh weights.
    """

    architecture: _Name
    width: int = number(dataclasses.MISSING, 4, 128)
    residual: bool = False
    colours: str = ""
    start: str = ""


@dataclass(frozen=True, kw_only=True)
class ColorData:
    """The training data, and how a target and its two keys are chosen from it.

    Attributes:
        drawings: folders of free drawings for synthetic shots, below one of the roots.
        shots: folders of shots that `vsanime prepare colorization` made, below one of the roots.
        synthetic: whether to make synthetic shots, also without drawings: everything in them is generated then.
        size: width and height in pixels of the frames that the network sees.
        span: greatest distance in frames from the key before to the key after.
        one_sided: fraction of the samples that have one key only, which is given twice.
        prepared: fraction of the samples that are from prepared shots, if there are any.
        held_out: fraction of the drawings that is kept for validation; of the prepared shots if `synthetic` is off.
        cache: megabytes of decoded drawings that each worker keeps.
    """

    drawings: tuple[str, ...] = ()
    shots: tuple[str, ...] = ()
    synthetic: bool = True
    size: tuple[int, ...] = (256, 144)
    span: int = number(24, 2, 60)
    one_sided: float = number(0.15, 0, 1)
    prepared: float = number(0.3, 0, 1)
    held_out: float = number(0.1, 0.001, 0.5)
    cache: int = number(192, 16)


@dataclass(frozen=True, kw_only=True)
class ColorLosses:
    """Weights of the losses (Shi et al. 2020, arXiv 2003.10685).

    Attributes:
        l1: weight of the L1 distance of the colors.
        squared: weight of their squared differences, which the paper does not have: where it is unknown which of two
            keys is right, this prefers their mean, as PSNR does, and L1 either of them.
        latent: weight of the L1 distance of colors from inner layers: those that attention copied, or those of the
            similarity layer and of the last block.
        adversarial: weight of the generator's adversarial loss.
        perceptual: weight of the distance of features, times the normalization's factor.
        style: weight of the distance of Gram matrices, times the normalization's factor.
        normalisation: key of `vsanime.training.colorization.losses.NORMALISATIONS`, which sets the network, layers and
            factors of both.
        network: source of the features: `auto`, `vgg19`, `vgg16`, or a file of one.
        layers: convolutions of `perceptual`; empty for the normalization's.
        style_layers: convolutions of `style`; empty for the normalization's.
    """

    l1: float = number(10.0, 0)
    squared: float = number(0.0, 0)
    latent: float = number(1.0, 0)
    adversarial: float = number(1.0, 0)
    perceptual: float = number(1.0, 0)
    style: float = number(1000.0, 0)
    normalisation: Literal["document", "ports", "measured"] = "ports"
    network: str = "auto"
    layers: tuple[str, ...] = ()
    style_layers: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class ColorTraining(AdversarialSettings, CosineSettings):
    """Settings of the training.

    Attributes:
        late: fraction of the steps, at the end, in which adversarial, perceptual and style losses take part.
        late_rate: learning rate of the generator in these steps; 0 to keep the schedule.
    """

    late: float = number(0.1, 0, 1)
    batch: int = number(4, 1, 4096)
    rate: float = number(1e-4, 1e-8, 1)
    late_rate: float = number(0.0, 0, 1)
    checkpoint_every: int = number(250, 1)

    KEYS: ClassVar[tuple[str, ...]] = (
        *("steps", "late", "batch", "rate", "late_rate", "critic_rate", "warm_up", "final", "betas", "clip_gradient"),
        *("ema", "mixed", "channels_last", "workers", "validate_every", "sample_every", "checkpoint_every", "seed"),
    )

    @property
    def turn(self) -> int:
        """The number of steps before adversarial, perceptual and style losses take part."""
        return self.steps - round(self.late * self.steps)


@dataclass(frozen=True, kw_only=True)
class ColorValidation:
    """Settings of validation on scenes and drawings that are never trained on.

    Attributes:
        samples: number of targets, each with its keys.
        shown: number of targets on a sheet.
    """

    samples: int = number(24, 1, 1000)
    shown: int = number(6, 1, 64)


@dataclass(frozen=True, kw_only=True)
class ColorRecipe(BaseRecipe):
    """All settings of a run of line colorization."""

    network: ColorNetwork
    data: ColorData = ColorData()
    losses: ColorLosses = ColorLosses()
    training: ColorTraining
    validation: ColorValidation = ColorValidation()

    @property
    def wants_features(self) -> bool:
        """Whether any step compares features."""
        return self.training.late > 0 and (self.losses.perceptual > 0 or self.losses.style > 0)


def from_table(table: Mapping[str, Any]) -> ColorRecipe:
    """Make a recipe from nested tables.

    Raises:
        VsanimeError: a key or value is wrong.
    """
    recipe: ColorRecipe = section(ColorRecipe, table, "")
    check_name(recipe.name)
    _check_network(recipe.network)
    data = recipe.data
    multiple = ARCHITECTURES[recipe.network.architecture]
    if recipe.network.architecture == "colour_temporal":
        multiple = max(ARCHITECTURES.values())  # whichever the first stage is
    if len(data.size) != 2 or any(n < 32 or n > 2048 or n % multiple for n in data.size):
        raise VsanimeError(
            f"data.size = {list(data.size)}; width and height are needed, each a multiple of {multiple} from 32 to 2048"
        )
    if not data.synthetic and not data.shots:
        raise VsanimeError("data.shots = []; without data.synthetic, one folder of prepared shots or more is needed")
    if not recipe.losses.l1:
        raise VsanimeError("losses.l1 = 0; the first steps have little else to learn from")
    return recipe


def _check_network(network: ColorNetwork) -> None:
    second = network.architecture == "colour_temporal"
    if second != bool(network.colours):
        needed = "the ONNX of the first stage is needed" if second else "only 'colour_temporal' has a first stage"
        raise VsanimeError(f"network.colours = {network.colours!r}; {needed}")
    if network.residual and not second:
        raise VsanimeError(f"network.residual = true is for 'colour_temporal', not {network.architecture!r}")
