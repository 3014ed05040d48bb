"""The file that a command writes: checked before the work, whole or not there at all after it."""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from vsanime import files
from vsanime.errors import VsanimeError


def check_output(output: Path, *, force: bool, option: str = "--force") -> None:
    """Tells before anything is read what would fail at the end.

    Args:
        output: the file that is to be written.
        force: whether it may be there.
        option: what a user gives to say so.

    Raises:
        VsanimeError: a folder, in no folder, there already, or a name that Windows takes for another thing.
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
    """A name beside the output's that becomes the output if all goes well, and vanishes if not.

    Raises:
        VsanimeError: the output appeared meanwhile, and may not be overwritten.
    """
    # The suffix stays last: ffmpeg chooses the container by it. The rest would make a long name too long.
    partial = output.parent.resolve() / f".{secrets.token_hex(8)}.partial{output.suffix}"
    with files.stage(output, partial):
        yield partial
        if output.exists() and not force:
            raise VsanimeError(
                f"the output {output} appeared meanwhile; give {option} to overwrite it, or another name"
            )


def write_output(output: Path, data: bytes, *, force: bool) -> None:
    """Writes a file at once.

    Raises:
        VsanimeError: it cannot be written, or appeared meanwhile and may not be overwritten.
    """
    try:
        with partial_file(output, force=force) as partial:
            partial.write_bytes(data)
    except OSError as error:
        raise VsanimeError(f"the output {output} cannot be written: {error.strerror or error}") from None
