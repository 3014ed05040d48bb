"""Opens picture files with Pillow; only this module calls `Image.open`, so that no other formats are ever read."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

from vsanime.errors import VsanimeError

if TYPE_CHECKING:
    from PIL import Image

# Pillow's names. The content of a file, not its name, decides its format. So no format is listed that Pillow hands to
# another program (EPS: Ghostscript) or to the system (WMF), or whose content it opens again as any format (IPTC).
# "JPEG" includes MPO, which cameras write.
READ_FORMATS = (
    *("PNG", "JPEG", "WEBP", "TIFF", "BMP", "GIF", "AVIF", "JPEG2000", "PPM", "TGA"),
    *("DIB", "DDS", "ICO", "PCX", "PSD", "QOI", "SGI"),
)


@contextmanager
def open_picture(source: Path | BinaryIO) -> Iterator[Image.Image]:
    """Open a picture without decoding its pixels.

    Any exception in the `with` block, where Pillow decodes, becomes a VsanimeError too.

    Args:
        source: path of a file, or an open binary file.

    Raises:
        VsanimeError: Pillow is not installed, or cannot read the picture; the latter message begins with "it".
    """
    if find_spec("PIL") is None:
        raise VsanimeError('Pillow is not installed, which reads pictures; `pip install "vsanime[encode]"` brings it')
    from PIL import Image, UnidentifiedImageError

    Image.init()  # fills Image.OPEN; a format that this Pillow does not know would be a KeyError
    formats = [name for name in READ_FORMATS if name in Image.OPEN]
    try:
        if not isinstance(source, Path):
            with Image.open(source, formats=formats) as picture:
                yield picture
            return
        # Given a path, Pillow memory-maps gray TIFF, with width and height swapped if its orientation is sideways.
        with source.open("rb") as file, Image.open(file, formats=formats) as picture:
            yield picture
    except VsanimeError:
        raise
    except UnidentifiedImageError:
        raise VsanimeError("it is no picture, or of a kind that is not known") from None
    except Exception as error:  # damaged files make Pillow raise nearly anything
        reason = getattr(error, "strerror", None) or str(error) or type(error).__name__
        raise VsanimeError(f"it cannot be read: {reason.splitlines()[0]}") from None
