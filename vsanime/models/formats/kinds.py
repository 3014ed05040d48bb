"""The kinds of file that are read, told apart by how they begin; by name where that may mean anything."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from vsanime.errors import VsanimeError, quote
from vsanime.models.filekinds import describe_unknown
from vsanime.models.formats import Imported, Wishes, files, generator, ncnn, safetensors, torch, waifu2x_json
from vsanime.models.formats.shaders import reader
from vsanime.models.licences import write_note


@dataclass(frozen=True)
class Format:
    """A kind of file.

    Attributes:
        kind: what users call it.
        recognises: whether a file that begins with these bytes, and has this path, is of this kind.
        read: reads it, with what was asked for.
    """

    kind: str
    recognises: Callable[[bytes, Path], bool]
    read: Callable[[Path, Wishes], Imported]


def by_content(recognises: Callable[[bytes], bool]) -> Callable[[bytes, Path], bool]:
    """For formats whose beginning is enough."""
    return lambda beginning, _: recognises(beginning)


def stated(read: Callable[[Path], Imported]) -> Callable[[Path, Wishes], Imported]:
    """For formats that say themselves what their network does."""

    def checked(path: Path, wishes: Wishes) -> Imported:
        for name, wish in (("activation", wishes.activation), ("upsample", wishes.upsample)):
            if wish is not None:
                raise VsanimeError(f"{name} {quote(wish)} was asked for; this kind of file says itself which it has")
        return read(path)

    return checked


# In the order in which they are tried. A new importer is one line.
FORMATS = (
    Format("ncnn (.param and .bin)", ncnn.recognises, stated(ncnn.read)),
    Format("waifu2x's JSON", by_content(waifu2x_json.recognises), stated(waifu2x_json.read)),
    Format("ArtCNN's mpv shaders", by_content(reader.recognises), stated(reader.read)),
    Format("safetensors", by_content(safetensors.recognises), safetensors.read),
    Format("torch state-dicts (.pt, .pth, .pk)", by_content(torch.recognises), torch.read),
    Format("AnimeGANv2's ONNX", generator.recognises, stated(generator.read)),
)


def read_any(path: Path, wishes: Wishes) -> Imported:
    """Reads a file of any kind; see `vsanime.models.formats.read`.

    Raises:
        VsanimeError: begins with the path.
    """
    try:
        beginning = files.head(path)
        form = next((form for form in FORMATS if form.recognises(beginning, path)), None)
        if form is None:
            raise VsanimeError(_unknown(path, beginning))
        imported = form.read(path, wishes)
        # What is made of these weights later has to say whose they are.
        write_note(imported.proto, imported.licence)
        return imported
    except VsanimeError as error:
        # An importer may have named the file itself.
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
