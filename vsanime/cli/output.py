"""Checks the output file of a command before the work, and writes it completely or not at all."""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from vsanime import files
from vsanime.errors import VsanimeError


def check_output(output: Path, *, force: bool, option: str = "--force") -> None:
    """Raise an error before the work if the output cannot be written.

    Args:
        output: path of the file to be written.
        force: whether it may exist.
        option: option by which a user allows that, for messages.

    Raises:
        VsanimeError: the output is a folder, its folder does not exist, it exists already, or Windows reserves its
            name.
    """
    files.check_name(output)
    if output.is_dir():
        raise VsanimeError(f"the output {output} is a folder; give the name of a file")
    if not output.parent.is_dir():
        raise VsanimeError(f"the output {output} is in a folder that does not exist; create it first")
    if output.exists() and not force:
        raise VsanimeError(f"the output {output} exists; give {option} to overwrite it, or another name")


@contextmanager
def partial_file(output: Path, *, force: bool, option: str = "--force") -> Iterator[Path]:
    """Yield a path beside the output that is renamed to it on success, and deleted on an exception.

    Raises:
        VsanimeError: the output has appeared in the meantime, and may not be overwritten.
    """
    # The suffix stays last, because ffmpeg chooses the container by it. The stem is left out, because it may be long.
    partial = output.parent.resolve() / f".{secrets.token_hex(8)}.partial{output.suffix}"
    with files.stage(output, partial):
        yield partial
        if output.exists() and not force:
            raise VsanimeError(
                f"the output {output} appeared meanwhile; give {option} to overwrite it, or another name"
            )


def write_output(output: Path, data: bytes, *, force: bool) -> None:
    """Write all data to the output.

    Raises:
        VsanimeError: it cannot be written, or has appeared in the meantime and may not be overwritten.
    """
    try:
        with partial_file(output, force=force) as partial:
            partial.write_bytes(data)
    except OSError as error:
        raise VsanimeError(f"the output {output} cannot be written: {error.strerror or error}") from None
