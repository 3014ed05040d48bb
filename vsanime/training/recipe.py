"""A training recipe: a TOML file as frozen facts, every key of it checked before anything else happens."""

from __future__ import annotations

import dataclasses
import tomllib
import typing
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from vsanime.architectures import ARCHITECTURES, trained_by
from vsanime.errors import VsanimeError, list_words, nearest, quote, quote_path
from vsanime.training.consistency import check
from vsanime.training.tables import Shares, flat, number, plain, section, shares

if TYPE_CHECKING:
    from vsanime.training.animegan.recipe import StyleRecipe
    from vsanime.training.colorization.recipe import ColourRecipe

KERNELS = ("box", "bilinear", "catmull_rom", "mitchell", "lanczos3", "random")
SITINGS = ("left", "center", "top_left")

# What validation can measure with: `random` is another one each time.
type Kernel = Literal["box", "bilinear", "catmull_rom", "mitchell", "lanczos3"]


def _make_network_class() -> type[Any]:
    """Return the dataclass of [network]: `architecture`, all settings of all architectures, `start`.

    Raises:
        ValueError: settings of one name have different types or defaults.
    """
    rows = trained_by("pairs")
    names: Any = Literal[tuple(rows)]
    fields: dict[str, tuple[str, Any, Any]] = {}
    for row in rows.values():
        assert row.pairs is not None
        hints = typing.get_type_hints(row.pairs.settings)
        for entry in dataclasses.fields(row.pairs.settings):
            made: Any = dataclasses.field(default=entry.default, metadata=entry.metadata)
            known = fields.setdefault(entry.name, (entry.name, hints[entry.name], made))
            if known[1] != hints[entry.name] or known[2].default != entry.default:
                raise ValueError(f"two architectures have different settings called {entry.name!r}")
    start = ("start", str, dataclasses.field(default=""))
    made_class: type[Any] = dataclasses.make_dataclass(
        "Network", [("architecture", names), *fields.values(), start], frozen=True, kw_only=True, module=__name__
    )
    return made_class


if TYPE_CHECKING:

    class Network:
        """What is trained.

        Its other attributes are the settings of the architectures.

        Attributes:
            architecture: which network.
            start: what to begin with: a model's name (`vsanime models list`) or a file; empty for fresh weights.
        """

        architecture: str
        start: str

        def __init__(self, **settings: Any) -> None: ...

        def __getattr__(self, name: str) -> Any:
            """Return a setting."""
else:
    Network = _make_network_class()


@dataclass(frozen=True, kw_only=True)
class Source:
    """A folder of pictures or videos, searched with everything below it, or one file.

    Attributes:
        path: below one of the roots given with `--data`.
        weight: how often its pictures are drawn, against the other sources.
        every: of a video, every how many frames one is taken.
    """

    path: str
    weight: float = number(1.0, 1e-6, 1e6)
    every: int = number(12, 1)


@dataclass(frozen=True, kw_only=True)
class Data:
    """How patches are cut.

    Attributes:
        planes: what the network sees: luma, RGB, or luma with chroma to be reconstructed.
        patch: width and height of what the network has to make, in pixels.
        held_out: share of the pictures kept for validation.
        least: pictures that have to be there.
        crops: places tried for a patch.
        best_share: how often the place with the steepest edges is taken; else the first.
        flat: mean step from pixel to pixel, in 8-bit codes, under which a patch is drawn again.
        shrink_share: how often the picture is first made smaller by area.
        shrink_most: times that it is made smaller by then, at most.
        turn: turn and mirror at random.
        invert: how often a patch is inverted.
        grid: cut on a grid of patches side by side instead of anywhere.
        grid_cap: patches of one picture on the grid, at most.
        cache: megabytes of decoded pictures that each worker keeps.
    """

    planes: Literal["luma", "rgb", "chroma"]
    patch: int = number(dataclasses.MISSING, 16, 1024)
    held_out: float = number(0.1, 0.001, 0.5)
    least: int = number(8, 2)
    crops: int = number(1, 1, 100)
    best_share: float = number(1.0, 0, 1)
    flat: float = number(0.0, 0, 50)
    shrink_share: float = number(0.0, 0, 1)
    shrink_most: float = number(1.0, 1, 8)
    turn: bool = True
    invert: float = number(0.0, 0, 1)
    grid: bool = False
    grid_cap: int = number(64, 1)
    cache: int = number(512, 16)


