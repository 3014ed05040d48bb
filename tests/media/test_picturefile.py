"""Picture files as arrays and back, compared with what Pillow, ffmpeg and BestSource make of them."""

from __future__ import annotations

import io
import struct
import zlib
from pathlib import Path

import numpy as np
import pytest
import vapoursynth as vs
from PIL import Image, ImageCms, ImageOps

from vsanime.errors import VsanimeError
from vsanime.media.picturefile import FORMATS, Header, Tags, encode, fit, read_header, read_samples, read_tags
from vsanime.media.png16 import png16

HEIGHT, WIDTH = 70, 45  # more rows than are filtered at a time
ORIENTATION = 0x0112


def noise(channels: int, dtype: type = np.uint8) -> np.ndarray:
    """Smooth enough that every filter of PNG has something to predict, and the whole range of codes."""
    rng = np.random.default_rng(channels)
    peak = np.iinfo(dtype).max
    ramp = np.linspace(0, 0.8, HEIGHT)[:, None, None] + np.linspace(0, 0.1, WIDTH)[None, :, None]
    return np.rint(np.clip(ramp + 0.1 * rng.random((HEIGHT, WIDTH, channels)), 0, 1) * peak).astype(dtype)


def png_chunk(name: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))


def turned(number: int) -> bytes:
    exif = Image.Exif()
    exif[ORIENTATION] = number
    return exif.tobytes()


def tiff(samples: np.ndarray, order: str = "<", *, planar: bool = False, orientation: int = 1) -> bytes:
    """An uncompressed TIFF; Pillow writes none of 16 bits in colour."""
    height, width, channels = samples.shape
    stored = samples.astype(samples.dtype.newbyteorder(order))
    data = (stored.transpose(2, 0, 1) if planar else stored).tobytes()
    strips = channels if planar else 1
    size, sixteen, thirtytwo = len(data) // strips, "H", "I"
    tags = [
        (256, thirtytwo, [width]),
        (257, thirtytwo, [height]),
        (258, sixteen, [8 * samples.itemsize] * channels),
        (259, sixteen, [1]),  # not compressed
        (262, sixteen, [2 if channels > 2 else 1]),  # RGB, or gray
        (273, thirtytwo, [8 + n * size for n in range(strips)]),
        (274, sixteen, [orientation]),
        (277, sixteen, [channels]),
        (278, thirtytwo, [height]),
        (279, thirtytwo, [size] * strips),
        (284, sixteen, [2 if planar else 1]),
    ]
    if channels in (2, 4):
        tags.append((338, sixteen, [2]))  # alpha
    entries, beyond = struct.pack(f"{order}H", len(tags)), b""
    for tag, kind, values in tags:
        packed = struct.pack(f"{order}{len(values)}{kind}", *values)
        if len(packed) > 4:
            place = 8 + len(data) + 2 + 12 * len(tags) + 4 + len(beyond)
            packed, beyond = struct.pack(f"{order}I", place), beyond + packed
        entries += struct.pack(f"{order}HHI", tag, 3 if kind == sixteen else 4, len(values)) + packed.ljust(4, b"\0")
    head = (b"II" if order == "<" else b"MM") + struct.pack(f"{order}HI", 42, 8 + len(data))
    return head + data + entries + bytes(4) + beyond


@pytest.mark.parametrize("channels", [1, 2, 3, 4])
def test_16_bits_are_read_back_by_others(channels: int, tmp_path: Path) -> None:
    wanted, path = noise(channels, np.uint16), tmp_path / "ö %03d.png"
    path.write_bytes(png16(wanted))
    with vs.core.bs.VideoSource(str(path), cachemode=0, showprogress=False).get_frame(0) as frame:
        colour = np.stack([np.asarray(plane) for plane in frame], -1)
        alpha = np.asarray(frame.props["_Alpha"][0]) if channels in (2, 4) else None
    np.testing.assert_array_equal(colour, wanted[..., : 3 if channels > 2 else 1])
    if alpha is not None:
        np.testing.assert_array_equal(alpha, wanted[..., -1])
    with Image.open(path) as picture:
        picture.load()  # checks the sums
        assert picture.size == (WIDTH, HEIGHT)


