"""`vsanime bench style`: whether a network makes pictures of a style, or photographs with other colours."""

from __future__ import annotations

import argparse
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from vsanime.arrays import Floats
from vsanime.errors import VsanimeError
from vsanime.optional import require
from vsanime.terminal import print_line

if TYPE_CHECKING:
    from vsanime.bench.style import GramDistance, Measured, Style

_GRID = 16  # pixels per feature, each way, in the fourth block of VGG
_EPILOG = """\
For each photograph, and their mean:

  nearer    share by which the distance to the style's pictures fell: 1 less the cosine of Gram matrices of features, in
            gray; for --layers, the last of which decides. L1: what training makes small
  edges     correlation of edges with those of the photograph: it is to show the same things
  look-up   share of the change that a colour look-up explains, one fitted to this very picture
  flicker   of --clip: difference of each frame from the one before, moved along, over that of the video itself

A style of this project falls by 30 % or more, keeps edges at 0.6 or more, and is explained by less than 80 %.
--run takes the photographs and pictures of the style that a run of `vsanime train` held out.

examples:
  vsanime bench style --model runs/Pepper_VA/Pepper_VA.onnx --run runs/Pepper_VA --data media
  vsanime bench style --model mine.onnx --photos holiday --styles frames --clip street.mp4
"""


