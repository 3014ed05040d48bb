"""A file of a megabyte is read or refused within a second or two, whatever is in it.

Each of these files would take a reader whose work grows with the square of something minutes. What is measured is
processor time, which other programs hardly change, and the bound is several times what is needed.
"""

from __future__ import annotations

import json
import struct
import time
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from tests.support import nets, writers
from tests.support.writers import name
from vsanime.errors import VsanimeError
from vsanime.models.formats import read
from vsanime.models.formats.shaders.mpv import LONGEST_NAME
from vsanime.models.formats.shaders.reader import _MOST_GROUPS
from vsanime.models.onnxfile import read_onnx

# Each call costs a newcomer's time, and says nothing about the machine.
pytestmark = pytest.mark.long

SECONDS = 10.0
LARGEST = 1_200_000
ONE_HASH = (1 << 61) - 1  # of Python: all multiples of it have the hash 0


def pickled(operations: bytes) -> Callable[[], bytes]:
    """An archive of torch with such a pickle in it."""
    return lambda: writers.torch_zip({}, {}, data__pkl=b"\x80\x02" + operations + b".")


def long_int(number: int) -> bytes:
    return b"\x8a\x0a" + number.to_bytes(10, "little", signed=True)


def with_memo(made: bytes, called: bytes) -> bytes:
    """Something large in place 1 of the memo, and a name in place 0, called with it again and again."""
    return name(*called.decode().split()) + b"q\x00" + made + b"q\x01" + b"h\x00h\x01\x85R" * 40_000


def safetensors(names: list[str]) -> Callable[[], bytes]:
    """Tensors of one weight each, their header as short as can be."""
    entries = [
        f'"{one}":{{"dtype":"F16","shape":[1,1,1,1],"data_offsets":[{2 * i},{2 * i + 2}]}}'
        for i, one in enumerate(names)
    ]
    header = ("{" + ",".join(entries) + "}").encode()
    return lambda: struct.pack("<Q", len(header)) + header + bytes(2 * len(names))


def header(text: bytes) -> Callable[[], bytes]:
    return lambda: struct.pack("<Q", len(text)) + text


def shader(*lines: str) -> str:
    start = ["//!HOOK LUMA", "//!BIND LUMA", "//!SAVE x", "vec4 result = vec4(0, 0, 0, 0);"]
    return "\n".join(
        [*start, "result += vec4(1, 1, 1, 1) * LUMA_texOff(vec2(0, 0)).x;", *lines, "return result;", "}", ""]
    )


def shaders(*lines: str) -> Callable[[], bytes]:
    return lambda: shader(*lines).encode()


WORDS = ("g", "model", "net", "netG", "gen", "ema", "params", "state")
LETTERS = "a" * 3900
WEIGHT = '{"nInputPlane":1,"nOutputPlane":1,"kW":1,"kH":1,"weight":[[[[1]]]]}'

