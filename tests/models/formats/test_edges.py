"""Every limit and every condition of the readers, at its edge: the last value that is taken, the first that is not."""

from __future__ import annotations

import io
import json
import math
import pickle
import struct
import zipfile
from collections.abc import Mapping
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import helper, numpy_helper

from tests.support import nets, writers
from tests.support.refusals import refused
from tests.support.writers import name, pickled, value
from vsanime.architectures.base import Wishes
from vsanime.errors import VsanimeError
from vsanime.models import filekinds
from vsanime.models.formats import files, likeness, ncnn, pickles, safetensors, statedict, torch, waifu2x_json

# Files up to these sizes have to stay readable, and no larger ones take a machine's time: whoever moves a limit says so
# here as well.
LIMITS: list[tuple[Any, str, int]] = [
    (files, "MOST_BYTES", 268_435_456),
    (filekinds, "HEAD_BYTES", 4096),
    (likeness, "_MOST_VALUES", 4_194_304),
    (ncnn, "_MOST_TEXT_BYTES", 1_048_576),
    (ncnn, "_MOST_COUNT", 2_147_483_647),
    (ncnn, "_LARGEST_KEY", 1000),
    (pickles, "_MOST_OPERATIONS", 500_000),
    (pickles, "_LARGEST_KEY", 4_294_967_296),
    (pickles, "_MOST_ARGUMENTS", 16),
    (safetensors, "_MOST_HEADER_BYTES", 4_194_304),
    (safetensors, "_MOST_AXES", 8),
    (statedict, "MOST_TENSORS", 10_000),
    (statedict, "_MOST_PREFIXES", 8),
    (statedict, "_MOST_VIEWS", 64),
    (torch, "_MOST_COMMENT", 65_558),  # the end of a zip's directory, and the longest comment
    (torch, "_MOST_AXES", 8),
    (torch, "_MOST_VALUES", 67_108_864),
    (torch, "_MOST_WRAPPERS", 4),
    (waifu2x_json, "_MOST_BYTES", 100_663_296),
    (waifu2x_json, "_MOST_ITEMS", 8_000_000),
]


@pytest.mark.parametrize(("module", "limit", "expected"), LIMITS, ids=lambda part: getattr(part, "__name__", str(part)))
def test_limits_are_what_they_were(module: Any, limit: str, expected: int) -> None:
    assert getattr(module, limit) == expected


# waifu2x's JSON


def json_layer(**changed: object) -> dict[str, Any]:
    """One 1x1 convolution, 1 to 1 channels, as the oldest files write it: without strides, padding and class."""
    layer: dict[str, Any] = {"nInputPlane": 1, "nOutputPlane": 1, "kW": 1, "kH": 1, "weight": [[[[0.5]]]]}
    return layer | changed


@pytest.mark.parametrize(
    ("changed", "expected"),
    [
        ({}, (False, 1, 0, 0.1, False)),
        ({"dW": 2, "dH": 2, "padW": 3, "padH": 3}, (False, 2, 3, 0.1, False)),
        ({"class_name": "nn.SpatialFullConvolution", "bias": [0.25]}, (True, 1, 0, 0.1, True)),
    ],
)
def test_json_layers_say_what_they_do(changed: dict[str, object], expected: tuple[object, ...]) -> None:
    step = waifu2x_json._step(0, json_layer(**changed), last=False)
    assert (step.transposed, step.stride, step.pad, step.slope, step.layer.bias is not None) == expected
    assert waifu2x_json._step(0, json_layer(**changed), last=True).slope is None


@pytest.mark.parametrize(
    "kind", ["nn.SpatialDilatedConvolution", "nn.SpatialFullDilatedConvolution", "nn.ReLU", "", None, 3]
)
def test_json_layers_of_other_kinds_are_refused(kind: object) -> None:
    refused(lambda: waifu2x_json._step(5, json_layer(class_name=kind), last=False), "layer 5 is no convolution")


def test_json_items_are_counted_by_commas_and_brackets(monkeypatch: pytest.MonkeyPatch) -> None:
    text = b'[{"a": [1, 2]}]'  # one comma, two lists, one object
    monkeypatch.setattr(waifu2x_json, "_MOST_ITEMS", 4)
    assert waifu2x_json._parse(text) == [{"a": [1, 2]}]
    monkeypatch.setattr(waifu2x_json, "_MOST_ITEMS", 3)
    refused(lambda: waifu2x_json._parse(text), "more than 3 items")


@pytest.mark.parametrize("text", [b"{}", b"[]", b"3", b"[1]", b"[{}, 1]", b"[1, {}]"])
def test_json_of_other_things_is_refused(text: bytes) -> None:
    refused(lambda: waifu2x_json._parse(text), "a list of objects, one a convolution, is needed")


# ncnn


def ncnn_line(*parameters: str, kind: str = "Convolution") -> ncnn._Line:
    return ncnn._line([kind, "c", "1", "1", "a", "b", *parameters])


def ncnn_step(*parameters: str, kind: str = "Convolution", out: int = 1, kernel: int = 1, into: int = 1) -> ncnn.Step:
    count = out * into * kernel * kernel
    data = struct.pack("<I", 0) + np.arange(count, dtype="<f4").tobytes()
    return ncnn._Weights(data)._step(ncnn_line(f"0={out}", f"1={kernel}", f"6={count}", *parameters, kind=kind))


