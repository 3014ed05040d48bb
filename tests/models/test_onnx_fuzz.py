"""ONNX files with random changes are understood or refused with one VsanimeError: nothing else, and no crash."""

from __future__ import annotations

import os
import random
import warnings
from collections.abc import Callable
from functools import cache
from pathlib import Path

import numpy as np
import onnx
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from onnx import helper, numpy_helper

from tests.support.exported import as_exported
from tests.support.networks import artcnn_like, layers
from vsanime.coding import luma_coding
from vsanime.errors import VsanimeError
from vsanime.graphs.builders.luma_chroma import luma_graph
from vsanime.graphs.inspect import inspect
from vsanime.models.chain import read_artcnn_c
from vsanime.models.formats import read
from vsanime.models.onnxfile import read_onnx
from vsanime.spec import Family, GraphTraits, PlaneFormat, Range, SampleType

# The same examples each time, so that nobody's change fails by chance; VSANIME_FUZZ asks for as many others.
MORE = int(os.environ.get("VSANIME_FUZZ", "0"))
QUICK, LONG = 300, 10_000
CODING = luma_coding(PlaneFormat(Family.GRAY, SampleType.INTEGER, 8, 0, 0), Range.LIMITED)


def conv(**attributes: object) -> onnx.NodeProto:
    return helper.make_node("Conv", ["input", "w"], ["a"], **attributes)


@cache
def samples() -> dict[str, bytes]:
    """Small networks with one of everything that rules are about."""
    weight = np.random.default_rng(0).random((4, 1, 3, 3)).astype(np.float32)
    shuffle = helper.make_node("DepthToSpace", ["e"], ["output"], blocksize=2)
    mixed = layers(
        conv(pads=[2] * 4, dilations=[2, 2], strides=[2, 2], kernel_shape=[3, 3], group=1),
        helper.make_node("MaxPool", ["a"], ["b"], kernel_shape=[3, 3], pads=[1] * 4),
        helper.make_node("Pad", ["b", "p"], ["c"], mode="reflect"),
        helper.make_node("Slice", ["c", "s", "t", "x"], ["d"]),
        helper.make_node("Resize", ["d", "", "r"], ["e"], mode="linear"),
        shuffle,
        channels=(1, 1),
        w=weight,
        p=np.array([0, 0, 1, 1, 0, 0, 1, 1]),
        s=np.array([1, 1]),
        t=np.array([-1, -1]),
        x=np.array([2, 3]),
        r=np.array([1, 1, 2, 2], np.float32),
    )
    grown = layers(
        conv(pads=[1] * 4),
        helper.make_node("ConvTranspose", ["a", "k"], ["b"], strides=[2, 2], pads=[1] * 4),
        helper.make_node("ReduceMean", ["b"], ["c"], axes=[1]),
        helper.make_node("Constant", [], ["d"], value=numpy_helper.from_array(np.ones((1, 1, 1, 1), np.float32))),
        helper.make_node("Mul", ["c", "d"], ["output"]),
        channels=(1, 1),
        w=weight,
        k=np.random.default_rng(1).random((4, 2, 4, 4)).astype(np.float32),
    )
    plain = artcnn_like(features=2, inner=1)
    found = {"plain": plain, "mixed": mixed, "grown": grown, "exported": as_exported(artcnn_like(features=1, inner=1))}
    return {name: proto.SerializeToString() for name, proto in found.items()}


def check(path: Path) -> bool:
    """Read a file as filters and commands do; return whether it was taken."""
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for take in (_run, lambda p: read_artcnn_c(read_onnx(p)), read):
            try:
                take(path)
            except VsanimeError as error:
                message = str(error)
                assert "\n" not in message
                assert len(message) < 1000 + len(str(path))
            else:
                return True
    return False


def _run(path: Path) -> None:
    proto = read_onnx(path)
    facts = inspect(proto)
    if (facts.in_channels, facts.out_channels, facts.scale) == (1, 1, 2):
        luma_graph(proto, facts, CODING, CODING, 64, 64, GraphTraits(exact_linear=True))


def test_samples_are_understood(tmp_path: Path) -> None:
    for name, data in samples().items():
        (tmp_path / name).write_bytes(data)
        assert inspect(read_onnx(tmp_path / name)).scale == 2, name


# Changes of bytes

TELLING = [0, 1, 2, 7, 8, 10, 16, 18, 34, 42, 50, 58, 90, 127, 128, 160, 255]


