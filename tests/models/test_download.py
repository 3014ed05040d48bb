"""What a lying server answers is one line, in bounded time and memory, and leaves nothing."""

from __future__ import annotations

import hashlib
import io
import json
import socket
import threading
import time
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO

import pytest

from vsanime.errors import VsanimeError
from vsanime.models import download
from vsanime.models.cards import MOST_BYTES
from vsanime.models.download import Asset, find_assets, open_https

API = "https://api.example.org/releases"
FILE = "net.onnx"
DATA = b"network"
DIGEST = hashlib.sha256(DATA).hexdigest()


def release(**changed: object) -> bytes:
    asset = {"name": FILE, "size": len(DATA), "browser_download_url": f"https://example.org/{FILE}", "digest": None}
    return json.dumps([{"tag_name": "v1", "published_at": "2026", "assets": [asset | changed]}]).encode()


def answers(data: bytes) -> Callable[[str], BinaryIO]:
    return lambda _: io.BytesIO(data)


def one_line(error: pytest.ExceptionInfo[VsanimeError]) -> str:
    text = str(error.value)
    assert text.isprintable(), ascii(text)
    assert len(text) < 600
    return text


@pytest.mark.parametrize(
    "answer",
    [
        b"[" * 100_000,
        b'[{"assets": ' + b"[" * 100_000,
        release().replace(b": 7", b": 1e400"),
        release().replace(b": 7", b": NaN"),
        release().replace(b": 7", b": -1"),
        release().replace(b": 7", b": true"),
        release().replace(b": 7", b": " + b"9" * 5000),
        release().replace(b": 7", b': "7"'),
        release(name=FILE, size=None),
        json.dumps([{"assets": [[]]}]).encode(),
        json.dumps([{"assets": {"name": FILE}}]).encode(),
        json.dumps([[]]).encode(),
        b"\xff\xfe",
        b"7",
    ],
    ids=range(14),
)
def test_a_list_of_releases_that_makes_no_sense(answer: bytes) -> None:
    with pytest.raises(VsanimeError, match="did not answer with a list of releases; try again later") as error:
        find_assets(API, FILE, answers(answer))
    one_line(error)


ADDRESSES = [
    "https://[bad",
    "https://exämple.org/net.onnx",
    "https://example.org/nät.onnx",
    "https://example.org:99999/net.onnx",
    "https://example.org:port/net.onnx",
    "https://",
    "https:///net.onnx",
    "https://example.org/a b",
    "https://example.org/a\r\nHost: other",
    "https://example.org/\x1b[2J",
    "http://example.org/net.onnx",
    "file:///etc/passwd",
    "ftp://example.org/net.onnx",
    "//example.org/net.onnx",
    "net.onnx",
    "",
    "h" * 100_000,
]


@pytest.mark.parametrize("url", ADDRESSES, ids=range(len(ADDRESSES)))
def test_addresses_that_are_none_are_not_opened(url: str, tmp_path: Path) -> None:
    (asset,) = find_assets(API, FILE, answers(release(browser_download_url=url)))
    with pytest.raises(VsanimeError, match="refused to download from") as error:
        download.download(asset, tmp_path / FILE, {DIGEST}, lambda _: pytest.fail("opened"), progress=False)
    one_line(error)
    with pytest.raises(VsanimeError, match="refused to download from"):
        open_https(url)


@pytest.mark.parametrize("host", ["a..b", f"{'a' * 70}.org", "."])
def test_hosts_that_no_name_can_be_are_one_line(host: str, tmp_path: Path) -> None:
    asset = Asset(f"https://{host}/net.onnx", None, 1, "v1")
    with pytest.raises(VsanimeError, match=r"cannot be (downloaded|reached)|it is no address") as error:
        download.download(asset, tmp_path / FILE, None, open_https, progress=False)
    one_line(error)


