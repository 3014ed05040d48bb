"""Opens picture files: the one place that calls Pillow's `Image.open`, with the formats that are read."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

from vsanime.errors import VsanimeError

if TYPE_CHECKING:
    from PIL import Image

# Pillow's names. A file's content decides which of them it is, whatever its name says, so nothing is listed that Pillow
# hands to another program (EPS goes to Ghostscript) or to the system (WMF), or opens again as whatever it holds (IPTC).
# "JPEG" brings MPO, which cameras write, with it.
READ_FORMATS = (
    *("PNG", "JPEG", "WEBP", "TIFF", "BMP", "GIF", "AVIF", "JPEG2000", "PPM", "TGA"),
    *("DIB", "DDS", "ICO", "PCX", "PSD", "QOI", "SGI"),
)


@contextmanager
def open_picture(source: Path | BinaryIO) -> Iterator[Image.Image]:
    """Open a picture without decoding its pixels.

    Errors of the block under `with`, where Pillow decodes, become the same kind of error.

    Args:
        source: a file's path, or an open file.

    Raises:
        VsanimeError: Pillow is not installed, or cannot read the picture; the message begins with "it".
    """
    if find_spec("PIL") is None:
        raise VsanimeError('Pillow is not installed, which reads pictures; pip install "vsanime[encode]" brings it')
    from PIL import Image, UnidentifiedImageError

    Image.init()  # else a format that this Pillow does not know would be a KeyError
    formats = [name for name in READ_FORMATS if name in Image.OPEN]
    try:
        if not isinstance(source, Path):
            with Image.open(source, formats=formats) as picture:
                yield picture
            return
        # By its name, Pillow maps gray TIFF into memory, with width for height if it lies sideways.
        with source.open("rb") as file, Image.open(file, formats=formats) as picture:
            yield picture
    except VsanimeError:
        raise
    except UnidentifiedImageError:
        raise VsanimeError("it is no picture, or of a kind that is not known") from None
    except Exception as error:  # damaged files make Pillow raise nearly anything
        reason = getattr(error, "strerror", None) or str(error) or type(error).__name__
        raise VsanimeError(f"it cannot be read: {reason.splitlines()[0]}") from None