@pytest.mark.parametrize("channels", [1, 2, 3, 4])
def test_16_bits_are_read(channels: int, tmp_path: Path) -> None:
    path = tmp_path / "deep.png"
    path.write_bytes(png16(noise(channels, np.uint16)))
    header = read_header(path)
    assert header == Header(WIDTH, HEIGHT, channels < 3, channels in (2, 4), 16)
    np.testing.assert_array_equal(read_samples(path, header), noise(channels, np.uint16))


@pytest.mark.parametrize("mode", ["1", "L", "LA", "P", "RGB", "RGBA", "CMYK"])
def test_8_bits_are_read_as_pillow_converts_them(mode: str, tmp_path: Path) -> None:
    whole = Image.fromarray(noise(4 if "A" in mode else 3))
    picture = whole.quantize(16) if mode == "P" else whole.convert(mode)
    path = tmp_path / ("a.tif" if mode == "CMYK" else "a.png")
    picture.save(path)
    header = read_header(path)
    wanted = {"1": "L", "L": "L", "LA": "LA", "P": "RGB", "RGB": "RGB", "RGBA": "RGBA", "CMYK": "RGB"}[mode]
    assert (header.mode, header.bits, header.width, header.height) == (wanted, 8, WIDTH, HEIGHT)
    expected = np.asarray(picture.convert(wanted)).reshape(HEIGHT, WIDTH, -1)
    np.testing.assert_array_equal(read_samples(path, header), expected)
    assert ("CMYK" in header.remark) == (mode == "CMYK")


@pytest.mark.parametrize("mode", ["L", "RGB", "P"])
def test_one_transparent_colour_is_transparency(mode: str, tmp_path: Path) -> None:
    picture = Image.fromarray(noise(3)).quantize(8) if mode == "P" else Image.fromarray(noise(3)).convert(mode)
    value = picture.getpixel((3, 4))
    path = tmp_path / "a.png"
    picture.save(path, transparency=value)
    header = read_header(path)
    assert header.alpha
    alpha = read_samples(path, header)[..., -1]
    assert alpha[4, 3] == 0
    assert set(np.unique(alpha)) == {0, 255}


def _oriented_png16(path: Path, exif: bytes) -> None:
    path.write_bytes(png16(noise(3, np.uint16), exif=exif))


def _oriented_behind_the_pixels(path: Path, exif: bytes) -> None:
    file = io.BytesIO()
    Image.fromarray(noise(3)).save(file, "PNG")
    whole = file.getvalue()
    path.write_bytes(whole[:-12] + png_chunk(b"eXIf", exif.removeprefix(b"Exif\0\0")) + whole[-12:])


ORIENTED = {
    "a.png": lambda path, number: Image.fromarray(noise(3)).save(path, exif=turned(number)),
    "deep.png": lambda path, number: _oriented_png16(path, turned(number)),
    "behind.png": lambda path, number: _oriented_behind_the_pixels(path, turned(number)),
    "a.jpg": lambda path, number: Image.fromarray(noise(3)).save(path, exif=turned(number)),
    "a.webp": lambda path, number: Image.fromarray(noise(3)).save(path, exif=turned(number), lossless=True),
    "a.tif": lambda path, number: path.write_bytes(tiff(noise(3), orientation=number)),
    "deep.tif": lambda path, number: path.write_bytes(tiff(noise(3, np.uint16), orientation=number)),
    "gray.tif": lambda path, number: path.write_bytes(tiff(noise(1), orientation=number)),
}


