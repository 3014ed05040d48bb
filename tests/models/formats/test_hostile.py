"""Files that are damaged or meant to harm: one VsanimeError each, nothing run, no memory for what is not there."""

from __future__ import annotations

import io
import json
import os
import pickle
import struct
import tracemalloc
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest

from tests.support import nets, writers
from tests.support.writers import name, pickled, tensor, value
from vsanime.errors import VsanimeError
from vsanime.models.formats import files, kinds, read

NET = nets.vgg_7((3, 1, 1, 1, 1, 1, 1, 1))
WEIGHT = np.ones((1, 1, 3, 3), np.float32)
# A reader needs a few times the size of these small files; what they announce is gigabytes.
MOST_MEMORY = 64 << 20
# Bytes of what is read: of waifu2x's JSON, of the text of ncnn, of a header of safetensors.
MOST_JSON, MOST_NCNN_TEXT, MOST_HEADER = 100_663_296, 1_048_576, 4_194_304


def refused(path: Path, data: bytes, message: str) -> str:
    """Writes the bytes and reads them, which has to fail with one line that begins with the path."""
    path.write_bytes(data)
    tracemalloc.start()
    try:
        with pytest.raises(VsanimeError, match=message) as error:
            read(path)
        assert tracemalloc.get_traced_memory()[1] < MOST_MEMORY
    finally:
        tracemalloc.stop()
    text = str(error.value)
    assert text.startswith(str(path))
    assert "\n" not in text
    assert len(text) < len(str(path)) + 600
    return text


# Every kind


WHOLE: dict[str, Callable[[], bytes]] = {
    "json": lambda: writers.waifu2x_json(NET).encode(),
    "safetensors": lambda: writers.safetensors(NET.arrays()),
    "torch zip": lambda: writers.state_dict_zip(NET.arrays()),
    "torch legacy": lambda: writers.state_dict_legacy(NET.arrays()),
}


def lengths(whole: int) -> list[int]:
    """Every seventh, and every one where a file begins and ends."""
    return sorted({*range(0, whole, 7), *range(40), *range(whole - 40, whole)})


@pytest.mark.parametrize("kind", WHOLE)
def test_cut_short(tmp_path: Path, kind: str) -> None:
    whole = WHOLE[kind]()
    path = tmp_path / "net"
    path.write_bytes(whole)
    read(path)
    for length in lengths(len(whole)):
        path.write_bytes(whole[:length])
        with pytest.raises(VsanimeError):
            read(path)


@pytest.mark.parametrize("suffix", [".param", ".bin"])
@pytest.mark.parametrize("half", [False, True], ids=["fp32", "fp16"])
def test_ncnn_cut_short(tmp_path: Path, suffix: str, half: bool) -> None:
    param = writers.ncnn(tmp_path, NET, half)
    cut = param.with_suffix(suffix)
    # A text that only lacks its last line end is whole.
    whole = cut.read_bytes().rstrip(b"\n") if suffix == ".param" else cut.read_bytes()
    for length in lengths(len(whole)):
        cut.write_bytes(whole[:length])
        with pytest.raises(VsanimeError):
            read(param)


@pytest.mark.parametrize("kind", [*WHOLE, "ncnn"])
def test_nan_weights(tmp_path: Path, kind: str) -> None:
    net = nets.vgg_7((3, 1, 1, 1, 1, 1, 1, 1))
    net.layers[3] = (net.layers[3][0] * np.float32("nan"), net.layers[3][1])
    writers.ncnn(tmp_path, net)
    writes: dict[str, Callable[[], bytes]] = {
        "json": lambda: writers.waifu2x_json(net).encode(),
        "safetensors": lambda: writers.safetensors(net.arrays()),
        "torch zip": lambda: writers.state_dict_zip(net.arrays()),
        "torch legacy": lambda: writers.state_dict_legacy(net.arrays()),
        "ncnn": (tmp_path / "nätverk 2.0x.param").read_bytes,
    }
    path = tmp_path / ("nätverk 2.0x.param" if kind == "ncnn" else "net")
    refused(path, writes[kind](), "layer 3 has weights that are not finite")


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"", "is empty"),
        (b"\x00", "of no kind that is read; these are: ncnn"),
        (b"BM6\x00" + bytes(99), "of no kind that is read"),
        (b"\x08\x07\x12\x07pytorch", "is not an ONNX file, or is cut short: it holds no network"),
        (bytes(64), "of no kind that is read: it begins with 64 zeros"),
        (b"\x47\x6b\x30\x01" + bytes(64), "ncnn network is two files, .param and .bin; net.param is not beside net"),
        (b"7767517\n", "net.bin is not beside net"),
    ],
)
def test_files_of_other_kinds(tmp_path: Path, data: bytes, message: str) -> None:
    refused(tmp_path / "net", data, message)