def test_ncnn_numbers_reach_from_end_to_end() -> None:
    line = ncnn_line("1000=2147483647", "3=-2147483647", "-24300=2,1,2", "-23300=0", "5=1.5", "6=2147483648")
    assert (line.whole(1000), line.whole(3), line.whole(4), line.whole(4, 7)) == (2147483647, -2147483647, 0, 7)
    assert line.arrays == {1000: [1.0, 2.0], 0: []}
    assert ncnn_line("-23299=1").numbers == {-23299: 1.0}
    for key in (5, 6):
        refused(lambda key=key: line.whole(key), f"has {key}=.*; a whole number below")  # type: ignore[misc]
    for beyond in ("1001=1", "-24301=1,1", "-23310=2,1", "-23310=0,1"):
        refused(lambda beyond=beyond: ncnn_line(beyond), "a line that cannot be read")  # type: ignore[misc]


@pytest.mark.parametrize(
    ("row", "ends"),
    [
        ("K n 0 1 a", ((), ("a",))),
        ("K n 1 0 a", (("a",), ())),
        ("K n 2 1 a b c 0=1", (("a", "b"), ("c",))),
        ("K n 1 1 a", None),
        ("K n -1 1 a b", None),
        ("K n 1 -1 a b", None),
        ("K n 1", None),
    ],
)
def test_ncnn_lines_name_what_goes_in_and_out(row: str, ends: tuple[tuple[str, ...], ...] | None) -> None:
    if ends is None:
        refused(lambda: ncnn._line(row.split()), "a line that cannot be read")
    else:
        line = ncnn._line(row.split())
        assert (line.kind, line.name, line.inputs, line.outputs) == ("K", "n", *ends)


@pytest.mark.parametrize(
    ("parameters", "expected"),
    [
        ([], (1, 0)),
        (["3=2", "13=2", "4=3", "14=3", "15=3", "16=3", "11=2", "2=1", "12=1"], (2, 3)),
        (["8=0", "18=0", "19=0", "20=0", "21=0"], (1, 0)),
    ],
)
def test_ncnn_convolutions_are_the_same_each_way(parameters: list[str], expected: tuple[int, int]) -> None:
    step = ncnn_step(*parameters, kernel=2)
    assert (step.stride, step.pad, step.transposed, step.layer.bias) == (*expected, False, None)


@pytest.mark.parametrize("parameter", ["11=1", "12=2", "13=2", "14=1", "15=1", "16=1"])
def test_ncnn_convolutions_that_are_not_are_refused(parameter: str) -> None:
    refused(lambda: ncnn_step(parameter, kernel=2), "layer 'c' is not the same each way")


@pytest.mark.parametrize("parameter", ["2=2", "8=1", "18=1", "19=1", "20=1", "21=1"])
def test_ncnn_convolutions_with_more_to_them_are_refused(parameter: str) -> None:
    refused(lambda: ncnn_step(parameter), "layer 'c' is dilated, quantised or of a fixed size")


def test_ncnn_weights_of_transposed_convolutions_are_turned() -> None:
    plain, turned = (ncnn_step(kind=kind, out=2, into=3) for kind in ("Convolution", "Deconvolution"))
    assert plain.layer.weight[:, :, 0, 0].tolist() == [[0, 1, 2], [3, 4, 5]]
    assert turned.layer.weight[:, :, 0, 0].tolist() == [[0, 3], [1, 4], [2, 5]]
    assert (plain.transposed, turned.transposed) == (False, True)


@pytest.mark.parametrize("numbers", [("0=0", "1=1", "6=1"), ("0=1", "1=0", "6=1"), ("0=1", "1=1", "6=0")])
def test_ncnn_convolutions_of_nothing_are_refused(numbers: tuple[str, ...]) -> None:
    refused(lambda: ncnn._Weights(bytes(8))._step(ncnn_line(*numbers)), "no whole number of channels in")


def test_ncnn_weights_that_end_early_are_told_by_how_much() -> None:
    line = ncnn_line("0=1", "1=1", "6=1")
    ncnn._Weights(bytes(8))._step(line)
    refused(lambda: ncnn._Weights(bytes(7))._step(line), "ends at byte 7 in layer 'c', which goes on for 1 more")


INPUT = "Input i 0 1 a"
CONV = "Convolution c 1 1 a b"
CHAINS: dict[str, tuple[list[str], list[float | None] | str]] = {
    "one": ([INPUT, CONV], [None]),
    "folded": ([INPUT, f"{CONV} 9=2 -23310=1,0.5"], [0.5]),
    "followed": ([INPUT, CONV, "ReLU r 1 1 b c 0=0.25"], [0.25]),
    "without a slope": ([INPUT, CONV, "LeakyReLU r 1 1 b c"], [0.0]),
    "two activations": ([INPUT, CONV, "ReLU r 1 1 b c", "ReLU s 1 1 c d"], "'s' is an activation that follows no"),
    "folded and more": ([INPUT, f"{CONV} 9=2 -23310=1,0.5", "ReLU r 1 1 b c"], "'r' is an activation that follows no"),
    "activation first": ([INPUT, "ReLU r 1 1 a b", "Convolution c 1 1 b c"], "'r' is an activation that follows no"),
    "no slope": ([INPUT, f"{CONV} 9=2"], "'c' has activation 2"),
    "two slopes": ([INPUT, f"{CONV} 9=2 -23310=2,0.5,0.5"], "'c' has activation 2"),
    "another activation": ([INPUT, f"{CONV} 9=3 -23310=1,0.5"], "'c' has activation 3"),
    "no input": ([CONV], "'c' does not follow the one before"),
    "two inputs": ([INPUT, INPUT, CONV], "'i' does not follow the one before"),
    "a layer of two inputs": ([INPUT, "Convolution c 2 1 a a b"], "'c' does not follow the one before"),
    "a layer from elsewhere": ([INPUT, "Convolution c 1 1 x b"], "'c' does not follow the one before"),
    "no convolution": ([INPUT], "no convolutions"),
    "others": ([INPUT, *(f"K{i} k 1 1 a a" for i in range(9))], "layers 'K0', .*'K7' are in neither"),
}