@pytest.mark.parametrize("number", range(1, 9))
@pytest.mark.parametrize("name", ORIENTED)
def test_pictures_come_upright(name: str, number: int, tmp_path: Path) -> None:
    path = tmp_path / name
    ORIENTED[name](path, number)
    header = read_header(path)
    found = read_samples(path, header)
    with Image.open(io.BytesIO(path.read_bytes())) as picture:
        picture.load()  # which turns TIFF; of a file by name that is gray, sideways and not compressed, wrongly
        upright = np.asarray(ImageOps.exif_transpose(picture))
    expected = upright.reshape(*upright.shape[:2], -1)
    assert found.shape == expected.shape == (header.height, header.width, expected.shape[2])
    assert (found.shape[0] > found.shape[1]) == (number < 5)
    if name.startswith("deep"):
        found = (found >> 8).astype(np.uint8)
    np.testing.assert_array_equal(found, expected)


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
@pytest.mark.parametrize("order", ["<", ">"], ids=["little", "big"])
@pytest.mark.parametrize("channels", [1, 3, 4])
@pytest.mark.parametrize("planar", [False, True])
def test_tiff_is_read_rightly_or_refused(planar: bool, channels: int, order: str, dtype: type, tmp_path: Path) -> None:
    samples, path = noise(channels, dtype), tmp_path / "a.tif"
    path.write_bytes(tiff(samples, order, planar=planar))
    if dtype == np.uint16 and (planar or channels == 4):
        with pytest.raises(VsanimeError, match=r"(TIFF of 16 bits with (planes one|4 channels)|cannot be read)"):
            read_header(path)
        return
    header = read_header(path)
    assert header == Header(WIDTH, HEIGHT, channels == 1, channels == 4, 16 if dtype == np.uint16 else 8)
    np.testing.assert_array_equal(read_samples(path, header), samples)


def test_a_bmp_of_16_bits_a_pixel_has_8_a_channel(tmp_path: Path) -> None:
    """5, 6 and 5 of them."""
    codes = np.arange(64 * 16, dtype="<u2").reshape(16, 64) * 61
    head = struct.pack("<IiiHHIIiiII3I", 40, 64, 16, 1, 16, 3, codes.nbytes, 0, 0, 0, 0, 0xF800, 0x07E0, 0x001F)
    path = tmp_path / "a.bmp"
    path.write_bytes(b"BM" + struct.pack("<IHHI", 66 + codes.nbytes, 0, 0, 66) + head + codes.tobytes())
    header = read_header(path)
    assert header == Header(64, 16, gray=False, alpha=False, bits=8)
    parts = np.stack([codes >> 11, codes >> 5 & 63, codes & 31], -1)[::-1] / np.array([31, 63, 31])
    assert np.abs(read_samples(path, header) - parts * 255).max() <= 1


