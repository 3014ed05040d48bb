"""Runs `vsanime build`, which builds engines for NVIDIA cards before a script needs them."""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from difflib import get_close_matches
from pathlib import Path
from typing import TYPE_CHECKING

from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from vsanime.cli.tables import print_table
from vsanime.errors import VsanimeError, quote, shorten
from vsanime.terminal import clean_line, open_console

if TYPE_CHECKING:
    import vapoursynth as vs

    from vsanime.backends.cuda.runtime import Device
    from vsanime.backends.tensorrt import TensorRT
    from vsanime.backends.tensorrt.sizes import Size
    from vsanime.cli.ahead import Arguments, Builder, Outcome, Target, Use

_MB = 1_000_000
_DEFAULT_SIZE = (1920, 1080)

_ABOUT = """\
Builds the engines that TensorRT runs and keeps them in the engine cache, where scripts and `vsanime upscale` find them.
Without it, an engine is built when a script first needs it, and the script waits.

An engine is for one model, size, format, precision and compute capability; for YUV also for range, matrix and siting.
Here they mean what they mean in a script: a clip of that size and format is put through the filter, but for the
frames. What was built before, with the same options, is kept and not built again."""

_EPILOG = """\
examples:
  every model that is here, for 1080p in YUV420P8, for the cards of this machine (without one: for every compute
  capability that TensorRT-RTX serves):
    vsanime build

  one model for GeForce RTX 30, 40 and 50, for 10-bit 720p that becomes 8-bit, into a folder to take along:
    vsanime build --model C4F32 --size 1280x720 --format yuv420p10 --depth 8 --compute-capability 86,89,120
                  --engine-dir engines
    (in the script: Backend.TensorRT(engine_dir="engines"))

  one engine for many sizes:
    vsanime build --model C4F32 --sizes 640x360,1280x720,1920x1080
    (in the script: Backend.TensorRT(sizes=((640, 360), (1280, 720), (1920, 1080))))

  waifu2x with noise level 1 and its tint taken off, in f32, for SD that says it is BT.709:
    vsanime build --model upconv_7_art --noise 1 --tint correct --precision f32 --size 720x480 --matrix 709

not covered unless asked for:
  artcnn(width=, height=) doubles through 16 bits: --depth 16, and once more with the doubled size and
  --format yuv420p16 if it doubles twice. tilesize= wants --size of the tile. waifu2x on clips with _Alpha runs a second
  network, tiles="auto" whatever fits: both are built when the script first runs.

compute capabilities (8.0, the A100: where the package `tensorrt` is installed too, scripts take that):
  75 GeForce RTX 20 and GTX 16, 80 A100, 86 RTX 30, 89 RTX 40, 120 RTX 50, 121 DGX Spark

An engine serves the operating system it was built on, and the version of TensorRT. `vsanime cache list` shows what is
kept. Exit codes: 0 all is there, 1 something could not be built, 2 wrong usage, 130 interrupted.
"""

# H.273's codes of the supported matrices by zimg's names.
_MATRICES = {"709": 1, "fcc": 4, "470bg": 5, "170m": 6, "240m": 7, "2020ncl": 9}
_RANGES = {"limited": 0, "full": 1}
_SITINGS = {"left": 0, "center": 1, "top_left": 2, "top": 3, "bottom_left": 4, "bottom": 5}


