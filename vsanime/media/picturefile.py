"""Reads picture files into upright arrays with their bit depth and alpha, and encodes arrays as picture files."""

from __future__ import annotations

import io
import struct
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from vsanime.arrays import Array
from vsanime.errors import VsanimeError
from vsanime.media.bestsource import open_video
from vsanime.media.pictures import open_picture
from vsanime.media.png16 import SIGNATURE, png16

if TYPE_CHECKING:
    from PIL import Image


_WHITE = 255
_ORIENTATION, _EXIF_IFD, _WIDTH, _HEIGHT = 0x0112, 0x8769, 0xA002, 0xA003  # tags of EXIF
_RAW_EXIF = b"Raw profile type exif"  # keyword of the PNG text chunk that held EXIF before there was `eXIf`
_LONGEST_EXIF = 65533  # bytes, in JPEG
_TIFF_WIDTH, _TIFF_HEIGHT, _TIFF_BITS, _TIFF_SAMPLES, _TIFF_PLANAR = 256, 257, 258, 277, 284  # tags of TIFF
# Functions that turn stored samples upright, by the EXIF orientation.
_UPRIGHT: dict[int, Callable[[Array], Array]] = {
    2: np.fliplr,
    3: lambda samples: np.rot90(samples, 2),
    4: np.flipud,
    5: lambda samples: samples.transpose(1, 0, 2),
    6: lambda samples: np.rot90(samples, -1),
    7: lambda samples: np.rot90(samples, 2).transpose(1, 0, 2),
    8: np.rot90,
}
_SIDEWAYS = range(5, 9)
# Modes of 8 bits or fewer that Pillow converts to gray or RGB with no loss except of precision.
_GRAY_MODES = ("1", "L", "LA", "La")
_COLOR_MODES = ("P", "PA", "RGB", "RGBA", "RGBa", "RGBX", "CMYK", "YCbCr", "HSV")
# Color space at byte 16 of an ICC profile, by the number of channels of the picture.
_PROFILE_SPACES = {1: b"GRAY", 2: b"GRAY", 3: b"RGB ", 4: b"RGB "}


@dataclass(frozen=True)
class Format:
    """A file format for writing pictures.

    Attributes:
        name: Pillow's name of the format.
        options: arguments of Pillow's `save`.
        alpha: whether the format stores transparency.
        gray: whether the format stores pictures of one channel.
        bits: most bits per sample, 8 or 16.
        lossy: whether the format has a quality setting.
        exif: whether EXIF is written.
    """

    name: str
    options: Mapping[str, Any] = field(default_factory=dict)
    alpha: bool = False
    gray: bool = True
    bits: int = 8
    lossy: bool = False
    exif: bool = True


_JPEG = Format("JPEG", {"subsampling": 0}, lossy=True)  # 4:4:4
# Pillow would write EXIF as TIFF's own tags; some of these describe the storage, others are refused by libtiff.
_TIFF = Format("TIFF", {"compression": "tiff_deflate"}, alpha=True, exif=False)
FORMATS = {
    ".png": Format("PNG", alpha=True, bits=16),
    ".jpg": _JPEG,
    ".jpeg": _JPEG,
    ".webp": Format("WEBP", alpha=True, gray=False, lossy=True),
    ".bmp": Format("BMP"),
    ".tif": _TIFF,
    ".tiff": _TIFF,
}
DEFAULT_QUALITY = 95


@dataclass(frozen=True)
class Header:
    """The properties of a picture that are known before it is decoded.

    Attributes:
        width: width of the upright picture in pixels.
        height: height of the upright picture in pixels.
        gray: whether it has a single channel besides alpha.
        alpha: whether it may be transparent.
        bits: bits per sample, 8 or 16.
        orientation: EXIF orientation of the decoded samples, 1 to 8; 1 if decoding turns them upright.
        remark: note for the user, or empty.
    """

    width: int
    height: int
    gray: bool
    alpha: bool
    bits: int
    orientation: int = 1
    remark: str = ""

    @property
    def mode(self) -> str:
        """Pillow's mode of the decoded picture, such as "RGBA"."""
        return ("L" if self.gray else "RGB") + ("A" if self.alpha else "")


