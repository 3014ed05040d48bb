"""Double and denoise pictures in RGB with waifu2x (https://github.com/nagadomi/waifu2x)."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

import vapoursynth as vs

from vsanime.backends import BackendProtocol
from vsanime.coding import check_matrix
from vsanime.errors import VsanimeError, quote
from vsanime.graphs.builders.rgb import reach, rgb_graph
from vsanime.graphs.inspect import inspect
from vsanime.graphs.passes.ensemble import ensemble
from vsanime.graphs.passes.transposed import rewrite_transposed
from vsanime.models.cards import find, unknown_model, variants
from vsanime.models.store import as_path, available, load
from vsanime.pipeline.arguments import Size, Tiles, Tiling, check_backend, read_tiling, resolve_format
from vsanime.pipeline.network import Network, network_for
from vsanime.pipeline.run import Job, run
from vsanime.spec import Family, FrameSpec, GraphTraits, PlaneFormat, PlanesGraph, SampleType
from vsanime.values import read_choice, read_flag, read_name_or_path, read_whole
from vsanime.video.alpha import alpha_of, fill_hidden, with_alpha, with_sure_ends
from vsanime.video.clips import first_frame, plane_format, spec_from_props, video_format
from vsanime.video.errors import raises_vs_error
from vsanime.video.properties import resolve_gray_matrix, write_gray_matrix, write_properties

_TINTS = ("keep", "correct")
# The network that comes with the package.
_OURS = "ESPCN_7_SLIM_VA"
# The suffix of a name that includes a noise level.
_NOISY = re.compile(r"_noise[0-3]$", re.IGNORECASE)
_ADVICE = "a network from RGB to RGB such as 'upconv_7_art' or 'ESPCN_7_SLIM_VA' is needed (see `vsanime models list`)"


@raises_vs_error
def waifu2x(
    clip: vs.VideoNode,
    noise: int = -1,
    scale: int = 2,
    model: str = "upconv_7_art",
    *,
    tint: str = "keep",
    tta: bool = False,
    depth: int | str | None = None,
    backend: BackendProtocol | None = None,
    tiles: Tiles = None,
    tilesize: Size = None,
    overlap: Size = None,
) -> vs.VideoNode:
    """Double a clip, remove JPEG-like noise, or both, with a waifu2x network.

    The network works on RGB. YUV is converted on the way in and out inside the compiled graph, by the clip's own range,
    matrix and siting; chroma is resampled by Catmull-Rom. GRAY enters as three equal channels and leaves as luma.

    Args:
        clip: source clip, RGB, YUV or GRAY, 8 to 16 bits, half or single float, progressive. `_Alpha` is scaled, too.
        noise: noise level to remove, 0 to 3, or -1 to leave noise as it is.
        scale: 2, or 1 to denoise only: by a network of that kind ("vgg_7_art") where its weights are found, else by
            doubling and halving.
        model: "upconv_7_art", "upconv_7_photo", "vgg_7_art", "vgg_7_photo", "espcn_7", "drrn", "drrn_low"; or
            "ESPCN_7_SLIM_VA", which comes with the package, or the path of an ONNX file from RGB to RGB at 1x or 2x:
            both leave noise as it is or have one level of denoising.
        tint: "keep" the network's own colors, or "correct" them: networks change flat areas, the strongly colored ones
            by up to 7 codes of 8 bits; the change of each neighborhood's mean is subtracted again.
        tta: average over the eight rotated and mirrored variants; eight times slower, about 0.3 dB better.
        depth: output depth, 8 to 16 bits, "half" or "single"; None for the input's.
        backend: where the network runs, such as `vsanime.Backend.OpenVINO(precision="bf16")`.
        tiles: number of tiles in each direction, or (across, down); "auto" cuts frames to fit a card's memory.
        tilesize: size of the tiles in pixels, overlap included.
        overlap: pixels by which tiles overlap on each side; None for the exact number, with which tiles change nothing.

    Returns:
        A clip in the input's format (except for `depth`) with all its properties. `_Matrix`, `_Range` and
        `_ChromaLocation` are set to what was used, even where the input left them to defaults; `_ChromaLocation` is
        removed from YUV and GRAY where chroma is not subsampled. Pixels hidden by `_Alpha` do not influence visible
        ones.

    Raises:
        vs.Error: an argument, a model or a format cannot be used; the message says what would be right.

    Example:
        ```python
        up = vsanime.waifu2x(clip, noise=1, depth=10)
        ```
    """
    original, props = first_frame(clip)
    spec = resolve_gray_matrix(original)
    check_matrix(spec.matrix)
    noise = read_whole("noise", noise, -1, 3, "-1, 0, 1, 2 or 3 is needed")
    scale = read_whole("scale", scale, 1, 2, "1 or 2 is needed")
    tint, tta = read_choice("tint", tint, _TINTS), read_flag("tta", tta)
    form = resolve_format(depth, spec.format)
    tiling = read_tiling(tiles, tilesize, overlap)
    check_backend(backend)
    wanted = read_name_or_path("model", model, "ESPCN_7_SLIM_VA")
    name, steps = _choose(wanted, noise, scale)
    network = _prepare(name, steps, tint=tint == "correct", tta=tta)
    alpha = alpha_of("waifu2x", clip, props)
    result = _scale(fill_hidden(clip, alpha), spec, form, network, scale, backend, tiling)
    # A gray clip keeps its own matrix: the one in `spec` only weighs three equal channels.
    result = write_properties(result, replace(spec, matrix=original.matrix))
    if alpha is not None:
        alpha = _scale_alpha(alpha, wanted, scale, depth, backend, tiling)
    return with_alpha(result, alpha)


def _scale_alpha(
    alpha: vs.VideoNode,
    model: str | Path,
    scale: int,
    depth: int | str | None,
    backend: BackendProtocol | None,
    tiling: Tiling,
) -> vs.VideoNode:
    """Return transparency at the output's size and depth, by the network without denoising, its tint corrected."""
    alpha = alpha.std.SetFieldBased(0)
    spec = resolve_gray_matrix(
        spec_from_props(plane_format(alpha.format), alpha.width, alpha.height, {"_Range": vs.RANGE_FULL})
    )
    form = resolve_format(depth, spec.format)
    if scale == 1:
        return alpha.resize.Point(format=video_format(form).id, range=vs.RANGE_FULL)
    name, steps = _choose(without_noise(model), -1, 2)
    network = _prepare(name, steps, tint=True, tta=False)
    return with_sure_ends(_scale(alpha, spec, form, network, 2, backend, tiling), alpha)