FILES: dict[str, tuple[Callable[[], bytes], str]] = {
    # Integers as keys and as places of the memo, all of one hash.
    "keys of one hash": (
        pickled(b"}(" + b"".join(long_int(i * ONE_HASH) + b"N" for i in range(1, 60_000)) + b"u"),
        "neither a text nor a small number",
    ),
    "keys of one hash as text": (
        pickled(b"}(" + b"".join(b"L%dL\nN" % (i * ONE_HASH) for i in range(1, 40_000)) + b"u"),
        "neither a text nor a small number",
    ),
    "negative keys": (
        pickled(b"}(" + b"".join(long_int(-i * ONE_HASH) + b"N" for i in range(1, 60_000)) + b"u"),
        "neither a text nor a small number",
    ),
    "keys of one slot": (
        pickled(b"}(" + b"".join(b"J" + struct.pack("<i", i << 14) + b"N" for i in range(1, 100_000)) + b"u"),
        "no weights",
    ),
    "floats": (
        pickled(
            b"}(" + b"".join(b"G" + struct.pack(">d", 2.0 ** (i % 1000) * (i | 1)) + b"N" for i in range(90_000)) + b"u"
        ),
        "no weights",
    ),
    "memo of one hash": (
        pickled(b"N" + b"".join(b"p%d\n" % (i * ONE_HASH) for i in range(45_000))),
        "a place in the memo beyond four bytes",
    ),
    "memo of one slot": (
        pickled(b"N" + b"".join(b"r" + struct.pack("<I", i << 15) for i in range(120_000))),
        "no state-dict",
    ),
    # The same large value again and again.
    "sizes of a long list": (pickled(with_memo(b"](" + b"N" * 200_000 + b"e", b"torch Size")), "no state-dict"),
    "calls with a long tuple": (
        pickled(
            name("torch._utils", "_rebuild_tensor_v2")
            + b"q\x00("
            + b"N" * 200_000
            + b"tq\x01"
            + b"h\x00h\x01R" * 100_000
        ),
        "with too many arguments",
    ),
    "a long name again and again": (
        pickled(b"}(X" + struct.pack("<I", 800_000) + b"a" * 800_000 + b"q\x00N" + b"h\x00N" * 60_000 + b"u"),
        "no weights",
    ),
    # Many operations, and deep ones.
    "constants": (pickled(b"N" * 520_000), "over 500,000 operations"),
    "tuples in tuples": (pickled(b"N" + b"\x85" * 520_000), "over 500,000 operations"),
    "lists in lists": (pickled(b"]" * 120_000 + b"a" * 119_999), "no state-dict"),
    "dicts in dicts": (pickled(b"}X\x05\x00\x00\x00model" * 80_000 + b"}" + b"s" * 80_000), "no state-dict"),
    "marks": (pickled(b"(" * 120_000 + b"t" * 120_000), "no state-dict"),
    "a long integer": (pickled(b"}(\x8b" + struct.pack("<i", 900_000) + b"\x7f" * 900_000 + b"Nu"), "small number"),
    "a long integer as text": (pickled(b"I" + b"7" * 900_000 + b"\n"), "damaged"),
    # State-dicts of many layers, and of many words before their names.
    "many layers": (
        safetensors(
            ["first.weight", *(f"inner_convs.{i}.weight" for i in range(9_900)), "inner_last.weight", "last.weight"]
        ),
        "it has 9903 layers; 1 to 300 are read",
    ),
    "many networks": (
        safetensors([f"{a}.{b}.{c}.{d}.weight" for a in WORDS for b in WORDS for c in WORDS for d in WORDS]),
        "of no network that is known",
    ),
    "many words": (safetensors(["model." * 15 + f"{i}.weight" for i in range(5_000)]), "of no network that is known"),
    "a name of words": (safetensors(["model." * 150_000 + "weight"]), "of no network that is known"),
    "numbers of thousands of digits": (
        safetensors([f"conv0.{'9' * 5_000}.weight", *(f"conv{i}.0.weight" for i in range(1, 40))]),
        "of no network that is known|it looks like",
    ),
    # JSON
    "deep header": (header(b'{"a":' + b"[" * 900_000), "nested too deeply"),
    "header of digits": (header(b'{"a":' + b"1" * 900_000), "too many digits"),
    "long shape": (
        header(b'{"a":{"dtype":"F32","shape":[' + b"1," * 400_000 + b'1],"data_offsets":[0,0]}}'),
        "has a shape that is none",
    ),
    "one name for ever": (header(b"{" + b",".join([b'"a":1'] * 150_000) + b"}"), "has a name twice"),
    "deep JSON": (lambda: b"[" * 999_999, "nested too deeply"),
    "deep weights": (
        lambda: WEIGHT.replace("[[[[1]]]]", "[" * 60 + ",".join(["[1]"] * 200_000) + "]" * 60).join("[]").encode(),
        "weights or biases",
    ),
    "JSON of many layers": (lambda: ("[" + ",".join([WEIGHT] * 14_000) + "]").encode(), "14000 convolutions"),
    "numbers of 4,200 digits": (
        lambda: WEIGHT.replace("[[[[1]]]]", f"[{','.join(['7' * 4_200] * 220)}]").join("[]").encode(),
        "are not numbers",
    ),
    "a number of 900,000 digits": (
        lambda: WEIGHT.replace("[[[[1]]]]", f"[0.{'1' * 900_000}]").join("[]").encode(),
        "weights or biases of shape",
    ),
    "a table of many keys": (lambda: json.dumps([{str(i): 1 for i in range(80_000)}]).encode(), "nInputPlane"),
    # Shaders
    "long names in macros": (
        shaders(*(f"#define go_{k}(x, y) {LETTERS}_texOff(vec2(x, y))" for k in range(235))),
        "is nothing that an ArtCNN C network reads",
    ),
    "long names in loads": (
        shaders(
            *(f"inp[{k}][y][x] = V4(a_mul * texelFetch(a_raw, {LETTERS[:3800]}ivec2(0, 0), 0));" for k in range(235))
        ),
        "is nothing that an ArtCNN C network reads",
    ),
    "long names in sums": (
        shaders(*(f"result += vec4(1, 1, 1, 1) * {LETTERS}_texOff(vec2(0, 0)).x;" for _ in range(235))),
        "is no tap that is understood",
    ),
    "long names of textures": (
        lambda: "".join(shader().replace("//!SAVE x", f"//!SAVE {LETTERS}{k}") for k in range(220)).encode(),
        f"has a name of 3901 characters as //!SAVE; up to {LONGEST_NAME} are read",
    ),
    "brackets": (
        shaders(*(f"#define go_{k}(x, y) a_texOff(vec2(x, y)){')' * 3900}!" for k in range(235))),
        "is nothing that an ArtCNN C network reads",
    ),
    "many directives": (lambda: b"//!HOOK LUMA\n" + b"//!BIND x\n" * 95_000 + b"x\n}\n", "0 convolutions"),
    "many passes": (lambda: b"//!HOOK LUMA\n}\n" * 60_000, "0 convolutions"),
    "many convolutions": (
        lambda: (shader() * 3_000).encode(),
        "reads 1 and gives 3000 groups of 4 channels|convolutions",
    ),
    "many lines": (shaders(*["x"] * 300_000), "1 convolutions"),
    "many aliases": (
        shaders(
            *(f"inp[{k}][y][x] = V4(a_mul * texelFetch(a_raw, ivec2({k}, {k}), 0));" for k in range(1_000)),
            *(
                f"const V4 c{k} = inp[{k % 999}][local_xy.y + {k % 3}][local_xy.x + {k // 3 % 3}];"
                for k in range(6_000)
            ),
            *(f"result += vec4(1, 1, 1, 1) * c{k};" for k in range(6_000)),
        ),
        "stands twice in one result",
    ),
    "many lines at the head": (
        lambda: (shader() + "// Licence: " + "e" * 90 + "\n" * 9_000).encode() + b"//c\n" * 150_000,
        "does not end in a closing brace|1 convolutions",
    ),
}


