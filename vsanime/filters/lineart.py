"""Draw the line art of clips: by a difference of Gaussians, which needs no weights, or by SketchKeras."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import onnx
import vapoursynth as vs

from vsanime.architectures.sketchkeras.onnx import PADDINGS, looks_like, sketchkeras, weights_of
from vsanime.backends import BackendProtocol
from vsanime.coding import check_matrix
from vsanime.errors import VsanimeError, quote
from vsanime.graphs.builders.lineart import LEAST_SIGMA, MOST_SIGMA, Pen, line_graph, usual_sigma
from vsanime.graphs.builders.sketchkeras import Sketch, check_size, sketch_graph
from vsanime.graphs.inspect import NetFacts
from vsanime.models.search import find_files
from vsanime.models.store import Model, as_path, load, search_path
from vsanime.pipeline.arguments import Size, Tiles, Tiling, check_backend, read_tiling, resolve_format
from vsanime.pipeline.network import Network
from vsanime.pipeline.run import Job, run
from vsanime.spec import Family, FrameSpec, GraphTraits, PlaneFormat, PlanesGraph, Range
from vsanime.values import MOST_SIDE, parse_number, parse_text, read_choice, read_name_or_path, read_number, read_whole
from vsanime.video.alpha import alpha_of, fill_hidden, in_depth, with_alpha
from vsanime.video.clips import first_frame
from vsanime.video.errors import raises_vs_error
from vsanime.video.properties import resolve_gray_matrix, write_gray_matrix, write_properties

_METHODS = "'dog', 'sketchkeras' or the path of an .onnx file"
_FILE = "sketchkeras.onnx"
_DOG_ONLY, _SKETCH_ONLY = ("sigma",), ("long_side", "padding")


@raises_vs_error
def lineart(
    clip: vs.VideoNode,
    method: str = "dog",
    *,
    sigma: float | None = None,
    threshold: float | None = None,
    gain: float | str | None = None,
    long_side: int | None = None,
    padding: str | None = None,
    depth: int | str | None = None,
    backend: BackendProtocol | None = None,
    tiles: Tiles = None,
    tilesize: Size = None,
    overlap: Size = None,
) -> vs.VideoNode:
    """Draw the lines of a clip: gray, full range, black ink on white paper.

    Every frame is drawn independently and with a fixed gain, so that lines do not flicker when other parts of a frame
    change.

    Args:
        clip: source clip, RGB, YUV or GRAY, 8 to 16 bits, half or single float, progressive.
        method: "dog" for an extended difference of Gaussians, which needs no weights and inks whatever is darker than
            its surroundings: lines, and outlines of dark surfaces, which stay white inside. "sketchkeras" for that
            network, whose weights are searched for as sketchkeras.onnx in the model folders (`vsanime import` makes the
            file from the weights of the PyTorch port; none come with the package); or the path of such a file.
        sigma: only for "dog": standard deviation of the narrow Gaussian in pixels, 0.1 to 20; None for the frame's
            height / 1000, but at least 0.4. Lines up to about six times as wide are drawn as lines, wider ones as two
            outlines.
        threshold: for "dog": what is darker than its surroundings by less than this, in luma from 0 to 1, is paper;
            0.015 if None. For SketchKeras: ink below this is left out; 0 if None. The other two published values are
            0.1 ("enhanced") and 0.18 ("pured").
        gain: for "dog": how fast ink grows beyond the threshold; 20 if None. For SketchKeras: factor applied to its
            input; 0.75 if None, or "frame" for one over each frame's largest value, as published, which flickers.
        long_side: only for SketchKeras: long side in pixels of the picture that it sees, 32 or more; 512 if None, 1024
            for finer lines. Larger frames are scaled down, and the lines up again; smaller frames keep their size.
        padding: only for SketchKeras: how its layers pad inputs at the edges, "reflect" or "zero"; None for "reflect".
        depth: output depth, 8 to 16 bits, "half" or "single"; None for the input's.
        backend: where the method runs, such as `vsanime.Backend.OpenVINO()`.
        tiles: only for "dog": number of tiles in each direction, or (across, down); "auto" fits a card's memory.
        tilesize: only for "dog": size of the tiles in pixels, overlap included.
        overlap: only for "dog": pixels by which tiles overlap on each side; None for the exact number, with which tiles
            change nothing.

    Returns:
        A GRAY clip of the input's size with all its properties except `_ChromaLocation`; `_Range` is full. `_Matrix` is
        the one that luma was computed with, or absent where the input was RGB. `_Alpha` is kept; pixels that it hides
        do not influence visible ones.

    Raises:
        vs.Error: an argument, weights or a format cannot be used; the message says what would be right.

    Example:
        ```python
        lines = vsanime.lineart(clip)
        bolder = vsanime.lineart(clip, sigma=1.5, depth=8)
        ```
    """
    spec, props = first_frame(clip)
    form = replace(resolve_format(depth, spec.format), family=Family.GRAY, subsampling_w=0, subsampling_h=0)
    wanted = read_name_or_path("method", method, "dog")
    check_backend(backend)
    given = {"sigma": sigma, "long_side": long_side, "padding": padding}
    tiling = read_tiling(tiles, tilesize, overlap)
    alpha = alpha_of("lineart", clip, props)
    source = fill_hidden(clip, alpha)
    if wanted == "dog":
        _refuse(given, _SKETCH_ONLY, "SketchKeras", "'dog'")
        lines = _draw(source, spec, form, _pen(spec, sigma, threshold, gain), backend, tiling)
    else:
        _refuse(given, _DOG_ONLY, "'dog'", "SketchKeras")
        if tiling != Tiling():
            raise VsanimeError(
                "tiles, tilesize and overlap are for 'dog'; SketchKeras sees a picture of long_side pixels as a whole"
            )
        sketch = _sketch(threshold, gain, long_side)
        model = _model(wanted, "reflect" if padding is None else padding)
        lines = _draw_sketch(source, resolve_gray_matrix(spec), form, model, sketch, backend)
    if spec.format.family is Family.RGB:
        # RGB's matrix would be wrong on gray.
        lines = lines.std.RemoveFrameProps(["_Matrix"])
    meant = replace(spec, format=form, range=Range.FULL, chroma_location=None)
    return with_alpha(write_properties(lines, meant), in_depth(alpha, form))


def _refuse(given: Mapping[str, object], names: Sequence[str], others: str, chosen: str) -> None:
    """Raise an error if one of `names`, arguments of the method `others`, is given although `chosen` is used."""
    for name in names:
        if given[name] is not None:
            raise VsanimeError(
                f"{name}={quote(given[name])} is for {others}; {chosen} has no such setting, leave it out"
            )


def _pen(spec: FrameSpec, sigma: float | None, threshold: float | None, gain: float | str | None) -> Pen:
    """Return the settings of the difference of Gaussians that the arguments select."""
    pen = Pen(usual_sigma(spec.height) if sigma is None else read_number("sigma", sigma, LEAST_SIGMA, MOST_SIGMA))
    if threshold is not None:
        pen = replace(pen, threshold=read_number("threshold", threshold, 0, 1))
    return pen if gain is None else replace(pen, gain=read_number("gain", gain, 0.1, 1000))


def _draw(
    clip: vs.VideoNode,
    spec: FrameSpec,
    form: PlaneFormat,
    pen: Pen,
    backend: BackendProtocol | None,
    tiling: Tiling,
) -> vs.VideoNode:
    """Return lines drawn by a difference of Gaussians."""

    def graph(width: int, height: int, traits: GraphTraits) -> PlanesGraph:
        return line_graph(spec, form, width, height, traits, pen)

    # There is no network: these facts describe the two blurs.
    facts = NetFacts(1, pen.radius, 1, in_channels=1, out_channels=1, parameters=0, features=2, linear_path=False)
    nothing = Network(Model("difference of Gaussians", Path(), onnx.ModelProto(), None), facts)
    planes = [0, 1, 2] if spec.format.family is Family.RGB else [0]
    return run(Job("lineart", clip, spec, nothing, form, form, (planes, [0]), graph), backend, tiling)


def _sketch(threshold: float | None, gain: float | str | None, long_side: int | None) -> Sketch:
    """Return the settings of SketchKeras that the arguments select."""
    sketch = Sketch()
    if threshold is not None:
        sketch = replace(sketch, threshold=read_number("threshold", threshold, 0, 1))
    if long_side is not None:
        needed = f"32 pixels or more are needed, {MOST_SIDE} at most; 512 or 1024 as published"
        sketch = replace(sketch, long_side=read_whole("long_side", long_side, 32, MOST_SIDE, needed))
    if parse_text(gain) == "frame":
        return replace(sketch, gain=None)
    if parse_text(gain) is not None and parse_number(gain) is None:
        raise VsanimeError(
            f"gain={quote(gain)}; a number, or 'frame' for one over each frame's largest value, is needed"
        )
    return sketch if gain is None else replace(sketch, gain=read_number("gain", gain, 0.01, 100))


def _model(method: str | Path, padding: str) -> Model:
    """Return SketchKeras with the given padding of its layers' inputs."""
    padding = read_choice("padding", padding, PADDINGS)
    path = as_path(method)
    if path is None:
        if method != "sketchkeras":
            raise VsanimeError(f"method={quote(method)}; {_METHODS} is needed")
        path = _find()
    model = load(path)
    if not looks_like(model.proto):
        raise VsanimeError(
            f"method={quote(str(method))} is no SketchKeras as the command `import` writes it, which is what this "
            "filter takes"
        )
    return replace(model, proto=sketchkeras(weights_of(model.proto), padding))