def is_rgb(model: str) -> bool:
    """Return whether a model's name, or a file's channels, identify a model for this filter.

    Raises:
        VsanimeError: the file is not a model.
    """
    if as_path(model) is not None:
        facts = inspect(load(model).proto)
        return (facts.in_channels, facts.out_channels) == (3, 3)
    try:
        return find(model).task == "rgb"
    except VsanimeError:
        # "vgg_7_art" names a family of noise levels.
        return model.lower() in {name.rpartition("_noise")[0] for name in variants()}


def rgb_names() -> list[str]:
    """Return the names that `model` accepts, without noise levels, which are an argument of their own."""
    return list(dict.fromkeys(_NOISY.sub("", one.name) for one in variants().values() if one.task == "rgb"))


def without_noise[Given: (str, str | Path)](model: Given) -> Given:
    """Return the name of the network that leaves noise as it is; a path is returned unchanged."""
    return model if as_path(model) is not None else _NOISY.sub("", str(model))


def _choose(model: str | Path, noise: int, scale: int) -> tuple[str | Path, int]:
    """Return the name or path of the network, and its scale: 0 for a file, whose scale is read from its graph."""
    if as_path(model) is not None:
        if noise != -1:
            raise VsanimeError(
                f"noise={noise} with model={quote(str(model))}; a file has one noise level, leave noise out"
            )
        return model, 0
    name = str(model)
    given = f"model={quote(name)}"
    if noise != -1 and _NOISY.search(name):
        raise VsanimeError(f"noise={noise} with {given}, which names its noise level; give one of them")
    suffix = "" if noise == -1 else f"_noise{noise}"
    if noise == -1 and _same_size(f"{name}_noise0"):
        raise VsanimeError(f"{given} removes noise and does nothing else; noise=0 to 3 and scale=1 are needed")
    if _same_size(f"{name}{suffix}"):
        if scale != 1:
            raise VsanimeError(f"{given} does not scale; scale=1, or model='upconv_7_art', is needed")
        return f"{name}{suffix}", 1
    if not _is_known(f"{name}{suffix}"):
        raise _unknown(name, noise)
    if scale == 1 and noise == -1 and not _NOISY.search(name):
        raise VsanimeError("scale=1 with noise=-1 leaves nothing to do; noise=0 to 3, or scale=2, is needed")
    denoiser = f"{name}{suffix}".lower().replace("upconv_7", "vgg_7")
    if scale == 1 and _same_size(denoiser) and available(denoiser):
        return denoiser, 1
    return f"{name}{suffix}", 2