def test_files_that_are_none(tmp_path: Path) -> None:
    with pytest.raises(VsanimeError, match="is a folder"):
        read(tmp_path)
    with pytest.raises(VsanimeError, match=r"no\.pth cannot be read"):
        read(tmp_path / "no.pth")
    with pytest.raises(VsanimeError, match="cannot be read"):
        read("a\0b")


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="Windows has no named pipes in folders")
def test_pipe_is_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(VsanimeError, match="not a regular file"):
        read(tmp_path / "pipe")


def test_size_is_checked_before_reading(tmp_path: Path) -> None:
    path = tmp_path / "large.pth"
    with path.open("wb") as file:
        file.truncate(files.MOST_BYTES + 1)  # takes no room on the disk
    with pytest.raises(VsanimeError, match="has 268,435,457 bytes; up to 268,435,456 are read"):
        read(path)
    with path.open("wb") as file:
        file.write(b"[")
        file.truncate(MOST_JSON + 1)
    with pytest.raises(VsanimeError, match=f"up to {MOST_JSON:,} are read"):
        read(path)


def test_formats_do_not_mistake_one_another(tmp_path: Path) -> None:
    param = writers.ncnn(tmp_path, NET, half=True)
    weights = param.with_suffix(".bin")
    known = [(data()[: files.HEAD_BYTES], tmp_path / "net") for data in WHOLE.values()]
    known += [(param.read_bytes(), param), (weights.read_bytes(), weights), (writers.ncnn_bin(NET, False), weights)]
    for beginning, path in known:
        assert sum(form.recognizes(beginning, path) for form in kinds.FORMATS) == 1


def test_zeros_are_ncnn_where_the_names_say_so(tmp_path: Path) -> None:
    zeros = bytes(64)
    refused(tmp_path / "net.bin", zeros, "ncnn network is two files, .param and .bin; net.param is not beside net.bin")
    writers.ncnn(tmp_path, NET).rename(tmp_path / "net.param")
    refused(tmp_path / "net.weights", zeros, "the .bin ends at byte 64 in layer")


@pytest.mark.parametrize("length", [0, 1 << 32, (1 << 63) + 1])
def test_safetensors_of_an_impossible_length(tmp_path: Path, length: int) -> None:
    """Its first four bytes may be zeros, as those of ncnn's weights."""
    data = struct.pack("<Q", length) + writers.safetensors(NET.arrays())[8:]
    refused(tmp_path / "net.safetensors", data, "damaged" if length else "its header is not readable as JSON")


# Pickles


class Harmful:
    """Makes a file when Python's own unpickler reads it."""

    def __init__(self, target: Path) -> None:
        self.target = target

    def __reduce__(self) -> tuple[Callable[[str], object], tuple[str]]:
        return os.mkdir, (str(self.target),)


def harmful_pickles(target: Path) -> Iterator[bytes]:
    yield from (pickle.dumps(Harmful(target), protocol) for protocol in range(2, 6))
    yield from (pickle.dumps({"state_dict": Harmful(target)}, protocol) for protocol in range(2, 6))
    text = str(target)
    for module, attribute, argument in [
        ("os", "system", f'mkdir "{text}"'),
        ("builtins", "exec", f"import os; os.mkdir({text!r})"),
        ("__builtin__", "eval", f"__import__('os').mkdir({text!r})"),
        ("torch", "load", text),
        ("numpy.core.multiarray", "_reconstruct", text),
        ("collections", "OrderedDict.fromkeys", text),
    ]:
        called = name(module, attribute) + value((argument,))
        yield pickled(called + b"R")
        yield pickled(called + b"\x81")  # as a class that makes an object
        yield pickled(writers.ordered({"first.weight": called + b"R"}))
    yield b"\x80\x02(S" + ascii(text).encode() + b"\nios\nmkdir\n."  # INST
    yield b"\x80\x04\x8c\x02os\x8c\x05mkdir\x93" + value((text,)) + b"R."  # STACK_GLOBAL
    yield b"\x80\x02\x82\x01."  # a name from Python's registry of extensions


