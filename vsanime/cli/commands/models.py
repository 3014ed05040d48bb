"""`vsanime models`: which networks there are, what each expects, where its file is, and fetching it."""

from __future__ import annotations

import argparse
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

from vsanime.cli.tables import print_table
from vsanime.errors import VsanimeError
from vsanime.terminal import print_line

if TYPE_CHECKING:
    from vsanime.models.cards import Variant


def add_parser(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the `models` command with its three actions."""
    parser = subparsers.add_parser("models", help="list, show and fetch networks", description=__doc__)
    actions = parser.add_subparsers(title="actions", metavar="ACTION", required=True)

    listing = actions.add_parser("list", help="every network, its licence, and where its file is")
    listing.set_defaults(func=_list)

    show = actions.add_parser("show", help="what a network expects and gives, its size, origin and digests")
    show.add_argument("name", metavar="NAME", help="as `vsanime models list` writes it, or the path of an .onnx file")
    show.set_defaults(func=_show)

    fetch = actions.add_parser("fetch", help="download networks into the user's data folder")
    fetch.add_argument("names", metavar="NAME", nargs="+", help="as `vsanime models list` writes it")
    fetch.add_argument(
        "--unverified",
        action="store_true",
        help="take the newest release's file though no digest of it is known, or another one",
    )
    fetch.set_defaults(func=_fetch)


def _list(_: argparse.Namespace) -> int:
    from vsanime.models.cards import variants

    rows = [(v.name, v.task, f"{v.scale}x", v.license, _whereabouts(v)) for v in variants().values()]
    print_table([("NAME", "TASK", "SCALE", "LICENCE", "FILE"), *rows])
    return 0


def _show(args: argparse.Namespace) -> int:
    from vsanime.models import store
    from vsanime.models.cards import find

    path = store.as_path(args.name)
    if path is not None:
        _print_facts([("file", str(path)), ("sha256", store.file_digest(path)), *_network_facts(args.name)])
        return 0
    variant = find(args.name)
    facts = _card_facts(variant)
    located = None
    try:
        located = store.locate(variant)
        facts.append(("file", f"{variant.file}, {_whereabouts(variant)}"))
    except VsanimeError as error:
        facts.append(("file", str(error)))
    if located is not None:
        facts += [("sha256 of the file", store.file_digest(located)), *_network_facts(variant.name)]
    _print_facts(facts)
    return 0


def _fetch(args: argparse.Namespace) -> int:
    from vsanime.models import store
    from vsanime.models.cards import find

    # Every name is looked up before the first download starts.
    for variant in [find(name) for name in args.names]:
        path = store.locate(variant)
        fetched = path or store.fetch(variant, unverified=args.unverified)
        print_line(f"{variant.name}: {fetched}{' (was there)' if path else ''}")
    return 0


def _whereabouts(variant: Variant) -> str:
    """Return the path of the model's file, or a text that says why it is not available."""
    from vsanime.models import store

    try:
        path = store.locate(variant)
    except VsanimeError:
        return f"found, but its digest is not accepted (`vsanime models show {variant.name}` says more)"
    if path is None:
        if not variant.can_be_fetched:
            return "not here"
        return "not here (fetched on first use)" if variant.seen else "not here (never seen: fetch --unverified)"
    return str(path)


def _card_facts(variant: Variant) -> list[tuple[str, str]]:
    low, high = variant.value_range
    return [
        ("name", variant.name),
        ("family", variant.family),
        ("description", variant.description),
        ("architecture", variant.arch),
        ("task", variant.task),
        ("scale", f"{variant.scale}x"),
        ("colour", variant.colour),
        ("value range", f"{low:g} to {high:g}"),
        ("licence", variant.license),
        ("copyright", variant.copyright),
        ("origin", variant.origin),
        *([("trained on", variant.data)] if variant.data else []),
        ("download", _download(variant)),
        ("sha256 pinned", _pinned(variant)),
    ]


def _download(variant: Variant) -> str:
    if variant.foreign is not None:
        return variant.foreign.url
    return variant.url or ("none: travels with the package" if variant.is_bundled else "none")


def _pinned(variant: Variant) -> str:
    if variant.foreign is not None:
        return f"{variant.foreign.sha256} (of the weights before conversion)"
    if variant.sha256:
        return ", ".join(variant.sha256)
    return "none" if variant.seen else "none: never seen here, fetched with --unverified only"


def _network_facts(model: str | Path) -> list[tuple[str, str]]:
    """Return the facts that the ONNX file states."""
    from vsanime.graphs.inspect import inspect
    from vsanime.models.licences import read_author, read_note
    from vsanime.models.store import load

    loaded = load(model)
    facts = inspect(loaded.proto)
    note = "" if loaded.variant is not None else read_note(loaded.proto)
    author = read_author(loaded.proto)
    reach = "the whole frame (cannot be tiled)" if facts.radius is None else f"{facts.radius} pixels each way"
    return [
        ("channels", f"{facts.in_channels} in, {facts.out_channels} out"),
        ("scale in the ONNX", f"{facts.scale}x"),
        ("receptive field", reach),
        ("size multiple", str(facts.multiple)),
        ("parameters", f"{facts.parameters:,}"),
        *([("licence in the ONNX", note)] if note else []),
        *([("author in the ONNX", author)] if author else []),
    ]


def _print_facts(facts: Iterable[tuple[str, str]]) -> None:
    """Print one fact per line, with aligned values."""
    rows = list(facts)
    width = max(len(name) for name, _ in rows)
    for name, value in rows:
        print_line(f"{name.ljust(width)}  {value}")
