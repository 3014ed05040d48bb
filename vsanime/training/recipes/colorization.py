"""A recipe of line colorization: what `vsanime.training.recipes.pairs` is to networks that learn from pairs."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, Literal

from vsanime.architectures import trained_by
from vsanime.errors import VsanimeError
from vsanime.sections import number, section
from vsanime.training.recipes.base import AdversarialSettings, BaseRecipe, CosineSettings, check_name

# Sizes are multiples of these.
ARCHITECTURES = {name: row.multiple for name, row in trained_by("colorization").items()}

if TYPE_CHECKING:
    type _Name = str
else:
    _Name = Literal[tuple(ARCHITECTURES)]


@dataclass(frozen=True, kw_only=True)
class ColourNetwork:
    """What is trained.

    Attributes:
        architecture: `colour`, the network that is shipped; `document`, the Color Transform Network after Shi et al.
            2020; `colour_temporal`, the Temporal Constraint Network, which refines what one of the others gives.
        width: channels at full size.
        residual: of `colour_temporal`, add to the colours that come in, instead of a sigmoid as the picture.
        colours: of `colour_temporal`, the network of the first stage: an ONNX of `colour` or `document`.
        start: what to begin with: an ONNX of the same architecture and width; empty for fresh weights.
    """

    architecture: _Name
    width: int = number(dataclasses.MISSING, 4, 128)
    residual: bool = False
    colours: str = ""
    start: str = ""


@dataclass(frozen=True, kw_only=True)
class ColourData:
    """What is learnt from, and how three frames of it are chosen.

    Attributes:
        drawings: folders of free drawings, which synthetic shots are made of, below one of the roots.
        shots: folders of shots that `vsanime prepare colorization` made, below one of the roots.
        synthetic: make synthetic shots even where there are no drawings: everything in them is made up then.
        size: width and height of the frames that the network sees.
        span: most frames from the key before to the key after.
        one_sided: share of the samples that have one key only, given twice.
        prepared: share of the samples that are from prepared shots, where there are any.
        held_out: share of the drawings that is kept for validation; of the prepared shots where `synthetic` is off.
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
class ColourLosses:
    """Weights of the losses (Shi et al. 2020, arXiv 2003.10685).

    Attributes:
        l1: of the colours themselves.
        squared: of their squared differences, which the paper has not: where nobody can know which of two keys
            is right, it prefers their mean, as PSNR does, and L1 either of them.
        latent: of the colours that inner layers tell: what attention copied, or those of the similarity layer and of
            the last block.
        adversarial: of the generator.
        perceptual: of features, times what `normalisation` says.
        style: of Gram matrices, times what `normalisation` says.
        normalisation: which network, layers and factors both go with: a key of
            `vsanime.training.colorization.losses.NORMALISATIONS`.
        network: where features come from: `auto`, `vgg19`, `vgg16`, or a file of one.
        layers: convolutions of `perceptual`, instead of the normalisation's.
        style_layers: convolutions of `style`, likewise.
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
class ColourTraining(AdversarialSettings, CosineSettings):
    """How the weights are found.

    Attributes:
        late: share of the steps, at the end, in which adversarial, perceptual and style losses take part.
        late_rate: of the generator in those last steps; 0 to go on with the schedule.
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
        """Steps by the first losses alone."""
        return self.steps - round(self.late * self.steps)


@dataclass(frozen=True, kw_only=True)
class ColourValidation:
    """What is measured and shown of scenes and drawings that are never trained on.

    Attributes:
        samples: targets, each with its keys.
        shown: how many of them stand on a sheet.
    """

    samples: int = number(24, 1, 1000)
    shown: int = number(6, 1, 64)


@dataclass(frozen=True, kw_only=True)
class ColourRecipe(BaseRecipe):
    """All that decides a run of line colorization."""

    network: ColourNetwork
    data: ColourData = ColourData()
    losses: ColourLosses = ColourLosses()
    training: ColourTraining
    validation: ColourValidation = ColourValidation()

    @property
    def wants_features(self) -> bool:
        """Whether some step compares features."""
        return self.training.late > 0 and (self.losses.perceptual > 0 or self.losses.style > 0)


def from_table(table: Mapping[str, Any]) -> ColourRecipe:
    """Make a recipe of nested tables.

    Raises:
        VsanimeError: a key or value is wrong.
    """
    recipe: ColourRecipe = section(ColourRecipe, table, "")
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


def _check_network(network: ColourNetwork) -> None:
    second = network.architecture == "colour_temporal"
    if second != bool(network.colours):
        needed = "the ONNX of the first stage is needed" if second else "only 'colour_temporal' has a first stage"
        raise VsanimeError(f"network.colours = {network.colours!r}; {needed}")
    if network.residual and not second:
        raise VsanimeError(f"network.residual = true is for 'colour_temporal', not {network.architecture!r}")