def test_harmful_pickles_do_harm(tmp_path: Path) -> None:
    """The first of them, in Python's own unpickler: else the next test would show nothing."""
    pickle.loads(next(harmful_pickles(tmp_path / "harm")))
    assert (tmp_path / "harm").is_dir()


def test_nothing_in_a_pickle_is_run(tmp_path: Path) -> None:
    for data in harmful_pickles(tmp_path / "harm"):
        magic = pickled(0x1950A86A20F9469CFC6C) + pickled(1001) + pickled({"little_endian": True})
        for whole in (data, magic + data, writers.torch_zip({}, {}, data__pkl=data)):
            text = refused(tmp_path / "net.pth", whole, "refused|damaged")
            assert "which may run code and is refused" in text or "no state-dict needs" in text
        assert [entry.name for entry in tmp_path.iterdir()] == ["net.pth"]


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (pickled({"a": 1}), "a pickle that is not from torch"),
        (b"\x80\x02" + b"N" * 2_000_000 + b".", "over 500,000 operations"),
        (b"\x80\x02Nr\xff\xff\xff\xff.", "not from torch"),  # a memo of four thousand million places
        (b"\x80\x04\x8e" + struct.pack("<Q", 1 << 60) + b"x", "damaged"),  # an exabyte of bytes
        (b"\x80\x02\x8b" + struct.pack("<i", -5) + b".", "damaged"),  # a negative size
        (b"\x80\x02" + b"(" * 1000 + b".", "damaged"),
        (b"\x80\x02" + b"]" + b"q\x00h\x00a" + b".", "not from torch"),  # a list that holds itself
        (b"\x80\x02}((K\x01tK\x02u.", "damaged"),  # a tuple as a key
        (b"\x80\x02K\x01(K\x02e.", "damaged"),
        (b"\x80\x02K\x01(K\x02K\x03u.", "damaged"),
        (b"\x80\x02}(K\x02u.", "damaged"),
        (b"\x80\x02K\x01K\x02R.", "damaged"),
        (b"\x80\x02K\x01K\x02b.", "damaged"),
        (b"\x80\x02h\x07.", "damaged"),
        (b"\x80\x02.", "damaged"),
        (b"\x80\x04K\x01K\x02\x93.", "damaged"),
        (b"\x80\x02K\x01Q.", "damaged"),
    ],
)
def test_pickles_that_are_damaged(tmp_path: Path, data: bytes, message: str) -> None:
    refused(tmp_path / "net.pk", data, message)


def test_lists_that_double_do_not_fill_the_memory(tmp_path: Path) -> None:
    """Forty lists, each holding the one before twice: a million million items to whoever copies or prints them."""
    doubled = b"(]" + b"".join(b"q%c](h%ch%ce" % (i, i, i) for i in range(40)) + b"t"
    magic = pickled(0x1950A86A20F9469CFC6C) + pickled(1001) + pickled({"little_endian": True})
    refused(tmp_path / "a", magic + pickled({}) + b"\x80\x02" + doubled + b".", "list of storages is damaged")
    refused(tmp_path / "a", writers.torch_zip(doubled, {}), "no state-dict")
    refused(tmp_path / "a", writers.torch_zip({"first.weight": doubled}, {}), "no weights under a name")
    refused(tmp_path / "a", magic + pickled({}) + pickled([doubled]), "list of storages is damaged")


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"shape": (2, 1, 3, 3)}, "reaches beyond its 9 numbers"),
        ({"shape": (1 << 20, 1 << 20), "strides": (0, 0)}, "beyond|more than"),
        ({"offset": 1}, "reaches beyond its 9 numbers"),
        ({"offset": -1}, "an impossible shape"),
        ({"offset": 1 << 70}, "an impossible shape"),
        ({"strides": (9, 9, -3, 1)}, "an impossible shape"),
        ({"strides": (9, 9, 3)}, "an impossible shape"),
        ({"shape": (1, 1, 3, True)}, "an impossible shape"),
        ({"shape": (1, 0, 3, 3)}, "an impossible shape"),
        ({"shape": (1,) * 60, "strides": (1,) * 60}, "an impossible shape"),
        ({"shape": "abcd"}, "a tensor that is not described"),
        ({"count": 10}, "has 36 bytes where 40 are announced"),
        ({"count": 1 << 60}, "bytes where"),
        ({"count": -9}, "a storage that is not described"),
    ],
)
def test_tensors_that_reach_beyond_their_storage(tmp_path: Path, changed: dict[str, object], message: str) -> None:
    saved = {"first.weight": tensor(WEIGHT, "0", **changed)}
    refused(tmp_path / "net.pth", writers.torch_zip(saved, {"0": WEIGHT.tobytes()}), message)


