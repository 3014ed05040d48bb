"""Line art of colour clips: by a difference of Gaussians, which needs no weights, or by SketchKeras."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import onnx
import vapoursynth as vs

from vsanime.backends import BackendProtocol
from vsanime.coding import check_matrix
from vsanime.errors import VsanimeError, quote
from vsanime.graphs.builders.lineart import LEAST_SIGMA, MOST_SIGMA, Pen, line_graph, usual_sigma
from vsanime.graphs.builders.sketchkeras import Sketch, check_size, sketch_graph
from vsanime.graphs.inspect import NetFacts
from vsanime.models.search import find_files
from vsanime.models.sketchkeras import PADDINGS, looks_like, sketchkeras, weights_of
from vsanime.models.store import Model, as_path, load, search_path
from vsanime.pipeline.arguments import Size, Tiles, Tiling, check_backend, read_tiling, wanted_format
from vsanime.pipeline.network import Network
from vsanime.pipeline.run import Job, run
from vsanime.spec import Family, FrameSpec, GraphTraits, PlaneFormat, PlanesGraph, Range
from vsanime.values import MOST_SIDE, parse_number, parse_text, read_choice, read_name_or_path, read_number, read_whole
from vsanime.video.alpha import alpha_of, fill_hidden, in_depth, with_alpha
from vsanime.video.clips import first_frame
from vsanime.video.errors import raises_vs_error
from vsanime.video.properties import finished, readable, write_gray_matrix

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
    """Draws the lines of a clip: gray, full range, black ink on white paper.

    Every frame is drawn by itself, and with a fixed gain, so that lines do not flicker with what else is in a frame.

    Args:
        clip: RGB, YUV or GRAY, 8 to 16 bits, half or single float, progressive.
        method: "dog" for an extended difference of Gaussians, which needs no weights and inks whatever is darker than
            its surroundings: lines, and outlines of dark surfaces, which stay white inside. "sketchkeras" for that
            network, whose weights are looked for as sketchkeras.onnx where models are (`vsanime import` makes the file
            of the PyTorch port's weights; none come with the package); or the path of such a file.
        sigma: of "dog": the narrow Gaussian's, in pixels, 0.1 to 20; the frame's height / 1000 if None, but 0.4
            at least. Lines that are up to about six times as wide are drawn as lines, wider ones as two outlines.
        threshold: of "dog": what is darker than its surroundings by less than this, in luma from 0 to 1, is paper;
            0.015 if None. Of SketchKeras: ink below this is left out; 0 if None, 0.1 ("enhanced") and 0.18 ("pured")
            are the published other two.
        gain: of "dog": how fast ink grows beyond the threshold; 20 if None. Of SketchKeras: what its input is
            multiplied with; 0.75 if None, or "frame" for one over each frame's largest value, as published, which
            flickers.
        long_side: of SketchKeras: pixels of the picture that it sees, 32 or more; 512 if None, 1024 for finer lines.
            Larger frames are made smaller, and the lines larger again; smaller frames keep their size.
        padding: of SketchKeras: what lies beyond the edges of its layers' pictures, "reflect" or "zero"; None for
            "reflect".
        depth: output depth, 8 to 16 bits, "half" or "single"; the input's if None.
        backend: where it runs, such as `vsanime.Backend.OpenVINO()`.
        tiles: of "dog": number of tiles each way, or (across, down); "auto" cuts frames to what a card's memory holds.
        tilesize: of "dog": size of the tiles, overlap included.
        overlap: of "dog": pixels by which tiles overlap on each side; None for the exact number, with which tiles
            change nothing.

    Returns:
        A GRAY clip of the input's size and all its properties but `_ChromaLocation`; `_Range` is full. `_Matrix` is the
        one that luma was made by, or none where the input was RGB. `_Alpha` is kept; what it hides has no say in what
        is seen.

    Raises:
        vs.Error: an argument, weights or a format that cannot be used, with what would be right.

    Example:
        ```python
        lines = vsanime.lineart(clip)
        bolder = vsanime.lineart(clip, sigma=1.5, depth=8)
        ```
    """
    spec, props = first_frame(clip)
    form = replace(wanted_format(depth, spec.format), family=Family.GRAY, subsampling_w=0, subsampling_h=0)
    wanted = read_name_or_path("method", method, "dog")
    check_backend(backend)
    given = {"sigma": sigma, "long_side": long_side, "padding": padding}
    tiling = read_tiling(tiles, tilesize, overlap)
    alpha = alpha_of("lineart", clip, props)
    source = fill_hidden(clip, alpha)
    if wanted == "dog":
        _refuse(given, _SKETCH_ONLY, "SketchKeras", "'dog'")
        lines = _drawn(source, spec, form, _pen(spec, sigma, threshold, gain), backend, tiling)
    else:
        _refuse(given, _DOG_ONLY, "'dog'", "SketchKeras")
        if tiling != Tiling():
            raise VsanimeError(
                "tiles, tilesize and overlap are for 'dog'; SketchKeras sees a picture of long_side pixels as a whole"
            )
        sketch = _sketch(threshold, gain, long_side)
        model = _model(wanted, "reflect" if padding is None else padding)
        lines = _sketched(source, readable(spec), form, model, sketch, backend)
    if spec.format.family is Family.RGB:
        # That of RGB would be wrong on gray.
        lines = lines.std.RemoveFrameProps(["_Matrix"])
    meant = replace(spec, format=form, range=Range.FULL, chroma_location=None)
    return with_alpha(finished(lines, meant), in_depth(alpha, form))


def _refuse(given: Mapping[str, object], names: Sequence[str], others: str, chosen: str) -> None:
    """Refuses arguments of the other method."""
    for name in names:
        if given[name] is not None:
            raise VsanimeError(
                f"{name}={quote(given[name])} is for {others}; {chosen} has no such setting, leave it out"
            )


def _pen(spec: FrameSpec, sigma: float | None, threshold: float | None, gain: float | str | None) -> Pen:
    """What the arguments ask of a difference of Gaussians."""
    pen = Pen(usual_sigma(spec.height) if sigma is None else read_number("sigma", sigma, LEAST_SIGMA, MOST_SIGMA))
    if threshold is not None:
        pen = replace(pen, threshold=read_number("threshold", threshold, 0, 1))
    return pen if gain is None else replace(pen, gain=read_number("gain", gain, 0.1, 1000))


def _drawn(
    clip: vs.VideoNode,
    spec: FrameSpec,
    form: PlaneFormat,
    pen: Pen,
    backend: BackendProtocol | None,
    tiling: Tiling,
) -> vs.VideoNode:
    """Lines by a difference of Gaussians."""

    def graph(width: int, height: int, traits: GraphTraits) -> PlanesGraph:
        return line_graph(spec, form, width, height, traits, pen)

    # There is no network; these are the facts of the two blurs.
    facts = NetFacts(1, pen.radius, 1, in_channels=1, out_channels=1, parameters=0, features=2, linear_path=False)
    nothing = Network(Model("difference of Gaussians", Path(), onnx.ModelProto(), None), facts)
    planes = [0, 1, 2] if spec.format.family is Family.RGB else [0]
    return run(Job("lineart", clip, spec, nothing, form, form, (planes, [0]), graph), backend, tiling)


def _sketch(threshold: float | None, gain: float | str | None, long_side: int | None) -> Sketch:
    """What the arguments ask of SketchKeras."""
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
    """SketchKeras with the layers' pictures padded as wished."""
    padding = read_choice("padding", padding, PADDINGS)
    path = as_path(method)
    if path is None:
        if method != "sketchkeras":
            raise VsanimeError(f"method={quote(method)}; {_METHODS} is needed")
        path = _found()
    model = load(path)
    if not looks_like(model.proto):
        raise VsanimeError(
            f"method={quote(str(method))} is no SketchKeras as the command `import` writes it, which is what this "
            "filter takes"
        )
    return replace(model, proto=sketchkeras(weights_of(model.proto), padding))


def _found() -> Path:
    """The file of that name where models are looked for."""
    folders = search_path()
    path = next(find_files(folders, _FILE), None)
    if path is None:
        raise VsanimeError(
            "method='sketchkeras' needs its weights, which do not come with the package: "
            f"`vsanime import WEIGHTS.pth -o {_FILE}` makes them of the PyTorch port's; give `method='{_FILE}'`, or "
            f"put the file into {folders[0]}; `method='dog'` needs none"
        )
    return path


def _sketched(
    clip: vs.VideoNode,
    spec: FrameSpec,
    form: PlaneFormat,
    model: Model,
    sketch: Sketch,
    backend: BackendProtocol | None,
) -> vs.VideoNode:
    """Lines by SketchKeras."""
    check_matrix(spec.matrix)
    check_size((spec.width, spec.height), sketch.long_side)

    def graph(width: int, height: int, traits: GraphTraits) -> PlanesGraph:
        return sketch_graph(model.proto, replace(spec, width=width, height=height), form, traits, sketch)

    # What it sees beyond a pixel is more than what tiles of the small picture could be worth.
    facts = NetFacts(1, None, 1, in_channels=1, out_channels=1, parameters=0, features=1024, linear_path=False)
    planes = [0] if spec.format.family is Family.GRAY else [0, 1, 2]
    clip = write_gray_matrix(clip, spec)
    return run(Job("lineart", clip, spec, Network(model, facts), form, form, (planes, [0]), graph), backend, Tiling())
