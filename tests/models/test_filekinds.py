"""What was saved in the place of weights is called what it is, by every reader that opens weights."""

from __future__ import annotations

import bz2
import gzip
import io
import lzma
import tarfile
import zipfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx.external_data_helper import convert_model_to_external_data

from tests.support import nets, writers
from tests.support.chains import random_net
from vsanime.errors import VsanimeError
from vsanime.models import store
from vsanime.models.cards import find
from vsanime.models.filekinds import HEAD_BYTES, describe, describe_unknown
from vsanime.models.formats import read

LFS = b"version https://git-lfs.github.com/spec/v1\noid sha256:" + b"0" * 64 + b"\nsize 1234567\n"
PAGE = b"\n<!DOCTYPE html>\n<html lang='en'><head><title>ArtCNN/net.onnx at main \xc2\xb7 GitHub</title></head></html>"


def tar(data: bytes) -> bytes:
    file = io.BytesIO()
    with tarfile.open(fileobj=file, mode="w") as archive:
        info = tarfile.TarInfo("net.onnx")
        info.size = len(data)
        archive.addfile(info, io.BytesIO(data))
    return file.getvalue()


def zipped(**files: bytes) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        for name, data in files.items():
            archive.writestr(name.replace("__", "."), data)
    return file.getvalue()


# What no weights begin with: refused wherever bytes of weights are read.
CERTAIN = {
    "LFS": (LFS, r"is a Git LFS pointer for 1,234,567 bytes, not the file; run `git lfs pull`"),
    "annex": (b"/annex/objects/SHA256E-s16--00.onnx\n", "is a git-annex pointer"),
    "page": (PAGE, r"is a web page \('ArtCNN/net.onnx at main · GitHub'\); download the file itself"),
    "page with mark": (b"\xef\xbb\xbf<HTML><body>404</body></HTML>", "is a web page; download the file itself"),
    "page with comment": (b"<!-- saved -->\n<html></html>", "is a web page"),
    "S3": (
        b'<?xml version="1.0"?>\n<Error><Code>NoSuchKey</Code><Message>No such key.</Message></Error>',
        r"is an XML text \('NoSuchKey'\), perhaps a server's message; download it again",
    ),
    "OpenVINO": (b'<?xml version="1.0"?>\n<net name="x" version="11">', "OpenVINO's own format.*take the ONNX"),
    "7z": (b"7z\xbc\xaf\x27\x1c\x00\x04" + bytes(60), "is a 7z archive; extract it"),
    "rar": (b"Rar!\x1a\x07\x01\x00" + bytes(60), "is a RAR archive; extract it"),
    "gz": (gzip.compress(b"x" * 99, mtime=0), "is a gzip archive; extract it"),
    "bz2": (bz2.compress(b"x" * 99), "is a bzip2 archive; extract it"),
    "xz": (lzma.compress(b"x" * 99), "is a xz archive; extract it"),
    "zst": (b"\x28\xb5\x2f\xfd\x04\x00" + bytes(60), "is a zstd archive; extract it"),
    "tar": (tar(b"x" * 99), "is a tar archive; extract it"),
    "png": (b"\x89PNG\r\n\x1a\n" + bytes(60), r"is a picture \(PNG\), not a network"),
    "jpeg": (b"\xff\xd8\xff\xe0\x00\x10JFIF" + bytes(60), r"is a picture \(JPEG\), not a network"),
    "mkv": (b"\x1a\x45\xdf\xa3" + bytes(60), r"is a video \(Matroska\)"),
    "mp4": (b"\0\0\0\x20ftypisom" + bytes(60), r"is a video \(MP4\)"),
    "h5": (b"\x89HDF\r\n\x1a\n" + bytes(60), "is an HDF5 file"),
}
# What some readers may take: refused where none does, and where an ONNX is needed.
PERHAPS = {
    "Hugging Face": (b"Entry not found", r"is a text of 15 bytes \('Entry not found'\), perhaps a server's message"),
    "GitHub": (b"404: Not Found", r"is a text of 14 bytes \('404: Not Found'\)"),
    "redirect": (
        b"Found. Redirecting to https://cdn.example/net.onnx",
        r"is a server's redirection \('Found. Redirecting to https://cdn.example/net.onnx'\)",
    ),
    "JSON": (b'{"message": "Bad credentials", "status": "401"}', r"is a JSON text \('Bad credentials'\), perhaps"),
    "JSON cut": (b'{"error": "Rate limit', "is a JSON text, perhaps a server's message"),
    "UTF-16": ("Zugriff verweigert\r\n".encode("utf-16"), r"is a text of 42 bytes \('Zugriff verweigert'\)"),
    "Python": (b"import torch\n" * 999, r"is a text that begins 'import torch import torch"),
    "zeros": (bytes(9999), "begins with 4,096 zeros, as downloads do that were not finished"),
}


def refused(reader: Callable[[], object], message: str) -> str:
    with pytest.raises(VsanimeError, match=message) as error:
        reader()
    assert "\n" not in str(error.value)
    assert len(str(error.value)) < 700
    return str(error.value)