@pytest.mark.parametrize(
    "described",
    [
        ("storage", "FloatStorage", "0", "cpu", 9),
        ("storage", name("torch", "FloatStorage"), 0, "cpu", 9),
        ("storage", name("torch", "FloatStorage"), "0", "cpu", "9"),
        ("storage", name("torch", "FloatStorage"), "0", "cpu", True),
        ("storage", name("torch", "FloatStorage"), "0", "cpu"),
        ("storages", name("torch", "FloatStorage"), "0", "cpu", 9),
        ("storage", name("torch", "FloatStorage"), "0", "cpu", 9, None, None),
    ],
)
def test_storages_that_are_not_described(tmp_path: Path, described: tuple[object, ...]) -> None:
    saved = b"(" + value(described) + b"Qt"
    message = "a storage that is not described|a reference to something that is no storage"
    refused(tmp_path / "net.pth", writers.torch_zip(saved, {"0": WEIGHT.tobytes()}), message)


def test_many_views_of_one_storage(tmp_path: Path) -> None:
    """Each is in order; together they would be more than any network."""
    large = np.zeros(1 << 20, np.float32)
    saved = {f"{i}.weight": tensor(large, "0") for i in range(100)}
    refused(tmp_path / "net.pth", writers.torch_zip(saved, {"0": large.tobytes()}), "more than 67,108,864 weights")


def test_legacy_storages_that_do_not_fit(tmp_path: Path) -> None:
    path = tmp_path / "net.pth"
    held = WEIGHT.tobytes()

    def saved(**changed: object) -> dict[str, bytes]:
        return {"first.weight": tensor(WEIGHT, "7", legacy=True, **changed)}

    refused(path, writers.torch_legacy(saved(), {"7": (8, held)}), "has 8 numbers where 9 are announced")
    refused(path, writers.torch_legacy(saved(count=1 << 40), {"7": (1 << 40, held)}), "36 bytes where")
    refused(path, writers.torch_legacy(saved(), {"7": (-1, held)}), "where 9 are announced")
    refused(path, writers.torch_legacy(saved(), {"8": (9, held)}), "list of storages is damaged")
    refused(path, writers.torch_legacy(saved(), {}), "list of storages is damaged")
    part = value(("storage", name("torch", "FloatStorage"), "7", "cpu", 9, ("8", 0, 9))) + b"Q"
    refused(path, writers.torch_legacy({"a": part}, {"7": (9, held)}), "parts of others")
    twice = {"a": tensor(WEIGHT, "7", legacy=True), "b": tensor(WEIGHT, "7", legacy=True, count=5)}
    refused(path, writers.torch_legacy(twice, {"7": (9, held)}), "described twice")


def test_big_endian_files(tmp_path: Path) -> None:
    path = tmp_path / "net.pth"
    refused(path, writers.torch_zip({}, {}, byteorder=b"big"), "big-endian")
    machine = pickled({"little_endian": False})
    refused(path, pickled(0x1950A86A20F9469CFC6C) + pickled(1001) + machine + pickled({}), "big-endian")


@pytest.mark.parametrize(
    ("saved", "message"),
    [
        ({}, "no weights under a name that is known; its names are none"),
        ({"epoch": 3, "note": "x"}, "its names are 'epoch', 'note'$"),
        ({**dict.fromkeys("abc", 1), 4: 1, **dict.fromkeys("efgh", 1)}, "its names are 'a', 'b', 'c', 'e', 'f'$"),
        ([1, 2], "holds no state-dict"),
        ({"model": {"model": {"model": {"model": {}}}}}, "holds no state-dict"),
        (3, "holds no state-dict"),
    ],
)
def test_checkpoints_without_weights(tmp_path: Path, saved: object, message: str) -> None:
    refused(tmp_path / "net.pth", writers.torch_zip(saved, {}), message)


