"""Defines recipes that train networks from pairs of degraded and clean patches."""

from __future__ import annotations

import dataclasses
import typing
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, Literal

from vsanime.architectures import trained_by
from vsanime.sections import Shares, number, shares
from vsanime.training.recipes.base import BaseRecipe, CosineSettings, Source

KERNELS = ("box", "bilinear", "catmull_rom", "mitchell", "lanczos3", "random")
SITINGS = ("left", "center", "top_left")

# The kernels of validation; `random` is not one of them, because it differs from patch to patch.
type Kernel = Literal["box", "bilinear", "catmull_rom", "mitchell", "lanczos3"]


def _make_network_class() -> type[Any]:
    """Return the dataclass of [network]: `architecture`, the settings of all architectures, and `start`.

    Raises:
        ValueError: two architectures have settings of one name with different types or defaults.
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
        """The network to train.

        Its other attributes are the settings of the architectures.

        Attributes:
            architecture: name of the architecture.
            start: name (`vsanime models list`) or file of a model to begin with; empty for fresh weights.
        """

        architecture: str
        start: str

        def __init__(self, **settings: Any) -> None: ...

        def __getattr__(self, name: str) -> Any:
            """Return a setting."""
else:
    Network = _make_network_class()


@dataclass(frozen=True, kw_only=True)
class Data:
    """Settings for cutting patches.

    Attributes:
        planes: planes that the network sees: luma, RGB, or luma with chroma to be reconstructed.
        patch: width and height of the target patch in pixels.
        held_out: fraction of the pictures that is kept for validation.
        least: smallest number of pictures.
        crops: number of positions tried for a patch.
        best_share: how often the position with the steepest edges is taken, 0 to 1; otherwise the first.
        flat: mean difference of neighboring pixels, in 8-bit codes, below which a patch is drawn again.
        shrink_share: how often the picture is first shrunk by area averaging, 0 to 1.
        shrink_most: greatest factor by which it is shrunk then.
        turn: whether to rotate and mirror at random.
        invert: how often a patch is inverted, 0 to 1.
        grid: whether to cut on a grid of adjacent patches instead of anywhere.
        grid_cap: most patches of one picture on the grid.
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
    """Settings of JPEG artifacts.

    Attributes:
        share: how often they are added, 0 to 1.
        levels: noise levels as github.com/nagadomi/waifu2x defines them, with their odds; empty to use `quality`.
        quality: lowest and highest quality.
        half_chroma: how often chroma is stored at half size (4:2:0), 0 to 1.
    """

    share: float = number(0.0, 0, 1)
    levels: Shares = shares((), ("0", "1", "2", "3"))  # noqa: RUF009 - a field
    quality: tuple[int, int] = number((75, 95), 1, 100)
    half_chroma: float = number(0.5, 0, 1)


@dataclass(frozen=True, kw_only=True)
class H264:
    """Settings of artifacts of a real encoder (x264 in ffmpeg), from short clips that pan over pictures.

    The settings of [data] apply to the pictures of clips and to positions in their frames, except for its grid.

    Attributes:
        share: how often they are added, 0 to 1.
        crf: lowest and highest rate factor.
        clips: number of different clips.
        frames: number of frames of each clip.
        width: width of each clip in pixels, as encoded; the height is 9/16 of it.
    """

    share: float = number(0.0, 0, 1)
    crf: tuple[int, int] = number((18, 32), 0, 51)
    clips: int = number(400, 1)
    frames: int = number(8, 1, 100)
    width: int = number(320, 64, 1920)

    @property
    def height(self) -> int:
        """The height of a clip in pixels, as encoded; even."""
        return self.width * 9 // 32 * 2


