"""Fetching one file over https: which release has it, what digest it must have, and checking that it has."""

from __future__ import annotations

import hashlib
import http.client
import json
import os
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator, Set
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, BinaryIO
from urllib.parse import urlsplit

from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeRemainingColumn

from vsanime._version import __version__
from vsanime.errors import VsanimeError
from vsanime.models.cards import MOST_BYTES
from vsanime.terminal import clean_line, open_console

type OpenUrl = Callable[[str], BinaryIO]

_TIMEOUT_SECONDS = 30.0  # without a byte
_CHUNK_BYTES = 1 << 16
# A hundred releases with all their assets are about 3 MB.
_MOST_ANSWER_BYTES = 8 << 20
# A server may send a byte now and then for ever. Shorter than the wait for another process that downloads the same.
_ANSWER_SECONDS = 60.0
_DOWNLOAD_SECONDS = 540.0
_MOST_SHOWN = 200  # characters of what a server says


@dataclass(frozen=True)
class Asset:
    """A file of a release.

    Attributes:
        url: where its bytes are.
        sha256: digest the API publishes, lower-case hexadecimal; None if it publishes none.
        size: bytes.
        release: the release's tag.
    """

    url: str
    sha256: str | None
    size: int
    release: str


class _HttpsRedirects(urllib.request.HTTPRedirectHandler):
    """Follows a redirect only to https."""

    def redirect_request(
        self, req: urllib.request.Request, fp: IO[bytes], code: int, msg: str, headers: Any, newurl: str
    ) -> urllib.request.Request | None:
        _demand_https(newurl)
        return super().redirect_request(req, fp, code, msg, headers, newurl)


def open_https(url: str) -> BinaryIO:
    """Opens an https address for reading; the system's proxy settings are honoured."""
    _demand_https(url)
    request = urllib.request.Request(url, headers={"User-Agent": f"vsanime/{__version__}"})
    opener = urllib.request.build_opener(_HttpsRedirects)
    response: BinaryIO = opener.open(request, timeout=_TIMEOUT_SECONDS)
    return response


def find_assets(releases_url: str, file: str, open_url: OpenUrl) -> list[Asset]:
    """Return the files of a name in releases, the newest release first.

    Args:
        releases_url: releases API of a GitHub repository.
        file: name of the asset.
        open_url: opens an https address.

    Raises:
        VsanimeError: no answer, an answer that makes no sense, or no release with that file.
    """
    with _explained(releases_url), _open(f"{releases_url}?per_page=100", open_url) as answer:
        text = b"".join(_chunks(answer, _MOST_ANSWER_BYTES, _ANSWER_SECONDS))
    try:
        releases = [release for release in json.loads(text) if not release.get("draft")]
        releases.sort(key=lambda release: str(release.get("published_at") or ""), reverse=True)
        found = [_asset(release, a) for release in releases for a in release["assets"] if a["name"] == file]
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError, OverflowError):
        raise VsanimeError(f"{releases_url} did not answer with a list of releases; try again later") from None
    if not found:
        raise VsanimeError(f"no release at {releases_url} has a file named {file}")
    return found


def _asset(release: dict[str, Any], asset: dict[str, Any]) -> Asset:
    """Return a file of a release.

    Raises:
        TypeError, ValueError: its facts make no sense.
    """
    kind, _, digest = str(asset.get("digest") or "").partition(":")
    size = asset["size"]
    if type(size) is not int or size < 0:
        raise ValueError(f"a size of {size!r}")
    return Asset(
        url=str(asset["browser_download_url"]),
        sha256=digest.lower() if kind == "sha256" and digest else None,
        size=size,
        release=str(release["tag_name"]),
    )


def download(
    asset: Asset, target: Path, accepted: Set[str] | None, open_url: OpenUrl, *, progress: bool, most: int = MOST_BYTES
) -> str:
    """Download to `target`, which is on the disk afterwards, check it, and return its sha256.

    Args:
        asset: the file.
        target: where it is written.
        accepted: digests that are right; None where the user takes any.
        open_url: opens an https address.
        progress: whether to draw a progress bar on stderr.
        most: bytes that the file may have.

    Raises:
        VsanimeError: no connection, too large, too slow, cut short, or a digest that is not accepted (both are named).
    """
    if asset.size > most:
        raise VsanimeError(f"{asset.url} is announced with {asset.size} bytes; {most >> 20} MiB at most are downloaded")
    with _explained(asset.url), _open(asset.url, open_url) as source, target.open("wb") as sink:
        digest, size = _copy(source, sink, asset, progress)
    if size != asset.size:
        given = f"more than {asset.size}" if size > asset.size else size
        raise VsanimeError(f"{asset.url} gave {given} bytes where {asset.size} were announced; try again")
    if accepted is not None and digest not in accepted:
        raise VsanimeError(f"{asset.url} has sha256 {digest}, expected {' or '.join(sorted(accepted))}; not kept")
    return digest