# Zip archives


def rezipped(data: bytes, compression: int) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(data)) as old, zipfile.ZipFile(file, "w", compression) as new:
        for info in old.infolist():
            new.writestr(info.filename, old.read(info))
    return file.getvalue()


def test_zip_bombs(tmp_path: Path) -> None:
    """Ten million zeros in ten thousand bytes; then a size that only the directory claims."""
    zeros = np.zeros(10_000_000, np.float32)
    whole = writers.torch_zip({"first.weight": tensor(zeros, "0")}, {"0": zeros.tobytes()})
    path = tmp_path / "net.pth"
    refused(path, rezipped(whole, zipfile.ZIP_DEFLATED), "announces more than the")
    small = writers.state_dict_zip(NET.arrays())
    refused(path, rezipped(small, zipfile.ZIP_DEFLATED), "announces more than|is compressed; torch stores")
    at = small.rindex(b"PK\x01\x02")
    for size in (0x7FFFFFFF, 0xFFFFFFFE):
        refused(path, small[: at + 24] + struct.pack("<I", size) + small[at + 28 :], "announces more than|damaged")


def test_archives_of_countless_entries(tmp_path: Path) -> None:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        for i in range(20_001):
            archive.writestr(f"{i}", b"")
    refused(tmp_path / "net.pth", file.getvalue(), "more entries than")


def test_archives_of_others(tmp_path: Path) -> None:
    file = io.BytesIO()
    np.savez(file, weight=WEIGHT)
    refused(tmp_path / "upconv7.npz", file.getvalue(), r"without data.pkl is not from torch; NumPy's .npz is not read")
    refused(tmp_path / "net.pth", writers.torch_zip({}, {}, **{"sub/data.pkl": b"N."}), "without data.pkl|torch")


def test_storage_that_is_not_there(tmp_path: Path) -> None:
    data = writers.torch_zip({"first.weight": tensor(WEIGHT, "../../secret")}, {"0": WEIGHT.tobytes()})
    refused(tmp_path / "net.pth", data, "lacks 'network/data/../../secret'")


def test_changed_bytes_are_noticed_by_their_checksum(tmp_path: Path) -> None:
    data = bytearray(writers.state_dict_zip(NET.arrays()))
    at = data.index(NET.layers[0][0].tobytes())
    data[at] ^= 1
    refused(tmp_path / "net.pth", bytes(data), "damaged")