def timed(reader: Callable[[Path], object], path: Path, message: str) -> None:
    """Refuse a file in time, in one line."""
    assert path.stat().st_size < LARGEST
    start = time.process_time()
    with pytest.raises(VsanimeError, match=message) as error:
        reader(path)
    assert time.process_time() - start < SECONDS
    assert "\n" not in str(error.value)
    assert len(str(error.value)) < len(str(path)) + 700


@pytest.mark.parametrize("kind", FILES)
def test_files_of_a_megabyte_are_refused_in_time(tmp_path: Path, kind: str) -> None:
    make, message = FILES[kind]
    (tmp_path / "net").write_bytes(make())
    timed(read, tmp_path / "net", message)


def ncnn(*lines: str) -> bytes:
    return "\n".join(["7767517", f"{len(lines)} {len(lines)}", *lines, ""]).encode()


INPUT = "Input a 0 1 b"
PARAMS = {
    "keys of one hash": (ncnn(f"{INPUT} {' '.join(f'{i * ONE_HASH}=1' for i in range(40_000))}"), "cannot be read"),
    "arrays of one hash": (ncnn(f"{INPUT} {' '.join(f'-{i * ONE_HASH}=0' for i in range(36_000))}"), "cannot be read"),
    "a key of many digits": (ncnn(f"{INPUT} {'1' * 900_000}=1"), "cannot be read"),
    "a value of many digits": (ncnn(f"{INPUT} 0={'1' * 900_000}"), "has no convolutions"),
    "many lines": (ncnn(INPUT, *["ReLU a 1 1 b b"] * 30_000), "an activation that follows no convolution"),
    "many kinds": (ncnn(INPUT, *(f"K{i} a 1 1 b b" for i in range(25_000))), "are in neither UpConv_7 nor VGG_7"),
    "many blobs": (
        ncnn(INPUT, f"Split a 1 90000 b {' '.join(f'c{i}' for i in range(90_000))}", "Split a 1 1 c89999 d"),
        "has no convolutions",
    ),
    "a long array": (ncnn(f"{INPUT} -23310=400000{',1' * 400_000}"), "has no convolutions"),
    "convolutions": (ncnn(INPUT, *["Convolution a 1 1 b b 0=1 1=1 6=1"] * 28_000), "the .bin ends at byte"),
}