def _is_known(name: str) -> bool:
    """Return whether a card has that name."""
    try:
        find(name)
    except VsanimeError:
        return False
    return True


def _unknown(name: str, noise: int) -> VsanimeError:
    """Return the error for a name without a card, or without a card for that noise level."""
    if noise != -1 and _is_known(name):
        task = find(name).task
        if task != "rgb":
            return VsanimeError(f"model={quote(name)} is for another task ({task}); {_ADVICE}")
        return VsanimeError(
            f"noise={noise} with model={quote(name)}, which has no such level; leave noise out, or take a model that "
            "has levels, such as 'upconv_7_art'"
        )
    return unknown_model(name, rgb_names())


def _same_size(name: str) -> bool:
    """Return whether the name is that of a card whose network does not scale."""
    try:
        return find(name).scale == 1
    except VsanimeError:
        return False


def _prepare(name: str | Path, scale: int, *, tint: bool, tta: bool) -> Network:
    """Load a network and transform it as its arguments ask.

    Args:
        name: name or path of the network.
        scale: scale that the network must have, or 0 for 1 or 2.
        tint: whether to correct its tint.
        tta: whether to average over the eight rotated and mirrored variants.
    """
    network = network_for(name, "rgb", (3, 3), (scale,) if scale else (1, 2), _ADVICE)
    proto = rewrite_transposed(network.model.proto)
    if tta:
        # The facts of one variant hold for all: rotation and mirroring change none of them. `steady` stays off, since
        # the mean of eight results that low precision rounded would be no better than one.
        return Network(replace(network.model, proto=ensemble(proto)), network.facts, tint=tint)
    return Network(replace(network.model, proto=proto), network.facts, tint=tint, steady=tint)


def _scale(
    clip: vs.VideoNode,
    spec: FrameSpec,
    form: PlaneFormat,
    network: Network,
    scale: int,
    backend: BackendProtocol | None,
    tiling: Tiling,
) -> vs.VideoNode:
    """Return the clip at the given scale and depth, halved where the network can only double."""
    made = network.facts.scale
    if made == scale:
        return _run(clip, spec, (form, form), network, backend, tiling)
    if made < scale:
        raise VsanimeError(f"model={quote(network.model.name)} does not scale; scale=1 is needed")
    # Deep enough that halved samples are rounded only once.
    wide = replace(form, bits=16) if form.is_integer else replace(form, sample_type=SampleType.FLOAT, bits=32)
    large = write_properties(_run(clip, spec, (wide, form), network, backend, tiling), spec)
    if form.is_integer:
        small = large.resize.Spline36(clip.width, clip.height, format=video_format(form).id)
        return small.std.CopyFrameProps(large)  # zimg adds its own
    # Resampling overshoots at edges; integers are clipped by their codes.
    small = large.resize.Spline36(clip.width, clip.height)
    limits = ["x 0 max 1 min", "x -0.5 max 0.5 min" if form.family is Family.YUV else "x 0 max 1 min"]
    small = small.std.Expr(limits[:1] if form.family is Family.GRAY else limits)
    return small.resize.Point(format=video_format(form).id).std.CopyFrameProps(large)


def _run(
    clip: vs.VideoNode,
    spec: FrameSpec,
    forms: tuple[PlaneFormat, PlaneFormat],
    network: Network,
    backend: BackendProtocol | None,
    tiling: Tiling,
) -> vs.VideoNode:
    """Return the network's frames in the first format; the second is the filter's output format."""
    form, final = forms
    planes = [0] if form.family is Family.GRAY else [0, 1, 2]

    def graph(width: int, height: int, traits: GraphTraits) -> PlanesGraph:
        return rgb_graph(
            network.model.proto, network.facts, spec, form, width, height, traits, correct_tint=network.tint
        )

    clip = write_gray_matrix(clip, spec)
    margin = reach(spec.format, network.facts.scale, correct_tint=network.tint)
    return run(Job("waifu2x", clip, spec, network, form, final, (planes, planes), graph, margin), backend, tiling)
