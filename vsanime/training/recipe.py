"""A training recipe: a TOML file as frozen facts, every key of it checked before anything else happens."""

from __future__ import annotations

import dataclasses
import difflib
import tomllib
import typing
from collections.abc import Mapping
from dataclasses import dataclass, field
from importlib.resources import files
from pathlib import Path
from types import UnionType
from typing import Any, Literal

from vsanime.errors import VsanimeError

KERNELS = ("box", "bilinear", "catmull_rom", "mitchell", "lanczos3", "random")
SITINGS = ("left", "center", "top_left")

type Kernel = Literal["box", "bilinear", "catmull_rom", "mitchell", "lanczos3", "random"]
type Shares = tuple[tuple[str, float], ...]


def number(default: Any, least: float, most: float = float("inf")) -> Any:
    """A field with limits; `default` is `dataclasses.MISSING` where the recipe has to say it."""
    return field(default=default, metadata={"least": least, "most": most})


def shares(default: Shares, names: tuple[str, ...]) -> Any:
    """A field that is a table of odds, one for each of some of the names; they need not sum to 1."""
    return field(default=default, metadata={"names": names})


@dataclass(frozen=True, kw_only=True)
class Network:
    """What is trained.

    Attributes:
        architecture: which network.
        variant: of ArtCNN, by its name: C4F32, R8F64, C4F32_Chroma.
        activation: of ArtCNN.
        widths: of ESPCN_7, UpConv_7 and VGG_7, channels of the hidden layers; none for the usual ones.
        selection_units: of ESPCN_7.
        units: of DRRN, how often the residual unit is applied.
        filters: of DRRN, channels.
        low: of DRRN, work at low resolution and shuffle pixels.
        start: a file with weights to begin with; empty for fresh ones.
    """

    architecture: Literal["artcnn", "espcn_7", "upconv_7", "vgg_7", "drrn"]
    variant: str = ""
    activation: Literal["relu", "silu"] = "relu"
    widths: tuple[int, ...] = ()
    selection_units: bool = False
    units: int = number(9, 1, 100)
    filters: int = number(128, 1, 1024)
    low: bool = False
    start: str = ""


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
        optimizer: `adamw`, or `adam`, whose weight decay is part of the gradient.
        rate: highest learning rate.
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
        recompute: gradient checkpointing: less memory, a third more time.
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
    optimizer: Literal["adamw", "adam"] = "adamw"
    rate: float = number(1e-3, 1e-8, 1)
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

    Attributes:
        dtype: which; `none` for no such phase.
        share: share of the steps, at the end.
    """

    dtype: Literal["none", "bf16", "fp16"] = "none"
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
    """

    name: str
    about: str = ""
    network: Network
    data: Data
    sources: tuple[Source, ...]
    degradation: Degradation = Degradation()
    training: Training
    rounding: Rounding = Rounding()
    validation: Validation = Validation()


# Files ----------------------------------------------------------------------------------------------------------


def names() -> list[str]:
    """The recipes that come with the package."""
    folder = files(__package__).joinpath("recipes")
    return sorted(entry.name.removesuffix(".toml") for entry in folder.iterdir() if entry.name.endswith(".toml"))


def load(name: str) -> Recipe:
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
        known = ", ".join(names())
        raise VsanimeError(f"no recipe is called {name!r}; there are {known}; a file of your own ends in .toml")
    try:
        return path.read_text(encoding="utf-8")
    except OSError as error:
        raise VsanimeError(f"the recipe {name} cannot be read: {error.strerror or error}") from None
    except UnicodeDecodeError:
        raise VsanimeError(f"the recipe {name} is not text in UTF-8") from None


def parse(text: str, origin: str) -> Recipe:
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


def from_table(table: Mapping[str, Any]) -> Recipe:
    """Make a recipe of nested tables, as TOML or JSON give them.

    Raises:
        VsanimeError: a key or value is wrong.
    """
    recipe: Recipe = _section(Recipe, table, "")
    _check_whole(recipe)
    return recipe


def to_table(recipe: Recipe) -> dict[str, Any]:
    """The nested tables that `from_table` reads."""
    table: dict[str, Any] = _plain(recipe)
    return table


def differences(one: Recipe, other: Recipe) -> list[str]:
    """The keys in which two recipes differ, with both values."""
    first, second = (dict(_flat(to_table(recipe), "")) for recipe in (one, other))
    return [
        f"{key} is {first.get(key)!r} where it was {second.get(key)!r}"
        for key in sorted(first.keys() | second.keys())
        if first.get(key) != second.get(key)
    ]


# Checking -------------------------------------------------------------------------------------------------------


def _section(kind: type[Any], table: Any, where: str) -> Any:
    if not isinstance(table, Mapping):
        raise VsanimeError(f"{where} = {table!r}; a table is needed")
    fields = {f.name: f for f in dataclasses.fields(kind)}
    hints = typing.get_type_hints(kind)
    for key in table:
        if key not in fields:
            close = difflib.get_close_matches(key, fields, 1)
            advice = f"did you mean {close[0]}?" if close else f"known are {', '.join(fields)}"
            raise VsanimeError(f"{_at(where, key)} = {table[key]!r} is not known; {advice}")
    missing = [name for name, f in fields.items() if name not in table and f.default is dataclasses.MISSING]
    if missing:
        raise VsanimeError(f"{_at(where, missing[0])} is missing")
    return kind(**{key: _value(hints[key], fields[key], value, _at(where, key)) for key, value in table.items()})