@dataclass(frozen=True, kw_only=True)
class Jpeg:
    """JPEG artefacts.

    Attributes:
        share: how often.
        levels: noise levels as nagadomi defines them (SYSTEMS 3.5), with their odds; none to use `quality`.
        quality: lowest and highest quality.
        half_chroma: how often chroma is stored at half size (4:2:0).
    """

    share: float = number(0.0, 0, 1)
    levels: Shares = shares((), ("0", "1", "2", "3"))  # noqa: RUF009 - a field
    quality: tuple[int, int] = number((75, 95), 1, 100)
    half_chroma: float = number(0.5, 0, 1)


@dataclass(frozen=True, kw_only=True)
class H264:
    """Artefacts of a real encoder (x264 in ffmpeg), from short clips that pan over pictures.

    Pictures of clips are shrunk, turned and inverted, and places in frames chosen, as [data] has it, but for its grid.

    Attributes:
        share: how often.
        crf: lowest and highest rate factor.
        clips: how many different clips there are.
        frames: of each clip.
        width: of each clip in pixels, as encoded; the height is 9/16 of it.
    """

    share: float = number(0.0, 0, 1)
    crf: tuple[int, int] = number((18, 32), 0, 51)
    clips: int = number(400, 1)
    frames: int = number(8, 1, 100)
    width: int = number(320, 64, 1920)

    @property
    def height(self) -> int:
        """Of a clip in pixels, as encoded; even."""
        return self.width * 9 // 32 * 2


@dataclass(frozen=True, kw_only=True)
class Degradation:
    """What becomes of a patch before the network sees it, in this order.

    Attributes:
        kernels: kernels that halve, or that subsample chroma, with their odds.
        width: the kernel made narrower or wider, lowest and highest factor.
        blur: standard deviation of a Gaussian in pixels of the small picture, lowest and highest.
        blur_share: how often it is blurred.
        noise: standard deviation of noise in 8-bit codes, lowest and highest.
        noise_share: how often there is noise.
        sitings: places of chroma samples, with their odds.
        round_input: round to 8-bit codes, which is what clips have.
        sharpen: how much of the difference to its blurred self is added to the target.
    """

    kernels: Shares = shares((("box", 1.0),), KERNELS)  # noqa: RUF009
    width: tuple[float, float] = number((1.0, 1.0), 0.5, 2)
    blur: tuple[float, float] = number((0.0, 0.0), 0, 5)
    blur_share: float = number(0.0, 0, 1)
    noise: tuple[float, float] = number((0.0, 0.0), 0, 50)
    noise_share: float = number(0.0, 0, 1)
    sitings: Shares = shares((("left", 1.0),), SITINGS)  # noqa: RUF009
    round_input: bool = True
    sharpen: float = number(0.0, 0, 2)
    jpeg: Jpeg = Jpeg()
    h264: H264 = H264()


