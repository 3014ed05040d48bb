"""Fetching one file over https: which release has it, what digest it must have, and checking that it has."""

from __future__ import annotations

import hashlib
import http.client
import json
import os
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, BinaryIO
from urllib.parse import urlsplit

from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeRemainingColumn

from vsanime._version import __version__
from vsanime.errors import VsanimeError
from vsanime.terminal import open_console

type OpenUrl = Callable[[str], BinaryIO]

_TIMEOUT_SECONDS = 30.0
_CHUNK_BYTES = 1 << 16
# A hundred releases with all their assets are about 3 MB.
_MOST_ANSWER_BYTES = 32 << 20


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


def newest_asset(releases_url: str, file: str, open_url: OpenUrl) -> Asset:
    """The file of that name in the newest release that has one.

    Args:
        releases_url: releases API of a GitHub repository.
        file: name of the asset.
        open_url: opens an https address.

    Raises:
        VsanimeError: no answer, an answer that makes no sense, or no release with that file.
    """
    with _explained(releases_url), _open(f"{releases_url}?per_page=100", open_url) as answer:
        text = answer.read(_MOST_ANSWER_BYTES)
    try:
        releases = [release for release in json.loads(text) if not release.get("draft")]
        releases.sort(key=lambda release: str(release.get("published_at") or ""), reverse=True)
        for release in releases:
            for asset in release["assets"]:
                if asset["name"] == file:
                    return _asset(release, asset)
    except (ValueError, KeyError, TypeError, AttributeError):
        raise VsanimeError(f"{releases_url} did not answer with a list of releases; try again later") from None
    raise VsanimeError(f"no release at {releases_url} has a file named {file}")


def _asset(release: dict[str, Any], asset: dict[str, Any]) -> Asset:
    kind, _, digest = str(asset.get("digest") or "").partition(":")
    return Asset(
        url=str(asset["browser_download_url"]),
        sha256=digest.lower() if kind == "sha256" and digest else None,
        size=int(asset["size"]),
        release=str(release["tag_name"]),
    )


def download(asset: Asset, target: Path, accepted: set[str], open_url: OpenUrl, *, progress: bool) -> str:
    """Downloads to `target`, which is on the disk afterwards, and checks it; returns the sha256.

    Raises:
        VsanimeError: no connection, cut short, or a digest that is not accepted (both are named).
    """
    with _explained(asset.url), _open(asset.url, open_url) as source, target.open("wb") as sink:
        digest, size = _copy(source, sink, asset, progress)
    if size != asset.size:
        raise VsanimeError(f"{asset.url} gave {size} bytes where {asset.size} were announced; try again")
    if digest not in accepted:
        raise VsanimeError(f"{asset.url} has sha256 {digest}, expected {' or '.join(sorted(accepted))}; not kept")
    return digest


def _copy(source: BinaryIO, sink: BinaryIO, asset: Asset, progress: bool) -> tuple[str, int]:
    """Copies at most one chunk more than announced; returns sha256 and bytes."""
    sha256, size = hashlib.sha256(), 0
    columns = TextColumn("{task.description}", markup=False), BarColumn(), DownloadColumn(), TimeRemainingColumn()
    with Progress(*columns, console=open_console(), disable=not progress) as bar:
        task = bar.add_task(asset.url.rpartition("/")[2], total=asset.size)
        while size <= asset.size and (chunk := source.read(_CHUNK_BYTES)):
            sha256.update(chunk)
            sink.write(chunk)
            size += len(chunk)
            bar.advance(task, len(chunk))
    sink.flush()
    os.fsync(sink.fileno())
    return sha256.hexdigest(), size


def _open(url: str, open_url: OpenUrl) -> BinaryIO:
    _demand_https(url)
    return open_url(url)


def _demand_https(url: str) -> None:
    if urlsplit(url).scheme != "https":
        raise VsanimeError(f"refused to download from {url!r}: only https addresses are used")


@contextmanager
def _explained(url: str) -> Iterator[None]:
    """Turns what goes wrong on the way into one line."""
    try:
        yield
    except urllib.error.HTTPError as error:
        hint = "; too many requests from this address, try again in an hour" if error.code in (403, 429) else ""
        raise VsanimeError(f"{url} answered {error.code} {error.reason}{hint}") from None
    except urllib.error.URLError as error:
        raise VsanimeError(f"{url} cannot be reached: {error.reason}") from None
    except (OSError, http.client.HTTPException) as error:
        raise VsanimeError(f"{url} cannot be downloaded: {error}") from None