@pytest.mark.parametrize("case", CHAINS)
def test_ncnn_chains(case: str) -> None:
    lines, expected = CHAINS[case]
    parsed = [ncnn._line(line.split()) for line in lines]
    if isinstance(expected, str):
        refused(lambda: ncnn._chain(parsed), expected)
    else:
        assert [slope for _, slope in ncnn._chain(parsed)] == expected


@pytest.mark.parametrize("text", ["7767517", "7767516\n1 1\n" + INPUT, "7767517 1\n1 1\n" + INPUT, "7767517\n1 1 1\n"])
def test_ncnn_texts_that_begin_otherwise(text: str) -> None:
    refused(lambda: ncnn._parse(text.encode()), "does not begin with 7767517 and the numbers of layers and blobs")


@pytest.mark.parametrize(("file", "data"), [("net.param", struct.pack("<I", 0x01306B47)), ("net.bin", b"7767517\n")])
def test_ncnn_files_of_each_others_names(tmp_path: Path, file: str, data: bytes) -> None:
    (tmp_path / file).write_bytes(data)
    refused(lambda: ncnn.read(tmp_path / file), f"{file} is not beside {file}")


# Pickles

PLAIN: list[object] = [
    *(None, True, False, 0, 255, 65_535, -1, 1 << 40, 1.5, "text", b"bytes", b"b" * 300),
    *((), (1,), (1, 2), (1, 2, 3), (1, 2, 3, 4), [], [1], [1, 2], {}, {"a": 1}, {"a": 1, 2: [3]}),
    [(1, (2,)), {"a": {"b": ()}}],
]


@pytest.mark.parametrize("protocol", range(2, 6))
def test_plain_values_are_read_as_python_reads_them(protocol: int) -> None:
    for held in PLAIN:
        if isinstance(held, bytes) and protocol < 3:
            continue  # a call, in those
        stream = BytesIO(pickle.dumps(held, protocol) + b"rest")
        found = pickles.load(stream, {}, lambda key: key)
        assert (found, type(found), stream.read()) == (held, type(held), b"rest")


def test_pickles_know_the_larger_of_their_numbers() -> None:
    def load(operations: bytes) -> object:
        return pickles.load(BytesIO(b"\x80\x02" + operations + b"."), NAMES, lambda key: key)

    last = (1 << 32) - 1
    assert load(b"Np%d\nr%s" % (last, struct.pack("<I", last))) is None
    assert load(value({last: 1, -last: 2})) == {last: 1, -last: 2}
    for key in (last + 1, -last - 1):
        refused(lambda key=key: load(value({key: 1})), "neither a text nor a small number")  # type: ignore[misc]
    refused(lambda: load(b"Np%d\n" % (last + 1)), "beyond four bytes")
    refused(lambda: load(b"Np-1\n"), "beyond four bytes|damaged")
    assert load(name("a", "count") + value((0,) * 16) + b"R") == 16
    for called in (
        name("a", "count") + value((0,) * 17),
        name("a", "count") + value([0]),
        name("a", "number") + value((0,)),
    ):
        refused(lambda called=called: load(called + b"R"), "a call of something")  # type: ignore[misc]


NAMES: pickles.Names = {"a count": len, "a number": 3}


@pytest.mark.parametrize("operations", [b"}(K\x02u", b"K\x01(K\x02K\x03u", b"}(K\x01K\x02K\x03u"])
def test_pickled_dicts_have_pairs(operations: bytes) -> None:
    data = b"\x80\x02" + operations + b"."
    refused(lambda: pickles.load(BytesIO(data), {}, lambda key: key), "items for something that is no dict")


@pytest.mark.parametrize(("first", "second"), [(1, "count"), ("a", 1)])
def test_pickled_names_are_texts(first: object, second: object) -> None:
    data = b"\x80\x04" + value(first) + value(second) + b"\x93."
    refused(lambda: pickles.load(BytesIO(data), NAMES, lambda key: key), "a name that is no text")


def test_pickles_of_many_operations(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pickles, "_MOST_OPERATIONS", 3)
    assert pickles.load(BytesIO(b"\x80\x02N0N."[:2] + b"NN."), {}, lambda key: key) is None
    refused(lambda: pickles.load(BytesIO(b"\x80\x02NNN."), {}, lambda key: key), "over 3 operations")


# torch