def add_parser(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the `build` command."""
    parser = subparsers.add_parser(
        "build",
        help="build TensorRT's engines before a script needs them",
        description=_ABOUT,
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    _add_work(parser.add_argument_group("what is run"))
    _add_clip(parser.add_argument_group("the clip"))
    _add_engine(parser.add_argument_group("the engine"))
    parser.add_argument("--json", action="store_true", help="for programs")
    parser.set_defaults(func=run)


def _add_work(group: argparse._ArgumentGroup) -> None:
    group.add_argument(
        "--model",
        dest="models",
        metavar="MODEL",
        nargs="+",
        action="extend",
        help="names as `vsanime models list` writes them, or ONNX files (default: every one whose weights are here)",
    )
    group.add_argument("--depth", type=_depth, metavar="BITS", help="of the output: 8 to 16, half or single")
    group.add_argument("--tiles", type=_tiles, metavar="N or NxM", help="tiles each way, or across x down")
    group.add_argument("--tta", action="store_true", help="the mean over eight ways to turn and mirror the picture")
    group.add_argument("--noise", type=int, choices=(0, 1, 2, 3), help="waifu2x: noise to remove (default: none)")
    group.add_argument("--scale", type=int, choices=(1, 2), help="waifu2x: (default: what the model does)")
    group.add_argument(
        "--tint", choices=("keep", "correct"), default="keep", help="waifu2x: correct colours (default: %(default)s)"
    )


def _add_clip(group: argparse._ArgumentGroup) -> None:
    group.add_argument("--size", type=_size, metavar="WxH", help="of the clip (default: 1920x1080)")
    group.add_argument(
        "--format", default="YUV420P8", help="VapourSynth's name, in any case, such as yuv420p10 (default: %(default)s)"
    )
    group.add_argument("--range", choices=_RANGES, help="(default: that of untagged clips, limited, or full for RGB)")
    group.add_argument("--matrix", choices=_MATRICES, help="(default: that of untagged clips: 709 for HD)")
    group.add_argument("--siting", choices=_SITINGS, help="of chroma (default: that of untagged clips, left)")


def _add_engine(group: argparse._ArgumentGroup) -> None:
    group.add_argument("--flavour", choices=("tensorrt", "tensorrt_rtx"), help="(default: what suits the card)")
    group.add_argument(
        "--compute-capability",
        dest="capabilities",
        type=_capabilities,
        metavar="N,N",
        help="of the cards to build for, such as 86,120 (default: the cards here, or all that TensorRT-RTX serves)",
    )
    group.add_argument(
        "--precision", choices=("fp16", "bf16", "f32", "auto"), default="fp16", help="(default: %(default)s)"
    )
    group.add_argument(
        "--sizes", type=_sizes, metavar="WxH,WxH,WxH", help="smallest, most usual and largest size of one engine"
    )
    group.add_argument("--optimization-level", type=int, choices=range(6), help="how long to look for faster kernels")
    group.add_argument("--workspace", type=_positive, metavar="MIB", help="video memory that a layer may use")
    group.add_argument("--aux-streams", type=int, choices=range(8), default=0, help="(default: %(default)s)")
    group.add_argument("--no-cuda-graph", dest="cuda_graph", action="store_false", help="for cuda_graph=False")
    group.add_argument("--engine-dir", type=Path, metavar="FOLDER", help="where engines are kept (default: the cache)")


def run(args: argparse.Namespace) -> int:
    """Run the command.

    Raises:
        VsanimeError: nothing can be built at all; errors of single models are listed in the table.
    """
    import vapoursynth as vs

    from vsanime.backends.tensorrt.sizes import check_sizes
    from vsanime.cli.ahead import Builder

    if args.noise is not None and not args.models:
        raise VsanimeError(f"--noise {args.noise} needs a model that has noise levels: --model upconv_7_art")
    if args.sizes is not None:
        check_sizes(args.sizes)
    targets, flavour = _targets(args)
    form = _format(args.format)
    clip = _clip(args, form)
    options, backend = _arguments(args), _backend(args, flavour)
    models = list(dict.fromkeys(args.models or _models_here(form)))
    with _progress() as (bars, tell):
        builder = Builder(backend, targets, bars)
        uses = [use for model in models for use in _uses(model, options, builder, args)]
        for use in tell(uses):
            try:
                builder.run(use, clip)
            except (VsanimeError, vs.Error, OSError) as error:
                builder.outcomes.append(_report_failure(use.model, use.name, args, error))
    _report(builder.outcomes, args.format.upper(), _assume(clip), backend.cache().folder, as_json=args.json)
    return int(any(outcome.problem for outcome in builder.outcomes))


def _arguments(args: argparse.Namespace) -> Arguments:
    from vsanime.cli.ahead import Arguments

    return Arguments(
        depth=args.depth,
        noise=-1 if args.noise is None else args.noise,
        scale=args.scale,
        tint=args.tint,
        tta=args.tta,
        tiles=args.tiles,
    )


def _backend(args: argparse.Namespace, flavour: str | None) -> TensorRT:
    from vsanime.backends.tensorrt import TensorRT

    return TensorRT(
        precision=args.precision,
        flavour=flavour,
        sizes=args.sizes,
        workspace=args.workspace,
        optimization_level=args.optimization_level,
        aux_streams=args.aux_streams,
        cuda_graph=args.cuda_graph,
        engine_dir=args.engine_dir,
    )


def _targets(args: argparse.Namespace) -> tuple[Sequence[Target], str | None]:
    """Return the cards or compute capabilities to build for, and the TensorRT package ("flavour") to request.

    Raises:
        VsanimeError: no package is installed that can build, or it does not support a compute capability.
    """
    from vsanime.backends.cuda.runtime import device_count
    from vsanime.backends.tensorrt.flavours import RTX, TENSORRT, load_flavour

    if args.capabilities is None and device_count():
        return _cards(args.flavour), args.flavour
    if args.flavour == TENSORRT:
        raise VsanimeError(
            "--flavour tensorrt: TensorRT builds engines on the card they are for and nowhere else; run this on the "
            "machine with the card, without --compute-capability, or use --flavour tensorrt_rtx"
        )
    served = load_flavour(RTX).capabilities()
    wanted = served if args.capabilities is None else args.capabilities
    for capability in wanted:
        if capability not in served:
            listed = ", ".join(f"{major}{minor}" for major, minor in served)
            given = f"{capability[0]}{capability[1]}"
            raise VsanimeError(
                f"--compute-capability {given}: TensorRT-RTX {load_flavour(RTX).version} builds for {listed}; for "
                "other cards TensorRT builds on the card itself (--flavour tensorrt)"
            )
    return wanted, RTX


def _cards(flavour: str | None) -> list[Device]:
    """Return the cards of this machine that an installed package supports.

    Raises:
        VsanimeError: there is none; the error is that of the first card.
    """
    from vsanime.backends.cuda.runtime import Device, device_count
    from vsanime.backends.tensorrt.flavours import flavour_for

    found, errors = [], []
    for index in range(device_count()):
        try:
            device = Device(index)
            flavour_for(flavour, device.facts.compute_capability)
            found.append(device)
        except VsanimeError as error:
            errors.append(error)
    if not found:
        raise errors[0]
    return found


def _format(name: str) -> vs.VideoFormat:
    import vapoursynth as vs

    known = {key: value for key, value in vs.PresetVideoFormat.__members__.items() if key != "NONE"}
    if (found := known.get(name.upper())) is None:
        close = get_close_matches(name.upper(), known, n=4, cutoff=0.5) or ["YUV420P8", "YUV420P10", "RGB24", "GRAY8"]
        raise VsanimeError(f"--format {shorten(name)} is no format of VapourSynth's; {', '.join(close)} are")
    return vs.core.get_video_format(found)


def _clip(args: argparse.Namespace, form: vs.VideoFormat) -> vs.VideoNode:
    """Return a clip of the format, size and properties; filters read only the properties of its first frame.

    Raises:
        VsanimeError: the format does not support the size.
    """
    import vapoursynth as vs

    usual = _DEFAULT_SIZE if args.sizes is None else args.sizes[1]
    width, height = args.size if args.size is not None else usual
    steps = 1 << form.subsampling_w, 1 << form.subsampling_h
    if width % steps[0] or height % steps[1]:
        raise VsanimeError(
            f"--size {width}x{height}: {form.name} has sizes that are multiples of {steps[0]} and {steps[1]}"
        )
    clip = vs.core.std.BlankClip(None, width, height, form.id, length=1)
    given = {
        "_Range": _RANGES.get(args.range),
        "_Matrix": _MATRICES.get(args.matrix),
        "_ChromaLocation": _SITINGS.get(args.siting),
    }
    props = {name: value for name, value in given.items() if value is not None}
    return clip.std.SetFrameProps(**props) if props else clip


def _models_here(form: vs.VideoFormat) -> list[str]:
    """Return the models that suit the format and whose weights are on this machine.

    Raises:
        VsanimeError: there is none.
    """
    from vsanime.cli.ahead import suits
    from vsanime.models.cards import variants

    found = [name for name, variant in variants().items() if suits(variant, form) and _is_here(name)]
    if not found:
        raise VsanimeError(f"no model for {form.name} is on this machine; `vsanime models fetch NAME` downloads one")
    return found


def _is_here(name: str) -> bool:
    from vsanime.models.cards import find
    from vsanime.models.store import locate

    try:
        return locate(find(name)) is not None
    except VsanimeError:
        # The file is damaged or another one, which building reports.
        return True


def _uses(model: str, options: Arguments, builder: Builder, args: argparse.Namespace) -> list[Use]:
    from vsanime.cli.ahead import uses_of

    try:
        uses = uses_of(model, options)
        _check_suits(uses, args)
        return uses
    except VsanimeError as error:
        builder.outcomes.append(_report_failure(model, "-", args, error))
        return []


def _check_suits(uses: Sequence[Use], args: argparse.Namespace) -> None:
    """Raise an error for options of waifu2x with a model of another filter.

    Raises:
        VsanimeError: such an option is given.
    """
    given = [name for name in ("noise", "scale") if getattr(args, name) is not None]
    given += ["tint"] if args.tint != "keep" else []
    if given and any(use.name != "waifu2x" for use in uses):
        raise VsanimeError(f"--{given[0]} is for models of waifu2x; {shorten(uses[0].model)} is one for {uses[0].name}")


def _assume(clip: vs.VideoNode) -> dict[str, str]:
    """Return the range, matrix and siting, by zimg's names, of the clips that the engines are for."""
    from vsanime.video.clips import frame_spec

    spec = frame_spec(clip)
    names = {"range": spec.range.name.lower()}
    if spec.matrix is not None:
        names["matrix"] = next((name for name, code in _MATRICES.items() if code == spec.matrix), str(spec.matrix))
    if spec.chroma_location is not None:
        names["siting"] = spec.chroma_location.name.lower()
    return names


def _report_failure(model: str, use: str, args: argparse.Namespace, error: Exception) -> Outcome:
    from vsanime.cli.ahead import Outcome

    width, height = args.size or (_DEFAULT_SIZE if args.sizes is None else args.sizes[1])
    return Outcome(model, use, f"{width}x{height}", args.precision, "-", problem=str(error))


@contextmanager
def _progress() -> Iterator[tuple[Progress, Callable[[Sequence[Use]], Iterator[Use]]]]:
    """Yield progress bars on stderr, and a function that iterates over uses and shows the current one there."""
    console = open_console()
    columns = TextColumn("{task.description}", markup=False), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn()
    with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as bars:

        def tell(uses: Sequence[Use]) -> Iterator[Use]:
            task = bars.add_task("building", total=len(uses))
            for number, use in enumerate(uses, 1):
                what = clean_line(f"{use.model} for {use.name}")
                bars.update(task, description=what)
                if not console.is_terminal:
                    line = f"vsanime: {number} of {len(uses)}: {what}"
                    console.print(line, markup=False, highlight=False, soft_wrap=True)
                yield use
                bars.update(task, completed=number)

        yield bars, tell


def _report(outcomes: Sequence[Outcome], form: str, assumed: dict[str, str], folder: Path, *, as_json: bool) -> None:
    if as_json:
        engines = [asdict(outcome) | {"format": form, "state": _state(outcome)} for outcome in outcomes]
        print(json.dumps({"folder": str(folder), "clip": assumed, "engines": engines}, indent=2))
        return
    rows = [
        (
            o.model,
            o.use,
            o.size,
            form,
            o.precision,
            o.card,
            f"{o.bytes / _MB:.1f}" if o.bytes else "-",
            _format_outcome(o),
        )
        for o in outcomes
    ]
    print_table([("MODEL", "USE", "SIZE", "FORMAT", "PRECISION", "CARD", "MB", "SECONDS"), *rows])
    print(f"for clips of {', '.join(f'{name} {value}' for name, value in assumed.items())}")
    built = [o for o in outcomes if o.seconds is not None]
    states = [_state(outcome) for outcome in outcomes]
    spent = sum(o.seconds or 0.0 for o in built)
    print(
        f"{len(built)} built in {spent:.1f} s, {states.count('kept')} kept, {states.count('failed')} failed; "
        f"{sum(o.bytes for o in outcomes) / _MB:.1f} MB in {folder}"
    )


def _state(outcome: Outcome) -> str:
    if outcome.problem:
        return "failed"
    return "kept" if outcome.seconds is None else "built"


def _format_outcome(outcome: Outcome) -> str:
    """Return the text of the last column: the duration, "kept", or the error."""
    if outcome.problem:
        return f"failed: {' '.join(outcome.problem.split())}"
    return "kept" if outcome.seconds is None else f"{outcome.seconds:.2f}"


def _size(text: str) -> Size:
    try:
        width, height = (int(part) for part in text.lower().split("x"))
    except ValueError:
        width = height = 0
    if min(width, height) < 1:
        raise argparse.ArgumentTypeError(f"{quote(text)}; width and height such as 1920x1080 are needed")
    return width, height


def _sizes(text: str) -> tuple[Size, ...]:
    found = tuple(map(_size, text.split(",")))
    if len(found) != 3:
        raise argparse.ArgumentTypeError(f"{quote(text)}; three sizes such as 640x360,1280x720,1920x1080 are needed")
    return found


def _tiles(text: str) -> int | tuple[int, int]:
    return _size(text) if "x" in text.lower() else _positive(text)


def _depth(text: str) -> int | str:
    if text in ("half", "single"):
        return text
    if not text.isdecimal() or not 8 <= int(text) <= 16:
        raise argparse.ArgumentTypeError(f"{quote(text)}; 8 to 16, half or single is needed")
    return int(text)


def _capabilities(text: str) -> tuple[tuple[int, int], ...]:
    """Parse compute capabilities, separated by commas; 86 and 8.6 are both 8.6."""
    found = []
    for part in text.split(","):
        digits = part.strip().removeprefix("sm").replace(".", "")
        if not digits.isdecimal() or len(digits) < 2:
            raise argparse.ArgumentTypeError(f"{quote(part)}; compute capabilities such as 86 or 8.6 are needed")
        found.append((int(digits[:-1]), int(digits[-1])))
    return tuple(dict.fromkeys(found))


def _positive(text: str) -> int:
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"{quote(text)}; a whole number of 1 or more is needed")
    return int(text)