def add_parser(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the `style` subcommand to `bench`."""
    parser = subparsers.add_parser(
        "style",
        help="whether a style is one: Gram distance, edges, colours, flicker",
        description=__doc__,
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--model", required=True, help="a name (`vsanime models list`) or an .onnx file")
    parser.add_argument("--photos", metavar="PATH", type=Path, nargs="+", default=[], help="pictures, or folders")
    parser.add_argument("--styles", metavar="PATH", type=Path, nargs="+", default=[], help="of the style")
    parser.add_argument("--run", metavar="RUN", type=Path, help="folder of a run: what it held out")
    parser.add_argument(
        "--data", metavar="ROOT", type=Path, action="append", default=[], help="of RUN's sources; may be repeated"
    )
    parser.add_argument("--clip", metavar="VIDEO", type=Path, nargs="+", default=[], help="measure flicker on videos")
    parser.add_argument("--frames", metavar="N", type=int, default=12, help="of each clip, the first (%(default)s)")
    parser.add_argument("--size", type=int, default=320, help="short side of photographs and clips (%(default)s)")
    parser.add_argument("--perceptual", default="auto", help="auto, vgg19, vgg16 or a file, as in recipes (auto)")
    parser.add_argument("--layers", help="convolutions of it, separated by commas (the one content is measured by)")
    parser.add_argument("--threads", metavar="N", type=int, help="of the CPU (default: every core)")
    parser.set_defaults(func=_bench)


def _bench(args: argparse.Namespace) -> int:
    require("bench style", "train", {name: name for name in ("torch", "onnxruntime", "PIL")})
    import torch

    if args.size < _GRID or args.frames < 2 or (args.threads or 1) < 1:
        raise VsanimeError(
            f"--size {args.size} --frames {args.frames} --threads {args.threads}; {_GRID}, 2 and 1 are the least"
        )
    if args.threads:
        torch.set_num_threads(args.threads)
    photos, styles = _pictures(args)
    style = _network(args.model, args.threads or 0)
    if photos or styles:
        _still(args, photos, styles, style)
    elif not args.clip:
        raise VsanimeError("there is nothing to measure; give --photos and --styles, or --run, or --clip")
    for path in args.clip:
        _moving(path, args, style)
    return 0


def _still(args: argparse.Namespace, photos: dict[str, Floats], styles: list[Floats], style: Style) -> None:
    """Measure photographs, and print the table."""
    from vsanime.bench.style import judge, measure

    if not photos or not styles:
        missing = "--photos" if not photos else "--styles"
        raise VsanimeError(f"no picture was given with {missing}; both are needed")
    layers, distance = _distance(args, styles)
    rows = []
    for name, photo in photos.items():
        rows.append(measure(name, photo, style, distance))
        print_line(_row(rows[-1]))
    verdict = judge(rows)
    nearer = ", ".join(f"{name} {share:+.1%}" for name, share in verdict.nearer.items())
    print(f"all {len(rows)}: nearer {nearer}; edges {verdict.edges:.3f}; look-up {verdict.lookup:.1%}")
    for line in verdict.shortfalls(layers[-1]) or ["it is a style"]:
        print(line)


def _row(row: Measured) -> str:
    nearer = ", ".join(f"{name} {before:.3f} -> {row.after[name]:.3f}" for name, before in row.before.items())
    return f"{row.name}: {nearer}; edges {row.edges:.3f}; look-up {row.lookup:.1%}"


def _distance(args: argparse.Namespace, styles: list[Floats]) -> tuple[tuple[str, ...], GramDistance]:
    from vsanime.bench.style import GramDistance
    from vsanime.training.style import perceptual

    found = perceptual.find(args.perceptual, args.data, _tell)
    layers = tuple(args.layers.split(",")) if args.layers else (perceptual.DEEP[found.kind],)
    print_line(f"{len(styles)} pictures of the style, by {found.kind} ({found.origin})")
    return layers, GramDistance(perceptual.Trunk(found, layers), styles)


def _moving(path: Path, args: argparse.Namespace, style: Style) -> None:
    from vsanime.bench.style import warp_errors
    from vsanime.media.videos import VideoReader

    reader = VideoReader(path)
    count = min(args.frames, reader.facts()[0])
    frames = [_resize(reader.frame(n), args.size) for n in range(count)]
    before, after = warp_errors(frames, [style(frame) for frame in frames])
    ratio = f"{after / before:.2f} times that" if before else "of nothing"
    print_line(f"{path.name}, {count} frames: warp error {before:.5f}, of the style {after:.5f}: {ratio}")


def _network(name: str, threads: int) -> Style:
    """Return the network as a function of a picture, which pads it by reflection to a multiple of 4."""
    import onnxruntime

    from vsanime.models import store

    path = Path(name) if Path(name).suffix else store.load(name).path
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    try:
        session = onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
    except Exception as error:  # ONNX Runtime's exceptions share no public base class
        raise VsanimeError(f"{name} cannot be run: {str(error).splitlines()[0]}") from None

    def run(picture: Floats) -> Floats:
        height, width = picture.shape[:2]
        padded = np.pad(picture, [(0, -height % 4), (0, -width % 4), (0, 0)], mode="reflect")
        (found,) = session.run(["output"], {"input": np.ascontiguousarray(padded.transpose(2, 0, 1))[None]})
        shown: Floats = found[0].transpose(1, 2, 0)[:height, :width]
        return shown

    return run


# Pictures --------------------------------------------------------------------------------------------------------


def _pictures(args: argparse.Namespace) -> tuple[dict[str, Floats], list[Floats]]:
    photos = {path.name: _read(path, args.size) for path in _files(args.photos)}
    styles = [_read(path, 0) for path in _files(args.styles)]
    if args.run is not None:
        held_photos, held_styles = _held_out(args.run, args.data, args.size)
        photos |= held_photos
        styles += held_styles
    return photos, styles


def _held_out(run: Path, roots: list[Path], size: int) -> tuple[dict[str, Floats], list[Floats]]:
    """Return the photographs that a run held out, by name, and patches of the style as its validation samples them."""
    from vsanime.training.data.pictures import find_sources
    from vsanime.training.recipes.stylization import StyleRecipe
    from vsanime.training.run.folder import RunFolder
    from vsanime.training.style.samples import StyleSampler

    folder = RunFolder(run)
    recipe = folder.stored_recipe()
    if not isinstance(recipe, StyleRecipe):
        raise VsanimeError(f"{run} is a run of {recipe.network.architecture!r}; one of 'animegan2' is needed")
    places, pictures = find_sources(recipe.sources, roots), folder.known_pictures()
    held = [p for p in pictures if p.held_out and p.source < len(recipe.photos)]
    photos = {p.name: _read(p.file(places[p.source]), size) for p in held if p.frame is None}
    sampler = StyleSampler(recipe, pictures, places, roots)
    styles = [sampler.validation(i).style for i in range(max(16, recipe.validation.patches))]
    return photos, [np.ascontiguousarray((style.transpose(1, 2, 0) + 1) / 2) for style in styles]


def _files(paths: Iterable[Path]) -> list[Path]:
    from vsanime.training.data.pictures import PICTURE_SUFFIXES, files_in

    for path in paths:
        if not path.exists():
            raise VsanimeError(f"{path} is not there")
    return [file for path in paths for file in files_in(path) if file.suffix.lower() in PICTURE_SUFFIXES]


def _read(path: Path, size: int) -> Floats:
    from vsanime.training.data.pictures import read_pixels

    try:
        return _resize(read_pixels(path)[..., :3], size)
    except VsanimeError as error:
        raise VsanimeError(f"{path}: {error}") from None


def _resize(pixels: np.ndarray[tuple[int, ...], np.dtype[np.uint8]], size: int) -> Floats:
    """Return a picture in [0, 1], reduced by area to a short side of `size` pixels and cropped to the feature grid."""
    from PIL import Image

    short = min(pixels.shape[:2])
    if size and size < short:
        height, width = (max(size, round(n * size / short)) for n in pixels.shape[:2])
        pixels = np.asarray(Image.fromarray(pixels).resize((width, height), Image.Resampling.BOX))
    height, width = (n // _GRID * _GRID for n in pixels.shape[:2])
    if not height or not width:
        raise VsanimeError(
            f"a picture of {pixels.shape[1]}x{pixels.shape[0]} is too small; {_GRID} pixels are the least"
        )
    unit: Floats = pixels[:height, :width].astype(np.float32) / np.float32(255)
    return unit


def _tell(line: str) -> None:
    print_line(line, stderr=True)