def _find() -> Path:
    """Return the path of the weights file in the model folders.

    Raises:
        VsanimeError: no folder has the file.
    """
    folders = search_path()
    path = next(find_files(folders, _FILE), None)
    if path is None:
        raise VsanimeError(
            "method='sketchkeras' needs its weights, which do not come with the package: "
            f"`vsanime import WEIGHTS.pth -o {_FILE}` makes them of the PyTorch port's; give `method='{_FILE}'`, or "
            f"put the file into {folders[0]}; `method='dog'` needs none"
        )
    return path


def _draw_sketch(
    clip: vs.VideoNode,
    spec: FrameSpec,
    form: PlaneFormat,
    model: Model,
    sketch: Sketch,
    backend: BackendProtocol | None,
) -> vs.VideoNode:
    """Return lines drawn by SketchKeras."""
    check_matrix(spec.matrix)
    check_size((spec.width, spec.height), sketch.long_side)

    def graph(width: int, height: int, traits: GraphTraits) -> PlanesGraph:
        return sketch_graph(model.proto, replace(spec, width=width, height=height), form, traits, sketch)

    # No radius: the receptive field is too large for tiles of the small picture to be useful.
    facts = NetFacts(1, None, 1, in_channels=1, out_channels=1, parameters=0, features=1024, linear_path=False)
    planes = [0] if spec.format.family is Family.GRAY else [0, 1, 2]
    clip = write_gray_matrix(clip, spec)
    return run(Job("lineart", clip, spec, Network(model, facts), form, form, (planes, [0]), graph), backend, Tiling())