@pytest.mark.parametrize("name", ["net.onnx", "net.pth", "net.safetensors", "net.bin", "net"])
@pytest.mark.parametrize("kind", [*CERTAIN, *PERHAPS])
def test_import_and_filters_say_what_a_file_is(tmp_path: Path, kind: str, name: str) -> None:
    data, message = {**CERTAIN, **PERHAPS}[kind]
    path = tmp_path / name
    path.write_bytes(data)
    if kind == "zeros" and name == "net.bin":
        message = "ncnn network is two files"
    assert refused(lambda: read(path), message).startswith(str(path))
    assert refused(lambda: store.load(path), CERTAIN.get(kind, PERHAPS.get(kind))[1]).startswith(str(path))  # type: ignore[index]


@pytest.mark.parametrize("kind", CERTAIN)
@pytest.mark.parametrize("suffix", [".param", ".bin"])
def test_either_file_of_an_ncnn_pair(tmp_path: Path, kind: str, suffix: str) -> None:
    data, message = CERTAIN[kind]
    param = writers.ncnn(tmp_path, nets.vgg_7(), half=True)
    param.with_suffix(suffix).write_bytes(data)
    refused(lambda: read(param), message)
    refused(lambda: read(param.with_suffix(".bin")), message)


def test_weights_beside_an_onnx(tmp_path: Path) -> None:
    proto = random_net()
    convert_model_to_external_data(proto, location="net.onnx.data", size_threshold=0)
    onnx.save(proto, tmp_path / "net.onnx")
    store.load(tmp_path / "net.onnx")
    (tmp_path / "net.onnx.data").write_bytes(LFS)
    refused(lambda: store.load(tmp_path / "net.onnx"), "the file 'net.onnx.data' with its weights is a Git LFS pointer")


def test_models_by_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A folder of models that was cloned without Git LFS."""
    monkeypatch.setenv("VSANIME_MODEL_PATH", str(tmp_path))
    variant = find("C4F32")
    (tmp_path / variant.file).write_bytes(LFS)
    refused(lambda: store.load("C4F32"), rf"C4F32: .*{variant.file} is a Git LFS pointer")
    (tmp_path / variant.file).write_bytes(b"Entry not found")
    refused(lambda: store.locate(replace(variant, sha256=("0" * 64,))), "has sha256")


@pytest.mark.parametrize("share", [0.2, 0.5, 0.9, 0.999])
def test_state_dicts_whose_download_was_cut_short(tmp_path: Path, share: float) -> None:
    whole = writers.state_dict_zip(nets.artcnn_c().arrays())
    (tmp_path / "net.pth").write_bytes(whole[: int(share * len(whole))])
    refused(lambda: read(tmp_path / "net.pth"), r"its zip archive is damaged: .*; download it again")


def test_other_zips_say_what_is_in_them(tmp_path: Path) -> None:
    path = tmp_path / "models.zip"
    path.write_bytes(zipped(net__pth=b"x", readme__txt=b"y"))
    refused(lambda: read(path), r"extract it, and give one of the files that are in it: 'net\.pth', 'readme\.txt'$")
    refused(lambda: store.load(path), r"is a zip archive; extract it")
    path.write_bytes(zipped())
    refused(lambda: read(path), "is a zip archive; extract it")
    with path.open("wb") as file:
        np.savez(file, weight=np.ones(3))
    refused(lambda: read(path), r"NumPy's \.npz is not read$")


def test_empty_files(tmp_path: Path) -> None:
    for name in ("net.onnx", "net.pth"):
        (tmp_path / name).write_bytes(b"")
        refused(lambda name=name: read(tmp_path / name), "is empty.*download it again")  # type: ignore[misc]
        refused(lambda name=name: store.load(tmp_path / name), "is empty.*download it again")  # type: ignore[misc]


def test_no_weights_are_taken_for_something_else() -> None:
    """Whatever the length of its header is, with which a safetensors file begins."""
    header = writers.safetensors(nets.vgg_7().arrays())[8:]
    for length in (*range(1, 1 << 16, 7), 0x8B1F, 0x5A4D, 0x088B1F):
        assert describe(length.to_bytes(8, "little") + header) == ""
    net = nets.vgg_7()
    for data in (
        writers.state_dict_zip(net.arrays()),
        writers.state_dict_legacy(net.arrays()),
        writers.waifu2x_json(net).encode(),
        writers.ncnn_bin(net, half=True),
        writers.ncnn_bin(net, half=False),
        writers.ncnn_param(net).encode(),
        random_net().SerializeToString(),
    ):
        assert describe(data[:HEAD_BYTES]) == ""


def test_what_a_file_says_cannot_leave_the_line() -> None:
    said = describe_unknown(b"a\x1b[31m" + b"b" * 500)
    assert said == ""  # control characters are no text
    said = describe(b"<html><title>a\x1b]0;b\x07\nc" + b"d" * 500)
    assert "\x1b" not in said
    assert "\n" not in said
    assert len(said) < 300