def _value(hint: Any, entry: dataclasses.Field[Any], value: Any, where: str) -> Any:
    """One value, checked against the type and the limits of its field."""
    if hint is Shares:
        return _shares(value, entry.metadata["names"], where)
    if dataclasses.is_dataclass(hint):
        return _section(typing.cast(type[Any], hint), value, where)
    if typing.get_origin(hint) is tuple:
        return _tuple(typing.get_args(hint), entry, value, where)
    return _scalar(hint, entry, value, where)


def _tuple(hints: tuple[Any, ...], entry: dataclasses.Field[Any], value: Any, where: str) -> tuple[Any, ...]:
    if not isinstance(value, list | tuple):
        raise VsanimeError(f"{where} = {value!r}; a list is needed")
    if hints[-1] is Ellipsis:
        return tuple(_value(hints[0], entry, item, f"{where}[{i}]") for i, item in enumerate(value))
    if len(value) != len(hints):
        raise VsanimeError(f"{where} = {value!r}; {len(hints)} values are needed, the lower one first")
    made = tuple(
        _value(hint, entry, item, f"{where}[{i}]") for i, (hint, item) in enumerate(zip(hints, value, strict=True))
    )
    if made[0] > made[1]:
        raise VsanimeError(f"{where} = {list(made)}; the lower value comes first")
    return made


def _scalar(hint: Any, entry: dataclasses.Field[Any], value: Any, where: str) -> Any:
    hint = getattr(hint, "__value__", hint)  # a name given to a type
    if typing.get_origin(hint) is Literal:
        if value not in typing.get_args(hint):
            raise VsanimeError(f"{where} = {value!r}; {', '.join(map(repr, typing.get_args(hint)))} are possible")
        return value
    assert not isinstance(hint, UnionType)
    # In TOML 1 is no truth value and 1.0 no count, but 1 is a number.
    fits = type(value) in ((int, float) if hint is float else (hint,))
    if not fits:
        kinds = {int: "a whole number", float: "a number", bool: "true or false", str: "a text"}
        raise VsanimeError(f"{where} = {value!r}; {kinds[hint]} is needed")
    least, most = entry.metadata.get("least"), entry.metadata.get("most")
    if least is not None and not least <= value <= most:
        limits = f"{least:g} or more is" if most == float("inf") else f"{least:g} to {most:g} is"
        raise VsanimeError(f"{where} = {value!r}; {limits} possible")
    return hint(value)


def _shares(value: Any, names: tuple[str, ...], where: str) -> Shares:
    if not isinstance(value, Mapping):
        raise VsanimeError(f"{where} = {value!r}; a table of odds is needed, for some of {', '.join(names)}")
    for name, share in value.items():
        if name not in names:
            raise VsanimeError(f"{where}.{name} = {share!r} is not known; {', '.join(names)} are")
        if type(share) not in (int, float) or not 0 < share < float("inf"):
            raise VsanimeError(f"{where}.{name} = {share!r}; odds above 0 are needed")
    return tuple(sorted((name, float(share)) for name, share in value.items()))


def _check_whole(recipe: Recipe) -> None:
    """What no single key can tell."""
    if not recipe.sources:
        raise VsanimeError("sources = []; one [[sources]] or more are needed")
    if not recipe.degradation.kernels:
        raise VsanimeError("degradation.kernels is empty; one kernel or more are needed")
    network, data = recipe.network, recipe.data
    if not recipe.name or not set(recipe.name) <= _FILE_NAME:
        raise VsanimeError(f"name = {recipe.name!r}; letters, digits, - and _ are needed: files are named after it")
    if network.architecture == "artcnn":
        chroma = "_Chroma" in network.variant
        if chroma != (data.planes == "chroma") or data.planes == "rgb":
            wanted = "chroma" if chroma else "luma"
            raise VsanimeError(f"data.planes = {data.planes!r}; the variant {network.variant!r} needs {wanted!r}")
    elif data.planes == "chroma":
        raise VsanimeError("data.planes = 'chroma'; only ArtCNN's chroma networks know that")
    if recipe.training.loss != "l1" and data.planes != "rgb":
        raise VsanimeError(f"training.loss = {recipe.training.loss!r}; it weights R, G and B, so data.planes is 'rgb'")
    for where, patch in (("data.patch", data.patch), ("validation.patch", recipe.validation.patch)):
        if patch % 2:
            raise VsanimeError(f"{where} = {patch}; an even number is needed, since patches are halved")
    if recipe.degradation.h264.share and data.planes != "luma":
        raise VsanimeError("degradation.h264.share; clips are luma, so data.planes is 'luma'")


_FILE_NAME = set("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_")


def _at(where: str, key: str) -> str:
    return f"{where}.{key}" if where else key


def _plain(value: Any) -> Any:
    if dataclasses.is_dataclass(value):
        return {f.name: _named(f, getattr(value, f.name)) for f in dataclasses.fields(value)}
    return [_plain(item) for item in value] if isinstance(value, tuple) else value


def _named(entry: dataclasses.Field[Any], value: Any) -> Any:
    return dict(value) if "names" in entry.metadata else _plain(value)


def _flat(table: Any, where: str) -> list[tuple[str, Any]]:
    if isinstance(table, Mapping):
        return [pair for key, value in table.items() for pair in _flat(value, _at(where, key))]
    return [(where, table)]