# ncnn


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("8 8\n", "9 8\n", "announces '9' layers and has 8"),
        ("8 8\n", "-1 8\n", "announces '-1' layers"),
        ("8 8\n", "8\n", "does not begin with 7767517"),
        ("7767517", "7767516", "of no kind that is read"),
        ("0=1 1=3 5=1 6=27", "0=-1 1=3 5=1 6=27", "no whole number of channels in"),
        ("0=1 1=3 5=1 6=27", "0=1 1=-3 5=1 6=27", "no whole number of channels in"),
        ("0=1 1=3 5=1 6=27", "0=1 1=3 5=1 6=-27", "no whole number of channels in"),
        ("0=1 1=3 5=1 6=27", "0=1 1=3 5=1 6=26", "no whole number of channels in"),
        ("0=1 1=3 5=1 6=27", "0=1 1=3 5=1 6=2000000007", "the .bin ends at byte"),
        ("0=1 1=3 5=1 6=27", "0=1 1=3 5=1 6=9e99", "a whole number below 2"),
        ("0=1 1=3 5=1 6=27", "0=1.5 1=3 5=1 6=27", "0=1.5; a whole number"),
        ("0=1 1=3 5=1 6=27", "0=nan 1=3 5=1 6=27", "0=nan; a whole number"),
        ("0=1 1=3 5=1 6=27", "0=1 1=3 5=1 6=x", "a line that cannot be read"),
        ("0=1 1=3 5=1 6=27", "0=1 1=3 5=1 6", "a line that cannot be read"),
        ("-23310=1,0.1", "-23310=2000000000,0.1", "a line that cannot be read"),
        ("-23310=1,0.100000", "-23310=1,nan", "slope nan"),
        ("1 1 blob0 blob1", "999999999 1 blob0 blob1", "a line that cannot be read"),
        ("1 1 blob0 blob1", "-1 3 blob0 blob1", "a line that cannot be read"),
    ],
)
def test_ncnn_texts(tmp_path: Path, old: str, new: str, message: str) -> None:
    param = writers.ncnn(tmp_path, NET)
    text = param.read_text(encoding="utf-8")
    assert old in text
    refused(param, text.replace(old, new, 1).encode(), message)


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("1 1 blob1 blob2", "1 1 0=1 blob2", "layer 'conv1' does not follow the one before"),
        ("blob3 blob4", "blob2 blob4", "layer 'conv3' does not follow the one before"),
        ("6=9 9=2", "6=9 9=1", r"layer 'conv\d' has activation 1; 2, a leaky ReLU with one slope, is read"),
        ("-23310=1,0.100000", "-23310=2,0.1,0.2", r"layer 'conv0' has activation 2"),
        ("0=1 1=3 5=1 6=27", "0=1 1=3 5=1 6=26", "layer 'conv0' has 26 weights for 1 channels and a kernel of 3"),
        ("0=1 1=3 5=1 6=27", "0=1 1=3 11=2 5=1 6=27", "layer 'conv0' is not the same each way"),
        ("0=1 1=3 5=1 6=27", "0=1 1=3 2=2 5=1 6=27", "layer 'conv0' is dilated"),
    ],
)
def test_ncnn_layers_that_cannot_be_are_named(tmp_path: Path, old: str, new: str, message: str) -> None:
    param = writers.ncnn(tmp_path, NET)
    text = param.read_text(encoding="utf-8")
    assert old in text
    refused(param, text.replace(old, new, 1).encode(), message)


def test_ncnn_text_that_is_none(tmp_path: Path) -> None:
    param = writers.ncnn(tmp_path, NET)
    refused(param, b"7767517\n\xff\xfe", "no text")
    refused(param, b"7767517\n" + b"x" * (MOST_NCNN_TEXT + 1), f"up to {MOST_NCNN_TEXT:,} are read")
    refused(param, b"7767517\n1 1\nInput input 0 1 blob0\n", "no convolutions")
    refused(param, b"7767517\n2 2\nInput input 0 1 a\nReLU r 1 1 a b 0=0.1\n", "follows no convolution")


@pytest.mark.parametrize("tag", [0x000D4B38, 0x0002C056, 1, 0xFFFFFFFF])
def test_ncnn_weights_of_other_forms(tmp_path: Path, tag: int) -> None:
    param = writers.ncnn(tmp_path, NET)
    data = struct.pack("<I", tag) + writers.ncnn_bin(NET, half=False)[4:]
    param.with_suffix(".bin").write_bytes(data)
    with pytest.raises(VsanimeError, match=f"weights of form {tag:#010x}; fp32"):
        read(param)


def test_ncnn_weights_that_go_on(tmp_path: Path) -> None:
    param = writers.ncnn(tmp_path, NET)
    param.with_suffix(".bin").write_bytes(writers.ncnn_bin(NET, half=False) + bytes(4))
    with pytest.raises(VsanimeError, match="the two do not belong together"):
        read(param)


def test_ncnn_pairs_that_were_mixed_up(tmp_path: Path) -> None:
    """fp16 against fp32 is no mistake, since the weights say it; another network is."""
    param = writers.ncnn(tmp_path, NET)
    param.with_suffix(".bin").write_bytes(writers.ncnn_bin(nets.upconv_7(), half=False))
    with pytest.raises(VsanimeError, match=r"form|belong"):
        read(param)


# JSON


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[" * 100_000, "nested too deeply"),
        ('[{"a":' * 100_000, "nested too deeply"),
        ("[" + "[]," * 9_000_000, "more than 8,000,000 items"),
        ("[", "not readable as JSON"),
        ("[]", "a list of objects"),
        ("[1, 2]", "a list of objects"),
        ("[{}]", "layer 0 has no whole number as nInputPlane"),
        ('[{"nInputPlane": 1' + "0" * 10_000 + "}]", "not readable as JSON: a number in it has too many digits$"),
    ],
)
def test_json_bombs(tmp_path: Path, text: str, message: str) -> None:
    refused(tmp_path / "net.json", text.encode(), message)