FLOATS = torch._Form("<f4")
STORAGE = torch._Storage(FLOATS, "0", 9)
MOST = 268_435_456


@pytest.mark.parametrize(
    ("head", "known"),
    [
        *((bytes([0x80, protocol]), 2 <= protocol <= 5) for protocol in range(8)),
        (b"PK\x03\x04", True), (b"PK\x05\x06", False), (b"\x80\x02X", True),
        (b"\x02\x80", False), (b"", False), (b"\x80", False),
    ],
)  # fmt: skip
def test_torch_files_are_told_by_their_first_bytes(head: bytes, known: bool) -> None:
    assert torch.recognizes(head) is known


@pytest.mark.parametrize(
    ("key", "message"),
    [
        (("storage", FLOATS, "0", "cpu", 0), ""),
        (("storage", FLOATS, "0", "cpu", 9, None), ""),
        (("storage", FLOATS, "0", "cpu", 9, ("1", 0, 9)), "parts of others"),
        (("storage", FLOATS, "0", "cpu"), "no storage"),
        (("storage", FLOATS, "0", "cpu", 9, None, None), "no storage"),
        (("store", FLOATS, "0", "cpu", 9), "no storage"),
        (["storage", FLOATS, "0", "cpu", 9], "no storage"),
        (("storage", "<f4", "0", "cpu", 9), "not described"),
        (("storage", FLOATS, 0, "cpu", 9), "not described"),
        (("storage", FLOATS, "0", "cpu", 9.0), "not described"),
        (("storage", FLOATS, "0", "cpu", True), "not described"),
        (("storage", FLOATS, "0", "cpu", -1), "not described"),
    ],
)
def test_torch_storages(key: object, message: str) -> None:
    if message:
        with pytest.raises((ValueError, VsanimeError), match=message):
            torch._persistent(key)
    else:
        assert torch._persistent(key) == torch._Storage(FLOATS, "0", key[4])  # type: ignore[index]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((STORAGE, 0, (1,) * 8, (1,) * 8), ""),
        ((STORAGE, MOST, (MOST,), (MOST,)), ""),
        ((STORAGE, 0, (), (), False, None), ""),
        ((STORAGE, 0, (1,) * 9, (1,) * 9), "an impossible shape"),
        ((STORAGE, MOST + 1, (1,), (1,)), "an impossible shape"),
        ((STORAGE, 0, (MOST + 1,), (1,)), "an impossible shape"),
        ((STORAGE, 0, (1,), (MOST + 1,)), "an impossible shape"),
        ((STORAGE, 0, (1, 2), (1,)), "an impossible shape"),
        ((STORAGE, 0, (2, 0), (1, 1)), "an impossible shape"),
        ((STORAGE, 0.0, (1,), (1,)), "an impossible shape"),
        ((STORAGE, -1, (1,), (1,)), "an impossible shape"),
        (("0", 0, (1,), (1,)), "not described"),
        ((STORAGE, 0, [1], (1,)), "not described"),
        ((STORAGE, 0, (1,), [1]), "not described"),
    ],
)
def test_torch_tensors(arguments: tuple[object, ...], message: str) -> None:
    if message:
        with pytest.raises(ValueError, match=message):
            torch._rebuild_tensor(arguments)
    else:
        assert torch._rebuild_tensor(arguments) == torch._Tensor(*arguments[:4])  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("offset", "shape", "strides", "expected"),
    [
        (0, (3, 3), (3, 1), list(range(9))),
        (1, (2, 2), (3, 2), [1, 3, 4, 6]),
        (8, (1,), (5,), [8]),
        (4, (), (), [4]),
        (0, (9,), (0,), [0] * 9),
        (1, (3, 3), (3, 1), None),
        (0, (3, 3), (4, 1), None),
        (9, (1,), (1,), None),
        (0, (2, 5), (0, 1), None),  # within the numbers, but more than there are
    ],
)
def test_torch_views(offset: int, shape: tuple[int, ...], strides: tuple[int, ...], expected: list[int] | None) -> None:
    tensor = torch._Tensor(STORAGE, offset, shape, strides)

    def view() -> Any:
        return torch._array("w", tensor, lambda _: np.arange(9, dtype="<f4").tobytes())

    if expected is None:
        refused(view, "tensor 'w' reaches beyond its 9 numbers")
    else:
        assert (view().shape, view().reshape(-1).tolist()) == (shape, expected)


def test_torch_sizes_are_as_long_as_shapes() -> None:
    assert torch._size((tuple(range(9)),)) == tuple(range(8))
    assert torch._size(([1, 2],)) == (1, 2)
    assert torch._size((3,)) == ()


def test_torch_parameters_are_their_tensors() -> None:
    assert torch._rebuild_parameter(("tensor", True, {})) == "tensor"


TENSOR = torch._Tensor(STORAGE, 0, (9,), (1,))
FULL = {"w": TENSOR, "epoch": 3}
WRAPPED: list[tuple[dict[object, object], object]] = [
    ({"a": FULL}, FULL),
    ({"a": FULL, "b": {"x": 1}, "c": 3}, FULL),
    ({"a": FULL, "b": FULL}, None),
    ({"a": {"x": 1}}, None),
    ({"a": FULL, "w": TENSOR, "epoch": 3}, None),
    ({"w": TENSOR, "optimizer": {"w": TENSOR}}, None),
    ({"Params": {}, "other": FULL}, {}),
    ({"params": {"y": 1}, "params_ema": {"z": 1}}, {"z": 1}),
    ({"params": 3, "other": FULL}, FULL),
    ({3: FULL}, None),
]