@dataclass(frozen=True, kw_only=True)
class Degradation:
    """Settings of the degradation of a patch before the network sees it, in this order.

    Attributes:
        kernels: kernels that halve, or that subsample chroma, with their odds.
        width: lowest and highest factor by which the kernel is widened.
        blur: lowest and highest standard deviation of a Gaussian, in pixels of the small picture.
        blur_share: how often it is blurred, 0 to 1.
        noise: lowest and highest standard deviation of noise, in 8-bit codes.
        noise_share: how often noise is added, 0 to 1.
        sitings: positions of chroma samples, with their odds.
        round_input: whether to round the input to 8-bit codes, as in clips.
        sharpen: multiple of its difference from its blurred version that is added to the target.
        jpeg: settings of JPEG artifacts.
        h264: settings of H.264 artifacts.
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
class Training(CosineSettings):
    """Settings of the training.

    Attributes:
        late_batch: patches per update toward the end; 0 for no change.
        late_share: fraction of the steps, at the end, that use `late_batch`.
        loss: loss to minimize: `l1`, or `weighted_mse` or `clipped_huber`, which are for RGB.
        optimizer: `muon` updates inner convolutions by orthogonal steps and the rest as `adamw` does; `adam`'s weight
            decay is part of the gradient.
        muon_rate: highest learning rate of Muon; the largest singular value that a step adds to a convolution.
        weight_decay: weight decay of the optimizer.
        amsgrad: whether the optimizer uses AMSGrad.
        schedule: `cosine` to `final`; `inverse`: rate / (1 + decay * samples seen); `constant`.
        decay: decay of the schedule `inverse`.
        mixed_share: fraction of the steps, from the start, for which `mixed` holds.
        recompute: use gradient checkpointing: less memory, a third more time; for ArtCNN also while rounding is
            simulated.
    """

    late_batch: int = number(0, 0, 4096)
    late_share: float = number(0.0, 0, 1)
    loss: Literal["l1", "weighted_mse", "clipped_huber"] = "l1"
    optimizer: Literal["adamw", "adam", "muon"] = "adamw"
    muon_rate: float = number(0.01, 1e-8, 1)
    weight_decay: float = number(0.0, 0, 1)
    amsgrad: bool = False
    schedule: Literal["cosine", "inverse", "constant"] = "cosine"
    final: float = number(0.005, 0, 1)
    decay: float = number(0.0, 0, 1)
    mixed_share: float = number(1.0, 0, 1)
    recompute: bool = False

    KEYS: ClassVar[tuple[str, ...]] = (
        *("steps", "batch", "late_batch", "late_share", "loss", "optimizer", "rate", "muon_rate", "betas"),
        *("weight_decay", "amsgrad", "schedule", "warm_up", "final", "decay", "ema", "clip_gradient", "mixed"),
        *("mixed_share", "channels_last", "recompute", "workers", "validate_every", "checkpoint_every", "seed"),
    )

    @property
    def late_from(self) -> int:
        """The first step that takes `late_batch`."""
        return round((1 - self.late_share) * self.steps)

    def batch_at(self, step: int) -> int:
        """Return the batch size of a step, counted from 0."""
        return self.late_batch if self.late_batch and step >= self.late_from else self.batch


@dataclass(frozen=True, kw_only=True)
class Rounding:
    """Settings of the last steps, which simulate the rounding of the precision that the network will run in.

    Steps of `training.mixed` compute ArtCNN in bf16 itself, as fast as before; others simulate it in f32.

    Attributes:
        dtype: precision; `none` for no such phase, `int8` for ArtCNN alone (a trial: no backend runs it yet).
        share: fraction of the steps, at the end, that simulate it.
    """

    dtype: Literal["none", "bf16", "fp16", "int8"] = "none"
    share: float = number(0.1, 0, 1)


@dataclass(frozen=True, kw_only=True)
class Validation:
    """Settings of validation on pictures that are never trained on; each kernel has a measure of its own.

    Attributes:
        kernels: kernels to measure with, without other degradation.
        degraded: whether patches degraded as in training are measured as well.
        patches: number of patches for each.
        patch: width and height of the target patch in pixels.
    """

    kernels: tuple[Kernel, ...] = ("box", "catmull_rom", "lanczos3")
    degraded: bool = False
    patches: int = number(32, 1, 10_000)
    patch: int = number(192, 32, 2048)


@dataclass(frozen=True, kw_only=True)
class Recipe(BaseRecipe):
    """All settings of a run that learns from pairs of patches."""

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