def test_json_weights_nested_too_deeply(tmp_path: Path) -> None:
    layers = json.loads(writers.waifu2x_json(NET))
    layers[0]["weight"] = json.loads("[" * 100 + "]" * 100)
    refused(tmp_path / "net.json", json.dumps(layers).encode(), "not numbers in even lists|shape")


def test_json_texts_as_weights_take_no_room(tmp_path: Path) -> None:
    """An array of texts has the width of the longest for each."""
    layers = json.loads(writers.waifu2x_json(NET))
    layers[0]["weight"] = ["1" * 100_000, *["1"] * 100_000]
    refused(tmp_path / "net.json", json.dumps(layers).encode(), "shape|numbers")


# safetensors


def entry(**changed: object) -> dict[str, object]:
    return {"dtype": "F32", "shape": [1, 1, 3, 3], "data_offsets": [0, 36]} | changed


@pytest.mark.parametrize(
    ("header", "message"),
    [
        ({"a": entry(data_offsets=[0, 40])}, "lies outside the 36 bytes"),
        ({"a": entry(data_offsets=[36, 0])}, "lies outside"),
        ({"a": entry(data_offsets=[-36, 0])}, "lies outside"),
        ({"a": entry(data_offsets=[0.0, 36.0])}, "lies outside"),
        ({"a": entry(data_offsets=[0])}, "lies outside"),
        ({"a": entry(data_offsets=None)}, "lies outside"),
        ({"a": entry(data_offsets=[0, 32])}, "has 32 bytes; its shape asks for 36"),
        ({"a": entry(), "b": entry()}, "its tensors overlap at byte 0"),
        (
            {"a": entry(shape=[4], data_offsets=[0, 16]), "b": entry(shape=[6], data_offsets=[12, 36])},
            "overlap at byte",
        ),
        ({"a": entry(shape=[4], data_offsets=[20, 36])}, "leave a hole at byte 0"),
        ({"a": entry(shape=[4], data_offsets=[0, 16])}, "take 16 bytes of 36"),
        ({}, "take 0 bytes of 36"),
        ({"a": entry(shape=[10**30])}, "shape that is none"),
        ({"a": entry(shape=[-1, 9])}, "shape that is none"),
        ({"a": entry(shape=[0, 9])}, "shape that is none"),
        ({"a": entry(shape=[1] * 70 + [9])}, "shape that is none"),
        ({"a": entry(shape=9)}, "shape that is none"),
        ({"a": entry(shape=[True, 9])}, "shape that is none"),
        ({"a": entry(dtype="F8_E4M3")}, "a type that is not read; F64, F32"),
        ({"a": entry(dtype=["F32"])}, "a type that is not read"),
        ({"a": 3}, "is not described"),
        ({"__metadata__": [], "a": entry()}, "metadata is not a table"),
        ({"__metadata__": {"a": 1}, "a": entry()}, "metadata is not a table"),
        ({str(i): entry() for i in range(10_001)}, "10,001 tensors"),
    ],
)
def test_safetensors_headers(tmp_path: Path, header: object, message: str) -> None:
    refused(tmp_path / "net.safetensors", writers.raw_safetensors(header, WEIGHT.tobytes()), message)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (b'{"a": 1, "a": 2}', "a name twice"),
        (b'{"a":' * 100_000, "nested too deeply"),
        (b"{", "not readable as JSON"),
        (b'{"\xff": 1}', "not readable as JSON"),
        (b'{"a": 1' + b"0" * 10_000 + b"}", "not readable as JSON: a number in it has too many digits$"),
    ],
)
def test_safetensors_headers_that_are_no_json(tmp_path: Path, text: bytes, message: str) -> None:
    refused(tmp_path / "net.safetensors", struct.pack("<Q", len(text)) + text, message)


def test_safetensors_header_larger_than_the_file(tmp_path: Path) -> None:
    whole = writers.safetensors(NET.arrays())
    for length in (len(whole), MOST_HEADER + 1, 0xFFFFFFFF):
        refused(tmp_path / "net", struct.pack("<Q", length) + whole[8:], "announces a header of")
    refused(tmp_path / "net", struct.pack("<Q", (1 << 63) + 1) + whole[8:], "of no kind that is read")
