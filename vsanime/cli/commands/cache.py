"""Runs `vsanime cache`, which lists the cached engines with their sizes and removes those of no use."""

from __future__ import annotations

import argparse
import json
import math
import os
import re
import sys
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from vsanime.cli.tables import print_table
from vsanime.errors import VsanimeError, quote
from vsanime.files import expand
from vsanime.terminal import clean_line, print_line

if TYPE_CHECKING:
    from vsanime.backends.cache import EngineCache, Entry, Removal

_MB = 1_000_000
_DAYS = 90.0
_ABOUT = """\
Engines that TensorRT has built are kept, because building one takes from seconds to minutes. Each is kept under a
name that stands for everything it depends on, the version of TensorRT and the card's compute capability among it: a
new version means new engines, and the old ones lie unused until `vsanime cache prune` removes them. Nothing is lost by
removing an engine but the time to build it again. The folder is VSANIME_CACHE_DIR, or one in the user's cache
(`vsanime info` names it)."""
_PRUNE = """\
Removes what is damaged, what a killed process left behind, engines unused for some time, and, if a limit is given, the
least recently used ones beyond it. What a process is building stays, and a script that has loaded an engine goes on."""


def add_parser(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the `cache` command with its three actions."""
    parser = subparsers.add_parser("cache", help="list and remove built engines", description=_ABOUT)
    actions = parser.add_subparsers(title="actions", metavar="ACTION", required=True)

    listing = actions.add_parser("list", help="every engine: of which model, for which card, how large, when used")
    listing.add_argument("--json", action="store_true", help="for programs; everything that is known of each")
    listing.set_defaults(func=_list)

    prune = actions.add_parser("prune", help="remove what is damaged, left over, long unused or too much")
    prune.description = _PRUNE
    prune.add_argument(
        "--days", type=_limit, default=_DAYS, metavar="N", help=f"unused for more than N days (default: {_DAYS:.0f})"
    )
    prune.add_argument("--max-size", type=_limit, metavar="MB", help="no more than this, in millions of bytes")
    prune.add_argument("--dry-run", action="store_true", help="only say what would be removed")
    prune.set_defaults(func=_prune)

    clear = actions.add_parser("clear", help="remove everything that no process is building")
    clear.add_argument("--yes", action="store_true", help="do not ask")
    clear.set_defaults(func=_clear)

    for action in (listing, prune, clear):
        action.add_argument("--dir", type=Path, metavar="FOLDER", help="a cache elsewhere")


def _limit(text: str) -> float:
    """Parse a number of days or megabytes, 0 or more."""
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not 0 <= value < math.inf:
        raise argparse.ArgumentTypeError(f"{quote(text)} is no limit; a number of 0 or more is needed")
    return value


def _list(args: argparse.Namespace) -> int:
    cache = _cache(args)
    entries = cache.entries()
    if args.json:
        print(json.dumps({"folder": str(cache.folder), "entries": [_record(entry) for entry in entries]}, indent=2))
    elif not entries:
        print_line(f"No engines in {cache.folder}. One is kept there when a script first runs a model with TensorRT.")
    else:
        print_table([("MODEL", "SIZE", "PRECISION", "CARD", "MB", "BUILT", "LAST USED", "STATE"), *map(_row, entries)])
        print_line(f"{_total(entries)} in {cache.folder}")
    return 0


def _prune(args: argparse.Namespace) -> int:
    limit = None if args.max_size is None else round(args.max_size * _MB)
    removals = _cache(args).prune(days=args.days, max_bytes=limit, dry_run=args.dry_run)
    return _print_removals(removals, "would be removed" if args.dry_run else "removed")


def _clear(args: argparse.Namespace) -> int:
    cache = _cache(args)
    entries = cache.entries()
    if entries and not args.yes and not _ask(f"Remove {_total(entries)} from {cache.folder}? [y/N] "):
        print("nothing removed")
        return 1
    return _print_removals(cache.clear(), "removed")


def _cache(args: argparse.Namespace) -> EngineCache:
    from vsanime.backends.cache import EngineCache

    return EngineCache(None if args.dir is None else expand(args.dir))


def _ask(question: str) -> bool:
    """Ask the user and return whether the answer is yes.

    Raises:
        VsanimeError: stdin is not a terminal.
    """
    if not sys.stdin.isatty():
        raise VsanimeError("clear asks before it removes anything, and this is no terminal; give --yes")
    try:
        return input(clean_line(question)).strip().lower() in ("y", "yes")
    except EOFError:
        return False


def _print_removals(removals: Sequence[Removal], done: str) -> int:
    """Print the removals and their total; return 1 if one failed for another reason than being in use, else 0."""
    for removal in removals:
        outcome, why = ("kept", removal.kept) if removal.kept else (done, _short(removal.reason, removal.entry))
        print_line(f"{_name(removal.entry)}  {outcome}{': ' if why else ''}{why}")
    gone = [removal.entry for removal in removals if not removal.kept]
    print(f"{_total(gone)} {done}" if gone else f"nothing {done}")
    return int(any(removal.failed for removal in removals))


def _name(entry: Entry) -> str:
    """Return the start of a line: the shortened key, model, size, precision and card of an engine."""
    what = " ".join(part for part in _known(entry) if part != "-")
    return f"{_short(entry.key)}  {what}".rstrip()


def _row(entry: Entry) -> tuple[str, ...]:
    """Return the row of an entry in the table."""
    model, *known = _known(entry)
    state = f"{entry.state}: {_short(entry.problem, entry)}" if entry.problem else entry.state
    # Companion files and leftovers only have a name.
    name = _short(entry.key) if model == "-" else model
    return (name, *known, f"{entry.size / _MB:.1f}", _date(entry.built), _date(entry.last_used), state)


def _known(entry: Entry) -> list[str]:
    """Return model, size, precision and card of an entry, "-" for those that are unknown."""
    known = {**entry.facts, **entry.notes}
    return [str(known.get(name, "-")) for name in ("model", "size", "precision", "card")]


def _short(text: str, entry: Entry | None = None) -> str:
    """Return the text with keys shortened to 12 digits, and without the entry's folder, which is the same for all."""
    if entry is not None:
        text = text.replace(f"{entry.paths[0].parent}{os.sep}", "")
    return re.sub(r"\b([0-9a-f]{12})[0-9a-f]{52}", r"\1", text)


def _date(time: datetime | None) -> str:
    """Return the local time to the minute, or "-"."""
    return "-" if time is None else time.astimezone().strftime("%Y-%m-%d %H:%M")


def _total(entries: Sequence[Entry]) -> str:
    size = sum(entry.size for entry in entries) / _MB
    return f"{len(entries)} {'entry' if len(entries) == 1 else 'entries'}, {size:.1f} MB"


def _record(entry: Entry) -> dict[str, Any]:
    return {
        "key": entry.key,
        "state": entry.state,
        "problem": entry.problem,
        "paths": [str(path) for path in entry.paths],
        "size": entry.size,
        "built": entry.built.isoformat() if entry.built else None,
        "seconds": entry.seconds,
        "last_used": entry.last_used.isoformat(),
        "notes": dict(entry.notes),
        "facts": dict(entry.facts),
    }