@dataclass(frozen=True, kw_only=True)
class Training:
    """How the weights are found.

    Attributes:
        steps: updates of the weights.
        batch: patches an update.
        late_batch: patches an update towards the end; 0 for no change.
        late_share: share of the steps, at the end, that take `late_batch`.
        loss: what is made small: `l1`; `weighted_mse` and `clipped_huber` know RGB (SYSTEMS 4.1).
        optimizer: `muon` moves inner convolutions by orthogonal steps and the rest as `adamw` does; `adam`'s weight
            decay is part of the gradient.
        rate: highest learning rate.
        muon_rate: highest rate of what Muon moves; the largest singular value that a step adds to a convolution.
        betas: of the optimizer.
        weight_decay: of the optimizer.
        amsgrad: of the optimizer.
        schedule: `cosine` to `final`; `inverse`: rate / (1 + decay * samples seen); `constant`.
        warm_up: steps in which the rate climbs.
        final: share of the rate that is left at the end of the cosine.
        decay: of `inverse`.
        ema: weight of the past in the moving average of the weights; the average is what is exported.
        clip_gradient: longest gradient; 0 for any.
        mixed: convolutions in bf16 while the weights stay f32.
        mixed_share: share of the steps, from the start, for which `mixed` holds.
        channels_last: the memory order in which convolutions are faster.
        recompute: gradient checkpointing: less memory, a third more time; of ArtCNN also while rounding is simulated.
        workers: processes that make patches; 0 for none beside the one that trains.
        validate_every: steps between validations.
        checkpoint_every: steps between checkpoints.
        seed: of weights and samples.
    """

    steps: int = number(dataclasses.MISSING, 1)
    batch: int = number(16, 1, 4096)
    late_batch: int = number(0, 0, 4096)
    late_share: float = number(0.0, 0, 1)
    loss: Literal["l1", "weighted_mse", "clipped_huber"] = "l1"
    optimizer: Literal["adamw", "adam", "muon"] = "adamw"
    rate: float = number(1e-3, 1e-8, 1)
    muon_rate: float = number(0.01, 1e-8, 1)
    betas: tuple[float, float] = number((0.9, 0.999), 0, 0.99999)
    weight_decay: float = number(0.0, 0, 1)
    amsgrad: bool = False
    schedule: Literal["cosine", "inverse", "constant"] = "cosine"
    warm_up: int = number(0, 0)
    final: float = number(0.005, 0, 1)
    decay: float = number(0.0, 0, 1)
    ema: float = number(0.999, 0, 0.99999)
    clip_gradient: float = number(0.0, 0)
    mixed: Literal["none", "bf16"] = "none"
    mixed_share: float = number(1.0, 0, 1)
    channels_last: bool = True
    recompute: bool = False
    workers: int = number(1, 0, 64)
    validate_every: int = number(1000, 1)
    checkpoint_every: int = number(1000, 1)
    seed: int = number(1, 0, 2**31)


@dataclass(frozen=True, kw_only=True)
class Rounding:
    """The rounding of the precision that the network will run in, simulated in the last steps.

    Steps of `training.mixed` compute ArtCNN in bf16 itself, as fast as before; others simulate it in f32.

    Attributes:
        dtype: which; `none` for no such phase, `int8` for ArtCNN alone (a trial: no backend runs it yet).
        share: share of the steps, at the end.
    """

    dtype: Literal["none", "bf16", "fp16", "int8"] = "none"
    share: float = number(0.1, 0, 1)


@dataclass(frozen=True, kw_only=True)
class Validation:
    """What is measured on pictures that are never trained on; each kernel has a figure of its own.

    Attributes:
        kernels: kernels to measure with, clean.
        degraded: whether patches degraded as in training are measured as well.
        patches: of each.
        patch: width and height in pixels of what the network has to make.
    """

    kernels: tuple[Kernel, ...] = ("box", "catmull_rom", "lanczos3")
    degraded: bool = False
    patches: int = number(32, 1, 10_000)
    patch: int = number(192, 32, 2048)


@dataclass(frozen=True, kw_only=True)
class Recipe:
    """All that decides a run.

    Attributes:
        name: of the run and of what it exports.
        about: one sentence.
        licence: of the weights, as their ONNX will say, such as "MIT; Copyright (c) 2026 Somebody"; empty for none.
        author: who trains them, as their ONNX will say; empty for nobody.
    """

    name: str
    about: str = ""
    licence: str = ""
    author: str = ""
    network: Network
    data: Data
    sources: tuple[Source, ...]
    degradation: Degradation = Degradation()
    training: Training
    rounding: Rounding = Rounding()
    validation: Validation = Validation()

    @property
    def kinds(self) -> dict[str, range]:
        """Indices of the sources of each kind of picture, by the key that lists them."""
        return {"sources": range(len(self.sources))}