def _copy(source: BinaryIO, sink: BinaryIO, asset: Asset, progress: bool) -> tuple[str, int]:
    """Copy at most one byte more than announced; return sha256 and bytes."""
    sha256, size = hashlib.sha256(), 0
    columns = TextColumn("{task.description}", markup=False), BarColumn(), DownloadColumn(), TimeRemainingColumn()
    with Progress(*columns, console=open_console(), disable=not progress) as bar:
        task = bar.add_task(asset.url.rpartition("/")[2], total=asset.size)
        for chunk in _chunks(source, asset.size + 1, _DOWNLOAD_SECONDS):
            sha256.update(chunk)
            sink.write(chunk)
            size += len(chunk)
            bar.advance(task, len(chunk))
    sink.flush()
    os.fsync(sink.fileno())
    return sha256.hexdigest(), size


def _chunks(source: BinaryIO, most: int, seconds: float) -> Iterator[bytes]:
    """Read a response bit by bit until its end, or until it has given as many bytes as it may.

    Raises:
        TimeoutError: it takes too long, however steadily it sends.
    """
    read = getattr(source, "read1", source.read)  # what has arrived, else the clock would wait for a whole chunk
    end = time.monotonic() + seconds
    while most > 0 and (chunk := read(min(_CHUNK_BYTES, most))):
        yield chunk
        most -= len(chunk)
        if time.monotonic() > end:
            raise TimeoutError(f"it takes longer than {seconds:.0f} seconds")


def _open(url: str, open_url: OpenUrl) -> BinaryIO:
    """Open an address within a minute: names that do not resolve and headers that do not end would take longer.

    Raises:
        TimeoutError: it takes longer.
    """
    _demand_https(url)
    outcome: list[BinaryIO | BaseException] = []

    def work() -> None:
        try:
            outcome.append(open_url(url))
        except BaseException as error:  # raised again below, in the thread that asked
            outcome.append(error)

    thread = threading.Thread(target=work, name="vsanime download", daemon=True)
    thread.start()
    thread.join(_ANSWER_SECONDS)
    if not outcome:
        raise TimeoutError(f"no answer within {_ANSWER_SECONDS:.0f} seconds")
    if isinstance(outcome[0], BaseException):
        raise outcome[0]
    return outcome[0]


def _demand_https(url: str) -> None:
    """Refuse an address of another kind, or one that makes no sense.

    Raises:
        VsanimeError: such an address.
    """
    try:
        parts = urlsplit(url)
        # A server that is asked must have a name; a port out of range, or no number, is a ValueError.
        good = parts.scheme == "https" and bool(parts.hostname) and (parts.port is None or parts.port > 0)
        url.encode("ascii")
    except ValueError:
        raise VsanimeError(f"refused to download from {_shown(url)}: it is no address") from None
    if not good or any(character <= " " or character == "\x7f" for character in url):
        raise VsanimeError(f"refused to download from {_shown(url)}: only https addresses are used")


def _shown(url: str) -> str:
    return ascii(url if len(url) <= _MOST_SHOWN else f"{url[:_MOST_SHOWN]}...")


@contextmanager
def _explained(url: str) -> Iterator[None]:
    """Turns what goes wrong on the way into one line."""
    try:
        yield
    except urllib.error.HTTPError as error:
        hint = "; too many requests from this address, try again in an hour" if error.code in (403, 429) else ""
        raise VsanimeError(f"{url} answered {error.code} {_one_line(error.reason)}{hint}") from None
    except urllib.error.URLError as error:
        raise VsanimeError(f"{url} cannot be reached: {_one_line(error.reason)}") from None
    # ValueError and OverflowError are of addresses to which a server redirects.
    except (OSError, http.client.HTTPException, ValueError, OverflowError) as error:
        raise VsanimeError(f"{url} cannot be downloaded: {_one_line(error)}") from None


def _one_line(error: object) -> str:
    """Return what is said of an error in one line of bounded length: servers have their say in it."""
    text = clean_line(" ".join(str(error).split()))
    return text if len(text) <= _MOST_SHOWN else f"{text[:_MOST_SHOWN]}..."
