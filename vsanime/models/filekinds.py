"""Describes files that were taken for weights and hold none: pointers, web pages, archives, messages."""

from __future__ import annotations

import json
import re

# Length of the beginning by which file types are recognized.
HEAD_BYTES = 4096
_MOST_QUOTED = 60  # characters quoted from a file in a message
_LEAST_ZEROS = 16
_BLANKS = b"\xef\xbb\xbf \t\r\n"  # the UTF-8 byte order mark and white space
_LFS = re.compile(rb"version https://[\w.-]+/spec/v\d")
_LFS_SIZE = re.compile(rb"^size (\d{1,18})\s*$", re.MULTILINE)
_ANNEX = re.compile(rb"[./]*(\.git)?/annex/objects/")
_HTML = re.compile(rb"(<!--.{0,400}?-->\s*)?<(!doctype html|html|head|body|title|script)\b", re.IGNORECASE | re.DOTALL)
_TITLE = re.compile(rb"<title[^>]{0,200}>([^<]{1,200})", re.IGNORECASE)
_XML_WORDS = re.compile(rb"<(?:Message|Code)>([^<]{1,200})")
_OPENVINO = re.compile(rb"<net\b[^>]{0,200}\bversion=")

_AGAIN = "download it again"
_FILE_ITSELF = (
    "download the file itself, not the page that shows it: on GitHub by its button for the raw file, on Hugging Face "
    "by the address with /resolve/"
)
_ARCHIVES = {
    b"7z\xbc\xaf\x27\x1c": "7z",
    b"Rar!\x1a\x07": "RAR",
    b"\x1f\x8b\x08": "gzip",
    b"BZh": "bzip2",
    b"\xfd7zXZ\x00": "xz",
    b"\x28\xb5\x2f\xfd": "zstd",
    b"LZIP": "lzip",
    b"MSCF": "cabinet",
}
_ZIPS = (b"PK\x03\x04", b"PK\x05\x06", b"PK\x07\x08")
_TAR_AT, _TAR = 257, b"ustar"
# Offset, magic bytes, description.
_OTHERS = (
    (0, b"\x89PNG\r\n\x1a\n", "a picture (PNG)"),
    (0, b"\xff\xd8\xff", "a picture (JPEG)"),
    (0, b"GIF8", "a picture (GIF)"),
    (8, b"WEBP", "a picture (WebP)"),
    (0, b"%PDF-", "a PDF"),
    (0, b"\x1a\x45\xdf\xa3", "a video (Matroska)"),
    (4, b"ftyp", "a video (MP4)"),
    (0, b"\x89HDF\r\n\x1a\n", "an HDF5 file, as Keras writes them"),
    (4, b"TFL3", "a TensorFlow Lite model"),
    (0, b"GGUF", "a GGUF model"),
    (0, b"\x93NUMPY", "a NumPy array"),
    (0, b"ftrt", "a TensorRT engine, which runs on the card that it was built for alone"),
    (0, b"\x7fELF", "a program"),
    (0, b"MZ", "a program for Windows"),
)


def describe(head: bytes) -> str:
    """Return what a file is if it cannot hold weights, and what the user can do; empty if nothing speaks against it.

    Args:
        head: first `HEAD_BYTES` bytes of the file, or all of it.

    Returns:
        The words that follow the file's name in a message, such as "is a 7z archive; extract it".
    """
    if head[4:9] == b"\0\0\0\0{":
        return ""  # safetensors: the first bytes are a length and may match any magic
    text = head.lstrip(_BLANKS)
    if _LFS.match(text):
        size = _LFS_SIZE.search(text)
        of = f" for {int(size[1]):,} bytes" if size else ""
        return (
            f"is a Git LFS pointer{of}, not the file; run `git lfs pull` in its repository, or download the file itself"
        )
    if _ANNEX.match(text):
        return "is a git-annex pointer, not the file; run `git annex get` in its repository"
    if _HTML.match(text):
        return f"is a web page{_quote(_TITLE.search(text))}; {_FILE_ITSELF}"
    if text.startswith((b"<?xml", b"<Error")):
        if _OPENVINO.search(text):
            return "is a network of OpenVINO's own format, which is not read; take the ONNX that it was made of"
        return f"is an XML text{_quote(_XML_WORDS.search(text))}, perhaps a server's message; {_AGAIN}"
    archive = next((kind for magic, kind in _ARCHIVES.items() if head.startswith(magic)), "")
    if head[_TAR_AT : _TAR_AT + len(_TAR)] == _TAR:
        archive = "tar"
    if archive:
        return f"is a {archive} archive; extract it and give the file that is in it"
    kind = next((kind for at, magic, kind in _OTHERS if head[at : at + len(magic)] == magic), "")
    return f"is {kind}, not a network that can be read" if kind else ""


def describe_unknown(head: bytes) -> str:
    """Return what `describe` does for a file that no reader accepts, naming texts, zip archives and zeros as well."""
    if found := describe(head):
        return found
    if head.startswith(_ZIPS):
        return "is a zip archive; extract it and give the file that is in it, or `vsanime import` it if torch wrote it"
    if len(head) >= _LEAST_ZEROS and not head.strip(b"\0"):
        return f"begins with {len(head):,} zeros, as downloads do that were not finished; {_AGAIN}"
    text = _decode(head)
    if not text:
        return ""
    if text.startswith("{"):
        return f"is a JSON text{_quote_json(text)}, perhaps a server's message; {_AGAIN}"
    if "redirect" in text[:200].lower():
        return f"is a server's redirection ({_cut(text)}); download the file from the address that it names"
    if len(head) < HEAD_BYTES:
        return f"is a text of {len(head):,} bytes ({_cut(text)}), perhaps a server's message; {_AGAIN}"
    return f"is a text that begins {_cut(text)}, not a network"


def _decode(head: bytes) -> str:
    """Return the beginning of a text file; empty if it is not text."""
    for encoding, mark in (("utf-16", b"\xff\xfe"), ("utf-16", b"\xfe\xff"), ("utf-8-sig", b"")):
        if head.startswith(mark):
            text = head.decode(encoding, "replace")
            # The last character may be cut.
            bad = sum(not letter.isprintable() and not letter.isspace() for letter in text)
            return "" if bad or "\ufffd" in text[:-1] else text.strip()
    return ""


def _quote(found: re.Match[bytes] | None) -> str:
    return f" ({_cut(found[1].decode('utf-8', 'replace'))})" if found else ""


def _quote_json(text: str) -> str:
    """Return the error message inside a JSON text, in parentheses; empty if there is none."""
    try:
        table = json.loads(text)
    except (ValueError, RecursionError):
        return ""
    said = next((table[key] for key in ("error", "message", "detail", "errors") if key in table), "")
    return f" ({_cut(str(said))})" if said else ""


def _cut(text: str) -> str:
    """Return text of a file for a message: one line, quoted, truncated."""
    line = " ".join(text[: 4 * _MOST_QUOTED].split())
    return repr(line if len(line) <= _MOST_QUOTED else f"{line[:_MOST_QUOTED]}...")
