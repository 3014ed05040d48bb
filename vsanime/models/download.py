"""Downloads one file over https: finds the release that has it, and checks its size and digest."""

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

_TIMEOUT_SECONDS = 30.0  # until a connection or the next byte
_CHUNK_BYTES = 1 << 16
# A hundred releases with all their assets are about 3 MB.
_MOST_ANSWER_BYTES = 8 << 20
# A server may trickle bytes forever. Shorter than the wait for another process that downloads the same file.
_ANSWER_SECONDS = 60.0
_DOWNLOAD_SECONDS = 540.0
_MOST_SHOWN = 200  # characters of a server's text in a message


@dataclass(frozen=True)
class Asset:
    """A file of a release.

    Attributes:
        url: https address of the file.
        sha256: digest that the API publishes, lower-case hexadecimal; None if it publishes none.
        size: size in bytes.
        release: tag of the release.
    """

    url: str
    sha256: str | None
    size: int
    release: str


class _HttpsRedirects(urllib.request.HTTPRedirectHandler):
    """A redirect handler that follows https addresses only."""

    def redirect_request(
        self, req: urllib.request.Request, fp: IO[bytes], code: int, msg: str, headers: Any, newurl: str
    ) -> urllib.request.Request | None:
        _demand_https(newurl)
        return super().redirect_request(req, fp, code, msg, headers, newurl)


def open_https(url: str) -> BinaryIO:
    """Open an https address for reading, through the system's proxy."""
    _demand_https(url)
    request = urllib.request.Request(url, headers={"User-Agent": f"vsanime/{__version__}"})
    opener = urllib.request.build_opener(_HttpsRedirects)
    response: BinaryIO = opener.open(request, timeout=_TIMEOUT_SECONDS)
    return response


def find_assets(releases_url: str, file: str, open_url: OpenUrl) -> list[Asset]:
    """Return the assets of a name in all releases, the newest release first.

    Args:
        releases_url: releases API of a GitHub repository.
        file: name of the asset.
        open_url: opens an https address.

    Raises:
        VsanimeError: if there is no answer, the answer cannot be parsed, or no release has that file.
    """
    with _explain(releases_url), _open(f"{releases_url}?per_page=100", open_url) as answer:
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
    """Convert the API's description of a file.

    Raises:
        TypeError, ValueError: if a value is missing or invalid.
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
    """Download to `target`, flush it to the disk, check it, and return its SHA-256.

    Args:
        asset: file to download.
        target: path to write to.
        accepted: accepted digests; None accepts any.
        open_url: opens an https address.
        progress: whether to draw a progress bar on stderr.
        most: largest accepted size in bytes.

    Raises:
        VsanimeError: if there is no connection, the file is too large, too slow or cut short, or its digest is not
            accepted.
    """
    if asset.size > most:
        raise VsanimeError(f"{asset.url} is announced with {asset.size} bytes; {most >> 20} MiB at most are downloaded")
    with _explain(asset.url), _open(asset.url, open_url) as source, target.open("wb") as sink:
        digest, size = _copy(source, sink, asset, progress)
    if size != asset.size:
        given = f"more than {asset.size}" if size > asset.size else size
        raise VsanimeError(f"{asset.url} gave {given} bytes where {asset.size} were announced; try again")
    if accepted is not None and digest not in accepted:
        raise VsanimeError(f"{asset.url} has sha256 {digest}, expected {' or '.join(sorted(accepted))}; not kept")
    return digest


def _copy(source: BinaryIO, sink: BinaryIO, asset: Asset, progress: bool) -> tuple[str, int]:
    """Copy at most one byte more than announced; return the SHA-256 and the number of bytes."""
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
    """Yield a response in chunks until its end, or until `most` bytes were read.

    Raises:
        TimeoutError: after `seconds`, however steadily the server sends.
    """
    # read1 returns what has arrived; read would wait for a whole chunk before the clock is checked.
    read = getattr(source, "read1", source.read)
    end = time.monotonic() + seconds
    while most > 0 and (chunk := read(min(_CHUNK_BYTES, most))):
        yield chunk
        most -= len(chunk)
        if time.monotonic() > end:
            raise TimeoutError(f"it takes longer than {seconds:.0f} seconds")


def _open(url: str, open_url: OpenUrl) -> BinaryIO:
    """Open an address within a minute; unresolved names and endless headers would take longer otherwise.

    Raises:
        TimeoutError: if it takes longer.
    """
    _demand_https(url)
    outcome: list[BinaryIO | BaseException] = []

    def work() -> None:
        try:
            outcome.append(open_url(url))
        except BaseException as error:  # raised again below, in the calling thread
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
    """Check that an address is a valid https address.

    Raises:
        VsanimeError: if it is not.
    """
    try:
        parts = urlsplit(url)
        # A port that is out of range or not a number raises ValueError.
        good = parts.scheme == "https" and bool(parts.hostname) and (parts.port is None or parts.port > 0)
        url.encode("ascii")
    except ValueError:
        raise VsanimeError(f"refused to download from {_show(url)}: it is no address") from None
    if not good or any(character <= " " or character == "\x7f" for character in url):
        raise VsanimeError(f"refused to download from {_show(url)}: only https addresses are used")


def _show(url: str) -> str:
    return ascii(url if len(url) <= _MOST_SHOWN else f"{url[:_MOST_SHOWN]}...")


@contextmanager
def _explain(url: str) -> Iterator[None]:
    """Convert network errors into one-line messages."""
    try:
        yield
    except urllib.error.HTTPError as error:
        hint = "; too many requests from this address, try again in an hour" if error.code in (403, 429) else ""
        raise VsanimeError(f"{url} answered {error.code} {_one_line(error.reason)}{hint}") from None
    except urllib.error.URLError as error:
        raise VsanimeError(f"{url} cannot be reached: {_one_line(error.reason)}") from None
    # Redirects to malformed addresses raise ValueError and OverflowError.
    except (OSError, http.client.HTTPException, ValueError, OverflowError) as error:
        raise VsanimeError(f"{url} cannot be downloaded: {_one_line(error)}") from None


def _one_line(error: object) -> str:
    """Return an error's text as one line of bounded length, since servers control parts of it."""
    text = clean_line(" ".join(str(error).split()))
    return text if len(text) <= _MOST_SHOWN else f"{text[:_MOST_SHOWN]}..."