@pytest.mark.parametrize(("saved", "expected"), WRAPPED, ids=range(len(WRAPPED)))
def test_torch_checkpoints_hold_their_weights_somewhere(saved: dict[object, object], expected: object) -> None:
    assert torch._find_inner(saved) == expected


def test_torch_checkpoints_are_as_deep_as_they_come() -> None:
    saved: dict[object, object] = {"w": TENSOR, "note": "x", 4: "y"}
    for _ in range(3):
        saved = {"model": saved}
    assert torch._state_dict(saved) == ({"w": TENSOR}, {"note": "x"})
    refused(lambda: torch._state_dict({"model": saved}), "it holds no state-dict")


def test_torch_tensors_are_counted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "net"
    path.write_bytes(writers.state_dict_zip({"a": np.ones(3, np.float32), "b": np.ones(2, np.float32)}))
    for limit, exact in (("_MOST_VALUES", 5), ("MOST_TENSORS", 2)):
        with monkeypatch.context() as patched:
            patched.setattr(torch, limit, exact)
            patched.setattr(torch, "_DIRECTORY_ENTRY", b"no such bytes")  # entries of the archive are another matter
            refused(lambda: torch.read(path, Wishes()), "of no network that is known")
            patched.setattr(torch, limit, exact - 1)
            refused(lambda: torch.read(path, Wishes()), "more than .* weights or .* tensors")


def archive(*entries: str) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as made:
        for entry in entries:
            made.writestr(entry, pickled({}) if entry.endswith(".pkl") else b"little")
    return file.getvalue()


def test_torch_archives_have_two_entries_a_tensor(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch, "MOST_TENSORS", 2)
    assert torch._open_zip(archive("n/data.pkl", "n/byteorder", "n/a", "n/b"))[0] == {}
    refused(lambda: torch._open_zip(archive("n/data.pkl", "n/byteorder", "n/a", "n/b", "n/c")), "more entries than")


@pytest.mark.parametrize("length", [0, 40, 65_000])
def test_torch_archives_that_are_damaged(length: int) -> None:
    whole = archive("n/data.pkl", "n/" + "x" * length)
    at = whole.rindex(b"PK\x01\x02")
    refused(lambda: torch._open_zip(whole[:at]), f"it ends after {at:,} bytes without its directory")
    damaged = whole[:at] + b"PK\x01\x09" + whole[at + 4 :]
    refused(lambda: torch._open_zip(damaged), "its zip archive is damaged: '.*'; download it again")


@pytest.mark.parametrize(
    ("entries", "message"),
    [
        (["data.pkl"], ""),
        (["n/data.pkl"], ""),
        (["n/data.pkl", "m/data.pkl"], "without data.pkl is not from torch"),
        (["a_data.pkl"], "extract it, and give one of the files that are in it: 'a_data.pkl'$"),
        (["a", "b", "c", "folder/"], "in it: 'a', 'b', 'c'$"),
        (["a", "b", "c", "d"], "in it: 'a', 'b', 'c', ...$"),
        (["folder/"], "; there is nothing in it$"),
        (["a", "b.npy"], "; NumPy's .npz is not read$"),
    ],
)
def test_torch_archives_hold_one_pickle(entries: list[str], message: str) -> None:
    if message:
        refused(lambda: torch._open_zip(archive(*entries)), message)
    else:
        assert torch._open_zip(archive(*entries))[0] == {}


def legacy(
    magic: object = 0x1950A86A20F9469CFC6C, protocol: object = 1001, machine: object = None, keys: object = None
) -> bytes:
    machine = {"little_endian": True} if machine is None else machine
    saved = {"w": writers.tensor(np.ones(9, np.float32), "7", legacy=True)}
    parts = [magic, protocol, machine, saved, ["7"] if keys is None else keys]
    return b"".join(map(pickled, parts)) + struct.pack("<q", 9) + np.ones(9, np.float32).tobytes()


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({}, ""),
        ({"magic": 7}, "not from torch"),
        ({"protocol": 1002}, "not from torch"),
        ({"machine": [1]}, "big-endian"),
        ({"machine": {"little_endian": 1}}, "big-endian"),
        ({"machine": {"other": True}}, "big-endian"),
        ({"keys": ("7",)}, "list of storages is damaged"),
        ({"keys": [7]}, "list of storages is damaged"),
        ({"keys": ["7", 7]}, "list of storages is damaged"),
        ({"keys": ["7", "7"]}, "list of storages is damaged"),
    ],
)
def test_torch_rows_of_pickles(changed: dict[str, Any], message: str) -> None:
    if message:
        refused(lambda: torch._open_legacy(legacy(**changed)), message)
    else:
        saved, storage = torch._open_legacy(legacy())
        assert storage(saved["w"].storage) == np.ones(9, np.float32).tobytes()  # type: ignore[index]


# safetensors


def with_header(text: bytes, numbers: bytes = b"", length: int | None = None) -> bytes:
    return struct.pack("<Q", len(text) if length is None else length) + text + numbers