# A recipe of any kind; `network.architecture` says of which.
type AnyRecipe = Recipe | StyleRecipe | ColourRecipe
# One that learns from pictures, each by itself.
type PictureRecipe = Recipe | StyleRecipe


# Files ----------------------------------------------------------------------------------------------------------


def names() -> list[str]:
    """The recipes that come with the package."""
    folder = files(__package__).joinpath("recipes")
    return sorted(entry.name.removesuffix(".toml") for entry in folder.iterdir() if entry.name.endswith(".toml"))


def load(name: str) -> AnyRecipe:
    """Read a recipe.

    Args:
        name: one that comes with the package, or the path of a TOML file.

    Raises:
        VsanimeError: there is none, or a key or value in it is wrong.
    """
    return parse(text_of(name), name)


def text_of(name: str) -> str:
    """A recipe's text, comments and all.

    Args:
        name: one that comes with the package, or the path of a TOML file.

    Raises:
        VsanimeError: there is none.
    """
    if name in names():
        return files(__package__).joinpath("recipes", f"{name}.toml").read_text(encoding="utf-8")
    path = Path(name)
    if path.suffix.lower() != ".toml":
        close = list_words(nearest(name, names()))
        raise VsanimeError(
            f"no recipe is called {quote(name)}; did you mean {close}? `vsanime train --list` shows all, and a file of "
            "your own ends in .toml"
        )
    try:
        return path.read_text(encoding="utf-8")
    except OSError as error:
        raise VsanimeError(f"the recipe {quote_path(name)} cannot be read: {error.strerror or error}") from None
    except UnicodeDecodeError:
        raise VsanimeError(f"the recipe {quote_path(name)} is not text in UTF-8") from None


def parse(text: str, origin: str) -> AnyRecipe:
    """Read a recipe's text.

    Args:
        text: TOML.
        origin: what messages call it.

    Raises:
        VsanimeError: not TOML, or a key or value in it is wrong; names key, value and what would be right.
    """
    try:
        table = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise VsanimeError(f"the recipe {origin} is not TOML: {error}") from None
    try:
        return from_table(table)
    except VsanimeError as error:
        raise VsanimeError(f"the recipe {origin}: {error}") from None


def from_table(table: Mapping[str, Any]) -> AnyRecipe:
    """Make a recipe of nested tables, as TOML or JSON give them.

    Raises:
        VsanimeError: a key or value is wrong.
    """
    # Modules of their own, which build on this one.
    from vsanime.training.animegan import recipe as animegan
    from vsanime.training.colorization import recipe as colorization

    network = table.get("network")
    architecture = network.get("architecture") if isinstance(network, Mapping) else None
    row = ARCHITECTURES.get(architecture) if isinstance(architecture, str) else None
    if row is not None and row.task == "style":
        return animegan.from_table(table)
    if row is not None and row.task == "colorization":
        return colorization.from_table(table)
    recipe: Recipe = section(Recipe, table, "")
    check(recipe)
    return recipe


def to_table(recipe: AnyRecipe) -> dict[str, Any]:
    """The nested tables that `from_table` reads."""
    table: dict[str, Any] = plain(recipe)
    return table


def differences(one: AnyRecipe, other: AnyRecipe) -> list[str]:
    """The keys in which two recipes differ, with both values."""
    first, second = (dict(flat(to_table(recipe), "")) for recipe in (one, other))
    return [
        f"{key} is {first.get(key)!r} where it was {second.get(key)!r}"
        for key in sorted(first.keys() | second.keys())
        if first.get(key) != second.get(key)
    ]
