"""`vsanime import FILE`: turns a network from elsewhere into the plain ONNX that filters and commands take."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from vsanime.cli.output import check_output, write_output
from vsanime.errors import VsanimeError
from vsanime.terminal import print_line

if TYPE_CHECKING:
    from vsanime.graphs.inspect import NetFacts
    from vsanime.models.formats import Imported

_EPILOG = """\
What is read, whatever the file is called:
  ncnn                .param and .bin side by side, either one given: waifu2x UpConv_7 and VGG_7
  waifu2x's JSON      the same networks, as nagadomi/waifu2x has them
  torch, safetensors  state-dicts of ArtCNN C and R, ESPCN_7, UpConv_7, VGG_7, DRRN, AnimeGANv2's generator,
                      SketchKeras; checkpoints around them, too, among them those of `vsanime train`: the averaged
                      weights
  AnimeGANv2's ONNX   its generator with channels last, as TensorFlow leaves it, or from PyTorch, on [-1, 1]
  ONNX in float16     any network, as f32; filters take it without an import as well
  mpv shaders         of ArtCNN C: the public ones, and what `vsanime export` writes

Which network it is follows from its layers, not from its name. A pickle is read without running anything in it.
An ArtCNN R state-dict does not say whether its activation is ReLU or SiLU: files since mid-2025 want
--activation silu. With the wrong one the picture is visibly wrong. Nor does one of DRRN say how often its unit is
applied: 9 times, unless the metadata of a safetensors file has other `units`.

AnimeGANv2's generator grows pictures in one of three ways, which no state-dict says: 'tf' is assumed of a checkpoint of
`vsanime train`, 'align' of any other, as bryandlee's weights (celeba_distill, face_paint_512_v1, face_paint_512_v2,
paprika) are run; --upsample says another. The published weights of AnimeGANv2 are for non-commercial use only.

Before the ONNX is written, it runs once on a small picture. A file that is there already stays, unless --force.

examples:
  vsanime import scale2.0x_model.param
  vsanime import ArtCNN_C4F32.glsl
  vsanime import net_g_latest.pth -o nets/mine.onnx --activation silu
  vsanime models show nets/mine.onnx
"""


def add_parser(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the `import` command."""
    parser = subparsers.add_parser(
        "import",
        help="turn ncnn, torch, safetensors, waifu2x's JSON, mpv shaders or AnimeGANv2's ONNX into plain ONNX",
        description=__doc__,
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("file", metavar="FILE", type=Path, help="the weights; of an ncnn pair either file")
    parser.add_argument(
        "-o", "--output", metavar="NET.onnx", type=Path, help="file to write (default: FILE's name, in this folder)"
    )
    parser.add_argument(
        "--activation", choices=("relu", "silu"), help="of an ArtCNN state-dict (default: what it says, else relu)"
    )
    parser.add_argument(
        "--upsample",
        choices=("tf", "align", "half"),
        help="of an AnimeGANv2 state-dict (default: what it says, else tf for our checkpoints and align for others)",
    )
    parser.add_argument("--force", action="store_true", help="replace the output if it is there")
    parser.set_defaults(func=_import)


def _import(args: argparse.Namespace) -> int:
    from vsanime.cli.trial import try_out
    from vsanime.graphs.inspect import inspect
    from vsanime.models.formats import read

    if args.file.is_dir():
        raise VsanimeError(f"{args.file} is a folder; give the path of a file in it")
    target = args.output or Path(f"{args.file.stem}.onnx")
    if target.suffix.lower() != ".onnx":
        raise VsanimeError(f"the output {target} does not end in .onnx, by which filters know a file")
    check_output(target, force=args.force)
    imported = read(args.file, args.activation, args.upsample)
    facts = inspect(imported.proto)
    for name, value in _facts(imported, facts):
        print_line(f"{name:<16} {value}")
    print_line(f"{'checked':<16} {try_out(imported.proto, facts)}")
    write_output(target, imported.proto.SerializeToString(), force=args.force)
    print_line(f"{'written':<16} {target.resolve()}")
    return 0


def _facts(imported: Imported, facts: NetFacts) -> list[tuple[str, str]]:
    from vsanime.models.licences import one_line

    reach = "the whole frame (cannot be tiled)" if facts.radius is None else f"{facts.radius} pixels each way"
    return [
        ("recognised", imported.architecture),
        ("network", imported.summary),
        ("channels", f"{facts.in_channels} in, {facts.out_channels} out"),
        ("scale", f"{facts.scale}x"),
        ("parameters", f"{facts.parameters:,}"),
        ("receptive field", reach),
        ("licence", one_line(imported.licence) or "the file does not say; ask where it comes from"),
    ]