@pytest.mark.parametrize(
    ("head", "known"),
    [
        (bytes(8) + b"{", True),
        (b"\xff\xff\xff\xff\0\0\0\0{", True),
        (bytes(8) + b"[", False),
        *((bytes(i) + b"\1" + bytes(7 - i) + b"{", i < 4) for i in range(8)),
        (bytes(7) + b"{", False),
    ],
)
def test_safetensors_are_told_by_their_first_bytes(head: bytes, known: bool) -> None:
    assert safetensors.recognizes(head) is known


def test_safetensors_headers_end_within_the_file() -> None:
    assert safetensors._load(with_header(b"{}")) == ({}, {})
    refused(lambda: safetensors._load(with_header(b"{}", length=3)), "announces a header of 3 bytes")
    refused(lambda: safetensors._load(with_header(b"{}", bytes(7), length=10)), "announces a header of 10 bytes")
    assert safetensors._load(with_header(b"{}      ", length=8)) == ({}, {})


def described(**changed: object) -> dict[str, object]:
    return {"dtype": "F32", "shape": [1, 1, 3, 3], "data_offsets": [0, 36]} | changed


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({}, ""),
        ({"shape": [1] * 6 + [3, 3]}, ""),
        ({"shape": [1] * 7 + [3, 3]}, "a shape that is none"),
        ({"shape": [36]}, "its shape asks for 144"),
        ({"shape": [37]}, "a shape that is none"),
        ({"shape": [1, 9, -1]}, "a shape that is none"),
        ({"data_offsets": [36, 36]}, "has 0 bytes; its shape asks for 36"),
        ({"data_offsets": [36, 35]}, "lies outside the 36 bytes"),
        ({"data_offsets": [0, 37]}, "lies outside the 36 bytes"),
        ({"data_offsets": [0, 36, 36]}, "lies outside the 36 bytes"),
        ({"data_offsets": [0]}, "lies outside the 36 bytes"),
        ({"data_offsets": [0, True]}, "lies outside the 36 bytes"),
        ({"dtype": "F16"}, "has 36 bytes; its shape asks for 18"),
        ({"dtype": "F31"}, "a type that is not read"),
        ({"dtype": 3}, "a type that is not read"),
    ],
)
def test_safetensors_places(changed: dict[str, object], message: str) -> None:
    if message:
        refused(lambda: safetensors._place("w", described(**changed), 36), message)
    else:
        assert safetensors._place("w", described(**changed), 36) == (0, 36)


@pytest.mark.parametrize(
    ("places", "message"),
    [
        ([(0, 4), (4, 8)], ""),
        ([], "take 0 bytes of 8"),
        ([(0, 4)], "take 4 bytes of 8"),
        ([(0, 4), (5, 8)], "leave a hole at byte 4"),
        ([(1, 8)], "leave a hole at byte 0"),
        ([(0, 5), (4, 8)], "overlap at byte 4"),
    ],
)
def test_safetensors_fill_their_file(places: list[tuple[int, int]], message: str) -> None:
    if message:
        refused(lambda: safetensors._check_places(places, 8), message)
    else:
        safetensors._check_places(places, 8)


@pytest.mark.parametrize(
    ("metadata", "licence"),
    [
        ({"license": "MIT"}, "MIT"),
        ({"modelspec.license": "BSD"}, "BSD"),
        ({"license": "", "modelspec.license": "BSD"}, "BSD"),
        ({"license": "MIT", "modelspec.license": "BSD"}, "MIT"),
        ({"licence": "MIT"}, ""),
    ],
)
def test_safetensors_licences(tmp_path: Path, metadata: dict[str, str], licence: str) -> None:
    (tmp_path / "net").write_bytes(writers.safetensors(nets.artcnn_c().arrays(), metadata))
    assert safetensors.read(tmp_path / "net", Wishes()).licence == licence


def test_safetensors_metadata_are_texts_alone() -> None:
    text = json.dumps({"__metadata__": {"a": "x", "b": 1}}).encode()
    refused(lambda: safetensors._load(with_header(text)), "metadata is not a table of texts")


@pytest.mark.parametrize(
    ("file", "second", "message"),
    [
        ("state-001.safetensors", True, "one of several files of a checkpoint"),
        ("state-002.safetensors", True, "one of several files of a checkpoint"),
        ("state-001.safetensors", False, "cut short or damaged"),
        ("other.safetensors", True, "cut short or damaged"),
    ],
)
def test_safetensors_of_several_files(tmp_path: Path, file: str, second: bool, message: str) -> None:
    if second:
        (tmp_path / "state-002.safetensors").write_bytes(b"x")
    (tmp_path / file).write_bytes(with_header(b"{}", length=9))
    refused(lambda: safetensors.read(tmp_path / file, Wishes()), message)


# State-dicts


def of_one(*names: str) -> dict[str, Any]:
    return {name: np.ones((1, 1, 1, 1), np.float32) for name in names}


@pytest.mark.parametrize(
    ("names", "depth", "views"),
    [
        (["a.b.c"], 1, [["a.b.c"], ["b.c"]]),
        (["a.b.c"], 0, [["a.b.c"]]),
        (["a.b", "a.c"], 8, [["a.b", "a.c"], ["b", "c"]]),
        (["a.b", "c"], 8, [["a.b", "c"]]),  # not all of them are below a
        (["net.b", "c"], 8, [["net.b", "c"], ["b"]]),
        (["Net.b", "params.c", "x.d"], 8, [["Net.b", "params.c", "x.d"], ["c"], ["b"]]),
    ],
)
def test_prefixes_are_taken_off_best_first(names: list[str], depth: int, views: list[list[str]]) -> None:
    assert [list(view) for view in statedict._unwrap(of_one(*names), depth)] == views