@contextmanager
def server(answer: Callable[[socket.socket], None]) -> Iterator[Callable[[str], BinaryIO]]:
    """Answer whatever is asked with these bytes of HTTP, redirects followed as `open_https` follows them."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        stop = threading.Event()

        def serve() -> None:
            while not stop.is_set():
                try:
                    connection = listening.accept()[0]
                except OSError:
                    return
                with connection:
                    connection.recv(1 << 16)
                    with suppress(OSError):
                        answer(connection)

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        opener = urllib.request.build_opener(download._HttpsRedirects)
        base = f"http://127.0.0.1:{listening.getsockname()[1]}"
        yield lambda _: opener.open(f"{base}/file", timeout=5)
        stop.set()


def sends(*parts: bytes, every: float = 0.0) -> Callable[[socket.socket], None]:
    def answer(connection: socket.socket) -> None:
        for part in parts:
            connection.sendall(part)
            time.sleep(every)

    return answer


ASSET = Asset(f"https://example.org/{FILE}", DIGEST, len(DATA), "v1")
HEAD = b"HTTP/1.0 200 OK\r\n\r\n"


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        (b"HTTP/1.0 302 Found\r\nLocation: http://example.org/net.onnx\r\n\r\n", "only https addresses are used"),
        (b"HTTP/1.0 302 Found\r\nLocation: file:///etc/passwd\r\n\r\n", "only https|answered 302"),
        (b"HTTP/1.0 302 Found\r\nLocation: https://[bad\r\n\r\n", "cannot be downloaded: |it is no address"),
        (b"HTTP/1.0 302 Found\r\nLocation: https://example.org:99999/\r\n\r\n", "it is no address"),
        (b"HTTP/1.0 302 Found\r\n\r\n", "answered 302"),
        (b"HTTP/1.0 200 OK\r\nA: " + b"a" * 1_000_000 + b"\r\n\r\n", "cannot be downloaded: "),
        (b"HTTP/1.0 200 OK\r\n" + b"A: a\r\n" * 10_000 + b"\r\n", "cannot be downloaded: "),
        (b"HTTP/1.0 200 OK\r\nContent-Length: 99999999999999999999\r\n\r\nnetwurk", "cannot be downloaded: |not kept"),
        (b"HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nZZ\r\n", "cannot be downloaded: |gave"),
        (b"\x00\x01\x02", "cannot be downloaded: "),
        (b"", "cannot be "),
        (b"HTTP/1.0 500 \x1b[2J\x1b]0;title\x07\r\n\r\n", "answered 500"),
        (b"HTTP/1.0 404 " + b"a" * 50_000 + b"\r\n\r\n", "answered 404"),
        (HEAD + b"net", "gave 3 bytes where 7 were announced"),
        (HEAD + b"network and more", "gave more than 7 bytes where 7 were announced"),
        (HEAD + b"netwurk", "has sha256 .*, expected .*; not kept"),
    ],
    ids=range(16),
)
def test_answers_of_a_lying_server(answer: bytes, reason: str, tmp_path: Path) -> None:
    with server(sends(answer)) as open_url, pytest.raises(VsanimeError, match=reason) as error:
        download.download(ASSET, tmp_path / FILE, {DIGEST}, open_url, progress=False)
    one_line(error)


def test_redirects_without_an_end_are_one_line(tmp_path: Path) -> None:
    """Python's own message has several."""

    def loop(url: str) -> BinaryIO:
        raise urllib.error.HTTPError(url, 302, "would lead to an infinite loop.\nThe last was:\nFound", None, None)  # type: ignore[arg-type]  # a response needs no more

    with pytest.raises(
        VsanimeError, match=r"answered 302 would lead to an infinite loop\. The last was: Found"
    ) as error:
        download.download(ASSET, tmp_path / FILE, {DIGEST}, loop, progress=False)
    one_line(error)


def test_what_is_sent_byte_by_byte_takes_bounded_time(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(download, "_DOWNLOAD_SECONDS", 0.3)
    began = time.monotonic()
    slow = sends(HEAD, *[b"a"] * 1000, every=0.02)
    with server(slow) as open_url, pytest.raises(VsanimeError, match="takes longer than 0 seconds") as error:
        download.download(Asset(ASSET.url, None, 1000, "v1"), tmp_path / FILE, None, open_url, progress=False)
    one_line(error)
    assert time.monotonic() - began < 4


@pytest.mark.parametrize("line", [b"HTTP/1.0 200 OK\r\n", b""])
def test_headers_that_do_not_end_take_bounded_time(line: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(download, "_ANSWER_SECONDS", 0.3)
    began = time.monotonic()
    slow = sends(line, *[b"A"] * 1000, every=0.02)
    with server(slow) as open_url, pytest.raises(VsanimeError, match="no answer within 0 seconds") as error:
        find_assets(API, FILE, open_url)
    one_line(error)
    assert time.monotonic() - began < 4


def test_a_list_sent_byte_by_byte_takes_bounded_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(download, "_ANSWER_SECONDS", 0.3)
    slow = sends(HEAD, *[b" "] * 1000, every=0.02)
    with server(slow) as open_url, pytest.raises(VsanimeError, match="takes longer than"):
        find_assets(API, FILE, open_url)


def test_what_is_announced_as_too_large_is_not_asked_for(tmp_path: Path) -> None:
    large = Asset(ASSET.url, None, MOST_BYTES + 1, "v1")
    with pytest.raises(VsanimeError, match=f"announced with {MOST_BYTES + 1} bytes; 64 MiB at most are downloaded"):
        download.download(large, tmp_path / FILE, None, lambda _: pytest.fail("opened"), progress=False)
    small = Asset(ASSET.url, None, len(DATA), "v1")
    with pytest.raises(VsanimeError, match="0 MiB at most"):
        download.download(small, tmp_path / FILE, None, answers(DATA), progress=False, most=3)
    assert download.download(small, tmp_path / FILE, None, answers(DATA), progress=False) == DIGEST


def test_no_more_is_written_than_announced(tmp_path: Path) -> None:
    with pytest.raises(VsanimeError, match="gave more than 7 bytes"):
        download.download(ASSET, tmp_path / FILE, {DIGEST}, answers(b"a" * 1_000_000), progress=False)
    assert (tmp_path / FILE).stat().st_size == len(DATA) + 1


def test_no_more_of_a_list_is_read_than_a_list_has() -> None:
    class Endless(io.RawIOBase):
        given = 0

        def read(self, size: int = -1) -> bytes:
            self.given += size
            return b" " * size

        read1 = read

    endless = Endless()
    with pytest.raises(VsanimeError, match="did not answer with a list"):
        find_assets(API, FILE, lambda _: endless)  # type: ignore[arg-type,return-value]  # it reads, which is all
    assert endless.given <= 8 << 20