@pytest.mark.parametrize("kind", PARAMS)
def test_texts_of_ncnn_are_refused_in_time(tmp_path: Path, kind: str) -> None:
    data, message = PARAMS[kind]
    (tmp_path / "net.param").write_bytes(data)
    (tmp_path / "net.bin").write_bytes(struct.pack("<I", 0x01306B47) + bytes(99))
    timed(read, tmp_path / "net.param", message)


# ONNX


FIRST = numpy_helper.from_array(np.zeros((32, 3, 7, 7), np.float32), "w")


def network(nodes: list[onnx.NodeProto], weights: list[onnx.TensorProto], kind: int = TensorProto.FLOAT) -> bytes:
    ends = [helper.make_tensor_value_info(end, kind, ["n", 3, "h", "w"]) for end in ("input", "output")]
    graph = helper.make_graph(nodes, "net", ends[:1], ends[1:], weights)
    data: bytes = helper.make_model(
        graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8
    ).SerializeToString()
    return data


def chain(kind: str, count: int, first: str, last: str, **settings: object) -> list[onnx.NodeProto]:
    names = [first, *(f"a{i}" for i in range(count - 1)), last]
    return [helper.make_node(kind, [a], [b], **settings) for a, b in pairwise(names)]


def endless_dims() -> bytes:
    """A hundred thousand sizes, whose product has two million digits."""
    relu = [helper.make_node("Relu", ["input"], ["output"])]
    proto = onnx.ModelProto.FromString(network(relu, []))
    tensor = proto.graph.initializer.add(name="w", data_type=TensorProto.FLOAT, raw_data=b"abcd")
    tensor.dims.extend([(1 << 62) - 1] * 100_000)
    return proto.SerializeToString()


ENDS = [helper.make_node("Conv", ["input", "last"], ["c"]), helper.make_node("Tanh", ["c"], ["output"])]
GRAPHS: dict[str, tuple[Callable[[], bytes], str]] = {
    "sizes": (endless_dims, "w. has the shape .*; no tensor can have it"),
    "names of one weight": (
        lambda: network([*chain("Identity", 9_000, "w", "last"), *ENDS], [FIRST]),
        "its graph is damaged",
    ),
    "turned weight": (
        lambda: network([*chain("Transpose", 900, "w", "last", perm=[0, 1, 2, 3]), *ENDS], [FIRST]),
        "has 1 convolutions",
    ),
    "nodes": (lambda: network(chain("Relu", 9_000, "input", "output"), []), "ONNX files need no import"),
}


@pytest.mark.parametrize("kind", GRAPHS)
def test_onnx_is_refused_in_time(tmp_path: Path, kind: str) -> None:
    make, message = GRAPHS[kind]
    (tmp_path / "net.onnx").write_bytes(make())
    timed(read, tmp_path / "net.onnx", message)


@pytest.mark.parametrize("kind", ["casts", "weights"])
def test_half_precision_is_read_in_time(tmp_path: Path, kind: str) -> None:
    half = TensorProto.FLOAT16
    casts = chain("Cast", 8_000, "input", "output", to=half)
    weights = [numpy_helper.from_array(np.zeros(1, np.float16), f"w{i}") for i in range(8_000)]
    relu = chain("Relu", 1, "input", "output")
    (tmp_path / "net.onnx").write_bytes(network(casts, [], half) if kind == "casts" else network(relu, weights, half))
    start = time.process_time()
    found = read_onnx(tmp_path / "net.onnx")
    assert time.process_time() - start < SECONDS
    assert [node.op_type for node in found.graph.node] == ["Identity" if kind == "casts" else "Relu"]


# The bounds leave room


def test_bounds_are_beyond_what_networks_need(tmp_path: Path) -> None:
    """A checkpoint of a deep network with all that its optimizer remembers, keyed by integers, one of them large."""
    arrays = nets.artcnn_r(blocks=90, filters=2).arrays()
    moments = {
        i: {"step": i, **{kind: writers.tensor(array, str(i)) for kind in ("exp_avg", "exp_avg_sq")}}
        for i, array in enumerate(arrays.values())
    }
    moments[(1 << 31) + 1] = {"step": 0}
    data = writers.state_dict_zip(arrays, wrap="params", optimizer={"state": moments, "param_groups": [{"lr": 1}]})
    (tmp_path / "net.pth").write_bytes(data)
    assert "90 residual blocks" in read(tmp_path / "net.pth").summary
    assert 4 * _MOST_GROUPS >= 512