def read_header(path: Path) -> Header:
    """Return the header of a picture without decoding its pixels.

    Raises:
        VsanimeError: the picture cannot be read, is animated, is an unsupported 16-bit TIFF, or has a pixel type
            whose white level is unknown.
    """
    with open_picture(path) as picture:
        # MPO photographs of some cameras have a preview as a second frame.
        frames = getattr(picture, "n_frames", 1)
        if frames > 1 and picture.format != "MPO":
            raise VsanimeError(f"it holds {frames} pictures; as a video, OUTPUT ends in .mkv or .mp4")
        _check_tiff(picture)
        layout, deep = _read_stored(picture)
        if not deep and picture.mode not in (*_GRAY_MODES, *_COLOR_MODES):
            raise VsanimeError(
                f"its pixels are of the kind {picture.mode!r}, whose white is not known; "
                "save it as gray or RGB with 8 or 16 bits"
            )
        orientation = _orientation(picture)
        stored = _stored_size(picture)
        width, height = stored[::-1] if orientation in _SIDEWAYS else stored
        if picture.format == "TIFF" and not deep:
            orientation = 1  # Pillow turns TIFF upright when decoding, and no other format
        gray = picture.mode in _GRAY_MODES or (deep and layout in ("I", "LA"))
        remark = "it is CMYK: it becomes RGB without regard to its profile" if picture.mode == "CMYK" else ""
        alpha = picture.has_transparency_data
        return Header(width, height, gray, alpha, 16 if deep else 8, orientation, remark)


def _read_stored(picture: Image.Image) -> tuple[str, bool]:
    """Return the stored channels, such as "I" or "RGB", and whether they have 16 bits (Pillow decodes RGB to 8)."""
    tile = picture.tile[0][3] if getattr(picture, "tile", None) else ""
    channels, _, depth = str(tile[0] if isinstance(tile, tuple) else tile).partition(";")
    # In "BGR;16" of BMP the number counts the bits of a whole pixel; S means signed.
    return channels, depth.startswith("16") and not depth.endswith("S") and not channels.startswith("BGR")


def _stored_size(picture: Image.Image) -> tuple[int, int]:
    """Return width and height as stored; for TIFF, Pillow's own size is that of the upright picture."""
    tiff = picture.format == "TIFF"
    width, height = (picture.tag_v2[tag] for tag in (_TIFF_WIDTH, _TIFF_HEIGHT)) if tiff else picture.size
    return width, height


def _check_tiff(picture: Image.Image) -> None:
    """Raise an error for 16-bit TIFF unless it is gray or interleaved RGB.

    BestSource swaps the channels of little-endian RGBA, and Pillow decodes separate 16-bit planes wrongly.

    Raises:
        VsanimeError: the picture is a 16-bit TIFF with separate planes, alpha or other channels.
    """
    if picture.format != "TIFF" or max(picture.tag_v2.get(_TIFF_BITS, (1,))) != 16:
        return
    samples, planar = picture.tag_v2.get(_TIFF_SAMPLES, 1), picture.tag_v2.get(_TIFF_PLANAR, 1) == 2
    if planar or samples not in (1, 3):
        what = "planes one after the other" if planar else f"{samples} channels, of which some are alpha or inks"
        raise VsanimeError(f"it is a TIFF of 16 bits with {what}; gray and RGB by pixels are read, or PNG with alpha")


def _orientation(picture: Image.Image) -> int:
    """Return the EXIF orientation, 1 to 8; 1 if it is missing or invalid."""
    found = _exif(picture).get(_ORIENTATION, 1)
    return found if found in _UPRIGHT else 1


def _exif(picture: Image.Image) -> Image.Exif:
    """Return the EXIF of a file; empty if it has none or is damaged."""
    from PIL import Image

    try:
        if picture.format == "PNG" and not _may_have_exif(picture):
            return Image.Exif()
        return picture.getexif()
    except Exception:  # EXIF is often damaged, and Pillow raises many kinds of errors for it
        return Image.Exif()


def _may_have_exif(picture: Image.Image) -> bool:
    """Return whether a PNG has an EXIF chunk; Pillow would decode the whole picture to find out."""
    if any(name in picture.info for name in ("exif", "Raw profile type exif")):
        return True
    file = picture.fp
    place = file.tell()
    try:
        file.seek(len(SIGNATURE))
        while len(head := file.read(8)) == 8:
            size, name = struct.unpack(">I4s", head)
            if name == b"eXIf" or (name in (b"tEXt", b"zTXt") and file.peek(len(_RAW_EXIF)).startswith(_RAW_EXIF)):
                return True
            file.seek(size + 4, io.SEEK_CUR)
        return False
    finally:
        file.seek(place)


def read_samples(path: Path, header: Header) -> Array:
    """Return the upright samples, uint8 or uint16: height, width, channels (gray or RGB, then alpha if any).

    Raises:
        VsanimeError: the picture cannot be read, or has changed since its header was read.
    """
    if header.bits == 16:
        stored = _read_deep(path, header)
    else:
        with open_picture(path) as picture:
            stored = np.asarray(picture.convert(header.mode))
        stored = stored.reshape(*stored.shape[:2], -1)
    upright = _UPRIGHT[header.orientation](stored) if header.orientation in _UPRIGHT else stored
    if upright.shape != (header.height, header.width, len(header.mode)):
        raise VsanimeError("it is another picture than a moment ago")
    return upright