def test_a_header_is_read_without_the_pixels(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As Pillow would for EXIF of a PNG, which may stand behind them."""
    path = tmp_path / "a.png"
    Image.fromarray(noise(3)).save(path)
    monkeypatch.setattr("PIL.ImageFile.ImageFile.load", lambda _: pytest.fail("the picture is decoded"))
    assert read_header(path).orientation == 1


@pytest.mark.filterwarnings("ignore:Corrupt EXIF")
def test_damaged_exif_is_no_reason_to_refuse_a_picture(tmp_path: Path) -> None:
    path = tmp_path / "a.jpg"
    Image.fromarray(noise(3)).save(path, exif=b"Exif\0\0II*\0\xff\xff\xff\x7f nonsense")
    assert read_header(path).orientation == 1
    assert read_tags(path, 3, (WIDTH, HEIGHT)).exif is None


def _animated(path: Path) -> Path:
    frames = [Image.fromarray(noise(n)) for n in (3, 4)]
    frames[0].save(path, save_all=True, append_images=frames[1:], duration=100)
    return path


def test_what_is_no_still_picture_is_refused(tmp_path: Path) -> None:
    text, cut, floats = tmp_path / "t.png", tmp_path / "cut.png", tmp_path / "f.tif"
    text.write_text("hello")
    Image.fromarray(noise(3)).save(cut)
    cut.write_bytes(cut.read_bytes()[:1500])
    Image.fromarray(np.zeros((4, 4), np.float32)).save(floats)
    for path, message in (
        (text, "no picture"),
        (_animated(tmp_path / "a.gif"), "holds 2 pictures"),
        (_animated(tmp_path / "a.webp"), "holds 2 pictures"),
        (floats, "'F', whose white is not known"),
        (tmp_path / "nothing.png", "cannot be read"),
    ):
        with pytest.raises(VsanimeError, match=message):
            read_header(path)
    with pytest.raises(VsanimeError, match="cannot be read: "):
        read_samples(cut, read_header(cut))


def test_a_profile_and_exif_go_along_upright(tmp_path: Path) -> None:
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    exif = Image.Exif()
    exif[ORIENTATION] = 6
    exif[0x010F] = "Camera"
    exif[0x8769] = {0xA002: WIDTH, 0xA003: HEIGHT, 0x9003: "2020:01:02 03:04:05"}
    path = tmp_path / "a.jpg"
    Image.fromarray(noise(3)).save(path, exif=exif, icc_profile=profile)
    tags = read_tags(path, 3, (140, 90))
    assert tags.icc == profile
    for suffix, dtype in ((".png", np.uint16), (".png", np.uint8), (".jpg", np.uint8), (".webp", np.uint8)):
        made = encode(noise(3, dtype), FORMATS[suffix], tags)
        with Image.open(io.BytesIO(made)) as picture:
            found = picture.getexif()
            assert picture.info["icc_profile"] == profile
            assert ORIENTATION not in found
            assert found[0x010F] == "Camera"
            details = found.get_ifd(0x8769)
            assert (details[0xA002], details[0xA003], details[0x9003]) == (140, 90, "2020:01:02 03:04:05")
    # TIFF gets the profile alone, BMP neither.
    for suffix in (".tif", ".bmp"):
        made = encode(noise(3), FORMATS[suffix], tags)
        with Image.open(io.BytesIO(made)) as picture:
            np.testing.assert_array_equal(np.asarray(picture), noise(3))
            assert 0x010F not in picture.getexif()
            assert picture.info.get("icc_profile") == (profile if suffix == ".tif" else None)
    # It would say nothing right of a gray picture.
    assert read_tags(path, 1, (140, 90)).icc is None


def test_what_a_library_beneath_cannot_write_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object, **__: object) -> None:
        raise RuntimeError("Error setting from dictionary")

    monkeypatch.setattr("PIL.Image.Image.save", fail)
    with pytest.raises(VsanimeError, match="45x70 pixels cannot be written as TIFF: Error setting from dictionary"):
        encode(noise(3), FORMATS[".tif"], Tags())


@pytest.mark.parametrize("suffix", FORMATS)
@pytest.mark.parametrize("channels", [1, 2, 3, 4])
def test_every_format_holds_every_picture(suffix: str, channels: int) -> None:
    form = FORMATS[suffix]
    samples = fit(noise(channels), form)
    with Image.open(io.BytesIO(encode(samples, form, Tags(), 95))) as picture:
        assert picture.format == form.name
        mode = ("L" if channels < 3 and form.gray else "RGB") + ("A" if channels in (2, 4) and form.alpha else "")
        assert picture.mode == mode
        found = np.asarray(picture).reshape(HEIGHT, WIDTH, -1)
    if form.lossy:
        assert np.abs(found.astype(int) - samples).mean() < 8  # coloured noise, and WebP halves colour
    else:
        np.testing.assert_array_equal(found, samples)


def test_white_is_put_under_what_is_transparent() -> None:
    samples = np.array([[[10, 20, 30, 255], [10, 20, 30, 0], [0, 100, 255, 51]]], np.uint8)
    expected = [[[10, 20, 30], [255, 255, 255], [204, 224, 255]]]
    np.testing.assert_array_equal(fit(samples, FORMATS[".jpg"]), expected)


def test_quality_is_that_of_the_format() -> None:
    sizes = [len(encode(noise(3), FORMATS[".webp"], Tags(), quality)) for quality in (20, 95)]
    assert sizes[0] < sizes[1]


def test_what_a_format_cannot_hold_is_told() -> None:
    with pytest.raises(VsanimeError, match="16384x1 pixels cannot be written as WEBP"):
        encode(np.zeros((1, 16384, 3), np.uint8), FORMATS[".webp"], Tags())