def test_eight_prefixes_are_taken_off() -> None:
    net = nets.artcnn_c()
    eight = {"a." * 8 + key: array for key, array in net.arrays().items()}
    assert "ArtCNN C" in statedict.from_arrays(eight, {}, Wishes()).summary
    nine = {"a." + key: array for key, array in eight.items()}
    refused(lambda: statedict.from_arrays(nine, {}, Wishes()), "of no network that is known")


@pytest.mark.parametrize(
    ("others", "averaged"),
    [
        (["net.{}"], True),
        (["net.{}", "epoch"], True),  # what else the file holds does not matter where the trained ones are there
        (["exp_avg.{}"], True),
        (["epoch"], False),
        (["net.{}x"], True),
        (["other.{}"], False),
    ],
)
def test_an_average_is_known_by_what_is_beside_it(others: list[str], averaged: bool) -> None:
    arrays = of_one("mean.a.weight", "mean.b.weight")
    for other in others:
        arrays |= of_one(*(other.format(key) for key in ("a.weight", "b.weight")))
    found = statedict._choose_network(arrays)
    assert (found.keys() == {"a.weight", "b.weight"}) is averaged


@pytest.mark.parametrize(
    ("names", "message"),
    [
        (["first", "inner_convs.0"], "looks like ArtCNN C of this project, but lacks 'inner_last', lacks 'last'$"),
        (["first", "x"], "layers named 'first', 'x' are of no network that is known"),
        ([f"x{i}" for i in range(7)], "layers named 'x0', 'x1', 'x2', 'x3', 'x4', 'x5' are of"),
        (
            ["first", "inner_convs.0", "inner_convs.1", "inner_convs.2", "inner_last", "last", *"abcde"],
            "has 'a' as well, has 'b' as well, has 'c' as well, has 'd' as well$",
        ),
    ],
)
def test_the_nearest_network_is_named(names: list[str], message: str) -> None:
    refused(lambda: statedict.from_arrays(of_one(*(f"{name}.weight" for name in names)), {}, Wishes()), message)


@pytest.mark.parametrize(
    ("held", "message"),
    [
        ({"weight"}, ""),
        ({"weight", "bias"}, ""),
        ({"bias"}, "layer 'l' holds 'bias'; a convolution"),
        ({"weight", "a", "b", "c", "d"}, "layer 'l' holds 'a', 'b', 'c', 'd'; a convolution"),
        (set(), "layer 'l' holds ; a convolution"),
    ],
)
def test_layers_have_a_weight_and_perhaps_a_bias(held: set[str], message: str) -> None:
    arrays = of_one(*(f"l.{part}" for part in held))
    if message:
        refused(lambda: statedict._layer(arrays, "l", held), message)
    else:
        assert (statedict._layer(arrays, "l", held).bias is not None) == ("bias" in held)


def test_bfloat16_is_the_upper_half() -> None:
    assert statedict.bfloat16(np.array([0x3F80, 0xC000], np.uint16)).tolist() == [1.0, -2.0]


# Files


def test_bytes_are_read_up_to_the_limit(tmp_path: Path) -> None:
    path = tmp_path / "net"
    path.write_bytes(b"x" * 5000)
    assert files.contents(path, 5000) == b"x" * 5000
    assert files.head(path) == b"x" * 4096
    refused(lambda: files.contents(path, 4999), "has 5,000 bytes; up to 4,999 are read")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (b"[", "the file is not readable as JSON: Expecting"),
        (b"\xff", "the file is not readable as JSON: 'utf-8'"),
        (b"[" * 100_000, "the file is nested too deeply"),
        (b"1" * 5000, "too many digits"),
    ],
)
def test_json_that_is_none(text: bytes, message: str) -> None:
    refused(lambda: files.parse_json(text, "the file"), message)


# Likeness of generators


def resized(sizes: Mapping[str, list[int]], reads: Mapping[str, str], kind: type = np.int64) -> dict[str, list[int]]:
    """What becomes of stored sizes in a graph of 40x48 pixels, where nodes of some operators read them."""
    nodes = [helper.make_node(op, ["x", size], [f"y{size}"]) for size, op in reads.items()]
    stored = [numpy_helper.from_array(np.array(value, kind), name) for name, value in sizes.items()]
    proto = helper.make_model(helper.make_graph(nodes, "net", [], [], stored))
    likeness._resize(proto, [40, 48])
    return {tensor.name: numpy_helper.to_array(tensor).tolist() for tensor in proto.graph.initializer}


