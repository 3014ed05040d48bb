"""Runs the `vsanime` command: imports the subcommand's module, runs it, and reports errors in one line on stderr."""

from __future__ import annotations

import argparse
import contextlib
import importlib
import io
import os
import re
import sys
from typing import Any, NoReturn

from vsanime._version import __version__
from vsanime.errors import VsanimeError, one_line, quote
from vsanime.terminal import clean_streams

# Subcommands, each a module of `vsanime.cli.commands`.
COMMANDS = (
    "models", "info", "process", "upscale", "bench", "build", "cache", "import", "export", "prepare", "train",
)  # fmt: skip
# Modules whose names differ from the command's: `import` is a Python keyword.
_MODULES = {"import": "importer", "export": "exporter"}

# User input of more than 60 characters that argparse quotes in an error.
_QUOTED = re.compile(r"'([^']{61,})'")

# Exit codes that shells report for a program ended by SIGINT and by SIGPIPE.
_INTERRUPTED = 130
_PIPE_CLOSED = 141


def main(argv: list[str] | None = None) -> int:
    """Run the command line.

    Args:
        argv: arguments after the program's name; those of the process if None.

    Returns:
        The exit code: that of the command, usually 0; 1 for an error, 130 for an interrupt, 141 for a closed pipe, each
        reported in one line on stderr. Wrong usage exits with 2, as in argparse.
    """
    _accept_any_text()
    with clean_streams():
        return _run(sys.argv[1:] if argv is None else argv)


def _run(arguments: list[str]) -> int:
    """Run the command, and turn errors into one line on stderr and an exit code."""
    try:
        args = _parser(arguments).parse_args(arguments)
        code: int = args.func(args)
        sys.stdout.flush()
    except KeyboardInterrupt:
        return _fail("interrupted", _INTERRUPTED)
    except BrokenPipeError:
        _discard_output()
        return _fail("the reader of the output closed it early", _PIPE_CLOSED)
    except (VsanimeError, OSError) as error:
        return _fail(str(error))
    except Exception as error:
        if _is_vapoursynth_error(error):
            return _fail(str(error))
        raise
    return code


class _Parser(argparse.ArgumentParser):
    """A parser whose errors take one line, without the colors that argparse of Python 3.14 adds."""

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self.color = False

    def error(self, message: str) -> NoReturn:
        """Report wrong usage in one line, with long input shortened."""
        super().error(one_line(_QUOTED.sub(lambda given: quote(given[1]), message)))


def _parser(arguments: list[str]) -> argparse.ArgumentParser:
    parser = _Parser(
        prog="vsanime",
        description="Anime neural filters for VapourSynth.",
        epilog="`vsanime COMMAND --help` explains a command.",
    )
    parser.add_argument("--version", action="version", version=f"vsanime {__version__}")
    subparsers = parser.add_subparsers(title="commands", metavar="COMMAND", required=True)
    # If the first argument names a command, only its module is imported, which saves time.
    named = arguments[:1] if arguments and arguments[0] in COMMANDS else COMMANDS
    for name in named:
        importlib.import_module(f"{__name__}.commands.{_MODULES.get(name, name)}").add_parser(subparsers)
    return parser


def _fail(message: str, code: int = 1) -> int:
    """Print the message as one line on stderr and return the exit code."""
    with contextlib.suppress(OSError):
        print(f"vsanime: {one_line(message)}", file=sys.stderr)
    return code


def _is_vapoursynth_error(error: Exception) -> bool:
    """Return whether the error is a `vs.Error`, without importing VapourSynth."""
    vapoursynth = sys.modules.get("vapoursynth")
    return vapoursynth is not None and isinstance(error, vapoursynth.Error)


def _accept_any_text() -> None:
    """Escape characters that the console's encoding lacks, which paths may contain, instead of failing."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")


def _discard_output() -> None:
    """Redirect buffered output to the null device, or Python would complain about the closed pipe at exit."""
    with contextlib.suppress(OSError, ValueError):
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, sys.stdout.fileno())
        os.close(nowhere)
