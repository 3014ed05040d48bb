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

from vsanime.cli.picturefile import FORMATS, Header, Tags, encoded, fitted, read_header, read_samples, read_tags
from vsanime.cli.png16 import png16
from vsanime.errors import VsanimeError

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


@pytest.mark.parametrize("number", range(1, 9))
@pytest.mark.parametrize("kind", ["8 bits", "16 bits", "EXIF behind the pixels"])
def test_pictures_come_upright(kind: str, number: int, tmp_path: Path) -> None:
    path, exif = tmp_path / "a.png", turned(number)
    if kind == "16 bits":
        path.write_bytes(png16(noise(3, np.uint16), exif=exif))
    elif kind == "8 bits":
        Image.fromarray(noise(3)).save(path, exif=exif)
    else:
        file = io.BytesIO()
        Image.fromarray(noise(3)).save(file, "PNG")
        whole = file.getvalue()
        path.write_bytes(whole[:-12] + png_chunk(b"eXIf", exif.removeprefix(b"Exif\0\0")) + whole[-12:])
    header = read_header(path)
    found = read_samples(path, header)
    with Image.open(path) as picture:
        expected = np.asarray(ImageOps.exif_transpose(picture))
    assert found.shape == expected.shape == (header.height, header.width, 3)
    if kind == "16 bits":
        found = (found >> 8).astype(np.uint8)
    np.testing.assert_array_equal(found, expected)


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
        made = encoded(noise(3, dtype), FORMATS[suffix], tags)
        with Image.open(io.BytesIO(made)) as picture:
            found = picture.getexif()
            assert picture.info["icc_profile"] == profile
            assert ORIENTATION not in found
            assert found[0x010F] == "Camera"
            details = found.get_ifd(0x8769)
            assert (details[0xA002], details[0xA003], details[0x9003]) == (140, 90, "2020:01:02 03:04:05")
    # It would say nothing right of a gray picture.
    assert read_tags(path, 1, (140, 90)).icc is None


@pytest.mark.parametrize("suffix", FORMATS)
@pytest.mark.parametrize("channels", [1, 2, 3, 4])
def test_every_format_holds_every_picture(suffix: str, channels: int) -> None:
    form = FORMATS[suffix]
    samples = fitted(noise(channels), form)
    with Image.open(io.BytesIO(encoded(samples, form, Tags(), 95))) as picture:
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
    np.testing.assert_array_equal(fitted(samples, FORMATS[".jpg"]), expected)


def test_quality_is_that_of_the_format() -> None:
    sizes = [len(encoded(noise(3), FORMATS[".webp"], Tags(), quality)) for quality in (20, 95)]
    assert sizes[0] < sizes[1]


def test_what_a_format_cannot_hold_is_told() -> None:
    with pytest.raises(VsanimeError, match="16384x1 pixels cannot be written as WEBP"):
        encoded(np.zeros((1, 16384, 3), np.uint8), FORMATS[".webp"], Tags())