def test_sizes_shrink_with_the_picture() -> None:
    """A small picture has 20 rows and 24 columns."""
    sizes = {"a": [1, 64, 20, 24], "b": [1, 64, 40, 48], "c": [0, -1, 1, 1], "d": [1, 2, -1, 0], "e": [1, 1, 2, 2]}
    halved = {"a": [1, 64, 10, 12], "b": [1, 64, 20, 24], "c": [0, -1, 1, 1], "d": [1, 2, -1, 0], "e": [1, 1, 1, 1]}
    for op in ("Reshape", "Resize"):
        assert resized(sizes, dict.fromkeys(sizes, op)) == halved
    assert resized(sizes, dict.fromkeys(sizes, "Expand")) == sizes
    assert resized({"a": [1, 64, 20]}, {"a": "Reshape"}) == {"a": [1, 64, 20]}
    assert resized({"a": [1, 64, 20, 24]}, {"a": "Resize"}, np.int32) == {"a": [1, 64, 20, 24]}


@pytest.mark.parametrize("size", [[1, 1, 41, 48], [1, 1, 40, 49], [1, 1, 41, 0]])
def test_sizes_beyond_the_picture_are_refused(size: list[int]) -> None:
    refused(lambda: resized({"a": size}, {"a": "Reshape"}), r"it makes a size of \[1, 1, .* of pictures of \[40, 48\]")


@pytest.mark.parametrize(("shape", "axes"), [([1, 3, 8, 9], [1, 3, 8, 9]), ([1, 3, 8], [0] * 4), (None, [0] * 4)])
def test_axes_of_an_input(shape: list[int] | None, axes: list[int]) -> None:
    ends = [helper.make_tensor_value_info(name, 1, shape) for name in "xy"]
    assert likeness._axes(helper.make_model(helper.make_graph([], "net", ends[:1], ends[1:]))) == axes


def test_axes_without_an_input() -> None:
    assert likeness._axes(onnx.ModelProto()) == [0] * 4


@pytest.mark.parametrize(("version", "newer"), [(10, 11), (11, 11), (12, 12)])
def test_old_operators_become_those_of_version_11(version: int, newer: int) -> None:
    ends = [helper.make_tensor_value_info(name, 1, [1, 1, 4, 4]) for name in "xy"]
    graph = helper.make_graph([helper.make_node("Relu", ["x"], ["y"])], "net", ends[:1], ends[1:])
    proto = helper.make_model(graph, opset_imports=[helper.make_opsetid("", version)], ir_version=5)
    made = likeness.modern(proto)
    assert made.opset_import[0].version == newer
    assert (made is proto) is (version >= 11)


@pytest.mark.parametrize(
    ("op", "version", "inputs"),
    [
        ("Pad", 11, ["x", "i"]),
        ("Resize", 10, ["x", "f"]),
        ("Resize", 11, ["x", "", "f"]),
        ("Resize", 13, ["x", "", "", "i"]),
        ("Upsample", 9, ["x", "f"]),
        ("ConstantOfShape", 11, ["i"]),
    ],
)
def test_sizes_are_looked_for_where_operators_take_them(op: str, version: int, inputs: list[str]) -> None:
    """Each is computed of the picture, and a thousand times as large as it."""
    nodes = [
        helper.make_node("Shape", ["x"], ["s"]),
        helper.make_node("Cast", ["s"], ["g"], to=1),
        helper.make_node("Mul", ["g", "large"], ["f"]),
        helper.make_node("Cast", ["f"], ["i"], to=7),
        helper.make_node(op, inputs, ["y"]),
    ]
    ends = [helper.make_tensor_value_info(name, 1, None) for name in "xy"]
    stored = [numpy_helper.from_array(np.float32(1000), "large")]
    graph = helper.make_graph(nodes, "net", ends[:1], ends[1:], stored)
    proto = helper.make_model(graph, opset_imports=[helper.make_opsetid("", version)], ir_version=5)
    message = f"{op} 'y' makes a size of .*1000.* of a picture of 24x20|{op} 'y' gives .* MiB"
    refused(lambda: likeness._check_memory(proto, np.zeros((1, 3, 20, 24), np.float32)), message)


def filled(sizes: list[float]) -> onnx.ModelProto:
    """A graph that makes a size of what it computes from its picture, which is to be said beforehand."""
    nodes = [
        helper.make_node("Mul", ["x", "zero"], ["nothing"]),
        helper.make_node("ReduceSum", ["nothing"], ["sum"], keepdims=0),
        helper.make_node("Add", ["sum", "sizes"], ["f"]),
        helper.make_node("Cast", ["f"], ["i"], to=7),
        helper.make_node("ConstantOfShape", ["i"], ["y"]),
    ]
    ends = [helper.make_tensor_value_info(name, 1, None) for name in "xy"]
    stored = [
        numpy_helper.from_array(np.array(array, np.float32), name)
        for name, array in {"zero": 0, "sizes": sizes}.items()
    ]
    graph = helper.make_graph(nodes, "net", ends[:1], ends[1:], stored)
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)


@pytest.mark.parametrize(
    ("sizes", "fine"), [([4096, 1024], True), ([4097, 1024], False), ([0, 4096, 1024], True), ([0, 4097, 1024], False)]
)
def test_computed_sizes_are_bounded(sizes: list[float], fine: bool) -> None:
    picture = np.zeros((1, 3, 20, 24), np.float32)
    assert math.prod(n for n in sizes if n) in (1 << 22, (1 << 22) + 1024)
    if fine:
        likeness._check_memory(filled(sizes), picture)
    else:
        refused(lambda: likeness._check_memory(filled(sizes), picture), "ConstantOfShape 'y' makes a size of .* 24x20")
