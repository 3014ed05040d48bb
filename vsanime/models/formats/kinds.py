"""Lists the supported file formats and reads a file of any of them, recognized by its first bytes and its name."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from vsanime.architectures.base import Imported, Wishes
from vsanime.errors import VsanimeError, quote
from vsanime.models.filekinds import describe_unknown
from vsanime.models.formats import files, ncnn, otheronnx, safetensors, torch, waifu2x_json
from vsanime.models.formats.shaders import reader
from vsanime.models.licences import write_note


@dataclass(frozen=True)
class Format:
    """A file format.

    Attributes:
        kind: the format's name for users.
        recognizes: returns whether a file with these first bytes and this path has this format.
        read: reads a file of this format, with the user's wishes.
    """

    kind: str
    recognizes: Callable[[bytes, Path], bool]
    read: Callable[[Path, Wishes], Imported]


def by_content(recognizes: Callable[[bytes], bool]) -> Callable[[bytes, Path], bool]:
    """Adapt a check of the first bytes to formats that need no path."""
    return lambda beginning, _: recognizes(beginning)


def refuse_wishes(read: Callable[[Path], Imported]) -> Callable[[Path, Wishes], Imported]:
    """Adapt a reader of files that describe their network completely: any wish is an error."""

    def checked(path: Path, wishes: Wishes) -> Imported:
        for name, wish in (("activation", wishes.activation), ("upsample", wishes.upsample)):
            if wish is not None:
                raise VsanimeError(f"{name} {quote(wish)} was asked for; this kind of file says itself which it has")
        return read(path)

    return checked


# In the order in which they are tried. A new importer adds one line.
FORMATS = (
    Format("ncnn (.param and .bin)", ncnn.recognizes, refuse_wishes(ncnn.read)),
    Format("waifu2x's JSON", by_content(waifu2x_json.recognizes), refuse_wishes(waifu2x_json.read)),
    Format("ArtCNN's mpv shaders", by_content(reader.recognizes), refuse_wishes(reader.read)),
    Format("safetensors", by_content(safetensors.recognizes), safetensors.read),
    Format("torch state-dicts (.pt, .pth, .pk)", by_content(torch.recognizes), torch.read),
    Format("AnimeGANv2's ONNX", otheronnx.recognizes, refuse_wishes(otheronnx.read)),
)


def read_any(path: Path, wishes: Wishes) -> Imported:
    """Read a file of any format; see `vsanime.models.formats.read`.

    Raises:
        VsanimeError: with a message that begins with the path.
    """
    try:
        beginning = files.head(path)
        form = next((form for form in FORMATS if form.recognizes(beginning, path)), None)
        if form is None:
            raise VsanimeError(_unknown(path, beginning))
        imported = form.read(path, wishes)
        # Files made from these weights later must name the copyright holders.
        write_note(imported.proto, imported.licence)
        return imported
    except VsanimeError as error:
        # An importer may have put the path into the message already.
        message = str(error)
        raise VsanimeError(message if message.startswith(str(path)) else f"{path}: {message}") from None


def _unknown(path: Path, beginning: bytes) -> str:
    if kind := describe_unknown(beginning):
        return f"of no kind that is read: it {kind}"
    if path.suffix.lower() == ".safetensors":
        return (
            "does not begin as a safetensors file does, with the length of its header; it is damaged or something else"
        )
    return f"of no kind that is read; these are: {', '.join(form.kind for form in FORMATS)}"