def _read_deep(path: Path, header: Header) -> Array:
    """Return the stored samples of a 16-bit picture through BestSource, because Pillow would reduce RGB to 8 bits."""
    import vapoursynth as vs

    missing = 'it has 16 bits, for which BestSource is needed; `pip install "vsanime[encode]"` brings it'
    try:
        clip = open_video(path.resolve(), missing, apply_rotation=False)
        if clip.format.id not in (vs.GRAY16, vs.RGB48):
            raise VsanimeError(f"it is read as {clip.format.name}; save it as gray or RGB with 8 or 16 bits")
        with clip.get_frame(0) as frame:
            planes = [np.asarray(plane).copy() for plane in frame]
            if header.alpha:
                alpha = frame.props.get("_Alpha")
                opaque = np.full_like(planes[0], 65535)
                planes.append(opaque if alpha is None else np.asarray(alpha[0]).copy())
    except vs.Error as error:
        raise VsanimeError(f"it cannot be read: {error}") from None
    return np.stack(planes, -1)


@dataclass(frozen=True)
class Tags:
    """The metadata that is copied from a picture to its result.

    Attributes:
        icc: ICC color profile, or None.
        exif: EXIF data in JPEG's form without an orientation, or None.
    """

    icc: bytes | None = None
    exif: bytes | None = None


def read_tags(path: Path, channels: int, size: tuple[int, int]) -> Tags:
    """Return the color profile and EXIF of a file, adapted to the result.

    Args:
        path: path of the source picture.
        channels: number of channels of the result, 1 to 4; a profile for another color space is omitted.
        size: width and height of the result in pixels, which EXIF states as well.
    """
    with open_picture(path) as picture:
        icc = picture.info.get("icc_profile")
        if not isinstance(icc, bytes) or icc[16:20] != _PROFILE_SPACES[channels]:
            icc = None
        return Tags(icc, _upright_exif(picture, size))


def _upright_exif(picture: Image.Image, size: tuple[int, int]) -> bytes | None:
    if picture.format == "TIFF":  # its tags describe how its pixels are stored
        return None
    try:
        exif = _exif(picture)
        exif.pop(_ORIENTATION, None)
        details = exif.get_ifd(_EXIF_IFD)
        details.update({tag: side for tag, side in zip((_WIDTH, _HEIGHT), size, strict=True) if tag in details})
        packed: bytes = exif.tobytes() if exif else b""
    except Exception:  # damaged EXIF, see `_exif`
        return None
    return packed if 0 < len(packed) <= _LONGEST_EXIF else None


def fit(samples: Array, form: Format) -> Array:
    """Blend samples with white if the format has no alpha, and turn gray into RGB if it has no gray."""
    if samples.shape[2] in (2, 4) and not form.alpha:
        samples = _on_white(samples)
    if samples.shape[2] in (1, 2) and not form.gray:
        samples = np.concatenate([samples[..., :1]] * 3 + [samples[..., 1:]], -1)
    return samples


def _on_white(samples: Array) -> Array:
    """Blend 8-bit samples with white by their last channel, alpha, and drop that."""
    alpha = samples[..., -1:].astype(np.uint16)
    colour = samples[..., :-1] * alpha + _WHITE * (_WHITE - alpha)
    return ((colour + _WHITE // 2) // _WHITE).astype(np.uint8)


def encode(samples: Array, form: Format, tags: Tags, quality: int = DEFAULT_QUALITY) -> bytes:
    """Return the bytes of a picture file.

    Args:
        samples: height, width, channels, as `fit` returns them; uint8, or uint16 for PNG.
        form: format of the file.
        tags: metadata to write.
        quality: quality of lossy formats, 1 to 100.

    Raises:
        VsanimeError: the format cannot store the picture.
    """
    if samples.dtype == np.uint16:
        return png16(samples, tags.icc, tags.exif)
    from PIL import Image

    picture = Image.fromarray(np.ascontiguousarray(samples[..., 0] if samples.shape[2] == 1 else samples))
    exif = tags.exif if form.exif else None
    extra: dict[str, Any] = {name: value for name, value in (("icc_profile", tags.icc), ("exif", exif)) if value}
    if form.lossy:
        extra["quality"] = quality
    file = io.BytesIO()
    try:
        picture.save(file, form.name, **form.options, **extra)
    except (OSError, ValueError, RuntimeError, struct.error) as error:
        height, width = samples.shape[:2]
        raise VsanimeError(f"{width}x{height} pixels cannot be written as {form.name}: {error}") from None
    return file.getvalue()
