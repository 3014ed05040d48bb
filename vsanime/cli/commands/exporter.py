"""`vsanime export`: writes a network in a format that another program runs: ArtCNN C networks as mpv shaders."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from vsanime.cli.output import check_output, write_output
from vsanime.errors import VsanimeError
from vsanime.terminal import print_line

if TYPE_CHECKING:
    from vsanime.models.store import Model

FORMATS = ("mpv",)


def add_parser(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the `export` command."""
    parser = subparsers.add_parser("export", help="write a network as an mpv shader", description=__doc__)
    parser.add_argument("model", metavar="MODEL", help="a name as `vsanime models list` writes it, or an .onnx file")
    parser.add_argument("--format", choices=FORMATS, required=True, help="mpv: a user shader for mpv and vs-placebo")
    parser.add_argument("--compute", action="store_true", help="compute passes, a layer each, instead of fragment ones")
    parser.add_argument("-o", "--output", metavar="FILE", help="default: the model's file name with .glsl, here")
    parser.add_argument("--force", action="store_true", help="overwrite FILE")
    parser.set_defaults(func=_export)


def _export(args: argparse.Namespace) -> int:
    from vsanime.architectures.artcnn.chain import read_artcnn_c
    from vsanime.models import store
    from vsanime.models.formats.shaders.glsl import write

    model = store.load(args.model)
    form = "_compute" if args.compute else ""
    target = Path(args.output) if args.output else Path(f"{model.path.stem}{form}.glsl")
    check_output(target, force=args.force)
    try:
        text = write(read_artcnn_c(model.proto), model.name, _notes(model), compute=args.compute)
    except VsanimeError as error:
        raise VsanimeError(f"{model.name} cannot be written as a shader: {error}") from None
    data = text.encode()
    write_output(target, data, force=args.force)
    print_line(f"{target}: {len(data):,} bytes, {'compute' if args.compute else 'fragment'} passes")
    return 0


def _notes(model: Model) -> list[str]:
    """Return the first lines of the file, which name the network, its origin and its license."""
    from vsanime.models.licences import card_note, head, read_note

    written = f"{model.name} as an mpv user shader, written by vsanime."
    if model.variant is None:
        return [written, *head(read_note(model.proto))]
    card = model.variant
    return [written, card.description, f"Weights: {card.family}, {card.origin}", *head(card_note(card))]