def changed(data: bytes, source: random.Random) -> bytes:
    """One to three places where bytes are replaced, and now and then left out, put in or repeated."""
    for _ in range(source.randint(1, 3)):
        at, length = source.randrange(len(data)), source.randint(1, 12)
        new = bytes(source.choice(TELLING) if source.random() < 0.6 else source.randrange(256) for _ in range(3))
        new = new[: source.randint(1, 3)]
        if source.random() < 0.8:  # other changes of a length seldom get past the parser
            data = data[:at] + new + data[at + len(new) :]
        else:
            data = data[:at] + source.choice([b"", data[at : at + length] * 2, new]) + data[at + length :]
    return data


def change_many(folder: Path, count: int, seed: int) -> None:
    source = random.Random(seed)
    taken = 0
    wholes = list(samples().values())
    for i in range(count):
        (folder / "net.onnx").write_bytes(changed(wholes[i % len(wholes)], source))
        taken += check(folder / "net.onnx")
    # Else the changes would be such that nothing behind the parser is reached.
    assert 0.05 * count < taken < 0.95 * count


def test_changed_bytes(tmp_path: Path) -> None:
    change_many(tmp_path, MORE or QUICK, seed=MORE)


@pytest.mark.long
def test_ten_thousand_files_of_changed_bytes(tmp_path: Path) -> None:
    change_many(tmp_path, LONG, seed=1)


# Changes of settings: bytes rarely hit those

NUMBERS = st.sampled_from([-(2**63), -(10**9), -5, -1, 0, 1, 2, 3, 7, 64, 255, 4096, 10**6, 2**31, 2**40, 2**63 - 1])
FLOATS = st.sampled_from([float("nan"), float("inf"), -1.0, 0.0, 1e-30, 0.5, 2.0, 1e9, 1e38])
ARRAYS = st.one_of(
    st.lists(NUMBERS, max_size=9).map(lambda values: np.array(values, np.int64)),
    st.lists(FLOATS, max_size=9).map(lambda values: np.array(values, np.float32)),
    st.lists(st.integers(0, 5), max_size=6).map(lambda shape: np.ones(shape, np.float32)),
)
VALUES = st.one_of(NUMBERS, FLOATS, st.lists(NUMBERS, max_size=8), st.lists(FLOATS, min_size=1, max_size=4), st.text())
OPERATORS = (
    "Conv",
    "ConvTranspose",
    "MaxPool",
    "Pad",
    "Slice",
    "Resize",
    "Expand",
    "Tile",
    "Relu",
    "Clip",
    "If",
    "Loop",
)
NAMES = ("pads", "strides", "dilations", "kernel_shape", "group", "blocksize", "mode", "axis", "axes", "auto_pad", "to")


@st.composite
def edits(draw: st.DrawFn) -> Callable[[onnx.ModelProto], None]:
    """A change of a node's operator, inputs or settings, of a weight, an input or a version."""
    kind = draw(st.sampled_from(["operator", "input", "setting", "setting", "weight", "shape", "version", "drop"]))
    place, other = draw(st.integers(0, 50)), draw(st.integers(0, 50))
    name, value = draw(st.sampled_from(NAMES)), draw(VALUES)
    operator, array, number = draw(st.sampled_from(OPERATORS)), draw(ARRAYS), draw(NUMBERS)

    def edit(proto: onnx.ModelProto) -> None:
        graph = proto.graph
        if not graph.node or not graph.initializer:
            return
        node = graph.node[place % len(graph.node)]
        tensor = graph.initializer[other % len(graph.initializer)]
        match kind:
            case "operator":
                node.op_type = operator
            case "input" if node.input:
                node.input[other % len(node.input)] = graph.node[other % len(graph.node)].output[0]
            case "setting":
                kept = [a for a in node.attribute if a.name != name]
                del node.attribute[:]
                node.attribute.extend(kept)
                if value != []:
                    node.attribute.append(helper.make_attribute(name, value))
            case "weight":
                tensor.CopyFrom(numpy_helper.from_array(array, tensor.name))
            case "shape":
                graph.input[0].type.tensor_type.shape.dim[other % 4].dim_value = number
            case "version":
                proto.opset_import[0].version = number
            case "drop":
                del graph.node[place % len(graph.node)]

    return edit


@settings(
    max_examples=MORE or QUICK,
    derandomize=not MORE,
    deadline=None,
    database=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(st.sampled_from(["plain", "mixed", "grown", "exported"]), st.lists(edits(), min_size=1, max_size=3))
def test_changed_settings(tmp_path: Path, name: str, changes: list[Callable[[onnx.ModelProto], None]]) -> None:
    proto = onnx.load_from_string(samples()[name])
    for change in changes:
        change(proto)
    (tmp_path / "net.onnx").write_bytes(proto.SerializeToString())
    check(tmp_path / "net.onnx")
